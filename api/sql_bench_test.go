package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"rowpass/db/dbtest"
)

const benchSQL = "select id, name, email from users order by users.id limit 20"

// BenchmarkSQL: limit is a bare net/http handler that sends the same statement unnamed in one pgx message, on policies that
// believe unsealed claims, and encodes the rows' text with encoding/json; it checks no token and no statement, and cleans
// nothing up behind it.
func BenchmarkSQL(b *testing.B) {
	d := dbtest.New(b)
	fillDirectory(b, d, 500, 20)
	s := newServer(b, options{plain: true, sql: true, database: &d})
	bare := bareSQL(b)
	raw := s.token(acmeMember, fillTenant(250))
	connection := "postgresql://authenticated@localhost/" + d.Name
	body := fmt.Sprintf(`{"query":%q,"params":[]}`, benchSQL)
	sideBySide(b, 20, post(b, bare, "/", body, "", ""), post(b, s.Server, "/sql", body, raw, connection))
}

// post is one POST over a kept connection.
func post(b *testing.B, s *httptest.Server, path, body, raw, connection string) func() {
	b.Helper()
	return func() {
		req := must(http.NewRequest(http.MethodPost, s.URL+path, strings.NewReader(body)))(b)
		req.Header.Set("Authorization", "Bearer "+raw)
		req.Header.Set("Neon-Connection-String", connection)
		req.Header.Set("Neon-Raw-Text-Output", "true")
		req.Header.Set("Neon-Array-Mode", "true")
		resp := must(s.Client().Do(req))(b)
		n := must(io.Copy(io.Discard, resp.Body))(b)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK || n < 500 {
			b.Fatalf("status %d with %d bytes", resp.StatusCode, n)
		}
	}
}

// bareSQL is BenchmarkSQL's limit.
func bareSQL(b *testing.B) *httptest.Server {
	b.Helper()
	unsealed := dbtest.New(b)
	fillDirectory(b, unsealed, 500, 20)
	dbtest.Exec(b, unsealed.OwnerURL, believing)
	pool := must(pgxpool.New(b.Context(), unsealed.GatewayURL))(b)
	b.Cleanup(pool.Close)
	claims := fmt.Appendf(nil, `{"sub":%q,"tenant_id":%q}`, acmeMember, fillTenant(250))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var query struct{ Query string }
		if err := json.NewDecoder(r.Body).Decode(&query); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		rows, err := bareStatement(r.Context(), pool, claims, query.Query)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"rows": rows})
	}))
	b.Cleanup(s.Close)
	return s
}

func bareStatement(ctx context.Context, pool *pgxpool.Pool, claims []byte, sql string) (rows [][]string, err error) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Release()
	p := conn.Conn().PgConn().StartPipeline(ctx)
	p.SendQueryParams(`select set_config('request.jwt.claims', $1, true), set_config('role', 'authenticated', true)`, [][]byte{claims}, nil, nil, nil)
	p.SendQueryParams(sql, nil, nil, nil, nil)
	if err := p.Sync(); err != nil {
		return nil, err
	}
	for range 2 {
		results, err := p.GetResults()
		if err != nil {
			return nil, err
		}
		rows = rows[:0]
		for r := results.(*pgconn.ResultReader); r.NextRow(); {
			row := make([]string, len(r.Values()))
			for i, v := range r.Values() {
				row[i] = string(v)
			}
			rows = append(rows, row)
		}
	}
	return rows, p.Close()
}
