package identity_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rowpass/db/dbtest"
	"rowpass/identity"
)

// hangingList answers when it is let go, or never.
type hangingList struct {
	asked   chan string
	release chan struct{}
}

func (l *hangingList) Page(context.Context, string) (identity.Page, error) {
	return identity.Page{}, nil
}

func (l *hangingList) User(ctx context.Context, subject string) (json.RawMessage, bool, error) {
	select {
	case l.asked <- subject:
	case <-ctx.Done():
	}
	select {
	case <-l.release:
		return nil, false, nil
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
}

func TestAnAPIThatHangsHoldsUpItsOwnSourceAlone(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	secrets := []string{"a secret of the extension's"}
	hanging := newSource(t, identity.SourceConfig{Name: "hanging", Preset: "keycloak", Prefix: "hanging|", Secrets: secrets})
	quick := newSource(t, identity.SourceConfig{Name: "quick", Preset: "keycloak", Prefix: "quick|", Secrets: secrets})
	list := &hangingList{asked: make(chan string), release: make(chan struct{})}
	s := storeOf(t, d, func(c *identity.StoreConfig) {
		c.Fetchers = map[string]identity.Lister{"hanging": list, "quick": &directory{names: map[string]string{"ann": "Ann", "bea": "Bea"}}}
	}, hanging, quick)
	for i := range 40 {
		accept(t, s, "hanging", fmt.Sprint(i), keycloakEvent("admin.USER-UPDATE", fmt.Sprint("u", i), 1))
	}
	accept(t, s, "quick", "before", keycloakEvent("admin.USER-UPDATE", "ann", 1))
	running(t, s)
	<-list.asked
	accept(t, s, "quick", "after", keycloakEvent("admin.USER-UPDATE", "bea", 1))
	wait(t, func() bool {
		status, err := s.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return status[1].Source == "quick" && status[1].Live == 2
	})
	close(list.release)
	go func() {
		for range list.asked {
		}
	}()
	drained(t, s)
	close(list.asked)
	if got := rowsOf(t, d.OwnerURL, "select count(*), count(deleted_at) from neon_identity.users_sync where id like 'hanging|%'"); got != "(40,40)" {
		t.Error(got)
	}
}

// A cache that mixes up addresses, say, must not write one user's profile into another's row.
func TestAnAnswerAboutSomebodyElseIsNotTaken(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	s := storeOf(t, d, func(c *identity.StoreConfig) {
		c.Fetchers = map[string]identity.Lister{"keycloak": mixedUp{}}
	}, keycloakSource(t))
	accept(t, s, "keycloak", "e1", keycloakEvent("admin.USER-UPDATE", "ann", 1))
	running(t, s)
	drained(t, s)
	if got := userRows(t, d); got != "" {
		t.Error(got)
	}
	dead, err := s.Dead(t.Context(), "keycloak")
	if err != nil || len(dead) != 1 || !strings.Contains(dead[0].Reason, "returned another user") || strings.Contains(dead[0].Reason, "victim") {
		t.Errorf("%+v, %v", dead, err)
	}
}

type mixedUp struct{}

func (mixedUp) Page(context.Context, string) (identity.Page, error) { return identity.Page{}, nil }

func (mixedUp) User(context.Context, string) (json.RawMessage, bool, error) {
	return mustJSON(map[string]any{"id": "victim", "firstName": "Vic"}), true, nil
}

// picky hangs for some subjects, whose names begin with "slow", and gives what answer says of the others.
type picky struct {
	directory
	answer string // "": the directory's own
}

func (p *picky) User(ctx context.Context, subject string) (json.RawMessage, bool, error) {
	if ctx.Err() != nil {
		return nil, false, ctx.Err()
	}
	user, found, err := p.directory.User(ctx, subject)
	if strings.HasPrefix(subject, "slow") {
		<-ctx.Done()
		return nil, false, errors.New("the list API answered with status 503")
	}
	if p.answer != "" {
		return json.RawMessage(p.answer), true, nil
	}
	return user, found, err
}

func (p *picky) count(subject string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, asked := range p.asked {
		if asked == subject {
			n++
		}
	}
	return n
}

// Of one whose look-up hangs the others feel nothing: they are asked for, or wait without having been tried.
func TestAUserWhoseLookUpHangsKillsNoOtherEvents(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		all, one time.Duration
	}{
		{"one takes up all the time there is", 300 * time.Millisecond, time.Minute},
		{"one takes up the time there is for one", time.Minute, 300 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t)
			list := &picky{directory: directory{names: map[string]string{"slow-1": "Sue", "slow-2": "Sid", "ann": "Ann"}}}
			s := storeOf(t, d, func(c *identity.StoreConfig) { c.Fetchers = map[string]identity.Lister{"keycloak": list} }, keycloakSource(t))
			s.SetPatience(tt.all, tt.one)
			for i, user := range []string{"slow-1", "slow-2", "ann"} {
				accept(t, s, "keycloak", user, keycloakEvent("admin.USER-UPDATE", user, 1))
				dbtest.Exec(t, d.OwnerURL, fmt.Sprintf("update rowpass.inbox set state = 'fetch', attempts = 13, next_at = now() - interval '%d seconds' where event_id = '%s'", 9-i, user))
			}
			running(t, s)
			comes(t, d.OwnerURL, lines("ann Ann 1"), `select id || ' ' || name || ' 1' from neon_identity.users_sync`)
			wait(t, func() bool { return list.count("slow-2") == 1 })
			const put = "select event_id, state, attempts, next_at > now() from rowpass.inbox where event_id like 'slow%'"
			comes(t, d.OwnerURL, "(slow-1,fetch,14,t)\n(slow-2,fetch,14,t)", put)
			if n := list.count("ann"); n != 1 {
				t.Errorf("ann was asked for %d times", n)
			}
			if got := rowsOf(t, d.OwnerURL, "select state, attempts from rowpass.inbox where event_id = 'ann'"); got != "(done,14)" {
				t.Errorf("ann's event: %s", got)
			}
		})
	}
}

func TestThereIsABoundForAUsersLookUp(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	list := &timed{until: make(chan time.Duration, 1)}
	s := storeOf(t, d, func(c *identity.StoreConfig) { c.Fetchers = map[string]identity.Lister{"keycloak": list} }, keycloakSource(t))
	accept(t, s, "keycloak", "e1", keycloakEvent("admin.USER-UPDATE", "ann", 1))
	running(t, s)
	if left := <-list.until; left <= 0 || left > 15*time.Second {
		t.Errorf("a look-up may take %v", left)
	}
}

// timed tells how long it may take.
type timed struct{ until chan time.Duration }

func (l *timed) Page(context.Context, string) (identity.Page, error) { return identity.Page{}, nil }

func (l *timed) User(ctx context.Context, _ string) (json.RawMessage, bool, error) {
	deadline, _ := ctx.Deadline()
	l.until <- time.Until(deadline)
	return nil, false, nil
}

// By chance, that users who failed together aren't asked for together.
func TestPausesDiffer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		chance   float64
		attempts int
		want     string // seconds
	}{{0, 0, "(10)"}, {0.5, 0, "(12.5)"}, {0.999999, 3, "(120)"}, {0, 13, "(3600)"}, {0.5, 13, "(4500)"}} {
		d := dbtest.New(t)
		s := storeOf(t, d, func(c *identity.StoreConfig) {
			c.Fetchers = map[string]identity.Lister{"keycloak": &directory{names: map[string]string{"bea": ""}}}
			c.Chance = func() float64 { return tt.chance }
		}, keycloakSource(t))
		accept(t, s, "keycloak", "e1", keycloakEvent("admin.USER-UPDATE", "bea", 1))
		dbtest.Exec(t, d.OwnerURL, fmt.Sprintf(`update rowpass.inbox set state = 'fetch', attempts = %d;
			create function public.told() returns trigger language plpgsql as $$ begin new.received_at := now(); return new; end $$;
			create trigger told before update of reason on rowpass.inbox for each row execute function public.told()`, tt.attempts))
		running(t, s)
		wait(t, func() bool { return rowsOf(t, d.OwnerURL, "select from rowpass.inbox where reason is not null") != "" })
		if got := rowsOf(t, d.OwnerURL, "select trim_scale(round(extract(epoch from next_at - received_at), 1)) from rowpass.inbox"); got != tt.want {
			t.Errorf("%v, after %d: %s s, want %s", tt.chance, tt.attempts, got, tt.want)
		}
	}
}

// An API in trouble may answer with something else in place of a user: neither is the user gone, nor the event lost at once.
func TestAnAnswerThatIsNoUserIsAskedForAgain(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	list := &picky{directory: directory{names: map[string]string{"ann": "Ann"}}}
	s := storeOf(t, d, func(c *identity.StoreConfig) { c.Fetchers = map[string]identity.Lister{"keycloak": list} }, keycloakSource(t))
	list.answer = `{"message":"we are back soon"}`
	accept(t, s, "keycloak", "e1", keycloakEvent("admin.USER-UPDATE", "ann", 1))
	stop := running(t, s)
	comes(t, d.OwnerURL, `(fetch,2,"asking the provider for the user: its answer is no user: the user's id is missing")`, "select state, attempts, reason from rowpass.inbox")
	stop()
	list.answer = ""
	dbtest.Exec(t, d.OwnerURL, "update rowpass.inbox set next_at = now()")
	running(t, s)
	drained(t, s)
	if diff := cmp.Diff(lines("ann Ann 1"), userRows(t, d)); diff != "" {
		t.Error(diff)
	}
}
