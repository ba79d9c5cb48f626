package identity

import (
	"encoding/json"
	"time"
)

const (
	maxSubject = 512  // bytes of users_sync.id, and of a tenant
	maxText    = 1024 // bytes of a name and of an e-mail address
	maxAhead   = 5 * time.Minute
)

// Profile is what users_sync says about a user, checked so that an insert of Raw cannot fail.
type Profile struct {
	ID       string // users_sync.id: the source's prefix and Subject
	Subject  string
	Name     string    // "": null
	Email    string    // "": null
	SignedUp time.Time // in whole milliseconds; zero: null
	At       time.Time // when it was so, by which profiles of one user are ordered; in whole microseconds

	// Tenants that the user is in. nil: the object says nothing about tenants; empty: in none.
	Tenants []string

	Raw     json.RawMessage // the whole raw_json
	Deleted bool            // the object itself says that the user is gone
}

// Profile reads a user object as the provider's list has it; at is the moment before it was asked for. The profile's At is
// the object's own time of change, or at where it has none or one that is in the future by more than five minutes: such a
// row could not be changed until then. An error is a *PoisonError: it doesn't say whose it is.
func (s *Source) Profile(user json.RawMessage, at time.Time) (Profile, error) {
	object, err := parseObject(user, "the user object")
	if err != nil {
		return Profile{}, err
	}
	p, changed, err := s.profile(object, at)
	if err != nil {
		return Profile{}, err
	}
	p.At = storedTime(at)
	if !changed.IsZero() {
		p.At = storedTime(changed)
	}
	return p, nil
}

// profile reads a user object, and when the user was last changed by it; the zero time where it doesn't say, or says what is
// too far ahead of now.
func (s *Source) profile(object map[string]any, now time.Time) (Profile, time.Time, error) {
	r := &reader{source: s, object: object}
	fields := s.row.Fields
	subject, err := s.subject(first(fields.ID, object))
	if err != nil {
		return Profile{}, time.Time{}, err
	}
	p := Profile{
		ID:       s.ID(subject),
		Subject:  subject,
		Name:     r.name(),
		Email:    r.text(fields.Email),
		SignedUp: r.instant(fields.CreatedAt).Truncate(time.Millisecond),
		Tenants:  r.tenants(),
		Deleted:  s.gone(object),
	}
	changed := r.instant(fields.UpdatedAt)
	if changed.After(now.Add(maxAhead)) {
		changed = time.Time{}
	}
	p.Raw, err = s.raw(p, object)
	return p, changed, err
}
