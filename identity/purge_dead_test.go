package identity_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rowpass/db/dbtest"
	"rowpass/identity"
)

// putDead puts an event where the dead are, with a body as no reading of it has left it.
func putDead(t testing.TB, d dbtest.Database, id, body string) {
	t.Helper()
	_, err := dbtest.Connect(t, d.OwnerURL).Exec(t.Context(),
		"insert into rowpass.inbox (source, event_id, state, body) values ('clerk', $1, 'dead', $2)", id, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
}

// A purge finds whom a dead event names, however the JSON is written.
func TestAPurgeFindsTheUserInDeadEvents(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	s := storeOf(t, d, nil, clerkSource(t, "clerk", "c|"), clerkSource(t, "other", ""))
	for id, events := range map[string]map[string]bool{ // whether the event names the user
		"c|zoë-user": {
			`{"data":{"id":"zoë-user"}}`: true, `{"data":{"id":"zo\u00eb-user"}}`: true, `{"data":{"id":"zo\u00EB\u002duser"}}`: true,
			`{"data":{"id":"c|zo\u00eb-user"}}`: true, `{"data":{"id":"zoe-user"}}`: false,
		},
		"c|user_2abcdefgh": {
			`{"data":{"id":"\u0075ser_2abcdefgh"}}`: true, `{"path":"users\/\u0075ser_2abcdefgh"}`: true, `{"\u0075ser_2abcdefgh":{"name":"Ann"}}`: true,
			`{"text":"of \u0075ser_2abcdefgh"}`: true, `{"data":{"id":"user_2abcdefgh","id":"another"}}`: true,
			`{"held":"{\"id\":\"\\u0075ser_2abcdefgh\"}"}`: true, `{"held":" [\"\\\"\\\\u0075ser_2abcdefgh\\\"\"]"}`: true,
			`{"held":"{cut off: \\u0075ser_2abcdefgh"}`: true, `{"data":{"id":"user_2abcdefgi"}}`: false, `{"data":{"id":"\u0076ser_2abcdefgh"}}`: false,
		},
		`c|a&b"/\d`:  {`{"id":"a&b\"/\\d"}`: true, `{"id":"a\u0026b\u0022\u002f\u005cd"}`: true, `{"id":"a\u0026b\"\/\\e"}`: false},
		"c|😀":        {`{"id":"\ud83d\ude00"}`: true, `{"id":"😀"}`: true, `{"id":"\ud83d\ude01"}`: false, `{"id":"😀x"}`: false},
		"c|7":        {`{"id":7}`: true, `{"id":"7"}`: true, `{"id":"\u0037"}`: true, `{"at":["users/7"]}`: true, `{"held":"{\"id\":\"7\"}"}`: true, `{"id":77}`: false, `{"text":"[x] 7 \u0037"}`: false, `{"id":"\u0037\u0037"}`: false},
		"c|cut":      {`{"id":"cut"`: true, `{"id":"\u0063ut`: true, `{"text":"of \u0063ut"`: true, `{"id":"\ud83d\u0063ut","name":"An`: true, `{"held":"{\"id\":\"\\u0063ut`: true, `{"id":"put\`: false},
		"plain-user": {`{"id":"plain-us\u0065r"}`: true, `{"id":"plain-us\u0066r"}`: false},
	} {
		var want, kept []string
		for body, names := range events {
			putDead(t, d, body, body)
			if !names {
				want = append(want, body)
			}
		}
		if found, err := s.Purge(t.Context(), id); !found || err != nil {
			t.Errorf("%s: %v, %v", id, found, err)
		}
		for body := range events {
			if rowsOf(t, d.OwnerURL, "select from rowpass.inbox where event_id = $1 and body is not null", body) != "" {
				kept = append(kept, body)
			}
		}
		if diff := cmp.Diff(sorted(want), sorted(kept)); diff != "" {
			t.Errorf("of %s is kept %s", id, diff)
		}
		if found, err := s.Purge(t.Context(), id); found || err != nil {
			t.Errorf("%s once more: %v, %v", id, found, err)
		}
	}
}

func sorted(lines []string) string { return strings.Join(slices.Sorted(slices.Values(lines)), "\n") }

// The first, the last and those between of many events, large ones among them; those that wait, or were read, are none of a purge's.
func TestAPurgeLooksThroughAllDeadEvents(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	s := storeOf(t, d, nil, clerkSource(t, "clerk", "c|"))
	dbtest.Exec(t, d.OwnerURL, `insert into rowpass.inbox (source, event_id, state, received_at, body)
		select case when n % 2 = 0 then 'clerk' else 'removed' end, 'e' || n, 'dead', now() - n % 7 * interval '1 minute',
			convert_to(json_build_object('id', case when n % 500 = 3 then 'user_ann_1' else 'user_bea_1' end, 'q', '"')::text, 'UTF8')
		from generate_series(1, 2600) n`,
		`insert into rowpass.inbox (source, event_id, state, body) select 'clerk', 'large-' || n, 'dead',
			convert_to(json_build_object('padding', repeat('x', 1000000), 'id', 'user_ann_1', 'q', '"')::text, 'UTF8') from generate_series(1, 20) n`,
		`insert into rowpass.inbox (source, event_id, state, body, next_at) values ('clerk', 'waits', 'fetch', '{"id":"user_ann_1"}', 'infinity')`)
	if found, err := s.Purge(t.Context(), "c|user_ann_1"); !found || err != nil {
		t.Errorf("found %v, %v", found, err)
	}
	const left = `select count(*), count(*) filter (where convert_from(body, 'UTF8') like '%ann%'), max(state) from rowpass.inbox where body is not null`
	if got := rowsOf(t, d.OwnerURL, left); got != fmt.Sprintf("(%d,1,fetch)", 2600-6+1) {
		t.Error(got)
	}
}

// What is kept of a dead event is what was looked at for those who were purged.
func TestOfADeadEventIsKeptWhatWasLookedAt(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	s := storeOf(t, d, nil, clerkSource(t, "clerk", "c|"))
	running(t, s)
	if _, err := s.Purge(t.Context(), "c|user_ann"); err != nil {
		t.Fatal(err)
	}
	for id, body := range map[string]string{
		"escaped": `{"type":7,"data":{"id":"\u0075ser_ann"}}`,
		"held":    `{"type":7,"data":"{\"id\":\"\\u0075ser_ann\"}"}`,
		"twice":   `{"type":7,"data":{"id":"user_ann"},"data":{"id":"us\u0065r_b\u00eba"}}`,
	} {
		accept(t, s, "clerk", id, []byte(body))
	}
	drained(t, s)
	if got := rowsOf(t, d.OwnerURL, "select event_id, convert_from(body, 'UTF8') from rowpass.inbox"); got != `(escaped,)`+"\n"+`(held,)`+"\n"+`(twice,"{""data"":{""id"":""user_bëa""},""type"":7}")` {
		t.Error(got)
	}
}

// Whatever bytes a dead event has, looking for somebody in it comes to an end, and finds who is named in plain.
func FuzzNames(f *testing.F) {
	for _, seed := range []string{`{"id":"a\u0062"}`, `{"id":"`, `"\ud800\udc00"`, `\u00`, `[[[`, `{"h":"{\"id\":\"\\u0061\"}"}`, "\\\xc3\xab"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		identity.Names(body, "user_2abcdefgh")
		if plain := append([]byte(`{"id":"user_2abcdefgh","x":`), body...); !identity.Names(plain, "user_2abcdefgh") {
			t.Errorf("nobody is found in %q", plain)
		}
	})
}
