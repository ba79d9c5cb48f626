package keys_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rowpass/keys"
)

// document gives what a ring of one current key is stored as.
func document(t *testing.T, dir string) string {
	t.Helper()
	store(t, keys.NewFolder(dir), ring(t, imported(t, ecJWK)))
	return string(must[[]byte](t)(os.ReadFile(filepath.Join(dir, "ring.json"))))
}

func TestLoadRefusesADocument(t *testing.T) {
	const secret = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"
	for _, tt := range []struct{ name, old, new, says string }{
		{"of a newer format", `"format": 2`, `"format": 3`, "run the version that wrote it"},
		{"without a format", `"format": 2,`, ``, "format 0"},
		{"with a state of a newer program", `"current"`, `"asleep"`, `state "asleep"`},
		{"with a member of a newer program", `"format": 2`, `"format": 2, "more": 2`, "damaged"},
		{"that is wrapped", `"format": 2`, `"format": 2, "wrapped_by": "0123456789abcdef"`, "wrapped with the secret 0123456789abcdef, and there is no keys.wrapping_secret"},
		{"with a promise below zero", `"created_at"`, `"longest_ttl_seconds": -1, "created_at"`, "its times make no sense"},
		{"with a promise that nobody keeps", `"created_at"`, `"longest_ttl_seconds": 9223372036854775807, "created_at"`, "its times make no sense"},
		{"with an end of the current key", `"created_at"`, `"until": "2026-11-22T09:30:15Z", "created_at"`, "its times make no sense"},
		{"without since", `"since"`, `"until"`, "its times make no sense"},
		{"with a key of no age", `"since": "2026-11-22T09:30:16Z",`, ``, "its times make no sense"},
		{"from the year 10000", `"since": "2026-11-22T09:30:16Z"`, `"since": "9999-12-31T23:59:59-01:00"`, "its times make no sense"},
		{"with a revoked key that can sign", `"current"`, `"revoked"`, "nothing of the key itself"},
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

// What a document is exactly, since other versions of the program read it.
func TestDocumentIsExactlyThis(t *testing.T) {
	r := ring(t, imported(t, ecJWK))
	r, _ = r.Promise(time.Hour)
	r = must[keys.Ring](t)(r.Add(imported(t, edJWK), keys.Standby, now))
	limits := keys.Limits{MaxAge: 5 * time.Minute, TokenTTL: 15 * time.Minute, Leeway: time.Minute}
	r, _, err := r.Promote(now.Add(time.Hour), limits, false)
	if err != nil {
		t.Fatal(err)
	}
	r = must[keys.Ring](t)(r.Add(imported(t, rsaJWK), keys.Standby, now))
	r, _, err = r.Revoke("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", now.Add(2*time.Hour), limits)
	if err != nil {
		t.Fatal(err)
	}
	s := &memory{}
	store(t, s, r)
	if diff := cmp.Diff(string(must[[]byte](t)(os.ReadFile("testdata/format2.json"))), string(s.document)); diff != "" {
		t.Error(diff)
	}
	read, _, err := keys.Load(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	again := &memory{}
	store(t, again, read)
	if diff := cmp.Diff(string(s.document), string(again.document)); diff != "" {
		t.Errorf("read and written again it is another: %s", diff)
	}
}

// Format 1 knew neither times nor what a key had promised.
func TestDocumentOfFormat1(t *testing.T) {
	s := &memory{document: must[[]byte](t)(os.ReadFile("testdata/format1.json"))}
	r, _, err := keys.Load(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	for i, state := range []keys.State{keys.Current, keys.Previous} {
		k := r.Keys()[i]
		if k.State() != state || !k.Since().Equal(k.CreatedAt()) || !k.CreatedAt().Equal(now.Truncate(time.Second)) || !k.Until().IsZero() {
			t.Errorf("%v since %s until %s", k, k.Since(), k.Until())
		}
	}
	if later, changes := r.Advance(now.AddDate(100, 0, 0), keys.Limits{}); changes != nil || later.ETag() != r.ETag() {
		t.Errorf("in a hundred years: %v", changes)
	}
	if must[keys.Ring](t)(keys.Update(t.Context(), s, to(r))); s.swaps != 0 {
		t.Error("it was written where nothing changes")
	}
	r, _ = r.Promise(time.Hour)
	store(t, s, r)
	if !bytes.Contains(s.document, []byte(`"format": 2`)) {
		t.Errorf("it is written as %s", s.document)
	}
	read, _, err := keys.Load(t.Context(), s)
	if diff := cmp.Diff(facts(r), facts(read)); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

// Whatever is taken for a document is a ring, which is written and read again as the same.
func FuzzDocument(f *testing.F) {
	for _, name := range []string{"testdata/format1.json", "testdata/format2.json"} {
		f.Add(must[[]byte](f)(os.ReadFile(name)))
	}
	f.Add([]byte(`{"format": 2, "keys": []}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, _, err := keys.Load(t.Context(), &memory{document: data})
		if err != nil {
			var wrapped *keys.WrapError
			if text := err.Error(); !errors.As(err, &wrapped) && strings.Contains(text, "jpsQnnGQ") {
				t.Errorf("the error has the key: %s", text)
			}
			return
		}
		noPrivateMembers(t, r.JWKS())
		s := &memory{}
		store(t, s, r)
		again := r
		if len(r.Keys()) > 0 { // an empty ring isn't written
			if again, _, err = keys.Load(t.Context(), s); err != nil {
				t.Fatalf("%v in %s", err, s.document)
			}
		}
		if diff := cmp.Diff(facts(r), facts(again)); diff != "" || r.ETag() != again.ETag() {
			t.Error(diff)
		}
		current := 0
		for _, k := range r.Keys() {
			if k.State() == keys.Current {
				current++
			}
		}
		if current > 1 {
			t.Errorf("%d keys sign", current)
		}
	})
}
