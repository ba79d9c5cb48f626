package identity

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Run is how far the reading of a source's list has come. One run a source goes on at a time, in whichever instance; the lease
// that says so is a row, which a pooler does not lose.
type Run struct {
	Backfill bool      `json:"-"` // without deletions
	Begun    time.Time `json:"-"` // in the database's time
	Cursor   string    // of the next page; "" before the first
	Listed   bool      // the whole list was read; what follows is those that it didn't name
	Pages    int
	Total    int    // users that the provider says there are; 0: unknown
	After    string // the last subject, of those that the list didn't name, that was asked for
	Counts   Counts

	holder string // who has the lease; no other one can save
}

// runLease is how long a run may be silent before another one may take it over.
const runLease = `interval '2 minutes'`

// goesOn says whether what an unfinished run has read is worth something still.
const goesOn = `r.finished_at is null and r.backfill = excluded.backfill and r.begun_at > now() - interval '1 day'`

// BeginRun starts reading a source's list, or goes on where an unfinished run of the same kind was broken off within the last day. It is
// ErrRunning while another one is at it: the lease is two minutes from its last SaveProgress.
func (s *Store) BeginRun(ctx context.Context, source string, backfill bool) (Run, error) {
	if _, err := s.source(source); err != nil {
		return Run{}, err
	}
	const query = `
		insert into rowpass.sync_runs as r (source, backfill, holder, leased_until)
		values ($1::text, $2::boolean, $3::text, now() + ` + runLease + `)
		on conflict (source) do update set backfill = excluded.backfill, holder = excluded.holder, leased_until = excluded.leased_until, finished_at = null,
			begun_at = case when ` + goesOn + ` then r.begun_at else excluded.begun_at end,
			progress = case when ` + goesOn + ` then r.progress else '{}' end
		where r.leased_until < now() or r.finished_at is not null or r.holder = excluded.holder
		returning r.begun_at, r.progress`
	r := Run{Backfill: backfill, holder: rand.Text()}
	found, err := s.askRun(ctx, query, source, []any{backfill, r.holder}, func(rows pgx.Rows) error {
		var progress []byte
		_, err := pgx.ForEachRow(rows, []any{&r.Begun, &progress}, func() error { return json.Unmarshal(progress, &r) })
		return err
	})
	if err == nil && !found {
		err = ErrRunning
	}
	if err != nil {
		return Run{}, fmt.Errorf("beginning to read the list of %s: %w", source, err)
	}
	return r, nil
}

// askRun sends one statement about a source's run and tells whether it met a row.
func (s *Store) askRun(ctx context.Context, query, source string, args []any, collect func(pgx.Rows) error) (met bool, err error) {
	err = s.ask(ctx, asked{query, append([]any{source}, args...), func(rows pgx.Rows) error {
		err := collect(rows)
		met = rows.CommandTag().RowsAffected() > 0
		return err
	}})
	return met, err
}

func drop(rows pgx.Rows) error {
	rows.Close()
	return rows.Err()
}

// SaveProgress keeps how far a run has come and holds its lease for two more minutes. ErrRunning: another one has taken it over.
func (s *Store) SaveProgress(ctx context.Context, source string, r Run) error {
	const query = `
		update rowpass.sync_runs set progress = $3::jsonb, leased_until = now() + ` + runLease + `
		where source = $1::text and holder = $2::text and finished_at is null`
	return s.saveRun(ctx, query, source, r)
}

// PauseRun keeps how far a run has come and gives the lease back, so that the next BeginRun goes on at once.
func (s *Store) PauseRun(ctx context.Context, source string, r Run) error {
	const query = `
		update rowpass.sync_runs set progress = $3::jsonb, leased_until = '-infinity'
		where source = $1::text and holder = $2::text and finished_at is null`
	return s.saveRun(ctx, query, source, r)
}

// AbandonRun ends a run that is not worth going on with: the next BeginRun begins anew, and the source was not reconciled.
func (s *Store) AbandonRun(ctx context.Context, source string, r Run) error {
	const query = `
		update rowpass.sync_runs set progress = $3::jsonb, finished_at = now()
		where source = $1::text and holder = $2::text and finished_at is null`
	return s.saveRun(ctx, query, source, r)
}

// FinishRun ends a run. Of a reconciliation it notes when, and the drift: users whose rows differed though no event was pending.
func (s *Store) FinishRun(ctx context.Context, source string, r Run, drift int64) error {
	const query = `
		with finished as (
			update rowpass.sync_runs set progress = $3::jsonb, finished_at = now()
			where source = $1::text and holder = $2::text and (finished_at is null or finished_at > now() - interval '1 minute')
			returning backfill
		)
		insert into rowpass.sync_sources (source, reconciled_at, drift) select $1::text, case when not backfill then now() end, $4::bigint from finished
		on conflict (source) do update set reconciled_at = coalesce(excluded.reconciled_at, sync_sources.reconciled_at),
			drift = case when excluded.reconciled_at is null then sync_sources.drift else excluded.drift end`
	return s.saveRun(ctx, query, source, r, drift)
}

func (s *Store) saveRun(ctx context.Context, query, source string, r Run, more ...any) error {
	progress, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("writing a run's progress: %w", err)
	}
	met, err := s.askRun(ctx, query, source, append([]any{r.holder, string(progress)}, more...), drop)
	if err == nil && !met {
		err = ErrRunning
	}
	if err != nil {
		return fmt.Errorf("saving how far the list of %s was read: %w", source, err)
	}
	return nil
}

// Listed notes that the run's list has named these subjects. Apply first: it makes the rows.
func (s *Store) Listed(ctx context.Context, source string, r Run, subjects []string) error {
	const query = `
		update rowpass.profiles p set listed_at = $2::timestamptz
		from (
			select id from rowpass.profiles where source = $1::text and subject = any ($3::text[])
				and listed_at is distinct from $2::timestamptz
			order by id for no key update
		) named where p.id = named.id`
	if err := s.ask(ctx, asked{query: query, args: []any{source, r.Begun, subjects}}); err != nil {
		return fmt.Errorf("noting whom the list of %s has named: %w", source, err)
	}
	return nil
}

// Unlisted gives the live users that the run's list hasn't named and that nothing was said of since it began, in the order of
// their subjects from behind one on. unlisted is how many they are in all, live how many live users the source has.
// Provisional ones are among them.
func (s *Store) Unlisted(ctx context.Context, source string, r Run, after string, limit int) (subjects []string, unlisted, live int64, err error) {
	const query = `
		with live as materialized (
			select subject, listed_at is distinct from $2::timestamptz and coalesce(said_at < $2::timestamptz, true) as unlisted
			from rowpass.profiles where source = $1::text and rowpass.is_live(said_at, gone_at, provisional)
		)
		select (select count(*) from live where unlisted), (select count(*) from live),
			array(select subject from live where unlisted and subject > $3::text order by subject limit $4::bigint)`
	if err := s.ask(ctx, asked{query, []any{source, r.Begun, after, limit}, one(&unlisted, &live, &subjects)}); err != nil {
		return nil, 0, 0, fmt.Errorf("looking for users whom the list of %s has not named: %w", source, err)
	}
	return subjects, unlisted, live, nil
}
