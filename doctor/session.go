package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// errBadURL stands in for what the parser says, which may quote the password.
var errBadURL = errors.New("database.url cannot be read; it looks like postgres://user:password@host:5432/database")

// session is a read-only transaction of the owner's in which it can act as a caller. No goroutines share one.
type session struct {
	conn   *pgx.Conn
	tx     pgx.Tx
	schema string // where rowpass's functions stand
}

// settings hold for the whole transaction. The empty search path makes PostgreSQL write each name with its schema.
const settings = `
	set local statement_timeout = '15s';
	set local lock_timeout = '5s';
	set local search_path = '';
	set local standard_conforming_strings = on;
	set local quote_all_identifiers = off`

// open connects and becomes nobody yet. Without a schema it is auth. The claims are sealed for the transaction, however long it is.
func open(ctx context.Context, ownerURL, schema string, claims []byte, role string) (*session, error) {
	config, err := pgx.ParseConfig(ownerURL)
	if err != nil {
		return nil, errBadURL
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connecting as the owner: %w", hideURL(err))
	}
	s := &session{conn: conn, schema: cmp.Or(schema, "auth")}
	if err := s.start(ctx, claims, role); err != nil {
		s.end(ctx)
		return nil, err
	}
	return s, nil
}

func (s *session) start(ctx context.Context, claims []byte, role string) (err error) {
	if s.tx, err = s.conn.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly}); err != nil {
		return fmt.Errorf("beginning: %w", err)
	}
	if _, err := s.tx.Exec(ctx, settings); err != nil {
		return fmt.Errorf("setting up the session: %w", err)
	}
	var migrated bool
	const query = `select to_regprocedure($2) is not null and exists (select from pg_catalog.pg_roles where rolname = $1)`
	impersonate := quoteIdent(s.schema) + ".impersonate"
	if err := s.tx.QueryRow(ctx, query, role, impersonate+"(jsonb, text)").Scan(&migrated); err != nil {
		return fmt.Errorf("looking for schema %s: %w", s.schema, err)
	}
	if !migrated {
		return fmt.Errorf("schema %s of rowpass or role %s is missing in this database; run rowpass migrate up", s.schema, role)
	}
	if _, err := s.tx.Exec(ctx, `select `+impersonate+`($1::text::jsonb, $2)`, string(claims), role); err != nil {
		return fmt.Errorf("acting as %s, which the owner of schema %s can: %w", role, s.schema, err)
	}
	return s.asOwner(ctx)
}

// end rolls back and lets go of the connection, also after the context has ended.
func (s *session) end(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	if s.tx != nil {
		_ = s.tx.Rollback(ctx)
	}
	_ = s.conn.Close(ctx)
}

// become takes a role with the search path of requests; the claims stay.
func (s *session) become(ctx context.Context, role string) error {
	_, err := s.tx.Exec(ctx, `set local search_path = public, pg_temp; set local role `+pgx.Identifier{role}.Sanitize())
	return err
}

func (s *session) asOwner(ctx context.Context) error {
	_, err := s.tx.Exec(ctx, `set local role none; set local search_path = ''`)
	return err
}

// try runs f so that what it does and where it fails leave no trace in the transaction.
func (s *session) try(ctx context.Context, f func(tx pgx.Tx) error) error {
	inner, err := s.tx.Begin(ctx)
	if err != nil {
		return err
	}
	return errors.Join(f(inner), inner.Rollback(ctx))
}

// refused says whether PostgreSQL answered, if only with an error: the session is still good then.
func refused(err error) (*pgconn.PgError, bool) {
	var answer *pgconn.PgError
	return answer, errors.As(err, &answer)
}

// hideURL keeps what pgx says of a connection without the URL's parts.
func hideURL(err error) error {
	if answer, ok := refused(err); ok {
		return errors.New(answer.Message)
	}
	return errors.New("the server at database.url does not answer")
}
