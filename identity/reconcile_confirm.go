package identity

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	confirmBatch = 100 // users asked for between two looks at the lease, which is for two minutes
	massDelete   = 10  // fewer deletions than this are never too many
)

// confirm asks for each user that the list didn't name. Those whom the provider has are brought up to date and noted as listed, so
// that a run which goes on with this one doesn't ask for them again; the others are deleted when all are known, or as they come
// where their number doesn't matter.
func (r *reconciler) confirm(ctx context.Context) error {
	var gone []Change
	for after, done := "", 0; ; {
		var subjects []string
		var unlisted, live int64
		if err := r.using(func() (err error) {
			subjects, unlisted, live, err = r.Store.Unlisted(ctx, r.name, r.run, after, confirmBatch)
			return err
		}); err != nil {
			return err
		}
		if len(subjects) == 0 {
			return r.remove(ctx, gone)
		}
		more, err := r.askAll(ctx, subjects)
		if err != nil {
			return err
		}
		gone = append(gone, more...)
		if err := r.allowed(len(gone), live); err != nil {
			return err
		}
		if r.AllowMassDelete {
			if err := r.remove(ctx, gone); err != nil {
				return err
			}
			gone = nil
		}
		if err := r.save(ctx); err != nil {
			return err
		}
		after, done = subjects[len(subjects)-1], done+len(subjects)
		r.report(done, max(int(unlisted), done))
	}
}

func (r *reconciler) allowed(gone int, live int64) error {
	if r.AllowMassDelete || gone < massDelete || int64(gone)*5 <= live {
		return nil
	}
	r.refused = int64(gone)
	return fmt.Errorf("%w: the provider doesn't have %d or more of the %d users that are here, more than a fifth; see that api names the right project and that its key may read all users, and if they are gone indeed, run it again with --allow-mass-delete", ErrMassDelete, gone, live)
}

// askAll asks for users, brings those up to date whom the provider has, and gives the deletions of those whom it has not.
func (r *reconciler) askAll(ctx context.Context, subjects []string) (gone []Change, err error) {
	var there []string
	for _, subject := range subjects {
		asked := r.now()
		p, found, err := r.ask(ctx, subject, asked)
		if err != nil {
			return nil, fmt.Errorf("asking for a user that its list doesn't name: %w", err)
		}
		switch found {
		case present:
			there = append(there, subject)
			if err := r.apply(ctx, []Change{{Kind: Upsert, Subject: subject, At: p.At, Profile: p}}, asked); err != nil {
				return nil, err
			}
		case missing:
			gone = append(gone, Change{Kind: Delete, Subject: subject, At: asked})
		default:
			r.out.Unsure++
		}
	}
	if len(there) == 0 {
		return gone, nil
	}
	return gone, r.using(func() error { return r.Store.Listed(ctx, r.name, r.run, there) })
}

// presence is what a provider says of one user.
type presence int

const (
	unsure presence = iota // the answer is about somebody else, or about nobody that could be understood
	present
	missing
)

func (r *reconciler) ask(ctx context.Context, subject string, asked time.Time) (Profile, presence, error) {
	user, found, err := r.Lister.User(ctx, subject)
	if errors.Is(err, errBadRequest) { // it is no ID as the provider's are
		return Profile{}, unsure, nil
	}
	if err != nil {
		return Profile{}, unsure, err
	}
	if !found {
		return Profile{}, missing, nil
	}
	p, err := r.profile(user, asked)
	if err != nil {
		r.poison(err)
		return Profile{}, unsure, nil
	}
	if p.Subject != subject {
		return Profile{}, unsure, nil
	}
	return p, present, nil
}

// remove deletes what the provider said is gone, if this run still has the lease.
func (r *reconciler) remove(ctx context.Context, gone []Change) error {
	if len(gone) == 0 {
		return nil
	}
	if err := r.save(ctx); err != nil {
		return err
	}
	_, err := r.applyAll(ctx, gone)
	return err
}
