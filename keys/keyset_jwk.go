package keys

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/lestrrat-go/jwx/v2/jwk"
)

var (
	errExposed     = errors.New("its private half is in the set, so whoever fetched that can sign: replace this key at the provider at once")
	errSharedKey   = errors.New("it is symmetric, so whoever fetched the set can sign: replace this key at the provider at once")
	errNotForUs    = errors.New("its use is not sig: it is not for signatures")
	errNotToVerify = errors.New("its key_ops do not have verify")
)

// jwkMembers are the members of one JWK, by their exact names.
type jwkMembers map[string]json.RawMessage

// parsePublic reads one key of a set.
func parsePublic(raw json.RawMessage) (PublicKey, *SkippedKey) {
	all, err := readMembers(raw)
	if err != nil {
		return PublicKey{}, &SkippedKey{Why: err.Error()}
	}
	m := jwkMembers(all)
	id, err := m.text("kid")
	if err != nil {
		return PublicKey{}, &SkippedKey{Why: err.Error()}
	}
	k, err := m.key(id)
	if err != nil {
		exposed := errors.Is(err, errExposed) || errors.Is(err, errSharedKey)
		return PublicKey{}, &SkippedKey{ID: id, Why: err.Error(), Exposed: exposed}
	}
	return k, nil
}

// key does every check that needs no arithmetic first.
func (m jwkMembers) key(id string) (PublicKey, error) {
	if err := m.checkPurpose(); err != nil {
		return PublicKey{}, err
	}
	alg, err := m.text("alg")
	if err != nil {
		return PublicKey{}, err
	}
	issuer, err := m.text("issuer")
	if err != nil {
		return PublicKey{}, err
	}
	public, err := m.public()
	if err != nil {
		return PublicKey{}, err
	}
	return newPublicKey(public, id, alg, issuer)
}

// checkPurpose refuses keys that nobody should verify with (RFC 7517 sections 4.2 and 4.3).
func (m jwkMembers) checkPurpose() error {
	if m.has("k") { // RFC 7518 section 6.4.1
		return errSharedKey
	}
	for _, name := range []string{"d", "p", "q", "dp", "dq", "qi", "oth"} { // RFC 7518 sections 6.2.2 and 6.3.2
		if m.has(name) {
			return errExposed
		}
	}
	use, err := m.text("use")
	if err != nil {
		return err
	}
	if use != "" && use != "sig" {
		return errNotForUs
	}
	return m.checkOperations()
}

func (m jwkMembers) checkOperations() error {
	if !m.has("key_ops") {
		return nil
	}
	var ops []string
	if json.Unmarshal(m["key_ops"], &ops) != nil || !slices.Contains(ops, "verify") {
		return errNotToVerify
	}
	return nil
}

// has takes null for nothing, which some libraries write for what isn't there.
func (m jwkMembers) has(name string) bool { return m[name] != nil && string(m[name]) != "null" }

// text gives the string member name; "" where there is none, or null.
func (m jwkMembers) text(name string) (string, error) {
	var s string
	if raw := m[name]; raw != nil && json.Unmarshal(raw, &s) != nil {
		return "", fmt.Errorf("its %s is no text", name)
	}
	return s, nil
}

// octets gives what the member name encodes. Padding, which RFC 7515 section 2 leaves out, is let pass.
func (m jwkMembers) octets(name string) ([]byte, error) {
	s, err := m.text(name)
	if err != nil {
		return nil, err
	}
	data, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
	if err != nil || len(data) == 0 || strings.ContainsAny(s, "\r\n") {
		return nil, fmt.Errorf("its %s is missing or no base64url", name)
	}
	return data, nil
}

// public gives the key itself, made of the members that its type needs and of nothing else that came with them.
func (m jwkMembers) public() (crypto.PublicKey, error) {
	kty, err := m.text("kty")
	if err != nil {
		return nil, err
	}
	switch kty {
	case "EC":
		return m.publicEC()
	case "RSA":
		return m.publicRSA()
	case "OKP":
		return m.publicOKP()
	}
	return nil, fmt.Errorf("its kty %.20q is not EC, RSA or OKP", kty)
}

// publicEC takes coordinates without their leading zeros too, which some libraries leave out: they are the same point.
func (m jwkMembers) publicEC() (crypto.PublicKey, error) {
	crv, err := m.text("crv")
	if err != nil {
		return nil, err
	}
	size, ok := map[string]int{"P-256": 32, "P-384": 48, "P-521": 66}[crv]
	if !ok {
		return nil, fmt.Errorf("its curve %.20q is not P-256, P-384 or P-521", crv)
	}
	members := map[string]string{"kty": "EC", "crv": crv}
	for _, name := range []string{"x", "y"} {
		octets, err := m.octets(name)
		if err != nil {
			return nil, err
		}
		number := new(big.Int).SetBytes(octets)
		if number.BitLen() > size*8 {
			return nil, errPoint
		}
		members[name] = base64.RawURLEncoding.EncodeToString(number.FillBytes(make([]byte, size)))
	}
	return parseMembers(members)
}

// publicRSA looks at the exponent's length, of which jwx takes the last 64 bits.
func (m jwkMembers) publicRSA() (crypto.PublicKey, error) {
	n, err := m.octets("n")
	if err != nil {
		return nil, err
	}
	e, err := m.octets("e")
	if err != nil {
		return nil, err
	}
	if new(big.Int).SetBytes(e).BitLen() > 31 {
		return nil, errExponent
	}
	return parseMembers(map[string]string{"kty": "RSA",
		"n": base64.RawURLEncoding.EncodeToString(n), "e": base64.RawURLEncoding.EncodeToString(e)})
}

func (m jwkMembers) publicOKP() (crypto.PublicKey, error) {
	crv, err := m.text("crv")
	if err != nil {
		return nil, err
	}
	if crv != "Ed25519" {
		return nil, fmt.Errorf("its curve %.20q is not Ed25519", crv)
	}
	x, err := m.octets("x")
	if err != nil {
		return nil, err
	}
	return parseMembers(map[string]string{"kty": "OKP", "crv": crv, "x": base64.RawURLEncoding.EncodeToString(x)})
}

// parseMembers never wraps what the parser says: it may quote what it read.
func parseMembers(members map[string]string) (crypto.PublicKey, error) {
	data, err := json.Marshal(members)
	if err != nil {
		return nil, fmt.Errorf("encoding key: %w", err)
	}
	key, err := jwk.ParseKey(data)
	if err != nil {
		return nil, errNoJWK
	}
	var public any
	if key.Raw(&public) != nil {
		return nil, errNoJWK
	}
	return public, nil
}
