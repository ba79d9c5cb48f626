package doctor

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// examination is one run of Examine: what was read once and several checks look at.
type examination struct {
	Config
	*session
	owner     string // the login, and who runs the mends
	version   int    // server_version_num
	hook      string // the body of the owner's token_claims, which may add any claim; "" where there is none
	asks      askers
	relations []relation
	strangers map[string]string // relations of others, as findings name them, with whose they are
	policies  []policy          // those that are for one of Roles
	locked    []uint32          // policies that another session lets nobody read; never nil
	missed    []Finding         // what was not examined for that, or for want of a gateway
}

func begin(ctx context.Context, c Config) (*examination, error) {
	s, err := open(ctx, sessionConfig{OwnerURL: c.OwnerURL, GatewayURL: c.GatewayURL, Schema: c.AuthSchema, Claims: []byte("{}"), Role: c.Roles[0]})
	if err != nil {
		return nil, err
	}
	e := &examination{Config: c, session: s, locked: []uint32{}, asks: askers{schema: s.schema, trusting: map[string]string{}}}
	if err := e.read(ctx); err != nil {
		s.end(ctx)
		return nil, err
	}
	return e, nil
}

func (e *examination) read(ctx context.Context) error {
	const about = `select current_user, current_setting('server_version_num')::int, 
		coalesce((select nullif(coalesce(pg_catalog.pg_get_function_sqlbody(oid), prosrc), 'RETURN ''{}''::jsonb') from pg_catalog.pg_proc
			where oid = to_regprocedure($1)), '')`
	if err := e.tx.QueryRow(ctx, about, quoteIdent(e.schema)+".token_claims(text, text)").Scan(&e.owner, &e.version, &e.hook); err != nil {
		return fmt.Errorf("asking the server for its version: %w", err)
	}
	var missing string
	const roles = `select coalesce(string_agg(name, ', '), '') from unnest($1::text[]) name where not exists (select from pg_catalog.pg_roles where rolname = name)`
	if err := e.tx.QueryRow(ctx, roles, append([]string{}, e.Roles...)).Scan(&missing); err != nil {
		return fmt.Errorf("looking for the roles: %w", err)
	}
	if missing != "" {
		return fmt.Errorf("role %s is missing; run rowpass migrate up", missing)
	}
	if e.Schemas == nil {
		var err error
		if e.Schemas, err = list[string](ctx, e.tx, applications, e.schema); err != nil {
			return fmt.Errorf("listing schemas: %w", err)
		}
	}
	var err error
	if e.relations, err = list[relation](ctx, e.tx, relations, e.Schemas, e.Roles); err != nil {
		return fmt.Errorf("listing relations: %w", err)
	}
	if err := e.readStrangers(ctx); err != nil {
		return fmt.Errorf("asking whose the relations are: %w", err)
	}
	if e.unfit != nil {
		e.missed = append(e.missed, unplanned(e.unfit))
	}
	if err := e.leaveLocked(ctx); err != nil {
		return fmt.Errorf("looking for locks: %w", err)
	}
	for _, part := range []check{
		{"functions that policies call", func(ctx context.Context, e *examination) ([]Finding, error) { return nil, e.readAskers(ctx) }},
		{"policies", func(ctx context.Context, e *examination) ([]Finding, error) { return nil, e.readPolicies(ctx) }},
	} {
		missed, err := e.run(ctx, part)
		if err != nil {
			return err
		}
		e.missed = append(e.missed, missed...)
	}
	return nil
}

// applications are the schemas that are neither PostgreSQL's nor rowpass's.
const applications = `
	select nspname::text from pg_catalog.pg_namespace
	where nspname !~ '^pg_' and nspname <> all (array['information_schema', $1::text, 'rowpass', 'neon_identity'])
	order by 1`

// list runs a query and gives its rows: structs by the position of their fields, anything else by its only column.
func list[T any](ctx context.Context, tx pgx.Tx, query string, args ...any) ([]T, error) {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	if len(rows.FieldDescriptions()) == 1 {
		return pgx.CollectRows(rows, pgx.RowTo[T])
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[T])
}
