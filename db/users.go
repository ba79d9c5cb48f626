package db

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// UUID is a UUID's 16 bytes, the form in which Postgres sends it.
type UUID = [16]byte

// uuid is an id as a parameter whose type pgx knows even where the server does not tell it, as without named statements.
func uuid(id UUID) pgtype.UUID { return pgtype.UUID{Bytes: id, Valid: true} }

// User is a row of public.users.
type User struct {
	ID        UUID
	TenantID  UUID
	Name      string
	Email     string
	Role      string // in the tenant: member or admin
	Settings  json.RawMessage
	CreatedAt time.Time
	UpdatedAt time.Time
}

// NewUser is what an admin says about a user to be; the database chooses the rest.
type NewUser struct {
	Name     string
	Email    string
	Role     string          // empty: member
	Settings json.RawMessage // empty: {}
}

// UserChange names what is to change of a user; nil leaves it as it is.
type UserChange struct {
	Name     *string
	Email    *string
	Role     *string
	Settings json.RawMessage
}

// Page is a window on a list that is ordered by id.
type Page struct {
	After UUID // the last id of the page before; zero: from the start
	Limit int
}

// Users lists the users that s may see.
func (db *DB) Users(ctx context.Context, s Session, p Page) ([]User, error) {
	const query = `
		select id, tenant_id, name, email, role, settings, created_at, updated_at
		from public.users where id > $1 order by users.id limit $2`
	users := make([]User, 0, min(p.Limit, 32))
	err := db.read(ctx, s, collectAll(&users, scanUser), query, uuid(p.After), p.Limit)
	return users, err
}

// User is the user of that id, ErrNotFound where s may not see it.
func (db *DB) User(ctx context.Context, s Session, id UUID) (User, error) {
	const query = `
		select id, tenant_id, name, email, role, settings, created_at, updated_at
		from public.users where id = $1`
	var user User
	err := db.read(ctx, s, collectOne(&user, scanUser), query, uuid(id))
	return user, err
}

// CurrentUser is the caller's own row, ErrNotFound where the caller has none, as a client has not.
func (db *DB) CurrentUser(ctx context.Context, s Session) (User, error) {
	const query = `
		select id, tenant_id, name, email, role, settings, created_at, updated_at
		from public.users where id = (select auth.uid())`
	var user User
	err := db.read(ctx, s, collectOne(&user, scanUser), query)
	return user, err
}

// AddUser adds a user to the caller's tenant. The policies allow it to the tenant's admins.
func (db *DB) AddUser(ctx context.Context, s Session, n NewUser) (User, error) {
	const query = `
		insert into public.users (name, email, role, settings)
		values ($1, $2, coalesce(nullif($3, ''), 'member'), coalesce($4::jsonb, '{}'))
		returning id, tenant_id, name, email, role, settings, created_at, updated_at`
	var user User
	err := db.write(ctx, s, collectOne(&user, scanUser), query, n.Name, n.Email, n.Role, n.Settings)
	return user, err
}

// ChangeUser changes a user. ErrNotFound where s may not see it, ErrForbidden where s may see it and no more: one
// statement decides both, so that nothing can come between.
func (db *DB) ChangeUser(ctx context.Context, s Session, id UUID, c UserChange) (User, error) {
	const query = `
		with seen as (
			select * from public.users where id = $1
		), changed as (
			update public.users set name = coalesce($2, name), email = coalesce($3, email),
				role = coalesce($4, role), settings = coalesce($5::jsonb, settings)
			where id = $1
			returning *
		)
		select changed.id is not null, seen.id, seen.tenant_id, coalesce(changed.name, seen.name),
			coalesce(changed.email, seen.email), coalesce(changed.role, seen.role), coalesce(changed.settings, seen.settings),
			seen.created_at, coalesce(changed.updated_at, seen.updated_at)
		from seen left join changed on true`
	var result change[User]
	err := db.write(ctx, s, collectOne(&result, func(row pgx.CollectableRow) (r change[User], err error) {
		u := &r.row
		err = row.Scan(&r.done, &u.ID, &u.TenantID, &u.Name, &u.Email, &u.Role, (*[]byte)(&u.Settings), &u.CreatedAt, &u.UpdatedAt)
		return r, err
	}), query, uuid(id), c.Name, c.Email, c.Role, c.Settings)
	return result.settle(err)
}

// RemoveUser removes a user and its todos, with the same errors as ChangeUser.
func (db *DB) RemoveUser(ctx context.Context, s Session, id UUID) error {
	const query = `
		with seen as (
			select id from public.users where id = $1
		), removed as (
			delete from public.users where id = $1 returning id
		)
		select removed.id is not null from seen left join removed on true`
	var result change[struct{}]
	err := db.write(ctx, s, collectOne(&result, func(row pgx.CollectableRow) (r change[struct{}], err error) {
		err = row.Scan(&r.done)
		return r, err
	}), query, uuid(id))
	_, err = result.settle(err)
	return err
}

// change is a row that was visible, and whether the policies let it be changed.
type change[T any] struct {
	done bool
	row  T
}

func (c change[T]) settle(err error) (T, error) {
	if err == nil && !c.done {
		err = ErrForbidden
	}
	return c.row, err
}

func scanUser(row pgx.CollectableRow) (u User, err error) {
	err = row.Scan(&u.ID, &u.TenantID, &u.Name, &u.Email, &u.Role, (*[]byte)(&u.Settings), &u.CreatedAt, &u.UpdatedAt)
	return u, err
}
