package identity_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rowpass/db/dbtest"
	"rowpass/identity"
)

func TestADuplicateIsNoError(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	s := storeOf(t, d, nil, clerkSource(t, "clerk", ""), clerkSource(t, "other", "o|"))
	body := clerkEvent("user.created", "u1", "Ann", minute(1))
	accept(t, s, "clerk", "e1", body)
	accept(t, s, "other", "e1", body)
	if fresh, err := s.Accept(t.Context(), "clerk", identity.Message{ID: "e1", Body: body}); fresh > 0 || err != nil {
		t.Errorf("fresh %d, %v", fresh, err)
	}
	running(t, s)
	drained(t, s)
	if fresh, err := s.Accept(t.Context(), "clerk", identity.Message{ID: "e1", Body: body}); fresh > 0 || err != nil {
		t.Errorf("once it is read: fresh %d, %v", fresh, err)
	}
	if diff := cmp.Diff(lines("o|u1 Ann 1", "u1 Ann 1"), userRows(t, d)); diff != "" {
		t.Error(diff)
	}
	if got := rowsOf(t, d.OwnerURL, "select state, body, reason, attempts from rowpass.inbox"); got != "(done,,,1)\n(done,,,1)" {
		t.Error(got)
	}
}

func TestAcceptedIsOnDiskWhateverTheDatabaseIsSetTo(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	conn := dbtest.Connect(t, d.ServiceURL)
	for setting, want := range map[string]string{"off": "on", "local": "on", "remote_apply": "remote_apply"} {
		var got string
		if _, err := conn.Exec(t.Context(), "set synchronous_commit = "+setting); err != nil {
			t.Fatal(err)
		}
		err := conn.QueryRow(t.Context(), "select current_setting('synchronous_commit') from rowpass.keep_event('s', $1, '') e where not e or e", setting).Scan(&got)
		if err != nil || got != want {
			t.Errorf("set to %s it is %s, want %s; %v", setting, got, want, err)
		}
		err = conn.QueryRow(t.Context(), "select current_setting('synchronous_commit') || current_setting('lock_timeout')").Scan(&got)
		if err != nil || got != setting+"0" {
			t.Errorf("set to %s, %s is left; %v", setting, got, err)
		}
	}
}

func TestASourceWithTooManyEventsIsFull(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	now := time.Now()
	s := storeOf(t, d, func(c *identity.StoreConfig) {
		c.MaxPending = 2
		c.Now = func() time.Time { return now }
	}, clerkSource(t, "clerk", ""), clerkSource(t, "other", "o|"))
	body := clerkEvent("user.created", "u1", "Ann", minute(1))
	accept(t, s, "clerk", "e1", body)
	accept(t, s, "clerk", "e2", body)
	if _, err := s.Accept(t.Context(), "clerk", identity.Message{ID: "e3", Body: body}); !errors.Is(err, identity.ErrFull) {
		t.Error(err)
	}
	accept(t, s, "other", "e3", body)
	running(t, s)
	drained(t, s)
	if _, err := s.Accept(t.Context(), "clerk", identity.Message{ID: "e3", Body: body}); !errors.Is(err, identity.ErrFull) {
		t.Errorf("before they are counted again: %v", err)
	}
	now = now.Add(time.Minute)
	accept(t, s, "clerk", "e3", body)
	accept(t, s, "clerk", "poison-1", []byte(`{"type":7}`))
	drained(t, s)
	now = now.Add(time.Minute)
	accept(t, s, "clerk", "poison-2", []byte(`{"type":7}`))
	drained(t, s)
	now = now.Add(time.Minute)
	if _, err := s.Accept(t.Context(), "clerk", identity.Message{ID: "e4", Body: body}); !errors.Is(err, identity.ErrFull) {
		t.Errorf("the dead are not counted: %v", err)
	}
}

func TestEventsThatComeTogetherAreCommittedTogether(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	s := storeOf(t, d, nil, clerkSource(t, "clerk", ""))
	all := func(ids ...string) (events []identity.Message) {
		for _, id := range ids {
			events = append(events, identity.Message{ID: id, Body: clerkEvent("user.created", "user-"+id, "Ann", minute(1))})
		}
		return events
	}
	for _, c := range []struct {
		events []identity.Message
		fresh  int
	}{{nil, 0}, {all("a"), 1}, {all("a"), 0}, {all("c", "a", "b", "c"), 2}, {all("b", "c"), 0}} {
		if fresh, err := s.Accept(t.Context(), "clerk", c.events...); fresh != c.fresh || err != nil {
			t.Errorf("%d events: %d are new, %v; want %d", len(c.events), fresh, err, c.fresh)
		}
	}
	if _, err := s.Accept(t.Context(), "clerk", append(all("d", "e"), identity.Message{ID: strings.Repeat("x", 513)})...); err == nil {
		t.Error("an event whose ID is too long was kept")
	}
	if got := rowsOf(t, d.OwnerURL, "select count(*), count(distinct xmin::text) from rowpass.inbox"); got != "(3,2)" {
		t.Errorf("events and transactions: %s", got)
	}
	running(t, s)
	if status := drained(t, s); status[0].Live != 3 {
		t.Errorf("%+v", status)
	}
}

func TestPoisonStopsNobodyAndCanBeTriedAgain(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	s := storeOf(t, d, nil, clerkSource(t, "clerk", ""), clerkSource(t, "other", "o|"))
	accept(t, s, "clerk", "no-json", []byte(`{"type":`))
	accept(t, s, "clerk", "no-user", []byte(`{"type":"user.created","timestamp":1772366400000,"data":{"id":7.5}}`))
	accept(t, s, "clerk", "from-the-future", clerkEvent("user.created", "u9", "Zoe", time.Now().Add(time.Hour)))
	accept(t, s, "clerk", "of-no-interest", []byte(`{"type":"session.created","timestamp":1772366400000,"data":{"id":"sess_1"}}`))
	accept(t, s, "clerk", "good", clerkEvent("user.created", "u1", "Ann", minute(1)))
	accept(t, s, "other", "bytes", bytes.Repeat([]byte{0xff, 0}, 300))
	accept(t, s, "other", "no-type", []byte(`{"data":{"id":"u3"}}`))
	running(t, s)
	status := drained(t, s)
	if diff := cmp.Diff(lines("u1 Ann 1"), userRows(t, d)); diff != "" {
		t.Error(diff)
	}
	if status[0].Dead != 3 || status[1].Dead != 2 {
		t.Errorf("%+v", status)
	}
	list, err := s.Dead(t.Context(), "clerk")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.ID)
		if e.Reason == "" || e.Attempts != 1 || e.Source != "clerk" || time.Since(e.Received) > time.Minute {
			t.Errorf("%+v", e)
		}
	}
	if diff := cmp.Diff([]string{"from-the-future", "no-json", "no-user"}, names, cmpopts.SortSlices(func(a, b string) bool { return a < b })); diff != "" {
		t.Error(diff)
	}
	dbtest.Exec(t, d.OwnerURL, `update rowpass.inbox set body = '{"type":"user.created","timestamp":1772366400000,"data":{"id":"u2","email_addresses":[]}}' where event_id = 'no-user'`,
		`update rowpass.inbox set body = null where event_id = 'from-the-future'`)
	if n, err := s.Retry(t.Context(), "clerk"); n != 1 || err != nil {
		t.Errorf("%d events are read once more, %v", n, err)
	}
	if status := drained(t, s); status[0].Dead != 2 || status[0].Live != 2 {
		t.Errorf("%+v", status)
	}
	if n, err := s.Retry(t.Context(), ""); n != 1 || err != nil {
		t.Errorf("of all %d events are read once more, %v", n, err)
	}
}

func TestAnEventAboutAnotherSourcesUserIsDead(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	s := storeOf(t, d, nil, clerkSource(t, "clerk", ""), clerkSource(t, "other", ""))
	accept(t, s, "clerk", "e1", clerkEvent("user.created", "u1", "Ann", minute(1)))
	running(t, s)
	drained(t, s)
	accept(t, s, "other", "e1", clerkEvent("user.updated", "u1", "Eve", minute(2)))
	accept(t, s, "other", "e2", clerkEvent("user.deleted", "u1", "", minute(3)))
	accept(t, s, "other", "e3", clerkEvent("organizationMembership.created", "u1", "acme", minute(3)))
	accept(t, s, "other", "e4", clerkEvent("user.created", "u2", "Bea", minute(2)))
	drained(t, s)
	if diff := cmp.Diff(lines("u1 Ann 1", "u2 Bea 2"), userRows(t, d)); diff != "" {
		t.Error(diff)
	}
	list, err := s.Dead(t.Context(), "")
	if err != nil || len(list) != 3 {
		t.Fatalf("%d are dead, %v", len(list), err)
	}
	for _, e := range list {
		if e.Reason != "the id belongs to source clerk; give one of the two a prefix of its own" {
			t.Error(e.Reason)
		}
	}
	if got := rowsOf(t, d.OwnerURL, "select from rowpass.profile_tenants"); got != "" {
		t.Error(got)
	}
}

func TestDeadEventsAreDiscarded(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	s := storeOf(t, d, nil, clerkSource(t, "clerk", ""), clerkSource(t, "other", "o|"))
	poison, good := []byte(`{"type":7}`), clerkEvent("user.created", "u1", "Ann", minute(1))
	for _, id := range []string{"a", "b", "c"} {
		accept(t, s, "clerk", id, poison)
		accept(t, s, "other", id, poison)
	}
	accept(t, s, "clerk", "good", good)
	running(t, s)
	drained(t, s)
	for _, c := range []struct {
		source string
		ids    []string
		n      int64
		dead   string
	}{
		{"clerk", []string{"b", "good", "none"}, 1, "(clerk,a)\n(clerk,c)\n(other,a)\n(other,b)\n(other,c)"},
		{"clerk", []string{"b"}, 0, "(clerk,a)\n(clerk,c)\n(other,a)\n(other,b)\n(other,c)"},
		{"other", []string{}, 3, "(clerk,a)\n(clerk,c)"},
		{"clerk", nil, 2, ""},
	} {
		if n, err := s.Discard(t.Context(), c.source, c.ids...); n != c.n || err != nil {
			t.Errorf("%s, %q: %d, %v", c.source, c.ids, n, err)
		}
		if got := rowsOf(t, d.OwnerURL, "select source, event_id from rowpass.inbox where state = 'dead'"); got != c.dead {
			t.Errorf("%s, %q leaves %s", c.source, c.ids, got)
		}
	}
	if fresh, err := s.Accept(t.Context(), "clerk", identity.Message{ID: "b", Body: poison}); fresh > 0 || err != nil {
		t.Errorf("sent again, it is new: %d, %v", fresh, err)
	}
	if got := rowsOf(t, d.OwnerURL, "select distinct state, body is null from rowpass.inbox"); got != "(done,t)" {
		t.Error(got)
	}
	if _, err := s.Discard(t.Context(), ""); !errors.Is(err, identity.ErrUnknownSource) {
		t.Errorf("of no source: %v", err)
	}
	dbtest.Exec(t, d.OwnerURL, "insert into rowpass.inbox (source, event_id, state) select 'clerk', 'many-' || n, 'dead' from generate_series(1, 2500) n")
	if n, err := s.Discard(t.Context(), "clerk"); n != 2500 || err != nil {
		t.Errorf("of many: %d, %v", n, err)
	}
}
