package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
)

const (
	maxImport  = 64 << 10 // bytes: no private key comes near it
	minRSABits = 2048     // RFC 7518 section 3.3
	maxRSABits = 8192     // above it one verification costs a stranger nothing and us milliseconds
)

var (
	errNoJWK     = errors.New("this is no JWK: its JSON, or a member that its kty needs, cannot be read")
	errSet       = errors.New("this is a key set: give one key of it, the object within keys")
	errPublic    = errors.New("there is no private half in it, so it cannot sign: give the private key")
	errSymmetric = errors.New("a symmetric key cannot be published: give an EC, RSA or Ed25519 key")
	errEncrypted = errors.New("it is encrypted: type openssl pkey -in key.pem -out plain.pem, import that, and remove it")
	errTwoKeys   = errors.New("there is more than one private key in it: import them one by one")
)

// Import reads one private key: a JWK (RFC 7517), or PEM with PKCS #8, SEC 1 or PKCS #1 in it. The key must fit one of
// Algorithms, and a JWK's alg, use and key_ops, where it has them, must allow signing with that. Everything else that
// came with it is dropped; kid becomes the thumbprint. Errors quote nothing of data.
func Import(data []byte, now time.Time) (Key, error) {
	private, err := parsePrivate(data)
	if err != nil {
		return Key{}, fmt.Errorf("importing key: %w", err)
	}
	k, err := newKey(private, now)
	if err != nil {
		return Key{}, fmt.Errorf("importing key: %w", err)
	}
	return k, nil
}

func parsePrivate(data []byte) (crypto.Signer, error) {
	data = bytes.TrimSpace(data)
	switch {
	case len(data) > maxImport:
		return nil, fmt.Errorf("%d bytes are too many for one key", len(data))
	case bytes.HasPrefix(data, []byte("{")):
		return parseJWK(data)
	case bytes.Contains(data, []byte("-----BEGIN ")):
		return parsePEM(data)
	}
	return nil, errors.New("this is neither a JWK nor PEM")
}

// parseJWK never wraps what the parser says: it may quote what it read.
func parseJWK(data []byte) (crypto.Signer, error) {
	var set struct {
		Keys json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(data, &set) == nil && set.Keys != nil {
		return nil, errSet
	}
	key, err := jwk.ParseKey(data)
	if err != nil {
		return nil, errNoJWK
	}
	private, err := rawPrivate(key)
	if err != nil {
		return nil, err
	}
	alg, err := checkKey(private)
	if err != nil {
		return nil, err
	}
	return private, checkMembers(key, alg)
}

// checkMembers refuses a JWK that says of itself that it is for something else (RFC 7517 sections 4.2 to 4.4).
func checkMembers(key jwk.Key, alg string) error {
	names := []string{"", alg}
	if alg == EdDSA {
		names = append(names, "Ed25519") // RFC 9864 section 2.2 says the curve in the name
	}
	if is := key.Algorithm().String(); !slices.Contains(names, is) {
		return fmt.Errorf("its alg is not %s, the only one that we use with such a key", alg)
	}
	if use := key.KeyUsage(); use != "" && use != "sig" {
		return errors.New("its use is not sig: a key that encrypts must not sign")
	}
	if ops := key.KeyOps(); len(ops) > 0 && !slices.Contains(ops, jwk.KeyOpSign) {
		return errors.New("its key_ops do not allow to sign")
	}
	return nil
}

func rawPrivate(key jwk.Key) (crypto.Signer, error) {
	if key.KeyType() == jwa.OctetSeq {
		return nil, errSymmetric
	}
	private, err := jwk.IsPrivateKey(key)
	if err != nil || !private {
		return nil, errPublic
	}
	var raw any
	if key.Raw(&raw) != nil {
		return nil, errNoJWK
	}
	return signer(raw)
}

func parsePEM(data []byte) (crypto.Signer, error) {
	var found crypto.Signer
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		private, err := parseBlock(block)
		if err != nil {
			return nil, err
		}
		if private != nil && found != nil {
			return nil, errTwoKeys
		}
		if private != nil {
			found = private
		}
	}
	if found == nil {
		return nil, errPublic
	}
	return found, nil
}

// parseBlock gives nil and no error for a block that is no private key, such as openssl's EC PARAMETERS.
func parseBlock(block *pem.Block) (crypto.Signer, error) {
	if block.Headers["DEK-Info"] != "" {
		return nil, errEncrypted
	}
	var raw any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		raw, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		raw, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		raw, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "ENCRYPTED PRIVATE KEY":
		return nil, errEncrypted
	default:
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the PEM block %s cannot be read", block.Type)
	}
	return signer(raw)
}

// signer rebuilds a key from its private numbers alone, so that nothing that came precomputed, and no public half that
// doesn't belong to it, is trusted.
func signer(raw any) (crypto.Signer, error) {
	switch raw := raw.(type) {
	case *ecdsa.PrivateKey:
		return rebuildECDSA(raw)
	case *rsa.PrivateKey:
		return rebuildRSA(raw)
	case ed25519.PrivateKey:
		return raw, nil // both of its parsers make it from the seed
	}
	return nil, errors.New("it is no EC, RSA or Ed25519 key")
}

func rebuildECDSA(raw *ecdsa.PrivateKey) (crypto.Signer, error) {
	if raw.Curve != elliptic.P256() {
		return nil, errors.New("its curve is not P-256, the only one of ES256")
	}
	scalar, err := raw.Bytes()
	if err != nil {
		return nil, errors.New("its private number is out of range, or its public half is no point of the curve")
	}
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar)
	if err != nil {
		return nil, errors.New("its private number is out of range")
	}
	if !private.PublicKey.Equal(&raw.PublicKey) {
		return nil, errors.New("its public half does not belong to its private one")
	}
	return private, nil
}

func rebuildRSA(raw *rsa.PrivateKey) (crypto.Signer, error) {
	if err := checkRSA(&raw.PublicKey); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(raw.Primes, func(p *big.Int) bool { return p.BitLen() > maxRSABits }) {
		return nil, errors.New("its primes do not belong to its modulus")
	}
	if isROCA(raw.N) {
		return nil, errors.New("it was made by hardware whose keys can be factored (CVE-2017-15361): make a new one")
	}
	private := &rsa.PrivateKey{PublicKey: raw.PublicKey, D: raw.D, Primes: raw.Primes}
	private.Precompute()
	if private.Validate() != nil {
		return nil, errors.New("its numbers do not belong together")
	}
	return private, nil
}

// checkKey says which algorithm a key is for, and refuses a key that is for none of ours.
func checkKey(private crypto.Signer) (string, error) {
	switch private := private.(type) {
	case *ecdsa.PrivateKey:
		if private.Curve == elliptic.P256() {
			return ES256, nil
		}
	case *rsa.PrivateKey:
		return RS256, checkRSA(&private.PublicKey)
	case ed25519.PrivateKey:
		if len(private) == ed25519.PrivateKeySize {
			return EdDSA, nil
		}
	}
	return "", errors.New("it fits none of our algorithms")
}

func checkRSA(public *rsa.PublicKey) error {
	bits := public.N.BitLen()
	if bits < minRSABits || bits > maxRSABits {
		return fmt.Errorf("its modulus has %d bits, RS256 wants %d to %d", bits, minRSABits, maxRSABits)
	}
	if public.E <= 1 || public.E%2 == 0 {
		return errors.New("its public exponent is not an odd number above 1")
	}
	return nil
}
