//go:build unix

package embedded_test

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"rowpass/db/embedded"
)

func TestAccountsOfRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root runs postgres as another account")
	}
	c := config(t)
	c.OSUser = "nobody"
	s := start(t, c)
	wantOwner(t, filepath.Join(c.StateDir, "data"), "nobody")
	wantOwner(t, filepath.Join(c.StateDir, "credentials.json"), "root")
	stop(t, s)
	c.OSUser = ""
	s = start(t, c) // as the owner of the data
	wantOwner(t, filepath.Join(c.StateDir, "sock"), "nobody")
	stop(t, s)
	for osUser, want := range map[string]string{
		"daemon": "chown -R daemon ",
		"root":   "refuses to run as root",
		"nosuch": `looking up account "nosuch"`,
	} {
		c.OSUser = osUser
		_, err := embedded.Start(t.Context(), c)
		wantError(t, err, want)
	}
}

func wantOwner(t *testing.T, path, name string) {
	t.Helper()
	info, err := os.Stat(path)
	check(t, err)
	owner, err := user.LookupId(strconv.Itoa(int(info.Sys().(*syscall.Stat_t).Uid)))
	check(t, err)
	if owner.Username != name {
		t.Errorf("%s belongs to %s, want %s", path, owner.Username, name)
	}
}

func TestStateFolderOfAnother(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives folders away")
	}
	c := config(t)
	check(t, os.Mkdir(c.StateDir, 0o755))
	check(t, os.Chown(c.StateDir, 65534, -1))
	_, err := embedded.Start(t.Context(), c)
	wantError(t, err, "belongs to user ID 65534")
}

func TestAccountWithoutAName(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root becomes another account")
	}
	home := scratch(t)
	check(t, os.Chmod(home, 0o777|os.ModeSticky))
	binary := copyOfThis(t, home)
	cmd := exec.Command(binary)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), superviseVariable+"="+filepath.Join(home, "state"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 4242424, Gid: 4242424}}
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatalf("it started: %s", out)
	}
	wantError(t, errorText(out), "initdb needs a name for user ID 4242424", "/etc/passwd")
}

type errorText string

func (e errorText) Error() string { return string(e) }
