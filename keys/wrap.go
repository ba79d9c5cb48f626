package keys

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// WrapSecretSize is how many bytes a wrapping secret has.
const WrapSecretSize = 32

// What the keys derived from one secret are for. They are part of the format.
const (
	wrapKeyInfo = "rowpass ring wrapping key v1"
	wrapIDInfo  = "rowpass ring wrapping id v1"
)

// WrapError says that the document is wrapped otherwise than the store expects. IDs are those of WrapID; "" is not wrapped.
type WrapError struct {
	Stored string // with which secret the document is wrapped
	Given  string // which one the store has
}

// Error says how both come together again.
func (e *WrapError) Error() string {
	switch {
	case e.Stored == "":
		return fmt.Sprintf("the ring is not wrapped, and keys.wrapping_secret is %s: unset it, or wrap the ring by rowpass keys rewrap --to-file FILE", e.Given)
	case e.Given == "":
		return fmt.Sprintf("the ring is wrapped with the secret %s, and there is no keys.wrapping_secret: start with that one, or unwrap the ring by "+
			"rowpass keys rewrap --from-file FILE", e.Stored)
	}
	return fmt.Sprintf("the ring is wrapped with the secret %s, and keys.wrapping_secret is %s: start with the former, or rewrap the ring by "+
		"rowpass keys rewrap --from-file FILE --to-file FILE", e.Stored, e.Given)
}

// envelope is a wrapped document.
type envelope struct {
	envelopeHead
	Wrapped []byte `json:"wrapped"` // nonce, ciphertext, tag; the head's JSON is authenticated with it
}

type envelopeHead struct {
	Cipher    string `json:"cipher"`
	WrappedBy string `json:"wrapped_by"` // WrapID of the secret
}

// envelopeCipher is the only one there is. Another would need another name.
const envelopeCipher = "HKDF-SHA256+A256GCM"

// wrapped is a Store whose documents only the secret's owner can read.
type wrapped struct {
	Store
	head envelopeHead
	aead cipher.AEAD
}

// Wrap gives a store that encrypts the whole document with a key that it derives from secret, 32 random bytes, and
// authenticates it. Versions are those of s. Whoever reads s without the secret sees no more than WrapID, and whoever
// writes to it can put an older document in place but not make one. A document that is wrapped otherwise is a *WrapError.
func Wrap(s Store, secret []byte) (Store, error) {
	if len(secret) != WrapSecretSize {
		return nil, fmt.Errorf("wrapping ring: the secret has %d bytes, %d are needed", len(secret), WrapSecretSize)
	}
	key, err := derive(secret, wrapKeyInfo, 32)
	if err != nil {
		return nil, fmt.Errorf("wrapping ring: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("wrapping ring: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("wrapping ring: %w", err)
	}
	return &wrapped{s, envelopeHead{envelopeCipher, WrapID(secret)}, aead}, nil
}

// WrapID names a wrapping secret and tells nothing else about it: 16 hex digits.
func WrapID(secret []byte) string {
	id, err := derive(secret, wrapIDInfo, 8)
	if err != nil {
		return ""
	}
	return hex.EncodeToString(id)
}

func derive(secret []byte, info string, size int) ([]byte, error) {
	return hkdf.Key(sha256.New, secret, nil, info, size)
}

// Load implements Store.
func (w *wrapped) Load(ctx context.Context) ([]byte, string, error) {
	data, version, err := w.Store.Load(ctx)
	if err != nil || version == "" {
		return nil, "", err
	}
	document, err := w.open(data)
	if err != nil {
		return nil, "", err
	}
	return document, version, nil
}

// Swap implements Store.
func (w *wrapped) Swap(ctx context.Context, document []byte, version string) (bool, error) {
	e := envelope{w.head, w.aead.Seal(nil, nil, document, w.head.bytes())}
	data, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return false, err
	}
	return w.Store.Swap(ctx, append(data, '\n'), version)
}

func (w *wrapped) open(data []byte) ([]byte, error) {
	var head envelopeHead
	if json.Unmarshal(data, &head) != nil {
		return nil, errDamaged
	}
	if head.WrappedBy != w.head.WrappedBy {
		return nil, &WrapError{Stored: head.WrappedBy, Given: w.head.WrappedBy}
	}
	var e envelope
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&e) != nil {
		return nil, errDamaged
	}
	if e.Cipher != envelopeCipher {
		return nil, errors.New("the document is wrapped by a cipher that this program does not know: run the version that wrote it")
	}
	document, err := w.aead.Open(nil, nil, e.Wrapped, e.bytes())
	if err != nil {
		return nil, errDamaged
	}
	return document, nil
}

// bytes is what the seal authenticates beside the document.
func (h envelopeHead) bytes() []byte {
	return []byte(h.Cipher + "\n" + h.WrappedBy)
}

// Rewrap writes the document that from reads as to writes it. Both are the same store, each wrapped in its own way or not
// at all. Where somebody else was faster it does so again; where there is no ring it says so.
func Rewrap(ctx context.Context, from, to Store) error {
	for {
		r, version, err := Load(ctx, from)
		if err != nil {
			return err
		}
		if version == "" {
			return errors.New("rewrapping ring: there is none")
		}
		document, err := encode(r)
		if err != nil {
			return fmt.Errorf("rewrapping ring: %w", err)
		}
		if swapped, err := to.Swap(ctx, document, version); swapped || err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("rewrapping ring: %w", err)
		}
	}
}
