package db

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Entry is what the directory says of a user to rowpass itself, which issues the user's tokens.
type Entry struct {
	UserID   string
	TenantID string
	Email    string
	Role     string // in the tenant: member or admin
}

// FindUser looks a user up by id or e-mail address, within a tenant or, with an empty one, in all. An address that
// stands in several tenants is ErrAmbiguous: the first would be the wrong one for somebody.
func (db *DB) FindUser(ctx context.Context, who, tenant string) (Entry, error) {
	const query = `select id::text, tenant_id::text, email, role from rowpass.find_users($1, nullif($2, '')::uuid)`
	return db.entry(ctx, query, who, tenant)
}

// FirstUser is the oldest user, for the demo grant that names nobody.
func (db *DB) FirstUser(ctx context.Context) (Entry, error) {
	return db.entry(ctx, `select id::text, tenant_id::text, email, role from rowpass.first_user()`)
}

func (db *DB) entry(ctx context.Context, query string, args ...any) (Entry, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, db.timeout+grace, errSlow)
	defer cancel()
	entries, err := db.entries(ctx, query, args)
	if lost(err) {
		db.service.Reset()
		entries, err = db.entries(ctx, query, args)
	}
	switch {
	case err != nil:
		return Entry{}, classify(err)
	case len(entries) == 0:
		return Entry{}, ErrNotFound
	case len(entries) > 1:
		return Entry{}, ErrAmbiguous
	}
	return entries[0], nil
}

func (db *DB) entries(ctx context.Context, query string, args []any) ([]Entry, error) {
	rows, err := db.service.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Entry])
}

// CreateTenant makes a tenant as the owner and returns its id.
func CreateTenant(ctx context.Context, ownerURL, name string) (id string, err error) {
	err = asOwner(ctx, ownerURL, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `insert into public.tenants (name) values ($1) returning id::text`, name).Scan(&id)
	})
	return id, err
}

// CreateUser makes a user as the owner and returns its id. The tenant is named as findTenant takes it.
func CreateUser(ctx context.Context, ownerURL, tenant, name, email, role string) (id string, err error) {
	const insert = `insert into public.users (tenant_id, name, email, role) values ($1::uuid, $2, $3, $4) returning id::text`
	err = asOwner(ctx, ownerURL, func(conn *pgx.Conn) error {
		tenantID, err := findTenant(ctx, conn, tenant)
		if err != nil {
			return err
		}
		return conn.QueryRow(ctx, insert, tenantID, name, email, role).Scan(&id)
	})
	return id, err
}

// findTenant is the id of the tenant that is named by its id, or by its name where that is the only one.
func findTenant(ctx context.Context, conn *pgx.Conn, tenant string) (string, error) {
	const query = `select id::text from public.tenants where id::text = lower($1) or name = $1 limit 2`
	rows, err := conn.Query(ctx, query, tenant)
	if err != nil {
		return "", err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	switch {
	case err != nil:
		return "", err
	case len(ids) == 0:
		return "", fmt.Errorf("there is no tenant %q; rowpass tenants list shows them", tenant)
	case len(ids) > 1:
		return "", fmt.Errorf("more than one tenant is named %q; say its id", tenant)
	}
	return ids[0], nil
}

// Seed runs the seed as the owner, in one transaction. With onlyEmpty it leaves a directory alone that has a tenant.
func Seed(ctx context.Context, ownerURL, sql string, onlyEmpty bool) error {
	return asOwner(ctx, ownerURL, func(conn *pgx.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			var used bool
			if err := tx.QueryRow(ctx, `select exists (select from public.tenants)`).Scan(&used); err != nil || used && onlyEmpty {
				return err
			}
			_, err := tx.Conn().PgConn().Exec(ctx, sql).ReadAll()
			return err
		})
	})
}

// TenantRow is a line of ListTenants.
type TenantRow struct {
	ID    string
	Name  string
	Users int
}

// ListTenants lists all tenants as the owner.
func ListTenants(ctx context.Context, ownerURL string) (tenants []TenantRow, err error) {
	const query = `
		select id::text, name, (select count(*) from public.users where tenant_id = tenants.id)::int
		from public.tenants order by name, tenants.id`
	err = asOwner(ctx, ownerURL, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, query)
		if err != nil {
			return err
		}
		tenants, err = pgx.CollectRows(rows, pgx.RowToStructByPos[TenantRow])
		return err
	})
	return tenants, err
}

// ListUsers lists a tenant's users as the owner, or everybody's where the tenant is empty.
func ListUsers(ctx context.Context, ownerURL, tenant string) (users []Entry, err error) {
	const query = `
		select users.id::text, tenant_id::text, email, role from public.users join public.tenants on tenants.id = tenant_id
		where $1 = '' or tenant_id::text = $1 order by tenants.name, email`
	err = asOwner(ctx, ownerURL, func(conn *pgx.Conn) error {
		tenantID := ""
		if tenant != "" {
			if tenantID, err = findTenant(ctx, conn, tenant); err != nil {
				return err
			}
		}
		rows, err := conn.Query(ctx, query, tenantID)
		if err != nil {
			return err
		}
		users, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Entry])
		return err
	})
	return users, err
}

// asOwner connects as the owner for as long as f runs. What a constraint refuses comes back in the constraint's words.
func asOwner(ctx context.Context, url string, f func(*pgx.Conn) error) error {
	config, err := parseURL(url)
	if err != nil {
		return fmt.Errorf("database.url: %w", err)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("connecting as the owner (database.url): %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	err = classify(f(conn))
	var refusal *Refusal
	if errors.As(err, &refusal) && refusal.Detail != "" {
		return errors.New(refusal.Detail)
	}
	return err
}
