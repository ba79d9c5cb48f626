package api_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rowpass/api"
	"rowpass/db"
	"rowpass/db/dbtest"
	"rowpass/token"
)

// refreshing is how long refresh tokens are good on a test's server.
func refreshing(ttl, maxAge, grace time.Duration) api.RefreshConfig {
	return api.RefreshConfig{TTL: ttl, MaxAge: maxAge, Grace: grace}
}

// session is a refresh token of a client for a user: of client_login, as a log-in gives it, or of a trusted client.
func (s *server) session(as, user, tenant string) string {
	s.t.Helper()
	if as != token.ClientLogin {
		return s.granted(as, "grant_type", userGrant, "subject", user, "tenant", tenant, "scope", "read write offline_access")["refresh_token"].(string)
	}
	raw, _, err := s.state.StartFamily(s.t.Context(), db.Family{
		ClientID: as, Subject: user, Tenant: tenant, ExpiresAt: time.Now().Add(time.Hour),
	}, time.Hour)
	if err != nil {
		s.t.Fatal(err)
	}
	return raw
}

// refreshed is the token endpoint's answer to a refresh token.
func (s *server) refreshed(as, raw string, parameters ...string) answer {
	s.t.Helper()
	return s.oauth("/api/token", as, append([]string{"grant_type", "refresh_token", "refresh_token", raw}, parameters...)...)
}

func TestRefreshTokensFollowOneAnother(t *testing.T) {
	s := newIssuing(t, issuing{refresh: refreshing(time.Hour, time.Hour, 0)})
	for _, as := range []string{token.ClientLogin, actsForAcme, actsForAll} {
		t.Run(as, func(t *testing.T) {
			raw, sid, seen := s.session(as, acmeMember, acme), any(nil), map[string]bool{}
			for range 3 {
				seen[raw] = true
				o := s.refreshed(as, raw).object(t)
				claims := claimsOf(t, o["access_token"])
				raw, _ = o["refresh_token"].(string)
				if claims["sub"] != acmeMember || claims["tenant_id"] != acme || claims["client_id"] != as || sid != nil && claims["sid"] != sid {
					t.Fatalf("claims %v", claims)
				}
				if sid = claims["sid"]; sid == nil || seen[raw] || !strings.HasPrefix(raw, "rpr_") || o["token_type"] != "Bearer" {
					t.Fatalf("answer %v, sid %v", o, sid)
				}
				if in := o["refresh_expires_in"].(float64); in < 3590 || in > 3600 {
					t.Errorf("refresh_expires_in %v, want an hour", in)
				}
				if acts := claims["act"] != nil; acts != (as != token.ClientLogin) {
					t.Errorf("act %v", claims["act"])
				}
				if got := s.works(o["access_token"]); got != 200 {
					t.Errorf("the access token gives %d", got)
				}
			}
		})
	}
}

func TestEveryBadRefreshTokenIsAnsweredAlike(t *testing.T) {
	s := newIssuing(t, issuing{refresh: refreshing(time.Hour, time.Hour, 0)})
	outOfDate := s.session(actsForAll, acmeMember, acme)
	dbtest.Exec(t, s.database.OwnerURL, `update rowpass.refresh_tokens set expires_at = now()`)
	over := s.session(actsForAll, acmeMember, acme)
	dbtest.Exec(t, s.database.OwnerURL, `update rowpass.refresh_families set expires_at = now()`)
	revoked, used := s.session(actsForAll, acmeMember, acme), s.session(actsForAll, acmeMember, acme)
	s.oauth("/api/revoke", actsForAll, "token", revoked).check(t, 200, nil, nil)
	s.refreshed(actsForAll, used).check(t, 200, nil, nil)
	foreign := s.session(actsForAcme, acmeMember, acme)
	bodies := map[string]bool{}
	for name, raw := range map[string]string{
		"unknown": "rpr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "no token": "x", "out of date": outOfDate,
		"of a session that is over": over, "revoked": revoked, "another client's": foreign,
		"a browser's": s.session(token.ClientLogin, acmeMember, acme), "used": used, "used, once more": used, "NUL": "\x00", "no text": "\xff",
		"an access token": s.token(acmeMember, acme), "a trusted client's in capitals": strings.ToUpper(s.session(actsForAll, acmeMember, acme)),
	} {
		a := s.refreshed(actsForAll, raw)
		if a.status != 400 || a.said(t) != "invalid_grant" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
		bodies[a.body] = true
	}
	if len(bodies) != 1 {
		t.Errorf("they are told apart: %v", bodies)
	}
	s.refreshed(actsForAcme, foreign).check(t, 200, nil, nil) // another client's attempt did it no harm
	s.refreshed(actsForAll, "").check(t, 400, []string{"invalid_request", "refresh_token is missing"}, nil)
}

// Fifty tabs wake up at once with the same refresh token, at two instances.
func TestFiftyTabsRaceWithOneRefreshToken(t *testing.T) {
	s := newIssuing(t, issuing{refresh: refreshing(time.Hour, time.Hour, 10*time.Second)})
	other := newIssuing(t, issuing{refresh: refreshing(time.Hour, time.Hour, 10*time.Second), beside: s})
	raw := s.session(token.ClientLogin, acmeMember, acme)
	answers := make([]answer, 50)
	var tabs sync.WaitGroup
	for i := range answers {
		tabs.Go(func() { answers[i] = []*server{s, other}[i%2].refreshed(token.ClientLogin, raw) })
	}
	tabs.Wait()
	successors, sessions := map[any]bool{}, map[any]bool{}
	for _, a := range answers {
		a.check(t, 200, nil, nil)
		o := a.object(t)
		successors[o["refresh_token"]], sessions[claimsOf(t, o["access_token"])["sid"]] = true, true
		if got := s.works(o["access_token"]); got != 200 {
			t.Errorf("an access token gives %d", got)
		}
	}
	if len(successors) != 1 || len(sessions) != 1 {
		t.Fatalf("%d successors in %d sessions", len(successors), len(sessions))
	}
	next := answers[0].object(t)["refresh_token"].(string)
	s.refreshed(token.ClientLogin, next).check(t, 200, nil, nil)
	if n := s.count(`select count(*) from rowpass.refresh_families`); n != 1 {
		t.Errorf("%d families", n)
	}
	if n := s.count(`select count(*) from rowpass.refresh_tokens`); n != 3 {
		t.Errorf("%d refresh tokens, want the first, its successor, and the next", n)
	}
	dbtest.Exec(t, s.database.OwnerURL, `update rowpass.refresh_tokens set used_at = used_at - interval '11 seconds'`) // the grace is over
	s.refreshed(token.ClientLogin, raw).check(t, 400, []string{"invalid_grant"}, nil)
	for _, a := range answers {
		if got := s.works(a.object(t)["access_token"]); got != 401 {
			t.Errorf("after the end of the session an access token gives %d", got)
		}
	}
}

func TestRefreshTokenThatComesBackEndsTheSession(t *testing.T) {
	s := newIssuing(t, issuing{refresh: refreshing(time.Hour, time.Hour, 0)})
	for _, as := range []string{token.ClientLogin, actsForAll} {
		t.Run(as, func(t *testing.T) {
			stolen, elsewhere := s.session(as, acmeMember, acme), s.session(as, acmeMember, acme)
			first := s.refreshed(as, stolen).object(t)
			second := s.refreshed(as, first["refresh_token"].(string)).object(t)
			for _, o := range []map[string]any{first, second} {
				if got := s.works(o["access_token"]); got != 200 {
					t.Fatalf("before: %d", got)
				}
			}
			s.refreshed(as, stolen).check(t, 400, []string{"invalid_grant"}, nil)
			for _, o := range []map[string]any{first, second} {
				if got := s.works(o["access_token"]); got != 401 {
					t.Errorf("an access token of the session gives %d", got)
				}
			}
			s.refreshed(as, second["refresh_token"].(string)).check(t, 400, []string{"invalid_grant"}, nil)
			s.refreshed(as, elsewhere).check(t, 200, nil, nil)
		})
	}
}

func TestOneTabsSuccessorIsTheOthers(t *testing.T) {
	s := newIssuing(t, issuing{refresh: refreshing(time.Hour, time.Hour, time.Minute)})
	raw := s.session(token.ClientLogin, acmeMember, acme)
	first, second := s.refreshed(token.ClientLogin, raw).object(t), s.refreshed(token.ClientLogin, raw).object(t)
	if first["refresh_token"] != second["refresh_token"] || first["access_token"] == second["access_token"] {
		t.Errorf("two successors, or one access token: %v, %v", first, second)
	}
}

// Scope and audience of the session stay what they were, whatever one access token of it leaves out (RFC 6749, section 6).
func TestRefreshNarrowsOneAccessTokenAtATime(t *testing.T) {
	s := newIssuing(t, issuing{refresh: refreshing(time.Hour, time.Hour, 0)})
	const files = "https://files.example"
	raw := s.granted(actsForAll, "grant_type", userGrant, "subject", acmeMember, "scope", "read write offline_access")["refresh_token"].(string)
	for _, tt := range []struct {
		name       string
		parameters []string
		scope      string
		audience   any
		refused    string
	}{
		{"all of it", nil, "offline_access read write", []any{audience, files}, ""},
		{"less", []string{"scope", "read"}, "read", []any{audience, files}, ""},
		{"all of it again", nil, "offline_access read write", []any{audience, files}, ""},
		{"more than the session has", []string{"scope", "read admin"}, "", nil, "invalid_scope"},
		{"one audience", []string{"audience", files}, "offline_access read write", files, ""},
		{"one resource", []string{"resource", issuer, "scope", "write"}, "write", audience, ""},
		{"another audience", []string{"audience", "other"}, "", nil, "invalid_target"},
		{"another resource", []string{"resource", "https://other.example"}, "", nil, "invalid_target"},
		{"all of it at last", []string{"scope", ""}, "offline_access read write", []any{audience, files}, ""},
	} {
		a := s.refreshed(actsForAll, raw, tt.parameters...)
		if tt.refused != "" {
			if a.status != 400 || a.said(t) != tt.refused {
				t.Errorf("%s: %d %s", tt.name, a.status, a.body)
			}
			continue // with the same token, which was not spent
		}
		a.check(t, 200, nil, nil)
		claims := claimsOf(t, a.object(t)["access_token"])
		if diff := cmp.Diff([]any{tt.scope, tt.audience}, []any{claims["scope"], claims["aud"]}); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
		raw = a.object(t)["refresh_token"].(string)
	}
}

func TestSessionOfFewerScopesStaysSo(t *testing.T) {
	s := newIssuing(t, issuing{refresh: refreshing(time.Hour, time.Hour, 0)})
	first := s.granted(actsForAll, "grant_type", userGrant, "subject", acmeMember, "scope", "read offline_access", "audience", audience)
	raw := first["refresh_token"].(string)
	s.refreshed(actsForAll, raw, "scope", "write").check(t, 400, []string{"invalid_scope"}, nil)
	s.refreshed(actsForAll, raw, "audience", "https://files.example").check(t, 400, []string{"invalid_target"}, nil)
	claims := claimsOf(t, s.refreshed(actsForAll, raw).object(t)["access_token"])
	if claims["scope"] != "offline_access read" || claims["aud"] != audience {
		t.Errorf("scope %v, aud %v", claims["scope"], claims["aud"])
	}
}

// What a client may do is looked up at each refresh.
func TestSessionFollowsItsClientsConfiguration(t *testing.T) {
	s := newIssuing(t, issuing{refresh: refreshing(time.Hour, time.Hour, 0)})
	change := func(change func(*api.Client)) []api.Client {
		clients := trusted()
		change(&clients[0])
		return clients
	}
	for _, tt := range []struct {
		name    string
		clients []api.Client
		status  int
		want    string // error, or scope and audience
	}{
		{"unchanged", trusted(), 200, "offline_access read write [rowpass https://files.example]"},
		{"with a scope less", change(func(c *api.Client) { c.Scopes = []string{"read", "offline_access"} }), 200, "offline_access read [rowpass https://files.example]"},
		{"with a scope more", change(func(c *api.Client) { c.Scopes = append(c.Scopes, "admin") }), 200, "offline_access read write [rowpass https://files.example]"},
		{"with an audience less", change(func(c *api.Client) { c.Audiences = []string{audience} }), 200, "offline_access read write rowpass"},
		{"with other audiences", change(func(c *api.Client) { c.Audiences = []string{"other"} }), 400, "invalid_target"},
		{"that may not refresh any more", change(func(c *api.Client) { c.Scopes = []string{"read", "write"} }), 400, "unauthorized_client"},
		{"that acts for another tenant now", change(func(c *api.Client) { c.ActFor, c.Tenant = "tenant", globex }), 400, "unauthorized_client"},
		{"that acts for its tenant now", change(func(c *api.Client) { c.ActFor, c.Tenant = "tenant", acme }), 200, "offline_access read write [rowpass https://files.example]"},
		{"that acts for nobody now", change(func(c *api.Client) { c.ActFor = "" }), 400, "unauthorized_client"},
		{"that is gone", trusted()[1:], 401, "invalid_client"},
		{"with another secret", change(func(c *api.Client) { c.SecretSHA256[0]++ }), 401, "invalid_client"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			raw := s.session(actsForAll, acmeMember, acme)
			later := newIssuing(t, issuing{clients: tt.clients, refresh: refreshing(time.Hour, time.Hour, 0), beside: s})
			a := later.refreshed(actsForAll, raw)
			got := a.said(t)
			if a.status == 200 {
				claims := claimsOf(t, a.object(t)["access_token"])
				got = fmt.Sprint(claims["scope"], " ", claims["aud"])
			}
			if a.status != tt.status || got != tt.want {
				t.Errorf("%d %s, want %d %s", a.status, got, tt.status, tt.want)
			}
			if a.status != 200 {
				s.refreshed(actsForAll, raw).check(t, 200, nil, nil) // once it is configured as before
			}
		})
	}
}

func TestSessionEndsWithItsUser(t *testing.T) {
	for _, tt := range []struct{ name, change string }{
		{"a user that is removed", `delete from users where id = '` + acmeMember + `'`},
		{"a user that is moved to another tenant", `update users set tenant_id = '` + globex + `', email = 'moved@globex.example' where id = '` + acmeMember + `'`},
	} {
		for _, as := range []string{token.ClientLogin, actsForAll} {
			t.Run(tt.name+", "+as, func(t *testing.T) {
				s := newIssuing(t, issuing{refresh: refreshing(time.Hour, time.Hour, 0)})
				raw := s.session(as, acmeMember, acme)
				dbtest.Exec(t, s.database.OwnerURL, `alter table users disable trigger user`, tt.change) // no trigger ends it
				s.refreshed(as, raw).check(t, 400, []string{"invalid_grant"}, nil)
				if n := s.count(`select count(*) from rowpass.refresh_families f where not rowpass.is_over(f)`); n != 0 {
					t.Errorf("%d sessions go on", n)
				}
			})
		}
	}
}

// TestDatabasesTroubleIsNoFaultOfTheToken: the session of a user who is gone could not be ended, so the client is to come again.
func TestDatabasesTroubleIsNoFaultOfTheToken(t *testing.T) {
	s := newIssuing(t, issuing{refresh: refreshing(time.Hour, time.Hour, 0)})
	raw := s.session(token.ClientLogin, acmeMember, acme)
	dbtest.Exec(t, s.database.OwnerURL, `alter table users disable trigger user`, `delete from users where id = '`+acmeMember+`'`,
		`create function rowpass.no_room() returns trigger language plpgsql as $$ begin raise 'no space is left' using errcode = 'disk_full'; end $$`,
		`create trigger no_room before insert on rowpass.denials for each row execute function rowpass.no_room()`)
	a := s.refreshed(token.ClientLogin, raw)
	a.check(t, 503, []string{`"code":"unavailable"`}, []string{"invalid_grant", "space"})
	if a.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
	}
	dbtest.Exec(t, s.database.OwnerURL, `drop trigger no_room on rowpass.denials`)
	again := s.refreshed(token.ClientLogin, raw)
	if again.check(t, 400, []string{"invalid_grant"}, nil); again.header.Get("Retry-After") != "" {
		t.Error("a token that is not good is to be sent again")
	}
}

// A hook that fails is the owner's fault: the session outlives it.
func TestFailingHookSpendsNoRefreshToken(t *testing.T) {
	s := newIssuing(t, issuing{refresh: refreshing(time.Hour, time.Hour, 0)})
	for _, as := range []string{token.ClientLogin, actsForAll} {
		raw := s.session(as, acmeMember, acme)
		for _, body := range []string{`(1/0)::text::jsonb`, `'{"sub": "x"}'`, `jsonb_build_object('x', repeat('x', 5000))`} {
			s.hook(body)
			s.refreshed(as, raw).check(t, 500, []string{"claims_hook"}, nil)
		}
		s.hook(`'{"plan": "pro"}'`)
		a := s.refreshed(as, raw)
		a.check(t, 200, nil, nil)
		if claims := claimsOf(t, a.object(t)["access_token"]); claims["plan"] != "pro" {
			t.Errorf("claims %v", claims)
		}
		s.hook(`'{}'`)
	}
}
