package api_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rowpass/api"
	"rowpass/db"
	"rowpass/db/dbtest"
	"rowpass/keys"
	"rowpass/token"
)

// given is the token that an exchange has given; "" where it was refused.
func given(t *testing.T, a answer) string {
	t.Helper()
	raw, _ := a.object(t)["access_token"].(string)
	return raw
}

func (s *server) patch(user, token, body string) {
	s.t.Helper()
	if a := s.do(request{method: "PATCH", path: "/api/users/" + user, token: token, body: body}); a.status != 200 {
		s.t.Fatalf("%d %s", a.status, a.body)
	}
}

// TestAnAdminBecomesNobodyByAnAddress tries what an admin of a tenant can do with addresses, which it may change.
func TestAnAdminBecomesNobodyByAnAddress(t *testing.T) {
	t.Parallel()
	s, p := exchanging(t)
	of := func(subject, email string) string {
		return p.token(map[string]any{"iss": "https://email.example", "sub": subject, "email": email, "email_verified": true})
	}
	t.Run("not one of its own users, by giving it the admin's other address", func(t *testing.T) {
		s.patch(globexMember, s.token(globexAdmin, globex), `{"email":"evil@example.com"}`)
		s.exchange("", of("evil", "evil@example.com"), "tenant", globex).check(t, 400, []string{"no user of ours"}, nil)
	})
	t.Run("and not by giving it the old one again", func(t *testing.T) {
		s.patch(globexMember, s.token(globexAdmin, globex), `{"email":"member@globex.example"}`)
		s.exchange("", of("evil", "member@globex.example"), "tenant", globex).check(t, 400, []string{"no user of ours"}, nil)
	})
	t.Run("nor does it lock another tenant's user out, or get it into its own", func(t *testing.T) {
		s.do(request{method: "POST", path: "/api/users", token: s.token(globexAdmin, globex), body: `{"email":"admin@acme.example"}`}).check(t, 201, nil, nil)
		a := s.exchange("", of("ada", "admin@acme.example"), "tenant", acme)
		if claims := claimsOf(t, given(t, a)); claims["sub"] != acmeAdmin {
			t.Errorf("the user of acme is %v", claims)
		}
		a = s.exchange("", of("ada", "admin@acme.example"))
		if claims := claimsOf(t, given(t, a)); claims["tenant_id"] != acme {
			t.Errorf("without a tenant the user of acme is %v", claims)
		}
	})
	t.Run("and a link that was taken back does not come again by the address", func(t *testing.T) {
		if err := s.state.UnlinkIdentity(t.Context(), db.Identity{Provider: "email", Subject: "u7"}, acmeMember); err != nil {
			t.Fatal(err)
		}
		for _, subject := range []string{"u7", "u-other"} {
			s.exchange("", of(subject, "member@acme.example"), "tenant", acme).check(t, 400, []string{"no user of ours"}, nil)
		}
	})
}

// TestWhatWasRevokedIsNotExchanged has somebody keep a token that was revoked, in each way, before or after it was
// exchanged.
func TestWhatWasRevokedIsNotExchanged(t *testing.T) {
	t.Parallel()
	everywhere := func(s *server, token string) {
		s.do(request{method: "POST", path: "/api/logout", token: token, body: `{"everywhere":true}`}).check(t, 204, nil, nil)
	}
	logout := func(s *server, token string) {
		s.do(request{method: "POST", path: "/api/logout", token: token}).check(t, 204, nil, nil)
	}
	deny := func(kind db.DenialKind, value string) func(*server, string) {
		return func(s *server, _ string) {
			if err := s.state.Deny(t.Context(), db.Denial{Kind: kind, Value: value, IssuedBefore: time.Now()}); err != nil {
				t.Fatal(err)
			}
			s.follow()
		}
	}
	for name, tt := range map[string]struct {
		claims map[string]any // of the provider's token; nil: one of ours is exchanged
		with   string         // what is revoked with: the old token, or the new
		revoke func(*server, string)
	}{
		"logged out everywhere by what came of it":        {map[string]any{"sid": "s1"}, "new", everywhere},
		"logged out everywhere by itself":                 {map[string]any{"sid": "s1"}, "old", everywhere},
		"logged out everywhere, without a session":        {map[string]any{}, "new", everywhere},
		"logged out, with its session":                    {map[string]any{"sid": "s1"}, "new", logout},
		"logged out by itself, without a session":         {map[string]any{"jti": "j1"}, "old", logout},
		"logged out by what came of it, without a jti":    {map[string]any{}, "new", logout},
		"one of ours, logged out":                         {nil, "old", logout},
		"one of ours, logged out by what came of it":      {nil, "new", logout},
		"the user denied":                                 {map[string]any{}, "", deny(db.DenySubject, acmeMember)},
		"the provider's user denied":                      {map[string]any{}, "", deny(db.DenySubject, "linked|u7")},
		"the client denied that one of ours was made for": {nil, "", deny(db.DenyClient, token.ClientDemo)},
	} {
		t.Run(name, func(t *testing.T) {
			s, p := exchanging(t)
			old := s.token(acmeMember, acme)
			if tt.claims != nil {
				tt.claims["iss"], tt.claims["iat"] = "https://linked.example", time.Now().Unix()
				old = p.token(tt.claims)
			}
			exchanged := given(t, s.exchange("", old))
			twice := given(t, s.exchange(client, exchanged))
			if s.works(exchanged) != 200 || s.works(twice) != 200 {
				t.Fatal("what came of it doesn't work")
			}
			tt.revoke(s, map[string]string{"old": old, "new": exchanged}[tt.with])
			if a, b := s.works(exchanged), s.works(twice); a != 401 || b != 401 {
				t.Errorf("what came of it is answered %d, and what came of that %d", a, b)
			}
			if again := given(t, s.exchange("", old)); again != "" && s.works(again) == 200 {
				t.Error("it is exchanged again, for a good one")
			}
		})
	}
}

// TestAnExchangeOnItsWayDoesNotOutliveWhatEndsIt revokes while the user is looked up, which the owner's function makes last.
func TestAnExchangeOnItsWayDoesNotOutliveWhatEndsIt(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*server, string){
		"a log-out everywhere": func(s *server, own string) {
			s.do(request{method: "POST", path: "/api/logout", token: own, body: `{"everywhere":true}`}).check(t, 204, nil, nil)
		},
		"a link that is taken back": func(s *server, _ string) {
			if err := s.state.UnlinkIdentity(t.Context(), db.Identity{Provider: "linked", Subject: "u7"}, acmeMember); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, p := exchanging(t)
			dbtest.Exec(t, s.database.OwnerURL, `create or replace function auth.token_claims("user" text, client text) returns jsonb language plpgsql as
				$$ begin perform pg_advisory_xact_lock_shared(7); return '{}'; end $$`)
			hold := must(dbtest.Connect(t, s.database.OwnerURL).Begin(t.Context()))(t)
			if _, err := hold.Exec(t.Context(), "select pg_advisory_xact_lock(7)"); err != nil {
				t.Fatal(err)
			}
			own := s.token(acmeMember, acme)
			got := make(chan answer)
			go func() {
				got <- s.exchange("", p.token(map[string]any{"iss": "https://linked.example", "iat": time.Now().Unix()}))
			}()
			waiting(t, dbtest.Connect(t, s.database.SuperuserURL), 1)
			end(s, own)
			if err := hold.Rollback(t.Context()); err != nil {
				t.Fatal(err)
			}
			a := <-got
			s.follow()
			if raw := given(t, a); raw != "" && s.works(raw) == 200 {
				t.Error("what came of it outlives that")
			}
		})
	}
}

// TestAProvidersClockGivesNothingToAThief has tokens of a provider whose clock is ahead, or whose tokens are good for long after they
// expire, as its leeway allows.
func TestAProvidersClockGivesNothingToAThief(t *testing.T) {
	t.Parallel()
	p := newIDP(t, time.Now)
	of := p.provider("linked", "authenticated", p.remote())
	of.Match, of.Leeway = token.MatchLinked, 5*time.Minute
	s := newServer(t, options{config: taking(t, time.Now, of)})
	if err := s.state.LinkIdentity(t.Context(), db.Identity{Provider: "linked", Subject: "u7"}, acmeMember); err != nil {
		t.Fatal(err)
	}
	at := func(jti string, issued, expires time.Duration) string {
		now := time.Now()
		return p.token(map[string]any{"iss": "https://linked.example", "jti": jti, "iat": now.Add(issued).Unix(), "exp": now.Add(expires).Unix()})
	}
	late := at("late", -time.Hour, -2*time.Minute)
	s.do(request{method: "POST", path: "/api/logout", token: late}).check(t, 204, nil, nil)
	s.follow()
	s.denied.Prune(time.Now().Add(2 * time.Minute))
	if got := s.works(late); got != 401 {
		t.Errorf("a token that was logged out after its exp is answered %d", got)
	}
	stolen := at("stolen", time.Minute, time.Hour)
	came := given(t, s.exchange("", stolen))
	s.do(request{method: "POST", path: "/api/logout", token: at("mine", 0, time.Hour), body: `{"everywhere":true}`}).check(t, 204, nil, nil)
	s.follow()
	for name, raw := range map[string]string{"a token from the future": stolen, "what came of it": came} {
		if got := s.works(raw); got != 401 {
			t.Errorf("%s is answered %d after a log-out everywhere", name, got)
		}
	}
	s.exchange("", stolen).check(t, 400, []string{"revoked"}, nil)
}

// TestALinkThatWasTakenBackStaysSo whatever is linked afterwards, and whoever is removed and added again.
func TestALinkThatWasTakenBackStaysSo(t *testing.T) {
	t.Parallel()
	s, p := exchanging(t)
	of := func(subject string) string {
		return p.token(map[string]any{"iss": "https://email.example", "sub": subject, "email": "admin@globex.example", "email_verified": true, "iat": time.Now().Unix()})
	}
	mallory := db.Identity{Provider: "email", Subject: "mallory"}
	s.exchange("", of("mallory"), "tenant", globex).check(t, 200, nil, nil)
	if err := s.state.UnlinkIdentity(t.Context(), mallory, globexAdmin); err != nil {
		t.Fatal(err)
	}
	if err := s.state.LinkIdentity(t.Context(), mallory, globexMember); err != nil {
		t.Fatal(err)
	}
	s.exchange("", of("other"), "tenant", globex).check(t, 400, []string{"no user of ours"}, nil)
	if err := s.state.UnlinkIdentity(t.Context(), mallory, globexMember); err != nil {
		t.Fatal(err)
	}
	dbtest.Exec(t, s.database.OwnerURL, "delete from users where id = '"+globexAdmin+"'",
		"insert into users (tenant_id, email, role) values ('"+globex+"', 'admin@globex.example', 'admin')")
	s.exchange("", of("mallory"), "tenant", globex).check(t, 400, []string{"no user of ours"}, nil)
}

// TestADenialLastsAsLongAsAProvidersTokens looks at what is kept of one that ends with the token's life.
func TestADenialLastsAsLongAsAProvidersTokens(t *testing.T) {
	t.Parallel()
	s, p := exchanging(t)
	of := func(jti string) string {
		return p.token(map[string]any{"iss": "https://linked.example", "exp": time.Now().Add(24 * time.Hour).Unix(), "iat": time.Now().Unix(), "sid": "s1", "jti": jti})
	}
	s.do(request{method: "POST", path: "/api/logout", token: of("a"), body: `{"everywhere":true}`}).check(t, 204, nil, nil)
	s.follow()
	s.denied.Prune(time.Now().Add(23 * time.Hour))
	s.do(request{path: "/api/users", token: of("b")}).check(t, 401, []string{"revoked"}, nil)
	s.exchange("", of("b")).check(t, 400, []string{"revoked"}, nil)
}

// TestAnExchangeKeepsWhatRestrictsAToken does so without a client, whose token it was, and with one.
func TestAnExchangeKeepsWhatRestrictsAToken(t *testing.T) {
	t.Parallel()
	s, p := exchanging(t)
	dbtest.Exec(t, s.database.OwnerURL, `create or replace function auth.token_claims("user" text, client text) returns jsonb language sql stable
		return case when client = 'client_all' then '{"readonly":true}'::jsonb else '{}'::jsonb end`)
	t.Run("the client that it was made for", func(t *testing.T) {
		theirs := s.granted(actsForAll, "grant_type", userGrant, "subject", acmeMember)["access_token"].(string)
		claims := claimsOf(t, given(t, s.exchange("", theirs)))
		if claims["client_id"] != actsForAll || claims["readonly"] != true {
			t.Errorf("%v", claims)
		}
	})
	t.Run("claims of the command line's", func(t *testing.T) {
		theirs := s.grant(token.Grant{Subject: acmeMember, Tenant: acme, ClientID: token.ClientCLI, Extra: map[string]any{"plan": "small"}})
		if claims := claimsOf(t, given(t, s.exchange(client, theirs))); claims["plan"] != "small" {
			t.Errorf("%v", claims)
		}
	})
	t.Run("who may act, once somebody does", func(t *testing.T) {
		theirs := p.token(map[string]any{"iss": "https://linked.example", "may_act": map[string]any{"sub": client, "iss": issuer}})
		acting := given(t, s.exchange(client, theirs))
		s.exchange(actsForAll, acting).check(t, 400, []string{"may_act"}, nil)
		s.exchange("", acting).check(t, 400, []string{"may_act"}, nil)
	})
	t.Run("how often", func(t *testing.T) {
		raw := s.token(acmeMember, acme)
		for range token.MaxOrigins {
			raw = given(t, s.exchange("", raw))
		}
		s.exchange("", raw).check(t, 400, []string{"exchanged 4 times"}, nil)
	})
}

// TestClaimsThatNoTokenOfOursCanHaveAreRefused, which is the provider's fault and not ours.
func TestClaimsThatNoTokenOfOursCanHaveAreRefused(t *testing.T) {
	t.Parallel()
	s, p := exchanging(t)
	for name, claims := range map[string]map[string]any{
		"a long session": {"sid": strings.Repeat("x", 1100)},
		"a long jti":     {"jti": strings.Repeat("x", 1100)},
		"a long subject": {"sub": strings.Repeat("x", 1100)},
		"a bound key":    {"cnf": map[string]any{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}},
		"our own claim":  {"rowpass_origin": []any{}},
	} {
		t.Run(name, func(t *testing.T) {
			claims["iss"] = "https://linked.example"
			s.exchange("", p.token(claims)).check(t, 400, []string{`"error":"invalid_request"`}, nil)
			s.do(request{path: "/api/users", token: p.token(claims)}).check(t, 401, []string{"invalid_token"}, nil)
		})
	}
	t.Run("what is long together", func(t *testing.T) {
		long := strings.Repeat("x", 1000)
		s.exchange("", p.token(map[string]any{"iss": "https://linked.example", "sid": long, "jti": long, "azp": long, "org": long})).check(t, 400,
			[]string{`"error":"invalid_request"`, "too long"}, nil)
	})
}

// slow finds no key until it is let.
type slow struct {
	token.KeySource
	asked, let chan struct{}
	once       sync.Once
	found      atomic.Bool
}

func (k *slow) Set() keys.KeySet {
	if k.found.Load() {
		return k.KeySource.Set()
	}
	return keys.KeySet{}
}

func (k *slow) Renew(ctx context.Context) bool {
	k.once.Do(func() {
		close(k.asked)
		<-k.let
		k.KeySource.Renew(ctx)
		k.found.Store(true)
	})
	return true
}

// TestAProviderThatIsRemovedIsNotBelievedAnyMore by a request that waits for its keys meanwhile, nor what came of it.
func TestAProviderThatIsRemovedIsNotBelievedAnyMore(t *testing.T) {
	t.Parallel()
	p := newIDP(t, time.Now)
	source := &slow{KeySource: p.remote(), asked: make(chan struct{}), let: make(chan struct{})}
	of := p.provider("linked", "authenticated", source)
	of.Match = token.MatchLinked
	there, gone := must(token.NewProviders([]token.Provider{of}))(t), token.Providers{}
	var now atomic.Pointer[token.Providers]
	now.Store(&there)
	s := newServer(t, options{config: func(c *api.Config) {
		c.Verifier = must(token.NewVerifier(token.VerifierConfig{
			Issuer: issuer, Audience: audience, Ring: c.Ring, Now: time.Now, Denied: c.Denied, Providers: func() token.Providers { return *now.Load() },
		}))(t)
	}})
	if err := s.state.LinkIdentity(t.Context(), db.Identity{Provider: "linked", Subject: "u7"}, acmeMember); err != nil {
		t.Fatal(err)
	}
	got := make(chan answer)
	go func() { got <- s.exchange("", p.token(map[string]any{"iss": "https://linked.example"})) }()
	<-source.asked
	now.Store(&gone)
	close(source.let)
	if a := <-got; a.status != 400 {
		t.Errorf("its token is exchanged afterwards: %d %s", a.status, a.body)
	}
	now.Store(&there)
	raw := given(t, s.exchange("", p.token(map[string]any{"iss": "https://linked.example"})))
	if got := s.works(raw); got != 200 {
		t.Fatalf("what came of it is answered %d", got)
	}
	now.Store(&gone)
	if got := s.works(raw); got != 401 {
		t.Errorf("what came of it is answered %d once it is removed", got)
	}
	now.Store(&there)
	source.found.Store(false)
	if got := s.works(raw); got != 401 {
		t.Errorf("what came of it is answered %d once the key is withdrawn", got)
	}
}

// TestAChainIsAsOldAsItsBeginning looks at the deny-list alone.
func TestAChainIsAsOldAsItsBeginning(t *testing.T) {
	t.Parallel()
	first := &token.Claims{Provider: "linked", ID: "linked|0", Subject: "linked|u7", IssuedAt: time.Unix(100, 0)}
	second := &token.Claims{ID: "1", Subject: "u", ClientID: "client_a", IssuedAt: time.Unix(200, 0), Origins: first.Lineage()}
	third := &token.Claims{ID: "2", Subject: "u", ClientID: "client_b", IssuedAt: time.Unix(201, 0), Origins: second.Lineage()}
	list := token.NewDenyList()
	list.Add(token.Denial{Kind: token.DenyClient, Value: "client_a", IssuedBefore: time.Unix(150, 0)})
	if !list.Denies(second) || !list.Denies(third) {
		t.Errorf("the second is denied: %t, and the third, which came of it: %t", list.Denies(second), list.Denies(third))
	}
}

// TestASharedSubjectIsNobodyElses tries names of programs and of another provider's users.
func TestASharedSubjectIsNobodyElses(t *testing.T) {
	t.Parallel()
	p := newIDP(t, time.Now)
	source := p.remote()
	shared, other := p.provider("shared", "authenticated", source), p.provider("clerk", "authenticated", source)
	shared.Prefix = ""
	s := newServer(t, options{config: taking(t, time.Now, shared, other)})
	for subject, status := range map[string]int{acmeMember: 200, "shared|u7": 200, "clerk|user_boss": 401, "client_reports": 401} {
		if got := s.works(p.token(map[string]any{"iss": "https://shared.example", "sub": subject})); got != status {
			t.Errorf("%s is answered %d, want %d", subject, got, status)
		}
	}
}
