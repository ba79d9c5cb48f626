package api_test

import (
	"log/slog"
	"net/http/httptest"
	"testing"

	"rowpass/api"
	"rowpass/db"
	"rowpass/keys"
)

// TestEveryRouteWorksInEveryExecMode is for those behind a pooler, whose statements have no names.
func TestEveryRouteWorksInEveryExecMode(t *testing.T) {
	for _, mode := range []string{"cache_statement", "cache_describe", "exec"} {
		t.Run(mode, func(t *testing.T) {
			s := newServer(t, options{mode: mode})
			admin, member := s.token(acmeAdmin, acme), s.token(acmeMember, acme)
			for _, tt := range []struct {
				request request
				status  int
			}{
				{request{path: "/api/token"}, 200},
				{request{path: "/api/token?user=admin@acme.example&tenant=" + acme}, 200},
				{request{path: "/api/users", token: member}, 200},
				{request{path: "/api/users?limit=1&after=" + acmeAdmin, token: member}, 200},
				{request{path: "/api/users/me", token: member}, 200},
				{request{path: "/api/users/" + acmeAdmin, token: member}, 200},
				{request{"POST", "/api/users", admin, `{"email":"n@acme.example","settings":{"a":1}}`, nil}, 201},
				{request{"PATCH", "/api/users/" + acmeMember, member, `{"name":"X"}`, nil}, 200},
				{request{"PATCH", "/api/users/" + acmeMember, member, `{"settings":{"a":[1]}}`, nil}, 200},
				{request{"PATCH", "/api/users/" + acmeAdmin, member, `{"name":"X"}`, nil}, 403},
				{request{"DELETE", "/api/users/" + acmeMember, admin, "", nil}, 204},
				{request{path: "/api/tenants", token: admin}, 200},
				{request{path: "/api/tenants/" + acme, token: admin}, 200},
				{request{"PATCH", "/api/tenants/" + acme, admin, `{"name":"X"}`, nil}, 200},
			} {
				t.Run(tt.request.method+tt.request.path, func(t *testing.T) {
					for range 2 { // the second finds what the first has prepared
						if a := s.do(tt.request); a.status != tt.status && a.status != 404 && a.status != 409 {
							t.Errorf("status %d, want %d: %s", a.status, tt.status, a.body)
						}
					}
				})
			}
		})
	}
}

func TestVoidSealKeyIsToldWithItsCure(t *testing.T) {
	s := newServer(t, options{})
	key := must(db.SealKey(t.Context(), s.database.OwnerURL))(t)
	if err := db.RotateSealKey(t.Context(), s.database.OwnerURL, true); err != nil {
		t.Fatal(err)
	}
	s.do(request{path: "/api/users", token: s.token(acmeMember, acme)}).check(t, 200, nil, nil) // the owner's login follows
	void := newServer(t, options{database: &s.database, sealKey: key})
	void.do(request{path: "/api/users", token: void.token(acmeMember, acme)}).check(t, 503, []string{"seal_refused"}, []string{acmeMember})
	admin := httptest.NewServer(api.NewAdmin(api.AdminConfig{
		DB: void.db, State: void.state, Ring: func() keys.Ring { return void.ring }, Metrics: void.metrics, Log: slog.New(slog.DiscardHandler), Finding: noFinding, Following: noFinding, Draining: func() bool { return false },
	}))
	defer admin.Close()
	void.URL = admin.URL
	void.do(request{path: "/readyz"}).check(t, 503, []string{`"seal":"the database does not accept`, "rowpass seal export", `"database":"ok"`}, nil)
}
