package migrations

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// pinned has names looked up in pg_catalog before anything else and in no schema that others may have made something in: a function or an
// operator in schema public whose types fit better than PostgreSQL's own would run as the owner. It holds for a transaction, and so
// behind a pooler too.
const pinned = "set local search_path = pg_catalog, pg_temp"

// asOwner runs f in a pinned transaction.
func asOwner(ctx context.Context, pool *pgxpool.Pool, f func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, pinned); err != nil {
			return err
		}
		return f(tx)
	})
}

// one scans the one column of the first row. pgx.ErrNoRows where there is none.
func one(ctx context.Context, pool *pgxpool.Pool, to any, query string, args ...any) error {
	return asOwner(ctx, pool, func(tx pgx.Tx) error { return tx.QueryRow(ctx, query, args...).Scan(to) })
}

// rows collects all rows.
func rows[T any](ctx context.Context, pool *pgxpool.Pool, to pgx.RowToFunc[T], query string, args ...any) (all []T, err error) {
	err = asOwner(ctx, pool, func(tx pgx.Tx) error {
		found, err := tx.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(found, to)
		return err
	})
	return all, err
}

// execute runs each statement, by which logins are made and granted, in a transaction of its own.
func execute(ctx context.Context, pool *pgxpool.Pool, statements ...string) error {
	for _, s := range statements {
		err := asOwner(ctx, pool, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, s)
			return err
		})
		if err != nil {
			return fmt.Errorf("granting the logins what they need: %w", err)
		}
	}
	return nil
}
