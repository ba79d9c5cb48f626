package token_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rowpass/keys"
	"rowpass/token"
)

// attack is a token and what must become of it.
type attack struct {
	name string
	raw  string
	says string // the reason, or a part of it; "" where the token is good
}

func (s setup) try(t *testing.T, attacks []attack) {
	t.Helper()
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			for range 2 { // the second time, a cache could answer
				c, err := s.verifier.Verify(t.Context(), a.raw)
				switch {
				case a.says == "" && err != nil:
					t.Fatalf("it was refused: %v", err)
				case a.says != "" && err == nil:
					t.Fatalf("it was taken: %s", c.JSON)
				case a.says != "" && (c != nil || !strings.Contains(token.Describe(err), a.says)):
					t.Fatalf("claims %v, reason %q, want %q", c, token.Describe(err), a.says)
				}
				s.agrees(t, a.raw, err)
			}
		})
	}
}

func TestVerifyGivesTheClaims(t *testing.T) {
	s := newSetup(t)
	got, err := s.verifier.Verify(t.Context(), s.withClaims(map[string]any{"scope": "read write", "plan": "pro", "sid": "s1",
		"act": map[string]any{"sub": "c1"}}))
	if err != nil {
		t.Fatal(err)
	}
	want := &token.Claims{
		Issuer: issuer, Subject: "u1", ClientID: "c1", ID: "j1", Tenant: "t1", Role: "authenticated", Scope: "read write",
		Audience: []string{audience}, IssuedAt: now, NotBefore: now, Expiry: now.Add(15 * time.Minute), GoodUntil: now.Add(16 * time.Minute), KeyID: s.key.ID(),
		SessionID: "s1",
		JSON: []byte(`{"act":{"sub":"c1"},"aud":"rowpass","client_id":"c1","exp":1795340700,"iat":1795339800,"iss":"https://rowpass.example","jti":"j1",` +
			`"nbf":1795339800,"plan":"pro","role":"authenticated","scope":"read write","sid":"s1","sub":"u1","tenant_id":"t1"}`),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestForm(t *testing.T) {
	s := newSetup(t)
	good := s.withClaims(nil)
	part := strings.Split(good, ".")
	last := strings.IndexByte(alphabet, good[len(good)-1])
	der := derSignature(t, s, part[0]+"."+part[1])
	s.try(t, []attack{
		{"a token as we make it", good, ""},
		{"nothing at all", "", "three parts"},
		{"one part", "x", "three parts"},
		{"two parts", part[0] + "." + part[1], "three parts"},
		{"four parts", good + ".", "three parts"},
		{"five parts, as an encrypted token has", good + ".x.x", "three parts"},
		{"three parts of nothing", "..", "no signature"},
		{"an empty signature", part[0] + "." + part[1] + ".", "no signature"},
		{"an empty payload", part[0] + ".." + part[2], "signature is not"},
		{"a truncated signature", part[0] + "." + part[1] + "." + part[2][:80], "signature is not"},
		{"a signature too long", part[0] + "." + part[1] + "." + part[2][:80] + strings.Repeat("A", 16), "signature is not"},
		{"a signature as DER", part[0] + "." + part[1] + "." + der, "signature is not"},
		{"a signature of zeros", part[0] + "." + part[1] + "." + strings.Repeat("A", 86), "signature is not"},
		{"a signature whose r and s are the order of the curve", part[0] + "." + part[1] + "." + encode(order+order), "signature is not"},
		{"another payload under the same signature", part[0] + "." + encode(s.claims(map[string]any{"sub": "u2"})) + "." + part[2], "signature is not"},
		{"another header under the same signature", encode(s.header(map[string]any{"x": 1})) + "." + part[1] + "." + part[2], "signature is not"},
		{"padding", good + "=", "base64url"},
		{"trailing bits changed", good[:len(good)-1] + alphabet[last+1:last+2], "base64url"},
		{"white space before it", " " + good, "base64url"},
		{"a new line behind it", good + "\n", "base64url"},
		{"a line break in it", good[:9] + "\r\n" + good[9:], "base64url"},
		{"a tab in it", good[:9] + "\t" + good[9:], "base64url"},
		{"NUL in it", good[:9] + "\x00" + good[9:], "base64url"},
		{"the standard alphabet", part[0] + "." + part[1] + "." + "+/" + part[2][2:], "base64url"},
		{"the JSON serialisation", `{"payload":"` + part[1] + `","protected":"` + part[0] + `","signature":"` + part[2] + `"}`, "three parts"},
		{"the JSON serialisation with two dots in it", `{"payload":"` + part[1] + `","protected":"` + part[0] + `","signature":".."}`, "base64url"},
		{"1 MB of letters", strings.Repeat("a", 1<<20), "more than 16384 bytes"},
		{"1 MB in a token's form", part[0] + "." + strings.Repeat("a", 1<<20) + "." + part[2], "more than 16384 bytes"},
		{"16 KiB of dots", strings.Repeat(".", 16<<10), "three parts"},
		{"one key's token under another's signature", strings.Join(append(part[:2:2], strings.Split(newForger(t).withClaims(nil), ".")[2]), "."), "signature is not"},
	})
}

const (
	alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	order    = "\xff\xff\xff\xff\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xbc\xe6\xfa\xad\xa7\x17\x9e\x84\xf3\xb9\xca\xc2\xfc\x63\x25\x51"
)

func derSignature(t *testing.T, s setup, input string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(input))
	return encode(string(must[[]byte](t)(ecdsa.SignASN1(rand.Reader, s.private, sum[:]))))
}

func TestHeader(t *testing.T) {
	s := newSetup(t)
	long := strings.Repeat("k", 10<<10)
	s.try(t, []attack{
		{"alg none", s.withHeader(map[string]any{"alg": "none"}), "alg is not one of"},
		{"alg None", s.withHeader(map[string]any{"alg": "None"}), "alg is not one of"},
		{"alg NONE", s.withHeader(map[string]any{"alg": "NONE"}), "alg is not one of"},
		{"alg nOnE", s.withHeader(map[string]any{"alg": "nOnE"}), "alg is not one of"},
		{"alg none without a signature", encode(`{"alg":"none"}`) + "." + encode(s.claims(nil)) + ".", "no signature"},
		{"alg empty", s.withHeader(map[string]any{"alg": ""}), "alg is not one of"},
		{"alg missing", s.withHeader(map[string]any{"alg": nil}), "alg is not one of"},
		{"alg in small letters", s.withHeader(map[string]any{"alg": "es256"}), "alg is not one of"},
		{"alg that is a number", s.withHeader(map[string]any{"alg": 256}), "alg is not a string"},
		{"alg that is null", s.withHeader(map[string]any{"alg": raw("null")}), "alg is not a string"},
		{"alg in an array", s.withHeader(map[string]any{"alg": []string{"ES256"}}), "alg is not a string"},
		{"alg of the list, but not the key's", s.withHeader(map[string]any{"alg": "RS256"}), "alg is not that of the key"},
		{"alg EdDSA over an EC key", s.withHeader(map[string]any{"alg": "EdDSA"}), "alg is not that of the key"},
		{"alg ES384", s.withHeader(map[string]any{"alg": "ES384"}), "alg is not that of the key"},
		{"alg PS256", s.withHeader(map[string]any{"alg": "PS256"}), "alg is not that of the key"},
		{"alg written with an escape, which is the same", s.sign(`{"alg":"ES\u0032\u00356","typ":"at+jwt","kid":"`+s.key.ID()+`"}`, s.claims(nil)), ""},
		{"crit", s.withHeader(map[string]any{"crit": []string{"exp"}}), "crit is not supported"},
		{"crit that is empty", s.withHeader(map[string]any{"crit": []string{}}), "crit is not supported"},
		{"crit that is null", s.withHeader(map[string]any{"crit": raw("null")}), "crit is not supported"},
		{"b64 false", s.withHeader(map[string]any{"b64": false}), "b64 is not supported"},
		{"b64 true", s.withHeader(map[string]any{"b64": true}), "b64 is not supported"},
		{"a nested token", s.withHeader(map[string]any{"cty": "JWT"}), "cty is not supported"},
		{"the typ of an ID token", s.withHeader(map[string]any{"typ": "JWT"}), "typ is not at+jwt"},
		{"no typ", s.withHeader(map[string]any{"typ": nil}), "typ is not at+jwt"},
		{"typ of a logout token", s.withHeader(map[string]any{"typ": "logout+jwt"}), "typ is not at+jwt"},
		{"typ that is no string", s.withHeader(map[string]any{"typ": []string{"at+jwt"}}), "typ is not a string"},
		{"typ as a media type", s.withHeader(map[string]any{"typ": "application/at+jwt"}), ""},
		{"typ in capitals", s.withHeader(map[string]any{"typ": "AT+JWT"}), ""},
		{"typ with a parameter", s.withHeader(map[string]any{"typ": "at+jwt; x=1"}), "typ is not at+jwt"},
		{"no kid", s.withHeader(map[string]any{"kid": nil}), "kid names no key"},
		{"an empty kid", s.withHeader(map[string]any{"kid": ""}), "kid names no key"},
		{"a kid that is a path", s.withHeader(map[string]any{"kid": "../../dev/null"}), "kid names no key"},
		{"a kid that is SQL", s.withHeader(map[string]any{"kid": "' or 1=1"}), "kid names no key"},
		{"a kid of 10 kB", s.withHeader(map[string]any{"kid": long}), "kid has more than"},
		{"a kid with NUL behind it", s.withHeader(map[string]any{"kid": s.key.ID() + "\x00"}), "NUL"},
		{"a kid in an array", s.withHeader(map[string]any{"kid": []string{s.key.ID()}}), "kid is not a string"},
		{"a kid that is a number", s.withHeader(map[string]any{"kid": 1}), "kid is not a string"},
		{"the kid of a key that was never in the ring", newForger(t).withClaims(nil), "kid names no key"},
		{"kid twice", s.sign(`{"alg":"ES256","typ":"at+jwt","kid":"`+s.key.ID()+`","kid":"x"}`, s.claims(nil)), "twice"},
		{"alg twice, once escaped", s.sign(`{"alg":"ES256","typ":"at+jwt","kid":"`+s.key.ID()+`","\u0061lg":"none"}`, s.claims(nil)), "twice"},
		{"a header that is an array", s.sign(`["ES256"]`, s.claims(nil)), "not a JSON object"},
		{"a header that is a string", s.sign(`"ES256"`, s.claims(nil)), "not a JSON object"},
		{"a header with something behind it", s.sign(s.header(nil)+"{}", s.claims(nil)), "follows"},
		{"a header that is not UTF-8", s.sign(`{"alg":"ES256","typ":"at+jwt","kid":"`+s.key.ID()+`","x":"`+"\xff"+`"}`, s.claims(nil)), "UTF-8"},
		{"a member that nobody knows, which is ignored", s.withHeader(map[string]any{"x": map[string]any{"y": 1}}), ""},
	})
}

// The public key is known to everybody, so as an HMAC secret it is none.
func TestPublicKeyIsNoSecret(t *testing.T) {
	s := newSetup(t)
	der := must[[]byte](t)(x509.MarshalPKIXPublicKey(s.key.Public()))
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	jwks := s.box.ring().JWKS()
	for name, secret := range map[string][]byte{
		"PEM": text, "PEM without its last line break": text[:len(text)-1], "DER": der, "JWKS": jwks,
		"JWK": jwks[len(`{"keys":[`) : len(jwks)-len(`]}`)], "empty": {}, "kid": []byte(s.key.ID()),
	} {
		input := encode(s.header(map[string]any{"alg": "HS256"})) + "." + encode(s.claims(nil))
		lied := encode(s.header(nil)) + "." + encode(s.claims(nil))
		s.try(t, []attack{
			{"HS256 with our key's " + name + " as secret", input + "." + mac(secret, input), "alg is not one of"},
			{"an HMAC with our key's " + name + " under alg ES256", lied + "." + mac(secret, lied), "signature is not"},
		})
	}
}

func mac(secret []byte, input string) string {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(input))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// Whoever sends a key, or an address of one, sends it in vain, and nobody is asked.
func TestKeysInTheHeaderAreIgnored(t *testing.T) {
	s, attacker := newSetup(t), newForger(t)
	var asked atomic.Int32
	listener := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer listener.Close()
	jwks := ringOf(t, attacker.key).JWKS()
	jwk := raw(jwks[len(`{"keys":[`) : len(jwks)-len(`]}`)])
	ours := map[string]any{"kid": s.key.ID()}
	for name, value := range map[string]any{
		"jwk": jwk, "jku": listener.URL + "/jwks.json", "x5u": listener.URL + "/cert.pem", "x5c": []string{"MIIB"},
	} {
		ours[name] = value
		edits := map[string]any{name: value}
		s.try(t, []attack{
			{"another's token with its " + name, attacker.withHeader(edits), "kid names no key"},
			{"another's token with its " + name + " and our kid", attacker.withHeader(ours), "signature is not"},
		})
		delete(ours, name)
	}
	s.try(t, []attack{
		{"our own token with a jku", s.withHeader(map[string]any{"jku": listener.URL + "/jwks.json"}), ""},
		{"our own token with an x5u", s.withHeader(map[string]any{"x5u": listener.URL + "/cert.pem"}), ""},
	})
	if n := asked.Load(); n != 0 {
		t.Errorf("the listener was asked %d times", n)
	}
}

func TestNamesInClaims(t *testing.T) {
	s := newSetup(t)
	s.try(t, []attack{
		{"another issuer's iss", s.withClaims(map[string]any{"iss": "https://other.example"}), "iss is not this service"},
		{"iss with a slash behind it", s.withClaims(map[string]any{"iss": issuer + "/"}), "iss is not this service"},
		{"iss in capitals", s.withClaims(map[string]any{"iss": strings.ToUpper(issuer)}), "iss is not this service"},
		{"no iss", s.withClaims(map[string]any{"iss": nil}), "iss is missing"},
		{"iss in an array", s.withClaims(map[string]any{"iss": []string{issuer}}), "iss is not a string"},
		{"the wrong aud", s.withClaims(map[string]any{"aud": "other"}), "aud does not name"},
		{"aud with ours in it", s.withClaims(map[string]any{"aud": audience + " other"}), "aud does not name"},
		{"no aud", s.withClaims(map[string]any{"aud": nil}), "aud does not name"},
		{"an empty array as aud", s.withClaims(map[string]any{"aud": []string{}}), "aud does not name"},
		{"an array with ours as aud", s.withClaims(map[string]any{"aud": []string{"other", audience}}), ""},
		{"an array with a number as aud", s.withClaims(map[string]any{"aud": []any{audience, 1}}), "aud is neither"},
		{"an array with null as aud", s.withClaims(map[string]any{"aud": []any{audience, nil}}), "aud is neither"},
		{"an array in an array as aud", s.withClaims(map[string]any{"aud": []any{[]string{audience}}}), "aud is neither"},
		{"an object as aud", s.withClaims(map[string]any{"aud": map[string]any{audience: true}}), "aud is neither"},
		{"null as aud", s.withClaims(map[string]any{"aud": raw("null")}), "aud is neither"},
		{"no sub", s.withClaims(map[string]any{"sub": nil}), "sub is missing"},
		{"sub null", s.withClaims(map[string]any{"sub": raw("null")}), "sub is not a string"},
		{"an empty sub", s.withClaims(map[string]any{"sub": ""}), "sub is missing or empty"},
		{"sub that is a number", s.withClaims(map[string]any{"sub": 1}), "sub is not a string"},
		{"no client_id", s.withClaims(map[string]any{"client_id": nil}), "client_id is missing"},
		{"client_id in an array", s.withClaims(map[string]any{"client_id": []string{"c1"}}), "client_id is not a string"},
		{"no jti", s.withClaims(map[string]any{"jti": nil}), "jti is missing"},
		{"jti that is a number", s.withClaims(map[string]any{"jti": 1}), "jti is not a string"},
		{"no tenant_id", s.withClaims(map[string]any{"tenant_id": nil}), ""},
		{"tenant_id that is an array", s.withClaims(map[string]any{"tenant_id": []string{"t1"}}), "tenant_id is not a string"},
		{"tenant_id that is an object", s.withClaims(map[string]any{"tenant_id": map[string]any{"id": "t1"}}), "tenant_id is not a string"},
		{"tenant_id that is a number", s.withClaims(map[string]any{"tenant_id": 1}), "tenant_id is not a string"},
		{"tenant_id null", s.withClaims(map[string]any{"tenant_id": raw("null")}), "tenant_id is not a string"},
		{"role in an array", s.withClaims(map[string]any{"role": []string{"authenticated"}}), "role is not a string"},
		{"scope in an array", s.withClaims(map[string]any{"scope": []string{"read"}}), "scope is not a string"},
		{"sid that is a number", s.withClaims(map[string]any{"sid": 1}), "sid is not a string"},
		{"sid in an array", s.withClaims(map[string]any{"sid": []string{"s1"}}), "sid is not a string"},
		{"sid null", s.withClaims(map[string]any{"sid": raw("null")}), "sid is not a string"},
		{"sid twice, once escaped", s.sign(s.header(nil), strings.Replace(s.claims(map[string]any{"sid": "s1"}), `"sid"`, `"s\u0069d":"s2","sid"`, 1)), "twice"},
		{"NUL in sid", s.withClaims(map[string]any{"sid": "s1\x00"}), "NUL"},
		{"a session", s.withClaims(map[string]any{"sid": "s1"}), ""},
		{"act that is a string", s.withClaims(map[string]any{"act": "c1"}), "act is not an object"},
		{"act in an array", s.withClaims(map[string]any{"act": []any{map[string]any{"sub": "c1"}}}), "act is not an object"},
		{"act null", s.withClaims(map[string]any{"act": raw("null")}), "act is not an object"},
		{"act without a sub", s.withClaims(map[string]any{"act": map[string]any{"client_id": "c1"}}), "act has no sub"},
		{"act with an empty sub", s.withClaims(map[string]any{"act": map[string]any{"sub": ""}}), "act has no sub"},
		{"act whose sub is an object", s.withClaims(map[string]any{"act": map[string]any{"sub": map[string]any{}}}), "act has no sub"},
		{"act with sub twice", s.withClaims(map[string]any{"act": raw(`{"sub":"c1","sub":"c2"}`)}), "twice"},
		{"an actor", s.withClaims(map[string]any{"act": map[string]any{"sub": "c1"}}), ""},
		{"an actor who acts for another", s.withClaims(map[string]any{"act": raw(`{"sub":"c1","act":{"sub":"c2"}}`)}), ""},
		{"rowpass_user", s.withClaims(map[string]any{"rowpass_user": "u2"}), "rowpass_user is not"},
		{"rowpass_tenant", s.withClaims(map[string]any{"rowpass_tenant": raw("null")}), "rowpass_tenant is not"},
		{"rowpass_tenant written with an escape", s.sign(s.header(nil), strings.Replace(s.claims(map[string]any{"zz": 1}), `"zz"`, `"\u0072owpass_tenant"`, 1)), "rowpass_tenant is not"},
		{"claims that are an array", s.sign(s.header(nil), `[]`), "not a JSON object"},
		{"claims that are nothing", s.sign(s.header(nil), ``), "not a JSON object"},
		{"claims that are another token", s.sign(s.header(nil), s.withClaims(nil)), "not a JSON object"},
		{"sub twice", s.sign(s.header(nil), strings.Replace(s.claims(nil), `"sub"`, `"sub":"u2","sub"`, 1)), "twice"},
		{"sub twice, once escaped", s.sign(s.header(nil), strings.Replace(s.claims(nil), `"sub"`, `"s\u0075b":"u2","sub"`, 1)), "twice"},
		{"a name twice within an object", s.withClaims(map[string]any{"x": raw(`{"a":[{"b":1,"b":2}]}`)}), "twice"},
		{"NUL in sub", s.withClaims(map[string]any{"sub": "u1\x00"}), "NUL"},
		{"NUL in a name", s.withClaims(map[string]any{"a\x00": 1}), "NUL"},
		{"nested 10,000 deep", s.sign(s.header(nil), `{"x":`+strings.Repeat("[", 10_000)), "deeper than 16"},
		{"nested 16 deep", s.withClaims(map[string]any{"x": raw(strings.Repeat("[", 15) + strings.Repeat("]", 15))}), ""},
		{"nested 17 deep", s.withClaims(map[string]any{"x": raw(strings.Repeat("[", 16) + strings.Repeat("]", 16))}), "deeper than 16"},
		{"more than 8 KiB", s.withClaims(map[string]any{"x": strings.Repeat("x", 8<<10)}), "claim set has more than 8192 bytes"},
		{"a number beyond int64", s.withClaims(map[string]any{"x": raw("9223372036854775808")}), "out of range"},
	})
	for _, role := range []string{"postgres", "neon_superuser", `authenticated; drop table users`, ""} {
		c, err := s.verifier.Verify(t.Context(), s.withClaims(map[string]any{"role": role}))
		if err != nil || c.Role != role {
			t.Errorf("role %q is not carried: %v", role, err)
		}
	}
}

func TestTimesInClaims(t *testing.T) {
	s := newSetup(t)
	at := func(name string, offset float64) string {
		return s.withClaims(map[string]any{name: float64(now.Unix()) + offset})
	}
	s.try(t, []attack{
		{"no exp", s.withClaims(map[string]any{"exp": nil}), "exp is missing"},
		{"exp that is a string", s.withClaims(map[string]any{"exp": "1795340700"}), "exp is not a number"},
		{"exp that is null", s.withClaims(map[string]any{"exp": raw("null")}), "exp is not a number"},
		{"exp that is true", s.withClaims(map[string]any{"exp": true}), "exp is not a number"},
		{"exp as RFC 3339 has it", s.withClaims(map[string]any{"exp": "2030-01-01T00:00:00Z"}), "exp is not a number"},
		{"exp 0", s.withClaims(map[string]any{"exp": 0}), "not above 0"},
		{"exp -0", s.withClaims(map[string]any{"exp": raw("-0.0")}), "not above 0"},
		{"exp below 0", s.withClaims(map[string]any{"exp": -1}), "not above 0"},
		{"exp 1e400", s.withClaims(map[string]any{"exp": raw("1e400")}), "out of range"},
		{"exp 1e300", s.withClaims(map[string]any{"exp": raw("1e300")}), "between 1970 and 9999"},
		{"exp in the year 9999", s.withClaims(map[string]any{"exp": 253402300799}), ""},
		{"exp in the year 10000", s.withClaims(map[string]any{"exp": 253402300800}), "between 1970 and 9999"},
		{"exp with a fraction", at("exp", 0.5), ""},
		{"exp with an exponent", s.withClaims(map[string]any{"exp": raw("1.7953407e9")}), ""},
		{"exp 59 s ago", at("exp", -59), ""},
		{"exp 59.5 s ago", at("exp", -59.5), ""},
		{"exp 60 s ago", at("exp", -60), "has expired"},
		{"exp 60.5 s ago", at("exp", -60.5), "has expired"},
		{"nbf in 60 s", at("nbf", 60), ""},
		{"nbf in 61 s", at("nbf", 61), "not valid yet"},
		{"nbf far from now", at("nbf", 1e9), "not valid yet"},
		{"nbf below 0", s.withClaims(map[string]any{"nbf": -1}), "between 1970 and 9999"},
		{"nbf that is a string", s.withClaims(map[string]any{"nbf": "0"}), "nbf is not a number"},
		{"no nbf", s.withClaims(map[string]any{"nbf": nil}), ""},
		{"iat in 60 s", at("iat", 60), ""},
		{"iat in 61 s", at("iat", 61), "not valid yet"},
		{"iat that is a string", s.withClaims(map[string]any{"iat": "0"}), "iat is not a number"},
		{"no iat", s.withClaims(map[string]any{"iat": nil}), ""},
	})
}

func TestErrorsSayWhatAndWhen(t *testing.T) {
	s := newSetup(t)
	for _, tt := range []struct {
		name, raw string
		kind      error
		says      string
	}{
		{"expired", s.withClaims(map[string]any{"exp": now.Add(-5 * time.Minute).Unix()}), token.ErrExpired,
			"the token has expired: exp is 2026-11-22T09:25:00Z, the time here is 2026-11-22T09:30:00Z, a difference of 5m0s"},
		{"issued tomorrow", s.withClaims(map[string]any{"iat": now.Add(24 * time.Hour).Unix()}), token.ErrNotYetValid,
			"the token is not valid yet: iat is 2026-11-23T09:30:00Z, the time here is 2026-11-22T09:30:00Z, a difference of 24h0m0s"},
		{"too large", strings.Repeat("x", 20<<10), token.ErrTooLarge, "the token is too large: it has more than 16384 bytes"},
		{"no token", "x", token.ErrInvalid, "the token is not valid: it is not three parts with two dots between them"},
	} {
		_, err := s.verifier.Verify(t.Context(), tt.raw)
		for _, kind := range []error{token.ErrExpired, token.ErrNotYetValid, token.ErrTooLarge, token.ErrInvalid} {
			if errors.Is(err, kind) != (kind == tt.kind) {
				t.Errorf("%s: errors.Is(%v) is %v", tt.name, kind, kind != tt.kind)
			}
		}
		if diff := cmp.Diff(tt.says, token.Describe(err)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

// A reason goes into WWW-Authenticate and problem+json as it is.
func TestDescribeQuotesNothing(t *testing.T) {
	s := newSetup(t)
	safe := regexp.MustCompile(`^[ !#-\[\]-~]+$`) // RFC 6750 section 3
	const evil = "evil\"\\\r\n\u00e9"
	for _, name := range []string{"alg", "kid", "typ", "crit", "cty", "b64"} {
		check := func(value any) {
			_, err := s.verifier.Verify(t.Context(), s.withHeader(map[string]any{name: value}))
			if says := token.Describe(err); err == nil || !safe.MatchString(says) || strings.Contains(says, "evil") {
				t.Errorf("header %s %v: %q", name, value, says)
			}
		}
		check(evil)
		check([]string{evil})
	}
	for _, name := range []string{"iss", "aud", "exp", "nbf", "iat", "rowpass_user"} {
		_, err := s.verifier.Verify(t.Context(), s.withClaims(map[string]any{name: evil}))
		if says := token.Describe(err); err == nil || !safe.MatchString(says) || strings.Contains(says, "evil") {
			t.Errorf("claim %s: %q", name, says)
		}
	}
	_, err := s.verifier.Verify(t.Context(), "x")
	if got := token.Describe(fmt.Errorf("%s: %w", evil, err)); !safe.MatchString(got) {
		t.Errorf("who wraps a reason shows %q", got)
	}
	if got := token.Describe(errors.New(evil)); got != "the token was refused" {
		t.Errorf("a stranger's error says %q", got)
	}
	if got := token.Describe(nil); got != "" {
		t.Errorf("no error says %q", got)
	}
}

func TestVerifyEndsWithItsContext(t *testing.T) {
	s := newSetup(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.verifier.Verify(ctx, s.withClaims(nil)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestNewVerifierRefuses(t *testing.T) {
	good := token.VerifierConfig{Issuer: issuer, Audience: audience, Ring: func() keys.Ring { return keys.Ring{} }, Now: time.Now}
	for name, spoil := range map[string]func(*token.VerifierConfig){
		"no issuer":          func(c *token.VerifierConfig) { c.Issuer = "" },
		"no audience":        func(c *token.VerifierConfig) { c.Audience = "" },
		"no ring":            func(c *token.VerifierConfig) { c.Ring = nil },
		"no clock":           func(c *token.VerifierConfig) { c.Now = nil },
		"a leeway below 0 s": func(c *token.VerifierConfig) { c.Leeway = -time.Second },
	} {
		cfg := good
		spoil(&cfg)
		if _, err := token.NewVerifier(cfg); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if _, err := token.NewVerifier(good); err != nil {
		t.Error(err)
	}
}
