package api_test

import (
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
)

func TestWarmRequestIsOneRoundTrip(t *testing.T) {
	s := newServer(t, options{})
	proxy := newTurns(t, s.database.GatewayURL)
	s = newServer(t, options{database: &s.database, gatewayURL: proxy.url, conns: 1})
	member, admin := s.token(acmeMember, acme), s.token(acmeAdmin, acme)
	requests := map[string]request{
		"a list":             {path: "/api/users", token: member},
		"a row":              {path: "/api/users/" + acmeAdmin, token: member},
		"the caller":         {path: "/api/users/me", token: member},
		"tenants":            {path: "/api/tenants", token: member},
		"a change":           {"PATCH", "/api/users/" + acmeMember, member, `{"name":"X"}`, nil},
		"a refused change":   {"PATCH", "/api/users/" + acmeAdmin, member, `{"name":"X"}`, nil},
		"a change by admin":  {"PATCH", "/api/tenants/" + acme, admin, `{"name":"X"}`, nil},
		"a refused addition": {"POST", "/api/users", member, `{"email":"x@acme.example"}`, nil},
	}
	for name, r := range requests {
		t.Run(name, func(t *testing.T) {
			cold := s.do(r)
			before := proxy.turns.Load()
			warm := s.do(r)
			if turns := proxy.turns.Load() - before; turns != 1 || warm.status != cold.status {
				t.Errorf("%d turns for a warm request (status %d, cold %d), want 1", turns, warm.status, cold.status)
			}
		})
	}
}

// turns is a proxy before a PostgreSQL's socket that counts how often the server says ReadyForQuery: each is the end of
// one turn, for which the client has waited.
type turns struct {
	url   string
	turns atomic.Int64
}

func newTurns(t *testing.T, target string) *turns {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	const socket = ".s.PGSQL.5432"
	server := filepath.Join(u.Query().Get("host"), socket)
	dir, err := os.MkdirTemp("", "turns")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, socket))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	query := u.Query()
	query.Set("host", dir)
	u.RawQuery = query.Encode()
	p := &turns{url: u.String()}
	go p.accept(l, server)
	return p
}

func (p *turns) accept(l net.Listener, server string) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		backend, err := net.Dial("unix", server)
		if err != nil {
			_ = client.Close()
			continue
		}
		go func() {
			_, _ = io.Copy(backend, client)
			_ = backend.Close()
		}()
		go func() {
			_ = p.count(client, backend)
			_ = client.Close()
		}()
	}
}

// count copies the server's messages, each a type and a length before its body.
func (p *turns) count(client io.Writer, backend io.Reader) error {
	var head [5]byte
	for {
		if _, err := io.ReadFull(backend, head[:]); err != nil {
			return err
		}
		if head[0] == 'Z' {
			p.turns.Add(1)
		}
		if _, err := client.Write(head[:]); err != nil {
			return err
		}
		if _, err := io.CopyN(client, backend, int64(binary.BigEndian.Uint32(head[1:]))-4); err != nil {
			return err
		}
	}
}
