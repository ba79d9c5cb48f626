package identity_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rowpass/identity"
)

func TestSecretsAreTakenOutOfAnEvent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, preset, body, want string }{
		{"a row and the row before", "supabase",
			`{"type":"UPDATE","record":{"id":"u","encrypted_password":"$2a$10$x","n":1.50},"old_record":{"id":"u","recovery_token":"r"}}`,
			`{"type":"UPDATE","record":{"id":"u","n":1.50},"old_record":{"id":"u"}}`},
		{"several in an array", "supabase", `[{"record":{"confirmation_token":"c"}},{"a":[{"recovery_token":{}}]}]`, `[{"record":{}},{"a":[{}]}]`},
		{"a text that holds JSON", "keycloak", `{"representation":"{\"username\":\"ada\",\"credentials\":[{\"value\":\"hunter2\"}]}"}`, `{"representation":"{\"username\":\"ada\"}"}`},
		{"a text in a text", "keycloak", `{"a":"[\"{\\\"\\u0063redentials\\\":1}\"]"}`, `{"a":"[\"{}\"]"}`},
		{"a text that holds no whole JSON", "keycloak", `{"representation":"{\"credentials\":[{\"value\":\"hunt"}`, `{"representation":null}`},
		{"the same name twice", "logto", `{"user":{"passwordEncrypted":"x","passwordEncrypted":"y","id":"u","id":"v"}}`, `{"user":{"id":"v"}}`},
		{"line separators, which must not get longer", "logto", "{\"passwordEncrypted\":1,\"a\":\"\u2028\u2029\",\"b\":\"\\\\u2028\"}", "{\"a\":\"\u2028\u2029\",\"b\":\"\\\\u2028\"}"},
		{"a text that only says so", "keycloak", `{"name":"credentials","note":"{credentials"}`, `{"name":"credentials","note":null}`},
		{"nothing", "keycloak", ` {"b":"{}", "a":1e2} `, ` {"b":"{}", "a":1e2} `},
		{"nothing, by a preset without secrets", "clerk", `{"data":{"credentials":1}, "x":"{"}`, `{"data":{"credentials":1}, "x":"{"}`},
		{"no object", "clerk", `7`, `7`},
		{"no JSON", "clerk", `{"type"`, ``},
		{"no text", "clerk", "\"\xff\"", ``},
		{"two values", "keycloak", `{} {"credentials":1}`, ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := configured(t, c.preset).Redact([]byte(c.body))
			switch {
			case c.want == "":
				if got != nil {
					t.Errorf("got %s", got)
				}
			case c.want == c.body:
				if string(got) != c.body {
					t.Errorf("got %s", got)
				}
			case len(got) > len(c.body):
				t.Errorf("got longer: %s", got)
			default:
				if diff := cmp.Diff(decoded(t, c.want), decoded(t, string(got))); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

// Whatever comes: nothing secret stays, and what is read is what would have been read.
func FuzzRedact(f *testing.F) {
	f.Add([]byte(`{"type":"INSERT","schema":"auth","table":"users","record":{"id":"u","email":"a","encrypted_password":"x"}}`))
	f.Add([]byte(`{"type":"admin.USER-CREATE","resourcePath":"users/u","representation":"{\"credentials\":1,\"email\":\"a\"}"}`))
	f.Add([]byte(`{"event":"User.Created","data":{"id":"\ud800","passwordEncrypted":[]}}`))
	all := []*identity.Source{configured(f, "supabase"), configured(f, "keycloak"), configured(f, "logto")}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, s := range all {
			redacted := s.Redact(body)
			if len(redacted) > len(body) {
				t.Errorf("%s: %q gets longer: %q", s.Name(), body, redacted)
			}
			if again := s.Redact(redacted); string(again) != string(redacted) {
				t.Errorf("%s: %s, and then %s", s.Name(), redacted, again)
			}
			if strings.Contains(string(redacted), `"passwordEncrypted":`) && s.Name() == "logto" {
				t.Errorf("%s stays", redacted)
			}
			before, err := s.Read(body, received)
			if redacted == nil {
				if err == nil {
					t.Errorf("%s: nothing stays of %s", s.Name(), body)
				}
				continue
			}
			after, _ := s.Read(redacted, received)
			before.Profile.Raw, after.Profile.Raw = nil, nil
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("%s: %s\n%s", s.Name(), body, diff)
			}
		}
	})
}
