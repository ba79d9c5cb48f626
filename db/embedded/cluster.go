//go:build unix

package embedded

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	newData      = "data.init"       // becomes data when initdb is through
	passwordFile = "initdb.password" // holds the superuser's password while initdb runs
)

// makeCluster makes data under another name and renames it when it is whole: a
// killed initdb leaves something that looks like a cluster, and starts never.
func (f *folder) makeCluster(ctx context.Context, a account, p programs, password string, throwaway bool, held *os.File) error {
	if err := f.writePassword(a, password); err != nil {
		return err
	}
	defer f.root.Remove(passwordFile)
	if err := f.initdb(ctx, a, p, throwaway, held); err != nil {
		return err
	}
	if err := f.root.Remove("data"); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("replacing the empty data folder: %w", err)
	}
	if err := f.root.Rename(newData, "data"); err != nil {
		return fmt.Errorf("putting the new cluster in place: %w", err)
	}
	return f.sync()
}

// writePassword uses a file: after the change of account initdb can't open a pipe of root's.
func (f *folder) writePassword(a account, password string) error {
	if err := f.root.WriteFile(passwordFile, []byte(password+"\n"), 0o600); err != nil {
		return fmt.Errorf("writing initdb's password: %w", err)
	}
	if err := a.give(f.join(passwordFile)); err != nil {
		return fmt.Errorf("giving initdb's password to %s: %w", a.name, err)
	}
	return nil
}

func (f *folder) initdb(ctx context.Context, a account, p programs, throwaway bool, held *os.File) error {
	var out string
	var err error
	for _, locale := range locales(p.version) {
		if err := f.root.RemoveAll(newData); err != nil {
			return fmt.Errorf("removing an unfinished cluster: %w", err)
		}
		if err := f.makePrivate(newData, a); err != nil {
			return err
		}
		args := append(f.initdbArgs(throwaway), locale...)
		if out, err = runInitdb(a.command(ctx, filepath.Join(p.dir, "initdb"), args...), held); err == nil {
			return nil
		}
		if !strings.Contains(out, "invalid locale name") {
			break
		}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("making a cluster: %w", ctx.Err())
	}
	if strings.Contains(out, "could not look up effective user ID") {
		return fmt.Errorf("making a cluster: initdb needs a name for %s: add a line for it to /etc/passwd", a.name)
	}
	return fmt.Errorf("making a cluster: initdb: %w\n%s", err, out)
}

func (f *folder) initdbArgs(throwaway bool) []string {
	args := []string{
		"-D", f.join(newData), "-U", Superuser, "--pwfile=" + f.join(passwordFile),
		"--auth-local=scram-sha-256", "--auth-host=scram-sha-256", "--encoding=UTF8", "--no-instructions",
	}
	if throwaway {
		return append(args, "--no-sync", "--wal-segsize=1")
	}
	return append(args, "--data-checksums")
}

// locales are initdb's options for code-point order with Unicode's upper and
// lower case, in the order in which to try them. Plain C would fold ASCII only.
func locales(v version) [][]string {
	if v.major >= 17 { // needs no locale of the system's
		return [][]string{{"--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"}}
	}
	return [][]string{
		{"--locale=C.UTF-8"},
		{"--locale=C", "--locale-provider=icu", "--icu-locale=und"},
	}
}

func runInitdb(cmd *exec.Cmd, held *os.File) (string, error) {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.ExtraFiles = []*os.File{held}
	err := runBound(cmd, syscall.SIGKILL)
	return strings.TrimSpace(out.String()), err
}
