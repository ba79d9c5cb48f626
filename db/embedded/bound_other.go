//go:build unix && !linux

package embedded

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"syscall"
)

// boundToUs has nothing to do where the kernel can't tell a child of our death: see watch.
func boundToUs(*syscall.SysProcAttr, syscall.Signal) {}

// watch starts a child that shuts pid down when we die: it reads a pipe that
// only we hold open. Kill it once pid has ended, before the number is used again.
func (a account) watch(pid int) (*exec.Cmd, error) {
	cmd := a.command(context.Background(), "/bin/sh", "-c", `cat >/dev/null; kill -INT "$0"`, strconv.Itoa(pid))
	if _, err := cmd.StdinPipe(); err != nil { // held open by cmd until Wait
		return nil, fmt.Errorf("making the watcher's pipe: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the watcher: %w", err)
	}
	return cmd, nil
}
