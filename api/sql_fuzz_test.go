package api_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzSQLRequest sends any body with any of the driver's headers: whatever comes back is JSON with one of few statuses, and
// says nothing of another tenant.
func FuzzSQLRequest(f *testing.F) {
	for _, body := range []string{
		`{"query":"select 1","params":[]}`, `{"query":"select $1::int[]","params":[[1,[2],null,"x\"\\",{"a":1}]]}`,
		`{"queries":[{"query":"select 1"},{"query":"select * from users","arrayMode":true}]}`, `{"queries":[]}`, `{"query":"","params":null}`,
		`{"query":"select '{1,2}'::int[], '[2:3]={a,NULL}'::text[], 'NaN'::float8, '{\"a\":1}'::json, null"}`, `{`, `[]`, `null`, `{"query":1}`,
		`{"query":"select (x).f from users x"}`, `{"query":"with a as (insert into todos(task) values ('x') returning id) select * from a"}`,
	} {
		f.Add([]byte(body), true, false, "Serializable", "postgresql://authenticated@localhost/DB")
		f.Add([]byte(body), false, true, "", "postgres://anonymous:x@[::1]:1/DB?options=-c%20role%3Dnone")
	}
	s := newServer(f, options{plain: true, sql: true, conns: 2})
	token := s.token(acmeMember, acme)
	f.Fuzz(func(t *testing.T, body []byte, raw, array bool, isolation, connection string) {
		r := httptest.NewRequest(http.MethodPost, "/sql", bytes.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header["Neon-Connection-String"] = []string{strings.ReplaceAll(connection, "DB", s.database.Name)}
		r.Header["Neon-Batch-Isolation-Level"] = []string{isolation}
		if raw {
			r.Header.Set("Neon-Raw-Text-Output", "true")
		}
		if array {
			r.Header.Set("Neon-Array-Mode", "true")
		}
		w := httptest.NewRecorder()
		s.Config.Handler.ServeHTTP(w, r)
		switch w.Code {
		case http.StatusOK, http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusTooManyRequests, http.StatusInsufficientStorage:
		default:
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
		if !json.Valid(w.Body.Bytes()) {
			t.Errorf("no JSON: %s", w.Body)
		}
		if strings.Contains(w.Body.String(), "globex") && !bytes.Contains(bytes.ToLower(body), []byte("globex")) {
			t.Errorf("another tenant's data: %s", w.Body)
		}
	})
}
