package identity_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rowpass/identity"
)

// fakeGeneric has pages of all three kinds, and puts a user object deeper than the others do.
func fakeGeneric(p *fakeProvider, _ http.ResponseWriter, r *http.Request) any {
	q := r.URL.Query()
	size := p.pageSize("50")
	switch r.URL.Path {
	case "/cursor":
		users, next := p.fakeCursor(q.Get("after"), size)
		return object{"data": object{"items": users}, "meta": object{"next": next, "count": len(p.users)}}
	case "/page":
		return object{"users": p.slice(p.listed(), (number(q.Get("n"))-1)*size, size)}
	case "/offset":
		return p.slice(p.listed(), number(q.Get("skip")), size)
	case "/all":
		return p.slice(p.listed(), 0, 1000)
	}
	if user := p.one(r, "/user/"); user != nil {
		return object{"user": user}
	}
	return nil
}

func TestGenericListReadsAllPages(t *testing.T) {
	for _, tt := range []struct {
		url   string
		list  identity.GenericList
		total int
	}{
		{"/cursor?after={cursor}", identity.GenericList{Users: identity.Path{"data", "items"}, Next: identity.Path{"meta", "next"}, Total: identity.Path{"meta", "count"}}, 25},
		{"/page?n={page}", identity.GenericList{Users: identity.Path{"users"}}, 0},
		{"/offset?skip={offset}", identity.GenericList{}, 0},
	} {
		p := newFakeProvider(t, "generic", fakeUsers(25)...)
		p.clamp = 7
		g := tt.list
		g.URL, g.UserURL, g.User = p.URL+tt.url, p.URL+"/user/{id}", identity.Path{"user"}
		l, err := identity.NewGenericListerPausing(p.source(), g, new(pauses).pause)
		if err != nil {
			t.Fatal(err)
		}
		ids, pages := walk(t, l, "generic")
		if diff := cmp.Diff(idsOf(p.users), ids); diff != "" || pages[0].Total != tt.total {
			t.Errorf("%s: %d in all, %s", tt.url, pages[0].Total, diff)
		}
		for id, want := range map[string]bool{"u|0003": true, "u|0025": false, "u|0003?x": false, "../cursor": false} {
			if user, found, err := l.User(t.Context(), id); err != nil || found != want || found && idOf(t, "generic", user) != id {
				t.Errorf("%s, %q: %s, %v, %v", tt.url, id, user, found, err)
			}
		}
	}
}

func TestGenericListOfOnePage(t *testing.T) {
	p := newFakeProvider(t, "generic", fakeUsers(25)...)
	l, err := identity.NewGenericListerPausing(p.source(), identity.GenericList{URL: p.URL + "/all", UserURL: p.URL + "/user/{id}"}, new(pauses).pause)
	if err != nil {
		t.Fatal(err)
	}
	if ids, pages := walk(t, l, "generic"); len(pages) != 1 || len(ids) != 25 {
		t.Errorf("%d users on %d pages", len(ids), len(pages))
	}
}

func TestGenericListSaysWhatToSet(t *testing.T) {
	const user = "https://api.example/users/{id}"
	next := identity.Path{"next"}
	for _, tt := range []struct {
		name string
		list identity.GenericList
		want string
	}{
		{"nothing", identity.GenericList{}, "no list API: to have one, set api.url and api.user_url"},
		{"no user", identity.GenericList{URL: "https://api.example/users"}, "api.user_url is no URL"},
		{"no id", identity.GenericList{URL: "https://api.example/users", UserURL: "https://api.example/me"}, "api.user_url: put {id}"},
		{"two places", identity.GenericList{URL: "https://api.example/{page}?o={offset}", UserURL: user}, "one of {cursor}, {page} and {offset} is allowed, once"},
		{"one place twice", identity.GenericList{URL: "https://api.example/{page}?o={page}", UserURL: user}, "one of {cursor}, {page} and {offset} is allowed, once"},
		{"a cursor from nowhere", identity.GenericList{URL: "https://api.example/?c={cursor}", UserURL: user}, "api.next: say where"},
		{"a cursor for nothing", identity.GenericList{URL: "https://api.example/", UserURL: user, Next: next}, "api.next: say where"},
		{"plain http", identity.GenericList{URL: "http://api.example/", UserURL: user}, "api.url is not https"},
		{"plain http for one", identity.GenericList{URL: "https://api.example/", UserURL: "http://api.example/{id}"}, "api.user_url is not https"},
	} {
		_, err := identity.NewGenericLister(identity.SourceConfig{Name: "acme"}, tt.list)
		if err == nil || !strings.Contains(err.Error(), tt.want) || errors.Is(err, identity.ErrNoList) != (tt.name == "nothing") {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
