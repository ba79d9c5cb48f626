package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"rowpass/api"
	"rowpass/db/dbtest"
	"rowpass/statement"
)

// sql is a request as the driver sends it, by Acme's admin. More headers come in pairs; an empty value takes one away.
func (s *server) sql(body string, headers ...string) request {
	s.t.Helper()
	r := request{method: http.MethodPost, path: "/sql", token: s.token(acmeAdmin, acme), body: body, headers: map[string]string{
		"Content-Type": "text/plain;charset=UTF-8", "Neon-Connection-String": "postgresql://authenticated@db.example/" + s.database.Name,
		"Neon-Raw-Text-Output": "true", "Neon-Array-Mode": "true",
	}}
	for i := 0; i < len(headers); i += 2 {
		r.headers[headers[i]] = headers[i+1]
		if headers[i+1] == "" {
			delete(r.headers, headers[i])
		}
	}
	return r
}

// quote makes a JSON body of one statement.
func quote(sql string, params ...any) string {
	body, _ := json.Marshal(map[string]any{"query": sql, "params": append([]any{}, params...)})
	return string(body)
}

// field is a column of no table, as the answer describes it.
func field(name string, id, size int) string {
	return fmt.Sprintf(`{"name":%q,"dataTypeID":%d,"tableID":0,"columnID":0,"dataTypeSize":%d,"dataTypeModifier":-1,"format":"text"}`, name, id, size)
}

func TestSQLAnswersExactlyAsTheDriverReads(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{sql: true})
	objects := []string{"Neon-Array-Mode", ""}
	converted := []string{"Neon-Raw-Text-Output", ""}
	for _, line := range []struct {
		name    string
		body    string
		headers []string
		want    string
	}{
		{"a value", `{"query":"select 1 as a"}`, nil, `{"fields":[` + field("a", 23, 4) + `],"rows":[["1"]],"command":"SELECT","rowCount":1,"rowAsArray":true}`},
		{"as objects", `{"query":"select 1 as a, null as b"}`, objects,
			`{"fields":[` + field("a", 23, 4) + "," + field("b", 25, -1) + `],"rows":[{"a":"1","b":null}],"command":"SELECT","rowCount":1,"rowAsArray":false}`},
		{"the query's own mode counts", `{"query":"select 1 as a","arrayMode":false}`, nil,
			`{"fields":[` + field("a", 23, 4) + `],"rows":[{"a":"1"}],"command":"SELECT","rowCount":1,"rowAsArray":false}`},
		{"true is spelled true", `{"query":"select true as a"}`, []string{"Neon-Array-Mode", "TRUE", "Neon-Raw-Text-Output", "1"},
			`{"fields":[` + field("a", 16, 1) + `],"rows":[{"a":true}],"command":"SELECT","rowCount":1,"rowAsArray":false}`},
		{"two columns of a name", `{"query":"select 1 as a, 2 as a"}`, converted,
			`{"fields":[` + field("a", 23, 4) + "," + field("a", 23, 4) + `],"rows":[[1,2]],"command":"SELECT","rowCount":1,"rowAsArray":true}`},
		{"no columns", `{"query":"select from users"}`, nil, `{"fields":[],"rows":[[],[]],"command":"SELECT","rowCount":2,"rowAsArray":true}`},
		{"no columns, as objects", `{"query":"select from users"}`, objects, `{"fields":[],"rows":[{},{}],"command":"SELECT","rowCount":2,"rowAsArray":false}`},
		{"an insert", `{"query":"insert into todos (task) values ('a'), ('b')"}`, nil, `{"fields":[],"rows":[],"command":"INSERT","rowCount":2,"rowAsArray":true}`},
		{"an update", `{"query":"update todos set is_complete = true where task = $1","params":["a"]}`, nil, `{"fields":[],"rows":[],"command":"UPDATE","rowCount":1,"rowAsArray":true}`},
		{"a delete of nothing", `{"query":"delete from todos where task = 'c'"}`, nil, `{"fields":[],"rows":[],"command":"DELETE","rowCount":0,"rowAsArray":true}`},
		{"a merge", `{"query":"merge into todos t using (values ('m')) v (task) on t.task = v.task when not matched then insert (task) values (v.task)"}`, nil,
			`{"fields":[],"rows":[],"command":"MERGE","rowCount":1,"rowAsArray":true}`},
		{"nothing", `{"query":""}`, nil, `{"fields":[],"rows":[],"command":"","rowCount":null,"rowAsArray":true}`},
		{"a comment", `{"query":"-- nothing"}`, nil, `{"fields":[],"rows":[],"command":"","rowCount":null,"rowAsArray":true}`},
		{"a semicolon at the end", `{"query":"values (1);"}`, nil, `{"fields":[` + field("column1", 23, 4) + `],"rows":[["1"]],"command":"SELECT","rowCount":1,"rowAsArray":true}`},
		{"a query beside queries, and more keys", `{"queries":7,"query":"values (1)","unknown":{}}`, nil,
			`{"fields":[` + field("column1", 23, 4) + `],"rows":[["1"]],"command":"SELECT","rowCount":1,"rowAsArray":true}`},
		{"names and texts of any script", `{"query":"select $1 as \"ключ 🗝\"","params":["🐘\n\"é\\"]}`, objects,
			`{"fields":[` + field("ключ 🗝", 25, -1) + `],"rows":[{"ключ 🗝":"🐘\n\"é\\"}],"command":"SELECT","rowCount":1,"rowAsArray":false}`},
		{"a batch", `{"queries":[{"query":"values (1)"},{"query":"values (2)","arrayMode":false}]}`, nil, `{"results":[{"fields":[` + field("column1", 23, 4) +
			`],"rows":[["1"]],"command":"SELECT","rowCount":1,"rowAsArray":true},{"fields":[` + field("column1", 23, 4) + `],"rows":[{"column1":"2"}],"command":"SELECT","rowCount":1,"rowAsArray":false}]}`},
		{"an empty batch", `{"queries":[]}`, nil, `{"results":[]}`},
	} {
		got := s.do(s.sql(line.body, line.headers...))
		if diff := cmp.Diff(line.want, got.body); diff != "" || got.status != http.StatusOK {
			t.Errorf("%s: status %d, (-want +got)\n%s", line.name, got.status, diff)
		}
		if kind := got.header.Get("Content-Type"); kind != "application/json" {
			t.Errorf("%s: content type %q", line.name, kind)
		}
	}
}

func TestSQLDescribesColumnsOfTables(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{sql: true})
	var table int
	if err := dbtest.Connect(t, s.database.OwnerURL).QueryRow(t.Context(), "select 'todos'::regclass::oid::int").Scan(&table); err != nil {
		t.Fatal(err)
	}
	got := s.do(s.sql(`{"query":"select task, ctid, tableoid, is_complete::varchar(7) from todos where false"}`))
	want := fmt.Sprintf(`{"fields":[{"name":"task","dataTypeID":25,"tableID":%[1]d,"columnID":3,"dataTypeSize":-1,"dataTypeModifier":-1,"format":"text"},`+
		`{"name":"ctid","dataTypeID":27,"tableID":%[1]d,"columnID":-1,"dataTypeSize":6,"dataTypeModifier":-1,"format":"text"},`+
		`{"name":"tableoid","dataTypeID":26,"tableID":%[1]d,"columnID":-6,"dataTypeSize":4,"dataTypeModifier":-1,"format":"text"},`+
		`{"name":"is_complete","dataTypeID":1043,"tableID":0,"columnID":0,"dataTypeSize":-1,"dataTypeModifier":11,"format":"text"}],`+
		`"rows":[],"command":"SELECT","rowCount":0,"rowAsArray":true}`, table)
	if diff := cmp.Diff(want, got.body); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// rowsOf are the answer's rows as they came.
func rowsOf(t *testing.T, a answer) string {
	t.Helper()
	var o struct{ Rows json.RawMessage }
	if err := json.Unmarshal([]byte(a.body), &o); err != nil || a.status != http.StatusOK {
		t.Errorf("status %d: %s", a.status, a.body)
	}
	return string(o.Rows)
}

func TestSQLParametersReachPostgresAsText(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{sql: true})
	for _, line := range []struct{ name, param, want string }{
		{"null", `null`, `null`},
		{"a string", `"a'b\"c\\"`, `"a'b\"c\\"`},
		{"no text", `""`, `""`},
		{"a number keeps its digits", `12345678901234567890.10`, `"12345678901234567890.10"`},
		{"an exponent stays", `1E5`, `"1E5"`},
		{"booleans", `true`, `"true"`},
		{"an object is compact", `{ "a" : [1, "é\n"] }`, `"{\"a\":[1,\"é\\n\"]}"`},
		{"an empty array", `[]`, `"{}"`},
		{"an array", `[ 1, 2.50 , null, true]`, `"{1,2.50,NULL,true}"`},
		{"an array of strings", `["a b", "NULL", "", "q\"\\"]`, `"{\"a b\",\"NULL\",\"\",\"q\\\"\\\\\"}"`},
		{"a line break in an array stays one", `["a\nb"]`, `"{\"a\nb\"}"`},
		{"arrays in an array", `[[1,2],[3,[4]]]`, `"{{1,2},{3,{4}}}"`},
		{"an object in an array", `[{"a": 1}]`, `"{\"{\\\"a\\\":1}\"}"`},
	} {
		got := s.do(s.sql(`{"query":"select $1","params":[` + line.param + `]}`))
		want := `[[` + strings.ReplaceAll(line.want, "\n", `\n`) + `]]`
		if rows := rowsOf(t, got); rows != want {
			t.Errorf("%s: %s arrives as %s, want %s", line.name, line.param, rows, want)
		}
	}
	if rows := rowsOf(t, s.do(s.sql(quote("select $1::text[] = array[$2, null]", []any{"a,{b}\"\\\n", nil}, "a,{b}\"\\\n")))); rows != `[["t"]]` {
		t.Errorf("an array of awkward strings: %s", rows)
	}
}

func TestSQLConvertsValuesUnlessAskedForText(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{sql: true})
	dbtest.Exec(t, s.database.OwnerURL, "create type mood as enum ('sad', 'very happy')", "create domain small as int check (value < 10)")
	for _, line := range []struct{ sql, raw, converted string }{
		{"true", `"t"`, `true`},
		{"1::int2", `"1"`, `1`},
		{"-5", `"-5"`, `-5`},
		{"5::small", `"5"`, `5`},
		{"9007199254740993::int8", `"9007199254740993"`, `"9007199254740993"`},
		{"1.50", `"1.50"`, `"1.50"`},
		{"0.1::float8", `"0.1"`, `0.1`},
		{"1e300::float8", `"1e+300"`, `1e+300`},
		{"'NaN'::float4", `"NaN"`, `"NaN"`},
		{"'-infinity'::float8", `"-Infinity"`, `"-Infinity"`},
		{"null::int", `null`, `null`},
		{`'{"a": 1}'::json`, `"{\"a\": 1}"`, `{"a": 1}`},
		{`'[1,null]'::jsonb`, `"[1, null]"`, `[1, null]`},
		{"'2024-05-06'::date", `"2024-05-06"`, `"2024-05-06"`},
		{"'2024-05-06 07:08:09+02'::timestamptz", `"2024-05-06 05:08:09+00"`, `"2024-05-06 05:08:09+00"`},
		{"'36 hours'::interval", `"36:00:00"`, `"36:00:00"`},
		{`'\x00ff'::bytea`, `"\\x00ff"`, `"\\x00ff"`},
		{"'{1,NULL,3}'::int[]", `"{1,NULL,3}"`, `[1,null,3]`},
		{"'{}'::int[]", `"{}"`, `[]`},
		{"'{{1,2},{3,4}}'::int2[]", `"{{1,2},{3,4}}"`, `[[1,2],[3,4]]`},
		{"'[0:1]={t,f}'::bool[]", `"[0:1]={t,f}"`, `[true,false]`},
		{`array['a', 'b,c', 'NULL', '', '"\{}']`, `"{a,\"b,c\",\"NULL\",\"\",\"\\\"\\\\{}\"}"`, `["a","b,c","NULL","","\"\\{}"]`},
		{"array['very happy', 'sad', null]::mood[]", `"{\"very happy\",sad,NULL}"`, `["very happy","sad",null]`},
		{`array['{"a":"b"}', 'null']::json[]`, `"{\"{\\\"a\\\":\\\"b\\\"}\",\"null\"}"`, `[{"a":"b"},null]`},
		{"'{1.5,Infinity}'::float8[]", `"{1.5,Infinity}"`, `[1.5,"Infinity"]`},
		{"'{(1,1),(0,0);(3,3),(2,2)}'::box[]", `"{(1,1),(0,0);(3,3),(2,2)}"`, `["(1,1),(0,0)","(3,3),(2,2)"]`},
		{"''::int2vector", `""`, `""`},
		{"'1 2'::oidvector", `"1 2"`, `"1 2"`},
		{"row(1, 'a b')", `"(1,\"a b\")"`, `"(1,\"a b\")"`},
	} {
		body := quote("select " + line.sql)
		if rows := rowsOf(t, s.do(s.sql(body))); rows != "[["+line.raw+"]]" {
			t.Errorf("%s as text is %s, want %s", line.sql, rows, line.raw)
		}
		if rows := rowsOf(t, s.do(s.sql(body, "Neon-Raw-Text-Output", ""))); rows != "[["+line.converted+"]]" {
			t.Errorf("%s converted is %s, want %s", line.sql, rows, line.converted)
		}
	}
}

func TestSQLErrorsHaveTheDriversShape(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{sql: true})
	// node-postgres leaves out what is not there; null is that, "" would not be.
	want := map[string]any{
		"message": `new row for relation "todos" violates check constraint "todos_task_check"`, "code": "23514", "severity": "ERROR",
		"schema": "public", "table": "todos", "constraint": "todos_task_check", "file": "execMain.c", "routine": "ExecConstraints",
		"detail": nil, "hint": nil, "position": nil, "internalPosition": nil, "internalQuery": nil, "where": nil, "column": nil, "dataType": nil,
	}
	got := s.do(s.sql(`{"query":"insert into todos (task) values ('')"}`)).object(t)
	if line, ok := got["line"].(string); !ok || line == "" {
		t.Errorf("line is %v, want a string", got["line"])
	}
	delete(got, "line")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestSQLRefusesWhatItCannotRun(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{sql: true})
	const one = `{"query":"select 1"}`
	connection := func(c string) []string { return []string{"Neon-Connection-String", c} }
	for _, line := range []struct {
		name    string
		body    string
		headers []string
		says    string // empty: it is served
	}{
		{"a column that is not there", `{"query":"select é, nope from users"}`, nil, `"code":"42703"`},
		{"a place in characters", `{"query":"select 'é', nope from users"}`, nil, `"position":"13"`},
		{"a value of another type", quote("select $1::int", "x"), nil, `"code":"22P02"`},
		{"a parameter too few", `{"query":"select $1::int"}`, nil, `"code":"08P01"`},
		{"a parameter too many", quote("select 1", 1), nil, `"code":"08P01"`},
		{"a write in a batch that only reads", `{"queries":[{"query":"delete from todos"}]}`, []string{"Neon-Batch-Read-Only", "true"}, `"code":"25006"`},
		{"text with a NUL", quote("select $1", "a\x00b"), nil, `"code":"22021"`},
		{"two statements", `{"query":"select 1; select 2"}`, nil, `"message":"cannot insert multiple commands into a prepared statement","code":"42601"`},
		{"a kind that is not allowed", `{"query":"set role none"}`, nil, `"code":"0A000"`},
		{"a function that is not allowed", `{"query":"select pg_sleep(1)"}`, nil, `"position":"8"`},
		{"what the policy forbids", `{"query":"insert into todos (user_id, task) values ('x', 'y')"}`, nil, `"code":"42501"`},
		{"a parameter list of null", `{"query":"select 1","params":null}`, nil, `could not parse the HTTP request body`},
		{"parameters that are no list", `{"query":"select 1","params":{}}`, nil, `could not parse the HTTP request body`},
		{"an array of seven dimensions", quote("select $1", []any{[]any{[]any{[]any{[]any{[]any{[]any{}}}}}}}), nil, `"code":"54000"`},
		{"too many parameters", `{"query":"select 1","params":[0` + strings.Repeat(",0", 65535) + `]}`, nil, `a query may have 65535 parameters`},
		{"no query", `{"params":[]}`, nil, `could not parse the HTTP request body`},
		{"a query that is no text", `{"query":1}`, nil, `could not parse the HTTP request body`},
		{"queries that are no list", `{"queries":{}}`, nil, `could not parse the HTTP request body`},
		{"a batch with something else", `{"queries":[1]}`, nil, `could not parse the HTTP request body`},
		{"no JSON", `select 1`, nil, `could not parse the HTTP request body: no JSON at byte 1`},
		{"no body", ``, nil, `could not parse the HTTP request body`},
		{"bytes that are no UTF-8", "{\"query\":\"select '\xff'\"}", nil, `it is not UTF-8`},
		{"an isolation level of no kind", one, []string{"Neon-Batch-Isolation-Level", "serializable"}, `invalid isolation level`},
		{"no connection string", one, connection(""), `invalid header: neon-connection-string`},
		{"no connection string, and what to send", one, connection(""), `"hint":"Send the header once, such as Neon-Connection-String: postgresql://authenticated@localhost/` + s.database.Name + `; its user is the role."`},
		{"another scheme", one, connection("mysql://authenticated@h/" + s.database.Name), `incorrect scheme`},
		{"no user", one, connection("postgresql://db.example/" + s.database.Name), `missing username`},
		{"another role", one, connection("postgresql://rowpass_owner@h/" + s.database.Name), `is not offered to this token`},
		{"the role that serves", one, connection("postgresql://rowpass_gateway@h/" + s.database.Name), `is not offered to this token`},
		{"a role by upper case", one, connection("postgresql://AUTHENTICATED@h/" + s.database.Name), `is not offered to this token`},
		{"a user that is not encoded", one, connection("postgresql://%zz@h/" + s.database.Name), `not percent-encoded`},
		{"another database", one, connection("postgresql://authenticated@h/postgres"), `"message":"database \"postgres\" does not exist","code":"3D000"`},
		{"password, options and port", one, connection("postgres://authenticated:p^a%ss@[::1]:6543/" + s.database.Name + "?options=-c%20role%3Dnone&sslmode=require"), ""},
		{"several hosts", one, connection("postgresql://authenticated@a:1,b:2/" + s.database.Name), ""},
		{"an encoded user and database", one, connection("postgresql://%61uthenticated@h/%74" + s.database.Name[1:] + "?x#y"), ""},
		{"no database", one, connection("postgresql://authenticated@h"), ""},
		{"a batch's settings on one query", one, []string{"Neon-Batch-Read-Only", "true", "Neon-Pool-Opt-In", "true"}, ""},
	} {
		got := s.do(s.sql(line.body, line.headers...))
		status := http.StatusBadRequest
		if line.says == "" {
			status = http.StatusOK
		}
		if got.status != status || !strings.Contains(got.body, line.says) {
			t.Errorf("%s: %d %s, want %d and %s", line.name, got.status, got.body, status, line.says)
		}
	}
}

func TestSQLTakesNoBadTokenForNone(t *testing.T) {
	t.Parallel()
	open := newServer(t, options{sql: true, sqlConfig: func(c *api.SQLConfig) { c.Rules["anonymous"] = api.SQLRole{Rules: &statement.Rules{}} }})
	closed := newServer(t, options{sql: true})
	const (
		missing = "missing authentication credentials: required authorization bearer token in JWT format"
		invalid = "the token is not valid"
	)
	for _, line := range []struct {
		name          string
		s             *server
		role          string
		authorization string
		says          string
	}{
		{"no token", open, "authenticated", "", missing},
		{"no token for anonymous", open, "anonymous", "", `"rows":[[null,"anonymous"]]`},
		{"no token for anonymous, which is off", closed, "anonymous", "", missing},
		{"a bad token for anonymous", open, "anonymous", "Bearer x", invalid},
		{"an empty token for anonymous", open, "anonymous", "Bearer ", `"message"`},
		{"a password for anonymous", open, "anonymous", "Basic YTpi", `"message"`},
		{"a bad token", open, "authenticated", "Bearer x.y.z", invalid},
		{"a good token", closed, "authenticated", "Bearer " + closed.token(acmeMember, acme), `"rows":[["` + acmeMember + `","authenticated"]]`},
		{"a good token for anonymous, which is off", closed, "anonymous", "Bearer " + closed.token(acmeMember, acme), "is not offered to this token"},
	} {
		r := line.s.sql(`{"query":"select auth.user_id(), current_user"}`, "Neon-Connection-String", "postgresql://"+line.role+"@h/"+line.s.database.Name, "Authorization", line.authorization)
		r.token = ""
		got := line.s.do(r)
		status := http.StatusBadRequest // never 401: the driver reads nothing else
		if strings.Contains(line.says, "rows") {
			status = http.StatusOK
		}
		if got.status != status || !strings.Contains(got.body, line.says) {
			t.Errorf("%s: %d %s, want %d and %s", line.name, got.status, got.body, status, line.says)
		}
	}
}

func TestSQLAnswersBrowsersOfListedOrigins(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{sql: true, sqlConfig: func(c *api.SQLConfig) { c.AllowedOrigins = []string{"https://app.example"} }})
	for _, line := range []struct {
		name, method, body, origin, allowed string
		status                              int
	}{
		{"a listed origin's answer", "POST", `{"query":"select 1"}`, "https://app.example", "https://app.example", 200},
		{"its error, which the page is to read", "POST", `{"query":"selct 1"}`, "https://app.example", "https://app.example", 400},
		{"another origin", "POST", `{"query":"select 1"}`, "https://app.example.evil", "", 200},
		{"no page at all", "POST", `{"query":"select 1"}`, "", "", 200},
		{"a listed origin's question", "OPTIONS", "", "https://app.example", "https://app.example", 204},
		{"another origin's question", "OPTIONS", "", "https://evil.example", "", 204},
		{"GET", "GET", "", "https://app.example", "", 405},
		{"PUT", "PUT", `{"query":"select 1"}`, "", "", 405},
	} {
		r := s.sql(line.body, "Origin", line.origin)
		r.method = line.method
		got := s.do(r)
		if got.status != line.status || got.header.Get("Access-Control-Allow-Origin") != line.allowed {
			t.Errorf("%s: status %d for %q, want %d for %q", line.name, got.status, got.header.Get("Access-Control-Allow-Origin"), line.status, line.allowed)
		}
		if line.status == http.StatusMethodNotAllowed && got.header.Get("Allow") != "OPTIONS, POST" {
			t.Errorf("%s: Allow is %q", line.name, got.header.Get("Allow"))
		}
		if headers := got.header.Get("Access-Control-Allow-Headers"); line.status == http.StatusNoContent && line.allowed != "" {
			for _, name := range []string{"Authorization", "Neon-Connection-String", "Neon-Raw-Text-Output", "Neon-Array-Mode", "Neon-Batch-Deferrable"} {
				if !strings.Contains(headers, name) {
					t.Errorf("%s: Access-Control-Allow-Headers is %q, lacks %s", line.name, headers, name)
				}
			}
		}
	}
}

func TestSQLBatchIsOneTransaction(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{sql: true})
	const settings = `{"query":"select current_setting('transaction_isolation'), current_setting('transaction_read_only'), current_setting('transaction_deferrable')"}`
	for _, line := range []struct {
		level, readOnly, deferrable string
		want                        string
	}{
		{"", "", "", `["read committed","off","off"]`},
		{"ReadUncommitted", "false", "", `["read uncommitted","off","off"]`},
		{"ReadCommitted", "", "", `["read committed","off","off"]`},
		{"RepeatableRead", "true", "", `["repeatable read","on","off"]`},
		{"Serializable", "true", "true", `["serializable","on","on"]`},
	} {
		got := s.do(s.sql(`{"queries":[`+settings+`]}`, "Neon-Batch-Isolation-Level", line.level, "Neon-Batch-Read-Only", line.readOnly, "Neon-Batch-Deferrable", line.deferrable))
		got.check(t, http.StatusOK, []string{line.want}, nil)
		echoed := []string{got.header.Get("Neon-Batch-Isolation-Level"), got.header.Get("Neon-Batch-Read-Only"), got.header.Get("Neon-Batch-Deferrable")}
		want := []string{line.level, strings.TrimPrefix(line.readOnly, "false"), line.deferrable}
		if diff := cmp.Diff(want, echoed); diff != "" {
			t.Errorf("headers of %v (-want +got)\n%s", line, diff)
		}
	}
	s.do(s.sql(`{"queries":[{"query":"insert into todos (task) values ('kept')"},{"query":"insert into todos (task) values ('kept')"}]}`)).check(t, http.StatusOK, nil, nil)
	failed := s.do(s.sql(`{"queries":[{"query":"insert into todos (task) values ('lost')"},{"query":"select 1/0"},{"query":"select nope"}]}`))
	failed.check(t, http.StatusBadRequest, []string{`"code":"22012"`}, []string{"results", "nope"})
	refused := s.do(s.sql(`{"queries":[{"query":"insert into todos (task) values ('lost')"},{"query":"commit"}]}`))
	refused.check(t, http.StatusBadRequest, []string{`"code":"0A000"`}, nil)
	if rows := rowsOf(t, s.do(s.sql(quote("select task from todos where task in ('kept', 'lost')")))); rows != `[["kept"],["kept"]]` {
		t.Errorf("after a good and a bad batch there are %s", rows)
	}
}

// hold keeps a table locked, so that statements wait for as long as a test wants. The returned function lets them go.
func hold(t *testing.T, s *server, statements ...string) (release func()) {
	t.Helper()
	tx := must(dbtest.Connect(t, s.database.SuperuserURL).Begin(t.Context()))(t)
	for _, sql := range statements {
		if _, err := tx.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		if err := tx.Commit(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}
}

// waiting returns when that many of the database's statements wait for a lock.
func waiting(t *testing.T, conn *pgx.Conn, want int) {
	t.Helper()
	for got := -1; got != want; {
		const query = `select count(*) from pg_stat_activity, pg_sleep(0.005) where datname = current_database() and wait_event_type = 'Lock'`
		if err := conn.QueryRow(t.Context(), query).Scan(&got); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSQLIsolationIsInForce(t *testing.T) {
	t.Parallel()
	for _, line := range []struct {
		level string
		code  string // of what a concurrent change does
	}{
		{"ReadCommitted", ""},
		{"RepeatableRead", "40001"},
		{"Serializable", "40001"},
	} {
		s := newServer(t, options{sql: true})
		release := hold(t, s, "update todos set task = task")
		done := make(chan answer, 1)
		r := s.sql(`{"queries":[{"query":"select from todos"},{"query":"update todos set is_complete = true"}]}`, "Neon-Batch-Isolation-Level", line.level)
		go func() { done <- s.do(r) }()
		waiting(t, dbtest.Connect(t, s.database.SuperuserURL), 1)
		release()
		if got := <-done; line.code == "" {
			got.check(t, http.StatusOK, []string{`"command":"UPDATE","rowCount":2`}, nil)
		} else {
			got.check(t, http.StatusBadRequest, []string{`"code":"` + line.code + `"`}, nil)
		}
	}
}

func TestSQLLimitsAreOurs(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{sql: true, conns: 1, sqlConfig: func(c *api.SQLConfig) {
		c.MaxRows, c.MaxResponseBytes, c.MaxRequestBytes, c.MaxQueries = 10, 2000, 1000, 3
	}})
	rows := func(n int) string { return fmt.Sprintf(`{"query":"select generate_series(1, %d)"}`, n) }
	for _, line := range []struct {
		name, body string
		status     int
		says       string
	}{
		{"as many rows as allowed", rows(10), 200, `["10"]`},
		{"one more", rows(11), 507, `{"message":"more than 10 rows (sql.max_rows); add a limit to the query"}`},
		{"more than anybody could hold", rows(1_000_000_000), 507, `more than 10 rows`},
		{"one more, of a batch", `{"queries":[` + rows(6) + `,` + rows(5) + `]}`, 507, `more than 10 rows`},
		{"a large value", quote("select repeat('x', 3000)"), 507, `{"message":"response is too large (max is 2000 bytes)"}`},
		{"large values of a batch", `{"queries":[` + quote("select repeat('x', 900)") + `,` + quote("select repeat('x', 900)") + `]}`, 507, `response is too large`},
		{"many columns", quote("select " + strings.Repeat("1,", 30) + "1"), 507, `response is too large`},
		{"a batch as large as allowed", `{"queries":[{"query":""},{"query":""},{"query":""}]}`, 200, `"results"`},
		{"one more query", `{"queries":[{"query":""},{"query":""},{"query":""},{"query":""}]}`, 400, `a batch may have 3 queries (sql.max_queries)`},
		{"a large request", quote("select 1", strings.Repeat("x", 1000)), 413, `{"message":"request is too large (max is 1000 bytes)"}`},
		{"what came before does no harm", rows(1), 200, `["1"]`},
	} {
		got := s.do(s.sql(line.body))
		if got.status != line.status || !strings.Contains(got.body, line.says) {
			t.Errorf("%s: %d %.300s, want %d and %s", line.name, got.status, got.body, line.status, line.says)
		}
	}
}

func TestSQLCountsWhatACallerRunsAtOnce(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{sql: true, sqlConfig: func(c *api.SQLConfig) { c.PerSubject = 1 }})
	release := hold(t, s, "lock table todos")
	done := make(chan answer, 1)
	r := s.sql(quote("select count(*) from todos"))
	go func() { done <- s.do(r) }()
	waiting(t, dbtest.Connect(t, s.database.SuperuserURL), 1)
	second := s.do(s.sql(quote("select 1")))
	second.check(t, http.StatusTooManyRequests, []string{`"message"`}, nil)
	if second.header.Get("Retry-After") == "" {
		t.Error("429 does not say when to come again")
	}
	other := s.sql(quote("select 1"))
	other.token = s.token(globexAdmin, globex)
	s.do(other).check(t, http.StatusOK, nil, nil)
	release()
	(<-done).check(t, http.StatusOK, nil, nil)
	s.do(s.sql(quote("select 1"))).check(t, http.StatusOK, nil, nil)
}

func TestSQLStopsWhatNobodyWaitsFor(t *testing.T) {
	t.Parallel()
	for _, line := range []struct {
		name    string
		timeout time.Duration
		hangUp  bool
	}{
		{"the caller hangs up", time.Minute, true},
		{"the time is over", 200 * time.Millisecond, false},
	} {
		t.Run(line.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, options{sql: true, conns: 1, timeout: line.timeout})
			release := hold(t, s, "lock table todos")
			watch := dbtest.Connect(t, s.database.SuperuserURL)
			ctx, hangUp := context.WithCancel(t.Context())
			defer hangUp()
			done := make(chan answer, 1)
			r := s.sql(quote("insert into todos (task) values ('late')"))
			go func() { done <- s.attempt(ctx, r) }()
			if line.hangUp {
				waiting(t, watch, 1)
				hangUp()
				<-done
			} else {
				(<-done).check(t, http.StatusBadRequest, []string{`"code":"57014"`, "sql.timeout"}, nil)
			}
			waiting(t, watch, 0)
			release()
			if rows := rowsOf(t, s.do(s.sql(quote("select count(*) from todos where task = 'late'")))); rows != `[["0"]]` {
				t.Errorf("the row appears all the same: %s", rows)
			}
		})
	}
}

// attempt is send for a request that may come to nothing.
func (s *server) attempt(ctx context.Context, r request) (a answer) {
	req := must(http.NewRequestWithContext(ctx, r.method, s.URL+r.path, strings.NewReader(r.body)))(s.t)
	req.Header.Set("Authorization", "Bearer "+r.token)
	for name, value := range r.headers {
		req.Header.Set(name, value)
	}
	resp, err := s.Client().Do(req)
	if err != nil {
		return answer{}
	}
	defer func() { _ = resp.Body.Close() }()
	var b strings.Builder
	_ = resp.Write(&b)
	return answer{resp.StatusCode, resp.Header, b.String()}
}

// TestSQLLeavesNothingBehind lets a caller run any statement, since what the default ones leave is nothing to begin with.
func TestSQLLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{sql: true, conns: 1, sqlConfig: func(c *api.SQLConfig) {
		c.Rules["authenticated"] = api.SQLRole{Rules: &statement.Rules{Kinds: []statement.Kind{statement.KindAny}}}
	}})
	dbtest.Exec(t, s.database.OwnerURL, "create sequence numbers", "grant usage on sequence numbers to authenticated")
	const look = `select pg_backend_pid(), current_user, auth.user_id(), coalesce(current_setting('a.b', true), ''), current_setting('search_path'), current_setting('work_mem'),
		(select count(*) from pg_prepared_statements), (select count(*) from pg_cursors), (select count(*) from pg_listening_channels()),
		(select count(*) from pg_locks where locktype = 'advisory')`
	found := func() string {
		r := s.sql(quote(look))
		r.token = s.token(globexAdmin, globex)
		return rowsOf(t, s.do(r))
	}
	before := found()
	for _, sql := range []string{
		"set a.b = 'c'", "select set_config('a.b', 'c', false)", "set search_path = pg_catalog", "set session work_mem = '1MB'", "reset role", "set session role none",
		"prepare p as select 1", "declare c cursor with hold for select 1", "listen acme", "select pg_advisory_lock(7)", "select nextval('numbers')",
	} {
		s.do(s.sql(quote(sql))).check(t, http.StatusOK, nil, nil)
		if after := found(); after != before {
			t.Errorf("after %s the next caller finds %s, want %s", sql, after, before)
		}
		body, _ := json.Marshal(map[string]any{"queries": []any{map[string]any{"query": sql}, map[string]any{"query": "select 1/0"}}})
		s.do(s.sql(string(body))).check(t, http.StatusBadRequest, []string{"22012"}, nil)
		if after := found(); after != before {
			t.Errorf("after a failed batch with %s the next caller finds %s, want %s", sql, after, before)
		}
	}
	s.do(s.sql(quote("select lastval()"))).check(t, http.StatusBadRequest, []string{`"code":"55000"`}, nil)
}

// TestSQLServesTablesOfTheGuides makes tables as the documentation says and as drizzle-kit does with crudPolicy and authUid.
func TestSQLServesTablesOfTheGuides(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{sql: true})
	page, err := os.ReadFile("../docs/sql-over-http.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(page), "```sql\n")
	block, _, _ = strings.Cut(block, "```")
	const authUID = `(select auth.user_id() = "guide"."user_id")`
	dbtest.Exec(t, s.database.OwnerURL, append(strings.Split(strings.TrimSpace(block), ";\n"),
		`create table guide (id bigint generated by default as identity, user_id text default (auth.user_id()) not null, body text not null, primary key (user_id, id))`,
		`alter table guide enable row level security`,
		`create policy "crud-authenticated-policy-select" on guide as permissive for select to "authenticated" using (`+authUID+`)`,
		`create policy "crud-authenticated-policy-insert" on guide as permissive for insert to "authenticated" with check (`+authUID+`)`,
		`create policy "crud-authenticated-policy-update" on guide as permissive for update to "authenticated" using (`+authUID+`) with check (`+authUID+`)`,
		`create policy "crud-authenticated-policy-delete" on guide as permissive for delete to "authenticated" using (`+authUID+`)`)...)
	for _, table := range []string{"notes", "guide"} {
		// As Drizzle writes it, with every column.
		insert := `insert into "` + table + `" ("id", "user_id", "body") values (default, default, $1) returning "user_id"`
		if rows := rowsOf(t, s.do(s.sql(quote(insert, "mine")))); rows != `[["`+acmeAdmin+`"]]` {
			t.Errorf("%s: the row belongs to %s", table, rows)
		}
		other := s.sql(quote("select count(*) from " + table))
		other.token = s.token(acmeMember, acme)
		if rows := rowsOf(t, s.do(other)); rows != `[["0"]]` {
			t.Errorf("%s: another user finds %s", table, rows)
		}
	}
}
