//go:build unix

package embedded_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"rowpass/db/embedded"
)

// superviseVariable makes this test binary a supervisor of the state folder that it names.
const superviseVariable = "EMBEDDED_TEST_SUPERVISE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(superviseVariable); dir != "" {
		supervise(dir)
	}
	os.Exit(m.Run())
}

// supervise says "ready" and then lives until it is killed or its input ends.
func supervise(dir string) {
	c := embedded.Config{StateDir: dir, Logins: []string{"owner"}, Database: "app", Log: slog.New(slog.DiscardHandler)}
	s, err := embedded.Start(context.Background(), c)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
	s.Stop(context.Background())
	os.Exit(0)
}

// supervisor is another process that runs Start.
type supervisor struct {
	cmd *exec.Cmd
	in  io.Closer
	out *bufio.Scanner
}

func startSupervisor(t *testing.T, dir string) *supervisor {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), superviseVariable+"="+dir)
	in, err := cmd.StdinPipe()
	check(t, err)
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	s := &supervisor{cmd, in, bufio.NewScanner(out)}
	t.Cleanup(func() { s.in.Close(); s.cmd.Wait() })
	return s
}

func (s *supervisor) awaitReady(t *testing.T) {
	t.Helper()
	if !s.out.Scan() || s.out.Text() != "ready" {
		t.Fatalf("the supervisor said %q, not that it is ready", s.out.Text())
	}
}

func (s *supervisor) kill(t *testing.T) {
	t.Helper()
	check(t, s.cmd.Process.Kill())
	s.cmd.Wait()
}

// scratch is a folder that other accounts can pass, which t.TempDir is not.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "embedded-")
	check(t, err)
	check(t, os.Chmod(dir, 0o711))
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// config is that of a throw-away server in a folder of its own.
func config(t *testing.T) embedded.Config {
	return embedded.Config{
		StateDir:  filepath.Join(scratch(t), "state"),
		CacheDir:  filepath.Join(scratch(t), "cache"),
		Logins:    []string{"owner", "gateway"},
		Database:  "app",
		Throwaway: true,
		Log:       slog.New(slog.DiscardHandler),
	}
}

func start(t *testing.T, c embedded.Config) *embedded.Server {
	t.Helper()
	s, err := embedded.Start(t.Context(), c)
	check(t, err)
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t *testing.T, s *embedded.Server) {
	t.Helper()
	check(t, s.Stop(context.Background()))
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	check(t, err)
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func run(t *testing.T, url, statement string) {
	t.Helper()
	conn := connect(t, url)
	_, err := conn.Exec(t.Context(), statement)
	check(t, err)
	check(t, conn.Close(t.Context()))
}

func value[T any](t *testing.T, url, query string) T {
	t.Helper()
	conn := connect(t, url)
	var v T
	check(t, conn.QueryRow(t.Context(), query).Scan(&v))
	check(t, conn.Close(t.Context()))
	return v
}

// postmasterPID reads what postgres wrote.
func postmasterPID(t *testing.T, stateDir string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(stateDir, "data", "postmaster.pid"))
	check(t, err)
	first, _, _ := bytes.Cut(text, []byte("\n"))
	pid, err := strconv.Atoi(string(first))
	check(t, err)
	return pid
}

// await waits for a condition that nobody signals.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantError expects an error that says all of words.
func wantError(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one that says %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
}

// TestAgainAs runs what depends on the account once more with fewer rights than root's.
func TestAgainAs(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("already not root")
	}
	home := scratch(t)
	check(t, os.Chmod(home, 0o777|os.ModeSticky))
	copied := copyOfThis(t, home)
	for _, line := range []struct {
		who   string
		wrap  []string
		tests string
	}{
		{"nobody", []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}, "TestColdStart|TestTakeOver|TestKilledInitdb|TestOneSupervisor|TestStartRefusesPlaces"},
		{"root of a container", []string{"setpriv", "--bounding-set=-sys_ptrace"}, "TestTakeOver"},
	} {
		t.Run(line.who, func(t *testing.T) {
			if _, err := exec.LookPath(line.wrap[0]); err != nil {
				t.Skip(err)
			}
			cmd := exec.Command(line.wrap[0], append(line.wrap[1:], copied, "-test.v", "-test.run", "^("+line.tests+")")...)
			cmd.Dir = "/"
			cmd.Env = append(os.Environ(), "TMPDIR="+home, "HOME=/nonexistent")
			out, err := cmd.CombinedOutput()
			if err != nil || !bytes.Contains(out, []byte("--- PASS: TestTakeOver")) {
				t.Fatalf("%v\n%s", err, out)
			}
		})
	}
}

// copyOfThis puts the test binary where other accounts can run it.
func copyOfThis(t *testing.T, dir string) string {
	t.Helper()
	binary, err := os.ReadFile(os.Args[0])
	check(t, err)
	copied := filepath.Join(dir, "embedded.test")
	check(t, os.WriteFile(copied, binary, 0o755))
	return copied
}
