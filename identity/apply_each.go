package identity

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// What becomes of a user whom something in the database stands in the way of.
const (
	late    = "late"    // a lock or the time limit was in the way
	untried = "untried" // the others have taken up the time
)

// eachTime is how long users of one source may take together, one by one. What is left then comes with the next events.
const eachTime = 2 * time.Second

// tooLate tells of what may be one user's doing, or of somebody who holds one user: a wait for a lock that was given up, a statement that
// was cancelled for its time, a deadlock.
func tooLate(err error) bool {
	code := sqlState(err)
	return code == "55P03" || code == "57014" || strings.HasPrefix(code, "40")
}

// applyEach applies users one by one, so that nobody waits for another longer than a moment.
func applyEach(ctx context.Context, tx pgx.Tx, source *Source, users []user, tell func(user, outcome)) error {
	if _, err := tx.Exec(ctx, "set local lock_timeout = 100"); err != nil {
		return err
	}
	enough, cancel := context.WithTimeout(ctx, eachTime)
	defer cancel()
	for i, u := range users {
		if enough.Err() != nil {
			tell(u, outcome{what: untried})
			continue
		}
		err := applySome(ctx, tx, source, users[i:i+1], tell)
		if err != nil && (ctx.Err() != nil || !tooLate(err)) {
			return err
		}
		if err != nil {
			tell(u, outcome{what: late, owner: sqlState(err)})
		}
	}
	_, err := tx.Exec(ctx, "set local lock_timeout = 1000")
	return err
}
