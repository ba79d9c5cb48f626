package db

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// RingStore keeps the document of keys' ring in the one row of rowpass.ring. It has the shape of keys.Store. The document
// holds private keys, so it belongs in a wrapping.
type RingStore struct{ state *State }

// Ring is where the ring is kept.
func (s *State) Ring() RingStore { return RingStore{s} }

// Load reads the document and its version, which is "" where there is none yet.
func (r RingStore) Load(ctx context.Context) (document []byte, version string, err error) {
	const query = `select document, version::text from rowpass.ring`
	err = r.state.ask(ctx, asked{query: query, collect: func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&document, &version}, func() error { return nil })
		return err
	}})
	return document, version, err
}

// Swap writes the document if version is still the stored one's, and tells the other instances. False: somebody else was
// faster. One statement decides.
func (r RingStore) Swap(ctx context.Context, document []byte, version string) (swapped bool, err error) {
	// The version is the time in microseconds, so that it is new even after a dump was restored.
	const insert = `
		insert into rowpass.ring (document, version)
		values ($1::bytea, (extract(epoch from clock_timestamp()) * 1000000)::bigint)
		on conflict do nothing returning true`
	const update = `
		update rowpass.ring set document = $1::bytea, changed_at = now(),
			version = greatest(version + 1, (extract(epoch from clock_timestamp()) * 1000000)::bigint)
		where version = $2::bigint returning true`
	statement := asked{query: insert, args: []any{document}}
	if version != "" {
		number, err := strconv.ParseInt(version, 10, 64)
		if err != nil {
			return false, fmt.Errorf("version %q is none of rowpass.ring's", version)
		}
		statement = asked{query: update, args: []any{document, number}}
	}
	statement.collect = func(rows pgx.Rows) error {
		swapped = rows.Next()
		rows.Close()
		return rows.Err()
	}
	err = r.state.askOnce(ctx, statement)
	return swapped && err == nil, err
}
