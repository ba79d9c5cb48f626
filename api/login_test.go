package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
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

const (
	password = "a long and silly phrase"
	twice    = "twice@both.example" // stands in both tenants

	acmeTwice   = "a0000000-0000-4000-8000-0000000000cc"
	globexTwice = "b0000000-0000-4000-8000-0000000000cc"
)

// newDoor is a server with users who have passwords: the member of Acme, and one whose address stands in both tenants.
func newDoor(t testing.TB, config func(*api.Config)) *server {
	t.Helper()
	s := newServer(t, options{config: config})
	dbtest.Exec(t, s.database.SuperuserURL, // the id is the database's to choose, but for a superuser without triggers
		`set session_replication_role = replica`,
		`insert into public.users (id, tenant_id, name, email) values ('`+acmeTwice+`', '`+acme+`', 'Twice', '`+twice+`'),
			('`+globexTwice+`', '`+globex+`', 'Twice', '`+twice+`')`)
	for _, user := range []string{acmeMember, acmeTwice, globexTwice} {
		if err := s.state.SetPassword(t.Context(), user, password); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// loginBody is what a front end sends; the tenant may be empty.
func loginBody(email, password, tenant string) string {
	fields := map[string]string{"email": email, "password": password}
	if tenant != "" {
		fields["tenant"] = tenant
	}
	body, _ := json.Marshal(fields)
	return string(body)
}

func (s *server) login(email, password, tenant string) answer {
	s.t.Helper()
	return s.do(request{method: "POST", path: "/api/login", body: loginBody(email, password, tenant)})
}

// loggedIn is the answer to a login that succeeds.
func (s *server) loggedIn(email, tenant string) map[string]any {
	s.t.Helper()
	a := s.login(email, password, tenant)
	if a.status != http.StatusOK {
		s.t.Fatalf("no login: %d %s", a.status, a.body)
	}
	return a.object(s.t)
}

func TestPasswordStartsASession(t *testing.T) {
	s := newDoor(t, nil)
	for name, tt := range map[string]struct{ email, tenant, user, of string }{
		"by e-mail address":                 {"member@acme.example", "", acmeMember, acme},
		"in capitals":                       {"MEMBER@ACME.EXAMPLE", "", acmeMember, acme},
		"with the tenant that it is":        {"member@acme.example", acme, acmeMember, acme},
		"of two tenants, with the one":      {twice, acme, acmeTwice, acme},
		"of two tenants, with the other":    {twice, globex, globexTwice, globex},
		"with the tenant's id in capitals":  {twice, strings.ToUpper(globex), globexTwice, globex},
		"by an address with capitals alone": {strings.ToUpper(twice), acme, acmeTwice, acme},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.login(tt.email, password, tt.tenant)
			a.check(t, 200, []string{`"token_type":"Bearer"`, `"expires_in":900`, `"refresh_expires_in":86400`}, []string{`"scope"`, password})
			if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Pragma") != "no-cache" {
				t.Errorf("caches may keep it: %v", a.header)
			}
			o := a.object(t)
			claims := must(newVerifier(t, s.ring).Verify(t.Context(), o["access_token"].(string)))(t)
			want := token.Claims{Subject: tt.user, Tenant: tt.of, ClientID: token.ClientLogin, SessionID: claims.SessionID, Audience: []string{audience}}
			got := token.Claims{
				Subject: claims.Subject, Tenant: claims.Tenant, ClientID: claims.ClientID, SessionID: claims.SessionID, Audience: claims.Audience,
				Scope: claims.Scope,
			}
			if diff := cmp.Diff(want, got); diff != "" || claims.SessionID == "" {
				t.Errorf("session %q: %s", claims.SessionID, diff)
			}
			s.do(request{path: "/api/users/me", token: o["access_token"].(string)}).check(t, 200, []string{tt.user}, nil)
			again := s.granted(token.ClientLogin, "grant_type", "refresh_token", "refresh_token", o["refresh_token"].(string))
			next := must(newVerifier(t, s.ring).Verify(t.Context(), again["access_token"].(string)))(t)
			if next.SessionID != claims.SessionID || next.Subject != tt.user {
				t.Errorf("session %q of %s goes on as %q of %s", claims.SessionID, tt.user, next.SessionID, next.Subject)
			}
		})
	}
}

func TestLoginAddsTheOwnersClaims(t *testing.T) {
	s := newDoor(t, nil)
	dbtest.Exec(t, s.database.OwnerURL, `create or replace function auth.token_claims("user" text, client text) returns jsonb
		language sql stable return jsonb_build_object('plan', 'gold', 'asked_by', client)`)
	raw := s.loggedIn("member@acme.example", "")["access_token"].(string)
	claims := must(newVerifier(t, s.ring).Verify(t.Context(), raw))(t)
	if text := string(claims.JSON); !strings.Contains(text, `"plan":"gold"`) || !strings.Contains(text, `"asked_by":"client_login"`) {
		t.Errorf("claims %s", text)
	}
	dbtest.Exec(t, s.database.OwnerURL, `create or replace function auth.token_claims("user" text, client text) returns jsonb
		language sql stable return jsonb_build_object('sub', 'somebody')`)
	s.login("member@acme.example", password, "").check(t, 500, []string{"claims_hook"}, []string{"somebody", "access_token"})
	s.login("member@acme.example", "wrong password", "").check(t, 401, nil, nil)
}

// TestEveryKindOfNoIsTheSame compares whole answers: a stranger must not learn who is here, nor who has a password.
func TestEveryKindOfNoIsTheSame(t *testing.T) {
	s := newDoor(t, nil)
	first := sameAnswer(s.login("member@acme.example", "wrong password", ""))
	if !strings.HasPrefix(first, "401\n") || !strings.Contains(first, `"code":"invalid_login"`) {
		t.Fatal(first)
	}
	for name, body := range map[string]string{
		"an unknown address":                       loginBody("nobody@acme.example", password, ""),
		"an address without a password":            loginBody("admin@acme.example", password, ""),
		"an address that stands in two tenants":    loginBody(twice, password, ""),
		"one of these with a wrong password":       loginBody(twice, "wrong password", acme),
		"another tenant than the user's":           loginBody("member@acme.example", password, globex),
		"a tenant that there isn't":                loginBody("member@acme.example", password, "c0000000-0000-4000-8000-000000000001"),
		"a user's id instead of the address":       loginBody(acmeMember, password, ""),
		"no address at all":                        loginBody("member", password, ""),
		"an address with a NUL in it":              loginBody("member@acme.example\x00", password, ""),
		"a password with a NUL behind it":          loginBody("member@acme.example", password+"\x00", ""),
		"a password with a space behind it":        loginBody("member@acme.example", password+" ", ""),
		"the password in capitals":                 loginBody("member@acme.example", strings.ToUpper(password), ""),
		"a password that is too short to be one":   loginBody("member@acme.example", "x", ""),
		"a password of 60,000 bytes":               loginBody("member@acme.example", strings.Repeat("x", 60_000), ""),
		"an address of 60,000 bytes":               loginBody(strings.Repeat("x", 60_000)+"@acme.example", password, ""),
		"a pattern that would fit":                 loginBody("member@acme.%", password, ""),
		"an address with a quote in it":            loginBody(`member@acme.example' or '1'='1`, password, ""),
		"a wrong password for the second time":     loginBody("member@acme.example", "wrong password", ""),
		"a wrong password with the right tenant":   loginBody("member@acme.example", "wrong password", acme),
		"an address that is not UTF-8 when quoted": `{"email":"member\ud800@acme.example","password":"` + password + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(first, sameAnswer(s.do(request{method: "POST", path: "/api/login", body: body}))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// sameAnswer is everything of an answer but what is each request's own: its time and its ID.
func sameAnswer(a answer) string {
	h := a.header.Clone()
	h.Del("Date")
	var headers strings.Builder
	_ = h.Write(&headers) // in the order of names
	return strings.ReplaceAll(fmt.Sprintf("%d\n%s\n%s", a.status, &headers, a.body), a.header.Get("X-Request-Id"), "…")
}

func TestLoginThatCannotBeReadIsRefused(t *testing.T) {
	s := newDoor(t, nil)
	for name, tt := range map[string]struct {
		body, kind string
		status     int
		says       string
	}{
		"no body":                     {"", "application/json", 400, "one JSON object"},
		"an array":                    {`[]`, "", 400, "one JSON object"},
		"no address":                  {`{"password":"x"}`, "", 400, "email and password are needed"},
		"no password":                 {`{"email":"x@y.example"}`, "", 400, "email and password are needed"},
		"an empty password":           {`{"email":"x@y.example","password":""}`, "", 400, "email and password are needed"},
		"a password that is a number": {`{"email":"x@y.example","password":12345678}`, "", 400, "password may not be a number"},
		"a tenant's name":             {loginBody("x@y.example", "x", "Acme"), "", 400, "tenant must be a tenant's id"},
		"a tenant that is null":       {`{"email":"x@y.example","password":"x","tenant":null}`, "", 400, "tenant may not be null"},
		"a field more":                {`{"email":"x@y.example","password":"x","remember":true}`, "", 400, `unknown field`},
		"something behind it":         {loginBody("x@y.example", "x", "") + "{}", "", 400, "one JSON object"},
		"a form":                      {"email=x%40y.example&password=x", form, 415, "application/json"},
		"too much":                    {loginBody("x@y.example", strings.Repeat("x", 70_000), ""), "", 413, "bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			headers := map[string]string{}
			if tt.kind != "" {
				headers["Content-Type"] = tt.kind
			}
			s.do(request{"POST", "/api/login", "", tt.body, headers}).check(t, tt.status, []string{tt.says}, []string{"xxxx"})
		})
	}
}

func TestLoginIsThereOnlyWhereItIsWanted(t *testing.T) {
	s := newDoor(t, func(c *api.Config) { c.Login = false })
	s.login("member@acme.example", password, "").check(t, 404, []string{"no_route"}, nil)
}

// TestWrongPasswordsLockAnAccount goes through what somebody who guesses, and somebody who is guessed at, would see. The limit is
// three a minute, so that one comes back every 20 seconds.
func TestWrongPasswordsLockAnAccount(t *testing.T) {
	const right, wrong = password, "wrong password"
	type step struct {
		wait            time.Duration // before it
		email, password string
		tenant          string
		status          int
	}
	door := newDoor(t, nil)
	guessed := []step{{0, "member@acme.example", wrong, "", 401}, {0, "member@acme.example", wrong, "", 401}, {0, "member@acme.example", wrong, "", 401}}
	for name, tt := range map[string][]step{
		"even for the right password":         {{0, "member@acme.example", right, "", 429}},
		"for twenty seconds":                  {{19 * time.Second, "member@acme.example", right, "", 429}, {time.Second, "member@acme.example", right, "", 200}},
		"for the next wrong one longer":       {{20 * time.Second, "member@acme.example", wrong, "", 401}, {0, "member@acme.example", right, "", 429}},
		"in every spelling of it":             {{0, "MEMBER@acme.example", right, "", 429}},
		"in every tenant":                     {{0, "member@acme.example", right, acme, 429}, {0, "member@acme.example", right, globex, 429}},
		"and no other account":                {{0, twice, right, acme, 200}},
		"and one that there isn't just alike": {{0, "x@y.example", wrong, "", 401}, {0, "x@y.example", wrong, "", 401}, {0, "x@y.example", wrong, "", 401}, {0, "x@y.example", wrong, "", 429}},
		"but right passwords don't count": {{20 * time.Second, "member@acme.example", right, "", 200}, {0, "member@acme.example", right, "", 200},
			{0, "member@acme.example", right, "", 200}, {0, "member@acme.example", wrong, "", 401}, {0, "member@acme.example", right, "", 429}},
		"and a minute later all is forgotten": append([]step{{time.Minute, "member@acme.example", right, "", 200}}, append(guessed, step{0, "member@acme.example", right, "", 429})...),
	} {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			s := newServer(t, options{database: &door.database, config: limited(api.Limits{LoginPerAccount: 3}, c)})
			for i, step := range append(guessed[:3:3], tt...) {
				c.advance(step.wait)
				a := s.login(step.email, step.password, step.tenant)
				if a.status != step.status {
					t.Fatalf("step %d: status %d, want %d: %s", i+1, a.status, step.status, a.body)
				}
			}
		})
	}
}

func TestLockOutTellsHowLongItLasts(t *testing.T) {
	s := newDoor(t, limited(api.Limits{LoginPerAccount: 3}, newClock()))
	var known, unknown answer
	for range 4 {
		known, unknown = s.login("member@acme.example", "wrong password", ""), s.login("x@y.example", "wrong password", "")
	}
	known.check(t, 429, []string{"too_many_requests", "wrong passwords"}, []string{"acme.example"})
	if known.header.Get("Retry-After") != "20" {
		t.Errorf("Retry-After %q", known.header.Get("Retry-After"))
	}
	if diff := cmp.Diff(sameAnswer(known), sameAnswer(unknown)); diff != "" {
		t.Error("a locked account and one that there isn't differ:", diff)
	}
}

// TestGuessesAtOnceCountOneByOne sends many before the first is answered.
func TestGuessesAtOnceCountOneByOne(t *testing.T) {
	const limit, guesses = 3, 20
	s := newDoor(t, limited(api.Limits{LoginPerAccount: limit}, newClock()))
	var mu sync.Mutex
	statuses := map[int]int{}
	var running sync.WaitGroup
	for range guesses {
		running.Go(func() {
			status := s.login("member@acme.example", "wrong password", "").status
			mu.Lock()
			defer mu.Unlock()
			statuses[status]++
		})
	}
	running.Wait()
	if diff := cmp.Diff(map[int]int{401: limit, 429: guesses - limit}, statuses); diff != "" {
		t.Error(diff)
	}
}

// TestWhoHangsUpHasHadAGuess sends a request that nobody waits for, so that the answer cannot be what counts.
func TestWhoHangsUpHasHadAGuess(t *testing.T) {
	s := newDoor(t, limited(api.Limits{LoginPerAccount: 1}, newClock()))
	s.hangUp("member@acme.example")
	s.login("member@acme.example", password, "").check(t, 429, nil, nil)
}

// hangUp is a wrong password whose sender does not wait, so that nothing is hashed.
func (s *server) hangUp(email string) {
	ctx, cancel := context.WithCancel(s.t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/api/login", strings.NewReader(loginBody(email, "wrong password", "")))
	r.Header.Set("Content-Type", "application/json")
	s.Config.Handler.ServeHTTP(httptest.NewRecorder(), r)
}

// TestAccountsThatAreMadeUpGiveNobodyNewGuesses tries more of them than there are addresses remembered.
func TestAccountsThatAreMadeUpGiveNobodyNewGuesses(t *testing.T) {
	s := newDoor(t, limited(api.Limits{LoginPerAccount: 2}, newClock()))
	for range 2 {
		s.hangUp("member@acme.example")
	}
	for i := range 20_000 {
		s.hangUp(fmt.Sprintf("%d@acme.example", i))
	}
	s.login("member@acme.example", password, "").check(t, 429, []string{"wrong passwords"}, nil)
}

func TestLoginFollowsALogoutEverywhereAtOnce(t *testing.T) {
	s := newDoor(t, nil)
	raw := s.loggedIn("member@acme.example", "")["access_token"].(string)
	s.do(request{"POST", "/api/logout", raw, `{"everywhere":true}`, nil}).check(t, 204, nil, nil)
	if status := s.works(s.loggedIn("member@acme.example", "")["access_token"]); status != 200 {
		t.Errorf("the new token is answered %d", status)
	}
}

// TestRevokedUserGetsNoTokenByPassword has a clock that is ahead, so that nobody waits for the denial to be over.
func TestRevokedUserGetsNoTokenByPassword(t *testing.T) {
	c := newClock()
	c.advance(time.Hour)
	s := newDoor(t, limited(api.Limits{}, c))
	s.denied.Add(token.Denial{Kind: token.DenyTenant, Value: acme})
	s.login("member@acme.example", password, "").check(t, 403, []string{"revoked for the time being"}, []string{"access_token"})
	c.advance(time.Second)
	s.login("member@acme.example", "wrong password", "").check(t, 401, nil, nil)
	c.advance(time.Second)
	s.login(twice, password, globex).check(t, 200, nil, nil)
	var got []string
	for _, e := range s.events(db.EventFilter{Name: "login"}) {
		got = append(got, e.Outcome+" "+e.Reason)
	}
	if diff := cmp.Diff([]string{"refused insufficient_scope", "refused invalid_login", "ok "}, got); diff != "" {
		t.Error(diff)
	}
}

// FuzzLogin sends whatever body: it is refused, and never breaks anything.
func FuzzLogin(f *testing.F) {
	s := newDoor(f, nil)
	for _, body := range []string{
		"", "{}", "null", `{"email":"member@acme.example","password":"` + password + `x"}`, `{"email":"\u0000@","password":"\ud800"}`,
		`{"email":"a","email":"b","password":"c"}`, `{"EMAIL":"member@acme.example","password":"x"}`, `{"email":"%s","password":"' or '1'='1"}`,
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest(http.MethodPost, "http://localhost/api/login", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		if s.Config.Handler.ServeHTTP(w, r); w.Code != 400 && w.Code != 401 && w.Code != 413 {
			t.Errorf("%q: status %d", body, w.Code)
		}
	})
}

func TestNewPasswordEndsWhatTheOldOneStarted(t *testing.T) {
	s := newDoor(t, nil)
	old := s.loggedIn("member@acme.example", "")
	if err := s.state.SetPassword(t.Context(), acmeMember, "another phrase"); err != nil {
		t.Fatal(err)
	}
	a := s.oauth("/api/token", token.ClientLogin, "grant_type", "refresh_token", "refresh_token", old["refresh_token"].(string))
	if a.said(t) != "invalid_grant" {
		t.Errorf("the old session goes on: %s", a.body)
	}
	s.login("member@acme.example", password, "").check(t, 401, nil, nil)
	s.login("member@acme.example", "another phrase", "").check(t, 200, nil, nil)
	denials, _, err := s.state.Denials(t.Context(), 0)
	if err != nil || !slices.ContainsFunc(denials, func(d db.Denial) bool { return d.Kind == db.DenySubject && d.Value == acmeMember }) {
		t.Errorf("the user's tokens are not denied: %v, error %v", denials, err)
	}
}
