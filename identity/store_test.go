package identity_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"rowpass/db/dbtest"
	"rowpass/identity"
)

// signupTime is when the tests' users signed up, and their first events happened.
var signupTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// minute is so many minutes later.
func minute(n int) time.Time { return signupTime.Add(time.Duration(n) * time.Minute) }

// clerkSource is a source with Clerk's events.
func clerkSource(t testing.TB, name, prefix string) *identity.Source {
	t.Helper()
	return newSource(t, identity.SourceConfig{Name: name, Preset: "clerk", Prefix: prefix, Secrets: []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}})
}

func newSource(t testing.TB, c identity.SourceConfig) *identity.Source {
	t.Helper()
	source, err := identity.NewSource(c)
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// storeOf opens a store of a database's as the service, closed by the test's end.
func storeOf(t testing.TB, d dbtest.Database, change func(*identity.StoreConfig), sources ...*identity.Source) *identity.Store {
	t.Helper()
	c := identity.StoreConfig{
		URL: d.ServiceURL, Timeout: 10 * time.Second, Sources: sources, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&c)
	}
	store, err := identity.OpenStore(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return store
}

// running runs the store's loops until stop is called, or the test ends.
func running(t testing.TB, s *identity.Store) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-ended
	}
	t.Cleanup(stop)
	return stop
}

// clerkEvent is an event as Clerk sends it. name is the user's, or the tenant of a membership.
func clerkEvent(kind, user, name string, at time.Time) []byte {
	object := map[string]any{"id": user}
	switch {
	case strings.HasPrefix(kind, "organizationMembership."):
		object = map[string]any{"id": "mem_1", "organization": map[string]any{"id": name}, "public_user_data": map[string]any{"user_id": user}}
	case kind == "user.deleted":
		object["deleted"] = true
	default:
		object["first_name"], object["created_at"], object["email_addresses"] = name, signupTime.UnixMilli(), []any{}
	}
	return mustJSON(map[string]any{"type": kind, "object": "event", "timestamp": at.UnixMilli(), "data": object})
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only what can be written is
	}
	return b
}

// accept lets the store keep a body and wants it fresh.
func accept(t testing.TB, s *identity.Store, source, id string, body []byte) {
	t.Helper()
	fresh, err := s.Accept(t.Context(), source, identity.Message{ID: id, Body: body})
	if err != nil || fresh != 1 {
		t.Fatalf("accepting %s: fresh %d, %v", id, fresh, err)
	}
}

// drained waits until no event waits any more. It asks ever less often: counting is work too.
func drained(t testing.TB, s *identity.Store) []identity.SourceStatus {
	t.Helper()
	begun := time.Now()
	for deadline := begun.Add(2 * time.Minute); ; {
		status, err := s.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		pending := int64(0)
		for _, s := range status {
			pending += s.Pending
		}
		if pending == 0 {
			return status
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d events still wait", pending)
		}
		time.Sleep(2*time.Millisecond + min(time.Since(begun)/10, 300*time.Millisecond))
	}
}

// rowsOf gives a query's rows as text, a line each.
func rowsOf(t testing.TB, url, query string, args ...any) string {
	t.Helper()
	return rowsOver(t, dbtest.Connect(t, url), query, args...)
}

// comes waits until a query gives these rows.
func comes(t testing.TB, url, want, query string, args ...any) {
	t.Helper()
	conn := dbtest.Connect(t, url)
	got := ""
	for range 2000 {
		if got = rowsOver(t, conn, query, args...); got == want {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("there is %s, want %s", got, want)
}

func rowsOver(t testing.TB, conn *pgx.Conn, query string, args ...any) string {
	t.Helper()
	rows, err := conn.Query(t.Context(), "select coalesce(string_agg(r::text, chr(10) order by r::text), '') from ("+query+") r", args...)
	if err != nil {
		t.Fatal(err)
	}
	text, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// userRows are id, name, minutes from signupTime to the last change, and "deleted".
func userRows(t testing.TB, d dbtest.Database) string {
	t.Helper()
	return rowsOf(t, d.OwnerURL, fmt.Sprintf(`select id || ' ' || coalesce(name, '-') || ' ' || extract(epoch from updated_at - '%s')::int / 60
		|| case when deleted_at is null then '' else ' deleted' end as line from neon_identity.users_sync`, signupTime.Format(time.RFC3339)))
}

func lines(all ...string) string {
	for i, line := range all {
		if strings.ContainsAny(line, " ,") {
			all[i] = `("` + line + `")`
		} else {
			all[i] = "(" + line + ")"
		}
	}
	return strings.Join(all, "\n")
}

func profileOf(t testing.TB, s *identity.Source, id, name string, at time.Time) identity.Profile {
	t.Helper()
	object := mustJSON(map[string]any{"id": id, "first_name": name, "created_at": signupTime.UnixMilli(), "updated_at": at.UnixMilli(), "email_addresses": []any{}})
	p, err := s.Profile(object, at)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAStoreIsNotOpenedWithoutAWayToTheDatabase(t *testing.T) {
	t.Parallel()
	_, err := identity.OpenStore(t.Context(), identity.StoreConfig{URL: "postgres://service:secret word@host/x y"})
	if err == nil || strings.Contains(err.Error(), "secret") || !strings.HasPrefix(err.Error(), "database.service_url: ") {
		t.Error(err)
	}
	twice := []*identity.Source{clerkSource(t, "clerk", ""), clerkSource(t, "clerk", "clerk|")}
	_, err = identity.OpenStore(t.Context(), identity.StoreConfig{URL: "postgres://service@host/db", Sources: twice, Log: slog.New(slog.DiscardHandler)})
	if err == nil || err.Error() != "sync.sources has two entries named clerk; rename one" {
		t.Error(err)
	}
}

func TestADatabaseThatCannotBeReachedIsUnavailable(t *testing.T) {
	t.Parallel()
	nobody := dbtest.Database{ServiceURL: "postgres://service:secret@127.0.0.1:1/db"}
	s := storeOf(t, nobody, nil, clerkSource(t, "clerk", ""))
	_, err := s.Accept(t.Context(), "clerk", identity.Message{ID: "e1", Body: []byte("{}")})
	if !errors.Is(err, identity.ErrUnavailable) || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
	if _, err := s.Accept(t.Context(), "okta", identity.Message{ID: "e1", Body: []byte("{}")}); !errors.Is(err, identity.ErrUnknownSource) {
		t.Error(err)
	}
}
