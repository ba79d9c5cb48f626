package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// given is what a configuration is loaded from: config.yaml in the working directory ("" for none), the environment and --set,
// each separated by spaces.
type given struct{ file, environ, set string }

// load runs in a folder of its own. Without state_dir it is /state, so that results don't depend on who runs the test.
func load(t *testing.T, g given) (Config, error) {
	t.Helper()
	t.Chdir(t.TempDir())
	if g.file != "" {
		write(t, "config.yaml", g.file, 0o600)
	}
	return loadConfig("", append([]string{"ROWPASS_STATE_DIR=/state"}, strings.Fields(g.environ)...), strings.Fields(g.set))
}

func write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
}

var samePrefixes = cmpopts.EquateComparable(netip.Prefix{})

const (
	owner   = "postgres://owner:pw@db/app"
	gateway = "postgres://rowpass_gateway:pw@db/app"
	state   = "postgres://rowpass_service:pw@db/app"
	zeros   = "0000000000000000000000000000000000000000000000000000000000000000"
)

func TestWhatIsGivenIsWhatHolds(t *testing.T) {
	for _, tt := range []struct {
		name  string
		given given
		want  func(*Config)
	}{
		{"nothing", given{}, func(*Config) {}},
		{"an empty file", given{file: "\n"}, func(*Config) {}},
		{"a file of comments", given{file: "# listen: :1\n"}, func(*Config) {}},
		{"a file of nothing", given{file: "~"}, func(*Config) {}},
		{"a section whose keys are comments", given{file: "tls:\n  # cert_file: x\nclients:\n"}, func(*Config) {}},
		{"the file over the default", given{file: "log: {level: warn}"}, func(c *Config) { c.Log.Level = "warn" }},
		{"the environment over the file", given{file: "log: {level: warn, format: text}", environ: "ROWPASS_LOG_LEVEL=error"},
			func(c *Config) { c.Log = LogConfig{"error", "text"} }},
		{"--set over the environment", given{file: "log: {level: warn}", environ: "ROWPASS_LOG_LEVEL=error", set: "log.level=debug"},
			func(c *Config) { c.Log.Level = "debug" }},
		{"the last --set", given{set: "log.level=warn log.level=error"}, func(c *Config) { c.Log.Level = "error" }},
		{"an empty variable is a value", given{environ: "ROWPASS_ADMIN_LISTEN="}, func(c *Config) { c.Admin.Listen = "" }},
		{"a --set with = in its value", given{set: "issuer.audience=a=b"}, func(c *Config) { c.Issuer.Audience = "a=b" }},
		{"other people's variables", given{environ: "ROWPASS_TEST_PG=1 ROWPASSWORD=x PGSSLMODE=disable"}, func(*Config) {}},
		{"lists in the file", given{file: "trusted_proxies: [10.0.0.7, 10.1.2.3/16, '::1']"}, func(c *Config) {
			c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.7/32"), netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("::1/128")}
		}},
		{"lists in the environment", given{environ: "ROWPASS_DATABASE_UNPROTECTED=public.a,public.b,"},
			func(c *Config) { c.Database.Unprotected = []string{"public.a", "public.b"} }},
		{"an empty list over the file's", given{file: "trusted_proxies: [10.0.0.7]", environ: "ROWPASS_TRUSTED_PROXIES="}, func(*Config) {}},
		{"numbers, durations and booleans", given{set: "database.max_conns=7 shutdown_timeout=1m30s database.migrate_on_start=false"}, func(c *Config) {
			c.Database.MaxConns, c.ShutdownTimeout, c.Database.MigrateOnStart = 7, 90*time.Second, false
		}},
		{"the ends of a range", given{set: "issuer.token_ttl=24h database.statement_timeout=1ms"}, func(c *Config) {
			c.Issuer.TokenTTL, c.Database.StatementTimeout = 24*time.Hour, time.Millisecond
		}},
		{"digits stay the text that they are", given{file: "issuer: {audience: 0123}"}, func(c *Config) { c.Issuer.Audience = "0123" }},
		{"an alias is what it stands for", given{file: "issuer: {audience: &a x}\nembedded: {os_user: *a}"}, func(c *Config) {
			c.Issuer.Audience, c.Embedded.OSUser = "x", "x"
		}},
		{"both logins", given{set: "database.url=" + owner + " database.gateway_url=" + gateway},
			func(c *Config) { c.Database.URL, c.Database.GatewayURL = owner, gateway }},
		{"functions beside a foreign schema auth", given{set: "database.directory=false database.auth_schema=rowpass_auth"},
			func(c *Config) { c.Database.Directory, c.Database.AuthSchema = false, "rowpass_auth" }},
		{"an instance without the owner's login", given{set: "database.gateway_url=" + gateway + " database.service_url=" + state + " database.seal_key=k"},
			func(c *Config) {
				c.Database.GatewayURL, c.Database.ServiceURL, c.Database.SealKey = gateway, state, "k"
			}},
		{"demo on loopback", given{set: "issuer.demo=true listen=[::1]:80"}, func(c *Config) { c.Issuer.Demo, c.Listen = true, "[::1]:80" }},
		{"demo for the whole network", given{set: "issuer.demo=true issuer.demo_tokens_for_whole_network=true listen=:80"}, func(c *Config) {
			c.Issuer.Demo, c.Issuer.DemoTokensForWholeNetwork, c.Listen = true, true, ":80"
		}},
		{"demo on this machine's name", given{set: "issuer.demo=true listen=localhost:80"}, func(c *Config) { c.Issuer.Demo, c.Listen = true, "localhost:80" }},
		{"any free ports", given{set: "listen=127.0.0.1:0 admin.listen=127.0.0.1:0"}, func(c *Config) { c.Listen, c.Admin.Listen = "127.0.0.1:0", "127.0.0.1:0" }},
		{"an issuer with a path", given{set: "public_url=https://example.com/rowpass"}, func(c *Config) { c.PublicURL = "https://example.com/rowpass" }},
		{"a client with everything", given{file: "clients:\n- id: client_a-1\n  secret_sha256: " + strings.Repeat("AB", 32) +
			"\n  tenant: 11111111-2222-4333-8444-55555555555F\n  scopes: [users.read, a:b]\n  act_for: tenant\n  audiences: [rowpass, billing]\n  token_ttl: 5m"}, func(c *Config) {
			c.Clients = []ClientConfig{{
				ID: "client_a-1", SecretSHA256: strings.Repeat("ab", 32), Tenant: "11111111-2222-4333-8444-55555555555f",
				Scopes: []string{"users.read", "a:b"}, ActFor: "tenant", Audiences: []string{"rowpass", "billing"}, TokenTTL: 5 * time.Minute,
			}}
		}},
		{"keys in the database", given{set: "keys.store=postgres keys.wrapping_secret=" + zeros + " keys.rotate_every=720h"}, func(c *Config) {
			c.Keys.Store, c.Keys.WrappingSecret, c.Keys.RotateEvery = "postgres", Secret(zeros), 720*time.Hour
		}},
		{"a client with the least", given{file: "clients: [{id: client_a, secret_sha256: " + zeros + "}]"},
			func(c *Config) { c.Clients = []ClientConfig{{ID: "client_a", SecretSHA256: zeros}} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := load(t, tt.given)
			if err != nil {
				t.Fatal(err)
			}
			want := defaultConfig()
			want.StateDir, want.Keys.Dir = "/state", "/state/keys"
			tt.want(&want)
			if diff := cmp.Diff(want, got, samePrefixes); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestWhatIsWrongIsSaidInOneLine(t *testing.T) {
	const noURL = "no database URL: postgres://user:password@host:5432/database is needed, " +
		"with special characters of the password as %40 for @, %2F for /, %25 for %"
	for _, tt := range []struct {
		name  string
		given given
		want  string
	}{
		{"a duration without unit", given{file: "issuer:\n  token_ttl: 5"},
			`config.yaml:2: issuer.token_ttl: "5": a duration with its unit is needed, such as 15m; allowed 1m to 24h`},
		{"a duration without unit in a variable", given{environ: "ROWPASS_SHUTDOWN_TIMEOUT=5"},
			`ROWPASS_SHUTDOWN_TIMEOUT: shutdown_timeout: "5": a duration with its unit is needed, such as 15m; allowed 1ms and more`},
		{"too short a duration", given{set: "issuer.token_ttl=59s"}, `--set: issuer.token_ttl: "59s" is too little; allowed 1m to 24h`},
		{"too long a duration", given{set: "issuer.token_ttl=25h"}, `--set: issuer.token_ttl: "25h" is too much; allowed 1m to 24h`},
		{"no time at all", given{set: "shutdown_timeout=0"}, `--set: shutdown_timeout: "0" is too little; allowed 1ms and more`},
		{"a negative duration", given{set: "database.statement_timeout=-5s"}, `--set: database.statement_timeout: "-5s" is too little; allowed 1ms to 24h`},
		{"no number", given{set: "database.max_conns=many"}, `--set: database.max_conns: "many": a whole number is needed; allowed 0 to 10000`},
		{"a negative number", given{set: "database.max_conns=-1"}, `--set: database.max_conns: "-1" is too little; allowed 0 to 10000`},
		{"another word for true", given{file: "issuer: {demo: yes}"}, `config.yaml:1: issuer.demo: "yes": true or false is needed`},
		{"none of the words", given{set: "log.level=verbose"}, `--set: log.level: "verbose": allowed are debug, info, warn, error`},
		{"a mode that is unsafe", given{set: "database.query_exec_mode=simple_protocol"},
			`--set: database.query_exec_mode: "simple_protocol": allowed are cache_statement, cache_describe, exec`},
		{"no address", given{set: "listen=8080"}, `--set: listen: "8080": host:port is needed, such as 127.0.0.1:8080`},
		{"a port that isn't", given{set: "admin.listen=:65536"}, `--set: admin.listen: ":65536": host:port is needed, such as 127.0.0.1:8080`},
		{"an address with a user", given{set: "listen=a@localhost:80"}, `--set: listen: "a@localhost:80": host:port is needed, such as 127.0.0.1:8080`},
		{"demo at no address", given{set: "issuer.demo=true listen=8080"}, `--set: listen: "8080": host:port is needed, such as 127.0.0.1:8080`},
		{"a key, and a certificate without value", given{file: "tls:\n  cert_file:\n  key_file: a.pem"},
			`config.yaml:2: tls.cert_file: no value is given: write "" for none, or remove the line for the default`},
		{"two values in two places", given{file: "log: {level: loud}", set: "log.level=louder"},
			"config.yaml:1: log.level: \"loud\": allowed are debug, info, warn, error\n--set: log.level: \"louder\": allowed are debug, info, warn, error"},
		{"two relations in one place", given{set: "database.unprotected=a,b"},
			`--set: database.unprotected: "a": schema.relation is needed, such as public.countries`},
		{"no address to serve at", given{set: "listen="}, `--set: listen: "": host:port is needed, such as 127.0.0.1:8080`},
		{"the same address twice", given{set: "listen=127.0.0.1:8081"}, `admin.listen: "127.0.0.1:8081": listen has the same; another port is needed`},
		{"no proxy", given{file: "trusted_proxies:\n- 10.0.0.1\n- nginx"},
			`config.yaml:3: trusted_proxies: "nginx": an address or a network is needed, such as 10.0.0.7 or 10.0.0.0/8`},
		{"IPv4 in IPv6", given{set: "trusted_proxies=::ffff:10.0.0.1"},
			`--set: trusted_proxies: "::ffff:10.0.0.1": an address or a network is needed, such as 10.0.0.7 or 10.0.0.0/8`},
		{"no relation", given{set: "database.unprotected=countries"},
			`--set: database.unprotected: "countries": schema.relation is needed, such as public.countries`},
		{"a schema beside which there is no directory", given{set: "database.auth_schema=rowpass_auth"},
			"--set: database.auth_schema: the tables of the directory name schema auth: set database.directory: false beside it, or leave it out"},
		{"a schema that needs quotes", given{set: "database.directory=false database.auth_schema=Row-Auth"},
			`--set: database.auth_schema: "Row-Auth": a schema's name of lower-case letters, digits and _ is needed, such as rowpass_auth, not beginning with pg_`},
		{"a schema of PostgreSQL's", given{set: "database.directory=false database.auth_schema=pg_auth"},
			`--set: database.auth_schema: "pg_auth": a schema's name of lower-case letters, digits and _ is needed, such as rowpass_auth, not beginning with pg_`},
		{"a schema that is there for something else", given{set: "database.directory=false database.auth_schema=public"},
			`--set: database.auth_schema: "public": that schema is there for something else; name one of its own, such as rowpass_auth`},
		{"no schema", given{set: "database.directory=false database.auth_schema="},
			`--set: database.auth_schema: "": a schema's name of lower-case letters, digits and _ is needed, such as rowpass_auth, not beginning with pg_`},
		{"no audience", given{set: "issuer.audience="}, `--set: issuer.audience: "": a name is needed, such as rowpass`},
		{"a certificate without key", given{set: "tls.cert_file=a.pem"}, `--set: tls.cert_file: tls.key_file is missing: HTTPS needs both, HTTP neither`},
		{"a key without certificate", given{set: "tls.key_file=a.pem"}, `--set: tls.key_file: tls.cert_file is missing: HTTPS needs both, HTTP neither`},
		{"the shell's sign for home", given{set: "keys.dir=~/keys"}, `--set: keys.dir: "~/keys": ~ means nothing here: write the whole path`},
		{"demo for the network", given{file: "listen: :80\nissuer:\n  demo: true"}, "config.yaml:3: issuer.demo: listen is :80, and whoever reaches " +
			"that could be any user: listen on 127.0.0.1, or set issuer.demo_tokens_for_whole_network: true"},

		{"the owner's login alone", given{environ: "ROWPASS_DATABASE_URL=" + owner},
			"ROWPASS_DATABASE_URL: database.url: database.gateway_url is missing: the owner sees all rows, and requests need a login that doesn't; " +
				"give postgres://rowpass_gateway:password@host/database, and rowpass migrate makes that login"},
		{"the gateway's login alone", given{set: "database.gateway_url=" + gateway},
			"--set: database.gateway_url: it needs the key of the seal: set database.seal_key, which rowpass seal export prints, or database.url, as whose owner rowpass reads it at the start"},
		{"no login for rowpass's own state", given{set: "database.gateway_url=" + gateway + " database.seal_key=k"},
			"--set: database.gateway_url: database.service_url is missing: without the owner's login rowpass needs one for its own state"},
		{"a kind of statement that is none", given{set: "sql.statements=select,grant"},
			`--set: sql.statements: "grant": allowed are [select insert update delete merge values explain]`},
		{"a function with its schema", given{set: "sql.functions=public.similarity"},
			`--set: sql.functions: "public.similarity": a function's name is needed, in lower case and without its schema, such as similarity`},
		{"an origin with a path", given{set: "sql.allowed_origins=https://app.example.com/x"},
			`--set: sql.allowed_origins: "https://app.example.com/x": an origin is needed, without a path, such as https://app.example.com`},
		{"every origin", given{set: "sql.allowed_origins=*"},
			`--set: sql.allowed_origins: "*": an origin is needed, without a path, such as https://app.example.com`},
		{"a role without clients", given{file: "sql:\n  roles:\n  - name: migrator\n    url_file: /run/u"},
			"config.yaml:3: sql.roles[0].clients: at least one client is needed, whose tokens may take the role"},
		{"a role for a client that is none", given{file: "sql:\n  roles:\n  - {name: migrator, url_file: /run/u, clients: [client_x]}"},
			`config.yaml:3: sql.roles[0].clients: "client_x": no such client in clients`},
		{"a role that is there already", given{file: "sql:\n  roles:\n  - {name: authenticated, url_file: /run/u, clients: [client_cli]}"},
			`config.yaml:3: sql.roles[0].name: "authenticated": the name of a further role is needed, such as migrator`},
		{"a role with an unknown kind", given{file: "sql:\n  roles:\n  - {name: m, url_file: /run/u, clients: [client_cli], statements: [all]}"},
			`config.yaml:3: sql.roles[0].statements: "all": allowed are [select insert update delete merge values explain any]`},
		{"a role whose URL's file is nowhere", given{file: "sql:\n  roles:\n  - {name: m, clients: [client_cli]}"},
			"config.yaml:3: sql.roles[0].url_file: the whole path of a file with the role's database URL is needed"},
		{"requests as the owner", given{set: "database.url=" + owner + " database.gateway_url=postgresql://owner@other/app"},
			"--set: database.gateway_url: its user is that of database.url, whom no policy holds: give requests a login of their own"},
		{"requests as the service", given{set: "database.url=" + owner + " database.gateway_url=" + gateway + " database.service_url=" + gateway},
			"--set: database.gateway_url: its user is that of database.service_url, whose rights are not for callers: give requests a login of their own"},
		{"the service's login alone", given{set: "database.service_url=" + owner},
			"--set: database.service_url: database.url and database.gateway_url are missing: without them rowpass runs a PostgreSQL of its own"},
		{"a seal's key alone", given{set: "database.seal_key=k"},
			"--set: database.seal_key: database.gateway_url is missing: without it rowpass runs a PostgreSQL of its own, and makes its key"},
		{"no database URL", given{set: "database.url=postgres://o:hunter2@h:x/app database.gateway_url=" + gateway}, "--set: database.url: " + noURL},
		{"a password with @ and / in it", given{set: "database.url=postgres://o:p@w/d@h/app database.gateway_url=" + gateway}, "--set: database.url: " + noURL},
		{"a password with a slash", given{set: "database.url=postgres://o:hunter2/x@h/app database.gateway_url=" + gateway}, "--set: database.url: " + noURL},
		{"an owner's login that can't be read", given{set: "database.url_file=/none database.gateway_url=" + gateway},
			"--set: database.url_file: no such file or directory"},
		{"a gateway's login that can't be read", given{set: "database.gateway_url_file=/none database.url=" + owner},
			"--set: database.gateway_url_file: no such file or directory"},
		{"a certificate that isn't there", given{set: "database.url=" + owner + "?sslmode=verify-full&sslrootcert=/none database.gateway_url=" + gateway},
			"--set: database.url: a file that it names (sslrootcert, sslcert, sslkey, servicefile) can't be read"},

		{"keys in the database, unwrapped", given{set: "keys.store=postgres"},
			"--set: keys.store: keys.wrapping_secret is missing: without it every dump of the database would hold the keys. Give the secret that the ring is wrapped with; " +
				"for a new ring make one: (umask 077; openssl rand -hex 32 > wrapping-secret), and name it in keys.wrapping_secret_file"},
		{"a wrapping secret that is a word", given{set: "keys.wrapping_secret=correct-horse"},
			"--set: keys.wrapping_secret: 64 hex digits are needed, as openssl rand -hex 32 prints them"},
		{"a rotation faster than caches", given{set: "keys.rotate_every=10m"},
			"--set: keys.rotate_every: a new key is published for 10m0s before it signs, twice keys.jwks_max_age: give more than that"},
		{"a client that acts for users of no tenant", given{file: "clients: [{id: client_a, secret_sha256: " + zeros + ", act_for: tenant}]"},
			"config.yaml:1: clients[0].act_for: tenant is missing: whose users? Give it, or everyone for those of all tenants"},
		{"a client that acts for nobody known", given{file: "clients: [{id: client_a, secret_sha256: " + zeros + ", act_for: all}]"},
			`config.yaml:1: clients[0].act_for: "all": allowed are none, tenant, everyone`},
		{"a client for nobody", given{file: "clients: [{id: client_a, secret_sha256: " + zeros + ", audiences: [\"\"]}]"},
			`config.yaml:1: clients[0].audiences: "": a name is needed, such as rowpass`},
		{"a client named as rowpass names itself", given{file: "clients: [{id: client_login, secret_sha256: " + zeros + "}]"},
			`config.yaml:1: clients[0].id: "client_login": rowpass itself is known by this one: give another`},

		{"a provider without a name", given{file: "providers: [{preset: workos, jwks_url: https://api.workos.com/sso/jwks/client_01ABCDEF}]"},
			`config.yaml:1: providers[0].name: "": letters, digits, - and _ are needed, such as clerk`},
		{"a provider of no make", given{file: "providers: [{name: a, preset: myspace}]"},
			`config.yaml:1: providers[0].preset: "myspace": no such preset; rowpass providers presets lists them`},
		{"a provider whose users are the owner", given{file: "providers: [{name: a, preset: workos, jwks_url: https://api.workos.com/sso/jwks/client_01ABCDEF, role: postgres}]"},
			`config.yaml:1: providers[0].role: "postgres": allowed are authenticated, anonymous`},
		{"a rule that is none", given{file: "providers: [{name: a, preset: workos, jwks_url: https://api.workos.com/sso/jwks/client_01ABCDEF, refused: [sts]}]"},
			`config.yaml:1: providers[0].refused: "sts": claim=value is needed, such as token_use=id`},
		{"two providers of one name", given{file: "providers:\n- {name: a, preset: workos, jwks_url: https://api.workos.com/sso/jwks/client_01ABCDEF}\n" +
			"- {name: a, preset: clerk, jwks_url: https://sacred-mule-12.clerk.accounts.dev/.well-known/jwks.json}"},
			`config.yaml:3: providers[1].name: "a": given twice, in config.yaml:2 first: each provider needs its own`},
		{"a provider that is ourselves", given{file: "providers: [{name: a, jwks_url: https://x.example/jwks, issuers: [http://localhost:8080], audience: [x]}]"},
			`config.yaml:1: providers[0].issuers: "http://localhost:8080" belongs to public_url, our own: a token is bound to one provider by its issuer`},

		{"a misspelt key", given{file: "issuer:\n  tokn_ttl: 5m"}, "config.yaml:2: issuer.tokn_ttl: no such key; did you mean issuer.token_ttl?"},
		{"a misspelt section", given{file: "databse:\n  url: x"}, "config.yaml:1: databse: no such key; did you mean database?"},
		{"a key outside its section", given{file: "token_ttl: 5m"}, "config.yaml:1: token_ttl: no such key; did you mean issuer.token_ttl?"},
		{"a key in capitals", given{file: "Listen: :80"}, "config.yaml:1: Listen: no such key; did you mean listen?"},
		{"a key like no other", given{file: "log:\n  colour: red"}, "config.yaml:2: log.colour: no such key; allowed here: format, level"},
		{"a key with dots", given{file: "log.level: info"}, "config.yaml:1: log.level: sections are nested: write log: and, indented below it, level:"},
		{"a misspelt --set", given{set: "admn.listen=:1"}, "--set: admn.listen: no such key; did you mean admin.listen?"},
		{"a --set of a section", given{set: "log=info"}, "--set: log is a section: name one of its keys, such as log.level"},
		{"a --set without value", given{set: "listen"}, "--set: listen: key=value is needed"},
		{"a misspelt variable", given{environ: "ROWPASS_DATABASE_GATEWAYURL=x"},
			"ROWPASS_DATABASE_GATEWAYURL: no such key; did you mean ROWPASS_DATABASE_GATEWAY_URL?"},
		{"a variable without its section", given{environ: "ROWPASS_TOKEN_TTL=5m"}, "ROWPASS_TOKEN_TTL: no such key; did you mean ROWPASS_ISSUER_TOKEN_TTL?"},
		{"a variable like no other", given{environ: "ROWPASS_COLOUR=x"}, "ROWPASS_COLOUR: no such key; config.yaml of the project lists them"},
		{"a variable named like a section", given{environ: "ROWPASS_DATABASE=x"},
			"ROWPASS_DATABASE: database is a section: name one of its keys, such as ROWPASS_DATABASE_URL"},
		{"Kubernetes's variables", given{environ: "ROWPASS_SERVICE_HOST=10.0.0.1"},
			"ROWPASS_SERVICE_HOST: no such key; Kubernetes sets it for a Service named rowpass: give the pod enableServiceLinks: false"},
		{"clients in the environment", given{environ: "ROWPASS_CLIENTS=a"}, "ROWPASS_CLIENTS: clients: a list of sections, which only the file can hold"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if c, err := load(t, tt.given); err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s\n%+v", err, tt.want, c)
			}
		})
	}
}

func TestPublicURLIsAnIssuer(t *testing.T) {
	for _, u := range []string{"", "localhost:8080", "ftp://example.com", "https://", "https://:80", "https://example.com/", "https://example.com/a/",
		"https://example.com?a=b", "https://example.com?", "https://example.com#a", "https://u:hunter2@example.com", "https://exa%mple.com"} {
		_, err := load(t, given{set: "public_url=" + u})
		const want = "--set: public_url: http(s)://host is needed, such as https://api.example.com, without user, query, fragment and slash at the end"
		if err == nil || err.Error() != want {
			t.Errorf("%q: %v", u, err)
		}
	}
}

func TestAllProblemsAreToldAtOnce(t *testing.T) {
	_, err := load(t, given{
		file:    "listen: 80\nlog:\n  level: loud\n  colour: red\ndatabase:\n  max_conns: x",
		environ: "ROWPASS_NOTHING_LIKE_IT=1 ROWPASS_ISSUER_DEMO=1",
		set:     "issuer.token_ttl=5",
	})
	want := []string{
		`config.yaml:3: log.level: "loud": allowed are debug, info, warn, error`,
		`config.yaml:4: log.colour: no such key; allowed here: format, level`,
		`config.yaml:6: database.max_conns: "x": a whole number is needed; allowed 0 to 10000`,
		`ROWPASS_NOTHING_LIKE_IT: no such key; config.yaml of the project lists them`,
		`ROWPASS_ISSUER_DEMO: issuer.demo: "1": true or false is needed`,
		`--set: issuer.token_ttl: "5": a duration with its unit is needed, such as 15m; allowed 1m to 24h`,
		`config.yaml:1: listen: "80": host:port is needed, such as 127.0.0.1:8080`,
	}
	if diff := cmp.Diff(want, strings.Split(fmt.Sprint(err), "\n")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestSecretsComeFromFilesToo(t *testing.T) {
	for _, tt := range []struct {
		name  string
		text  string
		mode  os.FileMode
		given given
		want  string // the seal's key, or the error
	}{
		{"one line", "hunter2\n", 0o600, given{set: "database.seal_key_file=secret"}, "hunter2"},
		{"a line from Windows", "hunter2\r\n", 0o600, given{set: "database.seal_key_file=secret"}, "hunter2"},
		{"spaces count", " hunter2 ", 0o400, given{set: "database.seal_key_file=secret"}, " hunter2 "},
		{"read by a group", "hunter2", 0o640, given{environ: "ROWPASS_DATABASE_SEAL_KEY_FILE=secret"}, "hunter2"},
		{"named in the file", "hunter2", 0o600, given{file: "database: {seal_key: '', seal_key_file: secret}"}, "hunter2"},
		{"named again", "hunter2", 0o600, given{file: "database: {seal_key_file: none}", set: "database.seal_key_file=secret"}, "hunter2"},
		{"not named after all", "hunter2", 0o600, given{file: "database: {seal_key_file: none, seal_key: a}", set: "database.seal_key_file="}, "a"},
		{"read by everybody", "hunter2", 0o644, given{set: "database.seal_key_file=secret"},
			"--set: database.seal_key_file: everybody on this machine may read or change it (mode 0644): make it 0600, or 0640 for a group"},
		{"changed by everybody", "hunter2", 0o602, given{set: "database.seal_key_file=secret"},
			"--set: database.seal_key_file: everybody on this machine may read or change it (mode 0602): make it 0600, or 0640 for a group"},
		{"empty", "\n", 0o600, given{set: "database.seal_key_file=secret"}, "--set: database.seal_key_file: the file is empty"},
		{"endless", strings.Repeat("x", maxSecret+1), 0o600, given{set: "database.seal_key_file=secret"},
			"--set: database.seal_key_file: more than 65536 bytes: no secret is as long"},
		{"not there", "", 0o600, given{set: "database.seal_key_file=hunter2"}, "--set: database.seal_key_file: no such file or directory"},
		{"given both ways", "hunter2", 0o600, given{file: "database: {seal_key: a}", set: "database.seal_key_file=secret"},
			"--set: database.seal_key_file: database.seal_key is given too, in config.yaml:1: only one of them can hold"},
		{"a URL that is none", "postgres://o:hunter2@h:x/a", 0o600, given{set: "database.url_file=secret"},
			"--set: database.url: no database URL: postgres://user:password@host:5432/database is needed, " +
				"with special characters of the password as %40 for @, %2F for /, %25 for %"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "secret"), tt.text, tt.mode)
			tt.given.set = strings.ReplaceAll(tt.given.set, "=secret", "="+dir+"/secret")
			tt.given.environ = strings.ReplaceAll(tt.given.environ, "=secret", "="+dir+"/secret")
			tt.given.file = strings.ReplaceAll(tt.given.file, ": secret", ": "+dir+"/secret")
			tt.given.environ += " ROWPASS_DATABASE_GATEWAY_URL=" + gateway + " ROWPASS_DATABASE_SERVICE_URL=" + state
			c, err := load(t, tt.given)
			if got := string(c.Database.SealKey); err == nil && got != tt.want || err != nil && err.Error() != tt.want {
				t.Errorf("got %q, %v\nwant %q", got, err, tt.want)
			}
		})
	}
}

func TestSecretsInAFileForEverybodyAreRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	text := "database:\n  url: " + owner + "\n  gateway_url: " + gateway
	write(t, "config.yaml", text, 0o644)
	_, err := loadConfig("", []string{"HOME=/home/a"}, nil)
	want := "config.yaml:2: database.url: everybody on this machine may read or change this file (mode 0644), and a secret stands in it: " +
		"make it 0600, or 0640 for a group, or give database.url_file"
	if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "pw@") {
		t.Errorf("got %v\nwant %s", err, want)
	}
	write(t, "config.yaml", text, 0o640)
	if _, err := loadConfig("", []string{"HOME=/home/a"}, nil); err != nil {
		t.Errorf("for a group: %v", err)
	}
	write(t, "config.yaml", "listen: 127.0.0.1:1", 0o644)
	if _, err := loadConfig("", []string{"HOME=/home/a"}, nil); err != nil {
		t.Errorf("without a secret: %v", err)
	}
}

func TestSecretsStayOutOfErrors(t *testing.T) {
	const u = "postgres://o:hunter2@db/app"
	for _, g := range []given{
		{file: "database: " + u}, {file: "database:\n  url " + u}, {file: u}, {file: u + ": x"}, {file: "database: {" + u + ": x}"},
		{file: "database: {url: [" + u + "]}"}, {file: "database: {urll: '" + u + "'}"}, {file: "database: {url: *hunter2}"},
		{file: "database: {url: !hunter2 x}"}, {file: "database: {url: !!int hunter2}"}, {file: "database: {url: @hunter2}"},
		{file: "database: {max_conns: 1}\n" + u}, {file: "database: {seal_key: \"hunter2\\q\"}"},
		{file: "database: {seal_key_file: hunter2}"}, {file: "clients: [{id: client_a, secret_sha256: hunter2}]"},
		{file: "clients: [{id: client_a, secret: hunter2}]"}, {environ: "ROWPASS_DATABASE_URLL=" + u}, {environ: "ROWPASS_" + u + "=x"},
		{environ: "ROWPASS_DATABASE=" + u}, {environ: "ROWPASS_DATABASE_URL=o:hunter2"}, {environ: "ROWPASS_DATABASE_URL=" + u},
		{set: u}, {set: u + "?sslmode=disable"}, {set: "database=" + u}, {set: "database.urll=" + u}, {set: "database.url_file=" + u},
	} {
		_, err := load(t, g)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%+v: %v", g, err)
		}
	}
}

func TestSecretsPrintAsSuch(t *testing.T) {
	c := Config{Database: DatabaseConfig{URL: "hunter2"}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{c, &c, c.Database.URL} {
			if s := fmt.Sprintf(verb, v); strings.Contains(s, "hunter2") || strings.Contains(s, fmt.Sprintf("%x", "hunter2")) {
				t.Errorf("%s: %s", verb, s)
			}
		}
	}
	if b, err := json.Marshal(c); err != nil || strings.Contains(string(b), "hunter2") {
		t.Errorf("%s, %v", b, err)
	}
}

func TestDefaultFolders(t *testing.T) {
	for _, tt := range []struct {
		who     string
		uid     int
		environ []string
		want    string
	}{
		{"root", 0, []string{"HOME=/root", "XDG_STATE_HOME=/x"}, "/var/lib/rowpass"},
		{"somebody", 1000, []string{"HOME=/home/a"}, "/home/a/.local/state/rowpass"},
		{"somebody who moved it", 1000, []string{"HOME=/home/a", "XDG_STATE_HOME=/x"}, "/x/rowpass"},
		{"somebody who moved it nowhere", 1000, []string{"HOME=/home/a", "XDG_STATE_HOME=x"}, "/home/a/.local/state/rowpass"},
		{"nobody", 1000, nil, ""},
	} {
		if got := defaultStateDir(tt.uid, tt.environ); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.who, got, tt.want)
		}
	}
}

func TestPathsBecomeAbsolute(t *testing.T) {
	c, err := load(t, given{set: "state_dir=s embedded.bin_dir=b tls.cert_file=c tls.key_file=k"})
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	got := []string{c.StateDir, c.Keys.Dir, c.Embedded.BinDir, c.TLS.CertFile, c.TLS.KeyFile}
	want := []string{dir + "/s", dir + "/s/keys", dir + "/b", dir + "/c", dir + "/k"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestEmbeddedUnlessALoginIsGiven(t *testing.T) {
	for _, tt := range []struct {
		db       DatabaseConfig
		embedded bool
		service  Secret
	}{
		{DatabaseConfig{}, true, ""},
		{DatabaseConfig{URL: owner, GatewayURL: gateway}, false, owner},
		{DatabaseConfig{GatewayURL: gateway}, false, ""},
		{DatabaseConfig{URL: owner, GatewayURL: gateway, ServiceURL: "s"}, false, "s"},
	} {
		c := Config{Database: tt.db}
		if c.embeddedMode() != tt.embedded || c.serviceURL() != tt.service {
			t.Errorf("%v: embedded %v, service %q", string(tt.db.URL), c.embeddedMode(), string(c.serviceURL()))
		}
	}
}

func TestFourConnectionsForEachCore(t *testing.T) {
	given := Config{Database: DatabaseConfig{MaxConns: 3}}
	got := []int{Config{}.maxConns(0), Config{}.maxConns(1), Config{}.maxConns(8), given.maxConns(8)}
	if diff := cmp.Diff([]int{4, 4, 32, 3}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestEveryKeyCanBeRead holds the struct's tags to what the reader understands: a type without a form, a range that is
// misspelt or a name that two keys share would show only to users.
func TestEveryKeyCanBeRead(t *testing.T) {
	names := map[string]string{}
	all := settings("", reflect.ValueOf(defaultConfig()))
	for _, s := range append(all, settings("clients[].", reflect.ValueOf(ClientConfig{TokenTTL: time.Minute}))...) {
		if other := names[env(s.key)]; other != "" {
			t.Errorf("%s and %s have the same name in the environment", s.key, other)
		}
		names[env(s.key)] = s.key
		if s.isList() {
			continue
		}
		if v, err := s.parse([]string{fmt.Sprint(s.value)}); err != nil || reflect.TypeOf(v) != reflect.TypeOf(s.value) {
			t.Errorf("%s: its default %v is read as %v, %v", s.key, s.value, v, err)
		}
	}
	if slices.Contains(keyNames(all), "") {
		t.Error("a field without a name")
	}
}
