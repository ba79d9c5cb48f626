//go:build unix

package embedded

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// provision makes the owner and its database where they are missing, and gives
// the owner the password that credentials.json has.
func (s *Server) provision(ctx context.Context, owner, database string) error {
	if conn, err := pgx.Connect(ctx, s.URL(owner, database)); err == nil {
		return conn.Close(ctx)
	}
	conn, err := pgx.Connect(ctx, s.URL(Superuser, "postgres"))
	if err != nil {
		return fmt.Errorf("connecting as superuser: %w", err)
	}
	defer conn.Close(ctx)
	if err := s.provisionOwner(ctx, conn, owner); err != nil {
		return err
	}
	return provisionDatabase(ctx, conn, owner, database)
}

func (s *Server) provisionOwner(ctx context.Context, conn *pgx.Conn, owner string) error {
	exists, err := has(ctx, conn, `select exists (select from pg_roles where rolname = $1)`, owner)
	if err != nil {
		return fmt.Errorf("looking for role %s: %w", owner, err)
	}
	secret, err := verifier(s.passwords[owner])
	if err != nil {
		return err
	}
	statement := `create role %s login createrole nosuperuser nobypassrls password '%s'`
	if exists {
		statement = `alter role %s login password '%s'`
	}
	if _, err := conn.Exec(ctx, fmt.Sprintf(statement, pgx.Identifier{owner}.Sanitize(), secret)); err != nil {
		return fmt.Errorf("making role %s: %w", owner, err)
	}
	return nil
}

func provisionDatabase(ctx context.Context, conn *pgx.Conn, owner, database string) error {
	exists, err := has(ctx, conn, `select exists (select from pg_database where datname = $1)`, database)
	if err != nil {
		return fmt.Errorf("looking for database %s: %w", database, err)
	}
	if exists {
		return nil
	}
	statement := fmt.Sprintf(`create database %s owner %s`, pgx.Identifier{database}.Sanitize(), pgx.Identifier{owner}.Sanitize())
	if _, err := conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("making database %s: %w", database, err)
	}
	return nil
}

func has(ctx context.Context, conn *pgx.Conn, query, name string) (found bool, err error) {
	err = conn.QueryRow(ctx, query, name).Scan(&found)
	return found, err
}
