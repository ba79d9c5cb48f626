package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rowpass/api"
	"rowpass/db"
)

// explaining has explanations that say what was asked, and list no user of another's.
func explaining(c *api.Config) {
	c.Explain = func(_ context.Context, role string, claims json.RawMessage, table, row string) (any, error) {
		switch table {
		case "nowhere":
			return nil, api.ErrTable
		case "broken":
			return nil, errors.New("postgres://owner:secret@db/app is away")
		}
		return map[string]any{"answer": "as asked", "role": role, "claims": claims, "table": table, "row": row}, nil
	}
}

var html = map[string]string{"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}

func TestTheFirstPageIsForWhoeverAsks(t *testing.T) {
	for name, tt := range map[string]struct {
		plain    bool
		accept   string
		kind     string
		contains string
	}{
		"a browser at a demo":       {false, html["Accept"], "text/html; charset=UTF-8", "playground/page.js"},
		"a browser elsewhere":       {true, html["Accept"], "text/html; charset=UTF-8", "no others out"},
		"curl at a demo":            {false, "*/*", "text/plain; charset=UTF-8", issuer + "/openapi.yaml"},
		"curl that wants a token":   {false, "*/*", "text/plain; charset=UTF-8", "\n" + issuer + "/api/token?user=…   a token for any user"},
		"curl that has a browser":   {false, "*/*", "text/plain; charset=UTF-8", "\n" + issuer + "/   in a browser: the playground"},
		"curl elsewhere":            {true, "", "text/plain; charset=UTF-8", issuer + "/errors"},
		"one that refuses HTML":     {false, "text/html;q=0, text/plain", "text/plain; charset=UTF-8", issuer + "/errors"},
		"one that names it as well": {false, "application/json, text/html", "text/html; charset=UTF-8", "playground/page.js"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, options{plain: tt.plain})
			a := s.do(request{path: "/", headers: map[string]string{"Accept": tt.accept}})
			a.check(t, 200, []string{tt.contains}, nil)
			if kind := a.header.Get("Content-Type"); kind != tt.kind || a.header.Get("Vary") != "Accept" {
				t.Errorf("content type %q, Vary %q", kind, a.header.Get("Vary"))
			}
			if tt.plain && (strings.Contains(a.body, "playground") || strings.Contains(a.body, "/api/token")) {
				t.Errorf("a server without demo has a playground, or tokens for anybody:\n%s", a.body)
			}
		})
	}
}

// TestPagesLoadFromHereAlone holds the files to what the policy says, which a browser would tell only where it comes by.
func TestPagesLoadFromHereAlone(t *testing.T) {
	for _, plain := range []bool{false, true} {
		a := newServer(t, options{plain: plain}).do(request{path: "/", headers: html})
		policy := strings.Split(a.header.Get("Content-Security-Policy"), "; ")
		want := []string{"base-uri 'none'", "connect-src 'self'", "default-src 'none'", "form-action 'none'", "frame-ancestors 'none'",
			"img-src 'self'", "script-src 'self'", "style-src 'self'"}
		slices.Sort(policy)
		if diff := cmp.Diff(want, policy); diff != "" {
			t.Error(diff)
		}
	}
	inline := regexp.MustCompile(`(?i)<script>|<style|\sstyle=|\son\w+=|javascript:|innerHTML|insertAdjacentHTML|document\.write|\beval\(`)
	elsewhere := regexp.MustCompile(`(?i)(src|href|from|import|url)\W{1,3}(https?:)?//`)
	files := os.DirFS("playground")
	err := fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text := string(must(fs.ReadFile(files, path))(t))
		for _, found := range append(inline.FindAllString(text, -1), elsewhere.FindAllString(text, -1)...) {
			t.Errorf("%s has %q", path, found)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPartsOfThePage(t *testing.T) {
	demo, plain := newServer(t, options{}), newServer(t, options{plain: true})
	for name, tt := range map[string]struct {
		s      *server
		path   string
		status int
		kind   string
	}{
		"the style":                        {demo, "/style.css", 200, "text/css; charset=utf-8"},
		"the style without a demo":         {plain, "/style.css", 200, "text/css; charset=utf-8"},
		"the icon":                         {demo, "/favicon.ico", 200, "image/svg+xml"},
		"the icon without a demo":          {plain, "/favicon.ico", 200, "image/svg+xml"},
		"a script":                         {demo, "/playground/page.js", 200, "text/javascript; charset=utf-8"},
		"a script without a demo":          {plain, "/playground/page.js", 404, "application/problem+json"},
		"a page is no part":                {demo, "/playground/playground.html", 404, "application/problem+json"},
		"what isn't there":                 {demo, "/playground/nothing.js", 404, "application/problem+json"},
		"what stands outside":              {demo, "/playground/..%2fopenapi.yaml", 404, "application/problem+json"},
		"what stands outside, spelled .js": {demo, "/playground/%2e%2e%2fx.js", 404, "application/problem+json"},
	} {
		t.Run(name, func(t *testing.T) {
			a := tt.s.do(request{path: tt.path})
			if kind := a.header.Get("Content-Type"); a.status != tt.status || kind != tt.kind {
				t.Errorf("status %d, type %s; want %d, %s", a.status, kind, tt.status, tt.kind)
			}
			if a.status != 200 {
				return
			}
			if a.header.Get("Cache-Control") != "no-cache" {
				t.Errorf("Cache-Control is %q", a.header.Get("Cache-Control"))
			}
			tt.s.do(request{path: tt.path, headers: map[string]string{"If-None-Match": a.header.Get("ETag")}}).check(t, 304, nil, nil)
		})
	}
}

// TestPartsOfThePageAreLoggedForWhoDebugs asks for parts and for a page, which the log has in any case.
func TestPartsOfThePageAreLoggedForWhoDebugs(t *testing.T) {
	paths := []string{"/style.css", "/favicon.ico", "/playground/page.js", "/playground/nothing.js", "/"}
	for name, tt := range map[string]struct {
		level slog.Level
		want  []string
	}{
		"as it is set at first": {slog.LevelInfo, paths[3:]},
		"debugging":             {slog.LevelDebug, paths},
	} {
		t.Run(name, func(t *testing.T) {
			log := &syncBuffer{}
			s := newServer(t, options{config: func(c *api.Config) {
				c.Log = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: tt.level}))
			}})
			for _, path := range paths {
				s.do(request{path: path})
			}
			var got []string
			for line := range strings.Lines(log.String()) {
				var said struct{ Path string }
				if err := json.Unmarshal([]byte(line), &said); err != nil {
					t.Fatal(err)
				}
				got = append(got, said.Path)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("the log (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAPlaygroundOffersItsUsers(t *testing.T) {
	mallory := db.UserRow{ID: acmeAdmin, Name: "<b>", Email: "a@b", Role: "admin", TenantID: acme, Tenant: "Acme"}
	for name, tt := range map[string]struct {
		sql   bool
		users api.DemoUsers
		want  string
	}{
		"nobody without the owner's login": {false, nil, `{"users":[],"database":"","explains":false}` + "\n"},
		"users and the database": {true, func(_ context.Context, limit int) ([]db.UserRow, error) {
			return []db.UserRow{mallory}[:min(limit, 1)], nil
		}, `{"users":[{"id":"` + acmeAdmin + `","name":"\u003cb\u003e","email":"a@b","role":"admin","tenant_id":"` + acme + `","tenant":"Acme"}],"database":"DATABASE","explains":false}` + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, options{sql: tt.sql, config: func(c *api.Config) { c.DemoUsers = tt.users }})
			a := s.do(request{path: "/playground/users"})
			want := strings.Replace(tt.want, "DATABASE", s.database.Name, 1)
			if diff := cmp.Diff(want, a.body); diff != "" || a.status != 200 || a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("status %d, %v\n%s", a.status, a.header, diff)
			}
			s.do(request{path: "/playground/users", headers: map[string]string{"Host": "evil.example"}}).check(t, 421, nil, []string{acmeAdmin})
		})
	}
}

func TestExplanationsAreTheCallersOwn(t *testing.T) {
	s := newServer(t, options{config: explaining})
	token := s.token(acmeMember, acme)
	for name, tt := range map[string]struct {
		token, body string
		status      int
		contains    string
		lacks       string
	}{
		"role and claims are the token's": {token, `{"table":"todos"}`, 200, `"role":"authenticated"`, globex},
		"the subject as well":             {token, `{"table":"todos"}`, 200, `"sub":"` + acmeMember + `"`, acmeAdmin},
		"a row":                           {token, `{"table":"todos","row":"u,1"}`, 200, `"row":"u,1"`, ""},
		"no token":                        {"", `{"table":"todos"}`, 401, "bearer token", "answer"},
		"a bad token":                     {token + "x", `{"table":"todos"}`, 401, "invalid_token", "answer"},
		"no table":                        {token, `{}`, 400, "table must name one", ""},
		"a table that isn't there":        {token, `{"table":"nowhere"}`, 400, "table must name one", ""},
		"claims of the body's":            {token, `{"table":"todos","claims":{"sub":"x"}}`, 400, "unknown field", "answer"},
		"a database that is away":         {token, `{"table":"broken"}`, 500, "internal", "secret"},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.do(request{"POST", "/playground/explain", tt.token, tt.body, nil})
			lacks := []string{"postgres://"}
			if tt.lacks != "" {
				lacks = append(lacks, tt.lacks)
			}
			a.check(t, tt.status, []string{tt.contains}, lacks)
		})
	}
	unexplained := newServer(t, options{}).do(request{"POST", "/playground/explain", token, `{"table":"todos"}`, nil})
	unexplained.check(t, 404, []string{"no_route"}, nil)
}

// TestFewExplanationsAreMadeAtOnce holds each that is being made until the test lets it go.
func TestFewExplanationsAreMadeAtOnce(t *testing.T) {
	made, let := make(chan string, 16), make(chan struct{})
	s := newServer(t, options{config: func(c *api.Config) {
		c.Explain = func(_ context.Context, _ string, _ json.RawMessage, table, _ string) (any, error) {
			made <- table
			<-let
			return map[string]string{"answer": table}, nil
		}
	}})
	answers := make(chan answer, 16)
	ask := func(user, table string) {
		go func() {
			answers <- s.do(request{"POST", "/playground/explain", s.token(user, acme), `{"table":"` + table + `"}`, nil})
		}()
	}
	ask(acmeAdmin, "first")
	ask(acmeMember, "second")
	<-made
	<-made
	for range 3 {
		ask(acmeMember, "more")
	}
	late := <-answers
	late.check(t, 503, []string{`"code":"busy"`, "no more than 2 explanations"}, []string{`"answer"`})
	if retry := late.header.Get("Retry-After"); retry != "1" || len(made) > 0 {
		t.Errorf("Retry-After %q, %d more are made", retry, len(made))
	}
	<-answers
	<-answers
	for range 8 { // one of a caller's eight is being made
		ask(acmeMember, "again")
	}
	limited := <-answers
	limited.check(t, 429, []string{"too_many_requests", "too many explanations at once"}, []string{`"answer"`})
	if retry := limited.header.Get("Retry-After"); retry != "4" {
		t.Errorf("Retry-After %q", retry)
	}
	close(let)
	for range 9 { // the first two, and the seven that waited
		a := <-answers
		a.check(t, 200, []string{`"answer"`}, nil)
	}
}
