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
	UserID    string
	TenantID  string
	Email     string
	ByAddress bool // made by an exchange, since both had the same address
	LinkedAt  time.Time
}

// FindIdentity looks up the user that a provider's user is linked with, in one tenant or, with an empty one, in all. Where it
// never was linked with anybody in the tenant, that is named, it is linked with who has the e-mail address; give none where that
// must not be. Like FindUser it says ErrAmbiguous, ErrNotFound and ErrHook, and what auth.token_claims adds for client.
func (s *State) FindIdentity(ctx context.Context, i Identity, email, tenant, client string) (Entry, error) {
	return s.entry(ctx, `rowpass.find_identities($2::text, $3::text, nullif($4::text, ''), nullif($5::text, '')::uuid)`,
		client, i.Provider, i.Subject, email, tenant)
}

// LinkIdentity lets the provider's user have tokens of ours as userID; a second time changes nothing. ErrConflict where it is
// somebody else in that tenant already.
func (s *State) LinkIdentity(ctx context.Context, i Identity, userID string) error {
	var linked bool
	err := s.ask(ctx, asked{`select rowpass.link_identity($1::text, $2::text, $3::uuid)`, []any{i.Provider, i.Subject, userID}, one(&linked)})
	if err == nil && !linked {
		return ErrConflict
	}
	return err
}

// UnlinkIdentity takes a link back and voids all of the user's tokens that are out, and what comes of tokens that the provider has
// issued until now, in one transaction: which of them came of the link, nobody knows. ErrNotFound where there was no such
// link.
func (s *State) UnlinkIdentity(ctx context.Context, i Identity, userID string) error {
	const query = `
		select case when rowpass.unlink_identity($1::text, $2::text, $3::uuid)
			then rowpass.deny('sub', ($3::uuid)::text, clock_timestamp() + interval '1 minute', null, 'an identity was unlinked') end`
	var found *bool
	err := s.askOnce(ctx, asked{query, []any{i.Provider, i.Subject, userID}, one(&found)})
	if err == nil && found == nil {
		return ErrNotFound
	}
	return err
}

// Links are all links, as the owner sees them.
func Links(ctx context.Context, ownerURL string) (links []Link, err error) {
	const query = `
		select provider, subject, users.id::text, users.tenant_id::text, email, by_address, linked_at
		from rowpass.identities join public.users on users.id = user_id
		order by provider, subject, email`
	err = asOwner(ctx, ownerURL, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, query)
		if err != nil {
			return err
		}
		links, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (l Link, err error) {
			err = row.Scan(&l.Provider, &l.Subject, &l.UserID, &l.TenantID, &l.Email, &l.ByAddress, &l.LinkedAt)
			return l, err
		})
		return err
	})
	return links, err
}
