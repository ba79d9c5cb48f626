package keys

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
)

// encodeJWKS joins the public JWKs that each key was given when it was made.
func encodeJWKS(keys []Key) []byte {
	jwks := make([][]byte, len(keys))
	for i, k := range keys {
		jwks[i] = k.halves().publicJWK
	}
	return fmt.Appendf(nil, `{"keys":[%s]}`, bytes.Join(jwks, []byte(",")))
}

func fingerprint(data []byte) string {
	sum := sha256.Sum256(data)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
}

// JWKS is the public key set (RFC 7517 section 5), encoded when the ring was made: in the order of Keys, without the
// revoked ones, each key with kid, alg, use and its public numbers.
func (r Ring) JWKS() []byte {
	if r.jwks == nil {
		return encodeJWKS(nil)
	}
	return bytes.Clone(r.jwks)
}

// ETag is a strong validator of JWKS (RFC 9110 section 8.8.3), with its quotes: the same bytes have the same one on
// every instance and after every start.
func (r Ring) ETag() string {
	if r.jwks == nil {
		return fingerprint(r.JWKS())
	}
	return r.etag
}

// PEM gives the keys of JWKS as PUBLIC KEY blocks, in the same order, for verifiers that take no key set.
func (r Ring) PEM() ([]byte, error) {
	var out bytes.Buffer
	for _, k := range r.published() {
		der, err := x509.MarshalPKIXPublicKey(k.halves().public)
		if err != nil {
			return nil, fmt.Errorf("encoding key %s: %w", k.id, err)
		}
		if err := pem.Encode(&out, &pem.Block{Type: "PUBLIC KEY", Bytes: der}); err != nil {
			return nil, fmt.Errorf("encoding key %s: %w", k.id, err)
		}
	}
	return out.Bytes(), nil
}
