package keys_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rowpass/keys"
)

// memory is a store that holds what anybody put into it.
type memory struct {
	mu       sync.Mutex // guards all below
	document []byte     // nil: none
	version  int
	swaps    int // those that wrote
	loads    int
	before   func() error // asked by Swap before it writes; nil: nothing
	after    func() error // asked by Swap after it wrote; nil: nothing
}

func (m *memory) Load(context.Context) ([]byte, string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loads++
	if m.document == nil {
		return nil, "", nil
	}
	return m.document, strconv.Itoa(m.version), nil
}

func (m *memory) Swap(_ context.Context, document []byte, version string) (bool, error) {
	if m.before != nil {
		if err := m.before(); err != nil {
			return false, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if stored := strconv.Itoa(m.version); m.document == nil && version != "" || m.document != nil && version != stored {
		return false, nil
	}
	m.document, m.version, m.swaps = document, m.version+1, m.swaps+1
	if m.after != nil {
		return true, m.after()
	}
	return true, nil
}

// put is what somebody else writes.
func (m *memory) put(document []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.document, m.version = document, m.version+1
}

// to is a change that makes any ring this one.
func to(r keys.Ring) func(keys.Ring) (keys.Ring, error) {
	return func(keys.Ring) (keys.Ring, error) { return r, nil }
}

// store makes r the ring of s.
func store(t testing.TB, s keys.Store, r keys.Ring) {
	t.Helper()
	must[keys.Ring](t)(keys.Update(t.Context(), s, to(r)))
}

func TestRingComesBackAsItWasSaved(t *testing.T) {
	folder := keys.NewFolder(filepath.Join(t.TempDir(), "state", "keys"))
	r, version, err := keys.Load(t.Context(), folder)
	if err != nil || version != "" || len(r.Keys()) != 0 {
		t.Fatalf("where there is none: %v, %q, %v", r, version, err)
	}
	saved := ring(t, generated(t, keys.ES256, now), imported(t, rsaJWK), generated(t, keys.EdDSA, now.Add(time.Hour)))
	saved, _ = saved.Promise(90 * time.Minute)
	saved = must[keys.Ring](t)(saved.Add(generated(t, keys.ES256, now), keys.Standby, now))
	store(t, folder, saved)
	got, version, err := keys.Load(t.Context(), folder)
	if err != nil || version == "" {
		t.Fatal(version, err)
	}
	if diff := cmp.Diff(facts(saved), facts(got)); diff != "" {
		t.Error(diff)
	}
	if got.ETag() != saved.ETag() {
		t.Error("another ETag")
	}
	if again := must[keys.Ring](t)(keys.Update(t.Context(), folder, to(saved))); again.ETag() != saved.ETag() {
		t.Error("another ETag after nothing was changed")
	}
	for _, k := range got.Keys() {
		was, _ := saved.Find(k.ID())
		if _, err := was.Verify(must[[]byte](t)(k.Sign("test", []byte("payload")))); err != nil {
			t.Errorf("%v signs otherwise than before: %v", k, err)
		}
	}
}

func facts(r keys.Ring) []string {
	var out []string
	for _, k := range r.Keys() {
		line, _ := json.Marshal(k)
		out = append(out, string(line))
	}
	return out
}

func TestOneOfManyWritersWins(t *testing.T) {
	folder := keys.NewFolder(filepath.Join(t.TempDir(), "keys"))
	const writers = 8
	errs := make([]error, writers)
	made := make([]keys.Key, writers)
	var wait sync.WaitGroup
	for i := range writers {
		made[i] = generated(t, keys.ES256, now)
		wait.Go(func() {
			_, errs[i] = keys.Update(t.Context(), folder, func(r keys.Ring) (keys.Ring, error) { return r.Add(made[i], keys.Current, now) })
		})
	}
	wait.Wait()
	stored, _, err := keys.Load(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	won := 0
	for i, err := range errs {
		switch current, _ := stored.Current(); {
		case err == nil && current.Equal(made[i]):
			won++
		case !errors.Is(err, keys.ErrSecondCurrent):
			t.Errorf("writer %d: %v", i, err)
		}
	}
	if won != 1 || len(stored.Keys()) != 1 {
		t.Errorf("%d writers won, the ring is %v", won, stored.Keys())
	}
}

func TestManyWritersAllGetTheirTurn(t *testing.T) {
	folder := keys.NewFolder(filepath.Join(t.TempDir(), "keys"))
	var wait sync.WaitGroup
	for range 8 {
		k := generated(t, keys.ES256, now)
		wait.Go(func() {
			_, err := keys.Update(t.Context(), folder, func(r keys.Ring) (keys.Ring, error) { return r.Add(k, keys.Previous, now) })
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if stored, _, err := keys.Load(t.Context(), folder); err != nil || len(stored.Keys()) != 8 {
		t.Errorf("%v, %v", stored, err)
	}
}

func TestUpdateWritesWhatChanges(t *testing.T) {
	s := &memory{}
	first := must[keys.Ring](t)(keys.Update(t.Context(), s, to(ring(t, imported(t, ecJWK)))))
	broken := errors.New("broken")
	longer := func(r keys.Ring) (keys.Ring, error) { r, _ = r.Promise(time.Hour); return r, nil }
	for _, tt := range []struct {
		name   string
		change func(keys.Ring) (keys.Ring, error)
		swaps  int
		err    error
	}{
		{"the ring as it was", func(r keys.Ring) (keys.Ring, error) { return r, nil }, 1, nil},
		{"an equal ring", to(first), 1, nil},
		{"no ring, but an error", func(keys.Ring) (keys.Ring, error) { return keys.Ring{}, broken }, 1, broken},
		{"a longer promise", longer, 2, nil},
		{"the same promise again", longer, 2, nil},
	} {
		r, err := keys.Update(t.Context(), s, tt.change)
		if err != tt.err || s.swaps != tt.swaps || err == nil && r.ETag() != first.ETag() {
			t.Errorf("%s: %v, %v, after %d writes", tt.name, r, err, s.swaps)
		}
	}
}

func TestUpdateBeginsAgainWhereSomebodyWasFaster(t *testing.T) {
	s := &memory{}
	store(t, s, ring(t, imported(t, ecJWK)))
	theirs := ring(t, imported(t, ecJWK), imported(t, rsaJWK))
	other := &memory{}
	store(t, other, theirs)
	s.before = func() error {
		s.before = nil
		s.put(other.document)
		return nil
	}
	asked := 0
	r, err := keys.Update(t.Context(), s, func(r keys.Ring) (keys.Ring, error) {
		asked++
		return r.Add(imported(t, edJWK), keys.Previous, now)
	})
	if err != nil || asked != 2 || len(r.Keys()) != 3 {
		t.Errorf("asked %d times: %v, %v", asked, r, err)
	}
	if stored, _, err := keys.Load(t.Context(), s); err != nil || stored.ETag() != r.ETag() {
		t.Errorf("stored is %v, %v", stored, err)
	}
}

func TestUpdateEnds(t *testing.T) {
	s := &memory{before: func() error { return os.ErrDeadlineExceeded }}
	if _, err := keys.Update(t.Context(), s, to(ring(t, imported(t, ecJWK)))); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("where nothing can be written: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s.before = func() error { cancel(); s.put(nil); s.put([]byte(`{"format": 2}`)); return nil }
	if _, err := keys.Update(ctx, s, to(ring(t, imported(t, ecJWK)))); !errors.Is(err, context.Canceled) {
		t.Errorf("where somebody else is always faster, at the end: %v", err)
	}
	var many []string
	for i := range 4000 {
		many = append(many, fmt.Sprintf(`{"kid":"%042dA","state":"revoked","created_at":"2026-11-22T09:30:15Z","since":"2026-11-22T09:30:15Z","alg":"ES256"}`, i))
	}
	s = &memory{document: []byte(`{"format":2,"keys":[` + strings.Join(many, ",") + `]}`)}
	_, err := keys.Update(t.Context(), s, func(r keys.Ring) (keys.Ring, error) { return r.Add(generated(t, keys.ES256, now), keys.Current, now) })
	if err == nil || !strings.Contains(err.Error(), "4001 keys are too many") {
		t.Errorf("a ring of thousands of keys: %v", err)
	}
}

func TestSwapWaitsForTheLockAsLongAsItsContext(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	document(t, dir)
	held := hold(t, filepath.Join(dir, "ring.lock"))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if swapped, err := keys.NewFolder(dir).Swap(ctx, nil, ""); swapped || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while another has it: %v, %v", swapped, err)
	}
	held.Close()
	if swapped, err := keys.NewFolder(dir).Swap(t.Context(), nil, ""); swapped || err != nil {
		t.Errorf("when it is free, with a version that is not the stored one: %v, %v", swapped, err)
	}
}
