package identity_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"rowpass/db/dbtest"
	"rowpass/identity"
)

const (
	benchEvents  = 2_000 // of one block
	benchCallers = 8
)

// BenchmarkEvents: limit is one bare insert a body, each committed, into a table with the inbox's key. rowpass takes the same bodies
// in with Accept, as an event of a user's tenth each, and has read them all when its block ends. lag-ns is how much later
// than its last Accept that was.
func BenchmarkEvents(b *testing.B) {
	d := dbtest.New(b)
	store := storeOf(b, d, func(c *identity.StoreConfig) { c.MaxConns = benchCallers + 2 }, clerkSource(b, "clerk", ""))
	running(b, store)
	bare := bareInbox(b, d)
	block := 0
	var limits, accepts, ours, lags, ratios []float64
	for b.Loop() {
		block++
		limit := eachOf(func(n int) { bare(fmt.Sprint(block, "-", n), benchBody(block, n)) })
		begun := time.Now()
		accepted := eachOf(func(n int) {
			if _, err := store.Accept(b.Context(), "clerk", identity.Message{ID: fmt.Sprint(block, "-", n), Body: benchBody(block, n)}); err != nil {
				b.Error(err)
			}
		})
		drained(b, store)
		all := time.Since(begun)
		limits, accepts = append(limits, perEvent(limit)), append(accepts, perEvent(accepted))
		ours, lags = append(ours, perEvent(all)), append(lags, float64(all-accepted))
		ratios = append(ratios, float64(all)/float64(limit))
	}
	b.ReportMetric(0, "ns/op")
	for unit, values := range map[string][]float64{"ratio": ratios, "limit-ns": limits, "accept-ns": accepts, "rowpass-ns": ours, "lag-ns": lags} {
		slices.Sort(values)
		b.ReportMetric(values[len(values)/2], unit)
	}
	b.ReportMetric(1e9/ours[len(ours)/2], "events/s")
}

func perEvent(d time.Duration) float64 { return float64(d) / benchEvents }

// eachOf calls f for each event of a block, some at a time, and says how long that took.
func eachOf(f func(n int)) time.Duration {
	begun := time.Now()
	numbers := make(chan int)
	var callers sync.WaitGroup
	for range benchCallers {
		callers.Go(func() {
			for n := range numbers {
				f(n)
			}
		})
	}
	for n := range benchEvents {
		numbers <- n
	}
	close(numbers)
	callers.Wait()
	return time.Since(begun)
}

func benchBody(block, n int) []byte {
	return clerkEvent("user.updated", fmt.Sprintf("user_%05d", n%200), fmt.Sprint("Name ", block, " ", n), minute(block).Add(time.Duration(n)*time.Millisecond))
}

func bareInbox(b *testing.B, d dbtest.Database) func(id string, body []byte) {
	b.Helper()
	dbtest.Exec(b, d.OwnerURL, `create table public.bare (source text, event_id text, body bytea, primary key (source, event_id))`)
	config, err := pgxpool.ParseConfig(d.OwnerURL)
	if err != nil {
		b.Fatal(err)
	}
	config.MaxConns, config.ConnConfig.DefaultQueryExecMode = benchCallers, pgx.QueryExecModeCacheStatement
	pool, err := pgxpool.NewWithConfig(b.Context(), config)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	return func(id string, body []byte) {
		if _, err := pool.Exec(b.Context(), "insert into public.bare values ($1, $2, $3)", "clerk", id, body); err != nil {
			b.Error(err)
		}
	}
}
