package api_test

import "testing"

func TestWhoSeesAndRenamesWhichTenant(t *testing.T) {
	s := newServer(t, options{})
	admin, member := s.token(acmeAdmin, acme), s.token(acmeMember, acme)
	tests := []struct {
		name     string
		request  request
		status   int
		contains []string
		lacks    []string
	}{
		{"a member sees its tenant", request{path: "/api/tenants", token: member}, 200, []string{`"name":"Acme"`, `"next":null`}, []string{"Globex"}},
		{"a member sees its tenant by id", request{path: "/api/tenants/" + acme, token: member}, 200, []string{`"name":"Acme"`}, nil},
		{"another tenant is not there", request{path: "/api/tenants/" + globex, token: admin}, 404, []string{"not_found"}, []string{"Globex"}},
		{"a member may not rename it", request{"PATCH", "/api/tenants/" + acme, member, `{"name":"X"}`, nil}, 403, []string{"insufficient_scope"}, nil},
		{"an admin renames it", request{"PATCH", "/api/tenants/" + acme, admin, `{"name":"Acme & Söhne"}`, nil}, 200, []string{`"name":"Acme & Söhne"`}, nil},
		{"an admin may not rename another", request{"PATCH", "/api/tenants/" + globex, admin, `{"name":"X"}`, nil}, 404, nil, nil},
		{"a name of no letters", request{"PATCH", "/api/tenants/" + acme, admin, `{"name":""}`, nil}, 422, []string{"1 to 200"}, nil},
		{"no name", request{"PATCH", "/api/tenants/" + acme, admin, `{}`, nil}, 400, []string{"new name"}, nil},
		{"tenants are not added here", request{"POST", "/api/tenants", admin, `{"name":"X"}`, nil}, 405, []string{"method_not_allowed"}, nil},
		{"tenants are not removed here", request{"DELETE", "/api/tenants/" + acme, admin, "", nil}, 405, nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { s.do(tt.request).check(t, tt.status, tt.contains, tt.lacks) })
	}
}
