package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // what crypto.SHA256 stands for in a thumbprint
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwk"
)

// The algorithms that a key may have (RFC 7518 section 3.1, RFC 8037 section 3.1). A key has one and never another.
const (
	ES256 = "ES256" // ECDSA on P-256: the default, and the cheapest to sign with among those that everybody verifies
	RS256 = "RS256" // RSA of 2048 bits or more, PKCS #1 v1.5: for verifiers that know nothing else
	EdDSA = "EdDSA" // Ed25519
)

// rsaBits is what Generate makes: 128 bits of strength ask for 3072 (NIST SP 800-57 part 1, table 2).
const rsaBits = 3072

// Algorithms lists what Generate takes, the default first.
func Algorithms() []string {
	return []string{ES256, RS256, EdDSA}
}

// Key is one signing key of ours, an immutable value. Whatever prints, logs or encodes it shows its kid, algorithm,
// state and age, and never the private half, which leaves this package in a ring's document alone (see Store).
type Key struct {
	id, alg  string
	state    State
	created  time.Time
	since    time.Time
	promised time.Duration  // the longest life of a token that it signed, as far as that is known
	until    time.Time      // when a previous key has done its work; zero: not known, so it stays
	halves   func() *halves // nil once it is revoked. No pointer: fmt follows one out of a field that it has no method for, by %s for one
}

// halves are what a key signs and verifies with, and the JWKs that it is kept and published as.
type halves struct {
	private    crypto.Signer // *ecdsa.PrivateKey, *rsa.PrivateKey or ed25519.PrivateKey
	public     crypto.PublicKey
	privateJWK []byte
	publicJWK  []byte
}

// Generate makes a key for alg, one of Algorithms; "" is ES256. It has no state until a ring takes it.
func Generate(alg string, now time.Time) (Key, error) {
	private, err := generate(alg)
	if err != nil {
		return Key{}, fmt.Errorf("generating key: %w", err)
	}
	return newKey(private, now)
}

func generate(alg string) (crypto.Signer, error) {
	switch alg {
	case ES256, "":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case RS256:
		return rsa.GenerateKey(rand.Reader, rsaBits)
	case EdDSA:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	}
	return nil, fmt.Errorf("algorithm %q is not one of %v", alg, Algorithms())
}

// newKey checks private and gives it its kid, the RFC 7638 thumbprint: whoever has the public half can compute it,
// and no two keys share it. Nothing of the JWK that a key may have come as is kept.
func newKey(private crypto.Signer, created time.Time) (Key, error) {
	alg, err := checkKey(private)
	if err != nil {
		return Key{}, err
	}
	h := &halves{private: private, public: private.Public()}
	k := Key{alg: alg, created: created.UTC().Truncate(time.Second), halves: func() *halves { return h }}
	if k.id, err = thumbprint(h.public); err != nil {
		return Key{}, err
	}
	if h.publicJWK, err = k.jwk(h.public); err != nil {
		return Key{}, err
	}
	h.privateJWK, err = k.jwk(h.private)
	return k, err
}

func thumbprint(public crypto.PublicKey) (string, error) {
	key, err := jwk.FromRaw(public)
	if err != nil {
		return "", fmt.Errorf("encoding public key: %w", err)
	}
	sum, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("computing thumbprint: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

// jwk encodes one half of k, with the members that RFC 7517 section 4 has for every key.
func (k Key) jwk(half any) ([]byte, error) {
	key, err := jwk.FromRaw(half)
	if err != nil {
		return nil, fmt.Errorf("encoding key: %w", err)
	}
	for name, value := range map[string]any{jwk.KeyIDKey: k.id, jwk.AlgorithmKey: k.alg, jwk.KeyUsageKey: "sig"} {
		if err := key.Set(name, value); err != nil {
			return nil, fmt.Errorf("encoding key: %w", err)
		}
	}
	return json.Marshal(key)
}

// in gives k as it is in state s from now on.
func (k Key) in(s State, now time.Time) Key {
	k.state, k.since, k.until = s, nextSecond(now), time.Time{}
	if s == Revoked {
		k.promised, k.halves = 0, nil
	}
	return k
}

// nextSecond is t in UTC and whole seconds, and not before t: what has to wait for a time after t waits long enough.
func nextSecond(t time.Time) time.Time {
	return t.Add(time.Second - 1).UTC().Truncate(time.Second)
}

// ID is the kid: the RFC 7638 SHA-256 thumbprint of the public half, in base64url.
func (k Key) ID() string { return k.id }

// Algorithm is one of Algorithms.
func (k Key) Algorithm() string { return k.alg }

// State is what the ring that k came from uses it for; "" outside a ring.
func (k Key) State() State { return k.state }

// CreatedAt is when k was generated or imported, in UTC and whole seconds.
func (k Key) CreatedAt() time.Time { return k.created }

// Since is when k came into its state, in UTC and whole seconds; zero outside a ring.
func (k Key) Since() time.Time { return k.since }

// Until is when a previous key's last token is out of date and it leaves the ring. Zero for keys in other states, and for one
// that signed elsewhere and stays until it is revoked.
func (k Key) Until() time.Time { return k.until }

// Public is the half that everybody may have: *ecdsa.PublicKey, *rsa.PublicKey or ed25519.PublicKey. Nil for the zero Key
// and for a revoked one.
func (k Key) Public() crypto.PublicKey {
	if k.halves == nil {
		return nil
	}
	return k.halves().public
}

// Equal says whether o verifies exactly what k verifies. State and age don't count.
func (k Key) Equal(o Key) bool {
	return k.id == o.id && k.alg == o.alg
}

// facts is all that is ever printed of a key.
type facts struct {
	ID        string    `json:"kid"`
	Algorithm string    `json:"alg"`
	State     State     `json:"state,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	Since     time.Time `json:"since,omitzero"`
}

// String names the key by its public facts.
func (k Key) String() string {
	if k.state == "" {
		return fmt.Sprintf("%s key %s", k.alg, k.id)
	}
	return fmt.Sprintf("%s key %s (%s)", k.alg, k.id, k.state)
}

// GoString is String, so that %#v shows no more than %v does.
func (k Key) GoString() string { return k.String() }

// LogValue gives slog the public facts.
func (k Key) LogValue() slog.Value {
	return slog.GroupValue(slog.String("kid", k.id), slog.String("alg", k.alg),
		slog.String("state", string(k.state)), slog.Time("created_at", k.created), slog.Time("since", k.since))
}

// MarshalJSON gives the public facts: kid, alg, state, created_at, since. It is no JWK; Ring.JWKS publishes those.
func (k Key) MarshalJSON() ([]byte, error) {
	return json.Marshal(facts{k.id, k.alg, k.state, k.created, k.since})
}
