package api_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rowpass/api"
)

var href = regexp.MustCompile(`<a [^>]*href="([^"]*)"`)

// links are where a page leads, as a browser reads it that stands at an address.
func links(t *testing.T, at, page string) []string {
	t.Helper()
	base := must(url.Parse(at))(t)
	all := []string{}
	for _, found := range href.FindAllStringSubmatch(page, -1) {
		all = append(all, must(base.Parse(found[1]))(t).Path)
	}
	return all
}

func TestErrorsLinkToEachOther(t *testing.T) {
	for name, tt := range map[string]struct{ public, prefix string }{
		"at the root":                   {issuer, ""},
		"behind a path":                 {"https://rows.example/p", "/p"},
		"behind a path that is cut off": {"https://rows.example/p", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, options{plain: true, config: func(c *api.Config) { c.PublicURL = tt.public }})
			ask := func(path string) answer { return s.do(request{path: path, headers: html}) }
			codes := strings.Count(s.do(request{path: "/errors"}).body, "\n")
			list := ask(tt.prefix + "/errors")
			pages := links(t, tt.prefix+"/errors", list.body)
			if len(pages) != 1+codes || pages[0] != tt.prefix+"/" {
				t.Fatalf("%d errors, and links to %q", codes, pages)
			}
			for _, path := range pages[1:] {
				code := path[strings.LastIndex(path, "/")+1:]
				a := ask(path)
				a.check(t, 200, []string{code, "<h1>", `href="../style.css"`}, nil)
				if diff := cmp.Diff([]string{tt.prefix + "/", tt.prefix + "/errors"}, links(t, path, a.body)); diff != "" {
					t.Errorf("%s leads elsewhere (-want +got):\n%s", path, diff)
				}
			}
			for _, path := range []string{tt.prefix + "/", tt.prefix + "/style.css"} {
				ask(path).check(t, 200, nil, nil)
			}
		})
	}
}

func TestErrorsAreForWhoeverAsks(t *testing.T) {
	s := newServer(t, options{plain: true})
	for name, tt := range map[string]struct {
		method, path, accept string
		status               int
		kind                 string
		contains             string
	}{
		"the list for a browser":  {"GET", "/errors", html["Accept"], 200, "text/html; charset=UTF-8", `<li><a href="errors/no_route">no_route</a>`},
		"one error for a browser": {"GET", "/errors/no_route", html["Accept"], 200, "text/html; charset=UTF-8", "<title>no_route: rowpass errors</title>"},
		"its words are text":      {"GET", "/errors/unauthorized", html["Accept"], 200, "text/html; charset=UTF-8", "Bearer &lt;token&gt;"},
		"only the head":           {"HEAD", "/errors", html["Accept"], 200, "text/html; charset=UTF-8", ""},
		"the list for curl":       {"GET", "/errors", "*/*", 200, "text/plain; charset=UTF-8", "404  no_route "},
		"one error for curl":      {"GET", "/errors/no_route", "", 200, "text/plain; charset=UTF-8", "no_route (404)\n\nThere is nothing at this address.\n"},
		"one that is none":        {"GET", "/errors/nothing", html["Accept"], 404, "text/html; charset=UTF-8", "<h1>There is nothing at this address</h1>"},
		"none for curl":           {"GET", "/errors/nothing", "*/*", 404, "application/problem+json", "no_route"},
		"an address that is none": {"GET", "/nonsense", html["Accept"], 404, "text/html; charset=UTF-8", "<title>Nothing here: rowpass</title>"},
		"its head":                {"HEAD", "/nonsense", html["Accept"], 404, "text/html; charset=UTF-8", ""},
		"none for a program":      {"GET", "/nonsense", "application/json", 404, "application/problem+json", "no_route"},
		"what is sent to none":    {"POST", "/nonsense", html["Accept"], 404, "application/problem+json", "no_route"},
		"a row that is none":      {"GET", "/api/users/x", html["Accept"], 401, "application/problem+json", "unauthorized"},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.do(request{method: tt.method, path: tt.path, headers: map[string]string{"Accept": tt.accept}})
			a.check(t, tt.status, []string{tt.contains}, nil)
			if kind := a.header.Get("Content-Type"); kind != tt.kind || tt.status != 401 && a.header.Get("Vary") != "Accept" {
				t.Errorf("content type %q, Vary %q", kind, a.header.Get("Vary"))
			}
			if policy := a.header.Get("Content-Security-Policy"); (policy != "") != strings.Contains(tt.kind, "html") {
				t.Errorf("the policy is %q", policy)
			}
			if tt.method == http.MethodHead && a.body != "" {
				t.Errorf("a head has a body: %s", a.body)
			}
		})
	}
}

// TestFromNowhereThereIsAWayBack follows the links of the page that stands where nothing is.
func TestFromNowhereThereIsAWayBack(t *testing.T) {
	for name, tt := range map[string]struct{ public, at, asked, root string }{
		"at the root":                     {issuer, "/nonsense", "/nonsense", "/"},
		"further in":                      {issuer, "/a/b%2Fc/d", "/a/b%2Fc/d", "/"},
		"below a page":                    {issuer, "/errors/zzz", "/errors/zzz", "/"},
		"behind a path":                   {"https://rows.example/p", "/p/a/b", "/p/a/b", "/p/"},
		"behind a path that is cut off":   {"https://rows.example/p", "/p/a/b", "/a/b", "/p/"},
		"behind a path nobody told of":    {issuer, "/proxy/8080/a/b", "/a/b", "/proxy/8080/"},
		"a path without what is in it":    {"https://rows.example/o/p", "/o/p", "/o/p", "/o/p/"},
		"one that begins like our own":    {"https://rows.example/p", "/p/errors/zzz", "/p/errors/zzz", "/p/"},
		"one that is like another host's": {issuer, "//evil.example/x", "//evil.example/x", "/"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, options{plain: true, config: func(c *api.Config) { c.PublicURL = tt.public }})
			a := s.do(request{path: tt.asked, headers: html})
			a.check(t, 404, []string{"<h1>"}, nil)
			want := []string{tt.root, tt.root + "errors", tt.root, tt.root + "openapi.yaml", tt.root + "errors"}
			if diff := cmp.Diff(want, links(t, "https://rows.example"+tt.at, a.body)); diff != "" {
				t.Errorf("it leads elsewhere (-want +got):\n%s", diff)
			}
		})
	}
}
