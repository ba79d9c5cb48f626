package doctor_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"

	"rowpass/db/dbtest"
	"rowpass/doctor"
)

// recorder is a database that does nothing with statements but remember them.
type recorder struct{ statements []string }

func (r *recorder) Connect(context.Context) (driver.Conn, error) { return r, nil }
func (r *recorder) Driver() driver.Driver                        { return nil }
func (r *recorder) Prepare(string) (driver.Stmt, error)          { return nil, driver.ErrSkip }
func (r *recorder) Close() error                                 { return nil }
func (r *recorder) Begin() (driver.Tx, error)                    { return r, nil }
func (r *recorder) Commit() error                                { return nil }
func (r *recorder) Rollback() error                              { return nil }
func (r *recorder) ExecContext(_ context.Context, statement string, _ []driver.NamedValue) (driver.Result, error) {
	r.statements = append(r.statements, statement)
	return driver.ResultNoRows, nil
}

// applied are the versions that goose finds to have been run.
type applied struct {
	database.Store
	versions []int64
}

func (applied) Tablename() string                                                       { return "version" }
func (applied) Insert(context.Context, database.DBTxConn, database.InsertRequest) error { return nil }
func (applied) Delete(context.Context, database.DBTxConn, int64) error                  { return nil }
func (a applied) GetLatestVersion(context.Context, database.DBTxConn) (int64, error) {
	return a.versions[0], nil
}
func (a applied) GetMigration(_ context.Context, _ database.DBTxConn, v int64) (*database.GetMigrationResult, error) {
	if !slices.Contains(a.versions, v) {
		return nil, database.ErrVersionNotFound
	}
	return &database.GetMigrationResult{IsApplied: true}, nil
}
func (a applied) ListMigrations(context.Context, database.DBTxConn) ([]*database.ListMigrationsResult, error) {
	var all []*database.ListMigrationsResult
	for _, v := range a.versions {
		all = append(all, &database.ListMigrationsResult{Version: v, IsApplied: true})
	}
	return all, nil
}

// gooseRuns are the statements that goose makes of a migration's halves.
func gooseRuns(t *testing.T, text string) (up, down []string) {
	t.Helper()
	run := func(store applied, do func(*goose.Provider) error) []string {
		r := &recorder{}
		db := sql.OpenDB(r)
		defer func() { _ = db.Close() }()
		p, err := goose.NewProvider("", db, fstest.MapFS{"00001_doctor.sql": {Data: []byte(text)}}, goose.WithStore(store))
		if err == nil {
			err = do(p)
		}
		if err != nil {
			t.Fatalf("goose does not read it: %v\n%s", err, text)
		}
		return r.statements
	}
	up = run(applied{versions: []int64{0}}, func(p *goose.Provider) error { _, err := p.Up(t.Context()); return err })
	down = run(applied{versions: []int64{1, 0}}, func(p *goose.Provider) error { _, err := p.Down(t.Context()); return err })
	return up, down
}

// checkMigration says that goose runs the findings' own SQL and nothing else, and that nothing in the file is hidden.
func checkMigration(t *testing.T, findings []doctor.Finding, dropped bool) {
	t.Helper()
	text := doctor.Migration(findings)
	if i := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsGraphic(r) }); i >= 0 {
		t.Errorf("%q is hidden in %q", text[i:min(i+4, len(text))], text)
	}
	if dropped {
		if text != "" {
			t.Errorf("it is written:\n%s", text)
		}
		return
	}
	var wantUp, wantDown []string
	for _, f := range findings {
		wantUp, wantDown = append(wantUp, "set search_path = '';\n"+f.Mend), append(wantDown, "set search_path = '';\n"+f.Undo)
	}
	slices.Reverse(wantDown)
	up, down := gooseRuns(t, text)
	for _, half := range []struct{ got, want []string }{{up, wantUp}, {down, wantDown}} {
		if len(half.got) < 2 || !strings.HasPrefix(half.got[0], "do $$begin perform pg_catalog.set_config(") || !strings.HasSuffix(half.got[len(half.got)-1], "end$$;") {
			t.Fatalf("goose runs %q", half.got)
		}
		got := half.got[1 : len(half.got)-1]
		for i := range got {
			got[i] = strings.TrimSpace(got[i])
		}
		for i := range half.want {
			half.want[i] = strings.TrimSpace(half.want[i])
		}
		if diff := cmp.Diff(half.want, got); diff != "" {
			t.Errorf("goose runs something else: %s\n%s", diff, text)
		}
	}
}

func FuzzMigration(f *testing.F) {
	for _, seed := range []string{
		"it's", "x\n-- +goose ENVSUB ON\n${PATH:-}", "x\n-- +goose StatementEnd\ndrop table t;\n-- +goose StatementBegin", "\n -- +goose Down", "\n--+goose NO TRANSACTION\n", "hid\r\x1b[2Kden",
		"right\u202eto left", "next\u0085line\u2028", "+goose", "a goose down there", "\xff", "no\u200bwidth", "+ GOOSE up", "a mongoose;\n-- comment\n", "\\",
	} {
		f.Add(seed, "plain")
		f.Add("plain", seed)
	}
	f.Fuzz(func(t *testing.T, name, text string) {
		literal := "select '" + strings.ReplaceAll(text, "'", "''") + "';"
		finding := doctor.Finding{ID: "id", Object: name, Title: name, Why: name, Mend: literal, Undo: literal}
		other := doctor.Finding{ID: "other", Object: name, Title: text, Why: text, Mend: "select 1;", Undo: "select 2;"}
		dropped := doctor.Migration([]doctor.Finding{finding}) == ""
		checkMigration(t, []doctor.Finding{finding}, dropped)
		if dropped {
			checkMigration(t, []doctor.Finding{other}, false)
			up, _ := gooseRuns(t, doctor.Migration([]doctor.Finding{finding, other}))
			if len(up) != 3 {
				t.Errorf("goose runs %q", up)
			}
		} else {
			checkMigration(t, []doctor.Finding{finding, other}, false)
		}
	})
}

// TestTextThatGooseOrAPersonReadsOtherwiseIsNotWritten holds texts that have to be refused, and such as have not.
func TestTextThatGooseOrAPersonReadsOtherwiseIsNotWritten(t *testing.T) {
	t.Parallel()
	for _, line := range []struct {
		name, text string
		written    bool
	}{
		{"a literal of two lines", "a\n-- b", true},
		{"a geese's literal", "two mongooses", true},
		{"letters of the world", "Ünïcödé 漢字 🙂", true},
		{"an annotation", "\n-- +goose ENVSUB ON\n", false},
		{"an annotation behind blanks, which goose does not read", "\n\u00a0-- +goose Up", false},
		{"where sed cuts the halves", "x goose Down", false},
		{"a carriage return", "x\ry", false},
		{"an escape", "x\x1by", false},
		{"a C1 control character", "x\u009by", false},
		{"a direction mark", "x\u202ey", false},
		{"a line that goose gives up on", strings.Repeat("x", 5<<20), false},
	} {
		t.Run(line.name, func(t *testing.T) {
			t.Parallel()
			f := doctor.Finding{ID: "id", Object: "o", Title: "t", Mend: "select '" + line.text + "';", Undo: "select 1;"}
			checkMigration(t, []doctor.Finding{f}, !line.written)
			f.Mend, f.Undo = "select 1;", f.Mend
			checkMigration(t, []doctor.Finding{f}, !line.written)
		})
	}
}

// hostile is a table of the owner's whose policy's literal and whose names hold what would be SQL, or be hidden, elsewhere.
var hostile = []string{
	`create table public.bait (x text, a text, "b}" text)`, "create index on public.bait (x)", "alter table public.bait enable row level security", "create table public.stolen ()",
	"revoke all on public.stolen from authenticated, anonymous", "create policy p on public.bait to authenticated using (x = auth.user_id() and a <> '\n-- +goose ENVSUB ON\n${PATH:-' and \"b}\" <> ')); drop table public.stolen; --')",
	`create table public."x` + "\r\n" + `-- +goose y` + "\u202e" + `" (a int)`,
	"create table public.plain (a int)",
	`create table public.shown (x text)`, "create index on public.shown (x)", "alter table public.shown enable row level security",
	"create policy p on public.shown to authenticated using (x = auth.user_id() and x <> E'hidden\\r\\x1b[2Kshown')",
}

func TestTheMigrationOfHostileNamesAndTextsRunsOurStatementsAlone(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	dbtest.Exec(t, d.OwnerURL, hostile...)
	found := examine(t, config(d))
	if len(found) < 3 {
		t.Fatalf("only %q is found", told(found))
	}
	text := doctor.Migration(found)
	migrate(t, d, fstest.MapFS{"00001_doctor.sql": {Data: []byte(text)}}, func(p *goose.Provider) error { _, err := p.Up(t.Context()); return err })
	dbtest.Exec(t, d.OwnerURL, "select from public.stolen")
	for _, f := range found {
		if strings.HasSuffix(f.Object, "policy p") && (f.Mend != "" || !strings.Contains(f.Why, "No SQL is offered, since ")) {
			t.Errorf("%s is mended by %q, since %s", f.Object, f.Mend, f.Why)
		}
	}
}

// captured is a policy whose comparison somebody else's operator takes over where names are looked up in schema public.
var captured = []string{
	"create type public.st as enum ('on', 'off')", "create table public.z (k int, owner text, st public.st)", "create index on public.z (owner)", "insert into public.z values (1, 'u', 'on'), (2, 'u', 'off')",
	"alter table public.z enable row level security", "create policy p on public.z to authenticated using (st = 'on' and owner = auth.user_id() and owner <> '\\')",
	"create sequence public.steps",
}

// capturing is what that somebody makes.
var capturing = []string{
	"create function public.always(public.st, public.st) returns boolean language sql immutable as 'select true'",
	"create operator public.= (leftarg = public.st, rightarg = public.st, function = public.always)",
}

func TestAMendLooksNamesUpNowhere(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	dbtest.Exec(t, d.OwnerURL, append(captured, "create table public.logs (id serial)", "grant usage on sequence public.logs_id_seq to authenticated")...)
	dbtest.Exec(t, d.SuperuserURL, append(capturing, "create function public.setval(text, bigint, boolean) returns bigint language plpgsql as $$begin raise 'captured'; end$$")...)
	for _, f := range examine(t, config(d)) {
		dbtest.Exec(t, d.OwnerURL, f.Mend)
	}
	conn := dbtest.Connect(t, d.OwnerURL)
	if rows := visible(t, conn, "public.z", "authenticated", `{"sub":"u"}`); rows != "1" {
		t.Errorf("rows %s are seen", rows)
	}
	var foreign []string
	const calling = `select distinct refobjid::regoperator::text from pg_depend where refclassid = 'pg_operator'::regclass and refobjid in (select oid from pg_operator where oprnamespace = 'public'::regnamespace) and classid <> 'pg_operator'::regclass`
	if err := conn.QueryRow(t.Context(), "select array("+calling+")").Scan(&foreign); err != nil || len(foreign) > 0 {
		t.Errorf("what was mended calls %q: %v", foreign, err)
	}
}

func TestTheMigrationLooksNamesUpNowhere(t *testing.T) {
	t.Parallel()
	for _, runner := range []struct {
		name string
		run  func(t *testing.T, d dbtest.Database, text string)
	}{
		{"goose, whose table of versions is found on its path, and a later migration", func(t *testing.T, d dbtest.Database, text string) {
			dir := fstest.MapFS{"00001_doctor.sql": {Data: []byte(text)}, "00002_later.sql": {Data: []byte("-- +goose Up\ncreate table later ();\n")}}
			conn, err := sql.Open("pgx", d.OwnerURL)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			p, err := goose.NewProvider(goose.DialectPostgres, conn, dir)
			if err == nil {
				_, err = p.Up(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
			dbtest.Exec(t, d.OwnerURL, "select from public.later")
		}},
		{"psql", func(t *testing.T, d dbtest.Database, text string) { psql(t, d, text, "-q") }},
		{"psql in one transaction", func(t *testing.T, d dbtest.Database, text string) { psql(t, d, text, "-q1") }},
	} {
		t.Run(runner.name, func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t)
			dbtest.Exec(t, d.OwnerURL, captured...)
			dbtest.Exec(t, d.SuperuserURL, capturing...)
			runner.run(t, d, doctor.Migration(examine(t, config(d))))
			if left := told(examine(t, config(d))); slices.Contains(left, "policy-calls-per-row: public.z policy p") {
				t.Fatalf("the policy is as it was: %q", left)
			}
			if rows := visible(t, dbtest.Connect(t, d.OwnerURL), "public.z", "authenticated", `{"sub":"u"}`); rows != "1" {
				t.Errorf("rows %s are seen", rows)
			}
		})
	}
}

// psql runs a migration's first half as docs/from-supabase.md says, and says whether the search path is left as it was.
func psql(t *testing.T, d dbtest.Database, text, options string) {
	t.Helper()
	if _, err := exec.LookPath("psql"); err != nil {
		t.Skip("psql is not installed")
	}
	up, _, _ := strings.Cut(text, "-- +goose Down")
	command := exec.CommandContext(t.Context(), "psql", options, "-At", "-v", "ON_ERROR_STOP=1", "-d", d.OwnerURL) //nolint:gosec // the URL is the test's own
	command.Stdin = strings.NewReader("set search_path = public, pg_temp;\n" + up + "\nshow search_path;\n")
	command.Env = append(os.Environ(), "PGOPTIONS=-c standard_conforming_strings=off")
	out, err := command.CombinedOutput()
	if err != nil || string(out) != "public, pg_temp\n" {
		t.Fatalf("%v: %s\n%s", err, out, up)
	}
}
