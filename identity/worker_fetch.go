package identity

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	fetchBatch    = 16               // events of one source
	fetchTime     = 90 * time.Second // for asking for them, all in all
	fetchOneTime  = 15 * time.Second // for asking for one user
	fetchLease    = "2 minutes"      // of the database's time; then another instance may ask
	fetchAttempts = 15               // with pauses from 10 seconds to an hour and a half, some eight hours
	fetchPause    = 10 * time.Second
	fetchPauseMax = time.Hour // without the share that chance adds
)

// patience is how long a source's provider is waited for.
type patience struct{ all, one time.Duration }

// fetchLoops asks providers for users until ctx ends. Each source has a loop of its own, so that an API which hangs holds up nobody
// but its own source's users.
func (s *Store) fetchLoops(ctx context.Context) {
	var loops sync.WaitGroup
	var turn sync.Mutex
	var wakes []chan struct{}
	for _, name := range s.names {
		f := fetcher{Store: s, source: name, from: s.fetchers[name], turn: &turn}
		wake := make(chan struct{}, 1)
		wakes = append(wakes, wake)
		loops.Go(func() { s.loop(ctx, wake, f.batch) })
	}
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-s.wakeFetch:
			wakeAll(wakes)
		}
	}
	loops.Wait()
}

func wakeAll(wakes []chan struct{}) {
	for _, wake := range wakes {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}

// fetcher asks one source's provider.
type fetcher struct {
	*Store
	source string
	from   Lister      // nil: there is nobody to ask
	turn   *sync.Mutex // held while the database is used, so that all fetchers together need one connection
}

// batch asks for the users of the next events and says how many those were. No transaction is open meanwhile: the events are
// claimed for two minutes.
func (f fetcher) batch(ctx context.Context) (int, error) {
	letters, err := f.claim(ctx)
	if err != nil {
		return 0, fmt.Errorf("claiming users to ask for: %w", err)
	}
	if len(letters) == 0 {
		return 0, nil
	}
	f.askAll(ctx, letters)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if err := f.keep(ctx, letters); err != nil {
		return 0, fmt.Errorf("keeping users who were asked for: %w", err)
	}
	f.tell(ctx, letters)
	return len(letters), nil
}

func (f fetcher) claim(ctx context.Context) (letters []*letter, err error) {
	const query = `
		with due as (
			select source, event_id from rowpass.inbox
			where state = 'fetch' and next_at <= now() and source = $1::text
			order by next_at limit $2::bigint for update skip locked
		)
		update rowpass.inbox i set next_at = now() + interval '` + fetchLease + `'
		from due where i.source = due.source and i.event_id = due.event_id
		returning i.source, i.event_id, i.received_at, i.attempts, i.body`
	f.turn.Lock()
	defer f.turn.Unlock()
	err = f.ask(ctx, asked{query, []any{f.source, fetchBatch}, func(rows pgx.Rows) error {
		letters, err = pgx.CollectRows(rows, f.scanLetter)
		return err
	}})
	return letters, err
}

func (f fetcher) keep(ctx context.Context, letters []*letter) error {
	f.turn.Lock()
	defer f.turn.Unlock()
	return f.within(ctx, func(ctx context.Context, tx pgx.Tx) error { return f.settle(ctx, tx, letters) })
}

// askAll asks for each user once, while there is time.
func (f fetcher) askAll(ctx context.Context, letters []*letter) {
	ctx, cancel := context.WithTimeout(ctx, f.patience.all)
	defer cancel()
	var subjects []string
	of := map[string][]*letter{}
	for _, l := range letters {
		l.open()
		if l.fate != fetch {
			continue
		}
		if of[l.event.Subject] == nil {
			subjects = append(subjects, l.event.Subject)
		}
		of[l.event.Subject] = append(of[l.event.Subject], l)
	}
	for _, subject := range subjects {
		if ctx.Err() != nil {
			putBack(of[subject])
			continue
		}
		f.user(ctx, subject, of[subject])
	}
}

// putBack leaves events for the next batch as if they had not been in this one: nobody was asked.
func putBack(letters []*letter) {
	for _, l := range letters {
		l.untried = true
	}
}

// user makes of events that name one user events that say what the user is, as of the time of each: the provider may tell of a
// later change by an event that is still to come, which must then count for more.
func (f fetcher) user(ctx context.Context, subject string, letters []*letter) {
	if f.from == nil {
		for _, l := range letters {
			l.kill("the event has no profile, and source " + f.source + " has no API that could be asked for it: set its api, then let the event be read again")
		}
		return
	}
	ctx, cancel := context.WithTimeout(ctx, f.patience.one)
	defer cancel()
	object, found, err := f.from.User(ctx, subject)
	for _, l := range letters {
		switch {
		case err != nil:
			l.putOff(err, f.chance)
		case !found:
			l.event.Kind, l.fate = Delete, done
		default:
			l.answer(object, f.chance)
		}
	}
}

// answer takes the user object for the event's, if it is the one that was asked for. An object that is no user may be a page about
// maintenance.
func (l *letter) answer(object json.RawMessage, chance func() float64) {
	p, err := l.source.Profile(object, l.event.At)
	switch {
	case err != nil:
		l.putOff(fmt.Errorf("its answer is no user: %w", err), chance)
	case p.Subject != l.event.Subject:
		l.kill("the provider's API returned another user than the one who was asked for: see what stands before it, then let the event be read again")
	default:
		l.event.Kind, l.event.Profile, l.fate = Upsert, p, done
	}
}

// putOff tries again later, ever less often, and in the end no more. Chance adds up to a half to the pause, so that users who
// failed together aren't asked for together.
func (l *letter) putOff(err error, chance func() float64) {
	reason := "asking the provider for the user: " + strings.ReplaceAll(err.Error(), l.event.Subject, "…")
	if l.attempts+1 >= fetchAttempts {
		l.kill(reason)
		return
	}
	l.reason = clip(reason)
	l.pause = min(fetchPause<<l.attempts, fetchPauseMax)
	l.pause += time.Duration(chance() / 2 * float64(l.pause))
}
