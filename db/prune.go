package db

import (
	"context"
	"fmt"
	"time"
)

// pruneBatch is how many rows one statement removes, so that none takes long or holds much.
const pruneBatch = 1000

// Prune removes what is out of date: denials, refresh tokens and sessions, and audit rows older than auditKeep. It ends the
// sessions that were denied, and a denial stays until that is done, so that none comes back to life. Several instances may
// prune at once; each skips what another is at.
func (s *State) Prune(ctx context.Context, auditKeep time.Duration) error {
	for _, p := range []struct {
		what, query string
		args        []any
	}{
		{"sessions", `
			with gone as (
				delete from rowpass.refresh_families f using (
					select id from rowpass.refresh_families where ended_at is not null or expires_at <= now()
					limit $1::bigint for update skip locked
				) old where f.id = old.id returning true
			) select count(*) from gone`, nil},
		{"audit", `
			with gone as (
				delete from rowpass.audit a using (
					select id from rowpass.audit where at < now() - $2::bigint * interval '1 millisecond'
					limit $1::bigint for update skip locked
				) old where a.id = old.id returning true
			) select count(*) from gone`, []any{auditKeep.Milliseconds()}},
	} {
		if err := s.prune(ctx, p.query, p.args...); err != nil {
			return fmt.Errorf("removing old %s: %w", p.what, err)
		}
	}
	if err := s.pruneTokens(ctx); err != nil {
		return fmt.Errorf("removing old refresh tokens: %w", err)
	}
	if err := s.sweep(ctx); err != nil {
		return fmt.Errorf("ending the sessions that were denied: %w", err)
	}
	if err := s.prune(ctx, oldDenials); err != nil {
		return fmt.Errorf("removing old denials: %w", err)
	}
	return nil
}

const oldDenials = `
	with gone as (
		delete from rowpass.denials d using (
			select id from rowpass.denials where until <= now() and begun_by is null limit $1::bigint for update skip locked
		) old where d.id = old.id returning true
	) select count(*) from gone`

// prune sends the query until it finds no full batch.
func (s *State) prune(ctx context.Context, query string, args ...any) error {
	for gone := int64(pruneBatch); gone == pruneBatch; {
		if err := s.ask(ctx, asked{query, append([]any{pruneBatch}, args...), one(&gone)}); err != nil {
			return err
		}
	}
	return nil
}

// pruneTokens removes tokens that are out of date, and families whose last one is.
func (s *State) pruneTokens(ctx context.Context) error {
	const tokens = `
		with gone as (
			delete from rowpass.refresh_tokens t using (
				select hash from rowpass.refresh_tokens where expires_at <= now() limit $1::bigint for update skip locked
			) old where t.hash = old.hash returning family_id
		) select count(*), coalesce(array_agg(distinct family_id), '{}') from gone`
	const families = `
		delete from rowpass.refresh_families f
		where id = any ($1::text[]) and not exists (select from rowpass.refresh_tokens t where t.family_id = f.id)`
	for gone := int64(pruneBatch); gone == pruneBatch; {
		var of []string
		if err := s.ask(ctx, asked{tokens, []any{pruneBatch}, one(&gone, &of)}); err != nil {
			return err
		}
		if err := s.ask(ctx, asked{query: families, args: []any{of}}); err != nil {
			return err
		}
	}
	return nil
}
