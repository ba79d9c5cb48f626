//go:build unix

package embedded_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"rowpass/db/embedded"
)

func TestColdStartThenRestart(t *testing.T) {
	c := config(t)
	check(t, os.MkdirAll(c.StateDir, 0o700))
	s := start(t, c)
	wantModes(t, c.StateDir)
	run(t, s.URL("owner", "app"), `create table kept (n int); insert into kept values (42)`)
	before := s.URL("gateway", "app")
	client := connect(t, s.URL("owner", "app"))
	_, err := client.Exec(t.Context(), `begin; insert into kept values (7)`)
	check(t, err)
	if s.Err() != nil {
		t.Errorf("error %v of a running server", s.Err())
	}
	stop(t, s)
	<-s.Done()
	if s.Err() != nil {
		t.Errorf("after Stop the error is %v, want none", s.Err())
	}
	if err := client.Ping(t.Context()); err == nil {
		t.Error("a client's connection outlived the server")
	}
	stop(t, s)
	wantNames(t, c.StateDir, "credentials.json", "data", "data.lock", "supervisor.lock")

	s = start(t, c)
	wantRow(t, s)
	if s.URL("gateway", "app") != before {
		t.Error("a restart changed a password")
	}
}

func wantModes(t *testing.T, stateDir string) {
	t.Helper()
	want := map[string]fs.FileMode{".": 0o711, "data": 0o700, "sock": 0o700, "credentials.json": 0o600, "supervisor.lock": 0o600, "data.lock": 0o600}
	got := map[string]fs.FileMode{}
	for name := range want {
		info, err := os.Stat(filepath.Join(stateDir, name))
		check(t, err)
		got[name] = info.Mode().Perm()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func wantNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	check(t, err)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestColdStartMakes(t *testing.T) {
	t.Setenv("LC_ALL", "xx_XX")
	t.Setenv("PGDATA", "/nowhere")
	t.Setenv("SOME_SECRET", "tell-tale")
	c := config(t)
	var log bytes.Buffer
	c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s := start(t, c)
	owner := s.URL("owner", "app")
	for _, line := range []struct{ what, query, want string }{
		{"the owner logs in as itself", `select session_user::text`, "owner"},
		{"the owner owns the database", `select pg_get_userbyid(datdba)::text from pg_database where datname = 'app'`, "owner"},
		{"the owner makes roles, and is no more than that", `select concat(rolcreaterole, rolsuper, rolbypassrls, rolreplication, rolcreatedb) from pg_roles where rolname = 'owner'`, "tffff"},
		{"the owner is a member of nothing", `select count(*)::text from pg_auth_members where member = 'owner'::regrole`, "0"},
		{"other logins are left to whoever migrates", `select count(*)::text from pg_roles where rolname = 'gateway'`, "0"},
		{"nothing listens on TCP", `select concat(current_setting('listen_addresses'), inet_server_addr())`, ""},
		{"letters beyond ASCII have upper and lower case", `select lower('É')`, "é"},
		{"the order is that of code points", `select string_agg(c, '' order by c) from unnest(array['b','é','a','Z']) c`, "Zabé"},
		{"the encoding is UTF-8", `select current_setting('server_encoding')`, "UTF8"},
		{"a throw-away server does not sync", `select current_setting('fsync')`, "off"},
		{"the version is the server's", `select split_part(current_setting('server_version'), ' ', 1)`, s.Version()},
	} {
		if got := value[string](t, owner, line.query); got != line.want {
			t.Errorf("%s: %q, want %q", line.what, got, line.want)
		}
	}
	wantCleanEnvironment(t, postmasterPID(t, c.StateDir))
	wantPasswords(t, s)
	_, err := connect(t, owner).Exec(t.Context(), `select 'tell-tale'::int`)
	wantError(t, err, "tell-tale")
	stop(t, s)
	wantDiscreet(t, log.String(), s)
}

// wantDiscreet expects neither passwords nor what callers send in the log.
func wantDiscreet(t *testing.T, log string, s *embedded.Server) {
	t.Helper()
	if !strings.Contains(log, "ready to accept connections") {
		t.Error("postgres's own lines are missing from the log")
	}
	for _, login := range []string{"owner", "gateway", embedded.Superuser} {
		u, err := url.Parse(s.URL(login, "app"))
		check(t, err)
		if password, _ := u.User.Password(); len(password) < 32 || strings.Contains(log, password) {
			t.Errorf("the password of %s is short, or in the log", login)
		}
	}
	if strings.Contains(log, "tell-tale") {
		t.Error("a caller's value is in the log")
	}
}

func wantCleanEnvironment(t *testing.T, pid int) {
	t.Helper()
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return // no Linux
	}
	for _, word := range []string{"tell-tale", "xx_XX", "/nowhere"} {
		if strings.Contains(string(env), word) {
			t.Errorf("postgres got %q from our environment", word)
		}
	}
}

func wantPasswords(t *testing.T, s *embedded.Server) {
	t.Helper()
	for _, login := range []string{"owner", embedded.Superuser} {
		config, err := pgx.ParseConfig(s.URL(login, "postgres"))
		check(t, err)
		config.Password = "guessed"
		_, err = pgx.ConnectConfig(t.Context(), config)
		wantError(t, err, "password authentication failed")
	}
}

func TestLongPath(t *testing.T) {
	for name, part := range map[string]string{"too long for a socket": strings.Repeat("long", 30), "with a comma": "a,b"} {
		t.Run(name, func(t *testing.T) {
			c := config(t)
			c.StateDir = filepath.Join(c.StateDir, part)
			s := start(t, c)
			attached, err := embedded.Attach(t.Context(), c)
			check(t, err)
			socket := value[string](t, attached.URL(embedded.Superuser, "app"), `select current_setting('unix_socket_directories')`)
			info, err := os.Stat(socket)
			check(t, err)
			if info.Mode().Perm() != 0o700 || filepath.Dir(socket) == c.StateDir {
				t.Errorf("the socket is in %s (%s), want a private folder elsewhere", socket, info.Mode())
			}
			stop(t, s)
			if exists(socket) {
				t.Errorf("%s is still there after the stop", socket)
			}
		})
	}
}

func TestDoneAndErrTellOfAKill(t *testing.T) {
	c := config(t)
	s := start(t, c)
	check(t, syscall.Kill(postmasterPID(t, c.StateDir), syscall.SIGKILL))
	<-s.Done()
	wantError(t, s.Err(), "postgres ended by itself", "signal: killed", "ready to accept connections")
	stop(t, s)
	wantError(t, s.Err(), "signal: killed")
	start(t, c)
}

func TestOneSupervisorAndManyAttached(t *testing.T) {
	c := config(t)
	_, err := embedded.Attach(t.Context(), c)
	if !errors.Is(err, embedded.ErrNotRunning) {
		t.Errorf("without a folder the error is %v, want ErrNotRunning", err)
	}
	other := startSupervisor(t, c.StateDir)
	var s *embedded.Server
	await(t, "the supervisor to take the folder", func() bool { // and attach while it makes the cluster
		s, err = embedded.Attach(t.Context(), c)
		return !errors.Is(err, embedded.ErrNotRunning)
	})
	check(t, err)
	other.awaitReady(t)
	_, err = embedded.Start(t.Context(), c)
	if !errors.Is(err, embedded.ErrSupervised) {
		t.Errorf("a second supervisor got %v, want ErrSupervised", err)
	}
	wantError(t, err, fmt.Sprintf("pid %d,", other.cmd.Process.Pid), c.StateDir)
	stop(t, s)
	if s.Err() != nil || value[int](t, s.URL("owner", "app"), `select 1`) != 1 {
		t.Error("Stop of an attached server did something")
	}
	other.in.Close()
	other.cmd.Wait()
	_, err = embedded.Attach(t.Context(), c)
	if !errors.Is(err, embedded.ErrNotRunning) {
		t.Errorf("after the stop the error is %v, want ErrNotRunning", err)
	}
}

func TestStartEndsWithItsContext(t *testing.T) {
	c := config(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for !exists(filepath.Join(c.StateDir, "data.init", "PG_VERSION")) && t.Context().Err() == nil {
		}
		cancel()
	}()
	_, err := embedded.Start(ctx, c)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
	start(t, c)
}
