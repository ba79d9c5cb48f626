package api_test

import (
	"context"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rowpass/db/dbtest"
	"rowpass/token"
)

func TestIntrospectionTellsWhatATokenSays(t *testing.T) {
	s := newIssuing(t, issuing{})
	answer := s.granted(actsForAcme, "grant_type", userGrant, "subject", acmeMember, "scope", "read offline_access")
	want := claimsOf(t, answer["access_token"])
	want["active"], want["token_type"] = true, "Bearer"
	for _, by := range []string{actsForAcme, actsForAll, actsForNobody} {
		a := s.oauth("/api/introspect", by, "token", answer["access_token"].(string))
		if diff := cmp.Diff(want, a.object(t)); diff != "" {
			t.Errorf("to %s: %s", by, diff)
		}
	}
	for _, name := range []string{"iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "token_type", "tenant_id", "act", "sid"} {
		if want[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
	refresh := s.oauth("/api/introspect", actsForAcme, "token", answer["refresh_token"].(string)).object(t)
	wantRefresh := map[string]any{
		"active": true, "iss": issuer, "sub": acmeMember, "client_id": actsForAcme, "aud": []any{audience}, "scope": "offline_access read",
		"tenant_id": acme, "sid": want["sid"], "token_type": "refresh_token",
	}
	if diff := cmp.Diff(wantRefresh, refresh, cmpopts.IgnoreMapEntries(func(name string, _ any) bool { return name == "iat" || name == "exp" })); diff != "" {
		t.Errorf("the refresh token: %s", diff)
	}
	if iat, exp := refresh["iat"].(float64), refresh["exp"].(float64); iat < 1e9 || exp <= iat {
		t.Errorf("iat %v, exp %v", iat, exp)
	}
}

func TestWhatIsNotGoodIsInactiveAndNothingElse(t *testing.T) {
	s := newIssuing(t, issuing{})
	elsewhere := newServer(t, options{})
	user := func() map[string]any {
		return s.granted(actsForAll, "grant_type", userGrant, "subject", acmeMember, "scope", "offline_access")
	}
	good, revoked, ended, used := user(), user(), user(), user()
	s.oauth("/api/revoke", actsForAll, "token", revoked["access_token"].(string))
	s.oauth("/api/revoke", actsForAll, "token", ended["refresh_token"].(string))
	next := s.granted(actsForAll, "grant_type", "refresh_token", "refresh_token", used["refresh_token"].(string))
	access := good["access_token"].(string)
	for _, tt := range []struct {
		name, by, raw string
		active        bool
	}{
		{"an access token", actsForAll, access, true},
		{"a refresh token of its own", actsForAll, good["refresh_token"].(string), true},
		{"the successor of a refresh token", actsForAll, next["refresh_token"].(string), true},
		{"a refresh token of another client", actsForAcme, good["refresh_token"].(string), false},
		{"a refresh token that was used", actsForAll, used["refresh_token"].(string), false},
		{"a revoked access token", actsForAll, revoked["access_token"].(string), false},
		{"a revoked refresh token", actsForAll, ended["refresh_token"].(string), false},
		{"an access token whose session was ended", actsForAll, ended["access_token"].(string), false},
		{"a refresh token that never was", actsForAll, "rpr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", false},
		{"a refresh token with something behind it", actsForAll, good["refresh_token"].(string) + "A", false},
		{"another issuer's token", actsForAll, elsewhere.token(acmeMember, acme), false},
		{"a token with another signature", actsForAll, access[:len(access)-8] + "AAAAAAAA", false},
		{"a token with white space behind it", actsForAll, access + "\n", false},
		{"a token that has expired", actsForAll, s.expired(token.Grant{Subject: acmeMember, ClientID: actsForAll}), false},
		{"a token without a signature", actsForAll, access[:strings.LastIndex(access, ".")+1], false},
		{"no token", actsForAll, "x", false},
		{"NUL", actsForAll, "\x00", false},
	} {
		a := s.oauth("/api/introspect", tt.by, "token", tt.raw)
		if tt.active && (a.status != 200 || a.object(t)["active"] != true) || !tt.active && (a.status != 200 || a.body != "{\"active\":false}\n") {
			t.Errorf("%s: %d %s", tt.name, a.status, a.body)
		}
	}
}

// A service that takes our tokens for an audience of its own asks about those.
func TestIntrospectionAnswersForOtherAudiences(t *testing.T) {
	s := newIssuing(t, issuing{})
	raw := s.granted(actsForAll, "grant_type", "client_credentials", "audience", "https://files.example")["access_token"].(string)
	if got := s.works(raw); got != 401 {
		t.Errorf("we take a token for others: %d", got)
	}
	s.oauth("/api/introspect", actsForAcme, "token", raw).check(t, 200, []string{`"active":true`, `"aud":"https://files.example"`}, nil)
	s.oauth("/api/revoke", actsForAll, "token", raw).check(t, 200, nil, nil)
	s.oauth("/api/introspect", actsForAcme, "token", raw).check(t, 200, []string{`{"active":false}`}, nil)
}

func TestTokenOfARemovedUserIsInactive(t *testing.T) {
	s := newIssuing(t, issuing{})
	answer := s.granted(actsForAll, "grant_type", userGrant, "subject", acmeMember, "scope", "offline_access")
	dbtest.Exec(t, s.database.OwnerURL, `delete from users where id = '`+acmeMember+`'`)
	s.follow()
	for _, name := range []string{"access_token", "refresh_token"} {
		s.oauth("/api/introspect", actsForAll, "token", answer[name].(string)).check(t, 200, []string{`{"active":false}`}, nil)
	}
	if got := s.works(answer["access_token"]); got != 401 {
		t.Errorf("it works: %d", got)
	}
}

// follow takes over what the database denies, as serve does when it is notified.
func (s *server) follow() {
	s.t.Helper()
	denials, _, err := s.state.Denials(context.Background(), 0)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, d := range denials {
		s.denied.Add(token.Denial{Kind: string(d.Kind), Value: d.Value, IssuedBefore: d.IssuedBefore, Until: d.Until})
	}
}

func TestHooksClaimsDoNotChangeTheAnswer(t *testing.T) {
	s := newIssuing(t, issuing{})
	s.hook(`'{"active": false, "token_type": "N_A", "plan": "pro"}'`)
	answer := s.granted(actsForAll, "grant_type", userGrant, "subject", acmeMember)
	want := claimsOf(t, answer["access_token"])
	maps.Copy(want, map[string]any{"active": true, "token_type": "Bearer", "plan": "pro"})
	got := s.oauth("/api/introspect", actsForAll, "token", answer["access_token"].(string))
	if diff := cmp.Diff(want, got.object(t)); diff != "" || strings.Count(got.body, `"active"`) != 1 {
		t.Error(diff, got.body)
	}
}
