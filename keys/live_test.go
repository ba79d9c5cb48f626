package keys_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"rowpass/keys"
)

func TestLiveFollowsItsStore(t *testing.T) {
	s := &memory{}
	live := must[*keys.Live](t)(keys.Open(t.Context(), s))
	first, second := ring(t, imported(t, ecJWK)), ring(t, imported(t, ecJWK), imported(t, edJWK))
	for _, tt := range []struct {
		name    string
		do      func()
		changed bool
		want    keys.Ring
	}{
		{"where there is nothing", func() {}, false, keys.Ring{}},
		{"the first ring", func() { store(t, s, first) }, true, first},
		{"where nothing has happened", func() {}, false, first},
		{"another ring", func() { store(t, s, second) }, true, second},
		{"the same ring, written again", func() { s.put(s.document) }, false, second},
		{"a ring back from a backup", func() { store(t, s, first) }, true, first},
	} {
		tt.do()
		changed, err := live.Reload(t.Context())
		if err != nil || changed != tt.changed || live.Ring().ETag() != tt.want.ETag() {
			t.Errorf("%s: %v, %v: %v", tt.name, changed, err, live.Ring().Keys())
		}
	}
}

func TestLiveKeepsItsRingWhereThereIsNoOther(t *testing.T) {
	s := &memory{}
	first := ring(t, imported(t, ecJWK))
	store(t, s, first)
	live := must[*keys.Live](t)(keys.Open(t.Context(), s))
	nothing := func(r keys.Ring) (keys.Ring, error) { return r, nil }
	for _, tt := range []struct {
		name     string
		document []byte
		says     string
	}{
		{"damaged", []byte("{"), "damaged"},
		{"gone", nil, "the ring is gone"},
		{"wrapped by somebody", []byte(`{"wrapped_by": "0123456789abcdef"}`), "0123456789abcdef"},
	} {
		for range 2 { // it says so each time
			s.put(tt.document)
			changed, reloaded := live.Reload(t.Context())
			updated := live.Update(t.Context(), nothing)
			for _, err := range []error{reloaded, updated} {
				if changed || err == nil || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("%s: %v, %v", tt.name, changed, err)
				}
			}
			if live.Ring().ETag() != first.ETag() {
				t.Errorf("%s: the ring is %v", tt.name, live.Ring())
			}
		}
	}
	s.document = nil
	store(t, s, first)
	if _, err := live.Reload(t.Context()); err != nil {
		t.Errorf("when it is back: %v", err)
	}
}

func TestLiveTakesItsOwnUpdateAtOnce(t *testing.T) {
	s := &memory{}
	live := must[*keys.Live](t)(keys.Open(t.Context(), s))
	if _, err := live.Reload(t.Context()); err != nil {
		t.Error(err)
	}
	first := ring(t, imported(t, ecJWK))
	if err := live.Update(t.Context(), to(first)); err != nil || live.Ring().ETag() != first.ETag() {
		t.Errorf("%v, %v", err, live.Ring())
	}
	if changed, err := live.Reload(t.Context()); changed || err != nil {
		t.Errorf("its own update is news to it: %v, %v", changed, err)
	}
	broken := errors.New("broken")
	if err := live.Update(t.Context(), func(keys.Ring) (keys.Ring, error) { return keys.Ring{}, broken }); !errors.Is(err, broken) || live.Ring().ETag() != first.ETag() {
		t.Errorf("after an error: %v, %v", err, live.Ring())
	}
	other := ring(t, imported(t, edJWK))
	store(t, s, other)
	if err := live.Update(t.Context(), func(r keys.Ring) (keys.Ring, error) { return r, nil }); err != nil || live.Ring().ETag() != other.ETag() {
		t.Errorf("an update that changes nothing sees what others have: %v, %v", err, live.Ring())
	}
}

// slow is a store that asks before it answers Load.
type slow struct {
	*memory
	asked chan chan struct{}
}

func (s slow) Load(ctx context.Context) ([]byte, string, error) {
	document, version, err := s.memory.Load(ctx)
	answer := make(chan struct{})
	s.asked <- answer
	<-answer
	return document, version, err
}

// A reload that has read the ring of before must not put it over that of an update that came meanwhile.
func TestLiveNeverGoesBack(t *testing.T) {
	m := &memory{}
	store(t, m, ring(t, imported(t, ecJWK)))
	s := slow{m, make(chan chan struct{})}
	go func() { close(<-s.asked) }()
	live := must[*keys.Live](t)(keys.Open(t.Context(), s))
	m.put(m.document) // else a reload has nothing to decode
	second := ring(t, imported(t, edJWK))
	var both sync.WaitGroup
	both.Go(func() {
		if _, err := live.Reload(t.Context()); err != nil {
			t.Error(err)
		}
	})
	reload := <-s.asked // it holds the ring of before
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := live.Update(ended, to(second)); !errors.Is(err, context.Canceled) {
		t.Errorf("an update whose time is over waits: %v", err)
	}
	updated := make(chan error)
	go func() { updated <- live.Update(t.Context(), to(second)) }()
	select {
	case update := <-s.asked: // it was let in, so let it be faster
		close(update)
		if err := <-updated; err != nil {
			t.Error(err)
		}
		close(reload)
	case <-time.After(20 * time.Millisecond): // it waits for the reload, as it should
		close(reload)
		close(<-s.asked)
		if err := <-updated; err != nil {
			t.Error(err)
		}
	}
	both.Wait()
	if live.Ring().ETag() != second.ETag() {
		t.Errorf("the ring is %v", live.Ring().Keys())
	}
}

// The version of a folder is that of its bytes, so a ring that comes back has the version that it had.
func TestLiveFollowsBackToTheRingOfBefore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	was := document(t, dir)
	live := must[*keys.Live](t)(keys.Open(t.Context(), keys.NewFolder(dir)))
	first := live.Ring()
	if err := live.Update(t.Context(), to(ring(t, imported(t, edJWK)))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ring.json"), []byte(was), 0o600); err != nil {
		t.Fatal(err)
	}
	if changed, err := live.Reload(t.Context()); err != nil || !changed || live.Ring().ETag() != first.ETag() {
		t.Errorf("%v, %v, %v", changed, err, live.Ring())
	}
}

// Many read while some change: the race detector looks on, and nobody ever sees a ring without a current key.
func TestLiveIsForMany(t *testing.T) {
	folder := keys.NewFolder(filepath.Join(t.TempDir(), "keys"))
	store(t, folder, ring(t, imported(t, ecJWK)))
	live := must[*keys.Live](t)(keys.Open(t.Context(), folder))
	ctx, stop := context.WithCancel(t.Context())
	var readers, writers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for ctx.Err() == nil {
				if _, ok := live.Ring().Current(); !ok {
					t.Error("no key signs")
				}
			}
		})
	}
	for range 4 {
		other := must[*keys.Live](t)(keys.Open(t.Context(), folder))
		writers.Go(func() {
			for range 5 {
				rotate(t, other)
				if _, err := live.Reload(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	stop()
	readers.Wait()
	if _, err := live.Reload(t.Context()); err != nil || len(live.Ring().Keys()) != 21 {
		t.Errorf("%d keys after 20 rotations: %v", len(live.Ring().Keys()), err)
	}
}

func rotate(t *testing.T, live *keys.Live) {
	fresh := generated(t, keys.ES256, now)
	err := live.Update(t.Context(), func(r keys.Ring) (keys.Ring, error) {
		r, err := r.Add(fresh, keys.Standby, now)
		if err != nil {
			return r, err
		}
		r, _, err = r.Promote(now, limits, true)
		return r, err
	})
	if err != nil {
		t.Error(err)
	}
}
