package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rowpass/db/dbtest"
)

// TestMigrationRunsOverHTTPUnderItsOwnRole is what CI does on Neon: DDL by the driver, as the role of the connection string.
func TestMigrationRunsOverHTTPUnderItsOwnRole(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	dbtest.Exec(t, d.SuperuserURL, "create role migrator_over_http login password 'a password'", "grant create on schema public to migrator_over_http")
	dir := t.TempDir()
	urlFile := filepath.Join(dir, "migrator.url")
	write(t, urlFile, login(d.OwnerURL, "migrator_over_http", "a password"), 0o600)
	config := filepath.Join(dir, "config.yaml")
	write(t, config, `sql:
  enabled: true
  roles:
    - name: migrator_over_http
      url_file: `+urlFile+`
      clients: [client_cli]
      statements: [any]
`, 0o600)
	environ := environment(t, append(external(d), "ROWPASS_CONFIG="+config)...)
	succeed(t, environ, "keys", "generate")
	cli := strings.TrimSpace(succeed(t, environ, "token", "issue", "--user", "member@acme.example"))
	p := serve(t, environ)
	sql := func(role, token, query string) answer {
		t.Helper()
		return askSQL(t, p.api, "postgresql://"+role+"@anything.example/"+d.Name, token, query)
	}
	for _, tt := range []struct {
		name, role, token, query string
		status                   int
		contains                 string
	}{
		{"a table is made", "migrator_over_http", cli, "create table public.notes (v text)", 200, `"command":"CREATE"`},
		{"and its rows protected", "migrator_over_http", cli, "alter table public.notes enable row level security", 200, `"command":"ALTER"`},
		{"callers make none", "authenticated", cli, "create table public.more (v text)", 400, `"code":`},
		{"the role reads no more than it was granted", "migrator_over_http", cli, "select * from public.users", 400, `"42501"`},
		{"a role that is not offered", "rowpass_owner", cli, "select 1", 400, "not offered"},
		{"the role without a token", "migrator_over_http", "", "select 1", 400, "missing authentication credentials"},
		{"anonymous, which is off", "anonymous", "", "select 1", 400, "missing authentication credentials"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if a := sql(tt.role, tt.token, tt.query); a.status != tt.status || !strings.Contains(a.body, tt.contains) {
				t.Errorf("status %d, %s; want %d with %s", a.status, a.body, tt.status, tt.contains)
			}
		})
	}
	if a := askSQL(t, p.api, "postgresql://authenticated@x.example/elsewhere", cli, "select 1"); a.status != 400 || !strings.Contains(a.body, `"3D000"`) {
		t.Errorf("another database: status %d, %s", a.status, a.body)
	}
	if status := p.end(os.Interrupt); status != 0 {
		t.Errorf("serve ended with %d", status)
	}
}

// askSQL sends one query as the driver does.
func askSQL(t *testing.T, address, connection, token, query string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/sql", strings.NewReader(`{"query":"`+query+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Neon-Connection-String", connection)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return do(t, r)
}
