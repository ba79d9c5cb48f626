package identity

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// Accept keeps events until they are read. When it returns without an error, all are committed, and else none is. fresh is how many
// had not come before. ErrFull and ErrUnavailable: let the provider send them again later.
func (s *Store) Accept(ctx context.Context, source string, events ...Message) (fresh int, err error) {
	switch len(events) {
	case 0:
		return 0, nil
	case 1:
		return s.accept(ctx, source, keepEvent, events[0].ID, events[0].Body)
	}
	const query = `
		select count(*) filter (where rowpass.keep_event($1::text, e.id, e.body))
		from (select id, body from unnest($2::text[], $3::bytea[]) as u (id, body) order by id) e`
	ids, bodies := make([]string, len(events)), make([][]byte, len(events))
	for i, e := range events {
		ids[i], bodies[i] = e.ID, e.Body
	}
	return s.accept(ctx, source, query, ids, bodies)
}

const keepEvent = `select rowpass.keep_event($1::text, $2::text, $3::bytea)::int::bigint`

// accept runs a query that keeps events and says how many are new.
func (s *Store) accept(ctx context.Context, source, query string, ids, bodies any) (fresh int, err error) {
	if _, err := s.source(source); err != nil {
		return 0, err
	}
	if err := s.room(ctx, source); err != nil {
		return 0, err
	}
	if err := s.askAlone(ctx, &fresh, query, source, ids, bodies); err != nil {
		return 0, fmt.Errorf("keeping an event: %w", err)
	}
	if fresh > 0 {
		s.waiting.add(source, fresh)
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
	return fresh, nil
}

const (
	maxPending  = 1_000_000       // events of one source that wait or are dead at most
	countedLong = 5 * time.Second // so long a count of them is good; what is accepted here meanwhile is added
)

// waiting is how many events of each source wait or are dead, as far as this instance knows.
type waiting struct {
	mu    sync.Mutex // guards known
	known map[string]counted
}

type counted struct {
	events int64
	until  time.Time // count again then
}

// room is ErrFull where too many events wait or are dead: both have bodies. Only one of several callers counts them again; the others go by the last count.
func (s *Store) room(ctx context.Context, source string) error {
	if s.waiting.mustCount(source, s.now()) {
		const query = `
			select count(*) from (
				select from rowpass.inbox where source = $1::text and state in ('pending', 'fetch')
				union all select from rowpass.inbox where source = $1::text and state = 'dead' limit $2::bigint
			) e`
		var events int64
		if err := s.ask(ctx, asked{query, []any{source, s.maxPending}, one(&events)}); err != nil {
			s.waiting.forget(source)
			return fmt.Errorf("counting the events that are kept: %w", err)
		}
		s.waiting.set(source, counted{events, s.now().Add(countedLong)})
	}
	if s.waiting.count(source) >= s.maxPending {
		return fmt.Errorf("source %s: %w", source, ErrFull)
	}
	return nil
}

func (w *waiting) mustCount(source string, now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	known, ok := w.known[source]
	if ok && now.Before(known.until) {
		return false
	}
	known.until = now.Add(countedLong)
	w.put(source, known)
	return true
}

func (w *waiting) add(source string, events int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	known := w.known[source]
	known.events += int64(events)
	w.put(source, known)
}

func (w *waiting) set(source string, c counted) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.put(source, c)
}

func (w *waiting) forget(source string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.known, source)
}

func (w *waiting) count(source string) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.known[source].events
}

// put is for those who hold the lock.
func (w *waiting) put(source string, c counted) {
	if w.known == nil {
		w.known = map[string]counted{}
	}
	w.known[source] = c
}

// DeadEvent is one that could not be made a profile of.
type DeadEvent struct {
	Source   string
	ID       string
	Reason   string // has no personal data
	Received time.Time
	Attempts int
}

// Dead lists the newest thousand events that could not be read, of one source or, with "", of all.
func (s *Store) Dead(ctx context.Context, source string) ([]DeadEvent, error) {
	const query = `
		select source, event_id, coalesce(reason, ''), received_at, attempts from rowpass.inbox
		where state = 'dead' and ($1::text = '' or source = $1::text) order by received_at desc, event_id limit 1000`
	var dead []DeadEvent
	err := s.ask(ctx, asked{query, []any{source}, func(rows pgx.Rows) (err error) {
		dead, err = pgx.CollectRows(rows, pgx.RowToStructByPos[DeadEvent])
		return err
	}})
	if err != nil {
		return nil, fmt.Errorf("listing dead events: %w", err)
	}
	return dead, nil
}

// Retry lets dead events be read once more, of one source or, with "", of all, and says how many they are. One whose body went
// with a purged user stays dead.
func (s *Store) Retry(ctx context.Context, source string) (n int64, err error) {
	const query = `
		with again as (
			update rowpass.inbox set state = 'pending', attempts = 0, next_at = now(), reason = null
			where state = 'dead' and body is not null and ($1::text = '' or source = $1::text) returning true
		) select count(*) from again`
	if err := s.ask(ctx, asked{query, []any{source}, one(&n)}); err != nil {
		return 0, fmt.Errorf("retrying dead events: %w", err)
	}
	return n, nil
}

// Discard lets a source's dead events go, those with these IDs or, with none, all, and says how many they were. Of them are kept
// the IDs, as of events that were read, so that one which the provider sends again within a week is not taken for new.
func (s *Store) Discard(ctx context.Context, source string, ids ...string) (n int64, err error) {
	const query = `
		with gone as (
			update rowpass.inbox i set state = 'done', body = null, reason = null from (
				select source, event_id from rowpass.inbox
				where state = 'dead' and source = $1::text and (coalesce(cardinality($2::text[]), 0) = 0 or event_id = any ($2::text[]))
				limit $3::bigint for update
			) d where i.source = d.source and i.event_id = d.event_id returning true
		) select count(*) from gone`
	if _, err := s.source(source); err != nil {
		return 0, err
	}
	for gone := int64(pruneBatch); gone == pruneBatch; n += gone {
		if err := s.ask(ctx, asked{query, []any{source, ids, pruneBatch}, one(&gone)}); err != nil {
			return n, fmt.Errorf("discarding dead events: %w", err)
		}
	}
	return n, nil
}
