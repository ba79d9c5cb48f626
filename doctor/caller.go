package doctor

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// caller is a read-only transaction over the gateway's login, in which what callers can reach is planned and read as they would, as in
// requests: code that leaves the caller's role there is the gateway, which has no rights.
type caller struct {
	conn *pgx.Conn
	tx   pgx.Tx
	sealed
}

// unfitError says why a login is none to run others' code with.
type unfitError struct{ login, what string }

func (e *unfitError) Error() string {
	return fmt.Sprintf("the gateway's login %s %s, and so could code that leaves a caller's role", quoteIdent(e.login), e.what)
}

// openCaller connects with the owner's snapshot, so that counts of both fit together. A login that must not run others' code is an
// *unfitError.
func openCaller(ctx context.Context, url, owner, snapshot string, claims sealed) (*caller, error) {
	conn, err := connect(ctx, "database.gateway_url", url)
	if err != nil {
		return nil, fmt.Errorf("connecting as the gateway (database.gateway_url): %w", err)
	}
	c := &caller{conn: conn, sealed: claims}
	if err := c.start(ctx, owner, snapshot); err != nil {
		c.end(ctx)
		return nil, err
	}
	return c, nil
}

func (c *caller) start(ctx context.Context, owner, snapshot string) (err error) {
	if c.tx, err = c.conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}); err != nil {
		return fmt.Errorf("beginning as the gateway: %w", err)
	}
	if _, err := c.tx.Exec(ctx, `set transaction snapshot '`+snapshot+`'`); err != nil {
		return fmt.Errorf("looking at the owner's database as the gateway; database.url and database.gateway_url must name the same: %w", err)
	}
	if _, err := c.tx.Exec(ctx, settings+`; set local search_path = ''`); err != nil {
		return fmt.Errorf("setting up the gateway's session: %w", err)
	}
	return c.fit(ctx, owner)
}

// fit refuses a login by which others' code could become the owner, or more.
func (c *caller) fit(ctx context.Context, owner string) error {
	const query = `
		select current_user, coalesce((select case when rolname = current_user then 'is ' else 'may become ' end
				|| case when rolname = $1 then 'the owner' when rolsuper then 'a superuser' when rolname ~ '^pg_' then rolname else 'a role with rights beyond policies' end
			from pg_catalog.pg_roles where pg_catalog.pg_has_role(current_user, oid, 'MEMBER')
				and (rolname = $1 or rolsuper or rolbypassrls or rolcreaterole or rolreplication or rolname ~ '^pg_')
			order by rolname <> $1, not rolsuper, rolname limit 1), '')`
	var login, what string
	if err := c.tx.QueryRow(ctx, query, owner).Scan(&login, &what); err != nil {
		return fmt.Errorf("looking at the gateway's login: %w", err)
	}
	if what != "" {
		return &unfitError{login, what}
	}
	return nil
}

// become is what requests begin with. The role comes last: it may not be allowed to set anything.
const become = `select
	pg_catalog.set_config('request.jwt.claims', $1, true),
	pg_catalog.set_config('request.jwt.seal', $2, true),
	pg_catalog.set_config('search_path', 'public, pg_temp', true),
	pg_catalog.set_config('role', $3, true)`

// as runs f as a caller with this role and the sealed claims. Whatever f does, or meets, leaves no trace in the transaction.
func (c *caller) as(ctx context.Context, role string, f func(tx pgx.Tx) error) error {
	return try(ctx, c.tx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, become, c.Claims, c.Seal, role)
		if answer, ok := refused(err); ok { // no answer to what f asks
			err = errors.New(answer.Message)
		}
		if err != nil {
			return fmt.Errorf("becoming %s over the gateway's login: %w", quoteIdent(role), err)
		}
		return f(tx)
	})
}

func (c *caller) end(ctx context.Context) { letGo(context.WithoutCancel(ctx), c.conn, c.tx) }
