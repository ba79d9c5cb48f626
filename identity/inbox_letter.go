package identity

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// fate is the state that an event goes to.
type fate string

const (
	done    fate = "done"
	dead    fate = "dead"
	fetch   fate = "fetch"   // ask the provider's API for the user
	pending fate = "pending" // read it once more
	kept    fate = ""        // as it was: there was no time for it
)

// letter is an event out of the inbox, and what becomes of it.
type letter struct {
	source   *Source
	id       string
	received time.Time
	attempts int // before this one
	body     []byte

	event  Event
	fate   fate
	reason string        // of dead, and of fetch and pending where it went wrong
	pause  time.Duration // of fetch and pending

	untried bool // of fetch: there was no time to ask, which counts for no attempt
}

// open reads the event. What it is decides the fate, unless the database refuses it.
func (l *letter) open() {
	event, err := read(l.source, l.body, l.received)
	switch {
	case err != nil:
		l.kill(err.Error())
	case event.Kind == Fetch:
		l.event, l.fate = event, fetch
	default:
		l.event, l.fate = event, done
	}
}

// read is Source.Read. An event that makes it panic would else be read again by each instance that starts, for ever.
func read(s *Source, body []byte, received time.Time) (event Event, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("reading it went wrong; this is a fault of rowpass: please report it with the provider's name")
		}
	}()
	return s.Read(body, received)
}

func (l *letter) kill(reason string) { l.fate, l.reason = dead, clip(reason) }

const maxReason = 500 // bytes

// clip makes a reason that the database takes, whatever it quotes.
func clip(reason string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(reason[:min(len(reason), maxReason)], "\x00", ""), "")
}

// change is what the event says, once it is neither to be fetched nor dead.
func (l *letter) change() Change {
	c := Change{Kind: l.event.Kind, Subject: l.event.Subject, At: l.event.At, Profile: l.event.Profile, Tenant: l.event.Tenant}
	c.Profile.At = c.At
	return c
}

// subjectID is users_sync.id of whom the event is about.
func (l *letter) subjectID() string {
	if l.event.Kind == Upsert {
		return l.source.ID(l.event.Profile.Subject)
	}
	return l.source.ID(l.event.Subject)
}

// writeFates lets the body go where the event is done. Of a dead one it keeps what Redact leaves.
func writeFates(ctx context.Context, tx pgx.Tx, letters []*letter) error {
	const query = `
		update rowpass.inbox i set state = f.state, reason = nullif(f.reason, ''), attempts = f.attempts,
			next_at = now() + f.pause * interval '1 millisecond',
			body = case f.state when 'done' then null when 'dead' then f.body else i.body end
		from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::bigint[], $7::bytea[])
			as f (source, event_id, state, reason, attempts, pause, body)
		where i.source = f.source and i.event_id = f.event_id`
	n := len(letters)
	sources, ids, states, reasons := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	attempts, pauses, bodies := make([]int32, n), make([]int64, n), make([][]byte, n)
	for i, l := range letters {
		sources[i], ids[i], states[i], reasons[i] = l.source.Name(), l.id, string(l.fate), l.reason
		attempts[i], pauses[i] = int32(l.attempts+1), l.pause.Milliseconds() //nolint:gosec // a few thousand at most
		if l.untried {
			attempts[i]--
		}
		if l.fate == dead {
			bodies[i] = l.body
		}
	}
	if _, err := tx.Exec(ctx, query, sources, ids, states, reasons, attempts, pauses, bodies); err != nil {
		return fmt.Errorf("writing what became of events: %w", err)
	}
	return nil
}

// noteSources remembers the newest of what was read, for longer than the inbox does.
func noteSources(ctx context.Context, tx pgx.Tx, letters []*letter) error {
	const query = `
		insert into rowpass.sync_sources as s (source, last_event_at, last_received_at)
		select n.source, n.event_at, n.received_at from unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) as n (source, event_at, received_at)
		order by n.source
		on conflict (source) do update set last_event_at = greatest(s.last_event_at, excluded.last_event_at),
			last_received_at = greatest(s.last_received_at, excluded.last_received_at)`
	type newest struct{ event, received time.Time }
	of := map[string]newest{}
	for _, l := range letters {
		n := of[l.source.Name()]
		of[l.source.Name()] = newest{later(n.event, l.event.At), later(n.received, l.received)}
	}
	var names []string
	for name := range of {
		names = append(names, name)
	}
	slices.SortFunc(names, cmp.Compare)
	events, received := make([]*time.Time, len(names)), make([]time.Time, len(names))
	for i, name := range names {
		events[i], received[i] = orNull(of[name].event), of[name].received
	}
	if _, err := tx.Exec(ctx, query, names, events, received); err != nil {
		return fmt.Errorf("noting how sources are doing: %w", err)
	}
	return nil
}
