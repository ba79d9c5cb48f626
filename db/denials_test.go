package db_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"rowpass/db"
	"rowpass/db/dbtest"
)

// values are the values of the denials after a version, sorted, and the version to go on from.
func values(t testing.TB, s *db.State, after int64) ([]string, int64) {
	t.Helper()
	denials, version, err := s.Denials(t.Context(), after)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	for _, d := range denials {
		values = append(values, d.Value)
	}
	slices.Sort(values)
	return values, version
}

func wantValues(t *testing.T, s *db.State, after int64, want ...string) int64 {
	t.Helper()
	got, version := values(t, s, after)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("after version %d: %s", after, diff)
	}
	return version
}

func deny(t testing.TB, s *db.State, values ...string) {
	t.Helper()
	for _, value := range values {
		if err := s.Deny(t.Context(), db.Denial{Kind: db.DenyID, Value: value}); err != nil {
			t.Fatal(err)
		}
	}
}

// begin opens a transaction of the owner that the test ends.
func begin(t *testing.T, d dbtest.Database, statement string) pgx.Tx {
	t.Helper()
	tx, err := dbtest.Connect(t, d.OwnerURL).Begin(t.Context())
	if err == nil {
		_, err = tx.Exec(t.Context(), statement)
	}
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

func TestDenialsAreReadOnceInTheOrderOfTheirCommits(t *testing.T) {
	d := dbtest.New(t)
	s := openState(t, d)
	wantValues(t, s, 0)
	early := begin(t, d, `select rowpass.deny('jti', 'begun first', null, null, '')`)
	deny(t, s, "committed first")
	one := wantValues(t, s, 0, "committed first")
	wantValues(t, s, one)
	if err := early.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	two := wantValues(t, s, one, "begun first")
	wantValues(t, s, two)
	rolledBack := begin(t, d, `select rowpass.deny('jti', 'taken back', null, null, '')`)
	if err := rolledBack.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantValues(t, s, two)
	wantValues(t, s, 0, "begun first", "committed first")
	deny(t, s, "begun first") // again: it may hold longer now
	wantValues(t, s, two, "begun first")
}

// TestAnOpenTransactionHoldsUpNoDenial is what a caller could try who deletes a user and then takes its time.
func TestAnOpenTransactionHoldsUpNoDenial(t *testing.T) {
	d := dbtest.New(t)
	s, other := openState(t, d), openState(t, d)
	deny(t, s, "denied again by a slow one")
	begin(t, d, `select rowpass.deny('jti', 'denied again by a slow one', null, null, ''); select rowpass.deny('jti', 'slow', null, null, '')`)
	deny(t, s, "quick")
	version := wantValues(t, s, 0, "denied again by a slow one", "quick")
	wantValues(t, other, 0, "denied again by a slow one", "quick")
	wantValues(t, other, version)
	deny(t, s, "whose row is locked")
	begin(t, d, `select from rowpass.denials for update`)
	deny(t, s, "behind it")
	wantValues(t, s, version, "behind it")
}

// TestManyDenialsAreReadInSteps fails where one statement numbers more than ten thousand, or leaves some behind.
func TestManyDenialsAreReadInSteps(t *testing.T) {
	const many = 50_000
	d := dbtest.New(t)
	dbtest.Exec(t, d.OwnerURL,
		`create function count_step() returns trigger language plpgsql as $$ begin
			if (select count(*) from numbered) > 10000 then raise exception 'more than a step'; end if; return null; end $$`,
		`create trigger count_step after update on rowpass.denials referencing new table as numbered for each statement execute function count_step()`,
		fmt.Sprintf(`insert into rowpass.denials (kind, value, until) select 'jti', n, now() + interval '1 hour' from generate_series(1, %d) n`, many))
	s := openState(t, d)
	for _, reader := range []string{"who numbers them", "who finds them numbered"} {
		got, version := values(t, s, 0)
		if n := len(slices.Compact(got)); n != many || version != many {
			t.Errorf("%s: %d of %d, and version %d", reader, n, many, version)
		}
	}
	wantValues(t, s, many)
	deny(t, s, "one more")
	wantValues(t, s, many, "one more")
}

func TestReadersOfManyDenialsMissNone(t *testing.T) {
	d := dbtest.New(t)
	readers := []*db.State{openState(t, d), openState(t, d), openState(t, d)}
	const writers, each = 8, 25
	done := make(chan struct{})
	var writing, reading sync.WaitGroup
	for w := range writers {
		conn := dbtest.Connect(t, d.OwnerURL)
		writing.Go(func() {
			for i := range each {
				err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
					_, err := tx.Exec(t.Context(), `select rowpass.deny('jti', $1, null, null, '')`, fmt.Sprintf("%d/%d", w, i))
					for range rand.IntN(4) { // so that the commits' order is another one
						_, _ = tx.Exec(t.Context(), "select")
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	read := make([]map[string]int, len(readers))
	for i, s := range readers {
		read[i] = map[string]int{}
		reading.Go(func() {
			version := int64(0)
			for last := false; !last; {
				select {
				case <-done:
					last = true
				default:
				}
				denials, next, err := s.Denials(t.Context(), version)
				if err != nil || next < version {
					t.Errorf("version %d after %d, %v", next, version, err)
				}
				for _, d := range denials {
					read[i][d.Value]++
				}
				version = next
			}
		})
	}
	writing.Wait()
	close(done)
	reading.Wait()
	for i := range readers {
		if len(read[i]) != writers*each {
			t.Errorf("reader %d has %d of %d", i, len(read[i]), writers*each)
		}
		for value, n := range read[i] {
			if n != 1 {
				t.Errorf("reader %d has read %s %d times", i, value, n)
			}
		}
	}
}

func TestDenialsHoldUntilTheirLastTokenIsOutOfDate(t *testing.T) {
	d := dbtest.New(t)
	s := openState(t, d)
	now := time.Now().Truncate(time.Microsecond)
	until := func(kind db.DenialKind, value string) (longest time.Duration) {
		t.Helper()
		denials, _, err := s.Denials(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range denials {
			if d.Kind == kind && d.Value == value {
				longest = max(longest, d.Until.Sub(now).Round(anHour))
			}
		}
		return longest
	}
	if err := s.PromiseTTL(t.Context(), 10*anHour); err != nil {
		t.Fatal(err)
	}
	if err := s.PromiseTTL(t.Context(), anHour); err != nil { // never falls
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		d    db.Denial
		want time.Duration
	}{
		{"a given end", db.Denial{Kind: db.DenyID, Value: "given", Until: now.Add(3 * anHour)}, 3 * anHour},
		{"an earlier end, denied again", db.Denial{Kind: db.DenyID, Value: "given", Until: now.Add(anHour)}, 3 * anHour},
		{"a later end, denied again", db.Denial{Kind: db.DenyID, Value: "given", Until: now.Add(4 * anHour)}, 4 * anHour},
		{"no end", db.Denial{Kind: db.DenySession, Value: "unknown"}, 10 * anHour},
		{"no end, of what is issued until in five hours", db.Denial{Kind: db.DenyTenant, Value: "ahead", IssuedBefore: now.Add(5 * anHour)}, 15 * anHour},
		{"an end that is over", db.Denial{Kind: db.DenyID, Value: "over", Until: now.Add(-anHour)}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := s.Deny(t.Context(), tt.d); err != nil {
				t.Fatal(err)
			}
			if got := until(tt.d.Kind, tt.d.Value); got != tt.want {
				t.Errorf("it holds for %v, want %v", got, tt.want)
			}
		})
	}
	if err := s.Prune(t.Context(), anHour); err != nil {
		t.Fatal(err)
	}
	if got := value(t, d, "select string_agg(distinct value, ' ' order by value) from rowpass.denials"); got != "ahead given unknown" {
		t.Errorf("after pruning the table has %s", got)
	}
}

func TestOfTwoDenialsOfTheSameBothHold(t *testing.T) {
	early, late := time.Unix(1_000_000, 0), time.Unix(2_000_000, 0)
	var any time.Time
	for _, tt := range []struct {
		name          string
		first, second time.Time
	}{
		{"the later one second", early, late},
		{"the later one first", late, early},
		{"whenever issued, second", early, any},
		{"whenever issued, first", any, early},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := openState(t, dbtest.New(t))
			err := s.Deny(t.Context(), db.Denial{Kind: db.DenySubject, Value: "x", IssuedBefore: tt.first}, db.Denial{Kind: db.DenySubject, Value: "x", IssuedBefore: tt.second})
			denials, _, err2 := s.Denials(t.Context(), 0)
			if err = errors.Join(err, err2); err != nil || len(denials) != 2 || !denials[0].IssuedBefore.Equal(tt.first) || !denials[1].IssuedBefore.Equal(tt.second) {
				t.Errorf("%+v, %v; want both, issued before %v and %v", denials, err, tt.first, tt.second)
			}
		})
	}
}

func TestDenialsThatAreNoneAreRefusedWithAllOthers(t *testing.T) {
	s := openState(t, dbtest.New(t))
	for _, tt := range []struct {
		name string
		d    db.Denial
	}{
		{"no kind", db.Denial{Value: "x"}},
		{"an unknown kind", db.Denial{Kind: "iss", Value: "x"}},
		{"no value", db.Denial{Kind: db.DenyClient}},
		{"a value for all", db.Denial{Kind: db.DenyAll, Value: "x"}},
		{"a value that is too long", db.Denial{Kind: db.DenyID, Value: strings.Repeat("x", 2049)}},
		{"a NUL", db.Denial{Kind: db.DenyID, Value: "\x00"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := s.Deny(t.Context(), db.Denial{Kind: db.DenyID, Value: "good"}, tt.d); !errors.Is(err, db.ErrInvalid) {
				t.Errorf("%v, want ErrInvalid", err)
			}
			wantValues(t, s, 0)
		})
	}
}

// TestUsersWhoGoAreDenied removes users in every way there is.
func TestUsersWhoGoAreDenied(t *testing.T) {
	const member = `'` + memberID + `'`
	for _, tt := range []struct {
		name, as, statement string
		want                []string // subjects
	}{
		{"to another address, by an admin of the tenant", acmeAdmin, `update users set email = 'x@acme.example' where id = ` + member, []string{memberID}},
		{"to another address, by the owner", "", `update users set email = 'x@acme.example' where id = ` + member, []string{memberID}},
		{"by an admin of the tenant", acmeAdmin, `delete from users where id = ` + member, []string{memberID}},
		{"by the owner", "", `delete from users where id = ` + member, []string{memberID}},
		{"with the tenant", "", `delete from tenants where id = '` + acme + `'`, []string{adminID, memberID}},
		{"to another tenant", "", `update users set tenant_id = '` + globex + `' where id = ` + member, []string{memberID}},
		{"to another id", "", `update users set id = gen_random_uuid() where id = ` + member, []string{memberID}},
		{"with all others", "", `truncate users cascade`, []string{adminID, memberID, strings.Replace(adminID, "a0", "b0", 1), strings.Replace(memberID, "a0", "b0", 1)}},
		{"nowhere, only renamed", acmeAdmin, `update users set name = 'X', role = 'member' where id = ` + member, nil},
		{"nowhere, for the admin is another tenant's", globexAdmin, `delete from users where id = ` + member, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := dbtest.New(t)
			s := openState(t, d)
			if err := s.SetPassword(t.Context(), memberID, "correct horse"); err != nil {
				t.Fatal(err)
			}
			dbtest.Exec(t, d.OwnerURL, "delete from rowpass.denials")
			token, _ := session(t, s)
			heard := notifications(t, d)
			if tt.as == "" {
				dbtest.Exec(t, d.OwnerURL, tt.statement)
			} else if _, err := newCaller(t, d).as(tt.as, tt.statement); err != nil {
				t.Fatal(err)
			}
			wantValues(t, s, 0, tt.want...)
			if _, err := s.LookUpRefresh(t.Context(), token, clientName); errors.Is(err, db.ErrNotFound) != (tt.want != nil) {
				t.Errorf("the refresh token: %v", err)
			}
			if n := heard(); min(n, 1) != min(len(tt.want), 1) {
				t.Errorf("%d notifications", n)
			}
			passwords := value(t, d, "select count(*)::text from rowpass.passwords p join users u on u.id = user_id")
			if kept := tt.want == nil || strings.HasPrefix(tt.name, "to another tenant") || strings.HasPrefix(tt.name, "to another id"); (passwords == "1") != kept {
				t.Errorf("%s passwords", passwords)
			}
		})
	}
}

// TestTokensIssuedWhileAUserGoesAreDenied is about the tokens that are issued between the deletion and its commit.
func TestTokensIssuedWhileAUserGoesAreDenied(t *testing.T) {
	d := dbtest.New(t)
	s := openState(t, d)
	tx := begin(t, d, `delete from users where id = '`+memberID+`'`)
	issued := time.Now()
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	denials, _, err := s.Denials(t.Context(), 0)
	if err != nil || len(denials) != 1 || !denials[0].IssuedBefore.After(issued) {
		t.Errorf("%+v, %v; want what was issued at %v", denials, err, issued)
	}
}
