// Package keys holds our own signing keys: it makes and imports them, says which of them signs when, keeps them as one
// document, and publishes their public halves. A Ring is an immutable value and a Key never shows its private half; what
// signs a token is the ring's current key. Whoever can read the document, unwrapped, can issue any token that we can.
//
// It also knows other issuers' keys: a KeySet is what one publishes, a Remote keeps it fresh, and a Preset says what is
// known of its make. What an issuer publishes is a stranger's text; that its tokens are believed is the configuration's word.
package keys

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// State is what a key of a ring is used for.
type State string

// The states, in the order in which a key passes through them. All but a revoked key verify and are published: another
// instance may have promoted a standby key already, and a previous one has signed what is still good.
const (
	Standby  State = "standby"  // is published, so that everybody knows it when it signs; one at most
	Current  State = "current"  // signs; one at most
	Previous State = "previous" // verifies what it signed while it was current
	Revoked  State = "revoked"  // does nothing, and is remembered so that it never comes back
)

// Errors of Add, for callers that want to go on.
var (
	ErrSecondCurrent = errors.New("the ring has a current key, and whoever caches our key set does not know another yet")
	ErrSecondStandby = errors.New("the ring has a standby key")
	ErrKnownKey      = errors.New("the ring has this key")
)

// Ring is a set of keys of which at most one signs. The zero Ring is empty and good to use.
type Ring struct {
	keys []Key // by use
	jwks []byte
	etag string
}

// newRing checks what every ring must hold. It takes keys over.
func newRing(keys []Key) (Ring, error) {
	ids := make(map[string]bool, len(keys))
	count := make(map[State]int)
	for _, k := range keys {
		if k.state.order() < 0 {
			return Ring{}, fmt.Errorf("key %s: state %q is not one of %v", k.id, k.state, states())
		}
		if k.halves == nil && k.state != Revoked {
			return Ring{}, ErrNoKey
		}
		if ids[k.id] {
			return Ring{}, fmt.Errorf("key %s: %w", k.id, ErrKnownKey)
		}
		ids[k.id] = true
		count[k.state]++
	}
	if count[Current] > 1 {
		return Ring{}, ErrSecondCurrent
	}
	if count[Standby] > 1 {
		return Ring{}, ErrSecondStandby
	}
	return sorted(keys), nil
}

// sorted is the ring of keys that hold what newRing checks. It takes keys over.
func sorted(keys []Key) Ring {
	slices.SortFunc(keys, byUse)
	r := Ring{keys: keys}
	r.jwks = encodeJWKS(r.published())
	r.etag = fingerprint(r.jwks)
	return r
}

// states lists them by use: a verifier that ignores kid tries the current key first.
func states() []State { return []State{Current, Standby, Previous, Revoked} }

func (s State) order() int { return slices.Index(states(), s) }

func byUse(a, b Key) int {
	return cmp.Or(cmp.Compare(a.state.order(), b.state.order()), b.created.Compare(a.created), cmp.Compare(a.id, b.id))
}

// Add gives a ring that has k, too, in state Standby, Current or Previous since now. It refuses a second current key
// (ErrSecondCurrent), a second standby key (ErrSecondStandby) and a key that is there already, revoked ones included
// (ErrKnownKey). A key that is added as Previous has signed elsewhere, nobody here knows until when: it stays until it is
// revoked.
func (r Ring) Add(k Key, s State, now time.Time) (Ring, error) {
	if known, ok := r.search(k.id); ok {
		return Ring{}, fmt.Errorf("adding key: %w: %s is %s", ErrKnownKey, k.id, known.state)
	}
	if s == Revoked {
		return Ring{}, errors.New("adding key: a revoked key is none to add")
	}
	added, err := newRing(append(slices.Clone(r.keys), k.in(s, now)))
	if err != nil {
		return Ring{}, fmt.Errorf("adding key: %w", err)
	}
	return added, nil
}

// Current is the key that signs. False where the ring has none.
func (r Ring) Current() (Key, bool) { return r.first(Current) }

// Standby is the key that signs next. False where the ring has none.
func (r Ring) Standby() (Key, bool) { return r.first(Standby) }

func (r Ring) first(s State) (Key, bool) {
	i := slices.IndexFunc(r.keys, func(k Key) bool { return k.state == s })
	if i < 0 {
		return Key{}, false
	}
	return r.keys[i], true
}

// Find gives the key that verifies what bears kid. False where there is none, or no more.
func (r Ring) Find(kid string) (Key, bool) {
	for _, k := range r.keys {
		if k.id == kid {
			return k, k.state != Revoked
		}
	}
	return Key{}, false
}

// search is Find for what is to be done with a key, so it finds revoked ones.
func (r Ring) search(kid string) (Key, bool) {
	i := slices.IndexFunc(r.keys, func(k Key) bool { return k.id == kid })
	if i < 0 {
		return Key{}, false
	}
	return r.keys[i], true
}

// Keys lists the ring: the current key, the standby key, the previous and then the revoked ones, of each the newest first.
func (r Ring) Keys() []Key {
	return slices.Clone(r.keys)
}

// published is Keys without the revoked ones, which stand last.
func (r Ring) published() []Key {
	end := slices.IndexFunc(r.keys, func(k Key) bool { return k.state == Revoked })
	if end < 0 {
		return r.keys
	}
	return r.keys[:end]
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
