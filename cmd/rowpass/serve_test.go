package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"rowpass/db/dbtest"
)

const (
	acmeAdmin = "admin@acme.example"
	acmeID    = "a0000000-0000-4000-8000-000000000001"
)

// TestWhatIsServedOutlivesTheProcess starts on an empty folder, ends in each way there is, and starts again.
func TestWhatIsServedOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	environ := environment(t, "ROWPASS_ISSUER_DEMO=true")
	var keySet, token string
	name := "Acme"
	for _, line := range []struct {
		name   string
		signal os.Signal
		status int
	}{
		{"Ctrl-C", os.Interrupt, 0},
		{"kill -9", syscall.SIGKILL, -1},
		{"kill", syscall.SIGTERM, 0},
	} {
		p := serve(t, environ)
		if token == "" {
			keySet = ask(t, "GET", p.api+"/.well-known/jwks.json", "", "").body
			token = strings.TrimSpace(succeed(t, environ, "token", "issue", "--user", acmeAdmin))
		}
		wantTenant(t, p, token, name)
		if got := ask(t, "GET", p.api+"/.well-known/jwks.json", "", "").body; got != keySet {
			t.Errorf("before %s: the key set is %s, want %s", line.name, got, keySet)
		}
		name = "Acme, renamed before " + line.name
		if a := ask(t, "PATCH", p.api+"/api/tenants/"+acmeID, token, fmt.Sprintf(`{"name": %q}`, name)); a.status != http.StatusOK {
			t.Fatalf("renaming: %d %s", a.status, a.body)
		}
		if status := p.end(line.signal); status != line.status {
			t.Errorf("%s: status %d, want %d; the log:\n%s", line.name, status, line.status, p.log)
		}
	}
	wantTenant(t, serve(t, environ), token, name)
}

func wantTenant(t *testing.T, p *process, token, name string) {
	t.Helper()
	a := ask(t, "GET", p.api+"/api/tenants", token, "")
	if a.status != http.StatusOK || !strings.Contains(a.body, fmt.Sprintf(`"name":%q,`, name)) {
		t.Errorf("GET /api/tenants: %d %s, want %q", a.status, a.body, name)
	}
}

func TestASecondInstanceSaysWhoWasFirst(t *testing.T) {
	t.Parallel()
	environ := environment(t)
	p := serve(t, environ)
	d := dbtest.New(t)
	elsewhere := environment(t, append(external(d), "ROWPASS_LISTEN="+p.api)...)
	succeed(t, elsewhere, "keys", "generate")
	for _, line := range []struct {
		name    string
		environ []string
		want    string
	}{
		{"on the same folder", environ, fmt.Sprintf("rowpass is already running on this state folder: pid %d, %s; end that one, or give this one a folder of its own: --set state_dir=FOLDER", p.pid(), lookup(environ, "ROWPASS_STATE_DIR"))},
		{"on the same port", elsewhere, "listen: " + p.api + ": bind: address already in use; to serve elsewhere: rowpass serve --set"},
		{"on the same port for health", append(elsewhere, "ROWPASS_LISTEN=127.0.0.1:0", "ROWPASS_ADMIN_LISTEN="+p.admin),
			"admin.listen: " + p.admin + ": bind: address already in use; to serve elsewhere: rowpass serve --set"},
	} {
		e := rowpass(t, line.environ, "serve")
		if e.status != 1 || !strings.Contains(e.stderr, line.want) {
			t.Errorf("%s: status %d: %s\nwant: %s", line.name, e.status, e.stderr, line.want)
		}
	}
	fresh := environment(t, "ROWPASS_LISTEN="+p.api)
	if e := rowpass(t, fresh, "serve"); e.status != 1 || !strings.Contains(e.stderr, "address already in use") {
		t.Errorf("on the same port, without a cluster yet: status %d: %s", e.status, e.stderr)
	}
	if made, err := os.ReadDir(lookup(fresh, "ROWPASS_STATE_DIR")); err != nil || len(made) > 0 {
		t.Errorf("a port that is taken left %v in the state folder (%v), want nothing", made, err)
	}
	if a := ask(t, "GET", p.admin+"/readyz", "", ""); a.status != http.StatusOK {
		t.Errorf("the first one's /readyz: %d %s", a.status, a.body)
	}
}

func TestAPublicURLThatLeadsElsewhereIsSaid(t *testing.T) {
	t.Parallel()
	for _, line := range []struct {
		name, publicURL string
		want            bool
	}{
		{"another port of this machine", "http://localhost:8080", true},
		{"a name that a proxy answers to", "https://api.example.com", false},
	} {
		p := serve(t, environment(t), "--set", "public_url="+line.publicURL)
		p.end(os.Interrupt)
		if got := strings.Contains(p.log.String(), "public_url leads elsewhere"); got != line.want {
			t.Errorf("%s: warned %v, want %v", line.name, got, line.want)
		}
	}
}

func TestADemoStaysOnLoopback(t *testing.T) {
	environ := environment(t, "ROWPASS_ISSUER_DEMO=true", "ROWPASS_LISTEN=0.0.0.0:0")
	e := rowpass(t, environ, "serve")
	if e.status != 1 || !strings.Contains(e.stderr, "listen on 127.0.0.1, or set issuer.demo_tokens_for_whole_network") {
		t.Errorf("status %d: %s", e.status, e.stderr)
	}
}

// TestASignalLetsARequestFinish has a request whose body is half sent when the signal comes.
func TestASignalLetsARequestFinish(t *testing.T) {
	t.Parallel()
	p := serve(t, externalDemo(t))
	r := begin(t, p.api)
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	until(t, "new connections are refused", func() bool {
		conn, err := net.Dial("tcp", p.api)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	if a := ask(t, "GET", p.admin+"/readyz", "", ""); a.status != http.StatusServiceUnavailable || !strings.Contains(a.body, `"process":"stopping"`) {
		t.Errorf("/readyz: %d %s, want one that sends load balancers away", a.status, a.body)
	}
	if got := r.finish(t); !strings.HasPrefix(got, "HTTP/1.1 400 ") {
		t.Errorf("the request that was under way was answered %q", got)
	}
	<-p.ended
	if status := p.cmd.ProcessState.ExitCode(); status != 0 {
		t.Errorf("status %d; the log:\n%s", status, p.log)
	}
}

func TestARequestThatTakesTooLongIsCutOff(t *testing.T) {
	t.Parallel()
	p := serve(t, externalDemo(t), "--set", "shutdown_timeout=50ms")
	r := begin(t, p.api)
	if status := p.end(syscall.SIGTERM); status != 1 {
		t.Errorf("status %d, want 1", status)
	}
	if want := "rowpass: requests were cut off after 50ms"; !strings.Contains(p.log.String(), want) {
		t.Errorf("the log lacks %q:\n%s", want, p.log)
	}
	if got := r.finish(t); got != "" {
		t.Errorf("the request was answered %q", got)
	}
}

func externalDemo(t *testing.T) []string {
	environ := environment(t, external(dbtest.New(t))...)
	succeed(t, environ, "keys", "generate")
	return environ
}

// request is one that a handler is reading.
type request struct {
	conn net.Conn
	in   *bufio.Reader
}

// begin sends a request's head. The server asks for the body when its handler begins to read it.
func begin(t *testing.T, address string) *request {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	r := &request{conn, bufio.NewReader(conn)}
	fmt.Fprintf(conn, "POST /api/token HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 15\r\n\r\n")
	if line, err := r.in.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("the server answered %q, %v", line, err)
	}
	if _, err := r.in.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return r
}

// finish sends the body and returns the answer's first line, "" where none came.
func (r *request) finish(t *testing.T) string {
	t.Helper()
	_, _ = r.conn.Write([]byte("grant_type=none"))
	line, _ := r.in.ReadString('\n')
	return line
}

// until waits for a condition.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
