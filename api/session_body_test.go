package api_test

import (
	"io"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"rowpass/api"
	"rowpass/db/dbtest"
	"rowpass/token"
)

// slowBody is a body of which nothing has come yet when begin is called.
type slowBody struct {
	io.Reader
	begin func()
}

func (b slowBody) Read(p []byte) (int, error) {
	b.begin()
	return b.Reader.Read(p)
}

// TestTokenThatEndsBeforeItsBodyDoesNothing ends it when the server has begun to read, so that it was good before.
func TestTokenThatEndsBeforeItsBodyDoesNothing(t *testing.T) {
	database := dbtest.New(t)
	for what, r := range map[string]request{
		"a new user":              {"POST", "/api/users", "", `{"name":"New","email":"new@acme.example"}`, nil},
		"a user's name":           {"PATCH", "/api/users/" + acmeMember, "", `{"name":"Other"}`, nil},
		"the tenant's name":       {"PATCH", "/api/tenants/" + acme, "", `{"name":"Other"}`, nil},
		"a statement":             {"POST", "/sql", "", quote("insert into todos (task) values ('slow')"), map[string]string{"Neon-Connection-String": "postgres://authenticated@h"}},
		"logging out":             {"POST", "/api/logout", "", `{}`, nil},
		"logging out of the rest": {"POST", "/api/logout", "", `{"everywhere":true}`, nil},
	} {
		for _, how := range []string{"revoked", "expired", "good"} { // the last is the one that changes something
			t.Run(what+", "+how, func(t *testing.T) {
				changed, a := sendSlowly(t, database, r, how)
				if good := how == "good"; changed != good || (a.status < 300) != good {
					t.Fatalf("changed %t, status %d: %s", changed, a.status, a.body)
				}
				if how == "good" {
					return
				}
				status := 401
				if r.path == "/sql" { // in the driver's shape
					status = 400
				}
				a.check(t, status, []string{how}, nil)
			})
		}
	}
}

// sendSlowly sends r as Acme's admin, whose token is revoked, expired or good from its body's first byte on.
func sendSlowly(t *testing.T, database dbtest.Database, r request, how string) (changed bool, a answer) {
	t.Helper()
	c := newClock()
	s := newServer(t, options{sql: true, database: &database, config: func(config *api.Config) {
		config.Verifier = must(token.NewVerifier(token.VerifierConfig{
			Issuer: issuer, Audience: audience, Ring: config.Ring, Now: c.Now, Denied: config.Denied,
		}))(t)
	}})
	raw, before := s.token(acmeAdmin, acme), s.everything()
	begin := map[string]func(){
		"revoked": func() { s.denied.Add(token.Denial{Kind: token.DenyTenant, Value: acme}) },
		"expired": func() { c.advance(time.Hour) },
		"good":    func() {},
	}[how]
	sent := httptest.NewRequest(r.method, "http://localhost"+r.path, slowBody{strings.NewReader(r.body), sync.OnceFunc(begin)})
	sent.Header.Set("Authorization", "Bearer "+raw)
	sent.Header.Set("Content-Type", "application/json")
	for name, value := range r.headers {
		sent.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	s.Config.Handler.ServeHTTP(w, sent)
	return s.everything() != before, answer{w.Code, w.Header(), w.Body.String()}
}

// everything is all that a request can change.
func (s *server) everything() (text string) {
	s.t.Helper()
	const query = `select string_agg(line, ' ' order by line) from (select u::text from users u union all select t::text from tenants t
		union all select d::text from todos d union all select n::text from rowpass.denials n) as lines (line)`
	if err := dbtest.Connect(s.t, s.database.OwnerURL).QueryRow(s.t.Context(), query).Scan(&text); err != nil {
		s.t.Fatal(err)
	}
	return text
}
