package db

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Tenant is a row of public.tenants.
type Tenant struct {
	ID        UUID
	Name      string
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Tenants lists the tenants that s may see, which is its own.
func (db *DB) Tenants(ctx context.Context, s Session, p Page) ([]Tenant, error) {
	const query = `
		select id, name, created_at, updated_at
		from public.tenants where id > $1 order by tenants.id limit $2`
	var tenants []Tenant
	err := db.read(ctx, s, collectAll(&tenants, scanTenant), query, uuid(p.After), p.Limit)
	return tenants, err
}

// Tenant is the tenant of that id, ErrNotFound where s may not see it.
func (db *DB) Tenant(ctx context.Context, s Session, id UUID) (Tenant, error) {
	const query = `select id, name, created_at, updated_at from public.tenants where id = $1`
	var tenant Tenant
	err := db.read(ctx, s, collectOne(&tenant, scanTenant), query, uuid(id))
	return tenant, err
}

// RenameTenant gives a tenant another name, which the policies allow to its admins. Its errors are ChangeUser's.
func (db *DB) RenameTenant(ctx context.Context, s Session, id UUID, name string) (Tenant, error) {
	const query = `
		with seen as (
			select * from public.tenants where id = $1
		), changed as (
			update public.tenants set name = $2 where id = $1 returning *
		)
		select changed.id is not null, seen.id, coalesce(changed.name, seen.name), seen.created_at,
			coalesce(changed.updated_at, seen.updated_at)
		from seen left join changed on true`
	var result change[Tenant]
	err := db.write(ctx, s, collectOne(&result, func(row pgx.CollectableRow) (r change[Tenant], err error) {
		err = row.Scan(&r.done, &r.row.ID, &r.row.Name, &r.row.CreatedAt, &r.row.UpdatedAt)
		return r, err
	}), query, uuid(id), name)
	return result.settle(err)
}

func scanTenant(row pgx.CollectableRow) (t Tenant, err error) {
	err = row.Scan(&t.ID, &t.Name, &t.CreatedAt, &t.UpdatedAt)
	return t, err
}
