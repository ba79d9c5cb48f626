package api_test

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	"rowpass/api"
)

// TestAnswersThatAreNotDescribedAreNoticed doctors real answers.
func TestAnswersThatAreNotDescribedAreNoticed(t *testing.T) {
	s := newServer(t, options{sql: true})
	list := request{path: "/api/users", token: s.token(acmeMember, acme)}
	query := s.sql(quote("select 1"))
	replace := func(old, with string) func(*answer) {
		return func(a *answer) {
			if !strings.Contains(a.body, old) {
				t.Fatalf("%s is not in %s", old, a.body)
			}
			a.body = strings.Replace(a.body, old, with, 1)
		}
	}
	header := func(name, value string) func(*answer) {
		return func(a *answer) {
			if a.header.Del(name); value != "" {
				a.header.Set(name, value)
			}
		}
	}
	status := func(status int) func(*answer) { return func(a *answer) { a.status = status } }
	for name, tt := range map[string]struct {
		request request
		doctor  func(*answer)
	}{
		"a field more":                    {list, replace(`{"id":`, `{"password":"x","id":`)},
		"a field less":                    {list, replace(`"name":`, `"nickname":`)},
		"a field of another type":         {list, replace(`"next":null`, `"next":7`)},
		"a page's cursor that is no id":   {list, replace(`"next":null`, `"next":"7"`)},
		"a role that nobody has":          {list, replace(`"role":"admin"`, `"role":"owner"`)},
		"a time that is none":             {list, replace(`"2025-01-01T09:00:00Z"`, `"2025-01-01 09:00:00"`)},
		"no JSON":                         {list, replace(`{"users"`, `{users`)},
		"an empty body":                   {list, func(a *answer) { a.body = "" }},
		"another content type":            {list, header("Content-Type", "text/html")},
		"another status":                  {list, status(202)},
		"no request ID":                   {list, header("X-Request-Id", "")},
		"a request ID with a space":       {list, header("X-Request-Id", "a b")},
		"a header of nobody's":            {list, header("X-Powered-By", "x")},
		"a problem with another's status": {request{path: "/api/users/me"}, status(403)},
		"a problem with another's code":   {request{path: "/api/users/me"}, replace(`"code":"unauthorized"`, `"code":"not_found"`)},
		"a problem of no known code":      {request{path: "/nowhere"}, replace(`"code":"no_route"`, `"code":"lost"`)},
		"a problem as plain JSON":         {request{path: "/api/users/me"}, header("Content-Type", "application/json")},
		"no challenge":                    {request{path: "/api/users/me"}, header("WWW-Authenticate", "")},
		"a body behind 204":               {request{method: "OPTIONS", path: "/sql"}, func(a *answer) { a.body = "x" }},
		"a body behind 304":               {request{path: "/.well-known/jwks.json", headers: map[string]string{"If-None-Match": "*"}}, func(a *answer) { a.body = "x" }},
		"a key's private half":            {request{path: "/.well-known/jwks.json"}, replace(`"use":`, `"d":"x","use":`)},
		"a key set without an ETag":       {request{path: "/.well-known/jwks.json"}, header("ETag", "")},
		"its head without an ETag":        {request{method: "HEAD", path: "/.well-known/jwks.json"}, header("ETag", "")},
		"rows that are texts":             {query, replace(`[["1"]]`, `["1"]`)},
		"a count that is a text":          {query, replace(`"rowCount":1`, `"rowCount":"1"`)},
		"half an error of SQL's":          {s.sql(quote("selct 1")), replace(`"hint":null,`, ``)},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.do(tt.request)
			tt.doctor(&a)
			req := must(http.NewRequestWithContext(t.Context(), tt.request.method, s.URL+tt.request.path, nil))(t)
			req.Header.Set("Authorization", "Bearer x")
			if err := must(described())(t).check(req, "", tt.request.body, a); err == nil || !strings.HasPrefix(err.Error(), "the answer: ") {
				t.Errorf("nobody notices; error %v", err)
			}
		})
	}
}

// TestRequestsThatAreNotDescribedAreNoticed gives requests to good answers that they would not have got.
func TestRequestsThatAreNotDescribedAreNoticed(t *testing.T) {
	s := newServer(t, options{})
	token := s.token(acmeAdmin, acme)
	list := s.do(request{path: "/api/users", token: token})
	added := s.do(request{"POST", "/api/users", token, `{"email":"new@acme.example"}`, nil})
	for name, tt := range map[string]struct {
		method, path, token, body string
		answer                    answer
	}{
		"a parameter more":                {"GET", "/api/users?page=2", token, "", list},
		"a parameter beyond its limit":    {"GET", "/api/users?limit=1001", token, "", list},
		"no token where one is needed":    {"GET", "/api/users", "", "", list},
		"a field more":                    {"POST", "/api/users", token, `{"email":"new@acme.example","id":"x"}`, added},
		"a field less":                    {"POST", "/api/users", token, `{"name":"New"}`, added},
		"no body where one is needed":     {"POST", "/api/users", token, "", added},
		"a field that may not be nothing": {"POST", "/api/users", token, `{"email":"new@acme.example","name":null}`, added},
	} {
		t.Run(name, func(t *testing.T) {
			req := must(http.NewRequestWithContext(t.Context(), tt.method, s.URL+tt.path, nil))(t)
			req.Header.Set("Content-Type", "application/json")
			if tt.token != "" {
				req.Header.Set("Authorization", "Bearer "+tt.token)
			}
			if err := must(described())(t).check(req, "", tt.body, tt.answer); err == nil || !strings.HasPrefix(err.Error(), "the request: ") {
				t.Errorf("nobody notices; error %v", err)
			}
		})
	}
}

var pathParameter = regexp.MustCompile(`:(\w+)`)

func TestDescriptionHasEveryRouteAndNoOther(t *testing.T) {
	s := newProfileServer(t, options{sql: true, config: explaining}).server
	var routes, heads []string
	for _, r := range s.Config.Handler.(*echo.Echo).Routes() {
		route := r.Method + " " + pathParameter.ReplaceAllString(r.Path, "{$1}")
		if get, isHead := strings.CutPrefix(route, "HEAD "); isHead {
			heads = append(heads, "GET "+get)
		} else {
			routes = append(routes, route)
		}
	}
	operations := slices.Sorted(maps.Keys(must(described())(t).operations()))
	slices.Sort(routes)
	if diff := cmp.Diff(operations, routes); diff != "" {
		t.Errorf("described and served (-described +served):\n%s", diff)
	}
	slices.Sort(heads)
	gets := slices.DeleteFunc(routes, func(route string) bool { return !strings.HasPrefix(route, "GET ") })
	if diff := cmp.Diff(gets, heads); diff != "" {
		t.Errorf("GET and HEAD differ (-get +head):\n%s", diff)
	}
}

// TestEveryDescribedOperationIsServed asks for each through the door, at a server with everything and at one without what
// can be switched off.
func TestEveryDescribedOperationIsServed(t *testing.T) {
	full, plain := newProfileServer(t, options{sql: true, config: explaining}).server, newServer(t, options{plain: true, config: func(c *api.Config) { c.Login = false }})
	example := strings.NewReplacer("{id}", acmeAdmin, "{code}", "not_found", "{source}", "idp", "{file}", "page.js")
	off := map[string]bool{}
	for operation := range must(described())(t).operations() {
		method, path, _ := strings.Cut(operation, " ")
		r := request{method: method, path: example.Replace(path)}
		if unrouted(full.do(r)) {
			t.Errorf("%s is described and not served", operation)
		}
		if unrouted(plain.do(r)) {
			off[operation] = true
		}
	}
	want := map[string]bool{
		"GET /api/token": true, "POST /api/login": true, "POST /sql": true, "OPTIONS /sql": true, "POST /webhooks/{source}": true,
		"GET /playground/users": true, "POST /playground/explain": true, "GET /playground/{file}": true,
	}
	if diff := cmp.Diff(want, off); diff != "" {
		t.Errorf("what can be switched off (-want +got):\n%s", diff)
	}
}

func unrouted(a answer) bool {
	return strings.Contains(a.body, `"code":"no_route"`) || strings.Contains(a.body, `"code":"method_not_allowed"`)
}

func TestDescriptionNamesEveryCodeAndGrant(t *testing.T) {
	s := newServer(t, options{})
	listed := map[string]bool{}
	for line := range strings.Lines(s.do(request{path: "/errors"}).body) {
		status, code, _ := strings.Cut(line, " ")
		listed[status+" "+strings.Fields(code)[0]] = true
	}
	delete(listed, "499 client_closed_request") // nobody is left to read it
	d := must(described())(t)
	if diff := cmp.Diff(listed, d.problems()); diff != "" {
		t.Errorf("problems (-served +described):\n%s", diff)
	}
	codes := map[string]bool{"client_closed_request": true}
	for problem := range listed {
		codes[problem[len("400 "):]] = true
	}
	enum := texts(d.Components.Schemas["ProblemCode"].Value.Enum)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(codes)), slices.Sorted(slices.Values(enum))); diff != "" {
		t.Errorf("codes (-served +described):\n%s", diff)
	}
	grants := s.do(request{path: "/.well-known/oauth-authorization-server"}).object(t)["grant_types_supported"].([]any)
	if diff := cmp.Diff(texts(grants), texts(d.Components.Schemas["TokenRequest"].Value.Properties["grant_type"].Value.Enum)); diff != "" {
		t.Errorf("grant types (-served +described):\n%s", diff)
	}
}

func texts(values []any) []string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = v.(string)
	}
	return all
}

func TestDescriptionIsServedWithOurAddress(t *testing.T) {
	s := newServer(t, options{})
	a := s.do(request{path: "/openapi.yaml"})
	a.check(t, 200, []string{"openapi: 3.1.0\n"}, []string{"- url: http://localhost:8080\n"})
	if kind, origin := a.header.Get("Content-Type"), a.header.Get("Access-Control-Allow-Origin"); kind != "application/yaml" || origin != "*" {
		t.Errorf("content type %q, for %q; want application/yaml, for *", kind, origin)
	}
	doc := must(openapi3.NewLoader().LoadFromData([]byte(a.body)))(t)
	if diff := cmp.Diff([]string{issuer}, []string{doc.Servers[0].URL}); diff != "" || len(doc.Servers) != 1 {
		t.Errorf("%d servers:\n%s", len(doc.Servers), diff)
	}
	file := string(must(os.ReadFile("openapi.yaml"))(t))
	if strings.Replace(file, "http://localhost:8080", `"`+issuer+`"`, 1) != a.body {
		t.Error("the description differs from openapi.yaml by more than the address")
	}
	again := s.do(request{path: "/openapi.yaml", headers: map[string]string{"If-None-Match": a.header.Get("ETag")}})
	again.check(t, 304, nil, nil)
	s.do(request{method: "HEAD", path: "/openapi.yaml"}).check(t, 200, nil, nil)
	shown := s.do(request{path: "/openapi.yaml", headers: html})
	if kind := shown.header.Get("Content-Type"); kind != "text/plain; charset=UTF-8" || shown.body != a.body {
		t.Errorf("a browser gets %q, as %q", shown.body, kind)
	}
	if shown.header.Get("ETag") == a.header.Get("ETag") || shown.header.Get("Vary") != "Accept" || a.header.Get("Vary") != "Accept" {
		t.Errorf("the two are not told apart: %v, %v", shown.header, a.header)
	}
}

// TestBrokenBodiesAreAnsweredAsDescribed sends chunks that are none, which no client of Go's does.
func TestBrokenBodiesAreAnsweredAsDescribed(t *testing.T) {
	s := newProfileServer(t, options{sql: true}).server
	for _, line := range []struct{ path, kind, header string }{
		{"/api/token", form, ""},
		{"/api/revoke", form, ""},
		{"/api/introspect", form, ""},
		{"/api/login", "application/json", ""},
		{"/api/logout", "application/json", ""},
		{"/api/users", "application/json", ""},
		{"/sql", "application/json", "Neon-Connection-String: postgresql://authenticated@h\r\n"},
		{"/webhooks/idp", "application/json", headerLines(event("a", "{}", time.Now()))},
	} {
		t.Run(line.path, func(t *testing.T) {
			conn := must(net.Dial("tcp", s.Listener.Addr().String()))(t)
			defer func() { _ = conn.Close() }()
			_, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nAuthorization: Bearer %s\r\n%sTransfer-Encoding: chunked\r\n\r\nno chunk\r\n",
				line.path, line.kind, s.token(acmeAdmin, acme), line.header)
			if err != nil {
				t.Fatal(err)
			}
			req := must(http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+line.path, nil))(t)
			resp := must(http.ReadResponse(bufio.NewReader(conn), req))(t)
			a := answer{resp.StatusCode, resp.Header, string(must(io.ReadAll(resp.Body))(t))}
			a.check(t, 400, []string{"broke off"}, nil)
			s.conform(req, "", a)
		})
	}
}

// headerLines are a request's, as they are sent.
func headerLines(r request) (lines string) {
	for name, value := range r.headers {
		lines += name + ": " + value + "\r\n"
	}
	return lines
}
