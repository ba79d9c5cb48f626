package keys_test

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"rowpass/keys"
)

// walk is a year of some instances on one store, and of the people who look after it.
type walk struct {
	name    string
	limits  keys.Limits
	clocks  []time.Duration // how far each instance's is from the true time
	late    bool            // instances go without a look at the store for nearly as long as the key set may be cached
	fails   float64         // the share of writes that end in an error, half of them written nevertheless
	rotate  float64         // the chance that somebody types rotate, at each step
	revoke  float64         // that somebody revokes a key
	promise time.Duration   // the longest life that somebody asks for, now and then
}

// world is a walk on its way.
type world struct {
	walk
	t         *testing.T
	chance    *rand.Rand
	store     *memory
	witness   *keys.Live // sees every change at once
	now       time.Time  // the true one
	instances []*instance
	good      map[string]time.Time // the expiry of the last token of each key, by the issuer's clock
	forced    map[string]bool      // keys that had to sign before their time
	revoked   map[string]bool
	signed    map[string]bool // every key that ever has
	small     int             // keys that may verify at once
}

type instance struct {
	live   *keys.Live
	clock  time.Duration
	looked time.Time
	knows  map[string]time.Time // since when it publishes a key
}

var errStore = errors.New("the store does not answer")

func TestRingWalksThroughAYear(t *testing.T) {
	monthly := keys.Limits{MaxAge: 5 * time.Minute, TokenTTL: 15 * time.Minute, Leeway: time.Minute, Every: 30 * 24 * time.Hour}
	hourly := keys.Limits{MaxAge: time.Hour, TokenTTL: 24 * time.Hour, Leeway: time.Minute}
	both := hourly
	both.Every = 30 * 24 * time.Hour
	busy := keys.Limits{MaxAge: 24 * time.Hour, TokenTTL: 96 * time.Hour, Leeway: time.Minute, Every: 50 * time.Hour}
	apart := []time.Duration{-20 * time.Second, 0, 20 * time.Second}
	for _, w := range []walk{
		{name: "one instance that rotates every month", limits: monthly, clocks: apart[1:2]},
		{name: "three that differ and come late", limits: monthly, clocks: apart, late: true},
		{name: "three whose writes fail", limits: monthly, clocks: apart, late: true, fails: 0.7},
		{name: "three that rotate nearly as fast as they may", limits: busy, clocks: apart, late: true, fails: 0.1},
		{name: "by hand", limits: hourly, clocks: apart, late: true, rotate: 0.004},
		{name: "by hand and by themselves, with long promises", limits: both, clocks: apart, late: true, fails: 0.1,
			rotate: 0.002, promise: 200 * time.Hour},
		{name: "with keys that are revoked", limits: both, clocks: apart, late: true, fails: 0.1, rotate: 0.005, revoke: 0.003},
	} {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			s := newWorld(t, w)
			for end := s.now.AddDate(1, 0, 0); s.now.Before(end); {
				s.step()
				if t.Failed() {
					t.Fatalf("after %s", s.now.Sub(now))
				}
			}
			s.checkYear()
		})
	}
}

func newWorld(t *testing.T, w walk) *world {
	s := &world{walk: w, t: t, chance: rand.New(rand.NewPCG(1, 2)), store: &memory{}, now: now,
		good: make(map[string]time.Time), forced: make(map[string]bool), revoked: make(map[string]bool), signed: make(map[string]bool)}
	apart := w.clocks[len(w.clocks)-1] - w.clocks[0]
	life := max(w.limits.TokenTTL, w.promise) + w.limits.Leeway + w.limits.MaxAge
	s.small = 4 + int(life/(w.limits.Wait()-apart))
	first := generated(t, keys.ES256, s.now)
	s.forced[first.ID()] = true
	store(t, s.store, ring(t, first))
	s.witness = must[*keys.Live](t)(keys.Open(t.Context(), s.store))
	for _, clock := range w.clocks {
		live := must[*keys.Live](t)(keys.Open(t.Context(), s.store))
		s.instances = append(s.instances, &instance{live, clock, s.now, make(map[string]time.Time)})
	}
	s.store.before = func() error { return s.fail() }
	s.store.after = func() error { return s.fail() }
	return s
}

func (s *world) fail() error {
	if s.chance.Float64() < s.fails/2 {
		return errStore
	}
	return nil
}

func (s *world) upTo(d time.Duration) time.Duration { return time.Duration(s.chance.Int64N(int64(d))) }

// step lets some time pass, people and instances do what they do then, and looks whether all is well.
func (s *world) step() {
	short, long := s.limits.MaxAge/4, 6*s.limits.MaxAge
	step := short
	if r := s.stored(); len(r.Keys())-len(s.revoked) == 1 && !r.WantsKey(s.now.Add(long), s.limits) {
		step = long // nothing is on its way
	}
	s.now = s.now.Add(time.Second + s.upTo(step))
	s.people()
	for _, i := range s.instances {
		if s.now.Sub(i.looked)+step > s.limits.MaxAge*4/5 || !s.late || s.chance.IntN(4) == 0 {
			s.look(i)
		}
		s.issue(i)
	}
	s.checkTokens()
	s.checkRings()
}

func (s *world) stored() keys.Ring {
	if _, err := s.witness.Reload(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	return s.witness.Ring()
}

// look is what serve does over and over.
func (s *world) look(i *instance) {
	if _, err := i.live.Reload(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	clock := s.now.Add(i.clock)
	if _, due := i.live.Ring().Advance(clock, s.limits); due != nil || i.live.Ring().WantsKey(clock, s.limits) {
		s.change(i, func(r keys.Ring) (keys.Ring, error) {
			r, _ = r.Advance(clock, s.limits)
			if !r.WantsKey(clock, s.limits) {
				return r, nil
			}
			return r.Add(generated(s.t, keys.ES256, clock), keys.Standby, clock)
		})
	}
	i.looked = s.now
	for _, k := range i.live.Ring().Keys() {
		if _, known := i.knows[k.ID()]; !known {
			i.knows[k.ID()] = s.now
		}
	}
}

// change is an update of the ring that the store may refuse.
func (s *world) change(i *instance, change func(keys.Ring) (keys.Ring, error)) bool {
	err := i.live.Update(s.t.Context(), change)
	if err != nil && !errors.Is(err, errStore) {
		s.t.Error(err)
	}
	return err == nil
}

// people type commands, on a machine whose clock is one of the instances'.
func (s *world) people() {
	i := s.instances[s.chance.IntN(len(s.instances))]
	clock := s.now.Add(i.clock)
	if s.chance.Float64() < s.rotate {
		s.rotateByHand(i, clock)
	}
	if s.chance.Float64() < s.revoke {
		s.revokeByHand(i, clock)
	}
	if s.promise > 0 && s.chance.Float64() < 0.01 {
		ttl := s.upTo(s.promise)
		if s.change(i, func(r keys.Ring) (keys.Ring, error) { r, _ = r.Promise(ttl); return r, nil }) {
			s.sign(i, ttl)
		}
	}
}

func (s *world) rotateByHand(i *instance, clock time.Time) {
	s.change(i, func(r keys.Ring) (keys.Ring, error) {
		standby, ok := r.Standby()
		if !ok {
			return r.Add(generated(s.t, keys.ES256, clock), keys.Standby, clock)
		}
		promoted, _, err := r.Promote(clock, s.limits, false)
		var early *keys.EarlyError
		if young := clock.Before(standby.Since().Add(s.limits.Wait())); young != errors.As(err, &early) || young && early.KeyID != standby.ID() {
			s.t.Errorf("promoting a key of %s: %v", clock.Sub(standby.Since()), err)
		}
		if err != nil {
			return r, nil
		}
		return promoted, nil
	})
}

// revokeByHand takes any key. Where the current one goes another has to sign at once.
func (s *world) revokeByHand(i *instance, clock time.Time) {
	all := s.stored().Keys()
	victim := all[s.chance.IntN(len(all))].ID()
	s.change(i, func(r keys.Ring) (keys.Ring, error) {
		revoked, _, err := r.Revoke(victim, clock, s.limits)
		if errors.Is(err, keys.ErrNoSuccessor) {
			if r, err = r.Add(generated(s.t, keys.ES256, clock), keys.Standby, clock); err != nil {
				return r, err
			}
			revoked, _, err = r.Revoke(victim, clock, s.limits)
		}
		if errors.Is(err, keys.ErrUnknownKey) { // dropped meanwhile
			return r, nil
		}
		return revoked, err
	})
	for _, k := range s.stored().Keys() { // by all that the store says, since an error may mean that it has written
		if k.State() == keys.Current && !s.signed[k.ID()] {
			s.forced[k.ID()] = true
		}
		if k.State() == keys.Revoked {
			s.revoked[k.ID()] = true
			delete(s.good, k.ID())
		}
	}
}

func (s *world) issue(i *instance) { s.sign(i, s.limits.TokenTTL) }

// sign notes a token of i, and looks whether whoever cached a key set of any instance can know its key.
func (s *world) sign(i *instance, ttl time.Duration) {
	k, ok := i.live.Ring().Current()
	if !ok {
		s.t.Errorf("no key signs in %v", i.live.Ring().Keys())
		return
	}
	s.signed[k.ID()] = true
	if s.revoked[k.ID()] {
		return // i doesn't know yet; the token is void
	}
	if expiry := s.now.Add(i.clock + ttl); expiry.After(s.good[k.ID()]) {
		s.good[k.ID()] = expiry
	}
	for n, other := range s.instances {
		since, known := other.knows[k.ID()]
		if !s.forced[k.ID()] && (!known || s.now.Sub(since) < s.limits.MaxAge) {
			s.t.Errorf("%v signs, and instance %d publishes it for %s (%v)", k, n, s.now.Sub(since), known)
		}
	}
}

// checkTokens wants every token that isn't out of date to find its key, at every instance.
func (s *world) checkTokens() {
	for kid, expiry := range s.good {
		if s.now.After(expiry.Add(2 * s.limits.Leeway)) {
			delete(s.good, kid)
			continue
		}
		for n, i := range s.instances {
			if _, ok := i.live.Ring().Find(kid); !ok && s.now.Add(i.clock).Before(expiry) {
				if _, seen := i.knows[kid]; seen || !s.forced[kid] { // what was forced is news to those who haven't looked
					s.t.Errorf("instance %d refuses a token that is good for %s more", n, expiry.Sub(s.now.Add(i.clock)))
				}
			}
		}
	}
}

// checkRings wants one key to sign in every ring, no revoked key to verify, and those who look at the same time to agree.
func (s *world) checkRings() {
	rings := []keys.Ring{s.stored()}
	for _, i := range s.instances {
		rings = append(rings, i.live.Ring())
	}
	signers := make(map[string]bool)
	for _, r := range rings {
		count := make(map[keys.State]int)
		for _, k := range r.Keys() {
			count[k.State()]++
			if k.State() == keys.Current {
				signers[k.ID()] = true
			}
		}
		if count[keys.Current] != 1 || count[keys.Standby] > 1 {
			s.t.Errorf("%d keys sign, %d wait", count[keys.Current], count[keys.Standby])
		}
		if verify := len(r.Keys()) - count[keys.Revoked]; verify > s.small {
			s.t.Errorf("%d keys verify, more than %d", verify, s.small)
		}
	}
	if len(signers) > 2 && s.revoke == 0 {
		s.t.Errorf("%d keys sign at the same time", len(signers))
	}
	for kid := range s.revoked {
		if _, ok := rings[0].Find(kid); ok {
			s.t.Errorf("the revoked key %s verifies", kid)
		}
	}
}

// checkYear looks back.
func (s *world) checkYear() {
	if s.limits.Every > 0 && s.rotate == 0 {
		due := int(365 * 24 * time.Hour / s.limits.Every)
		if turns := len(s.signed) - 1; turns > due || turns < due*4/5 {
			s.t.Errorf("the ring rotated %d times, not %d", turns, due)
		}
	}
	if s.rotate > 0 && len(s.signed) < 30 || s.revoke > 0 && len(s.revoked) < 5 {
		s.t.Errorf("%d keys have signed and %d were revoked: nothing was tried", len(s.signed), len(s.revoked))
	}
}
