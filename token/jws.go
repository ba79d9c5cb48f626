package token

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"rowpass/keys"
)

const (
	maxToken = 16 << 10 // bytes, looked at before anything is parsed
	maxKeyID = 128      // bytes: ours have 43
)

// JWS is a token's outer form, checked strictly, and its header, which nobody has vouched for yet.
type JWS struct {
	Algorithm string // one of keys.VerifyAlgorithms; it only ever is compared with the key's own
	KeyID     string // kid: looked up in a set of keys, never part of a path, a query or an address; "" where there is none
	Type      string // typ as it came; "" where there is none
	raw       string
}

// Parse reads a compact JWS (RFC 7515 section 7.1) without verifying it: at most 16 KiB, exactly two dots, base64url in
// the one canonical spelling, and a header that passes every check of header. The errors are ErrTooLarge and ErrInvalid.
func Parse(raw string) (JWS, error) {
	j, err := parse(raw)
	if err != nil {
		return JWS{}, err
	}
	if !slices.Contains(keys.VerifyAlgorithms(), j.Algorithm) {
		return JWS{}, invalid("header: alg is not one of %s", strings.Join(keys.VerifyAlgorithms(), ", "))
	}
	return j, nil
}

// parse is Parse for whoever looks at alg itself.
func parse(raw string) (JWS, error) {
	if len(raw) > maxToken {
		return JWS{}, tooLarge("it", maxToken)
	}
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return JWS{}, invalid("it is not three parts with two dots between them")
	}
	head, err := decodePart(parts[0])
	if err != nil {
		return JWS{}, err
	}
	if _, err := decodePart(parts[1]); err != nil {
		return JWS{}, err
	}
	signature, err := decodePart(parts[2])
	if err != nil {
		return JWS{}, err
	}
	if len(signature) == 0 {
		return JWS{}, invalid("it has no signature")
	}
	return header(raw, head)
}

// decodePart takes base64url without padding, and of its spellings only the one whose unused bits are zero, so that
// nobody can change a token's text and have it verify.
func decodePart(part string) ([]byte, error) {
	if strings.ContainsAny(part, "\r\n") { // encoding/base64 would skip them
		return nil, invalid("it is not base64url without padding")
	}
	data, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return nil, invalid("it is not base64url without padding")
	}
	return data, nil
}

// header reads the protected header. Where keys are to be found (jku, jwk, x5u, x5c; RFC 7515 sections 4.1.2 to 4.1.6) is
// not the token's to say: those members are ignored.
func header(raw string, data []byte) (JWS, error) {
	o, err := ParseObject(data)
	if err != nil {
		return JWS{}, invalid("header: %v", err)
	}
	for _, name := range []string{"crit", "b64", "cty"} {
		if o.find(name) != nil {
			return JWS{}, invalid("header: %s is not supported", name)
		}
	}
	j := JWS{raw: raw}
	for _, m := range []struct {
		name string
		to   *string
	}{{"alg", &j.Algorithm}, {"kid", &j.KeyID}, {"typ", &j.Type}} {
		if *m.to, _, err = o.text(m.name); err != nil {
			return JWS{}, invalid("header: %s is not a string", m.name)
		}
	}
	if j.Algorithm == "Ed25519" { // the same by its newer name (RFC 9864, section 2.2)
		j.Algorithm = keys.EdDSA
	}
	if len(j.KeyID) > maxKeyID {
		return JWS{}, invalid("header: kid has more than %d bytes", maxKeyID)
	}
	return j, nil
}

// unverified is the payload, which nobody has vouched for; nil where it cannot be read.
func (j JWS) unverified() []byte {
	part, _, _ := strings.Cut(j.raw[strings.IndexByte(j.raw, '.')+1:], ".")
	data, err := decodePart(part)
	if err != nil {
		return nil
	}
	return data
}

// issuer is the iss that the payload claims, which nobody has vouched for; "" where there is none.
func (j JWS) issuer() (string, error) {
	o, err := ParseObject(j.unverified())
	if err != nil {
		return "", err
	}
	issuer, _, _ := o.text("iss")
	return issuer, nil
}

// Payload verifies the signature with k and gives what was signed, whatever it is. The header's alg must be k's own.
func (j JWS) Payload(k keys.Key) ([]byte, error) {
	if j.Algorithm != k.Algorithm() {
		return nil, invalid("header: alg is not that of the key")
	}
	payload, err := k.Verify([]byte(j.raw))
	if errors.Is(err, keys.ErrSignature) {
		return nil, errNotSigned()
	}
	return payload, err
}

func errNotSigned() error { return invalid("the signature is not that of the key") }

// digest stands for the ID of a token that has none, so that it can be revoked. The signature is left out: of one of ECDSA
// anybody can make a second one.
func (j JWS) digest() string {
	signed := j.raw[:max(0, strings.LastIndexByte(j.raw, '.'))]
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(signed)))
}
