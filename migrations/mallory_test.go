package migrations_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rowpass/db"
	"rowpass/db/dbtest"
	"rowpass/migrations"
)

// spy notes whom it runs as.
const spy = `begin insert into m.seen values (current_user); `

// mallory is a role that may make something in schema public, as everybody may in databases from before PostgreSQL 15. What it makes
// fits the types of rowpass's own calls better than PostgreSQL's functions do.
func mallory(t *testing.T, d dbtest.Database, statements ...string) {
	t.Helper()
	role := "mallory_" + d.Name
	dbtest.Exec(t, d.SuperuserURL, "create role "+role, "create schema m authorization "+role, "grant create, usage on schema public to "+role)
	own := []string{"set session authorization " + role, "grant usage on schema m to public", "create table m.seen (who text)", "grant all on m.seen to public"}
	dbtest.Exec(t, d.SuperuserURL, append(own, statements...)...)
}

func whole(d dbtest.Database) migrations.Config {
	return migrations.Config{OwnerURL: d.OwnerURL, GatewayURL: d.GatewayURL, ServiceURL: d.ServiceURL, Log: slog.New(slog.DiscardHandler)}
}

func TestNothingOfOthersRunsAsTheOwner(t *testing.T) {
	t.Parallel()
	up := func(ctx context.Context, d dbtest.Database) error {
		_, err := migrations.Up(ctx, whole(d))
		return err
	}
	for _, line := range []struct {
		name   string
		theirs []string
		do     func(context.Context, dbtest.Database) error
	}{
		{"a function that fits a call of the migrations better",
			[]string{`create function public.format(text, name) returns text language plpgsql as $$` + spy + `return pg_catalog.format($1, $2); end$$`}, up},
		{"an aggregate that would be given the key of the seal",
			[]string{`create function public.acc(bytea, bytea, text) returns bytea language plpgsql as $$` + spy + `return coalesce($1, '') || $2; end$$`,
				`create aggregate public.string_agg(bytea, text) (sfunc = public.acc, stype = bytea)`},
			func(ctx context.Context, d dbtest.Database) error {
				if err := up(ctx, d); err != nil {
					return err
				}
				return db.RotateSealKey(ctx, d.OwnerURL, true)
			}},
		{"an operator that a function of rowpass's would be bound to",
			[]string{`create function public.cat(text, bigint) returns text language plpgsql as $$` + spy + `return $1 operator(pg_catalog.||) $2::text; end$$`,
				`create operator public.|| (leftarg = text, rightarg = bigint, function = public.cat)`},
			func(ctx context.Context, d dbtest.Database) error {
				if err := up(ctx, d); err != nil {
					return err
				}
				_, err := dbtest.Connect(t, d.OwnerURL).Exec(ctx, "begin; select auth.impersonate('{}'); commit")
				return err
			}},
		{"an operator of names, by which harden looks for functions",
			[]string{`create function public.m(name, name) returns boolean language plpgsql as $$` + spy + `return false; end$$`,
				`create operator public.~ (leftarg = name, rightarg = name, function = public.m)`},
			func(ctx context.Context, d dbtest.Database) error {
				if err := up(ctx, d); err != nil {
					return err
				}
				_, err := migrations.Harden(ctx, migrations.HardenConfig{SuperuserURL: d.SuperuserURL, Setters: []string{dbtest.Gateway}})
				return err
			}},
		{"a function within what asks the owner's hook",
			[]string{`create function public.format(text, text, text) returns text language plpgsql as $$` + spy + `return ''; end$$`},
			func(ctx context.Context, d dbtest.Database) error {
				if err := up(ctx, d); err != nil {
					return err
				}
				dbtest.Exec(t, d.OwnerURL, `create or replace function auth.token_claims("user" text, client text) returns jsonb language plpgsql stable as $$begin raise exception 'not you'; end$$`)
				_, err := dbtest.Connect(t, d.ServiceURL).Exec(ctx, "select rowpass.token_claims('u', 'c')")
				if err == nil || !strings.Contains(err.Error(), "auth.token_claims: not you (SQLSTATE P0001)") {
					t.Errorf("the hook's refusal reads %v", err)
				}
				return nil
			}},
	} {
		t.Run(line.name, func(t *testing.T) {
			t.Parallel()
			d := dbtest.NewEmpty(t)
			mallory(t, d, line.theirs...)
			if err := line.do(t.Context(), d); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{}, append([]string{}, lines(t, d.SuperuserURL, "select distinct who from m.seen")...)); diff != "" {
				t.Errorf("it ran: %s", diff)
			}
		})
	}
}

// TestSchemasOfOthersAreRefused has somebody make a schema of rowpass's names first, and let the owner in: what its owner can drop it
// can replace.
func TestSchemasOfOthersAreRefused(t *testing.T) {
	t.Parallel()
	for _, line := range []struct{ name, schema, content string }{
		{"the one of the functions, with something in it that looks like ours", "rowpass_auth",
			"create function rowpass_auth.session(int) returns int language sql security definer as 'select 1 -- rowpass.seal_keys'"},
		{"the one of the state", "rowpass", "create table rowpass.migration_lock ()"},
		{"the one of the profiles", "neon_identity", "create table neon_identity.others ()"},
	} {
		t.Run(line.name, func(t *testing.T) {
			t.Parallel()
			d := dbtest.NewEmpty(t)
			role := "mallory_" + d.Name
			dbtest.Exec(t, d.SuperuserURL, "create role "+role, "create schema "+line.schema+" authorization "+role)
			dbtest.Exec(t, d.SuperuserURL, "set session authorization "+role, "grant all on schema "+line.schema+" to "+dbtest.Owner+" with grant option",
				line.content, "grant all on all tables in schema "+line.schema+" to "+dbtest.Owner)
			_, err := migrations.Up(t.Context(), beside(d, "rowpass_auth"))
			if want := "schema " + line.schema + " belongs to the role " + role; err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}
