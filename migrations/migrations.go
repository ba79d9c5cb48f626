// Package migrations makes a database ready for rowpass and keeps it so: the roles, schema auth and the seal (the set
// "auth"), tenants, users and todos (the set "directory"), and the logins of requests and of rowpass itself.
//
// It runs as the owner, under a lock that any number of starting instances may compete for. The version tables stand in
// schema rowpass, which callers cannot reach: schema public hands out whatever is made in it.
package migrations

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

//go:embed auth/*.sql directory/*.sql
var files embed.FS

// sets are in the order in which they build on one another.
var sets = []string{"auth", directory}

const directory = "directory"

// Config says which database is migrated and who will use it.
type Config struct {
	OwnerURL   string // the role that migrates and owns; it must be able to create roles, or find them made
	GatewayURL string // the login of callers' statements, made here with the URL's password; empty: none is made
	ServiceURL string // the login of rowpass's own state, likewise; empty or the owner's: none is made
	AuthOnly   bool   // leaves the set directory out, where tenants and users are kept elsewhere
	AuthSchema string // where rowpass's functions stand; empty: auth. Another, a plain name, wants AuthOnly: the directory names auth
	// KeepPasswords has a login that is there keep its password: one that the server refuses is then an error. Others may be using it.
	KeepPasswords bool
	Log           *slog.Logger // required
}

// Step is one numbered file and what became of it.
type Step struct {
	Set     string // "auth" or "directory"
	Version int64
	Name    string // the file's
	Applied bool
}

// Up applies what is missing, then makes the logins and their grants. Running it again changes nothing. Of several at
// once one works and the others wait for it.
func Up(ctx context.Context, c Config) ([]Step, error) {
	var done []Step
	if err := c.check(); err != nil {
		return nil, err
	}
	err := locked(ctx, c, func(pool *pgxpool.Pool) error {
		if err := prepare(ctx, pool, c); err != nil {
			return err
		}
		for _, set := range c.sets() {
			steps, err := run(ctx, pool, c.source(set), set, (*goose.Provider).Up)
			done = append(done, steps...)
			if err != nil {
				return fmt.Errorf("migrating %s up: %w", set, err)
			}
		}
		return grantLogins(ctx, pool, c)
	})
	return done, err
}

// sets are those that are wanted.
func (c Config) sets() []string {
	if c.AuthOnly {
		return sets[:1]
	}
	return sets
}

// Down takes back the newest step, of the directory first, and with it the rows that it holds; all takes back every
// step. The roles stay, because other databases of the cluster may use them.
func Down(ctx context.Context, c Config, all bool) ([]Step, error) {
	var done []Step
	err := locked(ctx, c, func(pool *pgxpool.Pool) error {
		if err := refuseOtherSchema(ctx, pool, c); err != nil {
			return err
		}
		for i := len(sets) - 1; i >= 0; i-- {
			steps, err := run(ctx, pool, c.source(sets[i]), sets[i], func(p *goose.Provider, ctx context.Context) ([]*goose.MigrationResult, error) {
				return down(ctx, p, all)
			})
			done = append(done, steps...)
			if err != nil {
				return fmt.Errorf("migrating %s down: %w", sets[i], err)
			}
			if len(steps) > 0 && !all {
				return nil
			}
		}
		return nil
	})
	return done, err
}

// down is goose's DownTo(0) or a single Down, which takes having nothing left for an error.
func down(ctx context.Context, p *goose.Provider, all bool) ([]*goose.MigrationResult, error) {
	if all {
		return p.DownTo(ctx, 0)
	}
	version, err := p.GetDBVersion(ctx)
	if err != nil || version == 0 {
		return nil, err
	}
	result, err := p.Down(ctx)
	if err != nil {
		return nil, err
	}
	return []*goose.MigrationResult{result}, nil
}

// Status lists every step, changes nothing, and needs no more than the right to read the version tables, so an instance
// without the owner's login can ask too.
func Status(ctx context.Context, url string, authOnly bool) ([]Step, error) {
	pool, err := open(ctx, url)
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	var steps []Step
	for _, set := range (Config{AuthOnly: authOnly}).sets() {
		applied, err := version(ctx, pool, set)
		if err != nil {
			return nil, fmt.Errorf("reading the version of %s: %w", set, err)
		}
		names, err := fs.Glob(files, set+"/*.sql")
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			v, err := goose.NumericComponent(path.Base(name))
			if err != nil {
				return nil, err
			}
			steps = append(steps, Step{Set: set, Version: v, Name: path.Base(name), Applied: v <= applied})
		}
	}
	return steps, nil
}

// Pending tells whether a step is missing.
func Pending(steps []Step) bool {
	return slices.ContainsFunc(steps, func(s Step) bool { return !s.Applied })
}

// version is the newest applied version of a set, 0 where its table is not there yet.
func version(ctx context.Context, pool *pgxpool.Pool, set string) (v int64, err error) {
	var there bool
	if err := one(ctx, pool, &there, "select to_regclass($1) is not null", versionTable(set)); err != nil || !there {
		return 0, err
	}
	err = one(ctx, pool, &v, "select coalesce(max(version_id), 0) from "+versionTable(set))
	return v, err
}

// run applies one of goose's operations to a set. No lock of goose's is asked for: locked holds a better one.
func run(ctx context.Context, pool *pgxpool.Pool, source fs.FS, set string,
	operation func(*goose.Provider, context.Context) ([]*goose.MigrationResult, error)) ([]Step, error) {
	db := stdlib.OpenDBFromPool(pool)
	defer func() { _ = db.Close() }()
	p, err := goose.NewProvider(goose.DialectPostgres, db, source,
		goose.WithTableName(versionTable(set)), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return nil, err
	}
	results, err := operation(p, ctx)
	var steps []Step
	for _, r := range results {
		steps = append(steps, Step{Set: set, Version: r.Source.Version, Name: r.Source.Path, Applied: r.Direction == "up"})
	}
	return steps, err
}

// source are the files of a set, with the schema that is wanted.
func (c Config) source(set string) fs.FS {
	sub, err := fs.Sub(files, set)
	if err != nil {
		panic(err) // a set that is not embedded cannot be named
	}
	if set == directory {
		return prepared{sub, authSchema}
	}
	return prepared{sub, c.schema()}
}

func versionTable(set string) string { return "rowpass." + set + "_version" }

// locked runs f while no other instance does. The lock is a table's, which no caller can touch, and belongs to a
// transaction: it holds behind a pooler in transaction mode, where a session's lock would not, and ends with the connection
// if we are killed. Whoever waits asks again instead of queueing in the database, where it would hold a connection that the
// winner may need.
func locked(ctx context.Context, c Config, f func(*pgxpool.Pool) error) error {
	pool, err := open(ctx, c.OwnerURL)
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := makeLock(ctx, pool); err != nil {
		return err
	}
	for waiting := false; ; waiting = true {
		held, err := tryLocked(ctx, pool, f)
		if held || err != nil {
			return err
		}
		if !waiting {
			c.Log.InfoContext(ctx, "waiting for another instance to migrate")
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for another instance to migrate: %w", ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// makeLock makes the schema of the version tables and the table that is locked. Of several that make them at once all but
// one get an error, and find them there when they look again.
func makeLock(ctx context.Context, pool *pgxpool.Pool) error {
	var err error
	for range 10 {
		if _, err = pool.Exec(ctx, "create schema if not exists rowpass"); err == nil {
			_, err = pool.Exec(ctx, "create table if not exists rowpass.migration_lock ()")
		}
		var refused *pgconn.PgError
		if !errors.As(err, &refused) || !slices.Contains([]string{"23505", "42P06", "42P07", "42710"}, refused.Code) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("connecting as the owner (database.url), who needs CREATE on the database: %w", err)
	}
	return nil
}

// lockNotAvailable is the SQLSTATE of a lock that somebody else has.
const lockNotAvailable = "55P03"

func tryLocked(ctx context.Context, pool *pgxpool.Pool, f func(*pgxpool.Pool) error) (held bool, err error) {
	tx, err := pool.Begin(ctx)
	if err != nil {
		return false, fmt.Errorf("connecting as the owner (database.url): %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if _, err := tx.Exec(ctx, "set local idle_in_transaction_session_timeout = 0"); err != nil {
		return false, err
	}
	_, err = tx.Exec(ctx, "lock table rowpass.migration_lock in access exclusive mode nowait")
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == lockNotAvailable {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("locking out other instances: %w", err)
	}
	return true, f(pool)
}

// open makes the owner's pool: two connections, one for the lock and one for the work, without named statements, which
// a pooler of before 2023 mixes up.
func open(ctx context.Context, url string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errBadURL
	}
	config.MinConns, config.MaxConns = 0, 2
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	return pgxpool.NewWithConfig(ctx, config)
}
