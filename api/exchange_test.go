package api_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rowpass/api"
	"rowpass/db"
	"rowpass/db/dbtest"
	"rowpass/token"
)

const (
	exchangeGrant = "urn:ietf:params:oauth:grant-type:token-exchange"
	accessType    = "urn:ietf:params:oauth:token-type:access_token"
)

// exchanging is a server that exchanges the tokens of a provider for each way to match its users, and not those of "idp" and of
// visitors.
func exchanging(t *testing.T) (*server, *idp) {
	t.Helper()
	p := newIDP(t, time.Now)
	source := p.remote()
	list := []token.Provider{p.provider("idp", "authenticated", source), p.provider("visitors", "anonymous", source)}
	list[1].Match = token.MatchSubject
	for _, m := range token.Matches() {
		of := p.provider(string(m), "authenticated", source)
		of.Match, of.Email, of.EmailVerified = m, token.Path{"email"}, token.Path{"email_verified"}
		list = append(list, of)
	}
	take := taking(t, time.Now, list...)
	s := newServer(t, options{config: func(c *api.Config) {
		c.Clients = append(c.Clients, trusted()...)
		take(c)
	}})
	for _, l := range [][3]string{{"linked", "u7", acmeMember}, {"email", "u7", acmeMember}, {"linked", "both", acmeMember}, {"linked", "both", globexMember}} {
		if err := s.state.LinkIdentity(t.Context(), db.Identity{Provider: l[0], Subject: l[1]}, l[2]); err != nil {
			t.Fatal(err)
		}
	}
	return s, p
}

// exchange asks for a token of ours as a client, "" being none.
func (s *server) exchange(as, subject string, more ...string) answer {
	s.t.Helper()
	return s.oauth("/api/token", as, append([]string{"grant_type", exchangeGrant, "subject_token", subject, "subject_token_type", accessType}, more...)...)
}

func TestAProvidersTokenIsExchangedForItsUsersOwn(t *testing.T) {
	t.Parallel()
	s, p := exchanging(t)
	const twice, kim = "b0000000-0000-4000-8000-0000000000cc", "a0000000-0000-4000-8000-0000000000cd"
	dbtest.Exec(t, s.database.OwnerURL, `insert into users (id, tenant_id, email) values
		('a0000000-0000-4000-8000-0000000000cc', '`+acme+`', 'twice@example.com'), ('`+twice+`', '`+globex+`', 'twice@example.com'),
		('`+kim+`', '`+acme+`', 'kim@example.com'), ('a0000000-0000-4000-8000-0000000000ce', '`+acme+`', 'other@example.com')`)
	for _, tt := range []struct {
		name, provider string
		claims         map[string]any
		more           []string
		user, tenant   string // "": refused, by
		says           string
	}{
		{name: "one who is linked", provider: "linked", user: acmeMember, tenant: acme},
		{name: "in whatever tenant the provider's token says", provider: "linked", claims: map[string]any{"org": globex}, user: acmeMember, tenant: acme},
		{name: "one who is linked, in the tenant that is asked for", provider: "linked", more: []string{"tenant", acme}, user: acmeMember, tenant: acme},
		{name: "one who is linked, not in another tenant", provider: "linked", more: []string{"tenant", globex}, says: "no user of ours"},
		{name: "a tenant by its name", provider: "linked", more: []string{"tenant", "Acme"}, says: "tenant must be"},
		{name: "one who is linked with two, and says which", provider: "linked", claims: map[string]any{"sub": "both"}, more: []string{"tenant", globex}, user: globexMember, tenant: globex},
		{name: "one who is linked with two, and doesn't", provider: "linked", claims: map[string]any{"sub": "both"}, says: "more than one tenant"},
		{name: "one who is not linked", provider: "linked", claims: map[string]any{"sub": "u8"}, says: "no user of ours"},
		{name: "one who is not linked, whatever its address", provider: "linked", claims: map[string]any{"sub": "u8", "email": "admin@acme.example", "email_verified": true}, says: "no user of ours"},
		{name: "one whose subject is a user's id", provider: "linked", claims: map[string]any{"sub": acmeAdmin}, says: "no user of ours"},
		{name: "one of the same name at another provider", provider: "subject", says: "no user of ours"},
		{name: "a verified address", provider: "email", claims: map[string]any{"sub": "u5", "email": "Admin@Acme.example", "email_verified": true}, more: []string{"tenant", acme}, user: acmeAdmin, tenant: acme},
		{name: "verified in a word, as some write it", provider: "email", claims: map[string]any{"sub": "u6", "email": "kim@example.com", "email_verified": "true"}, more: []string{"tenant", acme}, user: kim, tenant: acme},
		{name: "an address of somebody who is linked with another subject", provider: "email", claims: map[string]any{"sub": "u8", "email": "admin@acme.example", "email_verified": true}, more: []string{"tenant", acme}, says: "no user of ours"},
		{name: "one whom an address has linked, without a tenant", provider: "email", claims: map[string]any{"sub": "u5"}, user: acmeAdmin, tenant: acme},
		{name: "one whom an address has linked, whatever address it has now", provider: "email", claims: map[string]any{"sub": "u5", "email": "kim@example.com", "email_verified": true}, more: []string{"tenant", acme}, user: acmeAdmin, tenant: acme},
		{name: "verified in a list", provider: "email", claims: map[string]any{"sub": "u8", "email": "other@example.com", "email_verified": []any{"true"}}, more: []string{"tenant", acme}, says: "no user of ours"},
		{name: "an address that is not verified", provider: "email", claims: map[string]any{"sub": "u8", "email": "other@example.com", "email_verified": false}, more: []string{"tenant", acme}, says: "no user of ours"},
		{name: "an address of which nobody says so", provider: "email", claims: map[string]any{"sub": "u8", "email": "other@example.com"}, more: []string{"tenant", acme}, says: "no user of ours"},
		{name: "verified as a number", provider: "email", claims: map[string]any{"sub": "u8", "email": "other@example.com", "email_verified": 1}, more: []string{"tenant", acme}, says: "no user of ours"},
		{name: "an address that is no string", provider: "email", claims: map[string]any{"sub": "u8", "email": []string{"other@example.com"}, "email_verified": true}, more: []string{"tenant", acme}, says: "no user of ours"},
		{name: "no address", provider: "email", claims: map[string]any{"sub": "u8", "email": "", "email_verified": true}, more: []string{"tenant", acme}, says: "no user of ours"},
		{name: "an address that becomes another's in lower case", provider: "email", claims: map[string]any{"sub": "u8", "email": "\u212aim@example.com", "email_verified": true}, more: []string{"tenant", acme}, says: "no user of ours"},
		{name: "an address with a pattern", provider: "email", claims: map[string]any{"sub": "u8", "email": "%@acme.example", "email_verified": true}, more: []string{"tenant", acme}, says: "no user of ours"},
		{name: "an address without a tenant", provider: "email", claims: map[string]any{"sub": "u9", "email": "kim@example.com", "email_verified": true}, says: "not linked with one of ours yet: name the tenant"},
		{name: "an address in two tenants", provider: "email", claims: map[string]any{"sub": "u9", "email": "twice@example.com", "email_verified": true}, says: "not linked with one of ours yet: name the tenant"},
		{name: "an address in two tenants, one of them asked for", provider: "email", claims: map[string]any{"sub": "u9", "email": "twice@example.com", "email_verified": true}, more: []string{"tenant", globex}, user: twice, tenant: globex},
		{name: "a link before an address", provider: "email", claims: map[string]any{"email": "admin@globex.example", "email_verified": true}, more: []string{"tenant", acme}, user: acmeMember, tenant: acme},
		{name: "a link in one tenant, and an address in another", provider: "email", claims: map[string]any{"email": "admin@globex.example", "email_verified": true}, more: []string{"tenant", globex}, user: globexAdmin, tenant: globex},
		{name: "a subject that is a user's id", provider: "subject", claims: map[string]any{"sub": globexAdmin}, user: globexAdmin, tenant: globex},
		{name: "a subject in capitals", provider: "subject", claims: map[string]any{"sub": strings.ToUpper(globexAdmin)}, user: globexAdmin, tenant: globex},
		{name: "a subject that is an address", provider: "subject", claims: map[string]any{"sub": "admin@globex.example"}, says: "no user of ours"},
		{name: "a subject that is nobody's id", provider: "subject", claims: map[string]any{"sub": "a0000000-0000-4000-8000-0000000000ff"}, says: "no user of ours"},
		{name: "SQL", provider: "linked", claims: map[string]any{"sub": "' or true --"}, says: "no user of ours"},
		{name: "a provider that isn't for that", provider: "idp", says: "are not exchanged"},
		{name: "a visitor", provider: "visitors", claims: map[string]any{"sub": acmeAdmin}, says: "not authenticated"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			claims := map[string]any{"iss": "https://" + tt.provider + ".example"}
			for name, value := range tt.claims {
				claims[name] = value
			}
			a := s.exchange("", p.token(claims), tt.more...)
			if tt.user == "" {
				a.check(t, 400, []string{`"error":"invalid_request"`, tt.says}, []string{acmeMember, globexMember, "access_token"})
				return
			}
			a.check(t, 200, []string{`"issued_token_type":"` + accessType + `"`}, []string{"refresh_token", `"scope"`})
			raw := a.object(t)["access_token"]
			got := claimsOf(t, raw)
			want := map[string]any{
				"iss": issuer, "sub": tt.user, "tenant_id": tt.tenant, "aud": audience, "client_id": token.ClientExchange, "role": "authenticated",
			}
			if diff := cmp.Diff(want, got, withoutTimes); diff != "" {
				t.Error(diff)
			}
			s.do(request{path: "/api/users/me", token: raw.(string)}).check(t, 200, []string{tt.user}, nil)
		})
	}
}

// withoutTimes leaves out what is another in each token.
var withoutTimes = cmpopts.IgnoreMapEntries(func(name string, _ any) bool {
	return slices.Contains([]string{"exp", "iat", "nbf", "jti", "rowpass_origin"}, name)
})

func TestAnExchangeNeverGivesMore(t *testing.T) {
	t.Parallel()
	s, p := exchanging(t)
	ours := s.grant(token.Grant{Subject: acmeMember, Tenant: acme, ClientID: "client_app", Scope: "read", Audience: []string{audience, "https://files.example"}})
	elsewhere := s.grant(token.Grant{Subject: acmeMember, Tenant: acme, ClientID: "client_app", Audience: []string{"https://other.example"}})
	foreign := p.token(map[string]any{"iss": "https://linked.example", "scope": "write admin openid"})
	for _, tt := range []struct {
		name, as, subject string
		more              []string
		scope             any // of the new token
		aud               any
		refused           string
	}{
		{"all that there is", "", ours, nil, "read", audience, ""},
		{"a scope of it", "", ours, []string{"scope", "read"}, "read", audience, ""},
		{"a scope more", "", ours, []string{"scope", "read write"}, nil, nil, "invalid_scope"},
		{"a refresh token", "", ours, []string{"scope", "offline_access"}, nil, nil, "invalid_scope"},
		{"an audience of it that the client may have", actsForAll, ours, []string{"audience", "https://files.example"}, "read", "https://files.example", ""},
		{"an audience of it that the client may not have", "", ours, []string{"audience", "https://files.example"}, nil, nil, "invalid_target"},
		{"an audience that it lacks", actsForAll, ours, []string{"audience", "https://other.example"}, nil, nil, "invalid_target"},
		{"an audience as an address", actsForAll, ours, []string{"resource", "https://files.example"}, "read", "https://files.example", ""},
		{"of a token for somebody else, what the client may have", actsForAll, elsewhere, nil, nil, nil, "invalid_target"},
		{"a scope of it that the client may not have", client, foreign, []string{"scope", "admin"}, nil, nil, "invalid_scope"},
		{"of a provider's scopes, those that the client may have", client, foreign, nil, "write", audience, ""},
		{"of a provider's scopes, none without a client", "", foreign, nil, nil, audience, ""},
		{"of a provider's scopes, one that is asked for without a client", "", foreign, []string{"scope", "write"}, nil, nil, "invalid_scope"},
		{"of the client's scopes, one that the token lacks", client, foreign, []string{"scope", "read"}, nil, nil, "invalid_scope"},
		{"another tenant", "", ours, []string{"tenant", globex}, nil, nil, "invalid_request"},
		{"a log-in's client", token.ClientLogin, ours, nil, nil, nil, "unauthorized_client"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := s.exchange(tt.as, tt.subject, tt.more...)
			if tt.refused != "" {
				if a.status != 400 || a.said(t) != tt.refused {
					t.Errorf("%d %s, want %s", a.status, a.body, tt.refused)
				}
				return
			}
			got := claimsOf(t, a.object(t)["access_token"])
			if diff := cmp.Diff([]any{tt.scope, tt.aud}, []any{got["scope"], got["aud"]}); diff != "" {
				t.Errorf("%v: %s", got, diff)
			}
		})
	}
}

func TestAnExchangedTokenEndsWithItsOrigin(t *testing.T) {
	t.Parallel()
	s, p := exchanging(t)
	of := func(more map[string]any) string {
		more["iss"] = "https://linked.example"
		return p.token(more)
	}
	got := s.exchange("", of(map[string]any{"sid": "s1"})).object(t)
	if lives := got["expires_in"].(float64); lives > 60 {
		t.Errorf("it lives %v s, the provider's token 60", lives)
	}
	if sid := claimsOf(t, got["access_token"])["sid"]; sid != "linked|s1" {
		t.Errorf("sid %v, want linked|s1", sid)
	}
	if lives := s.exchange("", of(map[string]any{"exp": time.Now().Add(time.Hour).Unix()})).object(t)["expires_in"]; lives != 900.0 {
		t.Errorf("it lives %v s, want issuer.token_ttl, 900", lives)
	}
	s.exchange("", of(map[string]any{"exp": time.Now().Unix()})).check(t, 400, []string{"out of date"}, nil)
	s.do(request{method: "POST", path: "/api/logout", token: got["access_token"].(string)}).check(t, 204, nil, nil)
	s.do(request{path: "/api/users", token: of(map[string]any{"sid": "s1"})}).check(t, 401, []string{"revoked"}, nil)
	s.exchange("", of(map[string]any{"sid": "s1"})).check(t, 400, []string{"invalid_request", "revoked"}, nil)
}

func TestWhoActsStandsInTheToken(t *testing.T) {
	t.Parallel()
	s, p := exchanging(t)
	of := func(more map[string]any) string {
		more["iss"] = "https://linked.example"
		return p.token(more)
	}
	deep := any(map[string]any{"sub": "a"})
	for range token.MaxActors - 1 {
		deep = map[string]any{"sub": "a", "act": deep}
	}
	for _, tt := range []struct {
		name, as, subject string
		act               any    // of the new token
		says              string // of the refusal
	}{
		{"nobody", "", of(map[string]any{}), nil, ""},
		{"the client", client, of(map[string]any{}), map[string]any{"sub": client}, ""},
		{"who acted for the provider's user, in the provider's name space", "", of(map[string]any{"act": map[string]any{"sub": "support"}}), map[string]any{"sub": "linked|support"}, ""},
		{"the client, and before it who acted", client, of(map[string]any{"act": map[string]any{"sub": "support", "act": map[string]any{"sub": "app"}}}),
			map[string]any{"sub": client, "act": map[string]any{"sub": "linked|support", "act": map[string]any{"sub": "linked|app"}}}, ""},
		{"who may, where nobody says who it is", "", of(map[string]any{"may_act": map[string]any{"sub": client, "iss": issuer}}), nil, "may_act"},
		{"who acted in a token of ours", client, s.grant(token.Grant{Subject: acmeMember, Tenant: acme, ClientID: "client_app", Actors: []string{"client_app"}}),
			map[string]any{"sub": client, "act": map[string]any{"sub": "client_app"}}, ""},
		{"whoever may", client, of(map[string]any{"may_act": map[string]any{"sub": client, "iss": issuer}}), map[string]any{"sub": client}, ""},
		{"not who may not", client, of(map[string]any{"may_act": map[string]any{"sub": "client_other", "iss": issuer}}), nil, "may_act"},
		{"not whom the provider calls so", client, of(map[string]any{"may_act": map[string]any{"sub": client}}), nil, "may_act"},
		{"an actor without a name", "", of(map[string]any{"act": map[string]any{"email": "x@example.com"}}), nil, "act has no sub"},
		{"an actor that is no object", "", of(map[string]any{"act": "support"}), nil, "act is not an object"},
		{"a may_act that is no object", "", of(map[string]any{"may_act": true}), nil, "may_act is not an object"},
		{"one actor too many", client, of(map[string]any{"act": deep}), nil, "its act names 8 actors"},
		{"an actor with a long name", "", of(map[string]any{"act": map[string]any{"sub": strings.Repeat("a", 300)}}), nil, "act has no sub"},
		{"too many actors already", "", of(map[string]any{"act": map[string]any{"sub": "a", "act": deep}}), nil, "more than 8 actors"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := s.exchange(tt.as, tt.subject)
			if tt.says != "" {
				a.check(t, 400, []string{`"error":"invalid_request"`, tt.says}, []string{"access_token"})
				return
			}
			got := claimsOf(t, a.object(t)["access_token"])
			if diff := cmp.Diff(tt.act, got["act"]); diff != "" {
				t.Errorf("%v: %s", got, diff)
			}
		})
	}
}

func TestAnExchangeTakesNothingThatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	s, p := exchanging(t)
	good := p.token(map[string]any{"iss": "https://linked.example"})
	forged := p.sign(newIDPKey(t, "k1"), map[string]any{"iss": "https://linked.example"})
	own := s.grant(token.Grant{Subject: client, Tenant: acme, ClientID: client})
	with := func(pairs ...string) url.Values {
		f := url.Values{"grant_type": {exchangeGrant}, "subject_token": {good}, "subject_token_type": {accessType}}
		for i := 0; i < len(pairs); i += 2 {
			f.Set(pairs[i], pairs[i+1])
		}
		return f
	}
	for _, tt := range []struct {
		name   string
		form   url.Values
		header map[string]string
		status int
		code   string
		says   string
	}{
		{"a good one", with(), nil, 200, "", ""},
		{"as what it might be called", with("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"), nil, 200, "", ""},
		{"for a JWT", with("requested_token_type", "urn:ietf:params:oauth:token-type:jwt"), nil, 200, "", ""},
		{"as the client that stands for nobody", with("client_id", token.ClientExchange), nil, 200, "", ""},
		{"without a token", with("subject_token", ""), nil, 400, "invalid_request", "subject_token is missing"},
		{"without a type", with("subject_token_type", ""), nil, 400, "invalid_request", "subject_token_type"},
		{"of another type", with("subject_token_type", "urn:ietf:params:oauth:token-type:saml2"), nil, 400, "invalid_request", "subject_token_type"},
		{"for a refresh token", with("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token"), nil, 400, "invalid_request", "requested_token_type"},
		{"with an actor's token", with("actor_token", good, "actor_token_type", accessType), nil, 400, "invalid_request", "actor_token"},
		{"with an actor's type alone", with("actor_token_type", accessType), nil, 400, "invalid_request", "actor_token"},
		{"a forged token", with("subject_token", forged), nil, 400, "invalid_request", "signature"},
		{"no token", with("subject_token", "x"), nil, 400, "invalid_request", "three parts"},
		{"a client's own token", with("subject_token", own), nil, 400, "invalid_request", "no user of ours"},
		{"with a wrong secret", with(), basic(client, "wrong"), 401, "invalid_client", "unknown or its secret is wrong"},
		{"with a client's name and no secret", with("client_id", client), nil, 401, "invalid_client", ""},
		{"with a bearer token in the header", with(), map[string]string{"Authorization": "Bearer " + good}, 401, "invalid_client", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := s.do(request{"POST", "/api/token", "", tt.form.Encode(), merge(tt.header, "Content-Type", form)})
			if a.status != tt.status || a.said(t) != tt.code || !strings.Contains(a.body, tt.says) {
				t.Errorf("%d %s, want %d %s that says %q", a.status, a.body, tt.status, tt.code, tt.says)
			}
		})
	}
}

func TestALinkThatIsTakenBackEndsWhatCameOfIt(t *testing.T) {
	t.Parallel()
	s, p := exchanging(t)
	foreign := func() string { return p.token(map[string]any{"iss": "https://linked.example"}) }
	raw := s.exchange("", foreign()).object(t)["access_token"]
	if err := s.state.UnlinkIdentity(t.Context(), db.Identity{Provider: "linked", Subject: "u7"}, acmeMember); err != nil {
		t.Fatal(err)
	}
	s.exchange("", foreign()).check(t, 400, []string{"no user of ours"}, nil)
	if n := s.count("select count(*) from rowpass.denials where kind = 'sub' and value = '" + acmeMember + "' and begun_by >= now() - interval '1 minute'"); n != 1 {
		t.Errorf("%d denials end %v", n, raw)
	}
}

func TestAnExchangeIsInTheAudit(t *testing.T) {
	t.Parallel()
	s, p := exchanging(t)
	a := s.exchange(client, p.token(map[string]any{"iss": "https://linked.example"})).object(t)
	s.exchange(client, "x")
	var got []string
	for _, e := range s.events(db.EventFilter{}) {
		got = append(got, fmt.Sprint(e.Name, " ", e.Outcome, " ", e.Subject, " ", e.ClientID, " ", e.Reason, " ", e.TokenID == claimsOf(t, a["access_token"])["jti"]))
	}
	want := []string{
		"exchange ok " + acmeMember + " " + client + " a token of linked|u7 true",
		"refuse refused  " + client + " invalid_request false",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
