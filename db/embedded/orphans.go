//go:build unix

package embedded

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// grace is how long each signal has to work before the next, harder one.
const grace = 10 * time.Second

// orphans are processes of PostgreSQL that work in the folder without a supervisor.
type orphans struct {
	postmaster int   // 0 where it's gone
	others     []int // its backends, or those of a killed initdb
}

// clear ends what an earlier supervisor left, and removes its stale files. It
// returns data.lock, which every process of PostgreSQL inherits from us: while
// it is held, one of them lives, wherever it may be, and postgres's own
// interlock (postmaster.pid) must stay. The caller closes it after the start.
func (f *folder) clear(ctx context.Context, a account) (*os.File, error) {
	held, err := os.OpenFile(f.join("data.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the data's lock: %w", err)
	}
	if err := f.endOrphans(ctx, a, held); err != nil {
		held.Close()
		return nil, err
	}
	if err := f.removeStale(); err != nil {
		held.Close()
		return nil, err
	}
	return held, nil
}

func (f *folder) endOrphans(ctx context.Context, a account, held *os.File) error {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL} {
		if quiet, err := f.endBy(ctx, a, sig, held); quiet || err != nil {
			return err
		}
	}
	return fmt.Errorf("processes of PostgreSQL still work in %s after SIGKILL: end them, then start again", f.path)
}

// endBy asks each process once, those too that show up later: a postmaster that
// is just dying asks none of its children. It says whether all have ended in time.
func (f *folder) endBy(ctx context.Context, a account, sig syscall.Signal, held *os.File) (bool, error) {
	asked := map[int]bool{}
	for deadline := time.Now().Add(grace); time.Now().Before(deadline); {
		found := f.orphans(a)
		if found.none() && tryLock(held) == nil {
			return true, nil
		}
		for pid, sig := range found.targets(sig) {
			if !asked[pid] {
				asked[pid] = true
				f.log.Warn("ending a PostgreSQL that lost its supervisor", "dir", f.path, "pid", pid, "signal", sig.String())
				syscall.Kill(pid, sig)
			}
		}
		if err := pause(ctx); err != nil {
			return false, fmt.Errorf("waiting for an earlier PostgreSQL to end: %w", err)
		}
	}
	return false, nil
}

func (o orphans) none() bool { return o.postmaster == 0 && len(o.others) == 0 }

// targets are whom to signal, and how. A postmaster ends its children in order,
// so it is asked alone. Without one each child is asked: there SIGINT would only
// cancel a query, SIGTERM ends it.
func (o orphans) targets(sig syscall.Signal) map[int]syscall.Signal {
	if o.postmaster != 0 && sig != syscall.SIGKILL {
		return map[int]syscall.Signal{o.postmaster: sig}
	}
	if sig == syscall.SIGINT {
		sig = syscall.SIGTERM
	}
	targets := map[int]syscall.Signal{}
	for _, pid := range o.others {
		targets[pid] = sig
	}
	if o.postmaster != 0 {
		targets[o.postmaster] = sig
	}
	return targets
}

// recordedPID is the first line of postmaster.pid, 0 where there is none. A
// server in single-user mode writes it negative.
func (f *folder) recordedPID() int {
	file, err := f.root.Open("data/postmaster.pid")
	if err != nil {
		return 0
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Scan()
	pid, err := strconv.Atoi(strings.TrimSpace(lines.Text()))
	if err != nil {
		return 0
	}
	return max(pid, -pid)
}

// removeStale removes what makes postgres or initdb refuse to start. A pid file
// is stale although its process answers where that's a zombie or somebody else
// who got the number.
func (f *folder) removeStale() error {
	if err := f.root.Remove("data/postmaster.pid"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing a stale postmaster.pid: %w", err)
	}
	for _, name := range []string{newData, passwordFile} {
		if err := f.root.RemoveAll(name); err != nil {
			return fmt.Errorf("removing what a killed initdb left: %w", err)
		}
	}
	return f.dropSocketDir()
}
