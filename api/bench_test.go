package api_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"rowpass/db"
	"rowpass/db/dbtest"
	"rowpass/keys"
	"rowpass/token"
)

// Each benchmark runs rowpass and its limit in turn, a block of one and a block of the other, so that whatever else the
// machine does meets both. The ratio is the median over the blocks; below 1 rowpass is the faster one.
func sideBySide(b *testing.B, block int, limit, rowpass func()) {
	b.Helper()
	limit()
	rowpass()
	var limits, ours []float64
	var ratios []float64
	for b.Loop() {
		l, r := timeBlock(block, limit), timeBlock(block, rowpass)
		limits, ours, ratios = append(limits, l), append(ours, r), append(ratios, r/l)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(median(limits), "limit-ns")
	b.ReportMetric(median(ours), "rowpass-ns")
	b.ReportMetric(testing.AllocsPerRun(100, limit), "limit-allocs")
	b.ReportMetric(testing.AllocsPerRun(100, rowpass), "rowpass-allocs")
}

func timeBlock(calls int, f func()) float64 {
	start := time.Now()
	for range calls {
		f()
	}
	return float64(time.Since(start)) / float64(calls)
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// BenchmarkIssue: limit is the bare ECDSA signature.
func BenchmarkIssue(b *testing.B) {
	iss := newIssuer(b, newRing(b), issuer)
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(b)
	digest := sha256.Sum256([]byte("claims"))
	sideBySide(b, 20, func() {
		must(ecdsa.SignASN1(rand.Reader, key, digest[:]))(b)
	}, func() {
		_, _, err := iss.Issue(token.Grant{Subject: acmeAdmin, Tenant: acme, ClientID: token.ClientDemo})
		must(0, err)(b)
	})
}

func bareVerification(b *testing.B) func() {
	b.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(b)
	digest := sha256.Sum256([]byte("claims"))
	signature := must(ecdsa.SignASN1(rand.Reader, key, digest[:]))(b)
	return func() {
		if !ecdsa.VerifyASN1(&key.PublicKey, digest[:], signature) {
			b.Fatal("the signature does not verify")
		}
	}
}

// BenchmarkVerifyFirst: limit is the bare ECDSA verification; the token has not been seen before.
func BenchmarkVerifyFirst(b *testing.B) {
	ring := newRing(b)
	iss := newIssuer(b, ring, issuer)
	verifier := must(token.NewVerifier(token.VerifierConfig{
		Issuer: issuer, Audience: audience, Ring: func() keys.Ring { return ring }, Now: time.Now, CacheSize: 1,
	}))(b)
	var tokens []string
	for range 8 {
		raw, _, err := iss.Issue(token.Grant{Subject: acmeAdmin, Tenant: acme, ClientID: token.ClientDemo})
		tokens = append(tokens, must(raw, err)(b))
	}
	i := 0
	sideBySide(b, 20, bareVerification(b), func() {
		i++
		must(verifier.Verify(context.Background(), tokens[i%len(tokens)]))(b)
	})
}

// BenchmarkVerifyAgain: limit is the bare ECDSA verification, which a token needs once in its life.
func BenchmarkVerifyAgain(b *testing.B) {
	ring := newRing(b)
	verifier := newVerifier(b, ring)
	raw, _, err := newIssuer(b, ring, issuer).Issue(token.Grant{Subject: acmeAdmin, Tenant: acme, ClientID: token.ClientDemo})
	must(raw, err)(b)
	sideBySide(b, 20, bareVerification(b), func() {
		must(verifier.Verify(context.Background(), raw))(b)
	})
}

// BenchmarkJWKS: limit is a bare net/http handler that writes the same bytes.
func BenchmarkJWKS(b *testing.B) {
	s := newServer(b, options{plain: true})
	body := s.ring.JWKS()
	bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/jwk-set+json")
		_, _ = w.Write(body)
	}))
	defer bare.Close()
	sideBySide(b, 20, fetch(b, bare, "/.well-known/jwks.json", ""), fetch(b, s.Server, "/.well-known/jwks.json", ""))
}

// BenchmarkUsers: limit is a bare net/http handler with the same SQL in one pgx batch and encoding/json, on policies that
// believe unsealed claims, without verifying a token, logging or counting.
func BenchmarkUsers(b *testing.B) {
	d := dbtest.New(b)
	fillDirectory(b, d, 500, 20)
	s := newServer(b, options{plain: true, database: &d})
	bare := bareUsers(b, d)
	raw := s.token(acmeMember, fillTenant(250))
	sideBySide(b, 20, fetch(b, bare, "/", ""), fetch(b, s.Server, "/api/users", raw))
}

// BenchmarkUsersOfAMillion: limit is rowpass itself with a thousand users in ten tenants; rowpass here has a million in
// ten thousand. The ratio is what the growth costs.
func BenchmarkUsersOfAMillion(b *testing.B) {
	if testing.Short() {
		b.Skip("skipped: -short leaves the million rows out")
	}
	small, large := dbtest.New(b), dbtest.New(b)
	fillDirectory(b, small, 10, 100)
	fillDirectory(b, large, 10_000, 100)
	s, l := newServer(b, options{plain: true, database: &small}), newServer(b, options{plain: true, database: &large})
	path := "/api/users?limit=20"
	sideBySide(b, 20, fetch(b, s.Server, path, s.token(acmeMember, fillTenant(5))), fetch(b, l.Server, path, l.token(acmeMember, fillTenant(5000))))
}

// fetch is one GET over a kept connection.
func fetch(b *testing.B, s *httptest.Server, path, raw string) func() {
	b.Helper()
	return func() {
		req := must(http.NewRequest(http.MethodGet, s.URL+path, nil))(b)
		if raw != "" {
			req.Header.Set("Authorization", "Bearer "+raw)
		}
		resp := must(s.Client().Do(req))(b)
		n := must(io.Copy(io.Discard, resp.Body))(b)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK || n < 100 {
			b.Fatalf("status %d with %d bytes", resp.StatusCode, n)
		}
	}
}

func fillTenant(n int) string { return fmt.Sprintf("c0000000-0000-4000-8000-%012d", n) }

// fillDirectory adds tenants with users, as a superuser without triggers, which would take minutes.
func fillDirectory(b *testing.B, d dbtest.Database, tenants, users int) {
	b.Helper()
	conn := dbtest.Connect(b, d.SuperuserURL)
	for _, statement := range []string{
		`set session_replication_role = replica`,
		fmt.Sprintf(`insert into tenants (id, name) select ('c0000000-0000-4000-8000-' || lpad(t::text, 12, '0'))::uuid, 'Tenant ' || t from generate_series(1, %d) t`, tenants),
		fmt.Sprintf(`insert into users (id, tenant_id, name, email, settings) select gen_random_uuid(),
			('c0000000-0000-4000-8000-' || lpad(t::text, 12, '0'))::uuid, 'User ' || u, 'u' || u || '@tenant' || t || '.example', '{"theme": "dark"}'
			from generate_series(1, %d) t, generate_series(1, %d) u`, tenants, users),
		`vacuum analyze tenants`, `vacuum analyze users`,
	} {
		must(conn.Exec(b.Context(), statement))(b)
	}
}

// believing is the function of the policies as it would be without a seal.
const believing = `create or replace function auth.tenant_id() returns uuid language sql stable parallel safe
	return (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'tenant_id')::uuid`

// bareUsers is BenchmarkUsers' limit, on a copy of the database whose policies believe whatever claims are set.
func bareUsers(b *testing.B, d dbtest.Database) *httptest.Server {
	b.Helper()
	unsealed := dbtest.New(b)
	fillDirectory(b, unsealed, 500, 20)
	dbtest.Exec(b, unsealed.OwnerURL, believing)
	config := must(pgxpool.ParseConfig(unsealed.GatewayURL))(b)
	config.MaxConns = 4
	pool := must(pgxpool.NewWithConfig(b.Context(), config))(b)
	b.Cleanup(pool.Close)
	claims := fmt.Sprintf(`{"sub":%q,"tenant_id":%q}`, acmeMember, fillTenant(250))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		users, err := bareQuery(r.Context(), pool, claims)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"users": users, "next": nil})
	}))
	b.Cleanup(s.Close)
	return s
}

type bareUser struct {
	ID        string          `json:"id"`
	TenantID  string          `json:"tenant_id"`
	Name      string          `json:"name"`
	Email     string          `json:"email"`
	Role      string          `json:"role"`
	Settings  json.RawMessage `json:"settings"`
	CreatedAt time.Time       `json:"created_at"`
	UpdatedAt time.Time       `json:"updated_at"`
}

func bareQuery(ctx context.Context, pool *pgxpool.Pool, claims string) (users []bareUser, err error) {
	var batch pgx.Batch
	batch.Queue(`select set_config('request.jwt.claims', $1, true), set_config('role', 'authenticated', true)`, claims)
	batch.Queue(`select id, tenant_id, name, email, role, settings, created_at, updated_at
		from public.users where id > $1 order by users.id limit $2`, db.UUID{}, 101).Query(func(rows pgx.Rows) error {
		users, err = pgx.CollectRows(rows, pgx.RowToStructByPos[bareUser])
		return err
	})
	err = pool.SendBatch(ctx, &batch).Close()
	return users, err
}
