package db

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// Session says who acts: the role and the claims of one transaction. Every method that touches callers' rows takes one,
// so that there is no anonymous way in.
type Session struct {
	Role   string // the Postgres role, from a list of ours, never a raw claim
	Claims []byte // a verified JSON object as token.Claims.JSON holds it; empty: a caller without claims
}

// access is whether a transaction may write.
type access bool

const (
	reads  access = false
	writes access = true
)

// become takes role and claims for the rest of the transaction, with everything else that a statement of ours hangs on, so
// that nothing left on the connection counts. Claims and seal are set both and always, empty where there are none: a pair
// that somebody left on the connection must not be taken over. The role comes last, since set_config may be the
// gateway's alone. Names are qualified, since the search_path that they are looked up under is still the connection's.
const become = `select
	pg_catalog.set_config('request.jwt.claims', $1, true),
	pg_catalog.set_config('request.jwt.seal', $2, true),
	pg_catalog.set_config('statement_timeout', $3, true),
	pg_catalog.set_config('transaction_read_only', case when $4::boolean then pg_catalog.current_setting('transaction_read_only') else 'on' end, true),
	pg_catalog.set_config('search_path', 'public, pg_temp', true),
	pg_catalog.set_config('row_security', 'on', true),
	pg_catalog.set_config('synchronous_commit', 'on', true),
	pg_catalog.set_config('role', $5, true)`

// read runs one query as s and gives its rows to collect. A connection that Postgres dropped in the meantime is not the
// caller's fault: the query is sent once more on a fresh one.
func (db *DB) read(ctx context.Context, s Session, collect func(pgx.Rows) error, query string, args ...any) error {
	err := db.run(ctx, s, reads, collect, query, args)
	if lost(err) {
		db.gateway.Reset()
		err = db.run(ctx, s, reads, collect, query, args)
	}
	return classify(err)
}

// write is read for a statement that changes rows. It is sent again only where the first sending cannot have been
// carried out.
func (db *DB) write(ctx context.Context, s Session, collect func(pgx.Rows) error, query string, args ...any) error {
	err := db.run(ctx, s, writes, collect, query, args)
	if unsent(err) {
		db.gateway.Reset()
		err = db.run(ctx, s, writes, collect, query, args)
	}
	return classify(err)
}

// CheckSeal tells whether the database accepts our seal, as ErrSeal where it doesn't.
func (db *DB) CheckSeal(ctx context.Context) error {
	var claims []byte
	return db.read(ctx, Session{Role: "authenticated", Claims: []byte("{}")},
		collectOne(&claims, pgx.RowTo[[]byte]), "select "+pgx.Identifier{db.schema, "session"}.Sanitize()+"()")
}

// run sends become and the query in one message, which makes one transaction: Postgres ends it, and role and claims
// with it, whatever happens. Where the seal was refused, its key or the database's clock may have changed since they
// were read, so they are read again and the message is sent once more: nothing of it was carried out.
func (db *DB) run(ctx context.Context, s Session, a access, collect func(pgx.Rows) error, query string, args []any) error {
	err := db.send(ctx, s, a, collect, query, args)
	if sqlState(err) == invalidAuthorization && db.seals.renew(ctx) {
		return db.send(ctx, s, a, collect, query, args)
	}
	if stalePlan(err) {
		db.gateway.Reset() // every connection has prepared it
		return db.send(ctx, s, a, collect, query, args)
	}
	return err
}

// send seals the claims only once it has a connection, since waiting for one would use up the seal's life.
func (db *DB) send(ctx context.Context, s Session, a access, collect func(pgx.Rows) error, query string, args []any) error {
	ctx, cancel := context.WithTimeoutCause(ctx, db.timeout+grace, errSlow)
	defer cancel()
	conn, err := db.gateway.Acquire(ctx)
	if err != nil {
		return acquireError{err}
	}
	defer conn.Release()
	if err := db.prepare(ctx, conn.Conn(), query); err != nil {
		return err
	}
	var batch pgx.Batch
	batch.Queue(become, string(s.Claims), db.seals.seal(s.Claims), strconv.FormatInt(db.timeout.Milliseconds(), 10), bool(a), s.Role)
	batch.Queue(query, args...).Query(collect)
	return conn.SendBatch(ctx, &batch).Close()
}

// prepare makes named statements once a connection. pgx would do so by itself, but forgets them after every refused
// statement, and a policy's refusal is nothing unusual here.
func (db *DB) prepare(ctx context.Context, conn *pgx.Conn, query string) error {
	if !db.named {
		return nil
	}
	if _, err := conn.Prepare(ctx, become, become); err != nil {
		return err
	}
	_, err := conn.Prepare(ctx, query, query)
	return err
}

// grace is how much longer than the statement's own limit we wait for its answer before we cancel it ourselves.
const grace = 2 * time.Second

var errSlow = errors.New("the database did not answer in time")

// collectOne is a collect that wants exactly one row; its absence is ErrNotFound.
func collectOne[T any](to *T, scan pgx.RowToFunc[T]) func(pgx.Rows) error {
	return func(rows pgx.Rows) (err error) {
		*to, err = pgx.CollectExactlyOneRow(rows, scan)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrNotFound
		}
		return err
	}
}

// collectAll is a collect that wants any number of rows.
func collectAll[T any](to *[]T, scan pgx.RowToFunc[T]) func(pgx.Rows) error {
	return func(rows pgx.Rows) (err error) {
		*to, err = pgx.AppendRows((*to)[:0], rows, scan)
		return err
	}
}
