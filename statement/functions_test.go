package statement_test

import (
	"bytes"
	"errors"
	"flag"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"rowpass/db/dbtest"
	"rowpass/statement"
)

var update = flag.Bool("update", false, "write functions.txt and attributes.txt by the running server's catalogue")

// harmless are the volatile functions that callers may call: they give chance or time.
var harmless = []string{
	"array_sample", "array_shuffle", "clock_timestamp", "gen_random_uuid", "random", "random_normal", "timeofday", "uuidv4", "uuidv7", "version",
}

// ours are the functions of schema auth that callers may call.
var ours = []string{
	"auth.as_uuid", "auth.is_tenant_admin", "auth.jwt", "auth.organization", "auth.organization_id", "auth.session", "auth.tenant",
	"auth.tenant_id", "auth.uid", "auth.user_id",
}

// elsewhere are functions of well-known extensions that can be called as an attribute, that is with one argument.
var elsewhere = []string{
	"autoprewarm_dump_now", "crosstab", "crosstab2", "crosstab3", "crosstab4", "dblink", "dblink_cancel_query", "dblink_connect", "dblink_connect_u", "dblink_disconnect",
	"dblink_error_message", "dblink_exec", "dblink_get_notify", "dblink_get_result", "dblink_is_busy", "http", "http_delete", "http_get", "http_head",
	"pgrowlocks", "postgres_fdw_disconnect", "set_limit", "ssl_client_dn_field", "ssl_issuer_field",
}

// callable are the functions of pg_catalog that SQL can call at all: those with internal arguments or for triggers it can't.
const callable = `
	select p.proname as name, p.provolatile as volatility, p.pronargs, p.pronargdefaults, p.provariadic <> 0 as varies,
		p.proacl is null or exists (select from aclexplode(p.proacl) where grantee = 0 and privilege_type = 'EXECUTE') as public
	from pg_proc p
	where p.pronamespace = 'pg_catalog'::regnamespace
		and p.prokind in ('f', 'a', 'w')
		and not 'internal'::regtype = any (p.proargtypes)
		and not p.prorettype = any (array['internal', 'trigger', 'event_trigger', 'language_handler', 'fdw_handler', 'index_am_handler',
			'table_am_handler', 'tsm_handler']::regtype[])`

// catalogue is what the running server's functions are by the rules of the lists.
type catalogue struct {
	all        map[string]bool
	good       map[string]bool // stays so in functions.txt
	attributes map[string]bool // callable with one argument
}

type function struct {
	Name             string
	Volatility       string
	Args, Defaults   int
	Variadic, Public bool
}

func readCatalogue(t *testing.T) catalogue {
	t.Helper()
	conn := dbtest.Connect(t, dbtest.NewEmpty(t).SuperuserURL)
	rows, err := conn.Query(t.Context(), "select name, volatility::text, pronargs::int, pronargdefaults::int, varies, public from ("+callable+") f")
	if err != nil {
		t.Fatal(err)
	}
	functions, err := pgx.CollectRows(rows, pgx.RowToStructByPos[function])
	if err != nil {
		t.Fatal(err)
	}
	c := catalogue{all: map[string]bool{}, good: map[string]bool{}, attributes: map[string]bool{}}
	bad := map[string]bool{}
	refused := readList(t, "testdata/refused.txt")
	for _, f := range functions {
		c.all[f.Name] = true
		if f.Args >= 1 && f.Args-f.Defaults <= 1 || f.Variadic && f.Args <= 2 {
			c.attributes[f.Name] = true
		}
		if matches(refused, f.Name) || !f.Public || f.Volatility == "v" && !slices.Contains(harmless, f.Name) {
			bad[f.Name] = true
		}
		c.good[f.Name] = true
	}
	rows, err = conn.Query(t.Context(), `select typname::text from pg_type where typnamespace = 'pg_catalog'::regnamespace
		and typtype in ('b', 'r', 'm') and typcategory <> 'A' and typrelid = 0`)
	if err != nil {
		t.Fatal(err)
	}
	types, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range types { // a cast can be written as a call: uuid('…')
		c.all[name], c.good[name] = true, true
	}
	maps.DeleteFunc(c.good, func(name string, _ bool) bool { return bad[name] })
	return c
}

func TestListsAreTheCataloguesAsFarAsThisServerKnows(t *testing.T) {
	c := readCatalogue(t)
	good, attributes := readList(t, "functions.txt"), readList(t, "attributes.txt")
	wantGood := merge(good, c.good, func(name string) bool { return c.all[name] && !c.good[name] || strings.Contains(name, ".") })
	for _, name := range ours {
		wantGood[name] = true
	}
	wantAttributes := merge(attributes, c.attributes, func(name string) bool { return wantGood[name] })
	for _, name := range append(slices.Clone(elsewhere), "current_setting") {
		wantAttributes[name] = true
	}
	if *update {
		writeList(t, "functions.txt", wantGood)
		writeList(t, "attributes.txt", wantAttributes)
		return
	}
	if diff := cmp.Diff(sorted(wantGood), sorted(good)); diff != "" {
		t.Errorf("functions.txt (-catalogue +file):\n%s", diff)
	}
	if diff := cmp.Diff(sorted(wantAttributes), sorted(attributes)); diff != "" {
		t.Errorf("attributes.txt (-catalogue +file):\n%s", diff)
	}
}

// merge is both sets without what drop says. The files hold the names of several versions of PostgreSQL.
func merge(a, b map[string]bool, drop func(string) bool) map[string]bool {
	all := maps.Clone(a)
	maps.Copy(all, b)
	maps.DeleteFunc(all, func(name string, _ bool) bool { return drop(name) })
	return all
}

func sorted(names map[string]bool) []string { return slices.Sorted(maps.Keys(names)) }

// matches tells whether a list of patterns has the name.
func matches(patterns map[string]bool, name string) bool {
	for pattern := range patterns {
		if ok, _ := path.Match(pattern, name); ok {
			return true
		}
	}
	return false
}

func readList(t *testing.T, file string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			all[line] = true
		}
	}
	return all
}

// writeList keeps the file's comment.
func writeList(t *testing.T, file string, names map[string]bool) {
	t.Helper()
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	for line := range strings.Lines(string(old)) {
		if strings.HasPrefix(line, "#") {
			text.WriteString(line)
		}
	}
	text.WriteString("\n" + strings.Join(sorted(names), "\n") + "\n")
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOurFunctionsAreAllowedWhereTheyStand(t *testing.T) {
	t.Parallel()
	for _, line := range []struct {
		schema, sql, hint string
		allowed           bool
	}{
		{"", "select auth.uid()", "", true},
		{"", "select rowpass_auth.uid()", "Write auth.uid.", false},
		{"rowpass_auth", "select rowpass_auth.uid(), rowpass_auth.session()", "", true},
		{"rowpass_auth", "select auth.uid()", "Write rowpass_auth.uid.", false},
		{"rowpass_auth", "select auth.session() ->> 'sub'", "Write rowpass_auth.session.", false},
		{"rowpass_auth", "select rowpass_auth.impersonate('{}')", "If callers may call it", false},
		{"rowpass_auth", "with f as materialized (select set_config('request.jwt.claims', '{}', true)) select * from f", "It runs text as SQL or changes settings", false},
	} {
		t.Run(line.schema+" "+line.sql, func(t *testing.T) {
			c, err := statement.NewChecker(statement.Config{AuthSchema: line.schema})
			if err != nil {
				t.Fatal(err)
			}
			err = c.Check(t.Context(), line.sql, nil)
			var refusal *statement.Refusal
			if errors.As(err, &refusal) == line.allowed {
				t.Fatalf("it is answered with %v", err)
			}
			if refusal != nil && !strings.Contains(refusal.Hint, line.hint) {
				t.Errorf("the hint is %q, want %q", refusal.Hint, line.hint)
			}
		})
	}
}
