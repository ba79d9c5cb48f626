package db

import "context"

// sweepDenials is what both statements of sweep begin with: the next batch of the denials whose sessions may go on, and those
// sessions. An arm for each kind lets each have its index.
const sweepDenials = `
	with d as materialized (
		select id, kind, value, begun_by from rowpass.denials where begun_by is not null and id > $2::bigint
		order by id limit $1::bigint
	), alive as (
		select d.id as denial, f.id from d join rowpass.refresh_families f on f.id = d.value and f.created_at <= d.begun_by
		where d.kind = 'sid' and f.ended_at is null
		union all
		select d.id, f.id from d join rowpass.refresh_families f on f.subject = d.value and f.created_at <= d.begun_by
		where d.kind = 'sub' and f.ended_at is null
		union all
		select d.id, f.id from d join rowpass.refresh_families f on f.tenant = d.value and f.created_at <= d.begun_by
		where d.kind = 'tenant_id' and f.ended_at is null
		union all
		select d.id, f.id from d join rowpass.refresh_families f on f.client_id = d.value and f.created_at <= d.begun_by
		where d.kind = 'client_id' and f.ended_at is null
		union all
		select d.id, f.id from d join rowpass.refresh_families f on f.created_at <= d.begun_by
		where d.kind = 'all' and f.ended_at is null
	)`

// sweep ends the sessions that are over by a denial, so that the denial may go. Nobody depends on when: is_over looks at the
// denials too.
func (s *State) sweep(ctx context.Context) error {
	after := int64(0)
	for found := int64(pruneBatch); found == pruneBatch; {
		if err := s.endDenied(ctx, after); err != nil {
			return err
		}
		var err error
		if found, after, err = s.markSwept(ctx, after); err != nil {
			return err
		}
	}
	return nil
}

// endDenied ends the sessions of the batch behind after, but for those that somebody else is at.
func (s *State) endDenied(ctx context.Context, after int64) error {
	const query = sweepDenials + `, ended as (
			update rowpass.refresh_families f set ended_at = now() from (
				select id from rowpass.refresh_families where ended_at is null and id in (select id from alive limit $1::bigint)
				for no key update skip locked
			) free where f.id = free.id returning true
		) select count(*) from ended`
	for ended := int64(1); ended > 0; {
		if err := s.ask(ctx, asked{query, []any{pruneBatch, after}, one(&ended)}); err != nil {
			return err
		}
	}
	return nil
}

// markSwept notes which denials of the batch behind after have no session left, and can get none: the minute is more than a
// session takes that is just being begun. It returns the batch's size and its end.
func (s *State) markSwept(ctx context.Context, after int64) (found, last int64, err error) {
	const query = sweepDenials + `, swept as (
			update rowpass.denials set begun_by = null from (
				select id from rowpass.denials where id in (
					select id from d where begun_by <= now() - interval '1 minute' except select denial from alive
				) for no key update skip locked
			) free where denials.id = free.id
		) select count(*), coalesce(max(id), 0) from d`
	err = s.ask(ctx, asked{query, []any{pruneBatch, after}, one(&found, &last)})
	return found, last, err
}
