package main

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"rowpass/db/dbtest"
)

func TestOfTenInstancesThatMigrateAtOnceOneApplies(t *testing.T) {
	t.Parallel()
	d := dbtest.NewEmpty(t)
	d.GatewayURL, d.ServiceURL = login(d.GatewayURL, "ten_gateway", "a password"), login(d.ServiceURL, "ten_service", "a password")
	environ := environment(t, external(d)...)
	var wg sync.WaitGroup
	endings := make([]ending, 10)
	for i := range endings {
		wg.Go(func() { endings[i] = rowpass(t, environ, "migrate", "up") })
	}
	wg.Wait()
	said := map[string]int{}
	for _, e := range endings {
		if e.status != 0 || e.stderr != "" {
			t.Errorf("status %d: %s", e.status, e.stderr)
		}
		said[e.stdout]++
	}
	const applied = "auth       00001_roles.sql       applied\n" +
		"auth       00002_seal.sql        applied\n" +
		"auth       00003_session.sql     applied\n" +
		"auth       00004_issuer.sql      applied\n" +
		"auth       00005_providers.sql   applied\n" +
		"auth       00006_profiles.sql    applied\n" +
		"directory  00001_directory.sql   applied\n" +
		"directory  00002_logins.sql      applied\n" +
		"directory  00003_identities.sql  applied\n"
	if diff := cmp.Diff(map[string]int{applied: 1, "nothing to do\n": 9}, said); diff != "" {
		t.Error(diff)
	}
}

func TestMigrateSetsThePasswordsOfTheURLs(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	wire := tap(t, d.OwnerURL)
	for _, password := range []string{"first'; drop", `second \ and "third"`} {
		d.GatewayURL, d.ServiceURL = login(d.GatewayURL, "set_gateway", password), login(d.ServiceURL, "set_service", password)
		tapped := d
		tapped.OwnerURL = wire.url
		succeed(t, environment(t, external(tapped)...), "migrate", "up")
		for _, u := range []string{d.GatewayURL, d.ServiceURL} {
			dbtest.Exec(t, u, "select")
		}
	}
	if _, err := pgx.Connect(t.Context(), login(d.GatewayURL, "set_gateway", "first'; drop")); err == nil {
		t.Error("the old password still opens the database")
	}
	sent := wire.sent()
	if n := strings.Count(sent, "'SCRAM-SHA-256$4096:"); n != 4 {
		t.Errorf("%d SCRAM verifiers were sent, want 4: two logins, twice", n)
	}
	for _, password := range []string{"first'", "first''", "second"} {
		if strings.Contains(sent, password) {
			t.Errorf("the server was sent %s", password)
		}
	}
}

// TestServeLeavesPasswordsAlone has an instance come with a mistyped URL beside one that serves.
func TestServeLeavesPasswordsAlone(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	d.GatewayURL, d.ServiceURL = login(d.GatewayURL, "kept_gateway", "right"), login(d.ServiceURL, "kept_service", "right")
	environ := environment(t, external(d)...)
	succeed(t, environ, "keys", "generate")
	succeed(t, environ, "serve")
	for setting, wrong := range map[string]string{
		"database.gateway_url": login(d.GatewayURL, "kept_gateway", "mistyped"),
		"database.service_url": login(d.ServiceURL, "kept_service", "mistyped"),
	} {
		e := rowpass(t, environ, "serve", "--set", setting+"="+wrong)
		if e.status != 1 || !strings.Contains(e.stderr, setting+": the server refuses the password of kept_") || strings.Contains(e.stderr, "mistyped") {
			t.Errorf("%s: status %d: %s", setting, e.status, e.stderr)
		}
	}
	succeed(t, environ, "serve")
	e := rowpass(t, environ, "migrate", "up", "--set", "database.gateway_url="+login(d.GatewayURL, "kept_gateway", "another"))
	if e.status != 0 || !strings.Contains(e.stderr, "login=kept_gateway") {
		t.Errorf("migrate up with another password: status %d: %s", e.status, e.stderr)
	}
	dbtest.Exec(t, login(d.GatewayURL, "kept_gateway", "another"), "select")
}

// wiretap is a way to a server on which all that clients send is kept.
type wiretap struct {
	url string

	mu   sync.Mutex // guards kept
	kept bytes.Buffer
}

// tap opens a second way to the server of a URL, which names a folder with its socket.
func tap(t *testing.T, of string) *wiretap {
	u, err := url.Parse(of)
	if err != nil {
		t.Fatal(err)
	}
	const name = ".s.PGSQL.5432"
	query := u.Query()
	server := filepath.Join(query.Get("host"), name)
	dir := t.TempDir()
	query.Set("host", dir)
	u.RawQuery = query.Encode()
	w := &wiretap{url: u.String()}
	l, err := net.Listen("unix", filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go w.forward(client, server)
		}
	}()
	return w
}

func (w *wiretap) forward(client net.Conn, server string) {
	defer func() { _ = client.Close() }()
	conn, err := net.Dial("unix", server)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	go func() {
		_, _ = io.Copy(client, conn)
		_ = client.Close()
	}()
	_, _ = io.Copy(conn, io.TeeReader(client, w))
}

func (w *wiretap) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.kept.Write(p)
}

func (w *wiretap) sent() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.kept.String()
}
