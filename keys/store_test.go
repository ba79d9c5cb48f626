package keys_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rowpass/keys"
)

func TestRingComesBackAsItWasSaved(t *testing.T) {
	folder := keys.NewFolder(filepath.Join(t.TempDir(), "state", "keys"))
	r, version, err := keys.Load(t.Context(), folder)
	if err != nil || version != "" || len(r.Keys()) != 0 {
		t.Fatalf("where there is none: %v, %q, %v", r, version, err)
	}
	saved := ring(t, generated(t, keys.ES256, now), imported(t, rsaJWK), generated(t, keys.EdDSA, now.Add(time.Hour)))
	if err := keys.Save(t.Context(), folder, saved, version); err != nil {
		t.Fatal(err)
	}
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

// document gives what a ring of one current key is stored as.
func document(t *testing.T, dir string) string {
	t.Helper()
	if err := keys.Save(t.Context(), keys.NewFolder(dir), ring(t, imported(t, ecJWK)), ""); err != nil {
		t.Fatal(err)
	}
	return string(must[[]byte](t)(os.ReadFile(filepath.Join(dir, "ring.json"))))
}

func TestLoadRefusesADocument(t *testing.T) {
	const secret = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"
	for _, tt := range []struct{ name, old, new, says string }{
		{"of a newer format", `"format": 1`, `"format": 2`, "run the version that wrote it"},
		{"without a format", `"format": 1,`, ``, "format 0"},
		{"with a state of a newer program", `"current"`, `"standby"`, `state "standby"`},
		{"with a member of a newer program", `"format": 1`, `"format": 1, "more": 2`, "damaged"},
		{"cut off", "]\n}\n", "", "damaged"},
		{"with something behind it", "]\n}\n", "]\n}\n{}", "damaged"},
		{"with a kid that was edited", `"kid": "oKI`, `"kid": "pKI`, "its kid is not its thumbprint"},
		{"whose key was edited", `"P-256"`, `"P-384"`, "key 1 of the document: its curve"},
		{"whose private number was edited", secret[:4], "AAAA", "key 1 of the document: its public half"},
		{"without a key where one should be", `"current"`, `"current"}, {"state": "previous"`, "key 1 of the document"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "keys")
			was := document(t, dir)
			edited := strings.Replace(was, tt.old, tt.new, 1)
			if edited == was {
				t.Fatalf("%q is not in it", tt.old)
			}
			if err := os.WriteFile(filepath.Join(dir, "ring.json"), []byte(edited), 0o600); err != nil {
				t.Fatal(err)
			}
			_, _, err := keys.Load(t.Context(), keys.NewFolder(dir))
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v, want %q", err, tt.says)
			}
			if err != nil && strings.Contains(err.Error(), secret[4:]) {
				t.Errorf("the error has the key: %v", err)
			}
		})
	}
}

func TestOneOfManyWritersWins(t *testing.T) {
	folder := keys.NewFolder(filepath.Join(t.TempDir(), "keys"))
	const writers = 8
	errs := make([]error, writers)
	rings := make([]keys.Ring, writers)
	var wait sync.WaitGroup
	for i := range writers {
		rings[i] = ring(t, generated(t, keys.ES256, now))
		wait.Go(func() { errs[i] = keys.Save(t.Context(), folder, rings[i], "") })
	}
	wait.Wait()
	stored, version, err := keys.Load(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	won := 0
	for i, err := range errs {
		switch {
		case err == nil && stored.ETag() == rings[i].ETag():
			won++
		case !errors.Is(err, keys.ErrConflict):
			t.Errorf("writer %d: %v", i, err)
		}
	}
	if won != 1 {
		t.Errorf("%d writers won", won)
	}
	if err := keys.Save(t.Context(), folder, ring(t, generated(t, keys.ES256, now)), version); err != nil {
		t.Errorf("who read last cannot write: %v", err)
	}
	if err := keys.Save(t.Context(), folder, rings[0], version); !errors.Is(err, keys.ErrConflict) {
		t.Errorf("the version that was written over still counts: %v", err)
	}
}

func TestSwapWaitsForTheLockAsLongAsItsContext(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	document(t, dir)
	held := hold(t, filepath.Join(dir, "ring.lock"))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := keys.NewFolder(dir).Swap(ctx, nil, ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while another has it: %v", err)
	}
	held.Close()
	if err := keys.NewFolder(dir).Swap(t.Context(), nil, ""); !errors.Is(err, keys.ErrConflict) {
		t.Errorf("when it is free: %v", err)
	}
}
