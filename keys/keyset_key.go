package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"
)

// What providers sign with beside the algorithms of our own keys (RFC 7518 section 3.1). We never do.
const (
	ES384 = "ES384" // ECDSA on P-384
	ES512 = "ES512" // ECDSA on P-521
	PS256 = "PS256" // RSA PSS
	RS384 = "RS384" // RSA PKCS #1 v1.5
	RS512 = "RS512"
)

// ed25519Name is what RFC 9864 section 2.2 calls EdDSA on the one curve that we take it on.
const ed25519Name = "Ed25519"

// VerifyAlgorithms lists what a PublicKey may verify, the usual ones first. A header or a key that says Ed25519 means EdDSA.
func VerifyAlgorithms() []string {
	return []string{ES256, RS256, EdDSA, ES384, PS256, ES512, RS384, RS512}
}

// canonical gives the one name that we know an algorithm by.
func canonical(alg string) string {
	if alg == ed25519Name {
		return EdDSA
	}
	return alg
}

// PublicKey is one key of somebody else's set, an immutable value that passed every check of ParseKeySet.
type PublicKey struct {
	id, issuer string
	algorithms []string // of VerifyAlgorithms; never changed
	public     crypto.PublicKey
	sum        [sha256.Size]byte // of all of these
}

// newPublicKey checks the numbers of public and binds it to alg, or to all that fit where alg is "".
func newPublicKey(public crypto.PublicKey, id, alg, issuer string) (PublicKey, error) {
	if err := checkPublic(public); err != nil {
		return PublicKey{}, err
	}
	algorithms, err := bind(public, canonical(alg))
	if err != nil {
		return PublicKey{}, err
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return PublicKey{}, fmt.Errorf("encoding key: %w", err)
	}
	facts, err := json.Marshal([]any{id, issuer, algorithms, der})
	if err != nil {
		return PublicKey{}, fmt.Errorf("encoding key: %w", err)
	}
	return PublicKey{id: id, issuer: issuer, algorithms: algorithms, public: public, sum: sha256.Sum256(facts)}, nil
}

// bind says which algorithms a key verifies: RFC 7518 section 3.4 ties each ECDSA algorithm to one curve, which jwx does not
// look at.
func bind(public crypto.PublicKey, alg string) ([]string, error) {
	fitting := fittingAlgorithms(public)
	switch {
	case alg == "":
		return fitting, nil
	case slices.Contains(fitting, alg):
		return []string{alg}, nil
	case slices.Contains(VerifyAlgorithms(), alg):
		return nil, fmt.Errorf("its alg %s is for another kind of key", alg)
	}
	return nil, fmt.Errorf("its alg %.20q is not one that we verify: %v", alg, VerifyAlgorithms())
}

func fittingAlgorithms(public crypto.PublicKey) []string {
	switch public := public.(type) {
	case *ecdsa.PublicKey:
		return map[elliptic.Curve][]string{elliptic.P256(): {ES256}, elliptic.P384(): {ES384}, elliptic.P521(): {ES512}}[public.Curve]
	case *rsa.PublicKey:
		return []string{RS256, PS256, RS384, RS512}
	case ed25519.PublicKey:
		return []string{EdDSA}
	}
	return nil
}

// ID is the kid; "" where the key has none.
func (k PublicKey) ID() string { return k.id }

// Algorithms are what k verifies: its own alg, or all of VerifyAlgorithms that fit its type and curve where it has none.
func (k PublicKey) Algorithms() []string { return slices.Clone(k.algorithms) }

// Issuer is the key's own member issuer, by which Entra says whose tokens it signs; "" where it has none.
func (k PublicKey) Issuer() string { return k.issuer }

// Equal says whether o is the same key for the same purpose: material, kid, algorithms and issuer.
func (k PublicKey) Equal(o PublicKey) bool { return k.sum == o.sum }

// Verify gives the payload of a compact JWS that k has signed with alg, whatever the header says that it is. Where alg is not
// one of k's, or the signature isn't k's, the error is ErrSignature; for the zero PublicKey it is ErrNoKey. Form and header
// are the caller's to check before.
func (k PublicKey) Verify(alg string, compact []byte) ([]byte, error) {
	if k.public == nil {
		return nil, ErrNoKey
	}
	if !k.verifies(alg) {
		return nil, ErrSignature
	}
	if alg == PS256 {
		return k.verifyPSS(compact)
	}
	payload, err := jws.Verify(compact, jws.WithCompact(), jws.WithKey(jwa.SignatureAlgorithm(canonical(alg)), k.public))
	if err != nil {
		return nil, ErrSignature
	}
	return payload, nil
}

// verifyPSS takes only salts as long as the hash (RFC 7518 section 3.5); jwx takes them all.
func (k PublicKey) verifyPSS(compact []byte) ([]byte, error) {
	public, ok := k.public.(*rsa.PublicKey)
	parts := bytes.Split(compact, []byte("."))
	if !ok || len(parts) != 3 {
		return nil, ErrSignature
	}
	payload, err := base64.RawURLEncoding.DecodeString(string(parts[1]))
	if err != nil {
		return nil, ErrSignature
	}
	signature, err := base64.RawURLEncoding.DecodeString(string(parts[2]))
	if err != nil {
		return nil, ErrSignature
	}
	sum := sha256.Sum256(compact[:len(compact)-len(parts[2])-1])
	salt := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
	if rsa.VerifyPSS(public, crypto.SHA256, sum[:], signature, salt) != nil {
		return nil, ErrSignature
	}
	return payload, nil
}

func (k PublicKey) verifies(alg string) bool {
	return slices.Contains(k.algorithms, canonical(alg))
}
