package migrations

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// HardenConfig says whose database is hardened, and as whom.
type HardenConfig struct {
	SuperuserURL string   // who may revoke rights on PostgreSQL's own functions; elsewhere the owner, who mostly may not
	Setters      []string // the logins that keep set_config: the gateway, and the others that become somebody by it
}

// Hardening is one right that PUBLIC had.
type Hardening struct {
	Right   string
	Revoked bool // false: only a superuser may, as on hosted servers
}

// DangerousFunctions is a regular expression of the names, in pg_catalog, of functions that run SQL text, change the session, outlive
// the request or reach others, of PostgreSQL 15 to 18. The check of a stranger's statement refuses them by not knowing them; Harden
// takes them away in the database as well.
const DangerousFunctions = `^(set_config|ts_stat|(query|cursor|table|schema|database)_to_xml.*|pg_(terminate|cancel)_backend|pg_notify|pg_(try_)?advisory_.*|lo_.*|loread|lowrite|setseed|pg_sleep.*|pg_logical_emit_message|pg_export_snapshot|txid_current|pg_current_xact_id|pg_switch_wal|pg_prepared_statement|pg_cursor|pg_listening_channels)$`

const dangerous = `
	select p.oid::regprocedure::text, p.proname::text from pg_catalog.pg_proc p
	where pronamespace = 'pg_catalog'::regnamespace
		and proname ~ '` + DangerousFunctions + `'
		and exists (select from pg_catalog.aclexplode(coalesce(proacl, pg_catalog.acldefault('f', proowner))) where grantee = 0)
	union all
	select '', '' from pg_catalog.pg_class, pg_catalog.aclexplode(relacl) a
	where oid = 'pg_catalog.pg_settings'::regclass and a.grantee = 0 and a.privilege_type = 'UPDATE'
	order by 1`

// Harden takes from PUBLIC, in this database, what callers' SQL could reach others or leave its role by: a second wall behind
// the check of statements, and for other users of the database a change that they may notice. Running it again revokes what has
// come since. What is not permitted, as on hosted servers, is reported and no error.
func Harden(ctx context.Context, c HardenConfig) ([]Hardening, error) {
	pool, err := open(ctx, c.SuperuserURL)
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	var owner string // keeps them all, since pg_dump needs some
	const ofRowpass = `select pg_catalog.pg_get_userbyid(relowner) from pg_catalog.pg_class where oid = to_regclass('rowpass.seal_keys')`
	if err := one(ctx, pool, &owner, ofRowpass); err != nil {
		return nil, fmt.Errorf("looking for the owner of rowpass's tables (run rowpass migrate up first): %w", err)
	}
	before, err := publicRights(ctx, pool)
	if err != nil {
		return nil, err
	}
	for _, right := range before {
		if err := right.revoke(ctx, pool, owner, c.Setters); err != nil {
			return nil, fmt.Errorf("revoking %s: %w", right, err)
		}
	}
	after, err := publicRights(ctx, pool)
	if err != nil {
		return nil, err
	}
	done := make([]Hardening, len(before))
	for i, right := range before {
		done[i] = Hardening{Right: right.String(), Revoked: !slices.Contains(after, right)}
	}
	return done, nil
}

// right is one that PUBLIC has: EXECUTE on a function or, without a function, UPDATE on pg_settings, which is set_config by a rule.
type right struct{ signature, name string }

func (r right) String() string {
	if r.name == "" {
		return "update on pg_settings"
	}
	return "execute on function " + r.signature
}

// publicRights lists what is still PUBLIC's.
func publicRights(ctx context.Context, pool *pgxpool.Pool) ([]right, error) {
	rights, err := rows(ctx, pool, func(row pgx.CollectableRow) (r right, err error) {
		err = row.Scan(&r.signature, &r.name)
		return r, err
	}, dangerous)
	if err != nil {
		return nil, fmt.Errorf("listing what PUBLIC may do: %w", err)
	}
	return rights, nil
}

// revoke first grants to those who keep the right, in one transaction with the revocation, which would hurt without. Who may do
// neither gets warnings from PostgreSQL, and no error.
func (r right) revoke(ctx context.Context, pool *pgxpool.Pool, owner string, setters []string) error {
	if r.name == "" {
		return ignoreDenied(execute(ctx, pool, "revoke update on pg_catalog.pg_settings from public"))
	}
	keep := quote(owner)
	if r.name == "set_config" {
		for _, login := range setters {
			keep += ", " + quote(login)
		}
	}
	return ignoreDenied(asOwner(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "grant execute on function "+r.signature+" to "+keep); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "revoke execute on function "+r.signature+" from public")
		return err
	}))
}

func ignoreDenied(err error) error {
	if denied(err) {
		return nil
	}
	return err
}
