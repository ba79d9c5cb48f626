// Package keys holds our own signing keys: it makes and imports them, keeps them as one document, and publishes their
// public halves. A Ring is an immutable value and a Key never shows its private half; what signs a token is the ring's
// current key, and whatever is in the ring verifies. Whoever can read the document can issue any token that we can.
package keys

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
)

// State is what a key of a ring is used for.
type State string

// The states. Every key of a ring verifies and is published; at most one is Current.
const (
	Current  State = "current"  // signs and verifies
	Previous State = "previous" // verifies what it signed while it was current
)

// Errors of Add, for callers that want to go on.
var (
	ErrSecondCurrent = errors.New("the ring has a current key, and whoever caches our key set does not know another yet")
	ErrKnownKey      = errors.New("the ring has this key")
)

// Ring is a set of keys of which at most one signs. The zero Ring is empty and good to use.
type Ring struct {
	keys []Key // current first, then the newest first
	jwks []byte
	etag string
}

// newRing checks what every ring must hold: known states, one current key at most, no kid twice.
func newRing(keys []Key) (Ring, error) {
	ids := make(map[string]bool, len(keys))
	current := 0
	for _, k := range keys {
		if k.halves == nil {
			return Ring{}, ErrNoKey
		}
		if k.state != Current && k.state != Previous {
			return Ring{}, fmt.Errorf("key %s: state %q is not one of %s, %s", k.id, k.state, Current, Previous)
		}
		if ids[k.id] {
			return Ring{}, fmt.Errorf("key %s: %w", k.id, ErrKnownKey)
		}
		ids[k.id] = true
		if k.state == Current {
			current++
		}
	}
	if current > 1 {
		return Ring{}, ErrSecondCurrent
	}
	slices.SortFunc(keys, byUse)
	jwks := encodeJWKS(keys)
	return Ring{keys: keys, jwks: jwks, etag: fingerprint(jwks)}, nil
}

// byUse puts the current key first: a verifier that ignores kid tries it first.
func byUse(a, b Key) int {
	if a.state != b.state {
		return cmp.Compare(a.state, b.state) // "current" < "previous"
	}
	return cmp.Or(b.created.Compare(a.created), cmp.Compare(a.id, b.id))
}

// Add gives a ring that has k, too, in state s. It refuses a second current key (ErrSecondCurrent) and a key that is
// there already (ErrKnownKey).
func (r Ring) Add(k Key, s State) (Ring, error) {
	k.state = s
	added, err := newRing(append(slices.Clone(r.keys), k))
	if err != nil {
		return Ring{}, fmt.Errorf("adding key: %w", err)
	}
	return added, nil
}

// Current is the key that signs. False where the ring has none.
func (r Ring) Current() (Key, bool) {
	if len(r.keys) == 0 || r.keys[0].state != Current {
		return Key{}, false
	}
	return r.keys[0], true
}

// Find gives the key that verifies what bears kid. False where there is none, or no more.
func (r Ring) Find(kid string) (Key, bool) {
	for _, k := range r.keys {
		if k.id == kid {
			return k, true
		}
	}
	return Key{}, false
}

// Keys lists the ring: the current key, then the others, the newest first.
func (r Ring) Keys() []Key {
	return slices.Clone(r.keys)
}

// String counts the keys and names the current one.
func (r Ring) String() string {
	current, ok := r.Current()
	if !ok {
		return fmt.Sprintf("ring of %d keys, none current", len(r.keys))
	}
	return fmt.Sprintf("ring of %d keys, current %s", len(r.keys), current.id)
}

// GoString is String, so that %#v shows no more than %v does.
func (r Ring) GoString() string { return r.String() }

// LogValue gives slog what String says.
func (r Ring) LogValue() slog.Value { return slog.StringValue(r.String()) }

// MarshalJSON gives the public key set (see JWKS).
func (r Ring) MarshalJSON() ([]byte, error) { return r.JWKS(), nil }
