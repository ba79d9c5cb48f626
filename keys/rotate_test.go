package keys_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rowpass/keys"
)

var limits = keys.Limits{MaxAge: 5 * time.Minute, TokenTTL: 15 * time.Minute, Leeway: time.Minute, Every: 24 * time.Hour}

// start is a whole second: what happens then has happened then, not a second later.
var start = now.Truncate(time.Second)

// trio has a current, a standby and a previous key, all since start, the last one until it is revoked.
func trio(t testing.TB) (r keys.Ring, current, standby, previous keys.Key) {
	current, standby, previous = generated(t, keys.ES256, start), generated(t, keys.ES256, start), generated(t, keys.ES256, start)
	r = must[keys.Ring](t)(keys.Ring{}.Add(current, keys.Current, start))
	r = must[keys.Ring](t)(r.Add(previous, keys.Previous, start))
	return must[keys.Ring](t)(r.Add(standby, keys.Standby, start)), current, standby, previous
}

func states(r keys.Ring) map[string]keys.State {
	out := make(map[string]keys.State)
	for _, k := range r.Keys() {
		out[k.ID()] = k.State()
	}
	return out
}

func TestAdvance(t *testing.T) {
	r, current, standby, previous := trio(t)
	later, _ := r.Advance(start.Add(10*time.Minute), limits)
	for _, tt := range []struct {
		name  string
		ring  keys.Ring
		after time.Duration
		want  []keys.Change
	}{
		{"at once", r, 0, nil},
		{"a moment before the standby key's wait is over", r, 10*time.Minute - 1, nil},
		{"when it is over", r, 10 * time.Minute, []keys.Change{{current.ID(), keys.Current, keys.Previous}, {standby.ID(), keys.Standby, keys.Current}}},
		{"in an hour of a clock that went back", r, -time.Hour, nil},
		{"a moment before the last token is out of date", later, 31*time.Minute - 1, nil},
		{"when it is", later, 31 * time.Minute, []keys.Change{{current.ID(), keys.Previous, ""}}},
		{"a year later, both at once", r, 365 * 24 * time.Hour,
			[]keys.Change{{current.ID(), keys.Current, keys.Previous}, {standby.ID(), keys.Standby, keys.Current}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			was := states(tt.ring)
			got, changes := tt.ring.Advance(start.Add(tt.after), limits)
			if diff := cmp.Diff(tt.want, changes); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(was, states(tt.ring)); diff != "" {
				t.Errorf("the ring that was asked has changed: %s", diff)
			}
			for _, c := range changes {
				was[c.KeyID] = c.To
				if c.To == "" {
					delete(was, c.KeyID)
				}
			}
			if diff := cmp.Diff(was, states(got)); diff != "" {
				t.Errorf("the changes don't tell all: %s", diff)
			}
			if _, ok := got.Find(previous.ID()); !ok {
				t.Error("a key that signed elsewhere is gone")
			}
			if again, more := got.Advance(start.Add(tt.after), limits); more != nil || again.ETag() != got.ETag() {
				t.Errorf("at the same time once more: %v", more)
			}
		})
	}
}

func TestPreviousKeyVerifiesItsLastToken(t *testing.T) {
	for _, tt := range []struct {
		name     string
		promises []time.Duration
		ttl      time.Duration // of tokens, when it gives way
		want     time.Duration // after that
	}{
		{"of the usual life", nil, 15 * time.Minute, 21 * time.Minute},
		{"of a longer one that was promised", []time.Duration{time.Hour}, 15 * time.Minute, 66 * time.Minute},
		{"of the longest that was promised", []time.Duration{time.Hour, 48 * time.Hour, time.Minute}, 15 * time.Minute, 48*time.Hour + 6*time.Minute},
		{"of a life that was raised meanwhile", []time.Duration{time.Hour}, 2 * time.Hour, 126 * time.Minute},
		{"of a life that is no whole second", []time.Duration{15*time.Minute + 1}, 15 * time.Minute, 21*time.Minute + time.Second},
	} {
		r, current, standby, _ := trio(t)
		for _, ttl := range tt.promises {
			r, _ = r.Promise(ttl)
		}
		l := limits
		l.TokenTTL = tt.ttl
		r, _, err := r.Promote(start.Add(time.Hour), l, false)
		if err != nil {
			t.Fatal(err)
		}
		l.TokenTTL, l.Leeway = time.Second, 0 // what is configured afterwards doesn't shorten it
		until := start.Add(time.Hour + tt.want)
		k, _ := r.Find(current.ID())
		before, _ := r.Advance(until.Add(-1), l)
		after, _ := r.Advance(until, l)
		_, found := before.Find(current.ID())
		_, foundAfter := after.Find(current.ID())
		if !k.Until().Equal(until) || !found || foundAfter {
			t.Errorf("%s: until %s, want %s; it verifies before: %v, then: %v", tt.name, k.Until(), until, found, foundAfter)
		}
		if signer, _ := r.Current(); !signer.Equal(standby) || !signer.Until().IsZero() {
			t.Errorf("%s: %v signs, until %s", tt.name, signer, signer.Until())
		}
	}
}

// Tokens that were issued when lives were longer are good until they are over.
func TestLifeThatWasLoweredIsKept(t *testing.T) {
	r, _, standby, _ := trio(t)
	long, short := limits, limits
	long.TokenTTL, short.TokenTTL = 24*time.Hour, time.Minute
	r, _ = r.Advance(start.Add(time.Hour), long)
	r = must[keys.Ring](t)(r.Add(generated(t, keys.ES256, start), keys.Standby, start))
	r, _, err := r.Promote(start.Add(2*time.Hour), short, false)
	if err != nil {
		t.Fatal(err)
	}
	if k, ok := r.Find(standby.ID()); !ok || !k.Until().Equal(start.Add(26*time.Hour+6*time.Minute)) {
		t.Errorf("%v until %s", k, k.Until())
	}
}

func TestPromise(t *testing.T) {
	r, _, _, _ := trio(t)
	for _, tt := range []struct {
		ttl  time.Duration
		want bool
	}{{time.Hour, true}, {time.Hour, false}, {time.Minute, false}, {time.Hour + 1, true}, {time.Hour + time.Second, false}, {0, false}, {-1, false}} {
		was := r
		var noted bool
		if r, noted = r.Promise(tt.ttl); noted != tt.want || r.ETag() != was.ETag() {
			t.Errorf("a promise of %s: %v", tt.ttl, noted)
		}
	}
	if _, noted := (keys.Ring{}).Promise(time.Hour); noted {
		t.Error("a ring without a key promises")
	}
}

func TestPromote(t *testing.T) {
	r, current, standby, _ := trio(t)
	turned := []keys.Change{{current.ID(), keys.Current, keys.Previous}, {standby.ID(), keys.Standby, keys.Current}}
	for _, tt := range []struct {
		name  string
		after time.Duration
		force bool
		want  []keys.Change
	}{
		{"a moment too early", 10*time.Minute - 1, false, nil},
		{"in time", 10 * time.Minute, false, turned},
		{"too early, but it has to be", time.Second, true, turned},
		{"in time, and it has to be", time.Hour, true, turned},
	} {
		got, changes, err := r.Promote(start.Add(tt.after), limits, tt.force)
		var early *keys.EarlyError
		if diff := cmp.Diff(tt.want, changes); diff != "" || (err == nil) != (tt.want != nil) || errors.As(err, &early) != (err != nil) {
			t.Errorf("%s: %v, %s", tt.name, err, diff)
		}
		if err != nil {
			if early.KeyID != standby.ID() || !early.Until.Equal(start.Add(10*time.Minute)) || !strings.Contains(err.Error(), "2026-11-22T09:40:15Z") {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		if k, ok := got.Current(); !ok || !k.Equal(standby) || !k.Since().Equal(start.Add(tt.after)) {
			t.Errorf("%s: %v signs since %s", tt.name, k, k.Since())
		}
		if _, _, err := got.Promote(start.Add(time.Hour), limits, true); !errors.Is(err, keys.ErrNoStandby) {
			t.Errorf("%s: and once more: %v", tt.name, err)
		}
	}
}

func TestPromoteWhereNoKeySigns(t *testing.T) {
	k := generated(t, keys.ES256, start)
	r := must[keys.Ring](t)(keys.Ring{}.Add(k, keys.Standby, start))
	r, changes := r.Advance(start.Add(time.Hour), limits)
	if diff := cmp.Diff([]keys.Change{{k.ID(), keys.Standby, keys.Current}}, changes); diff != "" || len(r.Keys()) != 1 {
		t.Error(diff, r.Keys())
	}
}

func TestRevoke(t *testing.T) {
	r, current, standby, previous := trio(t)
	pair, _, err := r.Revoke(standby.ID(), start, limits)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		ring keys.Ring
		kid  string
		want []keys.Change
		err  error
	}{
		{"the standby key", r, standby.ID(), []keys.Change{{standby.ID(), keys.Standby, keys.Revoked}}, nil},
		{"a previous key", r, previous.ID(), []keys.Change{{previous.ID(), keys.Previous, keys.Revoked}}, nil},
		{"the current key, whose successor is young", r, current.ID(),
			[]keys.Change{{current.ID(), keys.Current, keys.Revoked}, {standby.ID(), keys.Standby, keys.Current}}, nil},
		{"the current key, which has no successor", pair, current.ID(), nil, keys.ErrNoSuccessor},
		{"a revoked key", pair, standby.ID(), nil, nil},
		{"no key", r, "", nil, keys.ErrUnknownKey},
		{"an unknown key", r, generated(t, keys.ES256, start).ID(), nil, keys.ErrUnknownKey},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, changes, err := tt.ring.Revoke(tt.kid, start.Add(time.Minute), limits)
			if diff := cmp.Diff(tt.want, changes); diff != "" || !errors.Is(err, tt.err) {
				t.Fatal(diff, err)
			}
			if err != nil {
				return
			}
			if _, ok := got.Find(tt.kid); ok || strings.Contains(string(got.JWKS()), tt.kid) {
				t.Error("it verifies, or is published")
			}
			if signer, ok := got.Current(); !ok || signer.ID() == tt.kid {
				t.Errorf("%v signs", signer)
			}
			if _, err := got.Add(withID(t, tt.kid, current, standby, previous), keys.Previous, start); !errors.Is(err, keys.ErrKnownKey) {
				t.Errorf("it comes back: %v", err)
			}
			s := &memory{}
			store(t, s, got)
			read, _, err := keys.Load(t.Context(), s)
			if diff := cmp.Diff(facts(got), facts(read)); diff != "" || err != nil {
				t.Error(diff, err)
			}
			if private := strings.Count(string(s.document), `"d":`); private != len(got.Keys())-strings.Count(string(s.document), `"revoked"`) {
				t.Errorf("%d private halves are stored: %s", private, s.document)
			}
		})
	}
}

func withID(t *testing.T, kid string, all ...keys.Key) keys.Key {
	for _, k := range all {
		if k.ID() == kid {
			return k
		}
	}
	t.Fatalf("no key %s", kid)
	return keys.Key{}
}

func TestWantsKey(t *testing.T) {
	r := must[keys.Ring](t)(keys.Ring{}.Add(generated(t, keys.ES256, start), keys.Current, start))
	waiting := must[keys.Ring](t)(r.Add(generated(t, keys.ES256, start), keys.Standby, start))
	none := must[keys.Ring](t)(keys.Ring{}.Add(generated(t, keys.ES256, start), keys.Previous, start))
	never, always := limits, limits
	never.Every, always.Every = 0, time.Second
	for _, tt := range []struct {
		name   string
		ring   keys.Ring
		after  time.Duration
		limits keys.Limits
		want   bool
	}{
		{"at once", r, 0, limits, false},
		{"a moment too early", r, 24*time.Hour - 10*time.Minute - 1, limits, false},
		{"early enough to wait", r, 24*time.Hour - 10*time.Minute, limits, true},
		{"much too late", r, 240 * time.Hour, limits, true},
		{"while one waits", waiting, 240 * time.Hour, limits, false},
		{"where no key signs", none, 240 * time.Hour, limits, false},
		{"where nothing is configured", r, 240 * time.Hour, never, false},
		{"where more is configured than a wait allows", r, 0, always, true},
		{"in the empty ring", keys.Ring{}, 0, limits, false},
	} {
		if got := tt.ring.WantsKey(start.Add(tt.after), tt.limits); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
