package db

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// UserRow is a line of FirstUsers.
type UserRow struct {
	ID       string
	Name     string
	Email    string
	Role     string // in the tenant: member or admin
	TenantID string
	Tenant   string // its name
}

// FirstUsers lists, as the owner, at most limit users of all tenants, tenant by tenant in the order in which they were made. It
// is for a demo, which offers them to be picked: the service's login may look users up, and not list them.
func FirstUsers(ctx context.Context, ownerURL string, limit int) (users []UserRow, err error) {
	const query = `
		select users.id::text, users.name, email, role, tenant_id::text, tenants.name
		from public.users join public.tenants on tenants.id = tenant_id
		order by tenants.created_at, tenants.name, tenants.id, users.created_at, users.id
		limit $1`
	err = asOwner(ctx, ownerURL, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, query, limit)
		if err != nil {
			return err
		}
		users, err = pgx.CollectRows(rows, pgx.RowToStructByPos[UserRow])
		return err
	})
	return users, err
}
