package api_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rowpass/db"
	"rowpass/db/dbtest"
	"rowpass/token"
)

// hook makes an expression over "user" and client the owner's claims.
func (s *server) hook(expression string) {
	s.t.Helper()
	dbtest.Exec(s.t, s.database.OwnerURL, `create or replace function auth.token_claims("user" text, client text) returns jsonb language plpgsql stable as
		$$ begin return `+expression+`; end $$`)
}

// issues are the ways to a token, each for a user or a client of its own.
func issues() map[string]func(s *server) answer {
	return map[string]func(s *server) answer{
		"a client's own": func(s *server) answer { return s.oauth("/api/token", actsForAll, "grant_type", "client_credentials") },
		"a user's for a client": func(s *server) answer {
			return s.oauth("/api/token", actsForAll, "grant_type", userGrant, "subject", acmeMember)
		},
		"a user's for a client, to refresh": func(s *server) answer {
			return s.oauth("/api/token", actsForAll, "grant_type", userGrant, "subject", acmeMember, "scope", "offline_access")
		},
		"a refreshed one": func(s *server) answer {
			return s.refreshed(token.ClientLogin, s.session(token.ClientLogin, acmeMember, acme))
		},
		"the demo's for a named user": func(s *server) answer { return s.do(request{path: "/api/token?user=" + acmeMember}) },
		"the demo's":                  func(s *server) answer { return s.do(request{path: "/api/token"}) },
	}
}

func TestOwnersClaimsAreInEveryToken(t *testing.T) {
	s := newIssuing(t, issuing{})
	s.hook(`jsonb_build_object('for', coalesce("user", 'nobody') || ' ' || client, 'deep', '{"a": [1, null, "\u00e9"]}'::jsonb)`)
	want := map[string]string{
		"a client's own": "nobody " + actsForAll, "a user's for a client": acmeMember + " " + actsForAll,
		"a user's for a client, to refresh": acmeMember + " " + actsForAll, "a refreshed one": acmeMember + " client_login",
		"the demo's for a named user": acmeMember + " client_demo", "the demo's": acmeAdmin + " client_demo",
	}
	for name, issue := range issues() {
		raw := issue(s).object(t)["access_token"]
		claims := claimsOf(t, raw)
		if claims["for"] != want[name] {
			t.Errorf("%s: for %v, want %s", name, claims["for"], want[name])
		}
		if deep, _ := claims["deep"].(map[string]any); deep == nil || deep["a"].([]any)[2] != "é" {
			t.Errorf("%s: deep %v", name, claims["deep"])
		}
		if got := s.works(raw); got != 200 {
			t.Errorf("%s gives %d", name, got)
		}
	}
}

func TestFailingHookGivesNoToken(t *testing.T) {
	s := newIssuing(t, issuing{})
	for _, tt := range []struct{ name, body, log string }{
		{"that raises", `jsonb_build_object('a', 1 / (length(client) - length(client)))`, "division by zero"},
		{"that gives no object", `'["a"]'`, "object"},
		{"that gives a string", `'"a"'`, "object"},
		{"that asks for what is not there", `(select to_jsonb(x) from nowhere x)`, "nowhere"},
		{"that says who the user is", `'{"sub": "` + acmeAdmin + `"}'`, "sub"},
		{"that says what role it takes", `'{"role": "postgres"}'`, "role"},
		{"that says whose tenant it is", `'{"tenant_id": "` + globex + `"}'`, "tenant_id"},
		{"that says which session it is", `'{"sid": "x"}'`, "sid"},
		{"that says who acts", `'{"act": {"sub": "x"}}'`, "act"},
		{"that writes a reserved name in capitals", `'{"Sub": "x"}'`, "Sub"},
		{"that writes for providers", `'{"rowpass_user": "x"}'`, "rowpass_user"},
		{"that writes too much", `jsonb_build_object('x', repeat('x', 4000))`, "more than 4096"},
		{"that writes more than any token may have", `jsonb_build_object('x', repeat('x', 9000))`, "at most 8192"},
		{"that nests too deep", `(repeat('{"a":', 20) || '1' || repeat('}', 20))::jsonb`, "deeper than 16"},
		{"that counts too far", `'{"n": 1e400}'`, "out of range"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.hook(tt.body)
			for name, issue := range issues() {
				before := len(s.log.String())
				a := issue(s)
				a.check(t, 500, []string{`"code":"claims_hook"`}, []string{"access_token", "detail", "division", "nowhere", "SQLSTATE", "9000"})
				if log := s.log.String()[before:]; !strings.Contains(log, tt.log) || !strings.Contains(log, `"level":"ERROR"`) {
					t.Errorf("%s: the log says %s", name, log)
				}
			}
		})
	}
}

func TestLargeTokenIsIssuedWithAWarning(t *testing.T) {
	s := newIssuing(t, issuing{})
	for _, tt := range []struct {
		size   string
		warned bool
	}{{"400", false}, {"1200", true}} {
		s.hook(`jsonb_build_object('x', repeat('x', ` + tt.size + `))`)
		before := len(s.log.String())
		raw := s.granted(actsForAll, "grant_type", userGrant, "subject", acmeMember)["access_token"].(string)
		log := s.log.String()[before:]
		if said := strings.Contains(log, `"level":"WARN"`); said != tt.warned || said != (len(raw) > token.WarnSize) {
			t.Errorf("%d bytes: the log says %s", len(raw), log)
		}
		if tt.warned && (!strings.Contains(log, `"sub":"`+acmeMember+`"`) || !strings.Contains(log, `"client_id":"`+actsForAll+`"`) || !strings.Contains(log, `"bytes":`)) {
			t.Errorf("the warning lacks facts: %s", log)
		}
	}
}

// Whoever logs in right after a log-out everywhere, in the same second, gets a token that works.
func TestTokenWaitsForADenialOfItsSecond(t *testing.T) {
	s := newIssuing(t, issuing{})
	for kind, value := range map[string]string{"sub": acmeMember, "all": ""} {
		old := s.granted(actsForAcme, "grant_type", userGrant, "subject", acmeMember)["access_token"]
		s.denied.Add(token.Denial{Kind: kind, Value: value, IssuedBefore: time.Now()})
		fresh := s.granted(actsForAcme, "grant_type", userGrant, "subject", acmeMember)["access_token"]
		if before, after := s.works(old), s.works(fresh); before != 401 || after != 200 {
			t.Errorf("%s: before %d, after %d", kind, before, after)
		}
	}
}

func TestNoTokenThatIsVoidFromTheStart(t *testing.T) {
	s := newIssuing(t, issuing{now: func() time.Time { return time.Now().Add(time.Minute) }}) // so that no second is waited for
	s.denied.Add(token.Denial{Kind: "sub", Value: acmeMember})
	a := s.oauth("/api/token", actsForAcme, "grant_type", userGrant, "subject", acmeMember)
	a.check(t, 400, []string{"invalid_grant"}, []string{"access_token"})
	s.oauth("/api/token", actsForAcme, "grant_type", userGrant, "subject", acmeAdmin).check(t, 200, nil, nil)
}

func TestAuditSaysWhoGotWhichToken(t *testing.T) {
	s := newIssuing(t, issuing{refresh: refreshing(time.Hour, time.Hour, 0)})
	user := s.granted(actsForAcme, "grant_type", userGrant, "subject", acmeMember, "scope", "offline_access")
	next := s.refreshed(actsForAcme, user["refresh_token"].(string)).object(t)
	s.oauth("/api/revoke", actsForAcme, "token", next["access_token"].(string))
	s.oauth("/api/revoke", actsForAcme, "token", next["refresh_token"].(string))
	s.oauth("/api/revoke", actsForAcme, "token", "x") // was no token
	stolen := s.session(token.ClientLogin, acmeAdmin, acme)
	taken := s.refreshed(token.ClientLogin, stolen).object(t)
	s.refreshed(token.ClientLogin, stolen)
	s.oauth("/api/token", actsForAcme, "grant_type", userGrant, "subject", globexMember)
	s.do(request{"POST", "/api/token", "", "grant_type=client_credentials&client_id=" + actsForAll + "&client_secret=x", map[string]string{"Content-Type": form}})
	s.do(request{"POST", "/api/token", "", "grant_type=client_credentials&client_id=client_x&client_secret=x", map[string]string{"Content-Type": form}})
	s.do(request{path: "/api/token?user=" + acmeAdmin})
	jti := func(o map[string]any) string { return claimsOf(t, o["access_token"])["jti"].(string) }
	want := []db.Event{
		{Name: "issue", Outcome: "ok", Subject: acmeMember, ClientID: actsForAcme, Tenant: acme, TokenID: jti(user)},
		{Name: "refresh", Outcome: "ok", Subject: acmeMember, ClientID: actsForAcme, Tenant: acme, TokenID: jti(next)},
		{Name: "revoke", Outcome: "ok", Subject: acmeMember, ClientID: actsForAcme, Tenant: acme, TokenID: jti(next), Reason: "access token"},
		{Name: "revoke", Outcome: "ok", Subject: acmeMember, ClientID: actsForAcme, Tenant: acme, Reason: "refresh token"},
		{Name: "refresh", Outcome: "ok", Subject: acmeAdmin, ClientID: token.ClientLogin, Tenant: acme, TokenID: jti(taken)},
		{Name: "revoke", Outcome: "ok", Subject: acmeAdmin, ClientID: token.ClientLogin, Tenant: acme, Reason: "a refresh token was used twice"},
		{Name: "refuse", Outcome: "refused", ClientID: token.ClientLogin, Reason: "invalid_grant"},
		{Name: "refuse", Outcome: "refused", ClientID: actsForAcme, Tenant: acme, Reason: "invalid_grant"},
		{Name: "refuse", Outcome: "refused", ClientID: actsForAll, Reason: "invalid_client"},
		{Name: "issue", Outcome: "ok", Subject: acmeAdmin, ClientID: token.ClientDemo, Tenant: acme},
	}
	got := s.events(db.EventFilter{})
	for i := range got {
		if e := got[i]; e.At.IsZero() || e.Address != "127.0.0.1" || e.RequestID == "" || (e.TokenID != "") != (e.KeyID != "") {
			t.Errorf("%+v lacks when, where or by which key", e)
		}
	}
	ignored := cmp.FilterPath(func(p cmp.Path) bool {
		return slices.Contains([]string{"At", "Address", "RequestID", "KeyID"}, p.Last().String()[1:])
	}, cmp.Ignore())
	want[len(want)-1].TokenID = got[len(got)-1].TokenID
	if diff := cmp.Diff(want, got, ignored); diff != "" {
		t.Error(diff)
	}
}
