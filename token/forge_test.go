package token_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"sync/atomic"
	"testing"
	"time"

	"rowpass/keys"
	"rowpass/token"
)

const (
	issuer   = "https://rowpass.example"
	audience = "rowpass"
)

var now = time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// forger has a key of the ring without going through keys, and so can sign whatever it likes.
type forger struct {
	t       testing.TB
	private *ecdsa.PrivateKey
	key     keys.Key
}

func newForger(t testing.TB) forger {
	t.Helper()
	private := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	der := must[[]byte](t)(x509.MarshalPKCS8PrivateKey(private))
	block := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return forger{t, private, must[keys.Key](t)(keys.Import(block, now))}
}

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// sign signs any two texts.
func (f forger) sign(header, payload string) string {
	f.t.Helper()
	input := encode(header) + "." + encode(payload)
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, f.private, sum[:])
	if err != nil {
		f.t.Fatal(err)
	}
	return input + "." + encode(string(r.FillBytes(make([]byte, 32)))+string(s.FillBytes(make([]byte, 32))))
}

// raw stands for JSON as it is.
type raw = json.RawMessage

// edit gives the object of members with some changed or, where a value is nil, taken away.
func edit(t testing.TB, members, edits map[string]any) string {
	t.Helper()
	all := make(map[string]any)
	for _, m := range []map[string]any{members, edits} {
		for name, value := range m {
			all[name] = value
			if value == nil {
				delete(all, name)
			}
		}
	}
	return string(must[[]byte](t)(json.Marshal(all)))
}

func (f forger) header(edits map[string]any) string {
	return edit(f.t, map[string]any{"alg": "ES256", "typ": "at+jwt", "kid": f.key.ID()}, edits)
}

func (f forger) claims(edits map[string]any) string {
	return edit(f.t, map[string]any{"iss": issuer, "aud": audience, "sub": "u1", "client_id": "c1", "jti": "j1",
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(15 * time.Minute).Unix(), "tenant_id": "t1", "role": "authenticated"}, edits)
}

// withHeader and withClaims give a token of ours with one thing about it changed.
func (f forger) withHeader(edits map[string]any) string {
	return f.sign(f.header(edits), f.claims(nil))
}
func (f forger) withClaims(edits map[string]any) string {
	return f.sign(f.header(nil), f.claims(edits))
}

// clock and ring can be changed while a verifier runs.
type clock struct{ at atomic.Pointer[time.Time] }

func (c *clock) set(at time.Time) { c.at.Store(&at) }
func (c *clock) now() time.Time   { return *c.at.Load() }

type ringBox struct{ r atomic.Pointer[keys.Ring] }

func (b *ringBox) set(r keys.Ring) { b.r.Store(&r) }
func (b *ringBox) ring() keys.Ring { return *b.r.Load() }

// setup is a verifier with a ring that has one key, the forger's.
type setup struct {
	forger
	clock    *clock
	box      *ringBox
	verifier *token.Verifier
}

func newSetup(t testing.TB) setup {
	t.Helper()
	s := setup{forger: newForger(t), clock: new(clock), box: new(ringBox)}
	s.clock.set(now)
	s.box.set(ringOf(t, s.key))
	s.verifier = must[*token.Verifier](t)(token.NewVerifier(token.VerifierConfig{
		Issuer: issuer, Audience: audience, Ring: s.box.ring, Now: s.clock.now,
	}))
	return s
}

func ringOf(t testing.TB, k keys.Key) keys.Ring {
	t.Helper()
	return must[keys.Ring](t)(keys.Ring{}.Add(k, keys.Current, now))
}
