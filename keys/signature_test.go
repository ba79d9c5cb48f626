package keys_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rowpass/keys"
)

// verifies is RFC 7515 section 5.2 with the standard library alone.
func verifies(public crypto.PublicKey, input string, signature []byte) bool {
	sum := sha256.Sum256([]byte(input))
	switch public := public.(type) {
	case *ecdsa.PublicKey:
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		return len(signature) == 64 && ecdsa.Verify(public, sum[:], r, s)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], signature) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(public, []byte(input), signature)
	}
	return false
}

func TestSignMakesWhatOthersVerify(t *testing.T) {
	for _, alg := range keys.Algorithms() {
		k := generated(t, alg, now)
		signed := string(must[[]byte](t)(k.Sign("at+jwt", []byte(`{"a":1}`))))
		parts := strings.Split(signed, ".")
		header := must[[]byte](t)(base64.RawURLEncoding.DecodeString(parts[0]))
		var got map[string]string
		if err := json.Unmarshal(header, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]string{"alg": alg, "kid": k.ID(), "typ": "at+jwt"}, got); diff != "" {
			t.Error(diff)
		}
		signature := must[[]byte](t)(base64.RawURLEncoding.DecodeString(parts[2]))
		if !verifies(k.Public(), parts[0]+"."+parts[1], signature) {
			t.Errorf("%s: the signature does not verify", alg)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	k := imported(t, ecJWK)
	signed := string(must[[]byte](t)(k.Sign("test", []byte("payload"))))
	head, rest, _ := strings.Cut(signed, ".")
	for name, text := range map[string]string{
		"nothing":                 "",
		"another header":          base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256"}`)) + "." + rest,
		"another payload":         strings.Replace(signed, head+".", head+".AAAA", 1),
		"no signature":            signed[:strings.LastIndexByte(signed, '.')+1],
		"two parts":               head + ".AAAA",
		"the JSON serialisation":  `{"payload":"AAAA","protected":"` + head + `","signature":"AAAA"}`,
		"a signature of zeros":    signed[:strings.LastIndexByte(signed, '.')+1] + strings.Repeat("A", 86),
		"a signature too short":   signed[:len(signed)-4],
		"a signature of one byte": signed[:strings.LastIndexByte(signed, '.')+1] + "AA",
	} {
		if payload, err := k.Verify([]byte(text)); !errors.Is(err, keys.ErrSignature) {
			t.Errorf("%s: %q, %v", name, payload, err)
		}
	}
	if _, err := generated(t, keys.ES256, now).Verify([]byte(signed)); !errors.Is(err, keys.ErrSignature) {
		t.Errorf("another key: %v", err)
	}
}

// The signature of RFC 7515 appendix A.3 and that of RFC 8037 appendix A.4.
func TestVerifyTakesTheExamplesOfTheRFCs(t *testing.T) {
	for _, tt := range []struct{ name, jwk, jws, payload string }{
		{"RFC 7515 A.3", ecJWK, "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ." +
			"DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
			"{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}"},
		{"RFC 8037 A.4", edJWK, "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc." +
			"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg", "Example of Ed25519 signing"},
	} {
		if payload, err := imported(t, tt.jwk).Verify([]byte(tt.jws)); err != nil || string(payload) != tt.payload {
			t.Errorf("%s: %q, %v", tt.name, payload, err)
		}
	}
}
