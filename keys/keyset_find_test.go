package keys_test

import (
	"slices"
	"strings"
	"testing"

	"rowpass/keys"
)

func TestFind(t *testing.T) {
	named := func(jwk, kid string) string { return half(t, jwk, map[string]any{"kid": kid}) }
	other := publicJWK(t, p256(t).Public(), map[string]any{"kid": "twice"})
	s := parsed(t, setOf(named(ecJWK, "twice"), other, named(edJWK, "ed"), named(rsaJWK, ""), named(ecJWK, "twice")))
	for _, tt := range []struct {
		name, kid, alg string
		want           int
	}{
		{"a kid that is there twice", "twice", keys.ES256, 2},
		{"a kid whose keys don't fit", "twice", keys.ES384, 0},
		{"a kid that isn't there", "thrice", keys.ES256, 0},
		{"an algorithm by its newer name", "ed", "Ed25519", 1},
		{"no kid", "", keys.ES256, 2},
		{"no kid, and the key has none either", "", keys.PS256, 1},
		{"no kid, and nothing fits", "", keys.ES512, 0},
		{"an algorithm that nobody verifies", "", "HS256", 0},
		{"no algorithm", "", "", 0},
	} {
		if found := s.Find(tt.kid, tt.alg); len(found) != tt.want {
			t.Errorf("%s: found %d, want %d", tt.name, len(found), tt.want)
		}
	}
	if no := s.Skipped(); len(no) != 1 || no[0].ID != "twice" || !strings.Contains(no[0].Why, "twice") {
		t.Errorf("skipped %+v", no)
	}
	many := make([]string, 20)
	for i := range many {
		many[i] = publicJWK(t, p256(t).Public(), map[string]any{"kid": "same"})
	}
	crowd := parsed(t, setOf(many...))
	if all, same := crowd.Find("", keys.ES256), crowd.Find("same", keys.ES256); len(all) != 8 || len(same) != 8 {
		t.Errorf("one token is tried with %d and %d keys", len(all), len(same))
	}
	var zero keys.KeySet
	if zero.Keys() != nil || zero.Find("", keys.ES256) != nil || zero.Holds(s.Keys()[0]) {
		t.Error("the zero set has keys")
	}
}

func TestHoldsIsExact(t *testing.T) {
	jwk := half(t, rsaJWK, map[string]any{"kid": "a", "alg": "RS256", "issuer": "https://x.example"})
	k := parsed(t, setOf(jwk)).Keys()[0]
	if k.ID() != "a" || k.Issuer() != "https://x.example" {
		t.Errorf("%q of %q", k.ID(), k.Issuer())
	}
	if !parsed(t, setOf(half(t, edJWK, nil), jwk)).Holds(k) {
		t.Error("a set doesn't hold its own key")
	}
	for _, change := range []map[string]any{{"kid": "b"}, {"kid": nil}, {"alg": "RS512"}, {"alg": nil}, {"issuer": nil}, {"e": "Aw"}} {
		s := parsed(t, setOf(with(t, jwk, change)))
		if len(s.Keys()) != 1 || s.Holds(k) || s.Keys()[0].Equal(k) {
			t.Errorf("with %v it is another key, of %v", change, s.Keys())
		}
	}
	k.Algorithms()[0] = "none"
	if k.Algorithms()[0] != keys.RS256 {
		t.Error("a caller can change what a key verifies")
	}
}

// Whatever is taken for a key set has keys that verify by our list alone, and each of its keys is found.
func FuzzParseKeySet(f *testing.F) {
	f.Add([]byte(setOf(half(f, ecJWK, map[string]any{"kid": "a"}), half(f, rsaJWK, nil), half(f, edJWK, map[string]any{"alg": "Ed25519"}))))
	f.Add([]byte(setOf(ecJWK, `{"kty":"oct","k":"AA"}`, `{"kty":"AKP"}`)))
	f.Add([]byte(`{"a":` + quoted(certificate(f, 0)) + `}`))
	f.Add([]byte(`{"keys":[{"kid":1}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := keys.ParseKeySet(data)
		if err != nil {
			if len(s.Keys())+len(s.Skipped()) > 0 || len(err.Error()) > 200 {
				t.Errorf("%d keys with %v", len(s.Keys()), err)
			}
			return
		}
		if len(s.Keys())+len(s.Skipped()) > 100 {
			t.Errorf("%d keys", len(s.Keys()))
		}
		again, err := keys.ParseKeySet(data)
		for i, k := range s.Keys() {
			if !s.Holds(k) || err != nil || !again.Keys()[i].Equal(k) || len(k.Algorithms()) == 0 {
				t.Errorf("key %d, %v: %v", i, k.Algorithms(), err)
			}
			for _, alg := range k.Algorithms() {
				if !slices.Contains(keys.VerifyAlgorithms(), alg) || len(s.Find(k.ID(), alg)) == 0 {
					t.Errorf("key %d for %s", i, alg)
				}
				if _, err := k.Verify(alg, []byte("e30.e30.AAAA")); err == nil {
					t.Error("it verifies anything")
				}
			}
		}
	})
}
