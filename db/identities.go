package db

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Identity is a provider's user, as the provider names it.
type Identity struct {
	Provider string // as the configuration names it
	Subject  string
}

// Link says that a provider's user is one of ours.
type Link struct {
	Identity
	UserID   string
	TenantID string
	Email    string
	LinkedAt time.Time
}

// FindIdentity looks up the user that a provider's user is linked with, in one tenant or, with an empty one, in all. Where it
// is linked with nobody anywhere, it is who has the e-mail address; give none where that must not be. Like FindUser it says
// ErrAmbiguous, ErrNotFound and ErrHook, and what auth.token_claims adds for client.
func (s *State) FindIdentity(ctx context.Context, i Identity, email, tenant, client string) (Entry, error) {
	return s.entry(ctx, `rowpass.find_identities($2::text, $3::text, nullif($4::text, ''), nullif($5::text, '')::uuid)`,
		client, i.Provider, i.Subject, email, tenant)
}

// LinkIdentity lets the provider's user have tokens of ours as userID; a second time changes nothing. ErrNotFound where there is
// no such user.
func (s *State) LinkIdentity(ctx context.Context, i Identity, userID string) error {
	const query = `
		insert into rowpass.identities (provider, subject, user_id) values ($1::text, $2::text, $3::uuid)
		on conflict do nothing`
	err := s.ask(ctx, asked{query: query, args: []any{i.Provider, i.Subject, userID}})
	if sqlState(err) == foreignKeyViolation {
		return ErrNotFound
	}
	return err
}

// UnlinkIdentity takes a link back and voids all of the user's tokens that are out, in one transaction: which of them came of the
// link, nobody knows. ErrNotFound where there was no such link.
func (s *State) UnlinkIdentity(ctx context.Context, i Identity, userID string) error {
	const query = `
		with gone as (
			delete from rowpass.identities where provider = $1::text and subject = $2::text and user_id = $3::uuid
			returning user_id
		)
		select rowpass.deny('sub', user_id::text, clock_timestamp(), null, 'an identity was unlinked') from gone`
	found := false
	err := s.askOnce(ctx, asked{query, []any{i.Provider, i.Subject, userID}, func(rows pgx.Rows) error {
		found = rows.Next()
		rows.Close()
		return rows.Err()
	}})
	if err == nil && !found {
		return ErrNotFound
	}
	return err
}

// Links are all links, as the owner sees them.
func Links(ctx context.Context, ownerURL string) (links []Link, err error) {
	const query = `
		select provider, subject, user_id::text, tenant_id::text, email, linked_at
		from rowpass.identities join public.users on users.id = user_id
		order by provider, subject, email`
	err = asOwner(ctx, ownerURL, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, query)
		if err != nil {
			return err
		}
		links, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (l Link, err error) {
			err = row.Scan(&l.Provider, &l.Subject, &l.UserID, &l.TenantID, &l.Email, &l.LinkedAt)
			return l, err
		})
		return err
	})
	return links, err
}
