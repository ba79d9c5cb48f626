package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"rowpass/api"
	"rowpass/db"
	"rowpass/db/dbtest"
	"rowpass/token"
)

// newAudited is a door with clients that act for users. A used refresh token is a stolen one at once.
func newAudited(t testing.TB, limits api.Limits) *server {
	t.Helper()
	return newDoor(t, func(c *api.Config) {
		c.Clients, c.Limits, c.Refresh.Grace, c.TrustedProxies = append(c.Clients, trusted()...), limits, 0, prefixes("127.0.0.0/8")
	})
}

// TestAuditSaysWhoGotOrLostOrWasRefusedWhat does each thing once and compares what was written of it.
func TestAuditSaysWhoGotOrLostOrWasRefusedWhat(t *testing.T) {
	s := newAudited(t, api.Limits{})
	var sent []string // request IDs, in order
	do := func(r request) answer {
		r.headers = merge(orEmpty(r.headers), "X-Forwarded-For", "192.0.2.7")
		a := s.do(r)
		sent = append(sent, a.header.Get("X-Request-Id"))
		return a
	}
	asLogin := func(body string) request {
		return request{"POST", "/api/token", "", body + "&client_id=client_login", map[string]string{"Content-Type": form}}
	}
	own := do(asClient("/api/token", clientSecret, "grant_type=client_credentials")).object(t)
	do(asClient("/api/token", "wrong-secret", "grant_type=client_credentials")).check(t, 401, nil, nil)
	demo := do(request{path: "/api/token?user=" + acmeAdmin}).object(t)
	first := do(request{method: "POST", path: "/api/login", body: loginBody("member@acme.example", password, "")}).object(t)
	do(request{method: "POST", path: "/api/login", body: loginBody("member@acme.example", "wrong password", "")}).check(t, 401, nil, nil)
	refresh := "grant_type=refresh_token&refresh_token="
	second := do(asLogin(refresh + first["refresh_token"].(string))).object(t)
	do(request{method: "POST", path: "/api/logout", token: second["access_token"].(string)}).check(t, 204, nil, nil)
	do(asLogin(refresh+second["refresh_token"].(string))).check(t, 400, []string{"invalid_grant"}, nil)
	do(asClient("/api/revoke", clientSecret, "token="+own["access_token"].(string))).check(t, 200, nil, nil)
	do(asClient("/api/introspect", "wrong-secret", "token=x")).check(t, 401, nil, nil)

	id := func(answer map[string]any) string {
		return must(newVerifier(t, s.ring).Verify(t.Context(), answer["access_token"].(string)))(t).ID
	}
	kid := s.ring.Keys()[0].ID()
	want := []db.Event{
		{Name: "issue", Outcome: "ok", Subject: client, ClientID: client, Tenant: acme, TokenID: id(own), KeyID: kid, RequestID: sent[0]},
		{Name: "refuse", Outcome: "refused", ClientID: client, RequestID: sent[1], Reason: "invalid_client"},
		{Name: "issue", Outcome: "ok", Subject: acmeAdmin, ClientID: token.ClientDemo, Tenant: acme, TokenID: id(demo), KeyID: kid, RequestID: sent[2]},
		{Name: "issue", Outcome: "ok", Subject: acmeMember, ClientID: token.ClientLogin, Tenant: acme, TokenID: id(first), KeyID: kid, RequestID: sent[3]},
		{Name: "login", Outcome: "ok", Subject: acmeMember, ClientID: token.ClientLogin, Tenant: acme, TokenID: id(first), KeyID: kid, RequestID: sent[3]},
		{Name: "login", Outcome: "refused", Subject: acmeMember, ClientID: token.ClientLogin, Tenant: acme, RequestID: sent[4], Reason: "invalid_login"},
		{Name: "refresh", Outcome: "ok", Subject: acmeMember, ClientID: token.ClientLogin, Tenant: acme, TokenID: id(second), KeyID: kid, RequestID: sent[5]},
		{Name: "logout", Outcome: "ok", Subject: acmeMember, ClientID: token.ClientLogin, Tenant: acme, TokenID: id(second), KeyID: kid, RequestID: sent[6]},
		{Name: "refuse", Outcome: "refused", ClientID: token.ClientLogin, RequestID: sent[7], Reason: "invalid_grant"},
		{Name: "revoke", Outcome: "ok", Subject: client, ClientID: client, Tenant: acme, TokenID: id(own), KeyID: kid, RequestID: sent[8], Reason: "access token"},
		{Name: "refuse", Outcome: "refused", ClientID: client, RequestID: sent[9], Reason: "invalid_client"},
	}
	got := s.events(db.EventFilter{})
	for i := range got {
		if got[i].Address != "192.0.2.7" || got[i].At.IsZero() {
			t.Errorf("event %d is of %s from %q", i, got[i].At, got[i].Address)
		}
		got[i].At, got[i].Address = want[0].At, ""
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func orEmpty(headers map[string]string) map[string]string {
	if headers == nil {
		return map[string]string{}
	}
	return headers
}

// TestAuditHoldsNoSecret looks for whatever was secret in any column of any row, and in the log.
func TestAuditHoldsNoSecret(t *testing.T) {
	s := newAudited(t, api.Limits{})
	secrets := []string{password, clientSecret, "wrong-secret", "typed-into-the-wrong-field"}
	keep := func(answer map[string]any) map[string]any {
		raw := answer["access_token"].(string)
		secrets = append(secrets, raw, raw[strings.LastIndex(raw, ".")+1:])
		if refresh, ok := answer["refresh_token"].(string); ok {
			secrets = append(secrets, strings.TrimPrefix(refresh, "rpr_"))
		}
		return answer
	}
	refresh := func(as string, session map[string]any) answer {
		return s.oauth("/api/token", as, "grant_type", "refresh_token", "refresh_token", session["refresh_token"].(string))
	}
	session := keep(s.loggedIn("member@acme.example", ""))
	next := keep(refresh(token.ClientLogin, session).object(t))
	refresh(token.ClientLogin, session).check(t, 400, []string{"invalid_grant"}, nil)
	refresh(token.ClientLogin, next).check(t, 400, []string{"invalid_grant"}, nil)
	s.login("typed-into-the-wrong-field", password, "").check(t, 401, nil, nil)
	s.login("member@acme.example", "wrong-secret", "").check(t, 401, nil, nil)
	acted := keep(s.granted(actsForAll, "grant_type", userGrant, "subject", acmeMember, "scope", "read offline_access"))
	refresh(actsForAcme, acted).check(t, 400, nil, nil)
	s.do(asClient("/api/token", "wrong-secret", "grant_type=client_credentials")).check(t, 401, nil, nil)
	s.oauth("/api/introspect", actsForAll, "token", acted["access_token"].(string)).check(t, 200, nil, nil)
	s.oauth("/api/revoke", actsForAll, "token", acted["refresh_token"].(string)).check(t, 200, nil, nil)
	s.do(request{path: "/api/users", token: acted["access_token"].(string)}).check(t, 401, nil, nil)
	last := keep(s.loggedIn("member@acme.example", ""))
	s.do(request{"POST", "/api/logout", last["access_token"].(string), `{"everywhere":true}`, nil}).check(t, 204, nil, nil)
	s.endAudit()

	rows := must(dbtest.Connect(t, s.database.OwnerURL).Query(t.Context(), `select audit::text from rowpass.audit`))(t)
	texts := must(pgx.CollectRows(rows, pgx.RowTo[string]))(t)
	if len(texts) < 12 || len(secrets) < 16 {
		t.Fatalf("%d rows and %d secrets", len(texts), len(secrets))
	}
	for _, secret := range secrets {
		if strings.Contains(strings.Join(texts, "\n"), secret) {
			t.Errorf("the audit holds %q", secret)
		}
		if strings.Contains(s.log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

// TestStrangersDoNotFillTheAudit sends what anybody can send, however often.
func TestStrangersDoNotFillTheAudit(t *testing.T) {
	s := newAudited(t, api.Limits{LoginPerAccount: 1, TokenPerAddress: 1})
	s.oauth("/api/token", "", "grant_type", "x").check(t, 400, nil, nil) // the only one of that minute
	for name, r := range map[string]request{
		"a bad token":                        {path: "/api/users", token: "x"},
		"a bad token that wants to log out":  {method: "POST", path: "/api/logout", token: "x"},
		"no token":                           {path: "/api/users"},
		"no credentials":                     {method: "POST", path: "/api/login", body: `{}`},
		"a form of nothing above the limit":  asClient("/api/token", clientSecret, ""),
		"a wrong secret above the limit":     asClient("/api/token", "wrong-secret", "grant_type=client_credentials"),
		"a revocation above the limit":       asClient("/api/revoke", "wrong-secret", "token=x"),
		"an unknown grant above the limit":   asClient("/api/token", clientSecret, "grant_type=password"),
		"an address that there isn't at all": {path: "/api/nowhere"},
	} {
		if a := s.do(r); a.status < 400 {
			t.Errorf("%s: status %d", name, a.status)
		}
	}
	s.login("x@y.example", "wrong password", "").check(t, 401, nil, nil)
	s.login("x@y.example", "wrong password", "").check(t, 429, nil, nil)
	var names []string
	for _, e := range s.events(db.EventFilter{}) {
		names = append(names, e.Name+" "+e.Reason)
	}
	if diff := cmp.Diff([]string{"login invalid_login"}, names); diff != "" {
		t.Error(diff)
	}
}

func TestClientAboveItsLimitIsNotRecorded(t *testing.T) {
	s := newAudited(t, api.Limits{TokenPerClient: 1})
	for _, status := range []int{200, 429, 429} {
		s.oauth("/api/token", client, "grant_type", "client_credentials").check(t, status, nil, nil)
	}
	s.oauth("/api/revoke", client, "token", "x").check(t, 429, nil, nil)
	if events := s.events(db.EventFilter{}); len(events) != 1 {
		t.Errorf("%d events: %v", len(events), events)
	}
}

func TestRefusedLoginNamesAUserAndNothingThatWasTyped(t *testing.T) {
	s := newAudited(t, api.Limits{})
	type who struct{ Subject, Tenant string }
	want := map[string]who{}
	for _, tt := range []struct {
		email, tenant string
		noted         who
	}{
		{"member@acme.example", "", who{acmeMember, acme}},
		{"MEMBER@acme.example", "", who{acmeMember, acme}},
		{twice, globex, who{globexTwice, globex}},
		{"member@acme.example", globex, who{}},
		{"nobody@acme.example", "", who{}},
		{"hunter2", "", who{}},
		{"p@ssw0rd.1", "", who{}},
		{"", "", who{}},
	} {
		a := s.login(tt.email, "wrong password", tt.tenant)
		if tt.email == "" {
			a.check(t, 400, nil, nil)
			continue
		}
		a.check(t, 401, nil, nil)
		want[a.header.Get("X-Request-Id")] = tt.noted
	}
	got := map[string]who{}
	for _, e := range s.events(db.EventFilter{}) {
		got[e.RequestID] = who{e.Subject, e.Tenant}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestWrongSecretsAreLimitedAndThenNotRecorded asks as a client that there is, and as one that there isn't. The allowance is
// two a minute.
func TestWrongSecretsAreLimitedAndThenNotRecorded(t *testing.T) {
	for name, path := range map[string]string{"a token": "/api/token", "a revocation": "/api/revoke", "an introspection": "/api/introspect"} {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			s := newServer(t, options{proxies: prefixes("127.0.0.0/8"), config: limited(api.Limits{LoginPerAddress: 2}, c)})
			ask := func(from, as, secret string) answer {
				headers := merge(basic(as, secret), "Content-Type", form)
				return s.do(request{"POST", path, "", "grant_type=client_credentials&token=x", merge(headers, "X-Forwarded-For", from)})
			}
			for _, status := range []int{401, 401, 429, 429} {
				ask("192.0.2.1", client, "wrong-secret").check(t, status, nil, nil)
				ask("192.0.2.2", "client_unknown", "wrong-secret").check(t, status, nil, nil)
			}
			ask("192.0.2.2", client, "wrong-secret").check(t, 429, []string{`"code":"too_many_requests"`, "wrong secrets"}, []string{client})
			ask("192.0.2.1", client, clientSecret).check(t, 200, nil, nil)
			ask("192.0.2.3", client, "wrong-secret").check(t, 401, nil, nil)
			c.advance(30 * time.Second)
			ask("192.0.2.1", client, "wrong-secret").check(t, 401, nil, nil)
			got := map[string]int{}
			for _, e := range s.events(db.EventFilter{Name: "refuse"}) {
				got[e.Address+" "+e.ClientID]++
			}
			if diff := cmp.Diff(map[string]int{"192.0.2.1 " + client: 3, "192.0.2.3 " + client: 1}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestPublicClientsRefusalsAreNotAllRecorded: anybody can be client_login.
func TestPublicClientsRefusalsAreNotAllRecorded(t *testing.T) {
	s := newAudited(t, api.Limits{LoginPerAddress: 2})
	for range 5 {
		s.oauth("/api/token", token.ClientLogin, "grant_type", "refresh_token", "refresh_token", "x").check(t, 400, []string{"invalid_grant"}, nil)
	}
	if n := len(s.events(db.EventFilter{})); n != 2 {
		t.Errorf("%d events", n)
	}
}
