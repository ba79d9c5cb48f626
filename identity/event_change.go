package identity

import "time"

// upsert reads the profile out of the event. Where it only names the user, it must be asked for.
func (m message) upsert(at time.Time) (Event, error) {
	user := m.user()
	if user == nil {
		return m.about(Fetch, at)
	}
	if m.source.gone(user) {
		return m.deletion(at)
	}
	profile, changed, err := m.source.profile(user, m.received)
	if err != nil {
		return Event{}, err
	}
	if at.IsZero() {
		at = storedTime(changed)
	}
	if at.IsZero() {
		at = m.received
	}
	profile.At = at
	return Event{Kind: Upsert, Subject: profile.Subject, At: at, Profile: profile}, nil
}

// deletion is later than whatever the object that was deleted says of itself, however the clocks differ.
func (m message) deletion(at time.Time) (Event, error) {
	e, err := m.about(Delete, at)
	if err != nil || !at.IsZero() {
		return e, err
	}
	row := m.source.row
	changed := instant(first(row.Fields.UpdatedAt, m.user()), row.Millis)
	if !changed.Before(e.At) && !changed.After(e.At.Add(maxAhead)) {
		e.At = storedTime(changed).Add(time.Microsecond)
	}
	return e, nil
}

func (m message) membership(kind Kind, at time.Time) (Event, error) {
	row := m.source.row.Member
	subject, err := m.source.subject(row.Subject.find(m.root))
	if err != nil {
		return Event{}, err
	}
	tenant, err := checkTenant(row.Tenant.find(m.root))
	if err != nil {
		return Event{}, err
	}
	if kind == Join && len(row.Status) > 0 && row.Status.find(m.root) != row.Active {
		kind = Leave
	}
	if at.IsZero() {
		at = m.received
	}
	return Event{Kind: kind, Subject: subject, At: at, Tenant: tenant}, nil
}
