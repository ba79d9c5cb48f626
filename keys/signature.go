package keys

import (
	"errors"
	"fmt"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"
)

// ErrSignature says that a token wasn't signed by the key that was asked.
var ErrSignature = errors.New("the signature is not this key's")

// ErrNoKey says that the zero Key, or a revoked one, was asked to sign or to verify.
var ErrNoKey = errors.New("there is no key")

// Sign makes a compact JWS of payload (RFC 7515 section 7.1), its header alg, kid and typ and nothing else. What a key's
// state allows is the ring's business (see Ring.Current), not Sign's.
func (k Key) Sign(typ string, payload []byte) ([]byte, error) {
	if k.halves == nil {
		return nil, ErrNoKey
	}
	header := jws.NewHeaders()
	if err := header.Set(jws.TypeKey, typ); err != nil {
		return nil, fmt.Errorf("making header: %w", err)
	}
	if err := header.Set(jws.KeyIDKey, k.id); err != nil {
		return nil, fmt.Errorf("making header: %w", err)
	}
	key := jws.WithKey(jwa.SignatureAlgorithm(k.alg), k.halves().private, jws.WithProtectedHeaders(header))
	signed, err := jws.Sign(payload, key)
	if err != nil {
		return nil, fmt.Errorf("signing with key %s: %w", k.id, err)
	}
	return signed, nil
}

// Verify gives the payload of a compact JWS that k has signed with its own algorithm, whatever the header says that
// it is. It checks the signature and nothing else: form and header are the caller's to check before (see token.Parse).
func (k Key) Verify(compact []byte) ([]byte, error) {
	if k.halves == nil {
		return nil, ErrNoKey
	}
	payload, err := jws.Verify(compact, jws.WithCompact(), jws.WithKey(jwa.SignatureAlgorithm(k.alg), k.halves().public))
	if err != nil {
		return nil, ErrSignature
	}
	return payload, nil
}
