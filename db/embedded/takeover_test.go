//go:build unix

package embedded_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"rowpass/db/embedded"
)

func wantRow(t *testing.T, s *embedded.Server) {
	t.Helper()
	if n := value[int](t, s.URL("owner", "app"), `select sum(n)::int from kept`); n != 42 {
		t.Errorf("the rows add up to %d, want 42", n)
	}
}

// durable is config without what Throwaway gives up.
func durable(t *testing.T) embedded.Config {
	c := config(t)
	c.Throwaway = false
	return c
}

// TestTakeOver leaves one folder behind in every way there is, and starts it again.
func TestTakeOver(t *testing.T) {
	c := durable(t)
	s := start(t, c)
	run(t, s.URL("owner", "app"), `create table kept (n int); insert into kept values (42)`)
	text, err := os.ReadFile(filepath.Join(c.StateDir, "data", "postmaster.pid"))
	check(t, err)
	stop(t, s)
	_, rest, _ := strings.Cut(string(text), "\n") // what a pid file says behind the number
	for _, line := range []struct {
		what  string
		leave func(*testing.T, embedded.Config, string)
	}{
		{"the supervisor killed while a client is in a transaction", leaveTransaction},
		{"the supervisor killed, and postgres goes along", leaveNothing},
		{"supervisor and postgres killed while a backend is busy", leaveBusyBackend},
		{"a postgres that somebody else started", leaveForeign},
		{"a pid file whose number is another process's", leavePidOfAnother},
		{"a pid file whose process is a zombie", leavePidOfZombie},
	} {
		t.Run(line.what, func(t *testing.T) {
			line.leave(t, c, rest)
			wantRow(t, start(t, c))
		})
	}
}

func supervised(t *testing.T, c embedded.Config) (*supervisor, *embedded.Server) {
	t.Helper()
	other := startSupervisor(t, c.StateDir)
	other.awaitReady(t)
	s, err := embedded.Attach(t.Context(), c)
	check(t, err)
	return other, s
}

func leaveTransaction(t *testing.T, c embedded.Config, _ string) {
	other, s := supervised(t, c)
	conn := connect(t, s.URL("owner", "app"))
	_, err := conn.Exec(t.Context(), `begin; insert into kept values (7)`)
	check(t, err)
	other.kill(t)
}

func leaveNothing(t *testing.T, c embedded.Config, _ string) {
	other, _ := supervised(t, c)
	other.kill(t)
	await(t, "postgres to shut down", func() bool { return !exists(filepath.Join(c.StateDir, "data", "postmaster.pid")) })
}

func leaveBusyBackend(t *testing.T, c embedded.Config, _ string) {
	other, s := supervised(t, c)
	busy := connect(t, s.URL("owner", "app"))
	go busy.Exec(context.Background(), `insert into kept select 0 * count(*) from generate_series(1, 1000000000)`)
	await(t, "a busy backend", func() bool {
		return value[bool](t, s.URL("owner", "app"), `select exists (select from pg_stat_activity where query like 'insert%' and state = 'active')`)
	})
	check(t, syscall.Kill(postmasterPID(t, c.StateDir), syscall.SIGKILL))
	other.kill(t)
}

func leaveForeign(t *testing.T, c embedded.Config, _ string) {
	sock := scratch(t)
	check(t, os.Chmod(sock, 0o777))
	data := filepath.Join(c.StateDir, "data")
	cmd := exec.Command(filepath.Join(installed(t), "postgres"), "-D", data, "-c", "listen_addresses=", "-c", "unix_socket_directories="+sock)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: ownerOf(t, data)}
	check(t, cmd.Start())
	await(t, "the other postgres", func() bool { return exists(filepath.Join(sock, ".s.PGSQL.5432")) })
	go cmd.Wait()
}

func leavePidOfAnother(t *testing.T, c embedded.Config, rest string) {
	pid := leavePid(t, c, rest, "sleep", "600")
	t.Cleanup(func() {
		if syscall.Kill(pid, 0) != nil {
			t.Error("the process that the file names was ended")
		}
	})
}

func leavePidOfZombie(t *testing.T, c embedded.Config, rest string) {
	pid := leavePid(t, c, rest, filepath.Join(installed(t), "postgres"), "--version")
	await(t, "a zombie", func() bool { return isZombie(pid) })
}

// leavePid runs a program, and writes its process ID where postgres would write its own.
func leavePid(t *testing.T, c embedded.Config, rest, program string, args ...string) int {
	data, sock := filepath.Join(c.StateDir, "data"), filepath.Join(c.StateDir, "sock")
	cmd := exec.Command(program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: ownerOf(t, data)}
	check(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	check(t, os.Mkdir(sock, 0o700))
	for _, name := range []string{filepath.Join(data, "postmaster.pid"), filepath.Join(sock, ".s.PGSQL.5432.lock")} {
		plant(t, name, fmt.Sprintf("%d\n", cmd.Process.Pid)+rest)
	}
	return cmd.Process.Pid
}

func TestKilledInitdb(t *testing.T) {
	c := durable(t)
	other := startSupervisor(t, c.StateDir)
	unfinished := filepath.Join(c.StateDir, "data.init")
	await(t, "initdb to begin", func() bool { return exists(filepath.Join(unfinished, "PG_VERSION")) })
	other.kill(t)
	if exists(filepath.Join(c.StateDir, "data")) || !exists(unfinished) {
		t.Fatal("initdb was not killed half-way")
	}
	s := start(t, c)
	run(t, s.URL("owner", "app"), `create table kept (n int); insert into kept values (42)`)
	wantRow(t, s)
	for _, name := range []string{"data.init", "initdb.password"} {
		if exists(filepath.Join(c.StateDir, name)) {
			t.Errorf("%s is still there", name)
		}
	}
}

func TestStartRefusesWhatItCantRepair(t *testing.T) {
	for _, line := range []struct {
		what  string
		files map[string]string
		want  string
	}{
		{"files without a version", map[string]string{"data/base/1": "rows"}, "no PG_VERSION"},
		{"a cluster without its control file", map[string]string{"data/PG_VERSION": "15\n"}, "damaged"},
		{"a version that is no number", map[string]string{"data/PG_VERSION": "?\n", "data/global/pg_control": "x"}, "no number"},
		{"a version that nobody has", map[string]string{"data/PG_VERSION": "99\n", "data/global/pg_control": "x"}, "the data folder needs 99"},
		{"data whose passwords are lost", map[string]string{"data/PG_VERSION": installedMajor(t), "data/global/pg_control": "x"}, "credentials.json is missing"},
		{"passwords that are no JSON", map[string]string{"credentials.json": "{"}, "credentials.json is damaged"},
	} {
		t.Run(line.what, func(t *testing.T) {
			t.Setenv("PATH", withoutPrograms(t))
			c := config(t)
			for name, text := range line.files {
				check(t, os.MkdirAll(filepath.Dir(filepath.Join(c.StateDir, name)), 0o700))
				plant(t, filepath.Join(c.StateDir, name), text)
			}
			giveToPostgres(t, filepath.Join(c.StateDir, "data"))
			_, err := embedded.Start(t.Context(), c)
			wantError(t, err, line.want)
			for name, text := range line.files {
				if got, _ := os.ReadFile(filepath.Join(c.StateDir, name)); string(got) != text {
					t.Errorf("%s was touched: %q", name, got)
				}
			}
		})
	}
}

func TestStartRefusesPlaces(t *testing.T) {
	closed := filepath.Join(scratch(t), "closed")
	check(t, os.Mkdir(closed, 0o700))
	shared := filepath.Join(scratch(t), "shared")
	check(t, os.Mkdir(shared, 0o777))
	check(t, os.Chmod(shared, 0o777|os.ModeSticky))
	for _, line := range []struct{ what, dir, want string }{
		{"a relative path", "state", "absolute"},
		{"a folder that everybody uses", shared, "shared by all users"},
		{"a folder below one that PostgreSQL's account can't enter", filepath.Join(closed, "state"), closed + " is closed to "},
	} {
		t.Run(line.what, func(t *testing.T) {
			if line.dir == filepath.Join(closed, "state") && os.Geteuid() != 0 {
				t.Skip("only root runs postgres as another account")
			}
			c := config(t)
			c.StateDir = line.dir
			_, err := embedded.Start(t.Context(), c)
			wantError(t, err, line.want)
		})
	}
}

func TestStartNamesAVariableInTheWay(t *testing.T) {
	t.Setenv("PGSERVICE", "nowhere")
	_, err := embedded.Start(t.Context(), config(t))
	wantError(t, err, "PGSERVICE")
}

func TestConfigIsChecked(t *testing.T) {
	for what, spoil := range map[string]func(*embedded.Config){
		"Config.Log is required":      func(c *embedded.Config) { c.Log = nil },
		"Config.Logins needs":         func(c *embedded.Config) { c.Logins = nil },
		"is the superuser's":          func(c *embedded.Config) { c.Logins = []string{"postgres"} },
		"Config.Database is required": func(c *embedded.Config) { c.Database = "" },
	} {
		c := config(t)
		spoil(&c)
		_, err := embedded.Start(t.Context(), c)
		wantError(t, err, what)
		_, err = embedded.Attach(t.Context(), c)
		wantError(t, err, what)
	}
}

func TestOwnerGetsItsPasswordBack(t *testing.T) {
	c := config(t)
	s := start(t, c)
	run(t, s.URL(embedded.Superuser, "postgres"), `alter role owner password 'other'`)
	_, err := pgx.Connect(t.Context(), s.URL("owner", "app"))
	wantError(t, err, "password authentication failed")
	stop(t, s)
	s = start(t, c)
	run(t, s.URL("owner", "app"), `select 1`)
}

// ownerOf is how to run a program as the owner of path.
func ownerOf(t *testing.T, path string) *syscall.Credential {
	t.Helper()
	info, err := os.Stat(path)
	check(t, err)
	owner := info.Sys().(*syscall.Stat_t)
	if os.Geteuid() != 0 {
		return nil
	}
	return &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}
}

// giveToPostgres makes data look as if postgres had made it, where we are root.
func giveToPostgres(t *testing.T, path string) {
	t.Helper()
	if account, err := user.Lookup("postgres"); err == nil && os.Geteuid() == 0 && exists(path) {
		uid, err := strconv.Atoi(account.Uid)
		check(t, err)
		check(t, os.Chown(path, uid, -1))
	}
}

func plant(t *testing.T, path, text string) {
	t.Helper()
	check(t, os.WriteFile(path, []byte(text), 0o600))
}

func isZombie(pid int) bool {
	out, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && strings.HasPrefix(string(out), "Z")
}
