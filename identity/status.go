package identity

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// SourceStatus is how a source is doing.
type SourceStatus struct {
	Source         string
	LastEvent      time.Time // the newest that was read, by the provider's clock; zero: none yet
	LastReceived   time.Time // when one was received last
	Pending, Dead  int64
	Lag            time.Duration // how long the oldest pending event has waited
	Live, Deleted  int64
	Provisional    int64     // of Live
	LastReconciled time.Time // when a reconciliation ended last
	Drift          int64     // what that one found
}

// Status says how each configured source is doing, in the order of their names.
func (s *Store) Status(ctx context.Context) ([]SourceStatus, error) {
	const query = `
		select n.name, s.last_event_at, greatest(s.last_received_at, w.newest), w.events, d.events,
			coalesce((extract(epoch from now() - w.oldest) * 1000000)::bigint, 0), p.live, p.deleted, p.provisional, s.reconciled_at, coalesce(s.drift, 0)
		from unnest($1::text[]) n (name)
		left join rowpass.sync_sources s on s.source = n.name
		cross join lateral (
			select count(*) as events, min(received_at) as oldest, max(received_at) as newest
			from rowpass.inbox where source = n.name and state in ('pending', 'fetch')
		) w
		cross join lateral (select count(*) as events from rowpass.inbox where source = n.name and state = 'dead') d
		cross join lateral (
			select count(*) filter (where live) as live, count(*) filter (where live and provisional) as provisional,
				count(*) filter (where not live and gone_at is not null) as deleted
			from (select *, rowpass.is_live(said_at, gone_at, provisional) as live from rowpass.profiles where source = n.name) of_source
		) p
		order by n.name`
	var all []SourceStatus
	err := s.ask(ctx, asked{query, []any{s.names}, func(rows pgx.Rows) error {
		all = nil
		var st SourceStatus
		var event, received, reconciled *time.Time
		var lag int64
		_, err := pgx.ForEachRow(rows, []any{&st.Source, &event, &received, &st.Pending, &st.Dead, &lag, &st.Live, &st.Deleted, &st.Provisional,
			&reconciled, &st.Drift}, func() error {
			st.LastEvent, st.LastReceived, st.LastReconciled = orZero(event), orZero(received), orZero(reconciled)
			st.Lag = time.Duration(lag) * time.Microsecond
			all = append(all, st)
			return nil
		})
		return err
	}})
	if err != nil {
		return nil, fmt.Errorf("asking how sources are doing: %w", err)
	}
	return all, nil
}

// pruneBatch is how many rows one statement removes, so that none takes long or holds much.
const pruneBatch = 1000

// Prune removes what is out of date: events a week after they came, since a duplicate may come as late, and dead ones after a
// month; and what is no longer said of tenants. Several instances may prune at once; each skips what another is at.
func (s *Store) Prune(ctx context.Context) error {
	const events = `
		with gone as (
			delete from rowpass.inbox i using (
				select source, event_id from rowpass.inbox
				where state in ('done', 'dead') and received_at < now() - case state when 'done' then interval '7 days' else interval '30 days' end
					and received_at < now() - interval '7 days'
				order by received_at limit $1::bigint for update skip locked
			) old where i.source = old.source and i.event_id = old.event_id returning true
		) select count(*) from gone`
	const tenants = `
		with gone as (
			delete from rowpass.profile_tenants t using (
				select id, tenant from rowpass.profile_tenants
				where not member and coalesce(until < now(), true) and coalesce(at < now() - interval '30 days', true)
				limit $1::bigint for update skip locked
			) old where t.id = old.id and t.tenant = old.tenant returning true
		) select count(*) from gone`
	for _, query := range []string{events, tenants} {
		for gone := int64(pruneBatch); gone == pruneBatch; {
			if err := s.ask(ctx, asked{query, []any{pruneBatch}, one(&gone)}); err != nil {
				return fmt.Errorf("removing old events: %w", err)
			}
		}
	}
	return nil
}
