//go:build unix

package embedded

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// command is a program of PostgreSQL, run by the account in a process group of
// its own: Ctrl-C reaches us, and we stop it. When ctx ends it is killed.
func (a account) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = "/"
	cmd.Env = childEnv()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: a.credential()}
	cmd.WaitDelay = time.Second
	return cmd
}

// childEnv leaves out what would change PostgreSQL's mind (PG*, LC_*, LANG, HOME)
// and whatever secrets our own environment holds.
func childEnv() []string {
	env := []string{"LC_ALL=C", "TZ=UTC", "HOME=/nonexistent"}
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH", "LOCPATH", "LOCALE_ARCHIVE"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// runBound runs cmd so that it can't outlive this process: see boundToUs.
func runBound(cmd *exec.Cmd, sig syscall.Signal) error {
	ended := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		boundToUs(cmd.SysProcAttr, sig)
		ended <- cmd.Run()
	}()
	return <-ended
}

// tail logs lines at Debug and keeps the last ones, for the error that may follow.
type tail struct {
	log *slog.Logger

	mu   sync.Mutex // guards all below
	rest []byte     // a line without its end
	kept []byte
}

const tailSize = 8 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - tailSize; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	t.rest = append(t.rest, p...)
	for {
		line, rest, ok := bytes.Cut(t.rest, []byte("\n"))
		if !ok {
			break
		}
		t.log.Debug("postgres", "line", string(line))
		t.rest = rest
	}
	if len(t.rest) > tailSize {
		t.rest = nil
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.kept))
}
