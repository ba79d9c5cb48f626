package db

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Family is a session as refresh tokens keep it up: the tokens that followed one another from one login. Only the newest
// is good.
type Family struct {
	ID        string // the claim sid of its access tokens
	ClientID  string // who may use the tokens
	Subject   string
	Tenant    string // may be empty
	Scope     string
	Audience  []string
	CreatedAt time.Time
	ExpiresAt time.Time // when the session ends, however often it was refreshed
}

// Refreshed is a refresh token and what it stands for.
type Refreshed struct {
	Family    Family
	Token     string
	ExpiresAt time.Time // when the token is out of date if it is not used
}

const familyColumns = `f.id, f.client_id, f.subject, f.tenant, f.scope, f.audience, f.created_at, f.expires_at`

// columns is where a row of familyColumns goes.
func (f *Family) columns() []any {
	return []any{&f.ID, &f.ClientID, &f.Subject, &f.Tenant, &f.Scope, &f.Audience, &f.CreatedAt, &f.ExpiresAt}
}

// maxFamilies is how many sessions of one subject with one client go on at once: whoever begins more, a script that logs in
// each time for instance, loses the oldest. Their access tokens run out by themselves.
const maxFamilies = 100

// StartFamily begins a session and returns its first refresh token, which is good for ttl, but not beyond f.ExpiresAt. ID
// and CreatedAt are given here. Of the subject's sessions with the same client the newest 100 go on.
func (s *State) StartFamily(ctx context.Context, f Family, ttl time.Duration) (token string, started Family, err error) {
	return s.startFamily(ctx, f, ttl, "", time.Time{})
}

// StartLogin is StartFamily for a user whose password was just checked. ErrNotFound where it has been changed since: what
// ends the sessions of before must not miss this one.
func (s *State) StartLogin(ctx context.Context, e Entry, f Family, ttl time.Duration) (token string, started Family, err error) {
	return s.startFamily(ctx, f, ttl, e.UserID, e.passwordFrom)
}

func (s *State) startFamily(ctx context.Context, f Family, ttl time.Duration, userID string, passwordFrom time.Time) (token string, started Family, err error) {
	const query = `
		with unchanged as (
			select from rowpass.passwords where user_id = nullif($10::text, '')::uuid and changed_at = $11::timestamptz for share
		), f as (
			insert into rowpass.refresh_families as f (id, client_id, subject, tenant, scope, audience, expires_at)
			select $1::text, $2::text, $3::text, $4::text, $5::text, $6::text[], $7::timestamptz
			where $10::text = '' or exists (select from unchanged)
			on conflict (id) do update set id = excluded.id -- only where this is sent twice
			returning ` + familyColumns + `
		), first as (
			insert into rowpass.refresh_tokens (hash, family_id, expires_at)
			select $8::bytea, f.id, least(now() + $9::bigint * interval '1 millisecond', f.expires_at) from f
			on conflict do nothing
		), surplus as (
			select o.id from rowpass.refresh_families o
			where o.subject = $3::text and o.client_id = $2::text and o.id <> $1::text and o.ended_at is null
				and not rowpass.is_over(o) and exists (select from f)
			order by o.created_at desc, o.id offset $12::bigint - 1
		), ended as (
			update rowpass.refresh_families o set ended_at = now() from (
				select id from rowpass.refresh_families where id in (select id from surplus) for no key update skip locked
			) free where o.id = free.id
		)
		select ` + familyColumns + ` from f`
	secret := make(refreshSecret, refreshSize)
	_, _ = rand.Read(secret) // never returns an error
	audience := append([]string{}, f.Audience...)
	err = s.ask(ctx, asked{query, []any{
		rand.Text(), f.ClientID, f.Subject, f.Tenant, f.Scope, audience, f.ExpiresAt, secret.hash(), ttl.Milliseconds(),
		userID, orNull(passwordFrom), maxFamilies,
	}, one(started.columns()...)})
	if err != nil {
		return "", Family{}, err
	}
	return secret.token(), started, nil
}

// Refresh trades a refresh token for its successor, which is good for ttl. Whoever presents the token again within grace
// gets the same successor (or what has already followed that), since two tabs may race. Whoever does so later makes the
// family end and its access tokens void, for nobody knows which of the two is the thief: ErrReused, with the family in the
// result. A token that is unknown, out of date, revoked or another client's is ErrNotFound, and changes nothing.
//
// The successor is an HMAC by the presented token over a salt, and the tables hold the salt and hashes: so the server can
// say it again to whoever has the token, and nobody who reads the tables can.
func (s *State) Refresh(ctx context.Context, token, clientID string, ttl, grace time.Duration) (Refreshed, error) {
	presented, ok := parseRefresh(token)
	if !ok {
		return Refreshed{}, ErrNotFound
	}
	proposed := make([]byte, saltSize)
	_, _ = rand.Read(proposed) // never returns an error
	u, err := s.use(ctx, presented, clientID, proposed, ttl, grace)
	switch {
	case err != nil:
		return Refreshed{}, err
	case u.stolen:
		return Refreshed{Family: u.family}, ErrReused
	}
	next, expires, err := s.newest(ctx, presented.successor(u.salt))
	if err != nil {
		return Refreshed{}, err
	}
	return Refreshed{Family: u.family, Token: next.token(), ExpiresAt: expires}, nil
}

// use is what became of a presented token.
type use struct {
	family Family
	salt   []byte // whose successor counts
	stolen bool   // the token was used before, and the family has ended
}

// use decides by one UPDATE. The first to come brings the salt and the successor; who comes second finds them. The salt
// also tells a message that was sent twice from a token that was.
func (s *State) use(ctx context.Context, presented refreshSecret, clientID string, proposed []byte, ttl, grace time.Duration) (u use, err error) {
	const query = `
		with used as (
			update rowpass.refresh_tokens t set used_at = coalesce(t.used_at, now()), salt = coalesce(t.salt, $3::bytea)
			from rowpass.refresh_families f
			where t.hash = $1::bytea and f.id = t.family_id and f.client_id = $2::text and not rowpass.is_over(f)
				and f.expires_at > now() and t.expires_at > now()
				and (t.used_at is null or t.used_at > now() - $6::bigint * interval '1 millisecond' or t.salt = $3::bytea)
			returning t.salt, ` + familyColumns + `
		), successor as (
			insert into rowpass.refresh_tokens (hash, family_id, expires_at)
			select $4::bytea, id, least(now() + $5::bigint * interval '1 millisecond', expires_at) from used where salt = $3::bytea
			on conflict do nothing
		), stolen as materialized (
			select ` + familyColumns + ` from rowpass.refresh_tokens t join rowpass.refresh_families f on f.id = t.family_id
			where t.hash = $1::bytea and f.client_id = $2::text and not rowpass.is_over(f) and f.expires_at > now()
				and t.used_at <= now() - $6::bigint * interval '1 millisecond' and t.salt <> $3::bytea
		)
		select salt, ` + familyColumns + `, false from used f
		union all
		select null, ` + familyColumns + `, rowpass.deny('sid', f.id, null, null, 'a refresh token was used twice') from stolen f`
	to := append([]any{&u.salt}, u.family.columns()...)
	err = s.ask(ctx, asked{query, []any{
		presented.hash(), clientID, proposed, presented.successor(proposed).hash(), ttl.Milliseconds(), grace.Milliseconds(),
	}, one(append(to, &u.stolen)...)})
	return u, err
}

// newest follows the successors of those who were faster to the one that nobody has used. It only reads.
func (s *State) newest(ctx context.Context, next refreshSecret) (refreshSecret, time.Time, error) {
	const query = `
		select t.salt, t.expires_at from rowpass.refresh_tokens t join rowpass.refresh_families f on f.id = t.family_id
		where t.hash = $1::bytea and not rowpass.is_over(f)`
	for {
		var salt []byte
		var expires time.Time
		if err := s.ask(ctx, asked{query, []any{next.hash()}, one(&salt, &expires)}); err != nil {
			return nil, time.Time{}, err
		}
		if salt == nil {
			return next, expires, nil
		}
		next = next.successor(salt)
	}
}

// LookUpRefresh says what a refresh token stands for, and changes nothing. One that is out of date, used, revoked or another
// client's is ErrNotFound.
func (s *State) LookUpRefresh(ctx context.Context, token, clientID string) (Refreshed, error) {
	const query = `
		select t.expires_at, ` + familyColumns + ` from rowpass.refresh_tokens t join rowpass.refresh_families f on f.id = t.family_id
		where t.hash = $1::bytea and f.client_id = $2::text and not rowpass.is_over(f) and f.expires_at > now()
			and t.expires_at > now() and t.used_at is null`
	secret, ok := parseRefresh(token)
	if !ok {
		return Refreshed{}, ErrNotFound
	}
	r := Refreshed{Token: token}
	err := s.ask(ctx, asked{query, []any{secret.hash(), clientID}, one(append([]any{&r.ExpiresAt}, r.Family.columns()...)...)})
	if err != nil {
		return Refreshed{}, err
	}
	return r, nil
}

// EndFamily ends the session that a refresh token belongs to, used or not: its refresh tokens and its access tokens are void.
// Ending it twice is no error. ErrNotFound where the token is unknown or another client's.
func (s *State) EndFamily(ctx context.Context, token, clientID string) (Family, error) {
	const query = `
		with f as materialized ( -- deny must get this family and no other
			select f.* from rowpass.refresh_tokens t join rowpass.refresh_families f on f.id = t.family_id
			where t.hash = $1::bytea and f.client_id = $2::text
		)
		select ` + familyColumns + `, case when not exists (select from rowpass.denials where kind = 'sid' and value = f.id)
			then rowpass.deny('sid', f.id, null, null, 'a refresh token was revoked') else true end from f`
	secret, ok := parseRefresh(token)
	if !ok {
		return Family{}, ErrNotFound
	}
	var f Family
	var denied bool
	if err := s.ask(ctx, asked{query, []any{secret.hash(), clientID}, one(append(f.columns(), &denied)...)}); err != nil {
		return Family{}, err
	}
	return f, nil
}

const (
	refreshPrefix = "rpr_" // lets scanners for leaked secrets, and people, tell what it is
	refreshSize   = 32     // bytes
	saltSize      = 16
)

// refreshSecret is a refresh token without its text form.
type refreshSecret []byte

// parseRefresh takes exactly the texts that token makes.
func parseRefresh(token string) (refreshSecret, bool) {
	text, ok := strings.CutPrefix(token, refreshPrefix)
	if !ok || len(text) != base64.RawURLEncoding.EncodedLen(refreshSize) {
		return nil, false
	}
	secret, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return secret, err == nil && len(secret) == refreshSize
}

func (r refreshSecret) token() string { return refreshPrefix + base64.RawURLEncoding.EncodeToString(r) }

// hash is what the database keeps. The secret is random, so it needs neither salt nor time.
func (r refreshSecret) hash() []byte {
	sum := sha256.Sum256(r)
	return sum[:]
}

func (r refreshSecret) successor(salt []byte) refreshSecret {
	mac := hmac.New(sha256.New, r)
	mac.Write(salt)
	return mac.Sum(nil)
}

// one is a collect of exactly one row; its absence is ErrNotFound.
func one(to ...any) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		_, err := pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (struct{}, error) { return struct{}{}, row.Scan(to...) })
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrNotFound
		}
		return err
	}
}
