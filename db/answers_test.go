package db_test

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"rowpass/db"
	"rowpass/db/dbtest"
)

// wire is a way to the server that can lose an answer: what was asked is carried out, and the connection breaks.
type wire struct {
	url  string
	lose atomic.Bool  // the next answer
	lost atomic.Int64 // answers
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	server := dbtest.Connect(t, to).Config()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	user := url.UserPassword(server.User, server.Password)
	w := &wire{url: (&url.URL{Scheme: "postgres", User: user, Host: listener.Addr().String(), Path: server.Database, RawQuery: "sslmode=disable"}).String()}
	network, address := "tcp", net.JoinHostPort(server.Host, "5432")
	if strings.HasPrefix(server.Host, string(os.PathSeparator)) {
		network, address = "unix", server.Host+"/.s.PGSQL.5432"
	}
	if server.Port != 5432 {
		t.Fatalf("the test's server listens on port %d", server.Port)
	}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go w.carry(client, network, address)
		}
	}()
	return w
}

func (w *wire) carry(client net.Conn, network, address string) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial(network, address)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	go func() { _, _ = io.Copy(server, client) }()
	answer := make([]byte, 64<<10)
	for {
		n, err := server.Read(answer)
		if err != nil {
			return
		}
		if w.lose.CompareAndSwap(true, false) {
			w.lost.Add(1)
			return
		}
		if _, err := client.Write(answer[:n]); err != nil {
			return
		}
	}
}

// TestAnswersThatGetLostAreAskedForAgain loses each answer once. What was asked for was carried out by then, and is asked for
// again, so it must not count twice; a denial may stand in the table twice, and is one.
func TestAnswersThatGetLostAreAskedForAgain(t *testing.T) {
	d := dbtest.New(t)
	w := newWire(t, d.ServiceURL)
	s := openStateAs(t, w.url, "exec", slog.New(slog.DiscardHandler))
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	var token string
	for _, tt := range []struct {
		name string
		ask  func() error
		want string // in the tables
	}{
		{"a session begins", func() (err error) {
			token, _, err = s.StartFamily(t.Context(), aFamily(), anHour)
			return err
		}, "1 families, 1 tokens, 0 denials, 0 events"},
		{"a token is refreshed, without any grace", func() error {
			r, err := s.Refresh(t.Context(), token, clientName, anHour, 0)
			token = r.Token
			return err
		}, "1 families, 2 tokens, 0 denials, 0 events"},
		{"a token is looked up", func() error { _, err := s.LookUpRefresh(t.Context(), token, clientName); return err }, "1 families, 2 tokens, 0 denials, 0 events"},
		{"a session ends", func() error { _, err := s.EndFamily(t.Context(), token, clientName); return err }, "1 families, 2 tokens, 1 denials, 0 events"},
		{"something is denied", func() error { return s.Deny(t.Context(), db.Denial{Kind: db.DenyID, Value: "x"}) }, "1 families, 2 tokens, 2 denials, 0 events"},
		{"denials are read", func() error {
			denials, _, err := s.Denials(t.Context(), 0)
			if len(denials) != 3 {
				err = errors.Join(err, errors.New("not the session's, and the other in two rows"))
			}
			return err
		}, "1 families, 2 tokens, 2 denials, 0 events"},
		{"events are written", func() error { return s.WriteEvents(t.Context(), []db.Event{{Name: "issue"}, {Name: "issue"}}) }, "1 families, 2 tokens, 2 denials, 2 events"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := w.lost.Load()
			w.lose.Store(true)
			if err := tt.ask(); err != nil {
				t.Error(err)
			}
			if w.lost.Load() == before {
				t.Fatal("no answer was lost, so that this test can tell nothing")
			}
			got := value(t, d, `select format('%s families, %s tokens, %s denials, %s events', (select count(*) from rowpass.refresh_families where true),
				(select count(*) from rowpass.refresh_tokens), (select count(distinct value) from rowpass.denials), (select count(*) from rowpass.audit))`)
			if got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
	w.lose.Store(true)
	if swapped, err := s.Ring().Swap(t.Context(), []byte("x"), ""); !errors.Is(err, db.ErrUnavailable) || swapped {
		t.Errorf("a ring that may have been written: %v, %v; want ErrUnavailable", swapped, err)
	}
}

// TestACallersChangeIsNotMadeTwice loses the answer to a change that was made.
func TestACallersChangeIsNotMadeTwice(t *testing.T) {
	for _, mode := range []string{"cache_statement", "exec"} {
		t.Run(mode, func(t *testing.T) {
			d := dbtest.New(t)
			w := newWire(t, d.GatewayURL)
			database, err := db.Open(t.Context(), db.Config{
				GatewayURL: w.url, OwnerURL: d.OwnerURL, MaxConns: 1, QueryExecMode: mode, StatementTimeout: 5 * aSecond, Log: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(database.Close)
			admin := db.Session{Role: "authenticated", Claims: []byte(acmeAdmin)}
			add := func(email string) error {
				_, err := database.AddUser(t.Context(), admin, db.NewUser{Email: email})
				return err
			}
			if err := add("first@acme.example"); err != nil {
				t.Fatal(err)
			}
			w.lose.Store(true)
			if err := add("second@acme.example"); !errors.Is(err, db.ErrUnavailable) || w.lost.Load() != 1 {
				t.Errorf("%v, with %d answers lost; want ErrUnavailable, not a second sending", err, w.lost.Load())
			}
			if n := value(t, d, "select count(*)::text from users where email = 'second@acme.example'"); n != "1" {
				t.Errorf("%s such users, want the one whose answer was lost", n)
			}
			if err := add("third@acme.example"); err != nil {
				t.Errorf("the next: %v", err)
			}
		})
	}
}
