package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"rowpass/keys"
)

// running is a fake with its server and its keys.
type running struct {
	fake
	*idp
	key signer
}

func (f fake) run(t *testing.T, signers map[string]signer) *running {
	t.Helper()
	s, ok := signers[f.alg]
	if !ok {
		s = newSigner(t, f.alg)
		signers[f.alg] = s
	}
	encryption := newSigner(t, "ES256").jwk("for-encryption", map[string]any{"use": "enc", "alg": "ECDH-ES"})
	return &running{f, newIDP(t, encryption, s.jwk(f.kid, object(t, f.jwk))), s}
}

// block is its part of the configuration.
func (r *running) block() string {
	config := fmt.Sprintf("- {name: %[1]s, preset: %[1]s, jwks_url: '%[2]s%[3]s', allow_private: [127.0.0.1]", r.preset, r.URL, r.path)
	if r.config != "" {
		config += ", " + r.config
	}
	return config + "}\n"
}

func (r *running) text(of string) string { return strings.ReplaceAll(of, "BASE", r.URL) }

// parts are a good token's header and claims with others over them.
func (r *running) parts(t *testing.T, header, claims string) (h, c map[string]any) {
	t.Helper()
	h = merged(map[string]any{"alg": r.alg, "kid": r.kid}, object(t, r.header))
	c = merged(object(t, r.text(r.claims)), map[string]any{"iat": time.Now().Unix(), "exp": time.Now().Add(5 * time.Minute).Unix()})
	return merged(h, object(t, header)), merged(c, object(t, r.text(claims)))
}

func object(t *testing.T, text string) map[string]any {
	t.Helper()
	var o map[string]any
	if text == "" {
		return o
	}
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return o
}

// TestEachPresetsTokens has one process take the tokens of a fake of each provider that there is a preset for.
func TestEachPresetsTokens(t *testing.T) {
	t.Parallel()
	signers, all := map[string]signer{}, map[string]*running{}
	var blocks []string
	for _, f := range fakes {
		all[f.preset] = f.run(t, signers)
		blocks = append(blocks, all[f.preset].block())
	}
	environ, _ := withProviders(t, blocks...)
	p := serve(t, environ)
	strangers := map[string]signer{}
	for alg := range signers {
		strangers[alg] = newSigner(t, alg)
	}
	for _, preset := range keys.Presets() {
		t.Run(preset.ID, func(t *testing.T) {
			r, ok := all[preset.ID]
			if !ok {
				t.Fatal("no fake has the shape of this provider")
			}
			r.readsItsOwn(t, p)
			r.tryOthers(t, p)
			r.tryForged(t, p, strangers[r.alg])
		})
	}
}

// readsItsOwn writes a todo with a good token and reads it again: it is the user's, and the only one.
func (r *running) readsItsOwn(t *testing.T, p *process) {
	t.Helper()
	good := r.key.sign(r.parts(t, "", ""))
	const connection = "postgresql://authenticated@db.example/"
	if a := askSQL(t, p.api, connection, good, "insert into todos (task) values ('"+r.preset+"')"); a.status != http.StatusOK {
		t.Fatalf("a good token writes: %d %s", a.status, a.body)
	}
	a := askSQL(t, p.api, connection, good, "select user_id, auth.user_id() as me, auth.tenant() as tenant, current_user as role, task from todos")
	tenant, _ := json.Marshal(r.tenant)
	if r.tenant == "" {
		tenant = []byte("null")
	}
	user := r.preset + "|" + r.user
	want := fmt.Sprintf(`"rows":[{"user_id":%q,"me":%q,"tenant":%s,"role":"authenticated","task":%q}]`, user, user, tenant, r.preset)
	if a.status != http.StatusOK || !strings.Contains(a.body, want) {
		t.Errorf("a good token reads %d %s\nwant %s", a.status, a.body, want)
	}
	a = ask(t, "GET", p.api+"/api/tenants", good, "")
	if own := strings.Contains(a.body, acmeID); a.status != http.StatusOK || own != (r.tenant == acmeID) {
		t.Errorf("a good token of tenant %q reads tenants %d %s", r.tenant, a.status, a.body)
	}
}

func (r *running) tryOthers(t *testing.T, p *process) {
	for _, v := range r.others {
		t.Run(v.name, func(t *testing.T) { wantVerdict(t, p, r.key.sign(r.parts(t, v.header, v.claims)), v.says) })
	}
}

// tryForged tries what is wrong with anybody's tokens.
func (r *running) tryForged(t *testing.T, p *process, stranger signer) {
	header, claims := r.parts(t, "", "")
	signed := r.key.sign(header, claims)
	for _, v := range []struct{ name, token, says string }{
		{"without a kid", r.key.sign(merged(header, map[string]any{"kid": nil}), claims), ""},
		{"with a kid of no key", r.key.sign(merged(header, map[string]any{"kid": "unknown"}), claims), "kid names no key of provider " + r.preset},
		{"with the kid of a key for encryption", r.key.sign(merged(header, map[string]any{"kid": "for-encryption"}), claims), "kid names no key of provider " + r.preset},
		{"by a stranger's key", stranger.sign(header, claims), "the signature is not that of the key"},
		{"by a stranger's key without a kid", stranger.sign(merged(header, map[string]any{"kid": nil}), claims), "the signature is not that of the key"},
		{"with other claims than were signed", strings.Join([]string{part(header), part(merged(claims, map[string]any{"sub": "admin"})), strings.Split(signed, ".")[2]}, "."), "the signature is not that of the key"},
		{"by HS256 with the public key", r.key.withPublicKey(header, claims), "alg is not one of"},
		{"with alg none", part(merged(header, map[string]any{"alg": "none"})) + "." + part(claims) + ".", "it has no signature"},
		{"with alg none and a signature", r.key.sign(merged(header, map[string]any{"alg": "none"}), claims), "alg is not one of"},
		{"by an algorithm that it does not use", r.key.sign(merged(header, map[string]any{"alg": "RS512"}), claims), "alg is none that provider " + r.preset + " signs with"},
		{"that expired", r.key.sign(header, merged(claims, map[string]any{"exp": time.Now().Add(-time.Minute).Unix()})), "exp is"},
		{"without an expiry", r.key.sign(header, merged(claims, map[string]any{"exp": nil})), "exp is missing"},
		{"that is opaque", "2YotnFZFEjr1zCsicMWpAA", "the token is not valid"},
	} {
		t.Run(v.name, func(t *testing.T) { wantVerdict(t, p, v.token, v.says) })
	}
}

func wantVerdict(t *testing.T, p *process, token, says string) {
	t.Helper()
	status := http.StatusUnauthorized
	if says == "" {
		status = http.StatusOK
	}
	if a := ask(t, "GET", p.api+"/api/tenants", token, ""); a.status != status || !strings.Contains(a.body, says) {
		t.Errorf("%d %s\nwant %d and %s", a.status, a.body, status, says)
	}
}

// runPreset runs the fake of one preset.
func runPreset(t *testing.T, id string) *running {
	t.Helper()
	i := slices.IndexFunc(fakes, func(f fake) bool { return f.preset == id })
	return fakes[i].run(t, map[string]signer{})
}

// good is one of its tokens, good for five minutes.
func (r *running) good(t *testing.T) string {
	t.Helper()
	return r.key.sign(r.parts(t, "", ""))
}

// up publishes its key, as run did.
func (r *running) up() { r.publish(r.key.jwk(r.kid, nil)) }

// TestAChangedFileIsTakenUpOnHangup while the process goes on serving.
func TestAChangedFileIsTakenUpOnHangup(t *testing.T) {
	t.Parallel()
	first, second := runPreset(t, "generic"), runPreset(t, "better-auth")
	ofFirst, ofSecond := first.good(t), second.good(t)
	environ, config := withProviders(t, first.block())
	p := serve(t, environ)
	var fetched int64
	const taken, kept = "SIGHUP: took up the providers", "SIGHUP: the configuration is not taken up, and the providers stay as they were"
	for _, step := range []struct {
		name          string
		blocks        []string // nil: the file is left as it was
		log           []string // what the process says of it
		first, second string   // why their tokens are refused; "": they are taken
	}{
		{"at the start", nil, nil, "", notOurs},
		{"one is added", []string{first.block(), second.block()}, []string{taken, `"providers":2`}, "", ""},
		{"a preset is misspelt", []string{strings.Replace(first.block(), "preset: generic", "preset: genric", 1)}, []string{kept, `no such preset`}, "", ""},
		{"the file is no YAML", []string{"- {"}, []string{kept, "config.yaml"}, "", ""},
		{"another key is wrong", []string{first.block(), "listn: ':80'\n"}, []string{kept, "listn"}, "", ""},
		{"two have one issuer", []string{first.block(), strings.Replace(first.block(), "name: generic", "name: twin", 1)}, []string{kept, "belongs to provider generic"}, "", ""},
		{"one is removed", []string{second.block()}, []string{taken, `"providers":1`}, notOurs, ""},
		{"one is for another audience", []string{first.block(), strings.Replace(second.block(), "}", ", audience: [elsewhere]}", 1)}, []string{taken}, "", "aud is none"},
		{"all are removed", []string{"  []\n"}, []string{taken, `"providers":0`}, notOurs, notOurs},
	} {
		t.Run(step.name, func(t *testing.T) {
			if step.blocks != nil {
				configure(t, config, step.blocks...)
				said := p.hangUp(t)
				for _, want := range step.log {
					if !strings.Contains(said, want) {
						t.Errorf("it says %s\nwant %s", said, want)
					}
				}
			}
			wantVerdict(t, p, ofFirst, step.first)
			wantVerdict(t, p, ofSecond, step.second)
			if fetched == 0 {
				fetched = second.fetches.Load() // once it was added
			}
		})
	}
	if n := second.fetches.Load(); n != fetched {
		t.Errorf("the keys of the provider that stayed were fetched %d times more", n-fetched)
	}
	if a := ask(t, "GET", p.admin+"/metrics", "", ""); strings.Contains(a.body, `provider="generic"`) {
		t.Error("a provider that is gone is still in the metrics")
	}
}

// hangUp tells the process to read its configuration again, and returns what it says of it.
func (p *process) hangUp(t *testing.T) (said string) {
	t.Helper()
	before := len(p.log.String())
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	until(t, "the signal is answered", func() bool {
		_, after, ok := strings.Cut(p.log.String()[before:], `"msg":"SIGHUP: `)
		line, _, whole := strings.Cut(after, "\n")
		said = `SIGHUP: ` + line
		return ok && whole
	})
	return said
}

// TestAProviderIsDownAtTheStart of a process that knows its keys from before, and of one that doesn't. Neither keeps anybody
// else's tokens from being served.
func TestAProviderIsDownAtTheStart(t *testing.T) {
	t.Parallel()
	r := runPreset(t, "generic")
	token := r.good(t)
	environ, _ := withProviders(t, r.block())
	p := serve(t, environ)
	wantVerdict(t, p, token, "")
	wantHealth(t, p, `"generic":"ok"`, `rowpass_provider_failing{provider="generic"} 0`, `rowpass_provider_keys{provider="generic"} 1`)
	p.end(os.Interrupt)

	r.publish()
	p = serve(t, environ)
	wantVerdict(t, p, token, "")
	typed(t, environ, token, "token", "explain").says(t, 0, "provider generic cannot be asked for its keys now, and rowpass serve goes on with those that were fetched at ", "The token is taken: ")
	wantVerdict(t, p, newSigner(t, r.alg).sign(r.parts(t, "", "")), "the signature is not that of the key")
	wantHealth(t, p, `"generic":"its keys cannot be fetched since `, `rowpass_provider_failing{provider="generic"} 1`, `rowpass_provider_keys{provider="generic"} 1`)
	p.end(os.Interrupt)

	environ, _ = withProviders(t, r.block())
	p = serve(t, environ)
	wantVerdict(t, p, token, "kid names no key of provider generic")
	wantHealth(t, p, `"generic":"there are no keys, and none can be fetched since `, `rowpass_provider_failing{provider="generic"} 1`, `rowpass_provider_keys{provider="generic"} 0`)
	r.up()
	wantHealth(t, p, `"generic":"ok"`, `rowpass_provider_failing{provider="generic"} 0`, `rowpass_provider_keys{provider="generic"} 1`)
	wantVerdict(t, p, token, "")
}

// wantHealth waits until /readyz says so of the provider, and ready of the process, and until /metrics has the lines.
func wantHealth(t *testing.T, p *process, ready string, metrics ...string) {
	t.Helper()
	until(t, ready, func() bool {
		a := ask(t, "GET", p.admin+"/readyz", "", "")
		if a.status != http.StatusOK || !strings.Contains(a.body, `"ready":true`) {
			t.Fatalf("/readyz: %d %s, whatever becomes of a provider", a.status, a.body)
		}
		return strings.Contains(a.body, ready)
	})
	a := ask(t, "GET", p.admin+"/metrics", "", "")
	for _, line := range metrics {
		if !strings.Contains(a.body, line+"\n") {
			t.Errorf("/metrics lack %s", line)
		}
	}
}
