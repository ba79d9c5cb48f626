package db

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Entry is what the directory says of a user to rowpass itself, which issues the user's tokens.
type Entry struct {
	UserID   string
	TenantID string
	Email    string
	Role     string          // in the tenant: member or admin
	Claims   json.RawMessage // an object: what auth.token_claims adds to a token for the client that asked; nil or {}: nothing

	passwordFrom time.Time // when the password was set that CheckPassword found right: StartLogin asks whether it is still that one
}

// FindUser looks a user up by id or e-mail address, within a tenant or, with an empty one, in all, and asks
// auth.token_claims what it adds to the user's tokens for client. An address that stands in several tenants is ErrAmbiguous:
// the first would be the wrong one for somebody. ErrHook where auth.token_claims gave nothing that can be used; why is for
// the log.
func (s *State) FindUser(ctx context.Context, who, tenant, client string) (Entry, error) {
	return s.entry(ctx, `rowpass.find_users($2::text, nullif($3::text, '')::uuid)`, client, who, tenant)
}

// FirstUser is the oldest user, for the demo grant that names nobody, with claims as FindUser has them.
func (s *State) FirstUser(ctx context.Context, client string) (Entry, error) {
	return s.entry(ctx, `rowpass.first_user()`, client)
}

// ClientClaims is what auth.token_claims adds to a token that client gets in its own name. Its errors are FindUser's.
func (s *State) ClientClaims(ctx context.Context, client string) (json.RawMessage, error) {
	var claims json.RawMessage
	err := s.askHook(ctx, asked{`select rowpass.token_claims(null, $1::text)`, []any{client}, one((*[]byte)(&claims))})
	return claims, err
}

// entry is the one user that a function of the database finds. The hook is asked where there is only one.
func (s *State) entry(ctx context.Context, found string, args ...any) (Entry, error) {
	query := `
		select id::text, tenant_id::text, email, role, case when count(*) over () = 1 then rowpass.token_claims(id::text, $1::text) end
		from ` + found
	var entries []Entry
	err := s.askHook(ctx, asked{query, args, func(rows pgx.Rows) (err error) {
		entries, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (e Entry, err error) {
			err = row.Scan(&e.UserID, &e.TenantID, &e.Email, &e.Role, (*[]byte)(&e.Claims))
			return e, err
		})
		return err
	}})
	switch {
	case err != nil:
		return Entry{}, err
	case len(entries) == 0:
		return Entry{}, ErrNotFound
	case len(entries) > 1:
		return Entry{}, ErrAmbiguous
	}
	return entries[0], nil
}

// hookTime is how long auth.token_claims may take: a token's client waits for it.
const hookTime = time.Second

// askHook is ask for a query that runs the hook.
func (s *State) askHook(ctx context.Context, a asked) error {
	return s.send(ctx, min(hookTime, s.timeout), broken, []asked{a})
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
		users, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (e Entry, err error) {
			err = row.Scan(&e.UserID, &e.TenantID, &e.Email, &e.Role)
			return e, err
		})
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
