package identity_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

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
