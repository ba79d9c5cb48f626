package identity

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Change is what a source says about one user. It is as an Event, and may come from a list as well.
type Change struct {
	Kind    Kind      // Upsert, Delete, Join or Leave; others are left out
	Subject string    // without the source's prefix; of Upsert the profile's counts
	At      time.Time // of Upsert the profile's counts
	Profile Profile   // for Upsert; one that is Deleted makes it a Delete
	Tenant  string    // for Join and Leave
}

// Counts says what became of changes, a user each.
type Counts struct {
	Added     int // is there now, and was not, or was deleted
	Changed   int
	Deleted   int
	Unchanged int
	Stale     int // something newer was known, or the user was purged
	Refused   int // the id belongs to another source, or the database does not take it; the log says which
}

// Add counts more.
func (c *Counts) Add(more Counts) {
	c.Added += more.Added
	c.Changed += more.Changed
	c.Deleted += more.Deleted
	c.Unchanged += more.Unchanged
	c.Stale += more.Stale
	c.Refused += more.Refused
}

func (c *Counts) count(o outcome) {
	switch o.what {
	case "added":
		c.Added++
	case "changed":
		c.Changed++
	case "deleted":
		c.Deleted++
	case "unchanged":
		c.Unchanged++
	case "stale", "purged":
		c.Stale++
	default:
		c.Refused++
	}
}

// Apply makes a source's changes. With an error none is made; a user that the database refuses is left out and counted. Neither
// their order in the slice matters nor how often they come: of two profiles the later At counts, and a deletion holds against
// every profile up to its At.
func (s *Store) Apply(ctx context.Context, source string, changes []Change) (Counts, error) {
	from, err := s.source(source)
	if err != nil {
		return Counts{}, err
	}
	changes, counts := s.uncrowded(ctx, from, changes)
	users := fold(from, changes)
	var outcomes map[string]outcome
	err = s.within(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, holdPurged); err != nil {
			return err
		}
		outcomes = map[string]outcome{}
		return applySome(ctx, tx, from, users, func(u user, o outcome) { outcomes[u.id] = o })
	})
	if err != nil {
		return Counts{}, err
	}
	for id, o := range outcomes {
		counts.count(o)
		if reason := o.reason(); reason != "" {
			s.log.WarnContext(ctx, "a profile was refused", "source", source, "id", id, "reason", reason)
		}
	}
	return counts, nil
}

// uncrowded leaves out who is in too many tenants.
func (s *Store) uncrowded(ctx context.Context, source *Source, changes []Change) (rest []Change, counts Counts) {
	for _, c := range changes {
		reason := c.crowded()
		if reason == "" {
			rest = append(rest, c)
			continue
		}
		counts.Refused++
		s.log.WarnContext(ctx, "a profile was refused", "source", source.Name(), "id", source.ID(c.Profile.Subject), "reason", reason)
	}
	return rest, counts
}

// outcome is what became of a user.
type outcome struct {
	what   string // as rowpass.apply_profiles says, or "refused", late or untried
	owner  string // the source that the id belongs to; of "refused" and late the SQLSTATE
	newest bool   // the profile is
}

// reason is why the user was not taken, "" where it was.
func (o outcome) reason() string {
	switch o.what {
	case "foreign":
		return "the id belongs to source " + o.owner + "; give one of the two a prefix of its own"
	case "refused":
		return "the database does not take it (SQLSTATE " + o.owner + ")"
	}
	return ""
}

// applySome applies users in the order of their ids. If one is refused for a value, all are applied one by one, so that only
// that one is left out.
func applySome(ctx context.Context, tx pgx.Tx, source *Source, users []user, tell func(user, outcome)) error {
	outcomes, err := applySaved(ctx, tx, source, users)
	if err == nil {
		for i, u := range users {
			tell(u, outcomes[i])
		}
		return nil
	}
	if !refusedValue(err) {
		return err
	}
	if len(users) == 1 {
		tell(users[0], outcome{what: "refused", owner: sqlState(err)})
		return nil
	}
	for i := range users {
		if err := applySome(ctx, tx, source, users[i:i+1], tell); err != nil {
			return err
		}
	}
	return nil
}

// applySaved applies all users or, with an error, none, and the transaction goes on either way.
func applySaved(ctx context.Context, tx pgx.Tx, source *Source, users []user) (outcomes []outcome, err error) {
	if len(users) == 0 {
		return nil, nil
	}
	err = pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
		if outcomes, err = applyProfiles(ctx, tx, source, users); err != nil {
			return err
		}
		return applyTenants(ctx, tx, source, users, outcomes)
	})
	return outcomes, err
}

// applyProfiles says what became of each user, in their order.
func applyProfiles(ctx context.Context, tx pgx.Tx, source *Source, users []user) ([]outcome, error) {
	const query = `select id, outcome, owner, newest from rowpass.apply_profiles($1::text, $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[])`
	ids, subjects := make([]string, len(users)), make([]string, len(users))
	raws := make([]*string, len(users))
	said, gone := make([]*time.Time, len(users)), make([]*time.Time, len(users))
	place := make(map[string]int, len(users))
	for i, u := range users {
		ids[i], subjects[i], said[i], gone[i] = u.id, u.subject, orNull(u.said), orNull(u.gone)
		if !u.said.IsZero() {
			raw := string(u.profile.Raw)
			raws[i] = &raw
		}
		place[u.id] = i
	}
	outcomes := make([]outcome, len(users))
	batch := &pgx.Batch{}
	queue(batch, []asked{{query, []any{source.Name(), ids, subjects, raws, said, gone}, func(rows pgx.Rows) error {
		var id string
		var o outcome
		_, err := pgx.ForEachRow(rows, []any{&id, &o.what, &o.owner, &o.newest}, func() error {
			outcomes[place[id]] = o
			return nil
		})
		return err
	}}})
	return outcomes, tx.SendBatch(ctx, batch).Close()
}

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
