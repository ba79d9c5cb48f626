package identity_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"rowpass/db"
	"rowpass/db/dbtest"
	"rowpass/migrations"
)

func migration(d dbtest.Database) migrations.Config {
	return migrations.Config{OwnerURL: d.OwnerURL, GatewayURL: d.GatewayURL, ServiceURL: d.ServiceURL, Log: slog.New(slog.DiscardHandler)}
}

func TestAUsersSyncOfSomebodyElsesStopsTheMigration(t *testing.T) {
	t.Parallel()
	d := dbtest.NewEmpty(t)
	dbtest.Exec(t, d.SuperuserURL, "create schema neon_identity", "create table neon_identity.users_sync (raw_json jsonb)", "grant all on schema neon_identity to "+dbtest.Owner)
	_, err := migrations.Up(t.Context(), migration(d))
	if err == nil || !strings.HasPrefix(err.Error(), "neon_identity.users_sync is taken: it belongs to the role ") {
		t.Fatal(err)
	}
	dbtest.Exec(t, d.SuperuserURL, "alter table neon_identity.users_sync rename to users_sync_before", "alter schema neon_identity owner to "+dbtest.Owner)
	if _, err := migrations.Up(t.Context(), migration(d)); err != nil {
		t.Fatal(err)
	}
	if _, err := migrations.Up(t.Context(), migration(d)); err != nil {
		t.Errorf("once more: %v", err)
	}
	if _, err := migrations.Down(t.Context(), migration(d), true); err != nil {
		t.Fatal(err)
	}
	if got := rowsOf(t, d.OwnerURL, "select relname from pg_class where relnamespace = to_regnamespace('neon_identity')"); got != "(users_sync_before)" {
		t.Error(got)
	}
}

func TestTheSchemaGoesWithItsTable(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	if _, err := migrations.Down(t.Context(), migration(d), true); err != nil {
		t.Fatal(err)
	}
	if got := rowsOf(t, d.OwnerURL, "select nspname from pg_namespace where nspname in ('neon_identity', 'auth')"); got != "" {
		t.Error(got)
	}
	if _, err := migrations.Up(t.Context(), migration(d)); err != nil {
		t.Error(err)
	}
}

// The table's columns are those of Neon Identity, in their order.
func TestUsersSyncHasTheShapeThatIsPromised(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	const columns = `select string_agg(attname || ' ' || format_type(atttypid, atttypmod) || case when attnotnull then ' not null' else '' end
			|| coalesce(' ' || pg_get_expr(adbin, adrelid), ''), '; ' order by attnum)
		from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum
		where attrelid = 'neon_identity.users_sync'::regclass and attnum > 0`
	const want = `("raw_json jsonb not null; id text not null (raw_json ->> 'id'::text); name text (raw_json ->> 'display_name'::text); ` +
		`email text (raw_json ->> 'primary_email'::text); created_at timestamp with time zone ` +
		`to_timestamp((trunc((((raw_json ->> 'signed_up_at_millis'::text))::bigint)::double precision) / (1000)::double precision)); ` +
		`updated_at timestamp with time zone; deleted_at timestamp with time zone")`
	if got := rowsOf(t, d.OwnerURL, columns); got != want {
		t.Error(got)
	}
	const indexes = "select relname from pg_index join pg_class on oid = indexrelid where indrelid = 'neon_identity.users_sync'::regclass"
	if got := rowsOf(t, d.OwnerURL, indexes); got != "(users_sync_deleted_at_idx)\n(users_sync_pkey)" {
		t.Error(got)
	}
}

// What the gateway refuses to serve with does not come with profiles, nor what PUBLIC could call.
func TestProfilesLeaveNoWayAroundThePolicies(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	gateway, err := db.Open(t.Context(), db.Config{
		GatewayURL: d.GatewayURL, OwnerURL: d.OwnerURL, MaxConns: 1, StatementTimeout: 10 * time.Second, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(gateway.Close)
	if err := gateway.Check(t.Context(), db.Tolerances{OldServer: true}); err != nil {
		t.Error(err)
	}
	const open = `select p.oid::regprocedure from pg_proc p, aclexplode(coalesce(proacl, acldefault('f', proowner))) a
		where pronamespace in ('rowpass'::regnamespace, 'auth'::regnamespace) and a.grantee = 0`
	if got := rowsOf(t, d.OwnerURL, open); got != "" {
		t.Errorf("PUBLIC may call %s", got)
	}
	const granted = `select relname, privilege_type from pg_class, aclexplode(relacl) a
		where relnamespace in ('rowpass'::regnamespace, 'neon_identity'::regnamespace) and a.grantee in (0, 'anonymous'::regrole, 'authenticated'::regrole)`
	if got := rowsOf(t, d.OwnerURL, granted); got != "(profiles,SELECT)" {
		t.Error(got)
	}
}
