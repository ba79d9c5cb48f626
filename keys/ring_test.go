package keys_test

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rowpass/keys"
)

// ring makes the first key current and the others previous.
func ring(t testing.TB, all ...keys.Key) keys.Ring {
	t.Helper()
	var r keys.Ring
	state := keys.Current
	for _, k := range all {
		var err error
		if r, err = r.Add(k, state, now); err != nil {
			t.Fatal(err)
		}
		state = keys.Previous
	}
	return r
}

func generated(t testing.TB, alg string, at time.Time) keys.Key {
	t.Helper()
	return must[keys.Key](t)(keys.Generate(alg, at))
}

func ids(all []keys.Key) []string {
	var out []string
	for _, k := range all {
		out = append(out, k.ID())
	}
	return out
}

func TestEmptyRing(t *testing.T) {
	var r keys.Ring
	if _, ok := r.Current(); ok {
		t.Error("it has a current key")
	}
	if _, ok := r.Find(""); ok {
		t.Error("it finds a key without a name")
	}
	if got := string(r.JWKS()); got != `{"keys":[]}` {
		t.Errorf("it publishes %s", got)
	}
	if r.ETag() == "" || len(r.Keys()) != 0 {
		t.Errorf("ETag %q, keys %v", r.ETag(), r.Keys())
	}
	_, err := keys.Key{}.Sign("test", nil)
	if _, added := r.Add(keys.Key{}, keys.Current, now); !errors.Is(err, keys.ErrNoKey) || !errors.Is(added, keys.ErrNoKey) {
		t.Errorf("the zero key signs (%v), or was added (%v)", err, added)
	}
}

func TestAddRefuses(t *testing.T) {
	current, previous := generated(t, keys.ES256, now), generated(t, keys.ES256, now)
	standby, revoked := generated(t, keys.ES256, now), generated(t, keys.ES256, now)
	r := ring(t, current, previous, revoked)
	r, _, err := r.Revoke(revoked.ID(), now, keys.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	r = must[keys.Ring](t)(r.Add(standby, keys.Standby, now))
	for _, tt := range []struct {
		name  string
		key   keys.Key
		state keys.State
		want  error
	}{
		{"a second current key", generated(t, keys.EdDSA, now), keys.Current, keys.ErrSecondCurrent},
		{"the current key again", current, keys.Previous, keys.ErrKnownKey},
		{"a previous key again", previous, keys.Previous, keys.ErrKnownKey},
		{"a second standby key", generated(t, keys.EdDSA, now), keys.Standby, keys.ErrSecondStandby},
		{"the standby key again", standby, keys.Current, keys.ErrKnownKey},
		{"a revoked key again", revoked, keys.Previous, keys.ErrKnownKey},
		{"what is left of a revoked key", r.Keys()[3], keys.Previous, keys.ErrKnownKey},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := r.Add(tt.key, tt.state, now); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
	if _, err := (keys.Ring{}).Add(r.Keys()[3], keys.Previous, now); !errors.Is(err, keys.ErrNoKey) {
		t.Errorf("another ring takes what is left of a revoked key: %v", err)
	}
	for _, state := range []keys.State{"", "revoked", "CURRENT"} {
		if _, err := r.Add(generated(t, keys.ES256, now), state, now); err == nil {
			t.Errorf("state %q was taken", state)
		}
	}
}

// Every state in one ring: the order in which keys are listed, and what each state is good for.
func TestStates(t *testing.T) {
	var made []keys.Key
	for range 5 {
		made = append(made, generated(t, keys.ES256, now))
	}
	r := must[keys.Ring](t)(ring(t, made[0], made[1], made[2]).Add(made[3], keys.Standby, now.Add(time.Hour)))
	r, _, err := r.Revoke(made[1].ID(), now.Add(2*time.Hour), keys.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	published := must[[]byte](t)(r.PEM())
	for i, tt := range []struct {
		state  keys.State
		key    keys.Key
		since  time.Duration // after now
		usable bool
	}{
		{keys.Current, made[0], 0, true},
		{keys.Standby, made[3], time.Hour, true},
		{keys.Previous, made[2], 0, true},
		{keys.Revoked, made[1], 2 * time.Hour, false},
	} {
		k := r.Keys()[i]
		_, found := r.Find(k.ID())
		_, signs := k.Sign("test", nil)
		listed := strings.Contains(string(r.JWKS()), k.ID())
		got := []any{k.State(), k.ID(), k.Since(), found, listed, signs == nil, k.Public() != nil}
		since := now.Add(tt.since).Truncate(time.Second).Add(time.Second) // never before the moment
		if diff := cmp.Diff([]any{tt.state, tt.key.ID(), since, tt.usable, tt.usable, tt.usable, tt.usable}, got); diff != "" {
			t.Errorf("%s: %s", tt.state, diff)
		}
	}
	if got := strings.Count(string(published), "BEGIN PUBLIC KEY"); got != 3 {
		t.Errorf("%d keys as PEM, want 3", got)
	}
	if standby, ok := r.Standby(); !ok || !standby.Equal(made[3]) {
		t.Errorf("the standby key is %v", standby)
	}
	if k, ok := (keys.Ring{}).Standby(); ok {
		t.Errorf("the empty ring has standby key %v", k)
	}
}

func TestAddLeavesTheRingAsItWas(t *testing.T) {
	first := ring(t, generated(t, keys.ES256, now), generated(t, keys.ES256, now), generated(t, keys.ES256, now)) // an array of four
	before := string(first.JWKS())
	a := must[keys.Ring](t)(first.Add(generated(t, keys.ES256, now), keys.Previous, now))
	b := must[keys.Ring](t)(first.Add(generated(t, keys.ES256, now), keys.Previous, now))
	first.JWKS()[0], first.Keys()[0] = 'x', keys.Key{}
	if string(first.JWKS()) != before || len(first.Keys()) != 3 || first.Keys()[0].ID() == "" {
		t.Error("the first ring changed")
	}
	if cmp.Equal(ids(a.Keys()), ids(b.Keys())) {
		t.Error("two rings that grew from one share a key")
	}
}

func TestRingOfPreviousKeysSignsNothing(t *testing.T) {
	r := must[keys.Ring](t)(keys.Ring{}.Add(generated(t, keys.ES256, now), keys.Previous, now))
	if k, ok := r.Current(); ok {
		t.Errorf("%v signs", k)
	}
	if got := r.String(); got != "ring of 1 keys, none current" {
		t.Errorf("it says %q", got)
	}
}

func TestEqualKeysVerifyTheSame(t *testing.T) {
	one, other := generated(t, keys.ES256, now), generated(t, keys.ES256, now)
	listed, _ := ring(t, one).Current()
	if !one.Equal(listed) || one.Equal(other) || one.Equal(keys.Key{}) {
		t.Error("a key equals another, or not itself")
	}
}

func TestRingListsTheCurrentKeyFirstAndThenTheNewest(t *testing.T) {
	var made []keys.Key
	for age := range 4 {
		made = append(made, generated(t, keys.EdDSA, now.Add(-time.Duration(age)*time.Hour)))
	}
	want := []string{made[2].ID(), made[0].ID(), made[1].ID(), made[3].ID()}
	r := ring(t, made[2], made[3], made[0], made[1])
	if diff := cmp.Diff(want, ids(r.Keys())); diff != "" {
		t.Error(diff)
	}
	other := ring(t, made[2], made[0], made[1], made[3])
	if string(other.JWKS()) != string(r.JWKS()) || other.ETag() != r.ETag() {
		t.Error("the same keys in another order are published differently")
	}
	if current, ok := r.Current(); !ok || !current.Equal(made[2]) || current.State() != keys.Current {
		t.Errorf("current is %v", current)
	}
	if found, ok := r.Find(made[3].ID()); !ok || found.State() != keys.Previous {
		t.Errorf("found %v", found)
	}
	for _, kid := range []string{"", "x", made[0].ID() + "x", strings.ToLower(made[0].ID()) + "\x00"} {
		if found, ok := r.Find(kid); ok {
			t.Errorf("kid %q found %v", kid, found)
		}
	}
	if _, ok := ring(t, made[0]).Find(made[1].ID()); ok {
		t.Error("a ring finds another's key")
	}
}

func noPrivateMembers(t *testing.T, jwks []byte) {
	t.Helper()
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal(jwks, &set); err != nil {
		t.Fatalf("%v in %s", err, jwks)
	}
	allowed := map[string][]string{
		"EC":  {"alg", "crv", "kid", "kty", "use", "x", "y"},
		"RSA": {"alg", "e", "kid", "kty", "n", "use"},
		"OKP": {"alg", "crv", "kid", "kty", "use", "x"},
	}
	for _, k := range set.Keys {
		var names []string
		for name := range k {
			names = append(names, name)
		}
		slices.Sort(names)
		if diff := cmp.Diff(allowed[k["kty"]], names); diff != "" {
			t.Error(diff)
		}
		if k["use"] != "sig" {
			t.Errorf("use is %q", k["use"])
		}
	}
}

func TestJWKSHasNoPrivateMember(t *testing.T) {
	hostile := map[string]any{
		"k": "c2VjcmV0", "password": "secret", "kid": `"},{"kty":"oct`, "x5c": []string{}, "oth": []any{},
		"secret\":\"x": "y", "dp": "AQ", "dq": "AQ", "qi": "AQ", "priv": "secret",
	}
	r := ring(t, imported(t, with(t, ecJWK, hostile)), imported(t, with(t, rsaJWK, hostile)), imported(t, with(t, edJWK, hostile)))
	noPrivateMembers(t, r.JWKS())
	for _, jwk := range []string{ecJWK, rsaJWK, edJWK} {
		for _, secret := range secrets(t, jwk, "d") {
			if strings.Contains(string(r.JWKS()), secret) {
				t.Errorf("%q is published", secret)
			}
		}
	}
	if got := strings.Count(string(r.JWKS()), `"kty"`); got != 3 {
		t.Errorf("%d keys are published, want 3: %s", got, r.JWKS())
	}
}

func TestJWKSIsExactlyThis(t *testing.T) {
	want := fmt.Sprintf(`{"keys":[{"alg":"ES256","crv":"P-256","kid":"%s","kty":"EC","use":"sig",`+
		`"x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`,
		"oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U")
	r := ring(t, imported(t, ecJWK))
	if diff := cmp.Diff(want, string(r.JWKS())); diff != "" {
		t.Error(diff)
	}
	if got := must[[]byte](t)(json.Marshal(r)); string(got) != want {
		t.Errorf("json.Marshal gives %s", got)
	}
	if etag := r.ETag(); len(etag) != 24 || etag[0] != '"' || etag == (keys.Ring{}).ETag() {
		t.Errorf("ETag is %s", etag)
	}
}

func TestPEMHasThePublicKeys(t *testing.T) {
	r := ring(t, imported(t, ecJWK), imported(t, rsaJWK), imported(t, edJWK))
	rest := must[[]byte](t)(r.PEM())
	for _, k := range r.Keys() {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil || block.Type != "PUBLIC KEY" {
			t.Fatalf("%v has block %v", k, block)
		}
		public := must[any](t)(x509.ParsePKIXPublicKey(block.Bytes))
		if !cmp.Equal(public, k.Public()) {
			t.Errorf("%v has another public key", k)
		}
	}
	if len(rest) != 0 {
		t.Errorf("%q is left", rest)
	}
}
