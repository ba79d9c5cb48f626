package token

import (
	"sync"
	"sync/atomic"
	"time"
)

// The kinds of a Denial: the claim that it looks at, or all of them.
const (
	DenyID      = "jti"
	DenySubject = "sub"
	DenyTenant  = "tenant_id"
	DenyClient  = "client_id"
	DenyKey     = "kid" // the header's
	DenySession = "sid"
	DenyAll     = "all" // its Value is ""
)

// Denial takes tokens back before they expire.
type Denial struct {
	Kind  string // what of a token is compared with Value
	Value string

	// IssuedBefore spares tokens of a later second: iat has whole seconds, so one of the same second goes too. The zero
	// time spares none.
	IssuedBefore time.Time

	// Until is when the last of these tokens is out of date, and the denial with it. Zero: nobody knows yet.
	Until time.Time
}

// DenyList is what was revoked before its time, held in memory so that asking costs no round trip. Any number of
// goroutines may use it; nil is a list that denies nothing.
type DenyList struct {
	count   atomic.Int64 // of entries, so that an empty list costs one load
	mu      sync.RWMutex
	entries map[denied]term // guarded by mu
}

// denied is what an entry is found by.
type denied struct {
	kind, value string
}

// term is how far an entry goes.
type term struct {
	issuedBefore, until time.Time
}

// NewDenyList makes an empty list.
func NewDenyList() *DenyList {
	return &DenyList{entries: map[denied]term{}}
}

// Add puts denials in force. Where one of the same kind and value is there already, both count: the later IssuedBefore
// and the later Until. One without a value is none, but of DenyAll: it would mean every token that lacks the claim.
func (d *DenyList) Add(denials ...Denial) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, n := range denials {
		if n.Value == "" && n.Kind != DenyAll {
			continue
		}
		key, fresh := denied{n.Kind, n.Value}, term{n.IssuedBefore, n.Until}
		if known, ok := d.entries[key]; ok {
			fresh = known.and(fresh)
		}
		d.entries[key] = fresh
	}
	d.count.Store(int64(len(d.entries)))
}

// and is the term that covers both. No IssuedBefore is the widest; no Until gives way to one that somebody knows.
func (t term) and(other term) term {
	switch {
	case t.issuedBefore.IsZero(), other.issuedBefore.IsZero():
		t.issuedBefore = time.Time{}
	case other.issuedBefore.After(t.issuedBefore):
		t.issuedBefore = other.issuedBefore
	}
	if other.until.After(t.until) {
		t.until = other.until
	}
	return t
}

// Denies says whether a token with these claims was revoked, or one that it was exchanged for. Each is as old as the oldest that it
// came of: else who has an old token would exchange it after a denial that spares new ones.
func (d *DenyList) Denies(c *Claims) bool {
	if d == nil || d.count.Load() == 0 {
		return false
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	if len(c.Origins) == 0 {
		return d.denies(c.origin())
	}
	lineage := c.Lineage()
	oldest := lineage[len(lineage)-1].IssuedAt
	for i := len(lineage) - 1; i >= 0; i-- {
		o := lineage[i]
		if o.IssuedAt.Before(oldest) {
			oldest = o.IssuedAt
		}
		o.IssuedAt = oldest
		if d.denies(o) {
			return true
		}
	}
	return false
}

// denies looks up what a token can be revoked by. The caller has mu.
func (d *DenyList) denies(o Origin) bool {
	for _, key := range [...]denied{
		{DenyID, o.ID}, {DenySession, o.SessionID}, {DenySubject, o.Subject}, {DenyTenant, o.Tenant},
		{DenyClient, o.ClientID}, {DenyKey, o.KeyID}, {DenyAll, ""},
	} {
		if t, ok := d.entries[key]; ok && t.covers(o.IssuedAt) {
			return true
		}
	}
	return false
}

// covers takes a token that doesn't say when it was issued for an old one.
func (t term) covers(issuedAt time.Time) bool {
	return t.issuedBefore.IsZero() || issuedAt.Unix() <= t.issuedBefore.Unix()
}

// Prune forgets the denials whose tokens are all out of date.
func (d *DenyList) Prune(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for key, t := range d.entries {
		if !t.until.IsZero() && now.After(t.until) {
			delete(d.entries, key)
		}
	}
	d.count.Store(int64(len(d.entries)))
}

// Len is how many denials are in force.
func (d *DenyList) Len() int {
	if d == nil {
		return 0
	}
	return int(d.count.Load())
}
