package api_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rowpass/db/dbtest"
	"rowpass/token"
)

func TestWhoSeesAndChangesWhichUsers(t *testing.T) {
	s := newServer(t, options{})
	admin, member := s.token(acmeAdmin, acme), s.token(acmeMember, acme)
	stranger := s.token("c0000000-0000-4000-8000-00000000000c", "c0000000-0000-4000-8000-000000000001")
	nobody := s.grant(token.Grant{Subject: "client_x", ClientID: "client_x"})
	odd := s.grant(token.Grant{Subject: "user|1", ClientID: "client_x", Tenant: "no uuid"})

	tests := []struct {
		name     string
		request  request
		status   int
		contains []string
		lacks    []string
	}{
		{"a member sees the tenant's users", request{path: "/api/users", token: member}, 200,
			[]string{acmeAdmin, acmeMember, `"next":null`}, []string{"globex"}},
		{"an admin sees no more than that", request{path: "/api/users", token: admin}, 200,
			[]string{acmeAdmin, acmeMember}, []string{"globex"}},
		{"the other tenant sees its own", request{path: "/api/users", token: s.token(globexMember, globex)}, 200,
			[]string{globexAdmin, globexMember}, []string{"acme"}},
		{"a tenant that does not exist sees nobody", request{path: "/api/users", token: stranger}, 200, []string{`{"users":[],"next":null}`}, nil},
		{"a token without a tenant sees nobody", request{path: "/api/users", token: nobody}, 200, []string{`"users":[]`}, nil},
		{"a tenant that is no UUID sees nobody", request{path: "/api/users", token: odd}, 200, []string{`"users":[]`}, nil},

		{"a member sees a colleague", request{path: "/api/users/" + acmeAdmin, token: member}, 200, []string{"admin@acme.example"}, nil},
		{"a user of another tenant is not there", request{path: "/api/users/" + globexAdmin, token: admin}, 404,
			[]string{`"code":"not_found"`}, []string{"globex", globexAdmin}},
		{"what is no id is not there", request{path: "/api/users/1%20or%201=1", token: admin}, 404, []string{"not_found"}, nil},
		{"me is the caller", request{path: "/api/users/me", token: member}, 200, []string{acmeMember}, nil},
		{"me is nobody for a client", request{path: "/api/users/me", token: nobody}, 404, []string{"not_found"}, nil},

		{"a member may not change a colleague", request{"PATCH", "/api/users/" + acmeAdmin, member, `{"name":"X"}`, nil}, 403,
			[]string{"insufficient_scope"}, nil},
		{"a member may not remove a colleague", request{"DELETE", "/api/users/" + acmeAdmin, member, "", nil}, 403, nil, nil},
		{"a member may not add users", request{"POST", "/api/users", member, `{"email":"x@acme.example"}`, nil}, 403, nil, nil},
		{"a member may not make itself an admin", request{"PATCH", "/api/users/" + acmeMember, member, `{"role":"admin"}`, nil}, 403,
			[]string{"only another admin"}, nil},
		{"a member may not change its e-mail address", request{"PATCH", "/api/users/" + acmeMember, member, `{"email":"admin@globex.example"}`, nil}, 403,
			[]string{"only an admin"}, nil},
		{"an admin may not change a user of another tenant, nor know of it", request{"PATCH", "/api/users/" + globexMember, admin, `{"name":"X"}`, nil}, 404, nil, nil},
		{"an admin may not remove a user of another tenant", request{"DELETE", "/api/users/" + globexMember, admin, "", nil}, 404, nil, nil},
		{"an admin may not step down", request{"PATCH", "/api/users/" + acmeAdmin, admin, `{"role":"member"}`, nil}, 403, nil, nil},
		{"an admin may not remove itself", request{"DELETE", "/api/users/" + acmeAdmin, admin, "", nil}, 403, nil, nil},
		{"nobody changes an id", request{"PATCH", "/api/users/" + acmeAdmin, admin, `{"id":"` + globexAdmin + `"}`, nil}, 400, []string{"unknown field"}, nil},
		{"nobody changes a tenant", request{"PATCH", "/api/users/" + acmeAdmin, admin, `{"tenant_id":"` + globex + `"}`, nil}, 400, []string{"unknown field"}, nil},

		{"a member changes its own name", request{"PATCH", "/api/users/" + acmeMember, member, `{"name":"Max \"the\" Member\n\u2028\u0001"}`, nil}, 200,
			[]string{`"name":"Max \"the\" Member\n` + "\u2028" + `\u0001"`}, nil},
		{"a member changes its own settings", request{"PATCH", "/api/users/" + acmeMember, member, `{"settings":{"theme":"dark"}}`, nil}, 200,
			[]string{`"settings":{"theme": "dark"}`}, nil},
		{"an admin changes a colleague", request{"PATCH", "/api/users/" + acmeMember, admin, `{"name":"Max","email":"max@acme.example","role":"admin"}`, nil}, 200,
			[]string{`"name":"Max"`, `"email":"max@acme.example"`, `"role":"admin"`, `"settings":{"theme": "dark"}`}, nil},
		{"the promoted one is an admin at once, by its old token", request{"PATCH", "/api/users/" + acmeAdmin, member, `{"role":"member"}`, nil}, 200, []string{`"role":"member"`}, nil},
		{"the demoted one is none at once, by its old token", request{"POST", "/api/users", admin, `{"email":"y@acme.example"}`, nil}, 403, nil, nil},

		{"an address that is taken", request{"POST", "/api/users", member, `{"email":"ADMIN@acme.example"}`, nil}, 409, []string{"e-mail address"}, []string{"users_tenant"}},
		{"an address of another tenant is free", request{"POST", "/api/users", member, `{"email":"admin@globex.example"}`, nil}, 201, []string{acme}, nil},
		{"an address that is none", request{"POST", "/api/users", member, `{"email":"nobody"}`, nil}, 422, []string{"with an @"}, []string{"_check", "violates"}},
		{"no address at all", request{"POST", "/api/users", member, `{"name":"N"}`, nil}, 422, []string{"with an @"}, nil},
		{"a role that is none", request{"POST", "/api/users", member, `{"email":"z@acme.example","role":"owner"}`, nil}, 422, []string{"member or admin"}, nil},
		{"settings that are no object", request{"PATCH", "/api/users/" + acmeMember, member, `{"settings":[1]}`, nil}, 422, []string{"JSON object"}, nil},
		{"settings of few bytes and a million digits", request{"PATCH", "/api/users/" + acmeMember, member,
			`{"settings":{"a":[` + strings.Repeat("1e131071,", 7000) + `1]}}`, nil}, 422, []string{"settings"}, nil},
		{"settings that are too deep", request{"PATCH", "/api/users/" + acmeMember, member,
			`{"settings":{"a":` + strings.Repeat("[", 7000) + strings.Repeat("]", 7000) + `}}`, nil}, 422, []string{"settings"}, nil},
		{"settings that are too large", request{"PATCH", "/api/users/" + acmeMember, member,
			`{"settings":{"a":"` + strings.Repeat("a", 20_000) + `"}}`, nil}, 422, []string{"16384 bytes"}, []string{"_check"}},
		{"a NUL in a name", request{"PATCH", "/api/users/" + acmeMember, member, `{"name":"a\u0000b"}`, nil}, 422, []string{"invalid_value"}, nil},
		{"a name that is null", request{"PATCH", "/api/users/" + acmeMember, member, `{"name":null}`, nil}, 400, []string{"may not be null"}, nil},
		{"a name that is a number", request{"PATCH", "/api/users/" + acmeMember, member, `{"name":1}`, nil}, 400, []string{"name may not be a number"}, nil},
		{"a body behind the body", request{"PATCH", "/api/users/" + acmeMember, member, `{"name":"a"}{}`, nil}, 400, []string{"one JSON object"}, nil},
		{"a body that is no JSON", request{"PATCH", "/api/users/" + acmeMember, member, `name=a`, nil}, 400, []string{"one JSON object"}, nil},
		{"a form instead of JSON", request{"PATCH", "/api/users/" + acmeMember, member, `name=a`,
			map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}, 415, []string{"application/json"}, nil},
		{"a body that is too large", request{"PATCH", "/api/users/" + acmeMember, member, `{"name":"` + strings.Repeat("a", 70_000) + `"}`, nil}, 413, []string{"65536 bytes"}, nil},

		{"an admin removes a colleague", request{"DELETE", "/api/users/" + acmeAdmin, member, "", nil}, 204, nil, nil},
		{"the removed one is not there", request{path: "/api/users/" + acmeAdmin, token: member}, 404, nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { s.do(tt.request).check(t, tt.status, tt.contains, tt.lacks) })
	}
}

func TestRemovedUsersTodosGoToo(t *testing.T) {
	s := newServer(t, options{})
	s.do(request{"DELETE", "/api/users/" + acmeMember, s.token(acmeAdmin, acme), "", nil}).check(t, 204, nil, nil)
	var left int
	owner := dbtest.Connect(t, s.database.OwnerURL)
	if err := owner.QueryRow(t.Context(), "select count(*) from todos where user_id = $1", acmeMember).Scan(&left); err != nil {
		t.Fatal(err)
	}
	if left != 0 {
		t.Errorf("%d todos of a removed user are left", left)
	}
}

func TestNewUserHasTheIDThatTheLocationNames(t *testing.T) {
	s := newServer(t, options{})
	admin := s.token(acmeAdmin, acme)
	a := s.do(request{"POST", "/api/users", admin, `{"email":"new@acme.example","role":"admin","settings":{"a":1}}`, nil})
	a.check(t, 201, nil, nil)
	b := s.do(request{path: a.header.Get("Location"), token: admin})
	if diff := cmp.Diff(a.object(t), b.object(t)); diff != "" || b.status != 200 {
		t.Errorf("status %d, what was added and what is there differ:\n%s", b.status, diff)
	}
}

func TestPagesGiveEveryUserOnceInOrder(t *testing.T) {
	s := newServer(t, options{})
	dbtest.Exec(t, s.database.OwnerURL, fmt.Sprintf(
		`insert into users (tenant_id, email) select '%s', 'u' || i || '@acme.example' from generate_series(1, 23) i`, acme))
	member := s.token(acmeMember, acme)
	var seen []string
	path := "/api/users?limit=7"
	for pages := 0; path != ""; pages++ {
		if pages > 10 {
			t.Fatal("the pages do not end")
		}
		o := s.do(request{path: path, token: member}).object(t)
		for _, u := range o["users"].([]any) {
			seen = append(seen, u.(map[string]any)["id"].(string))
		}
		path = ""
		if next, ok := o["next"].(string); ok {
			path = "/api/users?limit=7&after=" + next
		}
	}
	for i := 1; i < len(seen); i++ {
		if seen[i-1] >= seen[i] {
			t.Errorf("%s comes before %s", seen[i-1], seen[i])
		}
	}
	if len(seen) != 25 {
		t.Errorf("%d users on all pages, want 25", len(seen))
	}
}

func TestPagesEndBeforeTheyFillMemory(t *testing.T) {
	s := newServer(t, options{})
	dbtest.Exec(t, s.database.OwnerURL, fmt.Sprintf(`insert into users (tenant_id, email, settings)
		select '%s', 'u' || i || '@acme.example', jsonb_build_object('a', repeat('x', 16000)) from generate_series(1, 300) i`, acme))
	member := s.token(acmeMember, acme)
	seen, pages, path := 0, 0, "/api/users?limit=1000"
	for path != "" && pages < 20 {
		a := s.do(request{path: path, token: member})
		if len(a.body) > 1<<20+1<<15 {
			t.Errorf("a page has %d bytes", len(a.body))
		}
		o := a.object(t)
		seen, pages, path = seen+len(o["users"].([]any)), pages+1, ""
		if next, ok := o["next"].(string); ok {
			path = "/api/users?limit=1000&after=" + next
		}
	}
	if seen != 302 || pages < 4 {
		t.Errorf("%d users on %d pages, want 302 on more than three", seen, pages)
	}
}

func TestPageParametersAreChecked(t *testing.T) {
	s := newServer(t, options{})
	member := s.token(acmeMember, acme)
	for _, query := range []string{"limit=0", "limit=1001", "limit=x", "limit=1&limit=2", "after=x", "after=", "limt=5", "a=%zz"} {
		t.Run(query, func(t *testing.T) {
			s.do(request{path: "/api/users?" + query, token: member}).check(t, 400, []string{"invalid_request"}, nil)
		})
	}
	s.do(request{path: "/api/users?limit=1000&after=" + acmeAdmin, token: member}).check(t, 200, []string{acmeMember}, []string{acmeAdmin})
}
