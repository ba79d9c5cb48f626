package identity

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// revive asks for the users of a page whose rows say that they are deleted, and have been for so long that the list can't be
// behind: it is the deletion then that was wrong, since the provider has them. Their profiles count as of five minutes ago, as those
// without a time do, which is later than the deletion: by their own time of change that would hold for ever.
func (r *reconciler) revive(ctx context.Context, changes []Change, asked time.Time) error {
	var gone []string
	if err := r.using(func() (err error) {
		gone, err = r.Store.goneBefore(ctx, changes, asked.Add(-inFlight))
		return err
	}); err != nil {
		return fmt.Errorf("looking for deleted users that are listed: %w", err)
	}
	for _, subject := range gone {
		asked := r.now()
		p, found, err := r.ask(ctx, subject, asked)
		if err != nil {
			return fmt.Errorf("asking for a deleted user that its list names: %w", err)
		}
		if found != present || p.Deleted {
			continue
		}
		p.At = asked.Add(-inFlight)
		if _, err := r.applyAll(ctx, []Change{{Kind: Upsert, Subject: subject, At: p.At, Profile: p}}); err != nil {
			return err
		}
	}
	return nil
}

// goneBefore gives those of the changed users whose rows were deleted before a moment.
func (s *Store) goneBefore(ctx context.Context, changes []Change, before time.Time) (subjects []string, err error) {
	const query = `select subject from rowpass.profiles
		where id = any ($1::text[]) and gone_at < $2::timestamptz and not rowpass.is_live(said_at, gone_at, provisional)`
	ids := make([]string, 0, len(changes))
	for _, c := range changes {
		if !c.Profile.Deleted {
			ids = append(ids, c.Profile.ID)
		}
	}
	err = s.ask(ctx, asked{query, []any{ids, before}, func(rows pgx.Rows) error {
		subjects, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	}})
	return subjects, err
}
