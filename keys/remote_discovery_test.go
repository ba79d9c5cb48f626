package keys_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rowpass/keys"
)

// discovers is a provider whose discovery document says that its set is at path. It has the same ETag for every set.
func (f *fixture) discovers(issuer, path string, document func() string) {
	f.does(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/realms/a/.well-known/openid-configuration":
			fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q,"id_token_signing_alg_values_supported":["HS256","RS256","Ed25519","EdDSA"]}`, issuer, f.URL+path)
		case path:
			if r.Header.Get("If-None-Match") != "" {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			w.Header().Set("ETag", `"1"`)
			fmt.Fprint(w, document())
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
}

func TestDiscover(t *testing.T) {
	f := newFixture(t)
	for _, slash := range []string{"", "/"} {
		issuer := f.URL + "/realms/a" + slash
		f.discovers(issuer, "/certs", func() string { return "" })
		got, err := keys.Discover(t.Context(), issuer, []string{"127.0.0.1"})
		if diff := cmp.Diff(keys.Discovery{Issuer: issuer, JWKSURL: f.URL + "/certs", Algorithms: []string{"RS256", "EdDSA"}}, got); diff != "" || err != nil {
			t.Errorf("%s: %v, %s", issuer, err, diff)
		}
	}
}

func TestDiscoverRefuses(t *testing.T) {
	f := newFixture(t)
	issuer := f.URL + "/realms/a"
	for _, tt := range []struct{ name, document, says string }{
		{"another issuer", `{"issuer":"https://evil.example","jwks_uri":"https://evil.example/jwks"}`, `its issuer is "https://evil.example" and not`},
		{"an issuer with a slash more", `{"issuer":"` + issuer + `/","jwks_uri":"https://x.example"}`, "its issuer is"},
		{"no issuer", `{"jwks_uri":"https://x.example"}`, "its issuer is"},
		{"an issuer that is no text", `{"issuer":1}`, "its issuer cannot be read"},
		{"two issuers", `{"issuer":"` + issuer + `","issuer":"` + issuer + `"}`, "twice"},
		{"no key set", `{"issuer":"` + issuer + `"}`, "no jwks_uri"},
		{"a key set by http", `{"issuer":"` + issuer + `","jwks_uri":"http://x.example/jwks"}`, "jwks_uri: its address is not https"},
		{"a key set in a file", `{"issuer":"` + issuer + `","jwks_uri":"file:///etc/passwd"}`, "jwks_uri: its address is no URL"},
		{"a page", `<html>`, "no JSON object"},
	} {
		f.gives(tt.document)
		if got, err := keys.Discover(t.Context(), issuer, []string{"127.0.0.1"}); err == nil || !strings.Contains(err.Error(), tt.says) || got.JWKSURL != "" {
			t.Errorf("%s: %v, %v, want %q", tt.name, got, err, tt.says)
		}
	}
	before := f.asked.Load()
	for _, allow := range [][]string{nil, {"localhost"}, {"*"}} {
		if _, err := keys.Discover(t.Context(), issuer, allow); err == nil || f.asked.Load() != before {
			t.Errorf("with %v it was asked: %v", allow, err)
		}
	}
}

func TestRemoteFindsTheSetOfAnIssuer(t *testing.T) {
	f := newFixture(t)
	issuer := f.URL + "/realms/a"
	cfg := f.config()
	cfg.URL, cfg.Issuer = "", issuer
	f.Remote = must[*keys.Remote](t)(keys.NewRemote(cfg))
	document, want := keySet(t, "a")
	moved, other := keySet(t, "b")
	f.discovers(issuer, "/certs", func() string { return document })
	f.Refresh(t.Context())
	f.clock.advance(5 * time.Minute)
	f.Refresh(t.Context())
	if f.asked.Load() != 3 || !f.Set().Holds(want.Keys()[0]) {
		t.Errorf("asked %d times: %+v", f.asked.Load(), f.Status())
	}
	f.discovers(issuer, "/certs2", func() string { return moved })
	f.clock.advance(5 * time.Minute)
	f.Refresh(t.Context())
	if s := f.Status(); s.Keys != 1 || !strings.Contains(s.Err, "404") {
		t.Errorf("where it was: %+v", s)
	}
	f.clock.advance(5 * time.Minute)
	f.Refresh(t.Context())
	if s := f.Status(); s.Err != "" || !f.Set().Holds(other.Keys()[0]) || f.asked.Load() != 6 {
		t.Errorf("where it moved to: %+v, asked %d times", s, f.asked.Load())
	}
	f.discovers("https://evil.example", "/certs2", func() string { return moved })
	f.clock.advance(5 * time.Minute)
	f.Refresh(t.Context()) // it knows the address, so nobody asks who it is
	f.hangsUp()
	f.clock.advance(5 * time.Minute)
	f.Refresh(t.Context())
	f.discovers("https://evil.example", "/evil", func() string { return document })
	f.clock.advance(5 * time.Minute)
	f.Refresh(t.Context())
	if s := f.Status(); !strings.Contains(s.Err, "its issuer is") || !f.Set().Holds(other.Keys()[0]) {
		t.Errorf("somebody else's document: %+v", s)
	}
}
