package keys_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rowpass/keys"
)

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// publicJWK writes a public key as RFC 7518 section 6 has it, with members added or taken away.
func publicJWK(t testing.TB, public crypto.PublicKey, members map[string]any) string {
	t.Helper()
	jwk := map[string]any{}
	switch public := public.(type) {
	case *ecdsa.PublicKey:
		point := must[[]byte](t)(public.Bytes())[1:]
		jwk = map[string]any{"kty": "EC", "crv": public.Params().Name, "x": b64(point[:len(point)/2]), "y": b64(point[len(point)/2:])}
	case *rsa.PublicKey:
		jwk = map[string]any{"kty": "RSA", "n": b64(public.N.Bytes()), "e": b64(big.NewInt(int64(public.E)).Bytes())}
	case ed25519.PublicKey:
		jwk = map[string]any{"kty": "OKP", "crv": "Ed25519", "x": b64(public)}
	default:
		t.Fatalf("%T is no public key", public)
	}
	return with(t, string(must[[]byte](t)(json.Marshal(jwk))), members)
}

// half gives the public half of a private JWK.
func half(t testing.TB, jwk string, members map[string]any) string {
	t.Helper()
	return with(t, with(t, jwk, map[string]any{"d": nil, "p": nil, "q": nil}), members)
}

func setOf(jwks ...string) string { return `{"keys":[` + strings.Join(jwks, ",") + `]}` }

func parsed(t testing.TB, document string) keys.KeySet {
	t.Helper()
	return must[keys.KeySet](t)(keys.ParseKeySet([]byte(document)))
}

func curveKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	return must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(curve, rand.Reader))
}

// members gives what a JWK holds as text.
func members(t testing.TB, jwk string) map[string]string {
	t.Helper()
	var all map[string]string
	if err := json.Unmarshal([]byte(jwk), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func certificate(t testing.TB, usage x509.KeyUsage) string {
	t.Helper()
	k := p256(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: now, KeyUsage: usage}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	return pemBlock(t, "CERTIFICATE", der, err)
}

func TestParseKeySetTakes(t *testing.T) {
	n := must[[]byte](t)(base64.RawURLEncoding.DecodeString(members(t, rsaJWK)["n"]))
	for _, tt := range []struct {
		name, jwk string
		want      []string
	}{
		{"a P-256 key without alg", half(t, ecJWK, nil), []string{keys.ES256}},
		{"a P-384 key", publicJWK(t, curveKey(t, elliptic.P384()).Public(), nil), []string{keys.ES384}},
		{"a P-521 key", publicJWK(t, curveKey(t, elliptic.P521()).Public(), nil), []string{keys.ES512}},
		{"an RSA key without alg", half(t, rsaJWK, nil), []string{keys.RS256, keys.PS256, keys.RS384, keys.RS512}},
		{"an RSA key of one alg", half(t, rsaJWK, map[string]any{"alg": "PS256"}), []string{keys.PS256}},
		{"an Ed25519 key", half(t, edJWK, nil), []string{keys.EdDSA}},
		{"an Ed25519 key by its newer name", half(t, edJWK, map[string]any{"alg": "Ed25519"}), []string{keys.EdDSA}},
		{"a key for signatures", half(t, ecJWK, map[string]any{"use": "sig", "key_ops": []string{"verify", "sign"}}), []string{keys.ES256}},
		{"a key whose other members are null or empty",
			strings.Replace(half(t, ecJWK, nil), "{", `{"d":null,"k":null,"kid":null,"use":"","alg":"","key_ops":null,"issuer":null,`, 1), []string{keys.ES256}},
		{"an RSA key with a sign octet and padding",
			half(t, rsaJWK, map[string]any{"n": base64.URLEncoding.EncodeToString(append([]byte{0}, n...)), "e": "AAEAAQ==", "alg": "RS256"}), []string{keys.RS256}},
		{"a key with certificates, which are not read", half(t, ecJWK, map[string]any{"x5c": []string{"?"}, "x5u": "file:///etc/passwd", "kty2": 1}), []string{keys.ES256}},
	} {
		s := parsed(t, setOf(tt.jwk))
		if len(s.Keys()) != 1 || len(s.Skipped()) != 0 {
			t.Errorf("%s: %d keys, %v", tt.name, len(s.Keys()), s.Skipped())
			continue
		}
		if diff := cmp.Diff(tt.want, s.Keys()[0].Algorithms()); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

// A coordinate has leading zeros in one key of 128, and some libraries leave them out.
func TestParseKeySetTakesShortCoordinates(t *testing.T) {
	k := curveKey(t, elliptic.P521()) // one in two has a zero bit at the top of a coordinate, and here an octet
	for k.X.BitLen() > 512 {
		k = curveKey(t, elliptic.P521())
	}
	whole := publicJWK(t, k.Public(), nil)
	short := with(t, whole, map[string]any{"x": b64(k.X.Bytes())})
	if whole == short || !parsed(t, setOf(whole)).Holds(parsed(t, setOf(short)).Keys()[0]) {
		t.Errorf("%s and %s are two keys", whole, short)
	}
}

func TestParseKeySetSkips(t *testing.T) {
	for _, tt := range []struct {
		name, jwk, says string
		exposed         bool
	}{
		{"no object", `"text"`, "no JSON object", false},
		{"nothing", `null`, "no JSON object", false},
		{"a name that is there twice", strings.Replace(half(t, ecJWK, nil), "{", `{"kty":"EC",`, 1), "twice", false},
		{"a name that is there twice, escaped", strings.Replace(half(t, ecJWK, nil), "{", `{"\u006bty":"EC",`, 1), "twice", false},
		{"a kid that is a number", half(t, ecJWK, map[string]any{"kid": 1}), "kid is no text", false},
		{"no kty", half(t, ecJWK, map[string]any{"kty": nil}), `kty "" is not`, false},
		{"a kty in capitals", half(t, ecJWK, map[string]any{"kty": nil, "Kty": "EC"}), `kty "" is not`, false},
		{"a kty of tomorrow", `{"kty":"AKP","alg":"ML-DSA-44","pub":"AA"}`, `kty "AKP" is not`, false},
		{"a key of one type with another's kty", half(t, ecJWK, map[string]any{"kty": "RSA"}), "n is missing", false},
		{"a key for encryption", half(t, rsaJWK, map[string]any{"use": "enc", "alg": "RSA-OAEP"}), "use is not sig", false},
		{"a use that is a list", half(t, rsaJWK, map[string]any{"use": []string{"sig"}}), "use is no text", false},
		{"operations without verify", half(t, ecJWK, map[string]any{"key_ops": []string{"encrypt"}}), "key_ops", false},
		{"no operations", half(t, ecJWK, map[string]any{"key_ops": []string{}}), "key_ops", false},
		{"operations as one text", half(t, ecJWK, map[string]any{"key_ops": "sign, verify"}), "key_ops", false},
		{"a symmetric key", `{"kty":"oct","k":"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0","alg":"HS256"}`, "symmetric", true},
		{"a symmetric key that says RSA", half(t, rsaJWK, map[string]any{"k": "c2VjcmV0"}), "symmetric", true},
		{"a private EC key", ecJWK, "private half", true},
		{"a private RSA key", rsaJWK, "private half", true},
		{"a factor of an RSA key", half(t, rsaJWK, map[string]any{"q": members(t, rsaJWK)["q"]}), "private half", true},
		{"a private Ed25519 key", edJWK, "private half", true},
		{"HS256 with a public key", half(t, rsaJWK, map[string]any{"alg": "HS256"}), `alg "HS256" is not one`, false},
		{"none", half(t, ecJWK, map[string]any{"alg": "none"}), `alg "none" is not one`, false},
		{"an alg of another spelling", half(t, ecJWK, map[string]any{"alg": "es256"}), `alg "es256" is not one`, false},
		{"an alg of encryption", half(t, rsaJWK, map[string]any{"alg": "RSA-OAEP"}), `alg "RSA-OAEP" is not one`, false},
		{"an alg that is no text", half(t, rsaJWK, map[string]any{"alg": 256}), "alg is no text", false},
		{"ES256 on P-384", publicJWK(t, curveKey(t, elliptic.P384()).Public(), map[string]any{"alg": "ES256"}), "alg ES256 is for another", false},
		{"ES384 on P-256", half(t, ecJWK, map[string]any{"alg": "ES384"}), "alg ES384 is for another", false},
		{"RS256 on a curve", half(t, ecJWK, map[string]any{"alg": "RS256"}), "alg RS256 is for another", false},
		{"EdDSA with RSA", half(t, rsaJWK, map[string]any{"alg": "EdDSA"}), "alg EdDSA is for another", false},
		{"an issuer that is no text", half(t, ecJWK, map[string]any{"issuer": true}), "issuer is no text", false},
	} {
		s := parsed(t, setOf(tt.jwk, half(t, edJWK, map[string]any{"kid": "good"})))
		if len(s.Keys()) != 1 || len(s.Skipped()) != 1 || s.Keys()[0].ID() != "good" {
			t.Errorf("%s: %d keys, %v", tt.name, len(s.Keys()), s.Skipped())
			continue
		}
		if no := s.Skipped()[0]; !strings.Contains(no.Why, tt.says) || no.Exposed != tt.exposed {
			t.Errorf("%s: %+v, want %q", tt.name, no, tt.says)
		}
	}
}

func TestParseKeySetSkipsWorthlessNumbers(t *testing.T) {
	small, even := new(big.Int).Lsh(big.NewInt(1), 2046), new(big.Int).Lsh(big.NewInt(1), 2047)
	small.SetBit(small, 0, 1)
	x, y := members(t, ecJWK)["x"], members(t, ecJWK)["y"]
	roca := big.NewInt(1) // modulo each of the primes by which such a modulus is known, it is one
	for _, prime := range []int64{2, 11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157} {
		roca.Mul(roca, big.NewInt(prime))
	}
	roca.Lsh(roca, uint(2048-roca.BitLen())).Add(roca, big.NewInt(1))
	for _, tt := range []struct{ name, jwk, says string }{
		{"RSA of 2047 bits", half(t, rsaJWK, map[string]any{"n": b64(small.Bytes())}), "modulus has 2047 bits"},
		{"RSA of 16 kilobits", half(t, rsaJWK, map[string]any{"n": b64(slices.Repeat([]byte{0xff}, 2048))}), "modulus has 16384 bits"},
		{"RSA with an even modulus", half(t, rsaJWK, map[string]any{"n": b64(even.Bytes())}), "modulus is even"},
		{"RSA of hardware that made bad keys", half(t, rsaJWK, map[string]any{"n": b64(roca.Bytes())}), "CVE-2017-15361"},
		{"RSA with a modulus of nothing", half(t, rsaJWK, map[string]any{"n": ""}), "n is missing"},
		{"an exponent of 1, by which everything is its own signature", half(t, rsaJWK, map[string]any{"e": "AQ"}), "exponent"},
		{"an exponent of 0", half(t, rsaJWK, map[string]any{"e": "AA"}), "exponent"},
		{"an even exponent", half(t, rsaJWK, map[string]any{"e": "AQAA"}), "exponent"},
		{"an exponent of 2^31 + 1", half(t, rsaJWK, map[string]any{"e": "gAAAAQ"}), "exponent"},
		{"an exponent whose last 64 bits are 65537", half(t, rsaJWK, map[string]any{"e": "AQAAAAAAAQAB"}), "exponent"},
		{"an exponent that is a number", half(t, rsaJWK, map[string]any{"e": 65537}), "e is no text"},
		{"a modulus in another alphabet", half(t, rsaJWK, map[string]any{"n": "+" + members(t, rsaJWK)["n"][1:]}), "n is missing or no base64url"},
		{"a modulus in two lines", half(t, rsaJWK, map[string]any{"n": members(t, rsaJWK)["n"] + "\n"}), "n is missing or no base64url"},
		{"a point off its curve", half(t, ecJWK, map[string]any{"y": x}), "not on its curve"},
		{"a point on another curve", half(t, ecJWK, map[string]any{"crv": "P-384"}), "not on its curve"},
		{"the point at infinity", half(t, ecJWK, map[string]any{"x": "AA", "y": "AA"}), "not on its curve"},
		{"a coordinate that is too long", half(t, ecJWK, map[string]any{"x": b64(append([]byte{1}, make([]byte, 32)...))}), "not on its curve"},
		{"a coordinate above the prime", half(t, ecJWK, map[string]any{"x": x, "y": b64(plusPrime(t, y))}), "not on its curve"},
		{"bitcoin's curve", half(t, ecJWK, map[string]any{"crv": "secp256k1", "alg": "ES256K"}), `curve "secp256k1"`},
		{"Ed448", half(t, edJWK, map[string]any{"crv": "Ed448"}), `curve "Ed448"`},
		{"X25519, which cannot sign", half(t, edJWK, map[string]any{"crv": "X25519"}), `curve "X25519"`},
		{"31 bytes of Ed25519", half(t, edJWK, map[string]any{"x": b64(make([]byte, 31))}), "not 32 bytes"},
	} {
		s := parsed(t, setOf(tt.jwk))
		if len(s.Keys()) != 0 || len(s.Skipped()) != 1 || !strings.Contains(s.Skipped()[0].Why, tt.says) {
			t.Errorf("%s: %d keys, %v, want %q", tt.name, len(s.Keys()), s.Skipped(), tt.says)
		}
	}
}

// plusPrime gives another number that is the same modulo P-256's prime, where 32 bytes have room for it or not.
func plusPrime(t *testing.T, coordinate string) []byte {
	y := new(big.Int).SetBytes(must[[]byte](t)(base64.RawURLEncoding.DecodeString(coordinate)))
	return y.Add(y, elliptic.P256().Params().P).Bytes()
}

// The eight points of small order, by which crypto/ed25519 takes signatures that nobody made, points in another spelling
// than RFC 8032 section 5.1.3 allows, and some that are not there.
func TestParseKeySetSkipsBadEdwardsPoints(t *testing.T) {
	zeros, ones := strings.Repeat("00", 30), strings.Repeat("ff", 30)
	for _, tt := range []struct{ x, says string }{
		{"01" + zeros + "00", "small order"},
		{"01" + zeros + "80", "small order"},
		{"ec" + ones + "7f", "small order"},
		{"ec" + ones + "ff", "small order"},
		{"00" + zeros + "00", "small order"},
		{"00" + zeros + "80", "small order"},
		{"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", "small order"},
		{"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa", "small order"},
		{"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", "small order"},
		{"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85", "small order"},
		{"ed" + ones + "7f", "one spelling"},
		{"ee" + ones + "7f", "one spelling"},
		{"ff" + ones + "ff", "one spelling"},
		{"02" + zeros + "00", "not on its curve"},
		{"07" + zeros + "80", "not on its curve"},
	} {
		s := parsed(t, setOf(half(t, edJWK, map[string]any{"x": b64(must[[]byte](t)(hex.DecodeString(tt.x)))})))
		if len(s.Keys()) != 0 || len(s.Skipped()) != 1 || !strings.Contains(s.Skipped()[0].Why, tt.says) {
			t.Errorf("%s: %d keys, %v, want %q", tt.x, len(s.Keys()), s.Skipped(), tt.says)
		}
	}
	for range 50 {
		public, _, err := ed25519.GenerateKey(rand.Reader)
		if s := parsed(t, setOf(publicJWK(t, public, nil))); err != nil || len(s.Keys()) != 1 {
			t.Errorf("%x was skipped: %v, %v", public, s.Skipped(), err)
		}
	}
}

func TestParseKeySetRefuses(t *testing.T) {
	good := setOf(half(t, ecJWK, nil))
	for _, tt := range []struct{ name, document, says string }{
		{"nothing", "", "no JSON object"},
		{"a page", "\n<!DOCTYPE html><html>", "web page"},
		{"text", "Not Found", "no JSON object"},
		{"a list", "[]", "no JSON object"},
		{"an empty object", "{}", "no array keys"},
		{"keys in capitals", strings.Replace(good, "keys", "Keys", 1), "no array keys"},
		{"keys that are an object", `{"keys":{}}`, "no array keys"},
		{"keys that are null", `{"keys":null}`, "no array keys"},
		{"keys twice", strings.Replace(good, "{", `{"keys":[],`, 1), "twice"},
		{"something behind it", good + good, "no JSON object"},
		{"a part of it", good[:len(good)-2], "no JSON object"},
		{"a byte order mark", "\ufeff" + good, "no JSON object"},
		{"bytes that are no text", strings.Replace(good, "P-256", "P-\xff256", 1), "no JSON object"},
		{"one key", half(t, ecJWK, nil), "it is one key"},
		{"a discovery document", `{"issuer":"https://x.example","jwks_uri":"https://x.example/jwks"}`, "jwks_uri"},
		{"an error", `{"error":"rate limited"}`, "no array keys"},
		{"101 keys", setOf(slices.Repeat([]string{"{}"}, 101)...), "101 keys, more than 100"},
		{"more than 64 KiB", good + strings.Repeat(" ", 64<<10), "more than 65536 bytes"},
		{"a certificate among other things", `{"a":` + quoted(certificate(t, 0)) + `,"b":1}`, "no array keys"},
	} {
		s, err := keys.ParseKeySet([]byte(tt.document))
		if err == nil || !strings.Contains(err.Error(), tt.says) || len(s.Keys())+len(s.Skipped()) != 0 {
			t.Errorf("%s: %d keys, %v, want %q", tt.name, len(s.Keys()), err, tt.says)
		}
	}
	if s := parsed(t, setOf(slices.Repeat([]string{"{}"}, 100)...)); len(s.Skipped()) != 100 {
		t.Errorf("of a hundred, %d were skipped", len(s.Skipped()))
	}
}

func quoted(text string) string {
	out, _ := json.Marshal(text)
	return string(out)
}

func TestParseKeySetTakesCertificates(t *testing.T) {
	good, other := certificate(t, 0), certificate(t, x509.KeyUsageDigitalSignature)
	document := fmt.Sprintf(`{"b":%s,"a":%s,"c":%s,"d":%s,"e":%s}`, quoted(good), quoted(other), quoted(certificate(t, x509.KeyUsageKeyEncipherment)),
		quoted("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), quoted("-----BEGIN CERTIFICATE-----"))
	s := parsed(t, document)
	var ids []string
	for _, k := range s.Keys() {
		ids = append(ids, k.ID())
	}
	want := []keys.SkippedKey{{ID: "c", Why: "its certificate is not for signatures"},
		{ID: "d", Why: "its certificate cannot be read"}, {ID: "e", Why: "its certificate is no PEM"}}
	if diff := cmp.Diff([]string{"a", "b"}, ids) + cmp.Diff(want, s.Skipped()); diff != "" {
		t.Error(diff)
	}
}
