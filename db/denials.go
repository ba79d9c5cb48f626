package db

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// DenialKind is the claim that a Denial looks at.
type DenialKind string

// The kinds. DenyAll covers every token by its IssuedBefore, and its Value is empty.
const (
	DenyID      DenialKind = "jti"
	DenySubject DenialKind = "sub"
	DenyTenant  DenialKind = "tenant_id"
	DenyClient  DenialKind = "client_id"
	DenyKey     DenialKind = "kid"
	DenySession DenialKind = "sid"
	DenyAll     DenialKind = "all"
)

// Denial makes tokens void before their time: those whose claim Kind is Value, and which were issued by IssuedBefore.
type Denial struct {
	Kind         DenialKind
	Value        string
	IssuedBefore time.Time // zero: whenever they were issued
	Until        time.Time // when the last such token is out of date; zero in Deny: what PromiseTTL says of it
	Reason       string    // for whoever reads the table
}

// Deny puts tokens on the deny-list of every instance, and ends the sessions that they belong to, so that no refresh token
// replaces them: all of it or, with an error, nothing. Of two denials of the same kind and value both hold. It waits for nobody
// else's transaction. Which sessions: those that began by IssuedBefore, with a minute for clocks that differ; without one,
// those that begin until the denial is out of date. Who logs in after a denial of what was issued until now is not meant.
func (s *State) Deny(ctx context.Context, denials ...Denial) error {
	const query = `select rowpass.deny($1::text, $2::text, $3::timestamptz, $4::timestamptz, $5::text)`
	statements := make([]asked, len(denials))
	for i, d := range denials {
		statements[i] = asked{query: query, args: []any{string(d.Kind), d.Value, orNull(d.IssuedBefore), orNull(d.Until), d.Reason}}
	}
	return s.ask(ctx, statements...)
}

const (
	denialsBatch = 10_000 // denials that one statement numbers or reads, so that none takes long
	denialsSteps = 200    // of one call of Denials: room for a million denials that nobody has read
)

// Denials lists what was denied after a version, 0 for all, and is not out of date, with the version to go on from. The same
// kind and value may come more than once. Where there is no end of new ones, or something goes wrong between two batches, the
// rest is left to the next call.
//
// A denial gets its version from whoever first reads it, under one row's lock and in a transaction of its own. So versions
// are given in the order of commits, and a transaction that stays open for long is neither missed nor waited for.
func (s *State) Denials(ctx context.Context, after int64) ([]Denial, int64, error) {
	page := denialsPage{version: after}
	for last := false; page.steps < denialsSteps; {
		err := s.readDenials(ctx, &page)
		if err == nil && !page.full {
			if last || !page.unread {
				break
			}
			last, err = s.numberDenials(ctx)
		}
		if err != nil && page.version == after {
			return nil, after, err
		}
		if err != nil {
			break
		}
	}
	return page.denials, page.version, nil
}

// denialsPage is how far a reader has come.
type denialsPage struct {
	denials []Denial
	version int64 // the newest in denials, or a later one
	steps   int   // statements that read
	full    bool  // the last one read as many as it may
	unread  bool  // there are some without a version
}

// readDenials adds the next batch to p.
func (s *State) readDenials(ctx context.Context, p *denialsPage) error {
	const query = `
		select s.denials_version, exists (select from rowpass.denials where version is null), coalesce(d.version, 0),
			coalesce(d.kind, ''), coalesce(d.value, ''), d.issued_before, d.until, coalesce(d.reason, '')
		from rowpass.state s left join (
			select * from rowpass.denials where version > $1::bigint and until > now() order by version limit $2::bigint
		) d on true order by d.version`
	p.steps++
	from := len(p.denials)
	var newest, at int64
	err := s.ask(ctx, asked{query, []any{p.version, denialsBatch}, func(rows pgx.Rows) error {
		p.denials = p.denials[:from] // where this is sent twice
		var d Denial
		var before, until *time.Time
		_, err := pgx.ForEachRow(rows, []any{&newest, &p.unread, &at, (*string)(&d.Kind), &d.Value, &before, &until, &d.Reason}, func() error {
			if d.Kind != "" {
				d.IssuedBefore, d.Until = orZero(before), orZero(until)
				p.denials = append(p.denials, d)
			}
			return nil
		})
		return err
	}})
	if err != nil {
		p.denials = p.denials[:from]
		return err
	}
	if p.full = len(p.denials)-from == denialsBatch; p.full {
		newest = at
	}
	p.version = newest
	return nil
}

// numberDenials gives the next batch its versions. It tells whether there was none: then others have done it, or will.
func (s *State) numberDenials(ctx context.Context) (none bool, err error) {
	var numbered int64
	err = s.ask(ctx, asked{`select rowpass.number_denials($1::bigint)`, []any{denialsBatch}, one(&numbered)})
	return numbered == 0, err
}

// PromiseTTL remembers that tokens of such a life are issued, before the first is: denials are kept until the last token
// that they can mean is out of date. It never falls.
func (s *State) PromiseTTL(ctx context.Context, ttl time.Duration) error {
	const query = `
		update rowpass.state set longest_ttl = $1::bigint * interval '1 millisecond'
		where longest_ttl < $1::bigint * interval '1 millisecond'`
	return s.ask(ctx, asked{query: query, args: []any{ttl.Milliseconds()}})
}

// EndSessions ends all sessions of a subject, and denies its tokens that were issued until now, in the database's time.
func (s *State) EndSessions(ctx context.Context, subject string) error {
	const query = `select rowpass.deny('sub', $1::text, clock_timestamp(), null, 'all sessions were ended')`
	return s.ask(ctx, asked{query: query, args: []any{subject}})
}

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
