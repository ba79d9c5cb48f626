package keys_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rowpass/keys"
)

// with gives jwk with members added or, where a value is nil, taken away.
func with(t testing.TB, jwk string, members map[string]any) string {
	t.Helper()
	var all map[string]any
	if err := json.Unmarshal([]byte(jwk), &all); err != nil {
		t.Fatal(err)
	}
	for name, value := range members {
		all[name] = value
		if value == nil {
			delete(all, name)
		}
	}
	out, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func pemBlock(t testing.TB, kind string, der []byte, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func pkcs8(t testing.TB, private any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(private)
	return pemBlock(t, "PRIVATE KEY", der, err)
}

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func p256(t testing.TB) *ecdsa.PrivateKey {
	return must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
}

func TestImportTakes(t *testing.T) {
	ec, rs := p256(t), must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
	ed := must[ed25519.PrivateKey](t)(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32)), nil)
	sec1, err := x509.MarshalECPrivateKey(ec)
	sec1PEM := pemBlock(t, "EC PRIVATE KEY", sec1, err)
	for _, tt := range []struct {
		name, data, alg string
		public          crypto.PublicKey // nil: not compared
	}{
		{"an EC JWK", ecJWK, keys.ES256, nil},
		{"an RSA JWK", rsaJWK, keys.RS256, nil},
		{"an Ed25519 JWK", edJWK, keys.EdDSA, nil},
		{"an Ed25519 JWK that has its new name as alg", with(t, edJWK, map[string]any{"alg": "Ed25519"}), keys.EdDSA, nil},
		{"a JWK for signing", with(t, ecJWK, map[string]any{"alg": "ES256", "use": "sig", "key_ops": []string{"sign"}}), keys.ES256, nil},
		{"a JWK with white space round it", "\n\t " + ecJWK + " \r\n", keys.ES256, nil},
		{"an EC key as PKCS #8", pkcs8(t, ec), keys.ES256, ec.Public()},
		{"an RSA key as PKCS #8", pkcs8(t, rs), keys.RS256, rs.Public()},
		{"an Ed25519 key as PKCS #8", pkcs8(t, ed), keys.EdDSA, ed.Public()},
		{"an EC key as SEC 1", sec1PEM, keys.ES256, ec.Public()},
		{"an RSA key as PKCS #1", pemBlock(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rs), nil), keys.RS256, rs.Public()},
		{"an EC key with its parameters before it", pemBlock(t, "EC PARAMETERS", []byte{6, 8}, nil) + sec1PEM, keys.ES256, ec.Public()},
		{"an EC key with text before it", "my key\n" + sec1PEM, keys.ES256, ec.Public()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := imported(t, tt.data)
			if k.Algorithm() != tt.alg {
				t.Errorf("algorithm %s, want %s", k.Algorithm(), tt.alg)
			}
			if tt.public != nil && !cmp.Equal(tt.public, k.Public()) {
				t.Error("another public key came out")
			}
			signed := must[[]byte](t)(k.Sign("test", []byte("payload")))
			if payload, err := k.Verify(signed); err != nil || string(payload) != "payload" {
				t.Errorf("it verified %q, %v", payload, err)
			}
		})
	}
}

func TestImportRefuses(t *testing.T) {
	p384 := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	ec, other := p256(t), p256(t)
	x25519 := must[*ecdh.PrivateKey](t)(ecdh.X25519().GenerateKey(rand.Reader))
	spki, err := x509.MarshalPKIXPublicKey(ec.Public())
	encrypted := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"DEK-Info": "AES-256-CBC,00"}})
	for _, tt := range []struct{ name, data, says string }{
		{"nothing", "", "neither a JWK nor PEM"},
		{"text", "hello", "neither a JWK nor PEM"},
		{"JSON that is no key", `{"a":1}`, "no JWK"},
		{"broken JSON", `{"kty":`, "no JWK"},
		{"a key set", `{"keys":[` + ecJWK + `]}`, "key set"},
		{"100 kB", ecJWK + strings.Repeat(" ", 10) + strings.Repeat("x", 100<<10), "too many"},
		{"a public EC JWK", with(t, ecJWK, map[string]any{"d": nil}), "no private half"},
		{"a public RSA JWK", with(t, rsaJWK, map[string]any{"d": nil, "p": nil, "q": nil}), "no private half"},
		{"a public Ed25519 JWK", with(t, edJWK, map[string]any{"d": nil}), "no private half"},
		{"a symmetric JWK", `{"kty":"oct","k":"c2VjcmV0"}`, "symmetric"},
		{"a JWK of a kty that nobody knows", `{"kty":"XYZ","d":"AA"}`, "no JWK"},
		{"an EC JWK that says ES384", with(t, ecJWK, map[string]any{"alg": "ES384"}), "alg is not ES256"},
		{"an EC JWK that says none", with(t, ecJWK, map[string]any{"alg": "none"}), "alg is not ES256"},
		{"an RSA JWK that says PS256", with(t, rsaJWK, map[string]any{"alg": "PS256"}), "alg is not RS256"},
		{"an RSA JWK that says HS256", with(t, rsaJWK, map[string]any{"alg": "HS256"}), "alg is not RS256"},
		{"a JWK for encryption", with(t, ecJWK, map[string]any{"use": "enc"}), "use is not sig"},
		{"a JWK that may only verify", with(t, ecJWK, map[string]any{"key_ops": []string{"verify"}}), "key_ops"},
		{"an EC JWK whose point is not on the curve", with(t, ecJWK, map[string]any{"y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a4"}), "public half"},
		{"an EC JWK with another key's d", with(t, ecJWK, map[string]any{"d": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"}), "public half"},
		{"an EC JWK whose d is 0", with(t, ecJWK, map[string]any{"d": "AA"}), "out of range"},
		{"an EC JWK whose d is too large", with(t, ecJWK, map[string]any{"d": strings.Repeat("_", 44)}), "out of range"},
		{"an EC JWK that says P-384 of P-256's numbers", with(t, ecJWK, map[string]any{"crv": "P-384"}), "curve is not P-256"},
		{"an EC JWK with an unknown curve", with(t, ecJWK, map[string]any{"crv": "secp256k1"}), "JWK"},
		{"an Ed25519 JWK with another key's x", with(t, edJWK, map[string]any{"x": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}), "no JWK"},
		{"an RSA JWK whose exponent is 1", with(t, rsaJWK, map[string]any{"e": "AQ"}), "odd number above 1"},
		{"an RSA JWK whose exponent is even", with(t, rsaJWK, map[string]any{"e": "AQAC"}), "odd number above 1"},
		{"an RSA JWK with another exponent", with(t, rsaJWK, map[string]any{"e": "Aw"}), "belong together"},
		{"an RSA JWK with a short modulus", with(t, rsaJWK, map[string]any{"n": "u1SU1LfVLPHCozMxH2Mo4lgOEePzNm0tRgeLezV6ffA"}), "256 bits"},
		{"an RSA JWK whose primes are 1", with(t, rsaJWK, map[string]any{"p": "AQ", "q": "AQ"}), "belong together"},
		{"an RSA JWK whose d is another number", with(t, rsaJWK, map[string]any{"d": "AQAB"}), "belong together"},
		{"an EC key on P-384 as PKCS #8", pkcs8(t, p384), "curve is not P-256"},
		{"an X25519 key as PKCS #8", pkcs8(t, x25519), "no EC, RSA or Ed25519"},
		{"a public key as PEM", pemBlock(t, "PUBLIC KEY", spki, err), "no private half"},
		{"a damaged PEM block", pemBlock(t, "PRIVATE KEY", []byte("junk"), nil), "PRIVATE KEY cannot be read"},
		{"an encrypted PKCS #8", pemBlock(t, "ENCRYPTED PRIVATE KEY", []byte("junk"), nil), "openssl pkey"},
		{"an encrypted PKCS #1", string(encrypted), "openssl pkey"},
		{"two private keys", pkcs8(t, ec) + pkcs8(t, other), "one by one"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k, err := keys.Import([]byte(tt.data), now)
			if err == nil {
				t.Fatalf("it was taken as %v", k)
			}
			if !strings.Contains(err.Error(), tt.says) {
				t.Errorf("it says %q, want %q", err, tt.says)
			}
		})
	}
}

func TestImportErrorsQuoteNothing(t *testing.T) {
	const secret = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"
	for _, data := range []string{
		strings.Replace(ecJWK, `"d":"`+secret+`"`, `"d":["`+secret+`"]`, 1),
		strings.Replace(ecJWK, `"d":"`, `"d":`, 1),
		strings.Replace(ecJWK, `"EC"`, `"`+secret+`"`, 1),
		strings.Replace(ecJWK, `"kty":"EC"`, `"kty":"EC","alg":"`+secret+`"`, 1),
		strings.Replace(ecJWK, `"P-256"`, `"`+secret+`"`, 1),
		"-----BEGIN PRIVATE KEY-----\n" + secret + "\n-----END PRIVATE KEY-----\n",
	} {
		_, err := keys.Import([]byte(data), now)
		if err == nil || strings.Contains(err.Error(), secret[:8]) {
			t.Errorf("%s gave %v", data, err)
		}
	}
}

func FuzzImport(f *testing.F) {
	f.Add([]byte(ecJWK))
	f.Add([]byte(rsaJWK))
	f.Add([]byte(edJWK))
	f.Add([]byte(pkcs8(f, ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32)))))
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := keys.Import(data, now)
		if err != nil {
			return
		}
		r := ring(t, k)
		noPrivateMembers(t, r.JWKS())
		again, _ := r.Current()
		signed := must[[]byte](t)(again.Sign("test", []byte("payload")))
		if _, err := again.Verify(signed); err != nil {
			t.Errorf("a key that was taken does not verify: %v", err)
		}
	})
}
