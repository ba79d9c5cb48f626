package db

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"
)

// How many bytes a password may have.
const (
	MinPassword = 8
	MaxPassword = 1024
)

// hashingWait is how long a password waits for its turn to be hashed.
const hashingWait = time.Second

// SetPassword gives a user a password and ends its sessions, in one transaction. ErrInvalid where it is too short or too long,
// as a Refusal whose detail says so; ErrNotFound where there is no such user.
func (s *State) SetPassword(ctx context.Context, userID, password string) error {
	if len(password) < MinPassword || len(password) > MaxPassword {
		detail := fmt.Sprintf("a password has %d to %d bytes", MinPassword, MaxPassword)
		return &Refusal{Reason: ErrInvalid, Detail: detail, cause: errors.New(detail)}
	}
	h := newHash()
	var err error
	if h.sum, err = s.sum(ctx, h, password); err != nil {
		return err
	}
	const query = `
		with written as (
			insert into rowpass.passwords as p (user_id, hash) values ($1::uuid, $2::text)
			on conflict (user_id) do update set hash = excluded.hash, changed_at = now()
			returning user_id -- first this, which waits for log-ins that are under way, then the end of what they began
		)
		select rowpass.deny('sub', user_id::text, clock_timestamp(), null, 'the password was changed') from written`
	err = s.ask(ctx, asked{query: query, args: []any{userID, h.String()}})
	if sqlState(err) == foreignKeyViolation {
		return ErrNotFound
	}
	return err
}

// CheckPassword is the user whose e-mail address and password these are, with the claims that the owner's hook adds for
// client. An address may stand in several tenants: of those with a password the tenant must then be named.
//
// Every kind of no is ErrNotFound and costs one computation, so that neither answer nor time tells whether an address is
// known. A stored hash with parameters of another time takes its own time, until its user has logged in once. Beside the
// ErrNotFound of a wrong password stand UserID and TenantID, for the audit and for nobody else.
func (s *State) CheckPassword(ctx context.Context, email, tenant, password, client string) (Entry, error) {
	stored, err := s.storedHash(ctx, email, tenant)
	if err != nil {
		return Entry{}, err
	}
	sum, err := s.sum(ctx, stored.hash, password)
	if err != nil {
		return Entry{}, err
	}
	if !stored.usable || !stored.hash.fits(sum) {
		return Entry{UserID: stored.userID, TenantID: stored.tenantID}, ErrNotFound
	}
	if !stored.hash.current() {
		s.rehash(ctx, stored, password)
	}
	entry, err := s.FindUser(ctx, stored.userID, tenant, client)
	entry.passwordFrom = stored.changedAt
	return entry, err
}

// storedPassword is what there is to compare with: for whoever has none a hash that nothing fits.
type storedPassword struct {
	userID, tenantID string // "": nobody's
	hash             passwordHash
	changedAt        time.Time
	usable           bool // a password may fit hash
}

func (s *State) storedHash(ctx context.Context, email, tenant string) (storedPassword, error) {
	const query = `
		select user_id::text, tenant_id::text, hash, changed_at
		from rowpass.find_passwords($1::text, nullif($2::text, '')::uuid)`
	type row struct {
		UserID, TenantID, Hash string
		ChangedAt              time.Time
	}
	var found []row
	nobody := storedPassword{hash: newHash()}
	err := s.ask(ctx, asked{query, []any{email, tenant}, func(rows pgx.Rows) (err error) {
		found, err = pgx.CollectRows(rows, pgx.RowToStructByPos[row])
		return err
	}})
	if errors.Is(err, ErrInvalid) { // no address, or no tenant's id, can look like that
		return nobody, nil
	}
	if err != nil || len(found) != 1 {
		return nobody, err
	}
	r := found[0]
	h, ok := parseHash(r.Hash)
	if !ok {
		s.log.WarnContext(ctx, "a stored password hash cannot be used; give the user a new password", "sub", r.UserID)
		h = nobody.hash
	}
	return storedPassword{userID: r.UserID, tenantID: r.TenantID, hash: h, changedAt: r.ChangedAt, usable: ok}, nil
}

// rehash replaces a hash that was made with other parameters. The password stays the same, and so does changed_at. The login
// holds without it.
func (s *State) rehash(ctx context.Context, stored storedPassword, password string) {
	const query = `update rowpass.passwords set hash = $3::text where user_id = $1::uuid and hash = $2::text`
	h := newHash()
	var err error
	if h.sum, err = s.sum(ctx, h, password); err == nil {
		err = s.ask(ctx, asked{query: query, args: []any{stored.userID, stored.hash.String(), h.String()}})
	}
	if err != nil {
		s.log.WarnContext(ctx, "hashing a password with newer parameters", "sub", stored.userID, "err", err)
	}
}

// hashingPlaces bounds memory and time that passwords take from everything else.
func hashingPlaces() chan struct{} { return make(chan struct{}, runtime.GOMAXPROCS(0)) }

// sum is h.of(password), for as many at once as there are places. ErrBusy where none is free soon.
func (s *State) sum(ctx context.Context, h passwordHash, password string) ([]byte, error) {
	wait, cancel := context.WithTimeout(ctx, hashingWait)
	defer cancel()
	select {
	case s.hashing <- struct{}{}:
		defer func() { <-s.hashing }()
		return h.of(password), nil
	case <-wait.Done():
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &Refusal{Reason: ErrBusy, cause: errors.New("too many passwords are being hashed")}
	}
}
