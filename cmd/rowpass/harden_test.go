package main

import (
	"strings"
	"testing"

	"rowpass/db/dbtest"
)

func TestHardenIsASecondWallAndNothingElseNoticesIt(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	asSuperuser := environment(t, append(external(d), "ROWPASS_DATABASE_URL="+d.SuperuserURL)...)
	if e := rowpass(t, environment(t, external(d)...), "migrate", "harden"); e.status != 0 || !strings.Contains(e.stdout, "not permitted") ||
		!strings.Contains(e.stderr, "needs a superuser: ROWPASS_DATABASE_URL=") {
		t.Errorf("as an owner who is no superuser: status %d, %s%s", e.status, e.stdout, e.stderr)
	}
	first := succeed(t, asSuperuser, "migrate", "harden")
	for _, right := range []string{"set_config(text,text,boolean)", "pg_advisory_lock(bigint)", "lo_create(oid)", "ts_stat(text)", "update on pg_settings"} {
		if !strings.Contains(first, right) {
			t.Errorf("%s was not revoked:\n%s", right, first)
		}
	}
	if again := succeed(t, asSuperuser, "migrate", "harden"); strings.TrimSpace(again) != "nothing to do" {
		t.Errorf("the second time: %s", again)
	}
	gateway := dbtest.Connect(t, d.GatewayURL)
	for _, statement := range []string{
		"set role authenticated; select set_config('role', 'none', true)", "select pg_advisory_lock(1)", "select lo_create(0)",
		"select ts_stat('select 1')", "update pg_settings set setting = 'off' where name = 'row_security'",
	} {
		if _, err := gateway.PgConn().Exec(t.Context(), statement).ReadAll(); err == nil || !strings.Contains(err.Error(), "42501") {
			t.Errorf("%s: %v, want 42501", statement, err)
		}
		_, _ = gateway.Exec(t.Context(), "reset role")
	}
	environ := environment(t, external(d)...)
	succeed(t, environ, "keys", "generate")
	token := strings.TrimSpace(succeed(t, environ, "token", "issue", "--user", "member@acme.example"))
	p := serve(t, environ)
	if a := ask(t, "GET", p.api+"/api/users", token, ""); a.status != 200 || !strings.Contains(a.body, "admin@acme.example") {
		t.Errorf("after hardening a request gets %d, %s", a.status, a.body)
	}
}
