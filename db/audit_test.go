package db_test

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"rowpass/db"
	"rowpass/db/dbtest"
)

// auditing runs an Audit on a state that gives up soon, and returns how it is ended.
func auditing(t *testing.T, d dbtest.Database, log *lines) (a *db.Audit, end func()) {
	t.Helper()
	state, err := db.OpenState(t.Context(), db.StateConfig{
		URL: d.ServiceURL, QueryExecMode: "exec", Timeout: 200 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(state.Close)
	a = db.NewAudit(state, log.log())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		a.Run(ctx)
	}()
	end = func() { cancel(); <-ended }
	t.Cleanup(end)
	return a, end
}

// recordAll records a thousand events, numbered from first on, by fifty goroutines.
func recordAll(a *db.Audit, first int) {
	var wg sync.WaitGroup
	for g := range 50 {
		wg.Go(func() {
			for i := range 20 {
				a.Record(db.Event{Name: "issue", Outcome: "ok", Reason: fmt.Sprintf("number-%d", first+g*20+i)})
			}
		})
	}
	wg.Wait()
}

// stored and logged count how often each number stands in the table and in the log.
func stored(t *testing.T, d dbtest.Database) map[int]int {
	t.Helper()
	rows, err := dbtest.Connect(t, d.OwnerURL).Query(t.Context(), `select substr(reason, 8)::int from rowpass.audit where reason like 'number-%'`)
	if err != nil {
		t.Fatal(err)
	}
	numbers, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		t.Fatal(err)
	}
	counts := map[int]int{}
	for _, n := range numbers {
		counts[n]++
	}
	return counts
}

var numbered = regexp.MustCompile(`msg=audit .*reason=number-(\d+)`)

func logged(log *lines) map[int]int {
	counts := map[int]int{}
	for _, match := range numbered.FindAllStringSubmatch(log.String(), -1) {
		n, _ := strconv.Atoi(match[1])
		counts[n]++
	}
	return counts
}

// troubles runs statements that make trouble for everybody else in the database.
func troubles(t *testing.T, d dbtest.Database) func(...string) {
	t.Helper()
	inside := dbtest.Connect(t, d.SuperuserURL)
	config := inside.Config()
	config.Database = "postgres"
	outside, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = outside.Close(context.Background()) })
	return func(statements ...string) {
		t.Helper()
		for _, s := range statements {
			conn := inside
			if strings.HasPrefix(s, "alter database") {
				conn = outside
			}
			if _, err := conn.Exec(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestNoEventIsLostWhateverTheDatabaseDoes(t *testing.T) {
	for _, blockedAtTheEnd := range []bool{false, true} {
		t.Run(fmt.Sprintf("blocked at the end: %v", blockedAtTheEnd), func(t *testing.T) {
			d := dbtest.New(t)
			log := &lines{}
			trouble := troubles(t, d)
			terminate := `select pg_terminate_backend(pid) from pg_stat_activity where usename = 'rowpass_service' and datname = '` + d.Name + `'`
			a, end := auditing(t, d, log)
			recordAll(a, 0)
			trouble(terminate)
			recordAll(a, 1000)
			trouble("alter database "+d.Name+" allow_connections false", terminate)
			recordAll(a, 2000)
			trouble("alter database "+d.Name+" allow_connections true", "begin", "lock table rowpass.audit in access exclusive mode")
			recordAll(a, 3000)
			trouble(terminate)
			if !blockedAtTheEnd {
				trouble("commit")
			}
			recordAll(a, 4000)
			end()
			if blockedAtTheEnd {
				trouble("commit")
			}
			inTable, inLog := stored(t, d), logged(log)
			for n := range 5000 {
				if inTable[n] > 1 || inLog[n] > 1 || inTable[n]+inLog[n] == 0 {
					t.Fatalf("number %d stands %d times in the table and %d times in the log", n, inTable[n], inLog[n])
				}
			}
			if blockedAtTheEnd == (len(inLog) == 0) {
				t.Errorf("%d events are in the table and %d in the log", len(inTable), len(inLog))
			}
			a.Record(db.Event{Name: "issue", Reason: "number-5000"})
			if logged(log)[5000] != 1 {
				t.Error("an event after the end is not in the log")
			}
		})
	}
}

func TestEventsWaitForRunAndOverflowIntoTheLog(t *testing.T) {
	d := dbtest.New(t)
	log := &lines{}
	a := db.NewAudit(openState(t, d), log.log())
	for first := range 11 {
		recordAll(a, first*1000)
	}
	if n := len(logged(log)); n != 1000 {
		t.Errorf("%d of 11000 events are in the log before anything was written, want 1000", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a.Run(ctx)
	if n := len(stored(t, d)); n != 10000 {
		t.Errorf("%d events are in the table, want 10000", n)
	}
}

func TestEventsThatTheDatabaseRefusesAreLoggedAndTheOthersWritten(t *testing.T) {
	d := dbtest.New(t)
	dbtest.Exec(t, d.OwnerURL, `alter table rowpass.audit add constraint no_logins check (event <> 'login')`)
	log := &lines{}
	a := db.NewAudit(openState(t, d), log.log())
	for n := range 600 { // more than one batch, and the first is refused
		name := "issue"
		if n == 0 {
			name = "login"
		}
		a.Record(db.Event{Name: name, Subject: memberID, Reason: fmt.Sprintf("number-%d", n)})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a.Run(ctx)
	if inTable, inLog := len(stored(t, d)), len(logged(log)); inTable+inLog != 600 || inTable == 0 || inLog == 0 {
		t.Errorf("%d events are in the table and %d in the log", inTable, inLog)
	}
	if !strings.Contains(log.String(), "sub="+memberID) {
		t.Error("the log does not say whom an event is about")
	}
}

func TestEventsHoldWhateverStrangersSend(t *testing.T) {
	d := dbtest.New(t)
	s := openState(t, d)
	var events []db.Event
	for _, text := range []string{"a\x00b", "\xff\xfe", "'); drop table users; --", strings.Repeat("ä", 100_000), "{\"a\",b}", "\\", "line\nbreak", "NULL", ""} {
		events = append(events, db.Event{
			Name: "refuse", Outcome: "refused", Subject: text, ClientID: text, Tenant: text, TokenID: text, KeyID: text, Address: text, RequestID: text, Reason: text,
		})
	}
	if err := s.WriteEvents(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	read, err := s.Events(t.Context(), db.EventFilter{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range read {
		if len(e.Subject) > 1100 || e.Subject != e.Reason || e.Subject != e.Address {
			t.Errorf("%+v", e)
		}
		got = append(got, e.Subject[:min(len(e.Subject), 24)])
	}
	for _, want := range []string{"a\uFFFDb", "\uFFFD", "'); drop table users; --", strings.Repeat("ä", 12), "{\"a\",b}", "\\", "line\nbreak", "NULL", ""} {
		if !strings.Contains(strings.Join(got, "|")+"|", want+"|") {
			t.Errorf("%q is not among %q", want, got)
		}
	}
}

func TestEventsAreFilteredAndPruned(t *testing.T) {
	d := dbtest.New(t)
	s := openState(t, d)
	now := time.Now().Truncate(time.Microsecond)
	var events []db.Event
	for n := range 2500 { // more than two batches of pruning
		events = append(events, db.Event{At: now.Add(time.Duration(n) * time.Microsecond).Add(-48 * anHour), Name: "issue", Reason: "old"})
	}
	events = append(events,
		db.Event{At: now.Add(-3 * anHour), Name: "login", Subject: memberID, ClientID: clientName, Reason: "1"},
		db.Event{At: now.Add(-2 * anHour), Name: "issue", Subject: memberID, ClientID: "another", Reason: "2"},
		db.Event{At: now.Add(-anHour), Name: "issue", Subject: adminID, ClientID: clientName, Reason: "3"})
	if err := s.WriteEvents(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	if err := s.Prune(t.Context(), 24*anHour); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		filter db.EventFilter
		want   string
	}{
		{"all, oldest first", db.EventFilter{}, "1 2 3"},
		{"the newest two", db.EventFilter{Limit: 2}, "2 3"},
		{"since", db.EventFilter{Since: now.Add(-2 * anHour)}, "2 3"},
		{"by name", db.EventFilter{Name: "issue"}, "2 3"},
		{"by subject", db.EventFilter{Subject: memberID}, "1 2"},
		{"by client", db.EventFilter{ClientID: clientName}, "1 3"},
		{"by all of them", db.EventFilter{Since: now.Add(-4 * anHour), Name: "issue", Subject: adminID, ClientID: clientName, Limit: 9}, "3"},
		{"by what there is not", db.EventFilter{Name: "' or true --"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			read, err := s.Events(t.Context(), tt.filter)
			var reasons []string
			for _, e := range read {
				reasons = append(reasons, e.Reason)
			}
			if got := strings.Join(reasons, " "); err != nil || got != tt.want {
				t.Errorf("%q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestPruneRemovesWhatIsOutOfDateAndNothingElse(t *testing.T) {
	d := dbtest.New(t)
	s := openState(t, d)
	live, liveFamily := session(t, s)
	refresh(t, s, live)
	dbtest.Exec(t, d.OwnerURL,
		`insert into rowpass.refresh_families select 'ended ' || n, 'c', 's', '', '', '{}', now(), now() + '1 day', now() from generate_series(1, 2300) n`,
		`insert into rowpass.refresh_families select 'over ' || n, 'c', 's', '', '', '{}', now(), now() - interval '1 s' from generate_series(1, 10) n`,
		`insert into rowpass.refresh_families select 'unused ' || n, 'c', 's', '', '', '{}', now(), now() + '1 day' from generate_series(1, 1100) n`,
		`insert into rowpass.refresh_tokens select sha256(id::bytea), id, now(), now() - interval '1 s' from rowpass.refresh_families where id like 'unused %'`,
		`insert into rowpass.refresh_tokens values ('old', '`+liveFamily.ID+`', now(), now() - interval '1 s', now(), 'salt')`,
		`insert into rowpass.denials (kind, value, until) select 'jti', 'old ' || n, now() from generate_series(1, 3100) n`,
		`insert into rowpass.denials (kind, value, until) values ('jti', 'live', now() + interval '1 hour')`)
	var wg sync.WaitGroup
	for range 3 { // several instances at once
		other := openState(t, d)
		wg.Go(func() {
			if err := other.Prune(t.Context(), anHour); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := s.Prune(t.Context(), anHour); err != nil {
		t.Fatal(err)
	}
	got := value(t, d, `select concat_ws(' ', (select string_agg(value, ',') from rowpass.denials), (select string_agg(id, ',') from rowpass.refresh_families),
		(select count(*) from rowpass.refresh_tokens))`)
	if diff := cmp.Diff("live "+liveFamily.ID+" 2", got); diff != "" {
		t.Error(diff)
	}
}
