package db_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rowpass/db"
	"rowpass/db/dbtest"
	"rowpass/migrations"
)

const (
	acme       = "a0000000-0000-4000-8000-000000000001"
	globex     = "b0000000-0000-4000-8000-000000000001"
	adminID    = "a0000000-0000-4000-8000-00000000000a"
	memberID   = "a0000000-0000-4000-8000-00000000000b"
	anHour     = time.Hour
	aSecond    = time.Second
	clientName = "client_login"
)

// openState opens what rowpass keeps for itself, over the service's login.
func openState(t testing.TB, d dbtest.Database) *db.State {
	t.Helper()
	return openStateAs(t, d.ServiceURL, "cache_statement", slog.New(slog.DiscardHandler))
}

func openStateAs(t testing.TB, url, mode string, log *slog.Logger) *db.State {
	t.Helper()
	state, err := db.OpenState(t.Context(), db.StateConfig{URL: url, QueryExecMode: mode, Timeout: 5 * time.Second, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(state.Close)
	return state
}

// lines is a log that a test reads.
type lines struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *lines) log() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// value is the text of the one value that a query of the owner returns.
func value(t testing.TB, d dbtest.Database, query string, args ...any) (text string) {
	t.Helper()
	if err := dbtest.Connect(t, d.OwnerURL).QueryRow(t.Context(), query, args...).Scan(&text); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return text
}

// TestStateIsTheSameHoweverItIsReached goes once through what rowpass keeps for itself, as each login and in each way of
// sending statements, and where everything was taken from PUBLIC.
func TestStateIsTheSameHoweverItIsReached(t *testing.T) {
	for _, tt := range []struct {
		name, mode      string
		owner, hardened bool
	}{
		{name: "as the service", mode: "cache_statement"},
		{name: "as the service without named statements", mode: "exec"},
		{name: "as the service with described statements", mode: "cache_describe"},
		{name: "as the owner", mode: "exec", owner: true},
		{name: "in a hardened database", mode: "exec", hardened: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := dbtest.New(t)
			if tt.hardened {
				harden(t, d)
			}
			url := d.ServiceURL
			if tt.owner {
				url = d.OwnerURL
			}
			goThrough(t, openStateAs(t, url, tt.mode, slog.New(slog.DiscardHandler)))
		})
	}
}

func harden(t *testing.T, d dbtest.Database) {
	t.Helper()
	done, err := migrations.Harden(t.Context(), migrations.HardenConfig{SuperuserURL: d.SuperuserURL, Setters: []string{dbtest.Gateway}})
	if err != nil || len(done) == 0 {
		t.Fatalf("hardening: %v, %v", done, err)
	}
}

func goThrough(t *testing.T, s *db.State) {
	t.Helper()
	ctx := t.Context()
	ok := func(step string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", step, err)
		}
	}
	ok("promising", s.PromiseTTL(ctx, anHour))
	ok("a password", s.SetPassword(ctx, memberID, "correct horse"))
	entry, err := s.CheckPassword(ctx, "Member@acme.example", "", "correct horse", clientName)
	ok("logging in", err)
	want := db.Entry{UserID: memberID, TenantID: acme, Email: "member@acme.example", Role: "member", Claims: []byte("{}")}
	if diff := cmp.Diff(want, entry, cmpopts.IgnoreUnexported(db.Entry{})); diff != "" {
		t.Error(diff)
	}
	_, err = s.FirstUser(ctx, clientName)
	ok("the first user", err)
	_, err = s.ClientClaims(ctx, "a client")
	ok("a client's claims", err)
	token, family, err := s.StartFamily(ctx, db.Family{
		ClientID: clientName, Subject: memberID, Tenant: acme, Scope: "read", Audience: []string{"one", `t"w,o`}, ExpiresAt: time.Now().Add(anHour),
	}, anHour)
	ok("a session", err)
	refreshed, err := s.Refresh(ctx, token, clientName, anHour, aSecond)
	ok("refreshing", err)
	looked, err := s.LookUpRefresh(ctx, refreshed.Token, clientName)
	ok("looking up", err)
	if diff := cmp.Diff(refreshed, looked); diff != "" || !cmp.Equal(family, looked.Family) {
		t.Error(diff)
	}
	_, err = s.EndFamily(ctx, token, clientName)
	ok("revoking", err)
	ok("ending sessions", errors.Join(s.Deny(ctx, db.Denial{Kind: db.DenySession, Value: "a session"}), s.EndSessions(ctx, memberID)))
	ok("denying", s.Deny(ctx, db.Denial{Kind: db.DenyKey, Value: "a key", Until: time.Now().Add(anHour)}, db.Denial{Kind: db.DenyAll, IssuedBefore: time.Now()}))
	denials, version, err := s.Denials(ctx, 0)
	ok("reading denials", err)
	if len(denials) != 6 || version == 0 {
		t.Errorf("%d denials at version %d, want 6: the password's, the session's, another's, the subject's, a key's and all", len(denials), version)
	}
	event := db.Event{At: time.Now().Truncate(time.Microsecond), Name: "login", Outcome: "ok", Subject: memberID, Reason: "x"}
	ok("noting", s.WriteEvents(ctx, []db.Event{event, {Name: "refuse"}}))
	events, err := s.Events(ctx, db.EventFilter{Name: "login", Since: event.At.Add(-anHour)})
	ok("reading the audit", err)
	if diff := cmp.Diff([]db.Event{event}, events, cmpopts.EquateApproxTime(0)); diff != "" {
		t.Error(diff)
	}
	ok("pruning", s.Prune(ctx, anHour))
	swapped, err := s.Ring().Swap(ctx, []byte("{}"), "")
	ok("the ring", err)
	if document, version, err := s.Ring().Load(ctx); err != nil || string(document) != "{}" || version == "" || !swapped {
		t.Errorf("the ring is %s at %s, swapped %v, %v", document, version, swapped, err)
	}
}

func TestRingIsSwappedByWhoeverKnowsItsVersion(t *testing.T) {
	d := dbtest.New(t)
	ring := openState(t, d).Ring()
	ctx := t.Context()
	if document, version, err := ring.Load(ctx); err != nil || document != nil || version != "" {
		t.Errorf("an empty store: %q, %q, %v", document, version, err)
	}
	swap := func(document, version string, want bool) {
		t.Helper()
		if swapped, err := ring.Swap(ctx, []byte(document), version); err != nil || swapped != want {
			t.Errorf("writing %s over version %q: %v, %v; want %v", document, version, swapped, err, want)
		}
	}
	swap("first", "", true)
	swap("another first", "", false)
	_, first, _ := ring.Load(ctx)
	swap("second", first, true)
	swap("another second", first, false)
	swap("third over a version that never was", "7", false)
	if document, version, err := ring.Load(ctx); err != nil || string(document) != "second" || version == first {
		t.Errorf("%q at %q, %v; want second at another version than %q", document, version, err, first)
	}
	if _, err := ring.Swap(ctx, []byte("x"), "first'; --"); err == nil {
		t.Error("a version that is no number is taken")
	}
	dbtest.Exec(t, d.OwnerURL, "delete from rowpass.ring")
	swap("made anew", "", true)
	if _, version, _ := ring.Load(ctx); version == first {
		t.Error("a ring that was made anew has the first one's version, so that nobody would read it")
	}
}

func TestOfTwentyThatSwapTheRingOneDoes(t *testing.T) {
	d := dbtest.New(t)
	one, two := openState(t, d).Ring(), openState(t, d).Ring()
	for _, version := range []string{"", "current"} {
		if version != "" {
			_, version, _ = one.Load(t.Context())
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		swaps := 0
		for i := range 20 {
			wg.Go(func() {
				ring := []db.RingStore{one, two}[i%2]
				swapped, err := ring.Swap(t.Context(), []byte{byte('a' + i)}, version)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				}
				if swapped {
					swaps++
				}
			})
		}
		wg.Wait()
		if swaps != 1 {
			t.Errorf("%d of 20 have swapped version %q", swaps, version)
		}
	}
}

// listening starts Listen and returns what its wakes arrive on, and how it is ended.
func listening(t *testing.T, s *db.State) (<-chan struct{}, func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	wakes, ended := make(chan struct{}, 100), make(chan struct{})
	go func() {
		defer close(ended)
		s.Listen(ctx, func() { wakes <- struct{}{} })
	}()
	end := func() { cancel(); <-ended }
	t.Cleanup(end)
	return wakes, end
}

func TestListenWakesAtEveryChangeAndAfterEveryConnection(t *testing.T) {
	d := dbtest.New(t)
	log := &lines{}
	other := openState(t, d)
	wakes, end := listening(t, openStateAs(t, d.ServiceURL, "cache_statement", log.log()))
	<-wakes // it is connected
	for _, change := range []struct {
		name string
		make func() error
	}{
		{"a denial", func() error { return other.Deny(t.Context(), db.Denial{Kind: db.DenyID, Value: "x"}) }},
		{"the same denial again", func() error { return other.Deny(t.Context(), db.Denial{Kind: db.DenyID, Value: "x"}) }},
		{"a session's end", func() error { return other.Deny(t.Context(), db.Denial{Kind: db.DenySession, Value: "x"}) }},
		{"the ring", func() error { _, err := other.Ring().Swap(t.Context(), []byte("{}"), ""); return err }},
	} {
		if err := change.make(); err != nil {
			t.Fatalf("%s: %v", change.name, err)
		}
		<-wakes
	}
	dbtest.Exec(t, d.SuperuserURL, `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query = 'listen rowpass'`)
	<-wakes // it is connected again
	if n := strings.Count(log.String(), "level=WARN"); n != 1 {
		t.Errorf("%d warnings:\n%s", n, log.String())
	}
	end()
}

// notifications counts what arrives on rowpass's channel from now until the returned function is called.
func notifications(t *testing.T, d dbtest.Database) func() int {
	t.Helper()
	conn := dbtest.Connect(t, d.OwnerURL)
	if _, err := conn.Exec(t.Context(), "listen rowpass"); err != nil {
		t.Fatal(err)
	}
	return func() (n int) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), "notify rowpass, 'end'"); err != nil {
			t.Fatal(err)
		}
		for {
			notification, err := conn.WaitForNotification(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if notification.Payload == "end" {
				return n
			}
			n++
		}
	}
}

func TestOnlyChangesNotify(t *testing.T) {
	d := dbtest.New(t)
	s := openState(t, d)
	heard := notifications(t, d)
	token, _, err := s.StartFamily(t.Context(), aFamily(), anHour)
	if err == nil {
		_, err = s.Refresh(t.Context(), token, clientName, anHour, aSecond)
	}
	if err == nil {
		err = s.Deny(t.Context(), db.Denial{Kind: db.DenyID, Value: "x"}) // the one that counts
	}
	if err == nil {
		_, _, err = s.Denials(t.Context(), 0)
	}
	if err = errors.Join(err, s.PromiseTTL(t.Context(), 2*anHour), s.Prune(t.Context(), anHour)); err != nil {
		t.Fatal(err)
	}
	if n := heard(); n != 1 {
		t.Errorf("%d notifications, want one, the denial's", n)
	}
}

func TestListenEndsWithItsContextWhereNobodyAnswers(t *testing.T) {
	log := &lines{}
	wakes, end := listening(t, openStateAs(t, "postgres://nobody:secret@127.0.0.1:1/nothing", "exec", log.log()))
	end()
	if len(wakes) != 0 || strings.Contains(log.String(), "secret") {
		t.Errorf("%d wakes, and the log says: %s", len(wakes), log.String())
	}
}
