package identity

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	deadBatch = 1000     // dead events that are looked through at once
	deadBytes = 16 << 20 // of their bodies, but for the last one's
)

// deadBody is a dead event whose body may name somebody. body is nil where it can't.
type deadBody struct {
	source   string
	received time.Time
	id       string
	body     []byte
}

// forgetDead takes the bodies of dead events that name a user who was purged, and says whether there were any. Call it when the
// purge is committed: an event that is found dead from then on is looked up among the purged. It holds nobody up.
func (s *Store) forgetDead(ctx context.Context, id string) (found bool, err error) {
	wanted := s.nameOf(id)
	for at := (deadBody{}); ; {
		bodies, err := s.deadBodies(ctx, at, wanted)
		if err != nil || len(bodies) == 0 {
			return found, err
		}
		var naming []deadBody
		for _, b := range bodies {
			if b.body != nil && wanted.in(b.body) {
				naming = append(naming, b)
			}
		}
		if err := s.forgetBodies(ctx, naming); err != nil {
			return found, err
		}
		found, at = found || len(naming) > 0, bodies[len(bodies)-1]
	}
}

// nameOf is the id, and the subject of each source that it may belong to.
func (s *Store) nameOf(id string) name {
	wanted := name{id}
	for _, source := range s.sources {
		if subject, ok := strings.CutPrefix(id, source.Config().Prefix); ok && subject != "" && subject != id {
			wanted = append(wanted, subject)
		}
	}
	return wanted
}

// deadBodies gives the next dead events behind one. Only what has a backslash or the name itself can name somebody, so that most
// bodies stay where they are.
func (s *Store) deadBodies(ctx context.Context, behind deadBody, wanted name) (bodies []deadBody, err error) {
	const query = `
		with next as materialized (
			select source, received_at, event_id, body from rowpass.inbox
			where state = 'dead' and body is not null and (source, received_at, event_id) > ($1::text, coalesce($2::timestamptz, '-infinity'), $3::text)
			order by source, received_at, event_id limit $4::bigint
		), sized as (
			select *, coalesce(sum(octet_length(body)) over (order by source, received_at, event_id
				rows between unbounded preceding and 1 preceding), 0) as before from next
		)
		select source, received_at, event_id, case when position('\x5c'::bytea in body) > 0
			or exists (select from unnest($5::text[]) w where position(convert_to(w, 'UTF8') in body) > 0) then body end
		from sized where before < $6::bigint order by source, received_at, event_id`
	args := []any{behind.source, orNull(behind.received), behind.id, deadBatch, []string(wanted), deadBytes}
	err = s.ask(ctx, asked{query, args, func(rows pgx.Rows) error {
		bodies, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (b deadBody, err error) {
			return b, row.Scan(&b.source, &b.received, &b.id, &b.body)
		})
		return err
	}})
	return bodies, err
}

func (s *Store) forgetBodies(ctx context.Context, of []deadBody) error {
	const query = `
		update rowpass.inbox i set body = null from unnest($1::text[], $2::text[]) as f (source, event_id)
		where i.source = f.source and i.event_id = f.event_id and i.state = 'dead'`
	if len(of) == 0 {
		return nil
	}
	sources, ids := make([]string, len(of)), make([]string, len(of))
	for i, b := range of {
		sources[i], ids[i] = b.source, b.id
	}
	return s.ask(ctx, asked{query: query, args: []any{sources, ids}})
}
