package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// purgeTries is how often Purge tries: it waits at most a second for whoever is writing profiles to let it in, and no moment while
// another transaction holds the user. With the pauses that is some five seconds.
const purgeTries = 30

// Purge removes a user for good, by users_sync.id: profile, tenants, and what dead events say. What the source, its list or a
// token says of that id later is not taken: a hash of it is kept. Of events that are not read yet nothing is kept when they are.
// found is false where nothing was known of the user; it is kept out all the same.
func (s *Store) Purge(ctx context.Context, id string) (found bool, err error) {
	if id == "" {
		return false, errors.New("purging a user: name the id, as neon_identity.users_sync has it")
	}
	const query = `select rowpass.purge_profile($1::text, $2::text[])`
	for try := 1; ; try++ {
		err = s.ask(ctx, asked{query, []any{id, s.writings(id)}, one(&found)})
		if sqlState(err) != "55P03" || try == purgeTries {
			break
		}
		pause(ctx, nil, time.Duration(try)*10*time.Millisecond)
	}
	if err != nil {
		return false, fmt.Errorf("purging a user: %w", err)
	}
	return found, nil
}

// writings are the ways in which the body of an event can name a user. A short subject counts in quotes alone: it would be found
// in anything.
func (s *Store) writings(id string) []string {
	subjects := []string{id}
	for _, source := range s.sources {
		if subject, ok := strings.CutPrefix(id, source.Config().Prefix); ok && subject != "" {
			subjects = append(subjects, subject)
		}
	}
	var all []string
	for _, subject := range subjects {
		quoted, err := json.Marshal(subject)
		if err != nil {
			continue // no string is refused
		}
		for _, written := range []string{string(quoted), strings.ReplaceAll(string(quoted), "/", `\/`)} {
			if len(subject) >= 8 {
				written = strings.Trim(written, `"`)
			}
			all = append(all, written)
		}
		if len(subject) >= 8 {
			all = append(all, subject)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
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
