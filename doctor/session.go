package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
)

// session is two read-only transactions that see the same rows. The owner's is for catalogues, and for rows of what the owner itself
// owns: there nobody else's code is reached. Whatever could run somebody's code, a plan included, is done as a caller in the gateway's.
// No goroutines share one.
type session struct {
	conn   *pgx.Conn
	tx     pgx.Tx  // the owner's
	schema string  // where rowpass's functions stand
	caller *caller // the gateway's; nil where unfit says why nothing is done there
	unfit  error
}

// sessionConfig says who looks, and as whom.
type sessionConfig struct {
	OwnerURL, GatewayURL string
	Schema               string // where rowpass's functions stand; "": auth
	Claims               []byte // an object
	Role                 string // one of the roles of callers, which has to be there
}

// settings hold for both transactions: what one writes as text the other reads.
const settings = `
	set local statement_timeout = '15s';
	set local lock_timeout = '5s';
	set local standard_conforming_strings = on;
	set local quote_all_identifiers = off;
	set local datestyle = 'ISO, MDY';
	set local intervalstyle = 'postgres';
	set local extra_float_digits = 1;
	set local row_security = on`

// open connects twice. The caller ends it.
func open(ctx context.Context, c sessionConfig) (*session, error) {
	conn, err := connect(ctx, "database.url", c.OwnerURL)
	if err != nil {
		return nil, fmt.Errorf("connecting as the owner (database.url): %w", err)
	}
	s := &session{conn: conn, schema: cmp.Or(c.Schema, "auth")}
	if err := s.start(ctx, c); err != nil {
		s.end(ctx)
		return nil, err
	}
	return s, nil
}

// connect leaves nothing on the connection that a pooler would give to somebody else. Of a URL that can't be read the parser's words are
// left out, which may quote the password; a *pgconn.ConnectError has none in it.
func connect(ctx context.Context, setting, url string) (*pgx.Conn, error) {
	if url == "" {
		return nil, fmt.Errorf("%s is not set", setting)
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read; it looks like postgres://user:password@host:5432/database", setting)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec
	config.BuildContextWatcherHandler = cancelRequest
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	return pgx.ConnectConfig(ctx, config)
}

const (
	connectTimeout = 5 * time.Second
	grace          = time.Second // for a cancelled statement to end
)

// cancelRequest ends a statement that nobody waits for any more: closing the connection alone would leave it running.
func cancelRequest(conn *pgconn.PgConn) ctxwatch.Handler {
	return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: grace}
}

func (s *session) start(ctx context.Context, c sessionConfig) (err error) {
	if s.tx, err = s.conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}); err != nil {
		return fmt.Errorf("beginning: %w", err)
	}
	if _, err := s.tx.Exec(ctx, settings+`; set local search_path = ''`); err != nil { // so PostgreSQL writes each name with its schema
		return fmt.Errorf("setting up the session: %w", err)
	}
	if err := s.migrated(ctx, c.Role); err != nil {
		return err
	}
	sealed, err := s.seal(ctx, c.Claims)
	if err != nil {
		return fmt.Errorf("sealing the claims, which the owner of schema %s can: %w", s.schema, err)
	}
	var owner, snapshot string
	if err := s.tx.QueryRow(ctx, `select current_user, pg_catalog.pg_export_snapshot()`).Scan(&owner, &snapshot); err != nil {
		return fmt.Errorf("exporting the snapshot: %w", err)
	}
	s.caller, err = openCaller(ctx, c.GatewayURL, owner, snapshot, sealed)
	if unfit := (*unfitError)(nil); errors.As(err, &unfit) {
		s.unfit, err = unfit, nil
	}
	return err
}

// migrated looks for what the session needs. The function that seals must be of whoever owns schema rowpass, since it runs as the owner.
func (s *session) migrated(ctx context.Context, role string) error {
	const query = `
		select exists (select from pg_catalog.pg_proc where oid = to_regprocedure($2)
				and proowner = (select nspowner from pg_catalog.pg_namespace join pg_catalog.pg_roles r on r.oid = nspowner where nspname = 'rowpass' and (rolsuper
					or rolname = current_user or r.oid = (select datdba from pg_catalog.pg_database where datname = pg_catalog.current_database()))))
			and exists (select from pg_catalog.pg_roles where rolname = $1)`
	var migrated bool
	if err := s.tx.QueryRow(ctx, query, role, quoteIdent(s.schema)+".impersonate(jsonb, text)").Scan(&migrated); err != nil {
		return fmt.Errorf("looking for schema %s: %w", s.schema, err)
	}
	if migrated {
		return nil
	}
	const elsewhere = `
		select nspname::text from pg_catalog.pg_proc join pg_catalog.pg_namespace n on n.oid = pronamespace
		where proname = 'impersonate' and nspname <> $1 and proowner = (select nspowner from pg_catalog.pg_namespace where nspname = 'rowpass') limit 1`
	found, err := list[string](ctx, s.tx, elsewhere, s.schema)
	if err != nil {
		return fmt.Errorf("looking for rowpass's functions: %w", err)
	}
	if len(found) > 0 {
		return fmt.Errorf("rowpass's functions stand in schema %s of this database, and database.auth_schema says %s; set it to %[1]s", found[0], s.schema)
	}
	return fmt.Errorf("schema %s of rowpass or role %s is missing in this database; run rowpass migrate up", s.schema, role)
}

// sealed is claims as the database's functions believe them.
type sealed struct{ Claims, Seal string }

// seal leaves no claims behind in the owner's transaction, which becomes nobody for it.
func (s *session) seal(ctx context.Context, claims []byte) (is sealed, err error) {
	err = try(ctx, s.tx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `select `+quoteIdent(s.schema)+`.impersonate($1::text::jsonb, 'none')`, string(claims)); err != nil {
			return err
		}
		const read = `select current_setting('request.jwt.claims'), current_setting('request.jwt.seal')`
		return tx.QueryRow(ctx, read).Scan(&is.Claims, &is.Seal)
	})
	return is, err
}

// end rolls back and lets go of the connections, also after the context has ended.
func (s *session) end(ctx context.Context) {
	if s.caller != nil {
		s.caller.end(ctx)
	}
	letGo(context.WithoutCancel(ctx), s.conn, s.tx)
}

func letGo(ctx context.Context, conn *pgx.Conn, tx pgx.Tx) {
	if tx != nil {
		_ = tx.Rollback(ctx)
	}
	_ = conn.Close(ctx)
}

// try runs f so that what it does and where it fails leave no trace in the transaction. One may stand within another.
func try(ctx context.Context, tx pgx.Tx, f func(tx pgx.Tx) error) error {
	if _, err := tx.Exec(ctx, `savepoint attempt`); err != nil {
		return err
	}
	err := f(tx)
	_, undone := tx.Exec(ctx, `rollback to savepoint attempt; release savepoint attempt`)
	return errors.Join(err, undone)
}

// refused says whether PostgreSQL answered, if only with an error: the session is still good then.
func refused(err error) (*pgconn.PgError, bool) {
	var answer *pgconn.PgError
	return answer, errors.As(err, &answer)
}

// SQLSTATEs of what took too long: a statement, or waiting for another session's lock.
const (
	canceled         = "57014"
	lockNotAvailable = "55P03"
)

// waited says whether PostgreSQL gave up waiting for another session's lock.
func waited(err error) bool {
	answer, ok := refused(err)
	return ok && answer.Code == lockNotAvailable
}
