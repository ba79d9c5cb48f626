package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"rowpass/db/dbtest"
)

// TestAnExistingSchemaIsServedWithoutTheDirectory has a table users of its own, and tokens of a program and of a provider.
func TestAnExistingSchemaIsServedWithoutTheDirectory(t *testing.T) {
	t.Parallel()
	idp := newFakeProvider(t)
	d := dbtest.NewEmpty(t)
	file := t.TempDir() + "/config.yaml"
	write(t, file, "database:\n  directory: false\nsql:\n  enabled: true\nproviders:\n"+idp.block("idp", "")+`clients:
  - {id: client_reports, secret_sha256: 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b, tenant: a0000000-0000-4000-8000-000000000001}
`, 0o600) // "secret"
	environ := environment(t, append(external(d), "ROWPASS_CONFIG="+file)...)
	dbtest.Exec(t, d.OwnerURL, "create table users (id int primary key, owner text not null, name text)",
		"insert into users values (1, 'idp|u7', 'mine'), (2, 'client_reports', 'the program''s'), (3, 'x', 'nobody''s')")
	succeed(t, environ, "migrate", "up")
	succeed(t, environ, "keys", "generate")
	dbtest.Exec(t, d.OwnerURL, "alter table users enable row level security", "grant select on users to authenticated",
		"create policy own on users for select to authenticated using (owner = (select auth.user_id()))")
	p := serve(t, environ)

	rows := func(token string) string {
		t.Helper()
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+p.api+"/sql", strings.NewReader(`{"query":"select name from users order by id","params":[]}`))
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Neon-Connection-String", "postgresql://authenticated@localhost/"+d.Name)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		body, _ := io.ReadAll(resp.Body)
		return string(body)
	}
	resp, err := http.PostForm("http://"+p.api+"/api/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {"client_reports"}, "client_secret": {"secret"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var answer map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%d %v %v", resp.StatusCode, answer, err)
	}
	if got := rows(answer["access_token"].(string)); !strings.Contains(got, "the program's") || strings.Contains(got, "mine") {
		t.Errorf("the program sees %s", got)
	}
	if got := rows(idp.token(nil)); !strings.Contains(got, "mine") || strings.Contains(got, "nobody's") {
		t.Errorf("the provider's user sees %s", got)
	}
	for _, path := range []string{"/api/users", "/api/users/me", "/api/tenants"} {
		if status, body := getText(t, p.api, path); status != 404 {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if _, body := getText(t, p.api, "/.well-known/oauth-authorization-server"); !strings.Contains(body, `"grant_types_supported":["client_credentials"]`) || strings.Contains(body, `"none"`) {
		t.Errorf("discovery says %s", body)
	}
}

func getText(t *testing.T, address, path string) (int, string) {
	t.Helper()
	resp, err := http.Get("http://" + address + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}
