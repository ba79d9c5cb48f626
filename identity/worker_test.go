package identity_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rowpass/db/dbtest"
	"rowpass/identity"
)

// directory is a provider's list API in memory. A user whose name is empty is asked for in vain.
type directory struct {
	mu    sync.Mutex // guards all
	names map[string]string
	asked []string
}

func (d *directory) Page(context.Context, string) (identity.Page, error) { return identity.Page{}, nil }

func (d *directory) User(_ context.Context, subject string) (json.RawMessage, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, subject)
	name, there := d.names[subject]
	if there && name == "" {
		return nil, false, fmt.Errorf("GET /users/%s: status 500", subject)
	}
	return mustJSON(map[string]any{"id": subject, "firstName": name, "createdTimestamp": signupTime.UnixMilli()}), there, nil
}

func keycloakSource(t testing.TB) *identity.Source {
	t.Helper()
	return newSource(t, identity.SourceConfig{Name: "keycloak", Preset: "keycloak", Secrets: []string{"a secret of the extension's"}})
}

func keycloakEvent(kind, user string, n int) []byte {
	return mustJSON(map[string]any{"type": kind, "time": minute(n).UnixMilli(), "resourcePath": "users/" + user, "resourceType": "USER", "realmId": "demo"})
}

func TestAUserWithoutAProfileIsAskedFor(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	api := &directory{names: map[string]string{"user-ann": "Ann", "user-bea": ""}}
	s := storeOf(t, d, func(c *identity.StoreConfig) { c.Fetchers = map[string]identity.Lister{"keycloak": api} }, keycloakSource(t))
	accept(t, s, "keycloak", "e1", keycloakEvent("admin.USER-CREATE", "user-ann", 1))
	accept(t, s, "keycloak", "e2", keycloakEvent("admin.USER-UPDATE", "user-ann", 2))
	accept(t, s, "keycloak", "e3", keycloakEvent("admin.USER-UPDATE", "user-cleo", 3))
	running(t, s)
	drained(t, s)
	if diff := cmp.Diff(lines("user-ann Ann 2", "user-cleo - 3 deleted"), userRows(t, d)); diff != "" {
		t.Error(diff)
	}
	accept(t, s, "keycloak", "e4", keycloakEvent("admin.USER-UPDATE", "user-bea", 4))
	wait(t, func() bool {
		return rowsOf(t, d.OwnerURL, "select state, attempts, next_at > now() + interval '5 seconds', reason from rowpass.inbox where event_id = 'e4'") ==
			`(fetch,2,t,"asking the provider for the user: GET /users/…: status 500")`
	})
	api.mu.Lock()
	api.names["user-bea"] = "Bea"
	api.mu.Unlock()
	dbtest.Exec(t, d.OwnerURL, "update rowpass.inbox set next_at = now() where event_id = 'e4'")
	drained(t, s)
	if rows := userRows(t, d); !strings.Contains(rows, "user-bea Bea 4") {
		t.Error(rows)
	}
}

func TestAUserWhoCannotBeAskedForIsDeadInTheEnd(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	s := storeOf(t, d, nil, keycloakSource(t))
	accept(t, s, "keycloak", "e1", keycloakEvent("admin.USER-CREATE", "user-ann", 1))
	stop := running(t, s)
	drained(t, s)
	stop()
	list, err := s.Dead(t.Context(), "keycloak")
	if err != nil || len(list) != 1 || !strings.Contains(list[0].Reason, "set its api") {
		t.Errorf("%+v, %v", list, err)
	}
	api := &directory{names: map[string]string{"user-ann": ""}}
	asking := storeOf(t, d, func(c *identity.StoreConfig) { c.Fetchers = map[string]identity.Lister{"keycloak": api} }, keycloakSource(t))
	dbtest.Exec(t, d.OwnerURL, "update rowpass.inbox set state = 'fetch', attempts = 14")
	running(t, asking)
	drained(t, asking)
	list, err = s.Dead(t.Context(), "keycloak")
	if err != nil || len(list) != 1 || list[0].Reason != "asking the provider for the user: GET /users/…: status 500" {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestEventsOutliveTroubleWithTheDatabase(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	s := storeOf(t, d, nil, clerkSource(t, "clerk", ""))
	running(t, s)
	var want []string
	for i := range 60 {
		id := fmt.Sprintf("u%02d", i)
		want = append(want, id+" Ann 1")
		for {
			if _, err := s.Accept(t.Context(), "clerk", identity.Message{ID: id, Body: clerkEvent("user.created", id, "Ann", minute(1))}); err == nil {
				break
			} else if !errors.Is(err, identity.ErrUnavailable) {
				t.Fatal(err)
			}
		}
		if i%20 == 10 {
			dbtest.Exec(t, d.SuperuserURL, "select pg_terminate_backend(pid) from pg_stat_activity where usename = '"+dbtest.Service+"' and datname = current_database()")
		}
	}
	drained(t, s)
	if diff := cmp.Diff(lines(want...), userRows(t, d)); diff != "" {
		t.Error(diff)
	}
}

func TestLargeEventsAreReadAFewAtATime(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	s := storeOf(t, d, nil, clerkSource(t, "clerk", ""))
	padding := strings.Repeat("x", 1<<20-400)
	for i := range 40 {
		body := mustJSON(map[string]any{"type": "user.created", "timestamp": minute(1).UnixMilli(), "padding": padding, "data": map[string]any{"id": fmt.Sprint("u", i), "email_addresses": []any{}}})
		accept(t, s, "clerk", fmt.Sprint("e", i), body)
	}
	running(t, s)
	if status := drained(t, s); status[0].Live != 40 {
		t.Errorf("%+v", status)
	}
	// Events of one transaction came to be done at the same time.
	if got := rowsOf(t, d.OwnerURL, "select max(events) < 20 from (select count(*) as events from rowpass.inbox group by next_at) batches"); got != "(t)" {
		t.Error(got)
	}
}

// A pooler gives a connection to somebody else between two transactions.
func TestNoLockStaysOnTheConnection(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	s := storeOf(t, d, func(c *identity.StoreConfig) { c.QueryExecMode, c.MaxConns = "exec", 1 }, clerkSource(t, "clerk", ""))
	accept(t, s, "clerk", "e1", clerkEvent("user.created", "u1", "Ann", minute(1)))
	stop := running(t, s)
	drained(t, s)
	stop()
	if _, err := s.BeginRun(t.Context(), "clerk", true); err != nil {
		t.Fatal(err)
	}
	got := rowsOf(t, d.SuperuserURL, `select state, (select count(*) from pg_locks l where l.pid = a.pid) as locks
		from pg_stat_activity a where usename = '`+dbtest.Service+`' and datname = current_database()`)
	if got != "(idle,0)" {
		t.Error(got)
	}
}

func wait(t testing.TB, until func() bool) {
	t.Helper()
	for range 2000 {
		if until() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("it did not happen")
}
