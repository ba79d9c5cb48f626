package keys_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rowpass/keys"
)

var secretA, secretB = bytes.Repeat([]byte{0xa1}, 32), bytes.Repeat([]byte{0xb2}, 32)

func wrap(t testing.TB, s keys.Store, secret []byte) keys.Store {
	t.Helper()
	if secret == nil {
		return s
	}
	return must[keys.Store](t)(keys.Wrap(s, secret))
}

func TestWrappedRingComesBack(t *testing.T) {
	folder := keys.NewFolder(filepath.Join(t.TempDir(), "keys"))
	saved := ring(t, imported(t, ecJWK), imported(t, edJWK))
	store(t, wrap(t, folder, secretA), saved)
	saved, _ = saved.Promise(time.Hour)
	store(t, wrap(t, folder, secretA), saved)
	read, _, err := keys.Load(t.Context(), wrap(t, folder, bytes.Clone(secretA)))
	if diff := cmp.Diff(facts(saved), facts(read)); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if empty, _, err := keys.Load(t.Context(), wrap(t, &memory{}, secretA)); err != nil || len(empty.Keys()) != 0 {
		t.Errorf("where there is none: %v, %v", empty, err)
	}
}

func TestEnvelopeShowsNothing(t *testing.T) {
	s := &memory{}
	r := ring(t, imported(t, ecJWK), imported(t, edJWK))
	store(t, wrap(t, s, secretA), r)
	first := s.document
	hidden := append(append(secrets(t, ecJWK, "d"), secrets(t, edJWK, "d")...), ids(r.Keys())...)
	for _, text := range append(hidden, string(secretA), "a1a1a1", "oaGh") {
		if strings.Contains(string(first), text) {
			t.Errorf("%q is in %s", text, first)
		}
	}
	var envelope map[string]string
	if err := json.Unmarshal(first, &envelope); err != nil {
		t.Fatal(err)
	}
	if envelope["wrapped_by"] != keys.WrapID(secretA) || envelope["cipher"] != "HKDF-SHA256+A256GCM" || len(envelope) != 3 {
		t.Errorf("the envelope is %v", envelope)
	}
	again := &memory{}
	store(t, wrap(t, again, secretA), r)
	if bytes.Equal(first, again.document) {
		t.Error("the same document is wrapped as the same bytes")
	}
}

// Documents that are out there must be opened by later versions.
func TestEnvelopeOfFormat1(t *testing.T) {
	s := &memory{document: must[[]byte](t)(os.ReadFile("testdata/envelope.json"))}
	r, _, err := keys.Load(t.Context(), wrap(t, s, secretA))
	if current, ok := r.Current(); err != nil || !ok || !current.Equal(imported(t, ecJWK)) {
		t.Errorf("%v, %v", r, err)
	}
	if id := keys.WrapID(secretA); id != "44677aa54465cc3c" {
		t.Errorf("the secret's id is %s", id)
	}
}

func TestWrapWantsASecret(t *testing.T) {
	for _, size := range []int{0, 16, 31, 33, 64} {
		if s, err := keys.Wrap(&memory{}, make([]byte, size)); err == nil {
			t.Errorf("%d bytes make %v", size, s)
		}
	}
	if a, b := keys.WrapID(secretA), keys.WrapID(secretB); a == b || len(a) != 16 || strings.Contains(a, "a1a1") {
		t.Errorf("ids are %s and %s", a, b)
	}
}

// Whoever has another secret gets an error that tells what to do, never an empty ring; nothing is written then.
func TestRingIsWrappedOtherwise(t *testing.T) {
	a, b := keys.WrapID(secretA), keys.WrapID(secretB)
	for _, tt := range []struct {
		name          string
		stored, given []byte
		want          keys.WrapError
		says          []string
	}{
		{"with another secret", secretA, secretB, keys.WrapError{Stored: a, Given: b}, []string{a, b, "rowpass keys rewrap --from-file FILE --to-file FILE"}},
		{"and no secret is given", secretA, nil, keys.WrapError{Stored: a}, []string{a, "no keys.wrapping_secret", "rowpass keys rewrap --from-file FILE"}},
		{"not at all", nil, secretB, keys.WrapError{Given: b}, []string{b, "is not wrapped", "rowpass keys rewrap --to-file FILE"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &memory{}
			store(t, wrap(t, s, tt.stored), ring(t, imported(t, ecJWK)))
			was := s.document
			given := wrap(t, s, tt.given)
			_, opened := keys.Open(t.Context(), given)
			_, updated := keys.Update(t.Context(), given, func(keys.Ring) (keys.Ring, error) { t.Error("the change was asked"); return keys.Ring{}, nil })
			for _, err := range []error{opened, updated} {
				var got *keys.WrapError
				if !errors.As(err, &got) || *got != tt.want {
					t.Errorf("%v", err)
					continue
				}
				for _, text := range tt.says {
					if !strings.Contains(err.Error(), text) {
						t.Errorf("%v doesn't say %q", err, text)
					}
				}
			}
			if !bytes.Equal(was, s.document) {
				t.Error("it was written")
			}
		})
	}
}

func TestEnvelopeIsRefused(t *testing.T) {
	s := &memory{}
	store(t, wrap(t, s, secretA), ring(t, imported(t, ecJWK)))
	good := string(s.document)
	other := &memory{}
	store(t, wrap(t, other, secretB), ring(t, imported(t, ecJWK)))
	for _, tt := range []struct{ name, document, says string }{
		{"cut off", good[:len(good)-10], "damaged"},
		{"with a byte changed", strings.Replace(good, `"wrapped": "`, `"wrapped": "A`, 1), "damaged"},
		{"with nothing in it", `{"cipher": "HKDF-SHA256+A256GCM", "wrapped_by": "` + keys.WrapID(secretA) + `"}`, "damaged"},
		{"with another member", strings.Replace(good, `{`, `{"more": 1,`, 1), "damaged"},
		{"of another secret, whose name was edited", strings.Replace(string(other.document), keys.WrapID(secretB), keys.WrapID(secretA), 1), "damaged"},
		{"of another cipher", strings.Replace(good, "A256GCM", "A256SIV", 1), "by a cipher that this program does not know"},
		{"that is no JSON", "ring", "damaged"},
		{"that is nothing", "{}", "is not wrapped"},
	} {
		_, _, err := keys.Load(t.Context(), wrap(t, &memory{document: []byte(tt.document)}, secretA))
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.says)
		}
	}
}

func TestRewrap(t *testing.T) {
	for _, tt := range []struct {
		name     string
		from, to []byte
	}{
		{"wraps", nil, secretA},
		{"wraps with another secret", secretA, secretB},
		{"wraps with the same secret", secretA, secretA},
		{"unwraps", secretA, nil},
	} {
		s := &memory{}
		r := ring(t, imported(t, ecJWK))
		store(t, wrap(t, s, tt.from), r)
		raced := false
		s.before = func() error { // somebody else rotates in the meantime
			if !raced {
				raced = true
				r = must[keys.Ring](t)(r.Add(imported(t, edJWK), keys.Standby, now))
				store(t, wrap(t, s, tt.from), r)
			}
			return nil
		}
		if err := keys.Rewrap(t.Context(), wrap(t, s, tt.from), wrap(t, s, tt.to)); err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		read, _, err := keys.Load(t.Context(), wrap(t, s, tt.to))
		if diff := cmp.Diff(facts(r), facts(read)); diff != "" || err != nil {
			t.Errorf("%s: %v, %s", tt.name, err, diff)
		}
	}
}

func TestRewrapRefuses(t *testing.T) {
	if err := keys.Rewrap(t.Context(), &memory{}, wrap(t, &memory{}, secretA)); err == nil || !strings.Contains(err.Error(), "there is none") {
		t.Errorf("where there is no ring: %v", err)
	}
	s := &memory{}
	store(t, wrap(t, s, secretA), ring(t, imported(t, ecJWK)))
	for name, from := range map[string]keys.Store{"with another secret": wrap(t, s, secretB), "as if it were not wrapped": s} {
		var wrong *keys.WrapError
		if err := keys.Rewrap(t.Context(), from, wrap(t, s, secretB)); !errors.As(err, &wrong) || s.swaps != 1 {
			t.Errorf("%s: %v, after %d writes", name, err, s.swaps)
		}
	}
}

// Nothing that isn't wrapped with the secret is opened, whatever it says.
func FuzzEnvelope(f *testing.F) {
	good := must[[]byte](f)(os.ReadFile("testdata/envelope.json"))
	f.Add(good)
	f.Add([]byte(`{"cipher": "HKDF-SHA256+A256GCM", "wrapped_by": "44677aa54465cc3c", "wrapped": ""}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		opened, version, err := wrap(t, &memory{document: data}, secretA).Load(t.Context())
		if err == nil && !sameEnvelope(data, good) {
			t.Errorf("%s was opened as %s", data, opened)
		}
		if err != nil && (opened != nil || version != "") {
			t.Errorf("%q, %q and %v", opened, version, err)
		}
	})
}

// sameEnvelope says whether both hold the same sealed bytes, however the JSON is written.
func sameEnvelope(a, b []byte) bool {
	var x, y struct{ Wrapped []byte }
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && bytes.Equal(x.Wrapped, y.Wrapped)
}
