package migrations

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// login is a role that rowpass connects as.
type login struct {
	setting string // the configuration's key, for messages
	config  *pgx.ConnConfig
}

// grantLogins makes the gateway's and the service's login where they are missing and gives them the little that they
// need. The roles' names and passwords are those of the URLs.
func grantLogins(ctx context.Context, pool *pgxpool.Pool, c Config) error {
	owner := pool.Config().ConnConfig.User
	if err := grantMembership(ctx, pool, owner); err != nil {
		return err
	}
	if err := execute(ctx, pool, closeHook(c.schema())); err != nil {
		return err
	}
	gateway, err := c.makeLogin(ctx, pool, "database.gateway_url", c.GatewayURL, owner)
	if err != nil {
		return err
	}
	if gateway != "" {
		if err := grantMembership(ctx, pool, gateway); err != nil {
			return err
		}
		if err := execute(ctx, pool, "grant usage on schema public, "+quote(c.schema())+", neon_identity to "+quote(gateway)); err != nil {
			return err
		}
	}
	service, err := c.makeLogin(ctx, pool, "database.service_url", c.ServiceURL, owner)
	if err != nil || service == "" {
		return err
	}
	grants := serviceGrants(quote(service))
	if !c.AuthOnly {
		grants = append(grants, directoryGrants(quote(service))...)
	}
	return execute(ctx, pool, grants...)
}

// closeHook takes the owner's hook from callers again: one that was dropped and made anew is PUBLIC's.
func closeHook(schema string) string {
	return string(inSchema([]byte(`do $$ begin
	if to_regprocedure('auth.token_claims(text, text)') is not null then
		revoke execute on function auth.token_claims(text, text) from public;
	end if;
end $$`), schema))
}

// serviceGrants are what rowpass needs for its own state: what it keeps of tokens, and the functions that write profiles for it.
// The seal key and the application's tables are none of its business.
func serviceGrants(service string) []string {
	return []string{
		"grant usage on schema rowpass to " + service,
		"grant select on rowpass.auth_version to " + service,
		"grant select, update on rowpass.state to " + service,
		"grant select, insert, update on rowpass.ring to " + service,
		"grant select, insert, update, delete on rowpass.denials, rowpass.refresh_families, rowpass.refresh_tokens, rowpass.audit to " + service,
		"grant execute on function rowpass.limit_time(bigint), rowpass.number_denials(bigint), rowpass.token_claims(text, text), " +
			"rowpass.is_over(rowpass.refresh_families), rowpass.deny(text, text, timestamptz, timestamptz, text) to " + service,
		"grant select, insert, update, delete on rowpass.inbox, rowpass.profile_tenants, rowpass.sync_sources, rowpass.sync_runs to " + service,
		"grant select, update on rowpass.profiles to " + service,
		"grant select, delete on rowpass.purged to " + service,
		"grant execute on function rowpass.is_live(timestamptz, timestamptz, boolean), rowpass.keep_event(text, text, bytea), rowpass.hold_purged(), " +
			"rowpass.apply_profiles(text, text[], text[], text[], timestamptz[], timestamptz[]), " +
			"rowpass.see_profile(text, text, text, text, timestamptz), rowpass.purge_profile(text, text[]) to " + service,
	}
}

// directoryGrants are for the functions that look into the directory for it, and for passwords and links of its users.
func directoryGrants(service string) []string {
	return []string{
		"grant select on rowpass.directory_version to " + service,
		"grant select, insert, update on rowpass.passwords to " + service,
		"grant execute on function rowpass.find_users(text, uuid), rowpass.first_user(), rowpass.find_passwords(text, uuid), " +
			"rowpass.find_identities(text, text, text, uuid), rowpass.link_identity(text, text, uuid), " +
			"rowpass.unlink_identity(text, text, uuid) to " + service,
	}
}

// makeLogin returns the name of the URL's role after making sure that it can log in, or "" where there is none to make.
func (c Config) makeLogin(ctx context.Context, pool *pgxpool.Pool, setting, url, owner string) (string, error) {
	if url == "" {
		return "", nil
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return "", fmt.Errorf("%s: %w", setting, errBadURL)
	}
	if config.User == owner {
		return "", nil
	}
	l := login{setting, config}
	there, err := exists(ctx, pool, config.User)
	if err != nil {
		return "", err
	}
	if !there {
		return config.User, l.set(ctx, pool, "create role %s login noinherit%s")
	}
	if err := l.reset(ctx, pool); err != nil {
		return "", err
	}
	if !refused(ctx, config) {
		return config.User, nil
	}
	if c.KeepPasswords {
		return "", fmt.Errorf("%s: the server refuses the password of %s; mend the URL, or run rowpass migrate up, which gives that login the URL's password", setting, config.User)
	}
	c.Log.WarnContext(ctx, "the server refused a login's password and has the URL's from now on; instances with the old one can't log in", "login", config.User)
	return config.User, l.set(ctx, pool, "alter role %s%s")
}

// reset takes back what a caller who left its role may have done to the login that it shares with all others.
func (l login) reset(ctx context.Context, pool *pgxpool.Pool) error {
	var altered bool
	const query = `select exists (select from pg_catalog.pg_db_role_setting s join pg_catalog.pg_roles r on r.oid = setrole where rolname = $1)`
	if err := one(ctx, pool, &altered, query, l.config.User); err != nil || !altered {
		return err
	}
	role := quote(l.config.User)
	return execute(ctx, pool, "alter role "+role+" reset all", "alter role "+role+" in database "+quote(pool.Config().ConnConfig.Database)+" reset all")
}

// set sends the password as a SCRAM verifier: the server's log, which may hold the statement, never sees the password.
func (l login) set(ctx context.Context, pool *pgxpool.Pool, statement string) error {
	password := ""
	if l.config.Password != "" {
		verifier, err := scramVerifier(l.config.Password)
		if err != nil {
			return fmt.Errorf("%s: %w", l.setting, err)
		}
		password = " password '" + verifier + "'"
	}
	err := execute(ctx, pool, fmt.Sprintf(statement, quote(l.config.User), password))
	if denied(err) {
		return fmt.Errorf("%s: the owner may not make or change the role %s; let a superuser run: create role %s login noinherit password '…'",
			l.setting, l.config.User, quote(l.config.User))
	}
	return err
}

// refused tells whether the server does not take the URL's password. Any other trouble is left for the start to report.
func refused(ctx context.Context, config *pgx.ConnConfig) bool {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err == nil {
		_ = conn.Close(ctx)
		return false
	}
	var answer *pgconn.PgError
	return config.Password != "" && errors.As(err, &answer) && answer.Code == "28P01"
}

// grantMembership lets member become what callers become. From PostgreSQL 16 on a membership says for itself whether
// it inherits; before, the member's NOINHERIT does.
func grantMembership(ctx context.Context, pool *pgxpool.Pool, member string) error {
	const missing = `
		select rolname from pg_catalog.pg_roles where rolname in ('authenticated', 'anonymous')
		and not pg_catalog.pg_has_role($1::name, oid, case when current_setting('server_version_num')::int >= 160000 then 'SET' else 'MEMBER' end)`
	roles, err := rows(ctx, pool, pgx.RowTo[string], missing, member)
	if err != nil {
		return fmt.Errorf("reading the memberships of %s: %w", member, err)
	}
	for _, role := range roles {
		err := execute(ctx, pool, fmt.Sprintf(`do $$ begin
			execute 'grant %s to %s' || case when current_setting('server_version_num')::int >= 160000
				then ' with inherit false, set true' else '' end;
		end $$`, quote(role), quote(member)))
		if denied(err) {
			owner := quote(pool.Config().ConnConfig.User)
			return fmt.Errorf("the owner may not grant %s to %s; let a superuser run: grant authenticated, anonymous to %s with admin option",
				role, member, owner)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func exists(ctx context.Context, pool *pgxpool.Pool, role string) (there bool, err error) {
	err = one(ctx, pool, &there, "select exists (select from pg_catalog.pg_roles where rolname = $1)", role)
	if err != nil {
		return false, fmt.Errorf("looking for role %s: %w", role, err)
	}
	return there, nil
}

func denied(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && refused.Code == "42501"
}

func quote(identifier string) string { return pgx.Identifier{identifier}.Sanitize() }
