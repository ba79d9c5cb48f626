package identity

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// purgeTries is how often Purge tries: it waits at most a second for whoever is writing profiles to let it in, and no moment while
// another transaction holds the user. With the pauses that is some five seconds.
const purgeTries = 30

// Purge removes a user for good, by users_sync.id: profile, tenants, and what dead events say. What the source, its list or a
// token says of that id later is not taken: a hash of it is kept. Of events that are not read yet nothing is kept when they are.
// found is false where nothing was known of the user; it is kept out all the same. Purging again does what an error left undone.
func (s *Store) Purge(ctx context.Context, id string) (found bool, err error) {
	if id == "" {
		return false, errors.New("purging a user: name the id, as neon_identity.users_sync has it")
	}
	const query = `select rowpass.purge_profile($1::text, '{}')` // which events name the user is not for SQL to say
	for try := 1; ; try++ {
		err = s.ask(ctx, asked{query, []any{id}, one(&found)})
		if sqlState(err) != "55P03" || try == purgeTries {
			break
		}
		pause(ctx, nil, time.Duration(try)*10*time.Millisecond)
	}
	if err != nil {
		return false, fmt.Errorf("purging a user: %w", err)
	}
	forgotten, err := s.forgetDead(ctx, id)
	if err != nil {
		return false, fmt.Errorf("purging a user, who is gone, from events that could not be read: %w; purge it once more", err)
	}
	return found || forgotten, nil
}

// Unpurge lets a purged id come back, with the next event, list or token that names it. found is false where it wasn't purged.
func (s *Store) Unpurge(ctx context.Context, id string) (found bool, err error) {
	const query = `
		with gone as (delete from rowpass.purged where mark = sha256(convert_to($1::text, 'UTF8')) returning true)
		select exists (select from gone)`
	if err := s.ask(ctx, asked{query, []any{id}, one(&found)}); err != nil {
		return false, fmt.Errorf("letting a purged user come back: %w", err)
	}
	s.seen.known.Purge()
	return found, nil
}
