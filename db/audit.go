package db

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// Event is one entry of the audit: who got, lost or was refused which token. It never holds a token or a password.
type Event struct {
	At        time.Time // zero: when it is recorded
	Name      string    // issue, refuse, refresh, revoke, rotate, login or logout
	Outcome   string    // ok or refused
	Subject   string
	ClientID  string
	Tenant    string
	TokenID   string // jti
	KeyID     string // kid
	Address   string // where the request came from
	RequestID string
	Reason    string
}

// EventFilter says which events are wanted; what is empty does not restrict them.
type EventFilter struct {
	Since    time.Time
	Name     string
	Subject  string
	ClientID string
	Limit    int // how many at most, the newest; 0: 100
}

// Events lists the newest events that pass the filter, the oldest of them first.
func (s *State) Events(ctx context.Context, f EventFilter) ([]Event, error) {
	const query = `
		select at, event, outcome, subject, client_id, tenant, token_id, key_id, address, request_id, reason
		from rowpass.audit
		where ($1::timestamptz is null or at >= $1::timestamptz) and ($2::text = '' or event = $2::text)
			and ($3::text = '' or subject = $3::text) and ($4::text = '' or client_id = $4::text)
		order by at desc, id desc limit $5::bigint`
	var events []Event
	err := s.ask(ctx, asked{query, []any{orNull(f.Since), f.Name, f.Subject, f.ClientID, cmp.Or(f.Limit, 100)}, func(rows pgx.Rows) (err error) {
		events, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Event])
		return err
	}})
	slices.Reverse(events)
	return events, err
}

// WriteEvents writes events at once, for a command that ends soon.
func (s *State) WriteEvents(ctx context.Context, events []Event) error {
	batch := make([]recorded, len(events))
	for i, e := range events {
		batch[i] = record(e)
	}
	return s.write(ctx, batch)
}

// write is one statement. It can be sent again where its answer was lost: an event that is there already is left alone.
func (s *State) write(ctx context.Context, batch []recorded) error {
	const query = `
		insert into rowpass.audit (id, at, event, outcome, subject, client_id, tenant, token_id, key_id, address, request_id, reason)
		select * from unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
			$9::text[], $10::text[], $11::text[], $12::text[])
		on conflict (id) do nothing`
	ids, ats := make([]pgtype.UUID, len(batch)), make([]time.Time, len(batch))
	var texts [10][]string
	for i, r := range batch {
		ids[i], ats[i] = uuid(r.id), r.event.At
		for c, text := range r.event.texts() {
			texts[c] = append(texts[c], *text)
		}
	}
	args := []any{ids, ats}
	for _, column := range texts {
		args = append(args, append([]string{}, column...))
	}
	return s.ask(ctx, asked{query: query, args: args})
}

// texts are the fields in the order of the table's columns.
func (e *Event) texts() [10]*string {
	return [...]*string{&e.Name, &e.Outcome, &e.Subject, &e.ClientID, &e.Tenant, &e.TokenID, &e.KeyID, &e.Address, &e.RequestID, &e.Reason}
}

// recorded is an event with an id, by which it is written once.
type recorded struct {
	id    UUID
	event Event
}

// maxText is how many bytes are kept of a field: strangers choose some of them.
const maxText = 1024

// record makes an event that the database takes, whatever bytes a stranger has sent.
func record(e Event) recorded {
	r := recorded{event: e}
	_, _ = rand.Read(r.id[:]) // never returns an error
	if e.At.IsZero() {
		r.event.At = time.Now()
	}
	for _, text := range r.event.texts() {
		if len(*text) > maxText {
			*text = strings.Clone((*text)[:maxText])
		}
		*text = strings.ToValidUTF8(strings.ReplaceAll(*text, "\x00", "\uFFFD"), "\uFFFD")
	}
	return r
}

// Audit writes events in the background, so that no request waits for it. It is safe for concurrent use.
type Audit struct {
	state *State
	log   *slog.Logger
	wake  chan struct{} // holds one place

	mu    sync.Mutex // guards queue and ended
	queue []recorded
	ended bool // nobody writes the queue any more
}

const (
	auditQueue = 10_000          // events that wait at most
	auditBatch = 500             // events of one statement
	auditPause = time.Second     // after the database did not take a batch
	auditEnd   = 5 * time.Second // for what is left when Run ends
)

// NewAudit starts nothing: Run does the writing. What the database does not take goes to log, an event a line.
func NewAudit(s *State, log *slog.Logger) *Audit {
	return &Audit{state: s, log: log, wake: make(chan struct{}, 1)}
}

// Record takes an event to be written soon. It never waits for the database. Where too many wait already, or Run has
// ended, the event goes to the log.
func (a *Audit) Record(e Event) {
	r := record(e)
	if !a.push(r) {
		a.tell(r)
		return
	}
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// Pending is how many events wait to be written.
func (a *Audit) Pending() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.queue)
}

func (a *Audit) push(r recorded) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended || len(a.queue) >= auditQueue {
		return false
	}
	a.queue = append(a.queue, r)
	return true
}

// Run writes what is recorded until ctx ends, then the rest within a few seconds, and what is left then to the log. Call it
// once; while it is not running, events wait.
func (a *Audit) Run(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-a.wake:
			a.drain(ctx)
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditEnd)
	defer cancel()
	a.drain(last)
	for _, r := range a.close() {
		a.tell(r)
	}
}

// drain writes until the queue is empty or ctx ends. It keeps what it is writing in the queue, so that it counts there.
func (a *Audit) drain(ctx context.Context) {
	waiting := false
	for ctx.Err() == nil {
		batch := a.first()
		if len(batch) == 0 {
			return
		}
		err := a.state.write(ctx, batch)
		switch {
		case err == nil:
			a.drop(len(batch))
		case ctx.Err() != nil:
		case unavailable(err):
			if !waiting {
				a.log.WarnContext(ctx, "the audit waits for the database", "err", err)
			}
			waiting = true
			a.pause(ctx)
		default:
			a.log.ErrorContext(ctx, "the database refuses the audit; its events follow", "events", len(batch), "err", err)
			for _, r := range batch {
				a.tell(r)
			}
			a.drop(len(batch))
		}
	}
}

// unavailable tells of an error that passes by itself.
func unavailable(err error) bool {
	return errors.Is(err, ErrUnavailable) || errors.Is(err, ErrTimeout) || errors.Is(err, ErrBusy) || errors.Is(err, ErrConflict)
}

func (a *Audit) pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(auditPause):
	}
}

func (a *Audit) first() []recorded {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.queue[:min(len(a.queue), auditBatch)])
}

func (a *Audit) drop(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.queue = slices.Delete(a.queue, 0, n)
}

// close takes no more events and returns those that nobody has written.
func (a *Audit) close() []recorded {
	a.mu.Lock()
	defer a.mu.Unlock()
	rest := a.queue
	a.queue, a.ended = nil, true
	return rest
}

// tell is where an event goes that the database does not have.
func (a *Audit) tell(r recorded) {
	e := r.event
	a.log.Warn("audit", "at", e.At, "event", e.Name, "outcome", e.Outcome, "sub", e.Subject, "client_id", e.ClientID, "tenant", e.Tenant,
		"jti", e.TokenID, "kid", e.KeyID, "address", e.Address, "request_id", e.RequestID, "reason", e.Reason)
}
