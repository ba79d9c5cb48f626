package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"rowpass/db/dbtest"
)

// TestMain makes the test binary rowpass itself where it is called by that name, so that a test can start the program.
func TestMain(m *testing.M) {
	testscript.Main(onPostgres{m}, map[string]func(){"rowpass": main})
}

type onPostgres struct{ tests *testing.M }

func (p onPostgres) Run() int { return dbtest.Main(p.tests) }

// environment is what a rowpass of a test starts with: a state folder of its own, ports that nobody else has, and the
// server that the tests run on.
func environment(t testing.TB, more ...string) []string {
	t.Helper()
	dir, err := dbtest.NewDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	server, err := dbtest.Config(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	environ := []string{
		"HOME=/nonexistent", "PATH=" + os.Getenv("PATH"), "ROWPASS_STATE_DIR=" + dir, "ROWPASS_EMBEDDED_BIN_DIR=" + server.BinDir,
		"ROWPASS_LISTEN=127.0.0.1:0", "ROWPASS_ADMIN_LISTEN=127.0.0.1:0",
		"GORACE=atexit_sleep_ms=0", // the race detector would hold up every end of a process for a second
	}
	if dir, ok := os.LookupEnv("GOCOVERDIR"); ok {
		environ = append(environ, "GOCOVERDIR="+dir)
	}
	return append(environ, more...)
}

// external makes rowpass use a database instead of its own. Its logins are the tests' common ones.
func external(d dbtest.Database) []string {
	return []string{"ROWPASS_DATABASE_URL=" + d.OwnerURL, "ROWPASS_DATABASE_GATEWAY_URL=" + d.GatewayURL, "ROWPASS_DATABASE_SERVICE_URL=" + d.ServiceURL}
}

// ending is how a run of the program ended.
type ending struct {
	status         int
	stdout, stderr string
}

// rowpass runs the program in this process, until it ends; serve ends as soon as it serves.
func rowpass(t testing.TB, environ []string, args ...string) ending {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stdout bytes.Buffer
	stderr := &trigger{text: `"msg":"serving"`, then: cancel}
	status := run(ctx, args, environ, strings.NewReader(""), &stdout, stderr)
	return ending{status, stdout.String(), stderr.String()}
}

// succeed is rowpass for what has to go well.
func succeed(t testing.TB, environ []string, args ...string) string {
	t.Helper()
	e := rowpass(t, environ, args...)
	if e.status != 0 {
		t.Fatalf("rowpass %s: status %d\n%s", strings.Join(args, " "), e.status, e.stderr)
	}
	return e.stdout
}

// trigger keeps what is written and calls then, once, when text is among it.
type trigger struct {
	text string

	mu      sync.Mutex // guards all below
	then    func()     // nil: not any more
	written bytes.Buffer
}

func (w *trigger) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := w.written.Write(p)
	if w.then != nil && bytes.Contains(w.written.Bytes(), []byte(w.text)) {
		w.then()
		w.then = nil
	}
	return n, err
}

func (w *trigger) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.written.String()
}
