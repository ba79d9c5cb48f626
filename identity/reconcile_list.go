package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

const maxWalks = 3 // through a list that shifts

// list reads the list, and again where it has shifted meanwhile: a user that moved to a page which was read before is on none, and
// may be unknown here. That ends when reading it again brings nobody new.
func (r *reconciler) list(ctx context.Context) error {
	for walk := 1; ; walk++ {
		before := r.run.Counts.Added
		shifted, err := r.pages(ctx)
		if err != nil {
			return err
		}
		if !shifted || walk == maxWalks || walk > 1 && r.run.Counts.Added == before {
			break
		}
		r.run.Cursor = ""
	}
	r.run.Listed = true
	return r.save(ctx)
}

// pages reads from the run's cursor to the end. The list has shifted if the provider's number of users went down meanwhile. Where
// as many came as went, between two pages, that isn't seen: whom it hid is found by the next run, or by an event.
func (r *reconciler) pages(ctx context.Context) (shifted bool, err error) {
	most := 0
	if r.run.Cursor != "" {
		most = r.run.Total
	}
	w := newWalk(r.run.Cursor, r.now())
	for {
		p, err := r.page(ctx, w)
		if r.begunElsewhere(err) {
			r.run.Cursor, w = "", newWalk("", r.now())
			continue
		}
		if err != nil {
			return false, err
		}
		most = max(most, p.Total)
		shifted = shifted || p.Total > 0 && p.Total < most
		if p.Next == "" {
			return shifted, nil
		}
	}
}

// page reads the page at the run's cursor and applies it.
func (r *reconciler) page(ctx context.Context, w *walk) (Page, error) {
	asked := r.now()
	p, err := r.Lister.Page(ctx, r.run.Cursor)
	if err != nil {
		return Page{}, fmt.Errorf("reading page %d of its list: %w", r.run.Pages+1, err)
	}
	named, err := r.take(ctx, p, asked)
	if err != nil {
		return Page{}, err
	}
	return p, w.took(named, p.Next, r.now())
}

// begunElsewhere tells of a cursor that an earlier run has left and that the provider doesn't know any more.
func (r *reconciler) begunElsewhere(err error) bool {
	return r.out.Resumed && r.read == 0 && r.run.Cursor != "" && (errors.Is(err, errAbsent) || errors.Is(err, errBadRequest))
}

// take applies one page and moves on to the next. named are the page's users, by whatever tells them apart.
func (r *reconciler) take(ctx context.Context, p Page, asked time.Time) (named []string, err error) {
	changes, subjects, others := r.changes(p.Users, asked)
	if err := r.apply(ctx, changes, asked); err != nil {
		return nil, err
	}
	if err := r.revive(ctx, changes, asked); err != nil {
		return nil, err
	}
	if len(subjects) > 0 {
		if err := r.using(func() error { return r.Store.Listed(ctx, r.name, r.run, subjects) }); err != nil {
			return nil, err
		}
	}
	r.read++
	r.run.Pages++
	if p.Total > 0 {
		r.run.Total = p.Total
	}
	if p.Next != "" {
		r.run.Cursor = p.Next
		if err := r.save(ctx); err != nil {
			return nil, err
		}
	}
	r.report(r.done(), r.run.Total)
	return append(subjects, others...), nil
}

// changes reads a page's users. others are those who could not be understood, as they came.
func (r *reconciler) changes(users []json.RawMessage, asked time.Time) (changes []Change, subjects, others []string) {
	for _, user := range users {
		p, err := r.profile(user, asked)
		if err != nil {
			r.poison(err)
			others = append(others, string(user))
			continue
		}
		changes = append(changes, Change{Kind: Upsert, Subject: p.Subject, At: p.At, Profile: p})
		subjects = append(subjects, p.Subject)
	}
	return changes, subjects, others
}

// profile reads a user object. One without a time of change counts as of five minutes before it was asked for: by a provider's clock
// that is behind ours, a change right after it is older than the moment itself, and its event must count for more all the same.
func (r *reconciler) profile(user json.RawMessage, asked time.Time) (Profile, error) {
	p, err := r.Source.Profile(user, asked)
	if p.At.Equal(asked) {
		p.At = asked.Add(-inFlight)
	}
	return p, err
}

func (r *reconciler) poison(err error) {
	if r.out.Poisoned == 0 {
		r.out.Poison = err.Error()
	}
	r.out.Poisoned++
}

// done is how many users the list has named so far, some of them more than once.
func (r *reconciler) done() int {
	c := r.run.Counts
	return c.Added + c.Changed + c.Deleted + c.Unchanged + c.Stale + c.Refused + r.out.Poisoned
}

// now is in whole microseconds, as PostgreSQL keeps it.
func (r *reconciler) now() time.Time { return r.Now().UTC().Truncate(time.Microsecond) }
