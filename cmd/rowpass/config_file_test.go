package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const manual = "../../config.yaml"

func TestManualHasEveryKeyWithItsDefault(t *testing.T) {
	text, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	l := newLoader()
	if err := l.readYAML("config.yaml", text); err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, s := range l.keys {
		if l.places[s.key] != "" {
			got = append(got, s.key)
		}
		if s.secret == "" {
			want = append(want, s.key)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-struct +config.yaml:\n%s", diff)
	}
	environ := []string{"HOME=/home/a"}
	tutorial, err := loadConfig(manual, environ, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	defaults, err := loadConfig("", environ, []string{"issuer.demo=true"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(defaults, tutorial, samePrefixes); diff != "" {
		t.Errorf("-default +config.yaml:\n%s", diff)
	}
}

func TestManualsExampleOfClientsIsValid(t *testing.T) {
	text, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	_, example, ok := strings.Cut(string(text), "# clients:\n")
	if !ok {
		t.Fatal("there is no example")
	}
	example, _, _ = strings.Cut(example, "\nclients: []")
	c, err := load(t, given{file: "clients:\n" + strings.ReplaceAll("\n"+example, "\n# ", "\n")})
	if err != nil || len(c.Clients) != 1 || c.Clients[0].TokenTTL == 0 {
		t.Errorf("%+v, %v", c.Clients, err)
	}
}

func TestManualsExampleOfProvidersIsValid(t *testing.T) {
	text, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	_, example, ok := strings.Cut(string(text), "# providers:\n")
	if !ok {
		t.Fatal("there is no example")
	}
	example, _, _ = strings.Cut(example, "\nproviders: []")
	c, err := load(t, given{file: "providers:\n" + strings.ReplaceAll("\n"+example, "\n# ", "\n")})
	if err != nil || len(c.Providers) != 1 || len(c.Providers[0].TenantClaim) != 2 {
		t.Errorf("%+v, %v", c.Providers, err)
	}
}

func TestFileIsReadStrictly(t *testing.T) {
	const client = "config.yaml:2: clients[0]"
	for _, tt := range []struct {
		name, file, want string
	}{
		{"a key given twice", "listen: :80\nlog: {}\nlisten: :81", "config.yaml:3: listen: given twice, in line 1 first: remove one"},
		{"an unknown key given twice", "foo: 1\nfoo: 2", "config.yaml:1: foo: no such key; allowed here: admin, audit, clients, database, embedded, issuer, keys, limits, listen, log, " +
			"providers, public_url, shutdown_timeout, sql, state_dir, sync, tls, trusted_proxies\nconfig.yaml:2: foo: given twice, in line 1 first: remove one"},
		{"a key without value", "listen:", `config.yaml:1: listen: no value is given: write "" for none, or remove the line for the default`},
		{"a list for a value", "log:\n  level: [info]", "config.yaml:2: log.level: one value is needed here, no list and no section"},
		{"a value for a list", "trusted_proxies: 10.0.0.1", "config.yaml:1: trusted_proxies: a list is needed: a line for each, with - before it, or [] for none"},
		{"a section in a list", "trusted_proxies:\n- 10.0.0.1\n- a: b", "config.yaml:3: trusted_proxies: one value is needed here, no list and no section"},
		{"a value for a section", "tls:\n  cert.pem", "config.yaml:2: tls: a section: its keys belong below it, indented: cert_file, key_file"},
		{"a value for the file", "listen", "config.yaml:1: keys with values are needed, such as listen: 127.0.0.1:8080"},
		{"a key that is a list", "log:\n  [a]: b", "config.yaml:2: a key has to be a plain word; allowed here: format, level"},
		{"a tag", "issuer: {audience: !x y}", "config.yaml:1: issuer.audience: a value that begins with ! has to be in quotes"},
		{"an anchor that isn't there", "log: {}\nlisten: *x", "config.yaml:2: a value that begins with * has to be in quotes"},
		{"a second document", "log: {}\n---\nlog: {}", "config.yaml:2: a second document begins here: put all into one"},
		{"a second document that is none", "log: {}\n---\n{", "config.yaml:3: no valid YAML: did not find expected node content"},
		{"no YAML", "log:\n  level: @", "config.yaml:2: no valid YAML: found character that cannot start any token"},
		{"a tab", "log:\n\tlevel: info", "config.yaml:2: a tab stands here; YAML wants spaces before a key"},

		{"a client that is a word", "clients:\n- foo", client + ": a section: its keys belong below it, indented: act_for, audiences, id, scopes, secret_sha256, tenant, token_ttl"},
		{"a client without ID", "clients:\n- secret_sha256: " + zeros, client + `.id: "": client_ and letters, digits, _ or - are needed, such as client_reports`},
		{"a client with another's ID", "clients:\n- {id: app, secret_sha256: " + zeros + "}",
			client + `.id: "app": client_ and letters, digits, _ or - are needed, such as client_reports`},
		{"a client without secret", "clients:\n- id: client_a", client + `.secret_sha256: 64 hex digits are needed, as printf %s "$SECRET" | sha256sum prints them`},
		{"a client with a misspelt key", "clients:\n- {id: client_a, secret_sha256: " + zeros + ", tennant: x}",
			client + ".tennant: no such key; did you mean clients[0].tenant?"},
		{"a client with a key of its own", "clients:\n- {id: client_a, secret_sha256: " + zeros + ", colour: x}",
			client + ".colour: no such key; allowed here: act_for, audiences, id, scopes, secret_sha256, tenant, token_ttl"},
		{"a client of no tenant", "clients:\n- {id: client_a, secret_sha256: " + zeros + ", tenant: acme}",
			client + `.tenant: "acme": a UUID is needed, such as 11111111-2222-4333-8444-555555555555`},
		{"a client with scopes in one word", "clients:\n- {id: client_a, secret_sha256: " + zeros + ", scopes: [a b]}",
			client + `.scopes: "a b": no scope: printable ASCII without space, " and \ is needed, such as users.read`},
		{"a client with long tokens", "clients:\n- {id: client_a, secret_sha256: " + zeros + ", token_ttl: 48h}",
			client + `.token_ttl: "48h" is too much; allowed 1m to 24h`},
		{"two clients with one ID", "clients:\n- {id: client_a, secret_sha256: " + zeros + "}\n- {id: client_a, secret_sha256: " + zeros + "}",
			`config.yaml:3: clients[1].id: "client_a": given twice, in config.yaml:2 first: each client needs its own`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if c, err := load(t, given{file: tt.file}); err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s\n%+v", err, tt.want, c)
			}
		})
	}
}

func TestWhichFileIsRead(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "config.yaml", "listen: :1", 0o600)
	write(t, "variable.yaml", "listen: :2", 0o600)
	write(t, "flag.yaml", "listen: :3", 0o600)
	for _, tt := range []struct {
		name, file, variable, want string
	}{
		{"the working directory's", "", "", ":1"},
		{"the environment's", "", "variable.yaml", ":2"},
		{"the flag's", "flag.yaml", "variable.yaml", ":3"},
		{"one that isn't there", "none.yaml", "", "reading configuration: none.yaml: no such file or directory"},
		{"one of the environment that isn't there", "", "none.yaml", "reading configuration: none.yaml: no such file or directory"},
		{"a folder", ".", "", "reading configuration: .: is a directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := loadConfig(tt.file, []string{"ROWPASS_STATE_DIR=/state", "ROWPASS_CONFIG=" + tt.variable}, nil)
			got := c.Listen
			if err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// FuzzConfigFile: whatever a file holds, there is a configuration or an error, and each line of the error begins with a place.
func FuzzConfigFile(f *testing.F) {
	text, err := os.ReadFile(manual)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	for _, seed := range []string{"", "a", "- a", "? [a]: b", "a: &a [*a]", "clients: &a [*a]", "<<: {listen: x}", "clients: [{<<: *x}]", "\xff", "\ufeff",
		"listen: !!binary x", "database: {url: 'postgres://'}", "clients: [[], {}, ~, {id: }]", "%YAML 1.1\n---\n", "listen: |\n  x", "log: *x\nx: &x {level: info}"} {
		f.Add([]byte(seed))
	}
	name := filepath.Join(f.TempDir(), "config.yaml")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := loadConfig(name, []string{"HOME=/home/a"}, nil)
		if err == nil {
			return
		}
		lines := strings.Split(err.Error(), "\n")
		if slices.ContainsFunc(lines, func(line string) bool { return !strings.Contains(line, ": ") }) {
			t.Errorf("a problem without its place: %q", err)
		}
	})
}
