package db_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"rowpass/db"
	"rowpass/db/dbtest"
)

// TestTheCheckIsNotSilencedByFunctionsOfOthers has somebody who may make functions in schema public make one by which an open table would
// drop out of what is found, for its types fit the check's own call better than PostgreSQL's do.
func TestTheCheckIsNotSilencedByFunctionsOfOthers(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	dbtest.Exec(t, d.OwnerURL, "create table public.opened (x int)")
	role := "mallory_" + d.Name
	dbtest.Exec(t, d.SuperuserURL, "create role "+role, "grant create, usage on schema public to "+role)
	dbtest.Exec(t, d.SuperuserURL, "set session authorization "+role,
		`create function public.format(text, name, name) returns text language sql immutable as 'select null::text'`,
		`create function public.format(text, text, text) returns text language sql immutable as 'select pg_catalog.format($1, $2, $3)'`)
	x, err := db.Open(t.Context(), db.Config{
		GatewayURL: d.GatewayURL, OwnerURL: d.OwnerURL, MaxConns: 2, QueryExecMode: "cache_statement", StatementTimeout: 5 * time.Second, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	err = x.Check(t.Context(), db.Tolerances{OldServer: true, Unprotected: []string{"public.harmless"}})
	if err == nil || !strings.Contains(err.Error(), "table public.opened can be touched by callers and has no row-level security") {
		t.Errorf("the check says %v", err)
	}
}
