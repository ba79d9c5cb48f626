package identity_test

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"rowpass/identity"
)

// The vectors of github.com/standard-webhooks/standard-webhooks, libraries/go: webhook_test.go and webhook_asymmetric_test.go.
const (
	vectorSecret  = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	vectorSeed    = "VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk="
	vectorID      = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	vectorBody    = `{"test": 2432232314}`
	vectorTime    = 1614265330
	vectorMAC     = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	vectorEd25519 = "v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag=="

	otherSecret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
	wrongMAC    = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="
)

func vectorPublicKey() string {
	seed, _ := base64.StdEncoding.DecodeString(vectorSeed)
	return "whpk_" + base64.StdEncoding.EncodeToString(ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey))
}

// macByPublicKey is what anybody can make, since everybody has the public key.
func macByPublicKey() string {
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(vectorPublicKey(), "whpk_"))
	return "v1," + base64.StdEncoding.EncodeToString(mac(string(key), fmt.Sprintf("%s.%d.%s", vectorID, vectorTime, vectorBody)))
}

// standardMAC is the signature of an event by the vectors' secret.
func standardMAC(id string, stamp int64, body string) string {
	key, _ := base64.StdEncoding.DecodeString(vectorSecret)
	return "v1," + base64.StdEncoding.EncodeToString(mac(string(key), fmt.Sprintf("%s.%d.%s", id, stamp, body)))
}

// source is one that must be right.
func source(t testing.TB, cfg identity.SourceConfig) *identity.Source {
	t.Helper()
	if cfg.Name == "" {
		cfg.Name = "users"
	}
	s, err := identity.NewSource(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

func vectorHeader(prefix, signatures string) http.Header {
	return header(prefix+"-id", vectorID, prefix+"-timestamp", fmt.Sprint(vectorTime), prefix+"-signature", signatures)
}

func TestStandardWebhooks(t *testing.T) {
	t.Parallel()
	whsec := "whsec_" + vectorSecret
	at := time.Unix(vectorTime, 0)
	for _, c := range []struct {
		name    string
		secrets []string
		header  http.Header
		body    string
		now     time.Time
		want    error
	}{
		{"the standard's vector", []string{whsec}, vectorHeader("webhook", vectorMAC), vectorBody, at, nil},
		{"the same as Svix names it", []string{whsec}, vectorHeader("svix", vectorMAC), vectorBody, at, nil},
		{"the standard's Ed25519 vector", []string{vectorPublicKey()}, vectorHeader("webhook", vectorEd25519), vectorBody, at, nil},
		{"a secret as Supabase shows it", []string{"v1," + whsec}, vectorHeader("webhook", vectorMAC), vectorBody, at, nil},
		{"a secret without its prefix", []string{vectorSecret}, vectorHeader("webhook", vectorMAC), vectorBody, at, nil},
		{"an old secret and a new one", []string{otherSecret, whsec}, vectorHeader("webhook", vectorMAC), vectorBody, at, nil},
		{"both in one text, with a space", []string{otherSecret + " " + whsec}, vectorHeader("webhook", vectorMAC), vectorBody, at, nil},
		{"both in one text, as Supabase joins them", []string{"v1," + otherSecret + "|v1," + whsec}, vectorHeader("webhook", vectorMAC), vectorBody, at, nil},
		{"a secret and a public key", []string{whsec + " v1a," + vectorPublicKey()}, vectorHeader("webhook", vectorEd25519), vectorBody, at, nil},
		{"a second signature that is right", []string{whsec}, vectorHeader("webhook", wrongMAC+" "+vectorMAC), vectorBody, at, nil},
		{"signatures joined with a comma, as Supabase does", []string{whsec}, vectorHeader("webhook", wrongMAC+", "+vectorMAC), vectorBody, at, nil},
		{"a version of the future beside it", []string{whsec}, vectorHeader("webhook", "v2,abc "+vectorMAC), vectorBody, at, nil},
		{"five minutes old", []string{whsec}, vectorHeader("webhook", vectorMAC), vectorBody, at.Add(5 * time.Minute), nil},
		{"five minutes early", []string{whsec}, vectorHeader("webhook", vectorMAC), vectorBody, at.Add(-5 * time.Minute), nil},

		{"too old", []string{whsec}, vectorHeader("webhook", vectorMAC), vectorBody, at.Add(5*time.Minute + time.Second), identity.ErrStale},
		{"too early", []string{whsec}, vectorHeader("webhook", vectorMAC), vectorBody, at.Add(-5*time.Minute - time.Second), identity.ErrStale},
		{"an older one with a timestamp of now", []string{whsec}, with(vectorHeader("webhook", vectorMAC), "webhook-timestamp", fmt.Sprint(vectorTime+600)), vectorBody, at.Add(600 * time.Second), identity.ErrSignature},
		{"another id", []string{whsec}, with(vectorHeader("webhook", vectorMAC), "webhook-id", "msg_2"), vectorBody, at, identity.ErrSignature},
		{"one byte of the body changed", []string{whsec}, vectorHeader("webhook", vectorMAC), `{"test": 2432232315}`, at, identity.ErrSignature},
		{"a body written anew", []string{whsec}, vectorHeader("webhook", vectorMAC), `{"test":2432232314}`, at, identity.ErrSignature},
		{"another's secret", []string{otherSecret}, vectorHeader("webhook", vectorMAC), vectorBody, at, identity.ErrSignature},
		{"a MAC under the name of Ed25519", []string{whsec}, vectorHeader("webhook", "v1a"+strings.TrimPrefix(vectorMAC, "v1")), vectorBody, at, identity.ErrSignature},
		{"a MAC under an unknown name", []string{whsec}, vectorHeader("webhook", "v2"+strings.TrimPrefix(vectorMAC, "v1")), vectorBody, at, identity.ErrSignature},
		{"an Ed25519 signature under an unknown name", []string{vectorPublicKey()}, vectorHeader("webhook", "v2"+strings.TrimPrefix(vectorEd25519, "v1a")), vectorBody, at, identity.ErrSignature},
		{"a MAC where there is a public key alone", []string{vectorPublicKey()}, vectorHeader("webhook", vectorMAC), vectorBody, at, identity.ErrSignature},
		{"a MAC whose secret is the public key", []string{vectorPublicKey()}, vectorHeader("webhook", macByPublicKey()), vectorBody, at, identity.ErrSignature},
		{"a signature that is cut off", []string{whsec}, vectorHeader("webhook", vectorMAC[:20]), vectorBody, at, identity.ErrSignature},
		{"a version without signature", []string{whsec}, vectorHeader("webhook", "v1,"), vectorBody, at, identity.ErrSignature},
		{"no signature", []string{whsec}, vectorHeader("webhook", ""), vectorBody, at, identity.ErrUnsigned},
		{"an id with a full stop", []string{whsec}, with(vectorHeader("webhook", standardMAC("a.b", vectorTime, vectorBody)), "webhook-id", "a.b"), vectorBody, at, identity.ErrSignature},
		{"no id", []string{whsec}, with(vectorHeader("webhook", vectorMAC), "webhook-id", ""), vectorBody, at, identity.ErrUnsigned},
		{"an id of the other names", []string{whsec}, with(with(vectorHeader("webhook", vectorMAC), "webhook-id", ""), "svix-id", vectorID), vectorBody, at, identity.ErrUnsigned},
		{"no headers", []string{whsec}, http.Header{}, vectorBody, at, identity.ErrUnsigned},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := source(t, identity.SourceConfig{Preset: "clerk", Secrets: c.secrets})
			if err := s.Verify(c.header, []byte(c.body), c.now); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if err := s.Precheck(c.header, c.now); err != nil && c.want == nil {
				t.Errorf("the headers alone: %v", err)
			}
		})
	}
}

func with(h http.Header, name, value string) http.Header {
	h = h.Clone()
	h.Set(name, value)
	return h
}

func mac(secret, message string) []byte {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(message))
	return m.Sum(nil)
}

func hexMAC(secret, message string) string { return hex.EncodeToString(mac(secret, message)) }

// A timestamp that is signed but no number is as wrong as one that isn't signed.
func TestSignedTimestampIsANumber(t *testing.T) {
	t.Parallel()
	key, _ := base64.StdEncoding.DecodeString(vectorSecret)
	for _, stamp := range []string{"soon", "1614265330.5", "0x60", "99999999999999999999"} {
		h := header("webhook-id", "m", "webhook-timestamp", stamp,
			"webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac(string(key), "m."+stamp+".{}")))
		s := source(t, identity.SourceConfig{Preset: "clerk", Secrets: []string{vectorSecret}})
		if err := s.Verify(h, []byte("{}"), time.Unix(vectorTime, 0)); !errors.Is(err, identity.ErrSignature) {
			t.Errorf("%s: got %v", stamp, err)
		}
	}
}

func TestPlainSignatures(t *testing.T) {
	t.Parallel()
	const secret, body = "a secret of some length", `{"event":"user.created"}`
	at := time.UnixMilli(1_700_000_000_123)
	workOS := identity.SourceConfig{Preset: "workos", Secrets: []string{"another one", secret}}
	logto := identity.SourceConfig{Preset: "logto", Secrets: []string{"another one", secret}}
	auth0 := identity.SourceConfig{Preset: "auth0", Secrets: []string{"another one, also long", secret}}
	stamped := "t=1700000000123, v1=" + hexMAC(secret, "1700000000123."+body)
	for _, c := range []struct {
		name   string
		cfg    identity.SourceConfig
		header string
		value  string
		now    time.Time
		want   error
	}{
		{"WorkOS's", workOS, "WorkOS-Signature", stamped, at, nil},
		{"WorkOS's without a space", workOS, "workos-signature", strings.Replace(stamped, ", ", ",", 1), at, nil},
		{"WorkOS's after three minutes", workOS, "WorkOS-Signature", stamped, at.Add(3 * time.Minute), nil},
		{"WorkOS's later than that", workOS, "WorkOS-Signature", stamped, at.Add(3*time.Minute + time.Second), identity.ErrStale},
		{"WorkOS's from the future", workOS, "WorkOS-Signature", stamped, at.Add(-3*time.Minute - time.Second), identity.ErrStale},
		{"WorkOS's with another time", workOS, "WorkOS-Signature", strings.Replace(stamped, "123", "124", 1), at, identity.ErrSignature},
		{"WorkOS's without a time", workOS, "WorkOS-Signature", stamped[strings.Index(stamped, "v1"):], at, identity.ErrSignature},
		{"WorkOS's without a signature", workOS, "WorkOS-Signature", "t=1700000000123", at, identity.ErrSignature},
		{"nothing for WorkOS", workOS, "X", "", at, identity.ErrUnsigned},

		{"Logto's", logto, "logto-signature-sha-256", hexMAC(secret, body), at, nil},
		{"in capitals", logto, "Logto-Signature-Sha-256", strings.ToUpper(hexMAC(secret, body)), at, nil},
		{"with the algorithm's name", logto, "logto-signature-sha-256", "sha256=" + hexMAC(secret, body), at, nil},
		{"in base64", logto, "logto-signature-sha-256", base64.StdEncoding.EncodeToString(mac(secret, body)), at, nil},
		{"of another body", logto, "logto-signature-sha-256", hexMAC(secret, body+" "), at, identity.ErrSignature},
		{"with another secret", logto, "logto-signature-sha-256", hexMAC("a third one", body), at, identity.ErrSignature},
		{"half a MAC", logto, "logto-signature-sha-256", hexMAC(secret, body)[:32], at, identity.ErrSignature},
		{"no MAC at all", logto, "logto-signature-sha-256", "=", at, identity.ErrSignature},
		{"a MAC in another header", logto, "X-Signature", hexMAC(secret, body), at, identity.ErrUnsigned},

		{"Auth0's bearer token", auth0, "Authorization", "Bearer " + secret, at, nil},
		{"with another case", auth0, "Authorization", "bearer " + secret, at, nil},
		{"the secret alone", auth0, "Authorization", secret, at, nil},
		{"another token", auth0, "Authorization", "Bearer a secret of some lengtH", at, identity.ErrSignature},
		{"a token that is longer", auth0, "Authorization", "Bearer " + secret + "x", at, identity.ErrSignature},
		{"an empty token", auth0, "Authorization", "Bearer ", at, identity.ErrSignature},
		{"no token", auth0, "X", "", at, identity.ErrUnsigned},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, h := source(t, c.cfg), header(c.header, c.value)
			if err := s.Verify(h, []byte(body), c.now); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if err := s.Precheck(h, c.now); err != nil && c.want == nil {
				t.Errorf("the headers alone: %v", err)
			}
		})
	}
}

// A provider's page shows a header's value, or its two parts: both can be pasted.
func TestBearerSecretsAsTheyArePasted(t *testing.T) {
	t.Parallel()
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("rowpass:a long password"))
	for _, c := range []struct{ secret, value string }{
		{"Bearer 0123456789abcdef", "Bearer 0123456789abcdef"},
		{"0123456789abcdef", "Bearer 0123456789abcdef"},
		{"rowpass:a long password", basic},
		{basic, basic},
	} {
		s := source(t, identity.SourceConfig{Preset: "descope", Secrets: []string{c.secret}, API: identity.APIConfig{Key: "k", ProjectID: "p"}})
		if err := s.Verify(header("Authorization", c.value), nil, time.Now()); err != nil {
			t.Errorf("%s: %v", c.secret, err)
		}
	}
}

// No error shows what it was about.
func TestRefusalsKeepSecrets(t *testing.T) {
	t.Parallel()
	s := source(t, identity.SourceConfig{Preset: "auth0", Secrets: []string{"the-real-secret-of-it"}})
	err := s.Verify(header("Authorization", "Bearer guessed-by-somebody"), nil, time.Now())
	for _, secret := range []string{"real-secret", "guessed"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%q shows %s", err, secret)
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add("webhook-signature", vectorMAC, "msg_1", "1614265330", []byte(vectorBody))
	f.Add("svix-signature", "v1a,, v1 v1,"+vectorMAC, "", "-1", []byte{})
	f.Add("WorkOS-Signature", "t=1, v1=00,=,v1", "x", "1", []byte("{}"))
	f.Add("Authorization", "Basic =", "x", "1", []byte("{}"))
	var all []*identity.Source
	for _, preset := range []string{"clerk", "workos", "logto", "auth0"} {
		all = append(all, source(f, identity.SourceConfig{Preset: preset, Secrets: []string{otherSecret}}))
	}
	f.Fuzz(func(t *testing.T, name, value, id, stamp string, body []byte) {
		h := http.Header{http.CanonicalHeaderKey(name): {value}, "Webhook-Id": {id}, "Webhook-Timestamp": {stamp}, "Svix-Id": {id}, "Svix-Timestamp": {stamp}}
		for _, s := range all {
			_ = s.Precheck(h, time.Unix(vectorTime, 0))
			if s.Verify(h, body, time.Unix(vectorTime, 0)) == nil {
				t.Errorf("%s: %s %q verifies without the secret", s.Preset().ID, name, value)
			}
		}
	})
}
