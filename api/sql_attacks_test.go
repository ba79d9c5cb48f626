package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"rowpass/api"
	"rowpass/db"
	"rowpass/db/dbtest"
	"rowpass/statement"
	"rowpass/token"
)

// attack is what a member of Acme tries, and what it would have won. Every request of it goes over the one connection that a
// member of Globex gets next.
type attack struct {
	name, wins string
	happens    string // where it is not refused
	tries      []try
	do         func(*testing.T) // instead of tries
}

// try is a request and its answer: refused with status and SQLSTATE, or carried out with rows.
type try struct {
	sql     string
	params  []any
	batch   []string // instead of sql
	raw     string   // body instead of both
	headers map[string]string
	twice   [2]string           // a header that comes a second time
	token   func(*siege) string // nil: the member's of Acme
	status  int                 // 0: 400, or 200 where rows are wanted
	code    string
	says    string // part of the answer
	rows    string // of the last statement, as JSON; "*" for any
}

func refused(code string, texts ...string) (all []try) {
	for _, sql := range texts {
		all = append(all, try{sql: sql, code: code})
	}
	return all
}

func runs(rows, sql string, params ...any) try { return try{sql: sql, params: params, rows: rows} }

func admin(tries []try) []try {
	for i := range tries {
		tries[i].token = func(s *siege) string { return s.token(acmeAdmin, acme) }
	}
	return tries
}

func header(says, name, value string) try {
	return try{sql: "select 1", headers: map[string]string{name: value}, says: says}
}

const (
	// mark stands in every text of Globex's, and in no attack.
	mark = "mark-7f3a"

	function    = "42501" // what Rules and grants refuse
	unsupported = "0A000" // what is no statement about data
	syntax      = "42601"

	forged = `'{"sub":"b0000000-0000-4000-8000-00000000000a","tenant_id":"b0000000-0000-4000-8000-000000000001","role":"authenticated"}'`
	leave  = `set_config('role', 'none', true)`
)

// foreignRole is a token that says another role than ours do.
func (s *siege) foreignRole() string {
	return s.grant(token.Grant{Subject: acmeMember, Tenant: acme, ClientID: token.ClientDemo, Role: "rowpass_owner"})
}

// siege is a server with one connection, and what Globex must find after each attack.
type siege struct {
	*server
	super   *pgx.Conn
	sql     *api.SQLConfig
	session string // as Globex' requests find it on a new connection
	rows    string // of Globex, as the owner sees them
}

func besiege(t *testing.T, o options) *siege {
	t.Helper()
	s := &siege{}
	if o.database == nil {
		d := dbtest.New(t)
		o.database = &d
	}
	prepareGlobex(t, *o.database)
	o.sql, o.conns = true, 1
	configure := o.sqlConfig
	o.sqlConfig = func(c *api.SQLConfig) {
		s.sql = c
		if configure != nil {
			configure(c)
		}
	}
	s.server = newServer(t, o)
	s.super = dbtest.Connect(t, o.database.SuperuserURL)
	s.session, s.rows = s.found(t), s.kept(t)
	return s
}

// prepareGlobex marks what is Globex' own, and gives the owner more tables, with statistics.
func prepareGlobex(t *testing.T, d dbtest.Database) {
	t.Helper()
	dbtest.Exec(t, d.OwnerURL,
		`update tenants set name = name || ' `+mark+`' where id = '`+globex+`'`,
		`update users set name = name || ' `+mark+`', email = '`+mark+`-' || email where tenant_id = '`+globex+`'`,
		`update todos set task = task || ' `+mark+`' where user_id like 'b%'`,
		`create table public.projects (id int generated always as identity, tenant_id uuid not null default auth.tenant_id(), name text,
			primary key (tenant_id, id), unique (tenant_id, name) deferrable initially deferred)`,
		`alter table projects enable row level security`,
		`create policy own on projects using (tenant_id = (select auth.tenant_id()))`,
		`create table public.tasks (tenant_id uuid not null default auth.tenant_id(), project int,
			foreign key (tenant_id, project) references projects (tenant_id, id))`,
		`alter table tasks enable row level security`,
		`create policy own on tasks using (tenant_id = (select auth.tenant_id()))`,
		`insert into projects (tenant_id, name) select t.id, 'p' || n || case when t.id = '`+globex+`' then ' `+mark+`' else '' end
			from tenants t, generate_series(1, 100) n`,
		`create function public.total() returns bigint language sql security definer return (select count(*) from users)`,
		`analyze`)
}

// found is what a statement of Globex' own finds on the connection, past the check: settings, objects, locks. The view of
// pg_settings leaves request.* out.
func (s *siege) found(t *testing.T) string {
	t.Helper()
	sink := &lines{}
	who := db.Session{Role: "authenticated", Claims: []byte(`{"sub":"` + globexMember + `","tenant_id":"` + globex + `"}`)}
	err := s.sql.Strangers.Run(t.Context(), who, db.Batch{Statements: []db.Statement{{SQL: `
		select md5(string_agg(name || '=' || setting, e'\n' order by name)) from pg_settings
		union all select name from pg_prepared_statements where name <> ''
		union all select name from pg_cursors where name <> ''
		union all select pg_listening_channels()
		union all select 'lock ' || locktype from pg_locks where pid = pg_backend_pid() and locktype not in ('relation', 'virtualxid')
		union all select 'temporary ' || relname from pg_class where relnamespace = pg_my_temp_schema()
		union all select 'to be committed' where pg_current_xact_id_if_assigned() is not null
		union all select current_user || ' ' || session_user || ' ' || current_setting('search_path') || ' ' || current_setting('request.jwt.claims')
		union all select email from users
		union all select task from todos`}}}, sink)
	if err != nil {
		t.Errorf("Globex' look at the connection: %v", err)
	}
	return sink.text.String()
}

// lines is a sink for the first column.
type lines struct{ text strings.Builder }

func (l *lines) Begin([]db.Field) error    { return nil }
func (l *lines) Row(values [][]byte) error { fmt.Fprintf(&l.text, "%s\n", values[0]); return nil }
func (l *lines) End(string) error          { return nil }
func (l *lines) Reset()                    { l.text.Reset() }

// kept is everything that Globex owns, and the accounts, as the superuser sees them.
func (s *siege) kept(t *testing.T) (rows string) {
	t.Helper()
	const query = `select concat_ws(e'\n',
		(select jsonb_agg(u order by id) from users u where tenant_id = $1), (select jsonb_agg(o order by user_id, id) from todos o where user_id like 'b%'),
		(select jsonb_agg(t) from tenants t where id = $1), (select jsonb_agg(p order by id) from projects p where tenant_id = $1),
		(select jsonb_agg(p) from tasks p where tenant_id = $1), (select jsonb_agg(a order by rolname) from pg_authid a),
		(select count(*) from pg_largeobject_metadata), (select count(*) from pg_class), (select count(*) from pg_proc),
		(select count(*) from pg_db_role_setting), (select count(*) from pg_locks where locktype = 'advisory'))`
	if err := s.super.QueryRow(t.Context(), query, globex).Scan(&rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

// ask sends a try to POST /sql.
func (s *siege) ask(ctx context.Context, x try) (answer, error) {
	body := x.raw
	if body == "" {
		body = strings.ReplaceAll(x.body(), "DATABASE", s.database.Name)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/sql", strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	bearer := ""
	if x.token == nil {
		bearer = s.token(acmeMember, acme)
	} else {
		bearer = x.token(s)
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	req.Header.Set("Neon-Connection-String", s.target("authenticated"))
	req.Header.Set("Neon-Raw-Text-Output", "true")
	req.Header.Set("Neon-Array-Mode", "true")
	for name, value := range x.headers {
		req.Header.Set(name, strings.ReplaceAll(value, "DATABASE", s.database.Name))
	}
	if x.twice[0] != "" {
		req.Header.Add(x.twice[0], x.twice[1])
	}
	resp, err := s.Client().Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(text)}, err
}

func (s *siege) target(role string) string {
	return "postgres://" + role + "@db.example/" + s.database.Name
}

func (x try) body() string {
	type query struct {
		Query  string `json:"query"`
		Params []any  `json:"params,omitempty"`
	}
	var body any = query{x.sql, x.params}
	if x.batch != nil {
		queries := []query{}
		for _, sql := range x.batch {
			queries = append(queries, query{Query: sql})
		}
		body = map[string]any{"queries": queries}
	}
	text, _ := json.Marshal(body)
	return string(text)
}

// stands checks an answer, and then that Globex is as it was: its own request, its connection, its rows.
func (s *siege) stands(t *testing.T, x try) {
	t.Helper()
	got, err := s.ask(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	x.check(t, got)
	s.unharmed(t)
}

func (x try) check(t *testing.T, got answer) {
	t.Helper()
	asked := x.body()
	if x.raw != "" {
		asked = x.raw
	}
	want := x.status
	switch {
	case want == 0 && x.rows != "":
		want = http.StatusOK
	case want == 0:
		want = http.StatusBadRequest
	}
	if got.status != want || !strings.Contains(got.body, x.says) {
		t.Errorf("%.300s\nstatus %d, want %d %s: %.600s", asked, got.status, want, x.says, got.body)
		return
	}
	if strings.Contains(got.body, mark) {
		t.Errorf("%.300s\nshows Globex' rows: %.600s", asked, got.body)
	}
	if code := got.code(); code != x.code {
		t.Errorf("%.300s\nSQLSTATE %q, want %q: %.600s", asked, code, x.code, got.body)
	}
	if rows := got.rows(t); x.rows != "" && x.rows != "*" && rows != x.rows {
		t.Errorf("%.300s\nrows %s, want %s", asked, rows, x.rows)
	}
}

// code is the SQLSTATE of an error.
func (a answer) code() string {
	var o struct{ Code string }
	_ = json.Unmarshal([]byte(a.body), &o)
	return o.Code
}

// rows are those of the last result.
func (a answer) rows(t *testing.T) string {
	t.Helper()
	type result struct{ Rows json.RawMessage }
	var o struct {
		result
		Results []result
	}
	if a.status != http.StatusOK {
		return ""
	}
	if err := json.Unmarshal([]byte(a.body), &o); err != nil {
		t.Errorf("%.200s: %v", a.body, err)
	}
	if n := len(o.Results); n > 0 {
		return string(o.Results[n-1].Rows)
	}
	return string(o.Rows)
}

func (s *siege) unharmed(t *testing.T) {
	t.Helper()
	got, err := s.ask(t.Context(), try{sql: `select email from users order by 1`, token: func(s *siege) string { return s.token(globexMember, globex) }})
	if err != nil {
		t.Fatal(err)
	}
	if rows := got.rows(t); rows != `[["mark-7f3a-admin@globex.example"],["mark-7f3a-member@globex.example"]]` {
		t.Errorf("the next request, of Globex: %d %s", got.status, got.body)
	}
	if diff := cmp.Diff(s.session, s.found(t)); diff != "" {
		t.Errorf("Globex finds on the connection (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(s.rows, s.kept(t)); diff != "" {
		t.Errorf("Globex' rows and the cluster (-before +after):\n%s", diff)
	}
}

func TestAttacksOnTheStatement(t *testing.T) { attackAll(t, besiege(t, options{}), statementAttacks()) }
func TestAttacksOnData(t *testing.T)         { attackAll(t, besiege(t, options{}), dataAttacks()) }
func TestAttacksOnTheRequest(t *testing.T) {
	attackAll(t, besiege(t, options{sqlConfig: withAnonymous}), requestAttacks())
}
func TestAttacksOnLimits(t *testing.T) { attackAll(t, besiege(t, tight()), limitAttacks()) }

func withAnonymous(c *api.SQLConfig) { c.Rules["anonymous"] = api.SQLRole{Rules: &statement.Rules{}} }

func tight() options {
	return options{timeout: 2 * time.Second, sqlConfig: func(c *api.SQLConfig) {
		c.MaxRequestBytes, c.MaxResponseBytes, c.MaxRows, c.MaxQueries = 2<<20, 1<<20, 5000, 20
	}}
}

func attackAll(t *testing.T, s *siege, attacks []attack) {
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			for _, x := range a.tries {
				s.stands(t, x)
			}
		})
	}
	if t.Failed() {
		return
	}
	if strings.Contains(s.log.String(), mark) {
		t.Errorf("Globex' rows stand in the log")
	}
}

// TestAttacksAreInThePapers keeps the appendix of docs/security.md in step with the suite.
func TestAttacksAreInThePapers(t *testing.T) {
	text, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	_, appendix, _ := strings.Cut(string(text), "\n## Appendix")
	var stands []string
	for line := range strings.Lines(appendix) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| what was tried |") {
			stands = append(stands, line)
		}
	}
	var want []string
	for _, list := range [][]attack{statementAttacks(), dataAttacks(), requestAttacks(), limitAttacks(), aloneAttacks()} {
		for _, a := range list {
			want = append(want, fmt.Sprintf("| %s | %s | %s |", a.name, a.wins, a.outcome()))
		}
	}
	if diff := cmp.Diff(want, stands); diff != "" {
		t.Errorf("the appendix of docs/security.md (-suite +page):\n%s\nIt should be:\n%s", diff, strings.Join(want, "\n"))
	}
}

func (a attack) outcome() string {
	if a.happens != "" {
		return a.happens
	}
	var codes []string
	for _, x := range a.tries {
		code := x.code
		if code == "" {
			code = "400"
			if x.status != 0 {
				code = fmt.Sprint(x.status)
			}
		}
		if !strings.Contains(strings.Join(codes, " "), code) {
			codes = append(codes, code)
		}
	}
	return "refused: " + strings.Join(codes, ", ")
}

// statementAttacks are refused by what the statement says.
func statementAttacks() []attack {
	return []attack{
		{name: "claims forged in one statement", wins: "the other tenant's rows", tries: refused(function,
			`with f as materialized (select set_config('request.jwt.claims', `+forged+`, true)) select email from f, users`,
			`select email from (select set_config('request.jwt.claims', `+forged+`, true) offset 0) f, lateral (select email from users where f.set_config is not null) u`,
			`select pg_catalog.set_config('Request.JWT.Claims', `+forged+`, false)`,
			`select DATABASE.pg_catalog.set_config('request.jwt.claims', `+forged+`, true)`,
			`select "set_config"('request.jwt.claims', `+forged+`, true)`,
			`select SET_CONFIG('request.jwt.claims', `+forged+`, true)`,
			`select U&"set\005fconfig"('request.jwt.claims', `+forged+`, true)`,
			`select U&"set!005fconfig" uescape '!' ('request.jwt.claims', `+forged+`, true)`,
			`select * from set_config('request.jwt.claims', `+forged+`, true)`,
			`select * from rows from (set_config('request.jwt.claims', `+forged+`, true), auth.session()) with ordinality`,
			`select set_config(variadic array['request.jwt.claims', `+forged+`])`,
			`select set_config(is_local => true, setting_name => 'request.jwt.claims', new_value => `+forged+`)`,
			`select count(*) filter (where set_config('request.jwt.claims', `+forged+`, true) <> '') over (partition by `+leave+`) from users`,
			`update users set (name, settings) = (select `+leave+`, '{}'::jsonb)`,
			`insert into todos (task) values (`+leave+`) returning task`,
			`insert into todos (task) values ('x') on conflict (user_id, id) do update set task = `+leave,
			`insert into todos (task) values ('x') returning `+leave,
			`delete from todos where `+leave+` is null`,
			`merge into todos t using (select `+leave+` x) v on t.task = v.x when matched then delete`,
			`merge into todos t using (values (1)) v (x) on true when matched and `+leave+` is null then update set task = `+leave,
		)},
		{name: "a call in every place where one can stand", wins: "a place that the check forgets", tries: places(
			`values (%s)`, `select email from users where %s <> ''`, `select email from users order by %s`, `select email from users limit length(%s)`,
			`select 1 offset length(%s)`, `select xmlelement(name a, %s)`, `select json_object('a': %s)`, `select coalesce(%s, 'x')`, `select array[%s]`, `select row(%s)`,
			`select case when true then %s end`, `select case %s when 'x' then 1 end`, `select (%s)::int`, `select greatest(%s)`, `select 'x' = any (array(select %s))`,
			`select 1 where exists (select %s)`, `select ('{1,2}'::int[])[length(%s)]`, `select sum(1) over (order by %s rows between 1 preceding and current row)`,
			`select sum(1) over w from users window w as (partition by %s)`, `select sum(1) over (rows between length(%s) preceding and current row)`,
			`select 1 group by grouping sets ((%s))`, `select 1 having %s is null`, `select distinct on (%s) 1`, `select 1 union select length(%s)`,
			`with recursive r as (select %s x union all select x from r) select x from r limit 1`, `select * from users tablesample bernoulli (length(%s))`,
			`select * from users tablesample bernoulli (1) repeatable (length(%s))`, `select * from xmltable('/a' passing ((%s)::xml) columns b text)`,
			`select * from xmltable('/a' passing '<a/>' columns b text default %s)`, `select * from users join users v on %s is null`, `select * from users u, lateral (select %s) l`,
			`select percentile_disc(0.5) within group (order by %s) from users`, `select string_agg(name, %s) from users`, `select string_agg(name, '' order by %s) from users`,
			`select not %s is null`, `select %s between 'a' and 'b'`, `select %s is distinct from 'x'`, `select %s in ('a')`, `select %s like 'a'`, `select %s collate "C"`,
			`select %s at time zone 'UTC'`, `select nullif(%s, 'x')`, `select (select %s)`, `table users union values (%s, null, null)`,
			`select extract(epoch from %s::timestamptz)`, `select overlay('a' placing %s from 1)`, `select trim(both %s from 'a')`, `select (%s).x`, `select * from json_table(%s, '$' columns (a int)) j`,
			`select 1 limit all offset length(%s)`, `update todos set task = default where task = %s`, `delete from todos using users where %s is null`, `delete from todos returning %s`,
		)},
		{name: "claims forged by attribute notation", wins: "the other tenant's rows", tries: refused(function,
			`select ($$select to_tsvector('simple', set_config('role', 'none', true))$$::text).ts_stat`,
			`select x.ts_stat from unnest(array[$$select to_tsvector('simple', set_config('role', 'none', true))$$]) x`,
			`select ($1).ts_stat`, `select (($1::text)).ts_stat.word`, `select ($1)."ts_stat"`, `select ($1).U&"ts\005fstat"`, `select $1 . /* */ ts_stat`,
			`select a.b.ts_stat from users a`, `select (a.b).ts_stat.* from users a`, `select (array['x'])[1].ts_stat`,
			`select 1 from users u order by u.ts_stat`, `update users set name = (users.name).ts_stat`,
		)},
		{name: "functions of one argument as attributes", wins: "locks, sleep, the end of other sessions, large objects", tries: refused(function,
			`select (7::bigint).pg_advisory_lock`, `select x.pg_sleep from generate_series(0, 9) x`, `select (999999).pg_terminate_backend`,
			`select (999999).pg_cancel_backend`, `select ((-1)).lo_creat`, `select (0.25::float8).setseed`, `select ('users'::regclass).pg_relation_size`,
			`select ('todos_id_seq'::regclass).nextval`, `select ('todos_id_seq'::regclass).currval`, `select ('role'::text).current_setting`,
			`select (1).pg_stat_get_backend_activity`, `select (x).pg_ls_dir from (values ('.')) v (x)`, `select v.x.pg_read_file from (values ('PG_VERSION')) v (x)`,
			`select (1).pg_a_function_of_a_newer_version`,
		)},
		{name: "text run as SQL", wins: "any function, past the check", tries: refused(function,
			`select * from ts_stat('select to_tsvector(''simple'', set_config(''role'', ''none'', true))')`, `select * from ts_stat($1, 'a')`,
			`select ts_rewrite('a'::tsquery, 'select ''a''::tsquery, set_config(''role'', ''none'', true)::tsquery')`,
			`select ts_rewrite(variadic array['a', 'b', 'c'])`,
			`select query_to_xml('select set_config(''role'', ''none'', true)', true, false, '')`, `select query_to_xmlschema('select 1', true, false, '')`,
			`select query_to_xml_and_xmlschema('select 1', true, false, '')`, `select cursor_to_xml('', 1, true, false, '')`, `select cursor_to_xmlschema('', true, false, '')`,
			`select table_to_xml('users', true, false, '')`, `select schema_to_xml('public', true, false, '')`, `select database_to_xml(true, false, '')`,
			`select dblink('', 'select 1')`, `select * from crosstab('select 1, 2, 3') as (a int, b int)`,
		)},
		{name: "the role left", wins: "the gateway's rights, and other sessions of its login", tries: append(
			refused(function, `select `+leave, `select set_config('role', 'rowpass_owner', false)`, `select set_config('session_authorization', 'rowpass_owner', false)`),
			refused(unsupported, `set role none`, `reset role`, `set local role rowpass_owner`, `set session authorization default`, `reset session authorization`)...)},
		{name: "settings written through the view pg_settings", wins: "another reading of the next text, the next caller's settings", tries: refused(function,
			`update pg_settings set setting = 'off' where name = 'standard_conforming_strings'`, `update pg_catalog.pg_settings set setting = 'off'`,
			`update "pg_settings" set setting = 'none' where name = 'role'`, `with u as (update pg_settings set setting = '1' where name = 'statement_timeout' returning 1) select * from u`,
			`merge into pg_settings s using (values (1)) v (x) on s.name = 'row_security' when matched then update set setting = 'off'`,
			`insert into pg_settings (name) values ('x')`, `delete from pg_catalog.pg_class`, `update U&"pg\005fsettings" set setting = 'off'`,
			`update information_schema.sql_features set comments = ''`, `update DATABASE.pg_catalog.pg_settings set setting = 'off'`,
		)},
		{name: "settings that outlive the request", wins: "errors, other results, or another reading of strings for the next caller", tries: refused(unsupported,
			`set standard_conforming_strings = off`, `set local row_security = off`, `set search_path = pg_temp, public`, `set time zone 'Europe/Berlin'`,
			`reset all`, `set session characteristics as transaction read only`, `discard all`, `discard temp`, `set names 'latin1'`, `load 'auto_explain'`,
			`alter system set fsync = off`, `show all`, `set statement_timeout = 0`, `set default_transaction_read_only = on`)},
		{name: "strings that the check and the server might read differently", wins: "calls inside what looks like a constant", happens: "refused: 42501, where it is a call; else it is a constant to both",
			tries: append(refused(function, `select '\' || `+leave+` --'`, `select E'\'' || `+leave+` || E'\''`, `select $a$ $b$ $a$ || `+leave+` || $b$ $b$`,
				`select U&'\0027' || `+leave+` || ''''`, `select $_$'$_$ || `+leave+` --'`, "select E'\\\\' || "+leave, "select B'0' || "+leave, "select N'' || "+leave,
				"select 'a'\r\n'b' || "+leave, "select 'a' /* */ || "+leave, "select U&'!0027' uescape '!' || "+leave),
				runs(`[["\\"]]`, `select '\'`), runs(`[["' || set_config($$role$$, $$none$$, true) --"]]`, `select ''' || set_config($$role$$, $$none$$, true) --'`))},
		{name: "comments", wins: "words that the check does not see", tries: append(append(
			refused(function, `select/**/set_config/* /* */ */(/* ' */'role', 'none', true)`, "select set_config --\n('role', 'none', true)", "select set_config--\r('role', 'none', true)",
				`/* /* */ select 1; */ select `+leave, `select 1 /*! + `+leave+` */ + length(`+leave+`)`),
			refused(syntax, `select 1 /* /* */`, `/* `, `select 1 --`+"\n"+`; /* */ commit`)...),
			refused(unsupported, `/* select */ commit`, "-- select\nrollback", "-- select\rset role none")...)},
		{name: "letters that look alike", wins: "a name that is not on the list", tries: append(append(
			refused(function, "select ｓｅｔ_ｃｏｎｆｉｇ('role', 'none', true)", "select set\u200b_config('role', 'none', true)", "select \ufeffset_config('role', 'none', true)",
				"select ѕet_config('role', 'none', true)", "select \"SET_CONFIG\"('role', 'none', true)", "select \"set_config \"('role', 'none', true)",
				"select set_conf\u0131g('role', 'none', true)", "select x.pg_\u017fleep from generate_series(0, 1) x", "select x.pg_\u212aancel_backend from generate_series(0, 1) x"),
			refused(syntax, "\ufeffselect 1", "select 1\u00a01 1", "ｓｅｌｅｃｔ 1", "select U&\"\\0000\" from users", "select U&'\\d800'")...),
			try{sql: "select 1\x00; commit", code: "22021"}, try{sql: "select '\x00'", code: "22021"})},
		{name: "a name longer than PostgreSQL keeps", wins: "a name that is cut to another one", tries: refused(function,
			"select "+strings.Repeat("a", 63)+"set_config('role', 'none', true)", `select pg_sleep`+strings.Repeat("x", 60)+`(1)`)},
		{name: "several statements in one", wins: "a statement that was not checked", tries: append(
			refused(syntax, `select 1; select 2`, `select 1; set role none`, `select 1;; commit`, `values (1); rollback; select 1`, "select 1;\n/* */; reset role"),
			runs(`[["1"]]`, `select 1;`), runs(`[]`, ` -- `), runs(`[]`, `;;`)), happens: "refused: 42601; none at all, or a semicolon at the end, is harmless"},
		{name: "transaction control", wins: "role and claims gone for what follows; a transaction left open for the next caller", tries: refused(unsupported,
			`begin`, `commit`, `rollback`, `end`, `abort`, `start transaction`, `savepoint a`, `rollback to a`, `release a`, `commit and chain`, `prepare transaction 'a'`,
			`commit prepared 'a'`, `set transaction read write`, `set constraints all deferred`, `set transaction snapshot '0'`)},
		{name: "transaction control in a batch", wins: "statements that run as the gateway; some committed though a later one fails", tries: []try{
			{batch: []string{`select 1`, `commit`, `select email from users`}, code: unsupported},
			{batch: []string{`rollback`, `select current_user`}, code: unsupported}, {batch: []string{`select 1`, `savepoint a`}, code: unsupported},
			{batch: []string{`begin`, `select 1`, `end`}, code: unsupported}, {batch: []string{`select 1; commit; select 2`}, code: syntax},
			{batch: []string{`insert into todos (task) values ('half')`, `select 1 / 0`}, code: "22012"}, runs(`[["0"]]`, `select count(*) from todos where task = 'half'`)},
			happens: "refused: 0A000, 42601; a batch that fails leaves nothing"},
		{name: "SELECT INTO", wins: "a table before the next caller's", tries: refused(unsupported, `select * into temp todos from public.todos`, `select * into temporary table x from users`,
			`select 1 as a into pg_temp.users`, `select * into unlogged x from users`, `with x as (select 1) select * into temp y from x`, `create temp table todos as select 1`,
			`select 1 into temp x union select 2`)},
		{name: "temporary objects", wins: "tables, views and functions before the next caller's", tries: append(refused(unsupported, `create temporary table todos (id int)`,
			`create temp view users as select 1`, `create function pg_temp.lower(text) returns text language sql as 'select 1'`, `create temp sequence s`, `create domain pg_temp.text as int`),
			refused(function, `insert into pg_temp.todos values (1)`, `select * from pg_temp.todos`, `select pg_temp.lower('x')`, `select * from pg_toast.pg_toast_1262`)...)},
		{name: "definitions", wins: "policies, tables, functions, logins", tries: refused(unsupported, `create table x (id int)`, `drop policy users_read on users`, `alter table users disable row level security`,
			`alter table users no force row level security`, `create policy p on users using (true)`, `create or replace function auth.session() returns jsonb language sql as 'select null'`,
			`create trigger t after insert on users execute function f()`, `create rule r as on select to users do instead select 1`, `grant all on users to public`, `revoke all on users from public`,
			`create extension dblink`, `create role x`, `drop owned by authenticated`, `reassign owned by authenticated to x`, `truncate users`, `comment on table users is 'x'`,
			`security label on table users is 'x'`, `refresh materialized view x`, `create schema x`, `create view v as select 1`, `import foreign schema x from server y into z`,
			`vacuum`, `analyze users`, `cluster`, `reindex table users`, `checkpoint`)},
		{name: "the gateway's login altered", wins: "settings of every later connection, its password", tries: refused(unsupported, `alter role rowpass_gateway set standard_conforming_strings = off`,
			`alter role rowpass_gateway password 'x'`, `alter user current_user set search_path = x`, `alter role all set role = 'rowpass_gateway'`, `alter database DATABASE set request.jwt.claims = '{}'`)},
		{name: "prepared statements", wins: "a statement that runs unchecked later, for another caller", tries: refused(unsupported, `prepare a as select 1`, `execute a`, `deallocate all`, `execute a (1)`,
			`create table x as execute a`)},
		{name: "cursors", wins: "another caller's rows", tries: refused(unsupported, `declare c cursor with hold for select * from users`, `fetch all from c`, `move c`, `close all`)},
		{name: "code in blocks and procedures", wins: "any statement, past the check", tries: refused(unsupported, `do $$ begin perform set_config('role', 'none', true); end $$`, `do language plpgsql 'begin end'`, `call x()`)},
		{name: "COPY", wins: "the server's files, programs, a torn message", tries: refused(unsupported, `copy users to stdout`, `copy todos (task) from stdin`, `copy (select 1) to program 'id'`, `copy users from '/etc/passwd'`,
			`copy (delete from todos returning *) to stdout`)},
		{name: "tables locked", wins: "other callers wait", tries: refused(unsupported, `lock table users in access exclusive mode`, `lock users nowait`)},
		{name: "LISTEN and NOTIFY", wins: "other callers' messages", tries: append(refused(unsupported, `listen a`, `unlisten *`, `notify a, 'b'`),
			refused(function, `select pg_notify('a', 'b')`, `select pg_listening_channels()`, `select pg_notification_queue_usage()`)...)},
		{name: "EXPLAIN", wins: "how many rows others have; ANALYZE runs what it shows", tries: refused(function, `explain select * from users where tenant_id = '`+globex+`'`,
			`explain analyze delete from todos`, `explain (costs off) select * from users`, `explain (analyze off, analyze on) insert into todos (task) values ('x')`, `explain verbose select 1`,
			`explain (generic_plan) select * from users where id = $1`)},
		{name: "sessions of others", wins: "the text of others' statements", tries: refused(function, `select query from pg_stat_activity`, `select * from pg_catalog.pg_stat_activity`, `select (pg_stat_activity).query from pg_stat_activity`,
			`table pg_stat_activity`, `select * from "pg_stat_activity"`, `select * from U&"pg\005fstat_activity"`, `select pg_stat_get_activity(null)`, `select * from pg_stat_get_activity(null)`,
			`select pg_stat_get_backend_activity(1)`, `select current_query()`, `select * from pg_prepared_statements`, `select * from pg_prepared_statement()`, `select * from pg_cursors`,
			`select * from pg_cursor()`, `select * from pg_prepared_xacts`, `select * from pg_locks`, `select * from pg_lock_status()`, `select pg_blocking_pids(1)`, `select * from pg_stat_ssl`,
			`select * from pg_stat_statements`, `select pg_stat_statements(true)`, `insert into todos (task) select query from pg_stat_activity`, `select 1 where exists (select from pg_stat_activity)`,
			`update todos set task = query from pg_stat_activity`, `delete from todos using pg_stat_activity`, `select pg_log_backend_memory_contexts(1)`)},
		{name: "sessions of others ended", wins: "their work", tries: refused(function, `select pg_terminate_backend(pid) from generate_series(1, 99999) pid`, `select pg_cancel_backend(1)`,
			`select pg_catalog.pg_terminate_backend(1, 0)`)},
		{name: "advisory locks", wins: "locks that outlive the request, migrations that wait", tries: refused(function, `select pg_advisory_lock(1)`, `select pg_try_advisory_lock(1, 2)`, `select pg_advisory_xact_lock(1)`,
			`select pg_advisory_lock_shared(1)`, `select pg_advisory_unlock_all()`, `select pg_try_advisory_xact_lock_shared(1)`)},
		{name: "large objects", wins: "a channel between tenants, an end of the owner's pg_dump", tries: refused(function, `select lo_from_bytea(0, 'x')`, `select lo_get(1)`, `select lo_create(0)`, `select lo_put(1, 0, 'x')`,
			`select lo_open(1, 131072)`, `select loread(0, 9)`, `select lowrite(0, 'x')`, `select lo_unlink(1)`, `select lo_import('/etc/passwd')`, `select lo_export(1, '/tmp/x')`,
			`select * from pg_largeobject`, `select * from pg_largeobject_metadata`)},
		{name: "sequences", wins: "others' ids, how many rows they have", tries: refused(function, `select nextval('todos_id_seq')`, `select setval('todos_id_seq', 1)`, `select lastval()`, `select currval('todos_id_seq')`,
			`select pg_sequence_last_value('todos_id_seq')`, `select * from pg_sequences`, `select last_value from todos_id_seq`, `select pg_get_sequence_data('todos_id_seq')`)},
		{name: "chance foreseen", wins: "the next caller's random()", tries: refused(function, `select setseed(0.25)`, `select random(), setseed(0)`, `select seed.setseed from (values (0.5::float8)) seed`)},
		{name: "sleep", wins: "a connection held", tries: refused(function, `select pg_sleep(60)`, `select pg_sleep_for('1 hour')`, `select pg_sleep_until('tomorrow')`, `select pg_catalog . "pg_sleep" (60)`)},
		{name: "files of the server", wins: "keys, configuration", tries: refused(function, `select pg_read_file('PG_VERSION')`, `select pg_ls_dir('.')`, `select pg_stat_file('.')`, `select pg_read_binary_file('x')`, `select * from pg_hba_file_rules`,
			`select * from pg_file_settings`, `select pg_current_logfile()`, `select pg_rotate_logfile_old()`, `select pg_export_snapshot()`)},
		{name: "the cluster's state", wins: "write rates, other tenants' load, the log that replicas read", tries: refused(function, `select pg_current_wal_lsn()`, `select txid_current()`, `select pg_current_xact_id()`, `select pg_postmaster_start_time()`,
			`select inet_server_addr()`, `select pg_logical_emit_message(false, 'a', 'b')`, `select pg_create_physical_replication_slot('a')`, `select * from pg_replication_slots`,
			`select * from pg_control_checkpoint()`, `select pg_reload_conf()`, `select pg_nextoid('pg_class', 'oid', 'pg_class_oid_index')`, `select binary_upgrade_set_missing_value('users', 'name', 'x')`)},
		{name: "totals of all tenants", wins: "how many rows others have", tries: refused(function, `select pg_relation_size('users')`, `select pg_total_relation_size('users')`, `select pg_database_size(current_database())`,
			`select n_live_tup from pg_stat_user_tables`, `select * from pg_statio_all_tables`, `select pg_stat_get_live_tuples('users'::regclass)`, `select pg_stat_get_tuples_inserted('users'::regclass)`,
			`select pg_relation_filepath('users')`, `select * from pg_stat_database`, `select pg_stat_reset()`)},
		{name: "settings read", wins: "configuration, paths", happens: "refused: 42501, but for those that the caller needs", tries: append(refused(function, `select * from pg_settings`, `select * from pg_show_all_settings()`,
			`select current_setting('data_directory')`, `select current_setting($1)`, `select current_setting('request.' || 'x')`, `select current_setting(s) from (values ('is_superuser')) v (s)`), runs(`[["UTC"]]`, `select current_setting('timezone')`))},
		{name: "functions of the owner", wins: "what they do with the owner's rights", tries: append(refused(function, `select total()`, `select public.total()`, `select * from public.total()`, `select rowpass.find_users('a', null)`,
			`select auth.impersonate('{}')`, `select rowpass.add_seal_key()`, `select auth.remove_todos()`, `select rowpass.pad('x', 54)`), admin(refused(function, `select public.total()`))...)},
		{name: "ids chosen by force", wins: "ids that others are about to get", tries: refused(function, `insert into todos (id, task) overriding system value values (1000, 'x')`,
			`with i as (insert into todos (id, task) overriding system value values (1000, 'x') returning id) select * from i`,
			`merge into todos t using (values (1)) v (x) on false when not matched then insert (id, task) overriding system value values (1000, 'x')`)},
		{name: "parameters as SQL", wins: "what the check does not see", tries: []try{runs(`[["'); set role none; --"]]`, `select $1::text`, "'); set role none; --"),
			runs(`[["0"]]`, `select count(*) from users where email = $1`, "' or true --"), runs(`[["*"]]`, `select $1 users`, "*"),
			{sql: `select * from $1`, params: []any{"users"}, code: syntax}, {sql: `select $1('role', 'none', true)`, params: []any{"set_config"}, code: syntax},
			{sql: `select $1::regclass::text`, params: []any{"rowpass.seal_keys"}, code: function}, {sql: "select $1::text", params: []any{"a\x00b"}, code: "22021"}}, happens: "values stay values"},
		{name: "JSON and arrays that leave their quotes", wins: "another parameter, another answer", tries: []try{
			runs(`[["{\"a\\\"},{\\\"b\",\"\\\\\",\"x\ny\",NULL,\"{}\"}"]]`, `select $1::text[]`, []any{`a"},{"b`, `\`, "x\ny", nil, `{}`}),
			runs(`[["{\"\\\"}; x\": \"'\"}"]]`, `select $1::jsonb`, map[string]any{`"}; x`: `'`}),
			runs(`[["1"]]`, `select 1 as "a"",""rows"":[],"""`)}, happens: "values stay values"},
	}
}

// places puts a call that leaves the role into each text.
func places(texts ...string) (all []try) {
	for _, text := range texts {
		all = append(all, try{sql: fmt.Sprintf(text, leave), code: function})
	}
	return all
}

// dataAttacks pass the check. Policies, grants and triggers decide.
func dataAttacks() []attack {
	const none, own = `[]`, `[["admin@acme.example"],["member@acme.example"]]`
	onlyOwn := "runs, on the caller's own rows"
	return []attack{
		{name: "foreign rows asked for in every way", wins: "the rows", happens: onlyOwn, tries: []try{
			runs(own, `select email from users order by 1`), runs(none, `select * from users where tenant_id = '`+globex+`'`), runs(own, `select email from users or1 where true or tenant_id = '`+globex+`' order by 1`),
			runs(own, `select email from only users order by 1`), runs(own, `select u.email from users u right join users v using (id) order by 1`), runs(own, `(select email from users union all select email from users) intersect select email from users order by 1`),
			runs(own, `select email from users tablesample system (100) order by 1`), runs(own, `with recursive r as (select email from users union select email from users) select * from r order by 1`),
			runs(own, `select (u).email from (select u from users u) x order by 1`), runs(own, `select row_to_json(u) ->> 'email' from users u order by 1`), runs(own, `select (jsonb_populate_record(null::users, to_jsonb(u))).email from users u order by 1`),
			runs(own, `select email from users where ctid in (select ('(' || p || ',' || n || ')')::tid from generate_series(0, 3) p, generate_series(1, 99) n) order by 1`),
			runs(own, `select max(email) over (partition by id) from users group by id, email order by 1`), runs(`[["member@acme.example"]]`, `select email from users for update`), runs(`[["member@acme.example"]]`, `select email from users for share skip locked`),
			runs(own, `select unnest((select array_agg(email order by email) from users))`), runs(`[["100"]]`, `select count(*) from projects`), runs(own, `select u.email from tenants t join users u on true order by 1`),
			runs(own, `select coalesce(u.email) from users u full join tenants t on t.id = u.tenant_id order by 1`), runs(none, `select user_id from todos except select auth.user_id()`)}},
		{name: "foreign rows changed or removed", wins: "the rows", happens: "runs, and finds none", tries: []try{
			runs(none, `update users set name = 'X' where id = '`+globexMember+`' returning email`), runs(none, `delete from todos where user_id like 'b%' returning task`),
			runs(none, `update todos set task = 'X' from users u where user_id <> auth.user_id() returning task`), runs(none, `delete from users where id <> auth.uid() returning email`),
			runs(none, `update tenants set name = 'X' returning name`), runs(none, `delete from tenants returning name`),
			runs(none, `with d as (delete from projects where tenant_id = '`+globex+`' returning *) select * from d`),
			{sql: `merge into projects p using (values ('` + globex + `'::uuid)) v (t) on p.tenant_id = v.t when matched then delete`, rows: none},
			{sql: `delete from todos using users u where u.tenant_id = '` + globex + `'`, rows: none}}},
		{name: "rows planted among another's", wins: "words in another's mouth", tries: refused(function, `insert into todos (user_id, task) values ('`+globexMember+`', 'x')`, `update todos set user_id = '`+globexMember+`'`,
			`insert into projects (tenant_id, name) values ('`+globex+`', 'x')`, `update projects set tenant_id = '`+globex+`'`, `insert into projects overriding user value select 999, '`+globex+`', 'x'`,
			`with i as (insert into projects (tenant_id, name) values ('`+globex+`', 'x') returning *) select * from i`, `insert into tenants (name) values ('x')`,
			`merge into projects p using (values (1)) v (x) on false when not matched then insert (tenant_id, name) values ('`+globex+`', 'x')`)},
		{name: "the caller made somebody else", wins: "another tenant, another's todos, an admin's rights", tries: append(refused(function,
			`update users set tenant_id = '`+globex+`' where id = auth.uid()`, `update users set id = '`+globexMember+`' where id = auth.uid()`, `update users set role = 'admin' where id = auth.uid()`,
			`update users set email = 'admin@globex.example' where id = auth.uid()`, `merge into users u using (values (1)) v (x) on u.id = auth.uid() when matched then update set role = 'admin'`,
			`insert into users (email) values ('x@acme.example')`, `insert into users (id, email) values (auth.uid(), 'x@acme.example') on conflict (id) do update set role = 'admin'`),
			admin(refused(function, `update users set tenant_id = '`+globex+`'`, `update users set id = gen_random_uuid()`, `insert into users (tenant_id, email) values ('`+globex+`', 'x@globex.example')`))...)},
		{name: "a user's id chosen", wins: "what belongs to the subject of that id", happens: "runs, with another id", tries: admin([]try{
			runs(`[["t"]]`, `insert into users (id, email) values ('`+globexMember+`', 'squat@acme.example') returning id <> '`+globexMember+`'`), runs(`[["squat@acme.example"]]`, `delete from users where email = 'squat@acme.example' returning email`)})},
		{name: "unique keys probed", wins: "whether another tenant has a value", happens: "runs: keys hold the tenant; where one is the caller's own: 23505", tries: []try{
			{batch: []string{`insert into projects (id, name) overriding user value select n, 'p' || n || ' ' from generate_series(101, 200) n`, `select 1 / 0`}, code: "22012"},
			{sql: `insert into projects (name) values ('p1')`, code: "23505"}, {sql: `insert into todos (id, user_id, task) values (default, '` + globexMember + `', 'x') on conflict do nothing`, code: function}}},
		{name: "foreign keys probed", wins: "whether another tenant has a row", tries: []try{
			{sql: `insert into tasks (project) values (100000)`, code: "23503"}, {sql: `insert into tasks (tenant_id, project) values ('` + globex + `', 150)`, code: function},
			{sql: `insert into tasks (tenant_id, project) values ('` + globex + `', 100000)`, code: function}}},
		{name: "a deferred constraint that fails at the end", wins: "an answer of 200 for what is not kept", tries: []try{
			{sql: `insert into projects (name) values ('twice'), ('twice')`, code: "23505"}, {batch: []string{`insert into projects (name) values ('twice'), ('twice')`, `select 1`}, code: "23505"},
			{sql: `with i as (insert into projects (name) values ('twice'), ('twice') returning name) select name from i`, code: "23505"}, runs(`[["0"]]`, `select count(*) from projects where name = 'twice'`)},
			happens: "refused: 23505, and nothing is kept"},
		{name: "a statement that fails after rows were sent", wins: "half an answer", tries: []try{{sql: `select 1 / (900 - n) from generate_series(1, 1000) n`, code: "22012"},
			{batch: []string{`select email from users`, `select 1 / 0`}, code: "22012"}, {sql: `select n, 1 / (n - 3) from generate_series(1, 5) n`, code: "22012"}}},
		{name: "foreign rows guessed by an error or by time", wins: "their text, letter by letter", happens: onlyOwn, tries: []try{
			runs(`[["2"]]`, `select count(*) from users where 1 / (case when email like '%globex%' then 0 else 1 end) = 1`), runs(`[["2"]]`, `select count(*) from users where case when tenant_id <> auth.tenant_id() then email::int else 1 end = 1`),
			runs(`[["0"]]`, `select count(*) from todos where case when user_id <> auth.user_id() then 1 / length(left(task, 0)) else 0 end = 1`), runs(`[["2"]]`, `select count(*) from users where (select case when users.email like '`+"%7f3a%"+`' then 1 / (length(email) - length(email)) else 1 end) = 1`),
			{sql: `select count(*) from users where email::int = 1`, code: "22P02", says: "acme.example"}, {sql: `select auth.as_uuid(email)::text::int from users where email ~ 'x'`, rows: `*`}}},
		{name: "the seal key", wins: "to be anybody", tries: append(refused(function, `select inner_pad from rowpass.seal_keys`, `select * from rowpass.seal_keys for update`, `update rowpass.seal_keys set inner_pad = ''`,
			`insert into rowpass.seal_keys (inner_pad, outer_pad) values ('', '')`, `select 1 where exists (select from rowpass.seal_keys)`, `delete from rowpass.seal_keys`, `select * from only rowpass.seal_keys tablesample system (1)`),
			runs(`[["0"]]`, `select count(*) from pg_proc where prosrc ~ '[0-9a-f]{64}' and pronamespace in (select oid from pg_namespace where nspname in ('auth', 'rowpass'))`),
			runs(`[["0"]]`, `select count(*) from pg_proc where pg_get_functiondef(oid) ~ '[0-9a-f]{64}' and proname in ('session', 'impersonate', 'add_seal_key')`)), happens: "refused: 42501; the functions' source holds none"},
		{name: "one's own claims and seal read", wins: "to be oneself for a minute", happens: "runs", tries: []try{runs(`[["`+acmeMember+`"]]`, `select auth.user_id()`),
			runs(`[["v1"]]`, `select split_part(current_setting('request.jwt.seal'), '.', 1)`)}},
		{name: "passwords and logins", wins: "other logins", tries: append(refused(function, `select rolpassword from pg_authid`, `select * from pg_shadow`, `select * from pg_user_mapping`), runs(`[["0"]]`, `select count(*) from pg_roles where rolpassword <> '********'`),
			runs(`[["0"]]`, `select count(*) from pg_user where passwd <> '********'`)), happens: "refused: 42501; the views show asterisks"},
		{name: "statistics of columns", wins: "common values of foreign rows", happens: "runs, and shows none, indexes on expressions included", tries: append([]try{
			runs(`[["0"]]`, `select count(*) from pg_stats where schemaname <> 'pg_catalog' and schemaname <> 'information_schema'`), runs(`[["0"]]`, `select count(*) from pg_stats_ext`), runs(`[["0"]]`, `select count(*) from pg_stats_ext_exprs`)},
			refused(function, `select * from pg_statistic`, `select * from pg_statistic_ext_data`)...)},
		{name: "the catalogue", wins: "how tables and policies are named", happens: "runs: it is open to every role of a database, and shows no rows", tries: []try{
			runs("*", `select relname from pg_class`), runs("*", `select * from information_schema.columns`), runs("*", `select * from pg_policies`), runs("*", `select * from pg_roles`), runs(`[["0"]]`, `select count(*) from information_schema.enabled_roles where role_name <> 'authenticated'`)}},
		{name: "the order of policies and operators", wins: "a function of the caller's that sees rows first", happens: "refused: 0A000 to make one; those that are there run after the policy", tries: append(
			refused(unsupported, `create operator = (function = texteq, leftarg = text, rightarg = text)`, `create cast (text as uuid) with inout`, `create aggregate a (int) (sfunc = int4pl, stype = int)`),
			runs(`[["2"]]`, `select count(*) from users where email operator(pg_catalog.~) '.'`), runs(`[["0"]]`, `select count(*) from users where xmlserialize(content email::xml as text) like '%7f3a%'`))},
		{name: "XML that names files and addresses", wins: "the server's files", happens: "runs, and loads nothing", tries: []try{
			runs("*", `select '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'::xml::text not like '%root:%'`), runs(`[[null]]`, `select nullif(position('root:' in (xpath('/a/text()', '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'))::text), 0)`)}},
		{name: "a batch that may only read", wins: "a write all the same", tries: []try{
			{batch: []string{`delete from todos`}, headers: map[string]string{"Neon-Batch-Read-Only": "true"}, code: "25006"},
			{batch: []string{`with i as (insert into todos (task) values ('x') returning 1) select * from i`}, headers: map[string]string{"Neon-Batch-Read-Only": "true"}, code: "25006"}}},
		{name: "parameters too few, too many, of the wrong kind", wins: "a connection out of step", tries: []try{{sql: `select $1::int + $2`, params: []any{"1"}, code: "08P01"}, {sql: `select 1`, params: []any{"1"}, code: "08P01"},
			{sql: `select $1::int`, params: []any{"x"}, code: "22P02"}, {sql: `select $3`, params: []any{"x"}, code: "42P18"}, {sql: `select $0`, code: "42P02"}, {sql: `select $1::users`, params: []any{"(1)"}, code: "22P02"},
			{sql: `select $99999`, code: "54000"}}[:5]},
	}
}

func bearing(token func(*siege) string, role, says string) try {
	return try{sql: "select 1", token: token, headers: map[string]string{"Neon-Connection-String": "postgres://" + role + "@h/DATABASE"}, says: says}
}

func as(target, says string) try {
	return try{sql: "select 1", headers: map[string]string{"Neon-Connection-String": target}, says: says}
}

// requestAttacks are about who asks. The role anonymous is on.
func requestAttacks() []attack {
	nobody := func(*siege) string { return "" }
	altered := func(s *siege) string {
		head, rest, _ := strings.Cut(s.token(acmeMember, acme), ".")
		_, mac, _ := strings.Cut(s.token(globexMember, globex), ".")
		_ = rest
		return head + "." + mac[:len(mac)-8] + "AAAAAAAA"
	}
	roleless := func(s *siege) string { return s.token(acmeMember, acme) + "x" }
	return []attack{
		{name: "a bad token with the role anonymous", wins: "a run as anonymous", tries: []try{bearing(altered, "anonymous", "token"), bearing(roleless, "anonymous", "token"),
			bearing(func(*siege) string { return "null" }, "anonymous", ""), bearing(func(*siege) string { return "undefined" }, "anonymous", ""),
			bearing(func(*siege) string { return "eyJhbGciOiJub25lIn0.e30." }, "anonymous", ""), bearing(func(*siege) string { return "x y" }, "anonymous", ""),
			{sql: "select 1", token: nobody, headers: map[string]string{"Neon-Connection-String": "postgres://anonymous@h/DATABASE", "Authorization": "Bearer "}},
			{sql: "select 1", token: nobody, headers: map[string]string{"Neon-Connection-String": "postgres://anonymous@h/DATABASE", "Authorization": ""}},
			{sql: "select 1", token: nobody, headers: map[string]string{"Neon-Connection-String": "postgres://anonymous@h/DATABASE", "Authorization": "Basic eDp5"}}}},
		{name: "no token with another role", wins: "a run without claims", tries: []try{bearing(nobody, "authenticated", "missing authentication"), bearing(nobody, "authenticated:password", "missing"),
			bearing(nobody, "rowpass_owner", "missing"), bearing(nobody, "Anonymous", "missing")}},
		{name: "the rows of somebody without a token", wins: "rows of any tenant", happens: "runs as anonymous, and finds none", tries: []try{
			{sql: `select (select count(*) from users) + (select count(*) from todos) + (select count(*) from projects), coalesce(auth.user_id(), '-'), current_user`, token: nobody,
				headers: map[string]string{"Neon-Connection-String": "postgres://anonymous@h/DATABASE"}, rows: `[["0","-","anonymous"]]`}}},
		{name: "roles that are not offered", wins: "the owner's rows", tries: []try{as("postgres://rowpass_owner@h/DATABASE", "not offered"), as("postgres://rowpass_gateway@h/DATABASE", "not offered"),
			as("postgres://postgres@h/DATABASE", "not offered"), as("postgres://none@h/DATABASE", "not offered"), as("postgres://AUTHENTICATED@h/DATABASE", "not offered"), as("postgres://authenticated%20@h/DATABASE", "not offered"),
			as("postgres://authenticated%00@h/DATABASE", ""), as("postgres://pg_read_all_data@h/DATABASE", "not offered"), as("postgres://rowpass%5Fowner@h/DATABASE", "not offered")}},
		{name: "role names with SQL in them", wins: "a statement as the gateway", tries: []try{as("postgres://authenticated%27%3B%20set%20role%20none%3B--@h/DATABASE", "not offered"),
			as("postgres://authenticated%22%3Breset%20role@h/DATABASE", "not offered"), as("postgres://authenticated%2Canonymous@h/DATABASE", "not offered")}},
		{name: "a connection string with options", wins: "settings, another role, another server", happens: "runs: only role and database count", tries: []try{
			{sql: `select current_user, current_setting('statement_timeout'), current_setting('search_path')`, rows: `[["authenticated","5s","public, pg_temp"]]`,
				headers: map[string]string{"Neon-Connection-String": "postgresql://authenticated:x@other.example:1/DATABASE?options=-c%20role%3Drowpass_owner%20-c%20statement_timeout%3D0&host=/tmp&user=rowpass_owner&dbname=postgres&search_path=pg_temp&sslmode=disable"}}}},
		{name: "other databases", wins: "their rows", tries: []try{{sql: "select 1", headers: map[string]string{"Neon-Connection-String": "postgres://authenticated@h/postgres"}, code: "3D000"},
			{sql: "select 1", headers: map[string]string{"Neon-Connection-String": "postgres://authenticated@h/template1"}, code: "3D000"}, {sql: "select 1", headers: map[string]string{"Neon-Connection-String": "postgres://authenticated@h/DATABASE%27"}, code: "3D000"},
			{sql: "select 1", headers: map[string]string{"Neon-Connection-String": "postgres://authenticated@h/DATABASE%00"}, code: "3D000"}, {sql: `select * from postgres.public.users`, code: unsupported}}},
		{name: "connection strings that are none", wins: "a default role", tries: []try{as("", "neon-connection-string"), as("x", "scheme"), as("mysql://authenticated@h/DATABASE", "scheme"), as("postgres://h/DATABASE", "username"), as("postgres://@h/DATABASE", "username"),
			as("postgres://%zz@h/DATABASE", "invalid"), as("host=/tmp user=authenticated", "")}},
		{name: "headers that come twice", wins: "one role that is checked and another that runs", tries: []try{
			{sql: "select 1", twice: [2]string{"Neon-Connection-String", "postgres://rowpass_owner@h/x"}, says: "neon-connection-string"}, {sql: "select 1", twice: [2]string{"Authorization", "Bearer x"}, says: "more than one"}}},
		{name: "SQL in the batch's headers", wins: "a statement before the role is taken", tries: []try{header("isolation", "Neon-Batch-Isolation-Level", "Serializable; set role none"), header("isolation", "Neon-Batch-Isolation-Level", "serializable"),
			header("isolation", "Neon-Batch-Isolation-Level", "read committed, read write")}},
		{name: "a read-only batch with the header twice", wins: "a write that a proxy thought impossible", tries: []try{
			{batch: []string{`delete from todos`}, headers: map[string]string{"Neon-Batch-Read-Only": "true"}, twice: [2]string{"Neon-Batch-Read-Only", "false"}, code: "25006"}}},
		{name: "bodies that are read in two ways", wins: "a statement that was not checked", happens: "what is checked is what runs", tries: []try{
			{raw: `{"query":"select 1","query":"select set_config('role','none',true)"}`, code: function}, {raw: `{"query":"select 1","QUERY":"select set_config('role','none',true)"}`, code: function},
			{raw: `{"query":"select 1","queries":[{"query":"commit"}]}`, rows: `[["1"]]`}, {raw: `{"queries":[{"query":"select 1","query":"commit"}]}`, code: unsupported},
			{raw: `{"query":"select '\ud800'"}`, rows: "*"}, {raw: "{\"query\":\"select '\xff'\"}", says: "UTF-8"}}},
		{name: "bodies that are no queries", wins: "a panic", tries: []try{{raw: `{`}, {raw: `[]`}, {raw: `{"query":1}`}, {raw: `{"queries":{}}`}, {raw: `{"queries":null}`}, {raw: `{"query":null}`}, {raw: `{"query":"select $1","params":{}}`},
			{raw: `{"queries":[{"params":[]}]}`}, {raw: `{"query":"select $1","params":null}`}, {raw: `{"queries":[null]}`}, {raw: strings.Repeat("[", 20000)}, {raw: `{"query":"select 1"}{"query":"commit"}`}}},
		{name: "a token whose role may not be taken", wins: "another role by its claims", tries: []try{bearing(func(s *siege) string {
			return s.foreignRole()
		}, "authenticated", "")}},
	}
}

// limitAttacks run on a server with 700 ms for a request, 5,000 rows, 20 queries, 2 MiB in and 1 MiB out.
func limitAttacks() []attack {
	deep := func(open, inner, end string) string {
		return "select " + strings.Repeat(open, 20_000) + inner + strings.Repeat(end, 20_000)
	}
	slow := `select count(*) from generate_series(1, 1500000)`
	return []attack{
		{name: "endless recursion", wins: "a connection held for ever", tries: refused("57014", `with recursive r as (select 1 n union all select n + 1 from r) select count(*) from r`,
			`with recursive r as (select 1 n union all select n % 10 from r) select max(n) from r`)},
		{name: "endless series and products", wins: "a connection held for ever", tries: refused("57014", `select count(*) from generate_series(1, 100000000000)`,
			`select count(*) from generate_series(1, 100000) a, generate_series(1, 100000) b`)},
		{name: "a regular expression that never ends", wins: "a connection held for ever", tries: refused("57014", `select repeat('ab', 300) || 'x' ~ '^(.+)(.+)(.+)(.+)\4\3\2\1y?x$'`)},
		{name: "a batch of statements that are each within the time", wins: "a connection held for ever", tries: []try{{batch: []string{slow, slow, slow, slow, slow, slow, slow, slow, slow, slow, slow, slow, slow, slow, slow, slow, slow, slow, slow, slow}, code: "57014"}}},
		{name: "too many rows", wins: "rowpass' memory", tries: []try{{sql: `select generate_series(1, 100000000)`, status: 507}, {batch: []string{`select n from generate_series(1, 3000) n`, `select n from generate_series(1, 3000) n`}, status: 507}}},
		{name: "an answer that is too large", wins: "rowpass' memory", tries: []try{{sql: `select repeat('x', 1000) from generate_series(1, 4000)`, status: 507}, {sql: `select repeat(e'\x01', 500000)`, status: 507},
			{sql: `select 1 as "` + strings.Repeat("x", 60) + `" from generate_series(1, 5000)`, headers: map[string]string{"Neon-Array-Mode": "false"}, rows: "*"}}[:2]},
		{name: "one value that is too large", wins: "rowpass' memory", tries: []try{{sql: `select repeat('x', 17000000)`, status: 507}, {sql: `insert into todos (task) values (repeat('x', 3000000)) returning task`, code: "23514"},
			{sql: `select repeat('x', 1100000000)`, code: "54000"}}},
		{name: "an error that is too large", wins: "rowpass' memory", tries: []try{{sql: `select repeat('x', 17000000)::int`, status: 507}}},
		{name: "a statement that is too large", wins: "the parser's time and memory", tries: []try{{sql: "select '" + strings.Repeat("x", 1<<20) + "'", code: "54000"}, {sql: "select 1" + strings.Repeat(" ", 1<<20), code: "54000"},
			{sql: "select 1" + strings.Repeat(", 1", 300_000), code: "54000"}, {sql: "select 1" + strings.Repeat(", 1", 2000), code: "54011"}}},
		{name: "a request that is too large", wins: "rowpass' memory", tries: []try{{sql: "select $1", params: []any{strings.Repeat("x", 2<<20)}, status: 413}}},
		{name: "too many queries in a batch", wins: "a connection held", tries: []try{{batch: make([]string, 21), says: "20 queries"}}},
		{name: "65,536 parameters", wins: "a message that breaks the protocol", tries: []try{{sql: "select 1", params: make([]any, 65536), says: "65535"}, {sql: "select 1", params: make([]any, 65535), code: "08P01"}}},
		{name: "100,000 parentheses", wins: "the parser's stack", tries: refused("54001", "select "+strings.Repeat("(", 100_000)+"1"+strings.Repeat(")", 100_000), deep("(", "1", ")"), deep("(select ", "1", ")"), deep("not ", "true", ""), deep("- ", "1", ""), deep("array[", "1", "]"),
			deep("case when true then ", "1", " end"), deep("", "1", " + 1"), deep("1 union select ", "1", ""), deep("", "'a'", "::text"), deep("lower(", "'a'", ")"))},
		{name: "parameters nested 10,000 deep", wins: "rowpass' memory and time: each level copied once more", tries: []try{
			{raw: `{"query":"select $1::text[]","params":[` + strings.Repeat("[", 900) + `"x"` + strings.Repeat("]", 900) + `]}`, code: "54000"},
			{raw: `{"query":"select $1::jsonb","params":[{"a":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}]}`, rows: "*"}}, happens: "refused: 54000; as JSON it is PostgreSQL's to read"},
	}
}

// aloneAttacks need more than a request and its answer.
func aloneAttacks() []attack {
	return []attack{
		{name: "a client that hangs up", wins: "a statement that runs on, and a write after all", happens: "the statement is cancelled, and nothing of it is kept", do: hangUp},
		{name: "a transaction that collides with another", wins: "a change lost in silence", happens: "refused: 40001", do: collide},
		{name: "refusals without end", wins: "a new connection for each", happens: "the connection stays", do: refusals},
		{name: "more requests at once than a subject may have", wins: "all connections", happens: "refused: 429", do: crowd},
		{name: "a session changed by what the check should have refused", wins: "settings, locks, listeners and prepared statements for the next caller", happens: "discarded behind the request", do: pastTheCheck},
	}
}

func TestAttacksThatTakeMore(t *testing.T) {
	for _, a := range aloneAttacks() {
		t.Run(a.name, a.do)
	}
}

// active waits until the gateway has n statements under way in the test's database, waiting or not.
func (s *siege) active(t *testing.T, n int, waiting string) {
	t.Helper()
	const query = `select count(*) from pg_stat_activity where datname = $1 and usename = 'rowpass_gateway' and state <> 'idle' and query not like '%discard all%'
		and ($2 = '' or wait_event_type = $2)`
	conn := s.super
	for start := time.Now(); ; time.Sleep(2 * time.Millisecond) {
		var got int
		if err := conn.QueryRow(t.Context(), query, s.database.Name, waiting).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got == n {
			return
		}
		if time.Since(start) > 30*time.Second {
			t.Fatalf("%d statements under way %s, want %d", got, waiting, n)
		}
	}
}

// refusals must not cost a connection each, since making one takes longer than most statements.
func refusals(t *testing.T) {
	s := besiege(t, options{})
	before := s.backend(t)
	for _, x := range []try{{sql: `select 1 / 0`, code: "22012"}, {sql: `select`, rows: `[[]]`}, {sql: `select from nowhere`, code: "42P01"}, {sql: `select 1`, params: []any{"1"}, code: "08P01"},
		{batch: []string{`select 1`, `select 1 / 0`, `select 2`}, code: "22012"}, {sql: `insert into projects (name) values ('p'), ('p')`, code: "23505"}, {sql: `commit`, code: unsupported},
		{batch: []string{`insert into projects (name) values ('p'), ('p')`}, code: "23505"}} {
		s.stands(t, x)
	}
	if after := s.backend(t); after != before {
		t.Errorf("backend %d became %d", before, after)
	}
}

// backend is the process behind the server's one connection for callers' SQL.
func (s *siege) backend(t *testing.T) (pid int) {
	t.Helper()
	got, err := s.ask(t.Context(), try{sql: `select pg_backend_pid()`})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscanf(got.rows(t), `[["%d"]]`, &pid); err != nil {
		t.Fatalf("%d %s", got.status, got.body)
	}
	return pid
}

func hangUp(t *testing.T) {
	s := besiege(t, options{timeout: time.Minute})
	for _, x := range []try{
		{sql: `with n as (select count(*) from generate_series(1, 100000000000)) insert into todos (task) select 'late' from n`},
		{batch: []string{`insert into todos (task) values ('late')`, `select count(*) from generate_series(1, 100000000000)`}},
	} {
		ctx, leave := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := s.ask(ctx, x)
			done <- err
		}()
		s.active(t, 1, "")
		leave()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		s.active(t, 0, "")
		s.stands(t, runs(`[["0"]]`, `select count(*) from todos where task = 'late'`))
	}
}

func collide(t *testing.T) {
	s := besiege(t, options{timeout: time.Minute})
	owner := dbtest.Connect(t, s.database.OwnerURL)
	for _, level := range []string{"RepeatableRead", "Serializable"} {
		tx := must(owner.Begin(t.Context()))(t)
		if _, err := tx.Exec(t.Context(), `update users set name = name || '!' where id = $1`, acmeMember); err != nil {
			t.Fatal(err)
		}
		answers := make(chan answer)
		go func() {
			got, _ := s.ask(t.Context(), try{batch: []string{`select 1 from users`, `update users set name = 'mine' where id = auth.uid()`}, headers: map[string]string{"Neon-Batch-Isolation-Level": level}})
			answers <- got
		}()
		s.active(t, 1, "Lock")
		if err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := <-answers; got.code() != "40001" || got.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", level, got.status, got.body)
		}
		s.stands(t, runs(`[["0"]]`, `select count(*) from users where name = 'mine'`))
	}
}

func crowd(t *testing.T) {
	s := besiege(t, options{timeout: time.Minute, sqlConfig: func(c *api.SQLConfig) { c.PerSubject = 2 }})
	ctx, leave := context.WithCancel(t.Context())
	done := make(chan error)
	for range 2 {
		go func() { // until it has a place, which the requests below may have taken
			for {
				got, err := s.ask(ctx, try{sql: `select count(*) from generate_series(1, 100000000000)`})
				if err != nil || got.status != http.StatusTooManyRequests {
					done <- err
					return
				}
			}
		}()
	}
	for start := time.Now(); ; {
		got, err := s.ask(t.Context(), try{sql: "commit"}) // refused or too many, but never run
		if err != nil {
			t.Fatal(err)
		}
		if got.status == http.StatusTooManyRequests {
			break
		}
		if time.Since(start) > 30*time.Second {
			t.Fatalf("never too many: %d %s", got.status, got.body)
		}
	}
	leave()
	<-done
	<-done
	s.active(t, 0, "")
	s.unharmed(t)
}

// pastTheCheck takes the check away, and everything that a caller may then do to its session.
func pastTheCheck(t *testing.T) {
	s := besiege(t, options{sqlConfig: func(c *api.SQLConfig) {
		c.Rules["authenticated"] = api.SQLRole{Rules: &statement.Rules{Kinds: []statement.Kind{statement.KindAny}}}
	}})
	for _, sql := range []string{
		`select set_config('role', 'none', false), set_config('request.jwt.claims', '{}', false), set_config('request.jwt.seal', 'x', false)`,
		`set standard_conforming_strings = off`, `set search_path = pg_temp, auth`, `set default_transaction_read_only = on`, `set row_security = off`, `set statement_timeout = 1`, `set lock_timeout = 1`,
		`set idle_session_timeout = 1000000`, `set client_encoding = 'LATIN1'`, `set session characteristics as transaction isolation level serializable, read only, deferrable`, `set DateStyle = 'SQL, DMY'`, `set timezone = 'Asia/Tokyo'`,
		`set bytea_output = escape`, `set synchronous_commit = off`, `set work_mem = '1GB'`, `set application_name = 'x'`, `set role anonymous`, `reset role`, `set plan_cache_mode = force_custom_plan`,
		`update pg_settings set setting = 'off' where name = 'standard_conforming_strings'`, `prepare a as select 1`, `listen a`, `declare c cursor with hold for select 1`, `select pg_advisory_lock(7)`, `select pg_advisory_lock_shared(7, 8)`,
		`insert into todos (task) values ('x') returning currval('todos_id_seq')`, `do $$ begin perform set_config('role', 'none', false); end $$`,
	} {
		s.ask2(t, sql)
		s.unharmed(t)
	}
	for _, sql := range []string{`begin`, `commit`, `rollback`, `commit and chain`, `copy users to stdout`, `copy todos from stdin`, `savepoint a`} {
		s.stands(t, try{sql: sql, code: unsupported})
	}
}

// ask2 sends a statement by itself and in a batch. Whether it is carried out does not matter.
func (s *siege) ask2(t *testing.T, sql string) {
	t.Helper()
	for _, x := range []try{{sql: sql}, {batch: []string{sql, `select 1`}}} {
		if got, err := s.ask(t.Context(), x); err != nil || strings.Contains(got.body, mark) || got.status >= 500 {
			t.Errorf("%s: %d %s, %v", sql, got.status, got.body, err)
		}
	}
}
