package doctor_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"rowpass/db/dbtest"
)

const (
	benchTenants = 1_000
	benchRows    = 500 // of each tenant
	benchQuick   = 50  // queries of the quick one for each of the slow one
)

// BenchmarkMend: limit is a tenant's query of its rows, among half a million of a thousand tenants, under the policy that tutorials
// teach, which compares inside the sub-select; rowpass is the same query of the same rows after doctor's mend was run, here the mean
// of some. The two take turns, and the ratio is the median. Claims are sealed, as those of requests are, and each look at them checks that.
func BenchmarkMend(b *testing.B) {
	if testing.Short() {
		b.Skip("skipped: -short leaves the half million rows out")
	}
	d := dbtest.New(b)
	for _, table := range []string{"items", "mended"} {
		dbtest.Exec(b, d.OwnerURL,
			"create table public."+table+" (tenant_id uuid not null, id bigint not null, note text, primary key (tenant_id, id))",
			"alter table public."+table+" enable row level security",
			"create policy own on public."+table+" to authenticated using ((select auth.session() ->> 'tenant_id' = tenant_id::text))")
		fillTenants(b, d, table)
	}
	mended := 0
	for _, f := range examine(b, config(d)) {
		if f.Object == "public.mended policy own" {
			dbtest.Exec(b, d.OwnerURL, f.Mend)
			mended++
		}
	}
	if mended != 1 {
		b.Fatalf("doctor mends %d faults of the policy", mended)
	}
	tx := asTenant(b, d)
	timeOf(b, tx, "mended", benchQuick) // reads the table into memory
	var before, after, ratios []float64
	for b.Loop() {
		slow, fast := timeOf(b, tx, "items", 1), timeOf(b, tx, "mended", benchQuick)
		before, after, ratios = append(before, slow), append(after, fast), append(ratios, fast/slow)
	}
	b.ReportMetric(0, "ns/op")
	for unit, values := range map[string][]float64{"ratio": ratios, "limit-ns": before, "rowpass-ns": after} {
		slices.Sort(values)
		b.ReportMetric(values[len(values)/2], unit)
	}
}

// fillTenants adds rows whose tenants stand mixed, as they come in time.
func fillTenants(b *testing.B, d dbtest.Database, table string) {
	b.Helper()
	dbtest.Exec(b, d.OwnerURL,
		fmt.Sprintf(`insert into public.%s select ('c0000000-0000-4000-8000-' || lpad(t::text, 12, '0'))::uuid, n, 'a note of some words'
			from generate_series(1, %d) n, generate_series(1, %d) t`, table, benchRows, benchTenants),
		"vacuum analyze public."+table)
}

// asTenant is a transaction of a caller of one tenant.
func asTenant(b *testing.B, d dbtest.Database) pgx.Tx {
	b.Helper()
	tx, err := dbtest.Connect(b, d.OwnerURL).Begin(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	const claims = `{"sub": "u", "tenant_id": "c0000000-0000-4000-8000-000000000500"}`
	if _, err := tx.Exec(b.Context(), `select auth.impersonate($1::text::jsonb, 'authenticated')`, claims); err != nil {
		b.Fatal(err)
	}
	return tx
}

// timeOf is how long the caller waits for its rows, in nanoseconds.
func timeOf(b *testing.B, tx pgx.Tx, table string, queries int) float64 {
	b.Helper()
	begun := time.Now()
	for range queries {
		rows, err := tx.Query(b.Context(), "select id, note from public."+table)
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		for rows.Next() {
			n++
		}
		if rows.Err() != nil || n != benchRows {
			b.Fatalf("%d rows of %s: %v", n, table, rows.Err())
		}
	}
	return float64(time.Since(begun)) / float64(queries)
}
