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

// supervisedRow starts a supervisor whose database holds the committed row 42.
func supervisedRow(t *testing.T, c embedded.Config) (*supervisor, *embedded.Server) {
	t.Helper()
	other := startSupervisor(t, c.StateDir)
	other.awaitReady(t)
	s, err := embedded.Attach(t.Context(), c)
	check(t, err)
	run(t, s.URL("owner", "app"), `create table kept (n int); insert into kept values (42)`)
	return other, s
}

func wantRow(t *testing.T, s *embedded.Server) {
	t.Helper()
	if n := value[int](t, s.URL("owner", "app"), `select n from kept`); n != 42 {
		t.Errorf("the row is %d, want 42", n)
	}
}

// durable is config without what Throwaway gives up.
func durable(t *testing.T) embedded.Config {
	c := config(t)
	c.Throwaway = false
	return c
}

func TestOrphansOfAKilledSupervisor(t *testing.T) {
	c := durable(t)
	other, s := supervisedRow(t, c)
	conn := connect(t, s.URL("owner", "app"))
	_, err := conn.Exec(t.Context(), `begin; insert into kept values (7)`)
	check(t, err)
	other.kill(t)
	wantRow(t, start(t, c))
}

func TestKilledSupervisorTakesPostgresAlong(t *testing.T) {
	c := durable(t)
	other, _ := supervisedRow(t, c)
	pidFile := filepath.Join(c.StateDir, "data", "postmaster.pid")
	other.kill(t)
	await(t, "postgres to shut down", func() bool { return !exists(pidFile) })
	wantRow(t, start(t, c))
}

func TestOrphansThatAreBusy(t *testing.T) {
	c := durable(t)
	other, s := supervisedRow(t, c)
	busy := connect(t, s.URL("owner", "app"))
	go busy.Exec(context.Background(), `select count(*) from generate_series(1, 1000000000)`)
	await(t, "a busy backend", func() bool {
		return value[int](t, s.URL("owner", "app"), `select count(*)::int from pg_stat_activity where query like '%generate_series(1,%' and pid <> pg_backend_pid()`) == 1
	})
	postmaster := postmasterPID(t, c.StateDir)
	check(t, syscall.Kill(postmaster, syscall.SIGKILL))
	other.kill(t)
	wantRow(t, start(t, c))
}

func TestOrphansOfAnotherStarter(t *testing.T) {
	c := durable(t)
	s := start(t, c)
	run(t, s.URL("owner", "app"), `create table kept (n int); insert into kept values (42)`)
	stop(t, s)
	sock := scratch(t)
	check(t, os.Chmod(sock, 0o777))
	cmd := exec.Command(filepath.Join(installed(t), "postgres"), "-D", filepath.Join(c.StateDir, "data"), "-c", "listen_addresses=", "-c", "unix_socket_directories="+sock)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: ownerOf(t, filepath.Join(c.StateDir, "data"))}
	check(t, cmd.Start())
	await(t, "the other postgres", func() bool { return exists(filepath.Join(sock, ".s.PGSQL.5432")) })
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	wantRow(t, start(t, c))
	if err := <-ended; err != nil {
		t.Errorf("the other postgres ended by %v, want a clean shutdown", err)
	}
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

func TestStalePidFile(t *testing.T) {
	c := durable(t)
	s := start(t, c)
	run(t, s.URL("owner", "app"), `create table kept (n int); insert into kept values (42)`)
	data := filepath.Join(c.StateDir, "data")
	pidFile, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	check(t, err)
	stop(t, s)
	_, rest, _ := strings.Cut(string(pidFile), "\n")
	for _, line := range []struct {
		what    string
		program []string
		zombie  bool
	}{
		{"its number is another process's", []string{"sleep", "600"}, false},
		{"its process is a zombie", []string{"true"}, true},
	} {
		t.Run(line.what, func(t *testing.T) {
			cmd := exec.Command(line.program[0], line.program[1:]...)
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: ownerOf(t, data)}
			check(t, cmd.Start())
			t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
			if line.zombie {
				await(t, "a zombie", func() bool { return isZombie(cmd.Process.Pid) })
			}
			first := fmt.Sprintf("%d\n", cmd.Process.Pid)
			plant(t, filepath.Join(data, "postmaster.pid"), first+rest)
			check(t, os.Mkdir(filepath.Join(c.StateDir, "sock"), 0o700))
			plant(t, filepath.Join(c.StateDir, "sock", ".s.PGSQL.5432.lock"), first+rest)
			s := start(t, c)
			wantRow(t, s)
			stop(t, s)
			if !line.zombie && cmd.Process.Signal(syscall.Signal(0)) != nil {
				t.Error("the process that the file names was ended")
			}
		})
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
