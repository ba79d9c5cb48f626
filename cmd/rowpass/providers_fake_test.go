package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// fakeProvider is somebody else's issuer on this machine, with one key.
type fakeProvider struct {
	t         *testing.T
	private   *ecdsa.PrivateKey
	host, url string // 127.0.0.1:port, and with http:// before it
	asked     atomic.Int64
	documents map[string]string // by path
}

func newFakeProvider(t *testing.T) *fakeProvider {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeProvider{t: t, private: private, documents: map[string]string{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.asked.Add(1)
		document, ok := f.documents[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Cache-Control", "max-age=300")
		_, _ = fmt.Fprint(w, document)
	}))
	t.Cleanup(server.Close)
	f.url, f.host = server.URL, strings.TrimPrefix(server.URL, "http://")
	f.documents["/jwks"] = `{"keys":[` + f.jwk("sig", "") + `,` + f.jwk("enc", "") + `]}`
	return f
}

// jwk is the key as k1, for a use, with more members.
func (f *fakeProvider) jwk(use, more string) string {
	point, err := f.private.PublicKey.Bytes()
	if err != nil {
		f.t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return fmt.Sprintf(`{"kty":"EC","crv":"P-256","kid":"k1","use":%q,"x":%q,"y":%q%s}`, use, encode(point[1:33]), encode(point[33:]), more)
}

// token is one of its tokens, good for five minutes, with some claims changed or, where a value is nil, taken away.
func (f *fakeProvider) token(edits map[string]any) string {
	f.t.Helper()
	claims := map[string]any{"iss": f.url, "sub": "u7", "aud": "app", "exp": time.Now().Add(5 * time.Minute).Unix(), "iat": time.Now().Unix()}
	maps.Copy(claims, edits)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	payload, err := json.Marshal(claims)
	if err != nil {
		f.t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	input := encode([]byte(`{"alg":"ES256","kid":"k1"}`)) + "." + encode(payload)
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, f.private, sum[:])
	if err != nil {
		f.t.Fatal(err)
	}
	return input + "." + encode(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

// block is its entry in a configuration.
func (f *fakeProvider) block(name, more string) string {
	return fmt.Sprintf("  - {name: %s, jwks_url: %s/jwks, issuers: [%s], audience: [app], allow_private: ['%s']%s}\n", name, f.url, f.url, f.host, more)
}

// configured is a rowpass with these providers, in a process of this test.
func configured(t *testing.T, blocks ...string) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	write(t, file, "providers:\n"+strings.Join(blocks, ""), 0o600)
	return environment(t, "ROWPASS_CONFIG="+file)
}

// typed runs rowpass with something on standard input.
func typed(t *testing.T, environ []string, stdin string, args ...string) ending {
	t.Helper()
	var stdout, stderr bytes.Buffer
	status := run(context.WithoutCancel(t.Context()), args, environ, strings.NewReader(stdin), &stdout, &stderr)
	return ending{status, stdout.String(), stderr.String()}
}

// says checks a run by its status and what it prints; what begins with ! must not be there.
func (e ending) says(t *testing.T, status int, words ...string) {
	t.Helper()
	all := e.stdout + e.stderr
	if e.status != status {
		t.Errorf("status %d, want %d\n%s", e.status, status, all)
	}
	for _, word := range words {
		if without, not := strings.CutPrefix(word, "!"); strings.Contains(all, without) == not {
			t.Errorf("%q in\n%s", word, all)
		}
	}
}
