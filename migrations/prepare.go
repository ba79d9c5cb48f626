package migrations

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// errBadURL stands in for what the parser says, which may quote the password.
var errBadURL = errors.New("a database URL cannot be read; it looks like postgres://user:password@host:5432/database")

// minimumVersion is the oldest server with views that run as their caller and a public schema that is closed to PUBLIC.
const minimumVersion = 150000

// prepare refuses a database that cannot hold what the migrations make.
func prepare(ctx context.Context, pool *pgxpool.Pool, c Config) error {
	var server int
	if err := one(ctx, pool, &server, "select current_setting('server_version_num')::int"); err != nil {
		return fmt.Errorf("asking the server for its version: %w", err)
	}
	if server < minimumVersion {
		return fmt.Errorf("the server is PostgreSQL %d; rowpass needs 15 or later", server/10000)
	}
	for _, refuse := range []func(context.Context, *pgxpool.Pool, Config) error{refuseKeyword, refuseOtherSchema, refuseForeignAuth, refuseSchemasOfOthers} {
		if err := refuse(ctx, pool, c); err != nil {
			return err
		}
	}
	if err := refuseForeignProfiles(ctx, pool); err != nil || c.AuthOnly {
		return err
	}
	return refuseForeignDirectory(ctx, pool)
}

// refuseForeignDirectory stops at tables of an application that have the names of the directory's.
func refuseForeignDirectory(ctx context.Context, pool *pgxpool.Pool) error {
	const query = `
		select coalesce(string_agg(name, ' and ' order by name), '') from unnest(array['public.tenants', 'public.users', 'public.todos']) name
		where to_regclass(name) is not null and to_regclass('rowpass.directory_version') is null`
	var taken string
	if err := one(ctx, pool, &taken, query); err != nil {
		return fmt.Errorf("looking for tables of the directory's names: %w", err)
	}
	if taken == "" {
		return nil
	}
	return fmt.Errorf("%s: there already, and not rowpass's: set database.directory to false, which leaves rowpass's own tenants and users out, "+
		"or use another database", taken)
}

// refuseForeignProfiles stops at a users_sync that somebody else keeps, as Neon does: two that write it would undo each other.
func refuseForeignProfiles(ctx context.Context, pool *pgxpool.Pool) error {
	const query = `
		select pg_catalog.pg_get_userbyid(relowner) from pg_catalog.pg_class
		where oid = to_regclass('neon_identity.users_sync') and to_regclass('rowpass.profiles') is null`
	var whose string
	err := one(ctx, pool, &whose, query)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking for a foreign neon_identity.users_sync: %w", err)
	}
	return fmt.Errorf("neon_identity.users_sync is taken: it belongs to the role %s; rowpass keeps a table of that name itself, "+
		"so end what writes it and move it away (alter table neon_identity.users_sync rename to users_sync_before, "+
		"and alter index neon_identity.users_sync_deleted_at_idx likewise), or use another database", quote(whose))
}
