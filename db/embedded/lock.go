//go:build unix

package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// poll is the pause between two looks at something that nobody signals.
const poll = 10 * time.Millisecond

// attachGrace outlasts the instant for which Attach holds supervisor.lock to look at it.
const attachGrace = 200 * time.Millisecond

// supervise locks the folder for this process. The kernel unlocks it when the
// file is closed, also after kill -9; Go's files are not inherited by children.
func supervise(ctx context.Context, dir string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(dir, "supervisor.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the supervisor's lock: %w", err)
	}
	if err := lockWithin(ctx, lock, attachGrace); err != nil {
		defer lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: pid %s, %s", ErrSupervised, readPID(lock), dir)
		}
		return nil, fmt.Errorf("locking %s: %w", lock.Name(), err)
	}
	if err := writePID(lock); err != nil {
		lock.Close()
		return nil, fmt.Errorf("writing %s: %w", lock.Name(), err)
	}
	return lock, nil
}

// supervised says whether some process holds the folder's lock.
func supervised(dir string) (bool, error) {
	lock, err := os.Open(filepath.Join(dir, "supervisor.lock"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading the supervisor's lock, which needs the user that serves: %w", err)
	}
	defer lock.Close()
	err = syscall.Flock(int(lock.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}

// lockWithin returns EWOULDBLOCK when another process keeps the lock for so long.
func lockWithin(ctx context.Context, f *os.File, patience time.Duration) error {
	deadline := time.Now().Add(patience)
	for {
		err := tryLock(f)
		if !errors.Is(err, syscall.EWOULDBLOCK) || time.Now().After(deadline) {
			return err
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

func tryLock(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

func writePID(lock *os.File) error {
	if err := lock.Truncate(0); err != nil {
		return err
	}
	_, err := lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

func readPID(lock *os.File) string {
	text := make([]byte, 20)
	n, _ := lock.ReadAt(text, 0)
	if pid, err := strconv.Atoi(strings.TrimSpace(string(text[:n]))); err == nil {
		return strconv.Itoa(pid)
	}
	return "unknown"
}

// pause waits one poll, or for the end of ctx.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(poll):
		return nil
	}
}
