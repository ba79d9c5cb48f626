//go:build unix

package embedded

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// postmaster is postgres as our direct child.
type postmaster struct {
	cmd      *exec.Cmd
	log      *slog.Logger
	out      *tail
	stopping atomic.Bool
	stopOnce sync.Once
	done     chan struct{}
	err      error // why it ended; set before done is closed
}

// startPostmaster returns when the process exists, and calls ended when it doesn't
// any more. Where it returns an error ended was not called.
func startPostmaster(a account, cmd *exec.Cmd, log *slog.Logger, ended func()) (*postmaster, error) {
	p := &postmaster{cmd: cmd, log: log, out: &tail{log: log}, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.out, p.out
	started := make(chan error)
	go p.live(a, started, ended)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting postgres: %w", err)
	}
	return p, nil
}

// live keeps the thread that made the child until the child has ended: on Linux
// the end of the thread is what the kernel takes for our death.
func (p *postmaster) live(a account, started chan<- error, ended func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	boundToUs(p.cmd.SysProcAttr, syscall.SIGINT)
	if err := p.cmd.Start(); err != nil {
		started <- err
		return
	}
	watcher, err := a.watch(p.cmd.Process.Pid)
	if err != nil {
		p.cmd.Process.Kill()
		p.cmd.Wait()
		started <- err
		return
	}
	started <- nil
	err = p.cmd.Wait()
	if watcher != nil {
		watcher.Process.Kill()
		watcher.Wait()
	}
	if !p.stopping.Load() {
		p.err = fmt.Errorf("postgres ended by itself (%s), its last lines:\n%s", ending(err), p.out)
	}
	ended()
	close(p.done)
}

func ending(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// stop begins to stop the server and returns. Its end comes within three graces.
func (p *postmaster) stop() {
	p.stopOnce.Do(func() {
		p.stopping.Store(true)
		go p.escalate()
	})
}

// escalate asks for a fast shutdown, then for an immediate one, then insists.
func (p *postmaster) escalate() {
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL} {
		p.cmd.Process.Signal(sig)
		select {
		case <-p.done:
			return
		case <-time.After(grace):
			p.log.Warn("postgres did not stop", "signal", sig.String(), "after", grace)
		}
	}
}

// postgresCommand serves sockets in the folder sock, and nothing else.
func (f *folder) postgresCommand(a account, p programs, sock string, throwaway bool, held *os.File) *exec.Cmd {
	args := []string{"-D", f.join("data")}
	for _, setting := range settings(sock, throwaway) {
		args = append(args, "-c", setting)
	}
	cmd := a.command(context.Background(), filepath.Join(p.dir, "postgres"), args...)
	cmd.ExtraFiles = []*os.File{held}
	return cmd
}

func settings(sock string, throwaway bool) []string {
	s := []string{
		"unix_socket_directories=" + sock,
		"unix_socket_permissions=0700",
		"listen_addresses=",
		"port=5432",
		"logging_collector=off",
		"log_destination=stderr",
		"log_line_prefix=[%p] ",
		// What callers send stays out of the log: no statements, no errors of
		// theirs, no details, which would quote rows.
		"log_statement=none",
		"log_min_messages=log",
		"log_min_error_statement=panic",
		"log_error_verbosity=terse",
	}
	if !throwaway {
		return s
	}
	return append(s,
		"fsync=off",
		"synchronous_commit=off",
		"full_page_writes=off",
		"wal_level=minimal",
		"max_wal_senders=0",
		"autovacuum=off",
		"checkpoint_timeout=1d",
		"max_wal_size=4GB",
		"jit=off",
		"max_connections=200",
	)
}
