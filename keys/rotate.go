package keys

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Limits are the times that a rotation has to respect. All instances of a service have the same.
type Limits struct {
	MaxAge   time.Duration // how long others may keep our JWKS, as Cache-Control announces it
	TokenTTL time.Duration // the longest life of a token that is issued from now on
	Leeway   time.Duration // what verifiers allow clocks to differ by
	Every    time.Duration // how often the ring rotates by itself; 0: never
}

// Wait is how long a key is published before it signs: MaxAge for the caches of others, and once more for instances of
// ours that are late and publish an older key set.
func (l Limits) Wait() time.Duration { return 2 * l.MaxAge }

// retirement is how long a key that has signed tokens of life ttl verifies after the next one took over. MaxAge is in it,
// as in Wait, for instances that are late and sign with it still.
func (l Limits) retirement(ttl time.Duration) time.Duration {
	return max(ttl, l.TokenTTL) + l.Leeway + l.MaxAge
}

// Change is what happened to one key.
type Change struct {
	KeyID string
	From  State // "": added
	To    State // "": removed
}

// Errors of Promote and Revoke.
var (
	ErrNoStandby   = errors.New("the ring has no standby key")
	ErrUnknownKey  = errors.New("the ring has no such key")
	ErrNoSuccessor = errors.New("it is the current key, and no standby key can take its place")
)

// EarlyError says that a standby key is not published long enough to sign.
type EarlyError struct {
	KeyID string
	Until time.Time // when it may sign
}

// Error names the key and the time.
func (e *EarlyError) Error() string {
	return fmt.Sprintf("the standby key %s may not sign before %s: whoever caches our key set may not know it yet",
		e.KeyID, e.Until.Format(time.RFC3339))
}

// Advance does what is due at now: it promotes a standby key whose wait is over, and drops previous keys whose last token
// is out of date. Where nothing is due it gives the same ring, and nil.
func (r Ring) Advance(now time.Time, l Limits) (Ring, []Change) {
	t := turn{now: now, limits: l, keys: slices.Clone(r.keys)}
	if standby, ok := r.Standby(); ok && !now.Before(standby.since.Add(l.Wait())) {
		t.promote(standby.id)
	}
	t.drop()
	return t.end(r)
}

// WantsKey says that l.Every asks for a standby key now: early enough that it has waited when the current key's time is over.
func (r Ring) WantsKey(now time.Time, l Limits) bool {
	current, ok := r.Current()
	if _, waiting := r.Standby(); !ok || waiting || l.Every <= 0 {
		return false
	}
	return !now.Before(current.since.Add(l.Every - l.Wait()))
}

// Promote lets the standby key sign and makes the current one previous. Before the standby key's wait is over this is an
// *EarlyError, unless force: then whoever has cached our key set refuses new tokens for up to l.MaxAge. ErrNoStandby where
// there is none.
func (r Ring) Promote(now time.Time, l Limits, force bool) (Ring, []Change, error) {
	standby, ok := r.Standby()
	if !ok {
		return Ring{}, nil, ErrNoStandby
	}
	if from := standby.since.Add(l.Wait()); now.Before(from) && !force {
		return Ring{}, nil, &EarlyError{standby.id, from}
	}
	t := turn{now: now, limits: l, keys: slices.Clone(r.keys)}
	t.promote(standby.id)
	promoted, changes := t.end(r)
	return promoted, changes, nil
}

// Revoke makes everything void that the key kid has signed, and forgets its private half. The current key gives way to the
// standby key, whatever its age; where there is none that is ErrNoSuccessor. ErrUnknownKey where there is no such key; a
// key that is revoked already stays so: the same ring, and nil.
func (r Ring) Revoke(kid string, now time.Time, l Limits) (Ring, []Change, error) {
	k, ok := r.search(kid)
	if !ok {
		return Ring{}, nil, fmt.Errorf("revoking key %q: %w", kid, ErrUnknownKey)
	}
	if k.state == Revoked {
		return r, nil, nil
	}
	t := turn{now: now, limits: l, keys: slices.Clone(r.keys)}
	t.move(kid, Revoked)
	if k.state == Current {
		standby, ok := r.Standby()
		if !ok {
			return Ring{}, nil, fmt.Errorf("revoking key %s: %w", kid, ErrNoSuccessor)
		}
		t.promote(standby.id)
	}
	revoked, changes := t.end(r)
	return revoked, changes, nil
}

// Promise remembers that the current key signs a token of life ttl, so that it verifies that long once it is previous.
// False where it has promised as much before, or there is no current key: the same ring. Promise first and sign then, with
// the ring that was stored.
func (r Ring) Promise(ttl time.Duration) (Ring, bool) {
	current, ok := r.Current()
	if !ok || ttl <= current.promised {
		return r, false
	}
	t := turn{keys: slices.Clone(r.keys)}
	t.find(current.id).promised = upToSecond(ttl)
	return sorted(t.keys), true
}

// turn is a ring while it changes. Each step leaves what newRing checks, once all are done.
type turn struct {
	now     time.Time
	limits  Limits
	keys    []Key
	changes []Change
}

// find gives a key of the ring to change it.
func (t *turn) find(kid string) *Key {
	return &t.keys[slices.IndexFunc(t.keys, func(k Key) bool { return k.id == kid })]
}

func (t *turn) move(kid string, to State) {
	k := t.find(kid)
	t.changes = append(t.changes, Change{kid, k.state, to})
	*k = k.in(to, t.now)
}

// promote makes kid current and what was current previous, until its last token is out of date.
func (t *turn) promote(kid string) {
	if i := slices.IndexFunc(t.keys, func(k Key) bool { return k.state == Current }); i >= 0 {
		promised := t.keys[i].promised
		t.move(t.keys[i].id, Previous)
		t.keys[i].until = t.keys[i].since.Add(upToSecond(t.limits.retirement(promised)))
	}
	t.move(kid, Current)
	t.find(kid).promised = upToSecond(t.limits.TokenTTL)
}

// drop takes the previous keys away whose last token is out of date.
func (t *turn) drop() {
	t.keys = slices.DeleteFunc(t.keys, func(k Key) bool {
		over := k.state == Previous && !k.until.IsZero() && !t.now.Before(k.until)
		if over {
			t.changes = append(t.changes, Change{KeyID: k.id, From: Previous})
		}
		return over
	})
}

// end gives the ring that the turn has made of was.
func (t *turn) end(was Ring) (Ring, []Change) {
	if len(t.changes) == 0 {
		return was, nil
	}
	return sorted(t.keys), t.changes
}

// upToSecond counts whole seconds, which is what documents and tokens do, and never too few.
func upToSecond(d time.Duration) time.Duration {
	if whole := d.Truncate(time.Second); whole < d {
		return whole + time.Second
	}
	return d
}
