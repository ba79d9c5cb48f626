package identity

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	eventBatch   = 500                   // events of one transaction
	batchBytes   = 16 << 20              // of their bodies, but for the last one's
	gather       = 20 * time.Millisecond // after a batch that was not full, so that the next one is worth its transaction
	idlePause    = time.Second           // how often an instance looks for what others have accepted
	troublePause = time.Second           // after trouble with the database; it doubles
	troubleMost  = 30 * time.Second      // up to this
)

// Run reads events until ctx ends, those of users who must be asked for beside the others. Any number of instances may do so at
// once, and one that is killed leaves what it was at to the others. Call it once a store.
func (s *Store) Run(ctx context.Context) {
	var loops sync.WaitGroup
	loops.Go(func() { s.loop(ctx, s.wake, s.readBatch) })
	loops.Go(func() { s.fetchLoops(ctx) })
	loops.Wait()
}

// loop calls step until ctx ends: again at once while there is a full batch, else when it is woken or a second has passed.
func (s *Store) loop(ctx context.Context, wake <-chan struct{}, step func(context.Context) (int, error)) {
	trouble := troublePause
	for ctx.Err() == nil {
		n, err := step(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			s.log.WarnContext(ctx, "events wait for the database", "err", err)
			pause(ctx, nil, trouble)
			trouble = min(2*trouble, troubleMost)
			continue
		case n == 0:
			pause(ctx, wake, idlePause)
		case n < eventBatch:
			pause(ctx, nil, gather)
		}
		trouble = troublePause
	}
}

func pause(ctx context.Context, wake <-chan struct{}, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-wake:
	case <-t.C:
	}
}

// readBatch reads the next events and says how many. They are locked while it does, others skip them, and what breaks off
// is as if it had not begun.
func (s *Store) readBatch(ctx context.Context) (n int, err error) {
	var letters []*letter
	err = s.within(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if letters, err = s.claim(ctx, tx); err != nil || len(letters) == 0 {
			return err
		}
		for _, l := range letters {
			l.open()
		}
		return s.settle(ctx, tx, letters)
	})
	if err != nil {
		return 0, fmt.Errorf("reading events: %w", err)
	}
	s.tell(ctx, letters)
	return len(letters), nil
}

// claim locks the events that have waited longest, and reads as many of them as fit in its memory.
func (s *Store) claim(ctx context.Context, tx pgx.Tx) ([]*letter, error) {
	const query = `
		with due as materialized (
			select source, event_id, received_at, attempts, body, next_at from rowpass.inbox
			where state = 'pending' and next_at <= now() and source = any ($1::text[])
			order by next_at limit $2::bigint for update skip locked
		), sized as (
			select *, coalesce(sum(octet_length(body)) over (order by next_at, source, event_id
				rows between unbounded preceding and 1 preceding), 0) as before from due
		)
		select source, event_id, received_at, attempts, body from sized where before < $3::bigint`
	rows, err := tx.Query(ctx, query, s.names, eventBatch, batchBytes)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, s.scanLetter)
}

func (s *Store) scanLetter(row pgx.CollectableRow) (*letter, error) {
	l := &letter{}
	var source string
	err := row.Scan(&source, &l.id, &l.received, &l.attempts, &l.body)
	l.source = s.sources[source]
	return l, err
}

// tell logs the dead and those that were put off, and wakes the other loop where there is something to fetch.
func (s *Store) tell(ctx context.Context, letters []*letter) {
	for _, l := range letters {
		switch l.fate {
		case dead:
			s.log.WarnContext(ctx, "an event could not be read", "source", l.source.Name(), "event_id", l.id, "reason", l.reason, "bytes", len(l.body))
		case pending:
			s.log.WarnContext(ctx, "an event was put off", "source", l.source.Name(), "event_id", l.id, "reason", l.reason, "pause", l.pause)
		case fetch:
			select {
			case s.wakeFetch <- struct{}{}:
			default:
			}
		}
	}
}
