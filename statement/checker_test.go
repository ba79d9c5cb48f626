package statement_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	pg_query "github.com/wasilibs/go-pgquery"

	"rowpass/statement"
)

func newWith(t testing.TB, c statement.Config) *statement.Checker {
	t.Helper()
	checker, err := statement.NewChecker(c)
	if err != nil {
		t.Fatal(err)
	}
	return checker
}

func until(t *testing.T, condition func() bool) {
	t.Helper()
	for !condition() {
		if t.Context().Err() != nil {
			t.Fatal(t.Context().Err())
		}
		runtime.Gosched()
	}
}

func TestSizesMustNotBeNegative(t *testing.T) {
	for _, c := range []statement.Config{{CacheSize: -1}, {MaxLength: -1}, {Parsers: -1}} {
		if _, err := statement.NewChecker(c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}

func TestWhatManyAskAtOnceIsCheckedOnce(t *testing.T) {
	c := newWith(t, statement.Config{Parsers: 1})
	release := c.Hold()
	var all sync.WaitGroup
	errs := make(chan error, 50)
	for range cap(errs) {
		all.Go(func() { errs <- c.Check(t.Context(), "select set_config('a', 'b', true)", nil) })
	}
	until(t, func() bool { return c.Flights() == 1 })
	release()
	all.Wait()
	close(errs)
	for err := range errs {
		wantRefusal(t, err, "together", "42501", "set_config")
	}
	if c.Flights() != 0 || c.Remembered() != 1 {
		t.Errorf("%d flights, %d verdicts", c.Flights(), c.Remembered())
	}
}

func TestWhoGivesUpLeavesTheOthersTheirVerdict(t *testing.T) {
	c := newWith(t, statement.Config{Parsers: 1})
	release := c.Hold()
	ctx, cancel := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { first <- c.Check(ctx, "select 1", nil) }()
	until(t, func() bool { return c.Flights() == 1 })
	go func() { second <- c.Check(t.Context(), "select 1", nil) }()
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("gave up, but got %v", err)
	}
	release()
	if err := <-second; err != nil {
		t.Errorf("the other one got %v", err)
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	c := newWith(t, statement.Config{Parsers: 1})
	defer c.Hold()()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, sql := range []string{"select 1", "select 1" + strings.Repeat(", 1", 20_000)} {
		if err := c.Check(ctx, sql, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("%.20s: %v", sql, err)
		}
	}
	if c.Remembered() != 0 {
		t.Error("what wasn't checked is remembered")
	}
}

func TestVerdictsAreKeptUpToABound(t *testing.T) {
	c := newWith(t, statement.Config{CacheSize: 10})
	for i := range 30 {
		for range 2 {
			if err := c.Check(t.Context(), fmt.Sprintf("select %d", i), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	if c.Remembered() != 10 {
		t.Errorf("%d verdicts are kept", c.Remembered())
	}
}

func TestVerdictsBelongToTheirRules(t *testing.T) {
	c := newWith(t, statement.Config{})
	reader, writer := &statement.Rules{Kinds: []statement.Kind{"select"}}, &statement.Rules{}
	for range 2 {
		wantRefusal(t, c.Check(t.Context(), "delete from todos", reader), "a reader", "42501", "DELETE")
		if err := c.Check(t.Context(), "delete from todos", writer); err != nil {
			t.Error(err)
		}
	}
}

func TestARefusalIsShortHoweverLongItsText(t *testing.T) {
	check := newChecker(t)
	for _, sql := range []string{"select 1 '" + strings.Repeat("x", 100_000) + "'", "select 1 \"" + strings.Repeat("ä", 100_000) + "\" 2", strings.Repeat("x", 100_000), "select " + strings.Repeat("x", 100_000) + "()"} {
		var r *statement.Refusal
		if err := check(sql); !errors.As(err, &r) || len(r.Message)+len(r.Hint) > 2000 {
			t.Errorf("%.20s: %.100s", sql, describe(err))
		}
	}
}

func TestABrokenParserAllowsNothing(t *testing.T) {
	c, rules := newWith(t, statement.Config{}), &statement.Rules{}
	if err := c.Check(t.Context(), "select 1", rules); err != nil {
		t.Fatal(err)
	}
	c.Break()
	if err := c.Check(t.Context(), "select 1", rules); err != nil {
		t.Error("a verdict from before is lost:", err)
	}
	var r *statement.Refusal
	if err := c.Check(t.Context(), "select 2", rules); err == nil || errors.As(err, &r) {
		t.Errorf("the broken parser says %v", err)
	}
}

func TestManyCallersAtOnce(t *testing.T) {
	c := newWith(t, statement.Config{CacheSize: 5})
	c.Warm(t.Context())
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 50 {
				if err := c.Check(t.Context(), fmt.Sprintf("select %d", (i+n)%20), nil); err != nil {
					t.Error(err)
				}
				var r *statement.Refusal
				if err := c.Check(t.Context(), fmt.Sprintf("select pg_sleep(%d)", (i*n)%20), nil); !errors.As(err, &r) {
					t.Errorf("pg_sleep: %v", err)
				}
			}
		})
	}
	all.Wait()
}

const typical = `select t.id, t.task, u.name, count(*) over () as total from todos t join users u on u.id::text = t.user_id
	where t.user_id = (select auth.user_id()) and t.task ilike $1 and t.inserted_at > now() - interval '7 days' order by t.inserted_at desc limit $2 offset $3`

func BenchmarkCheckKnown(b *testing.B) {
	c := newWith(b, statement.Config{})
	_ = c.Check(b.Context(), typical, nil)
	for b.Loop() {
		if err := c.Check(b.Context(), typical, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheckNew(b *testing.B) {
	c := newWith(b, statement.Config{CacheSize: 1})
	other := typical + " "
	_ = c.Check(b.Context(), other, nil)
	for b.Loop() {
		if err := errors.Join(c.Check(b.Context(), typical, nil), c.Check(b.Context(), other, nil)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(2*b.N), "ns/check")
}

func BenchmarkParseAlone(b *testing.B) {
	_, _ = pg_query.Parse(typical)
	for b.Loop() {
		if _, err := pg_query.Parse(typical); err != nil {
			b.Fatal(err)
		}
	}
}
