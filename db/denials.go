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
// replaces them: all of it or, with an error, nothing. Of two denials of the same kind and value both hold.
func (s *State) Deny(ctx context.Context, denials ...Denial) error {
	const query = `select rowpass.deny($1::text, $2::text, $3::timestamptz, $4::timestamptz, $5::text)`
	statements := make([]asked, len(denials))
	for i, d := range denials {
		statements[i] = asked{query: query, args: []any{string(d.Kind), d.Value, orNull(d.IssuedBefore), orNull(d.Until), d.Reason}}
	}
	return s.ask(ctx, statements...)
}

// Denials lists what was denied after a version, 0 for all, and is not out of date, with the version to go on from.
//
// A denial gets its version from whoever first reads it, under one row's lock and in a transaction of its own. So versions
// are given in the order of commits, and a transaction that stays open for long is neither missed nor waited for.
func (s *State) Denials(ctx context.Context, after int64) ([]Denial, int64, error) {
	const query = `
		select s.denials_version, coalesce(d.kind, ''), coalesce(d.value, ''), d.issued_before, d.until, coalesce(d.reason, '')
		from rowpass.state s left join rowpass.denials d on d.version > $1::bigint and d.until > now()`
	var denials []Denial
	version := after
	err := s.ask(ctx, asked{query: `select rowpass.number_denials()`}, asked{query, []any{after}, func(rows pgx.Rows) error {
		denials = denials[:0]
		var d Denial
		var before, until *time.Time
		_, err := pgx.ForEachRow(rows, []any{&version, (*string)(&d.Kind), &d.Value, &before, &until, &d.Reason}, func() error {
			if d.Kind != "" {
				d.IssuedBefore, d.Until = orZero(before), orZero(until)
				denials = append(denials, d)
			}
			return nil
		})
		return err
	}})
	if err != nil {
		return nil, after, err
	}
	return denials, version, nil
}

// PromiseTTL remembers that tokens of such a life are issued, before the first is: denials are kept until the last token
// that they can mean is out of date. It never falls.
func (s *State) PromiseTTL(ctx context.Context, ttl time.Duration) error {
	const query = `
		update rowpass.state set longest_ttl = $1::bigint * interval '1 millisecond'
		where longest_ttl < $1::bigint * interval '1 millisecond'`
	return s.ask(ctx, asked{query: query, args: []any{ttl.Milliseconds()}})
}

// EndSession denies a session's access tokens and revokes its refresh tokens. An unknown one is denied too, since its
// tokens may outlive what is kept of it.
func (s *State) EndSession(ctx context.Context, sid string) error {
	return s.Deny(ctx, Denial{Kind: DenySession, Value: sid, Reason: "the session was ended"})
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
