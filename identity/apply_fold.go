package identity

import (
	"cmp"
	"slices"
	"time"
)

// user is all that some changes say about one.
type user struct {
	id, subject string
	profile     Profile   // the newest
	said        time.Time // profile's; zero: there is none
	gone        time.Time // of the newest deletion; zero: there is none
	tenants     map[string]membership
}

// membership is the newest that is said of a user and a tenant.
type membership struct {
	at     time.Time
	member bool
}

// fold puts together what changes say, in the order of the users' ids, in which they are locked. What is said at the same time
// counts as it comes.
func fold(source *Source, changes []Change) []user {
	byID := make(map[string]*user, len(changes))
	for _, c := range changes {
		subject := c.Subject
		if c.Kind == Upsert {
			subject = c.Profile.Subject
		}
		if !c.changes() || subject == "" {
			continue
		}
		id := source.ID(subject)
		if byID[id] == nil {
			byID[id] = &user{id: id, subject: subject}
		}
		byID[id].add(c)
	}
	users := make([]user, 0, len(byID))
	for _, u := range byID {
		users = append(users, *u)
	}
	slices.SortFunc(users, func(a, b user) int { return cmp.Compare(a.id, b.id) })
	return users
}

func (c Change) changes() bool {
	return c.Kind == Upsert || c.Kind == Delete || c.Kind == Join || c.Kind == Leave
}

func (u *user) add(c Change) {
	// Postgres keeps microseconds, and what it is compared with must not have more.
	switch at := c.At.Truncate(time.Microsecond); c.Kind {
	case Upsert:
		u.addProfile(c.Profile, c.Profile.At.Truncate(time.Microsecond))
	case Delete:
		u.gone = later(u.gone, at)
	case Join, Leave:
		u.addTenant(c.Tenant, membership{at, c.Kind == Join})
	}
}

func (u *user) addProfile(p Profile, at time.Time) {
	if p.Deleted {
		u.gone = later(u.gone, at)
		return
	}
	if !at.Before(u.said) {
		u.profile, u.said = p, at
	}
}

func (u *user) addTenant(tenant string, m membership) {
	if u.tenants == nil {
		u.tenants = map[string]membership{}
	}
	if known, ok := u.tenants[tenant]; !ok || !m.at.Before(known.at) {
		u.tenants[tenant] = m
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
