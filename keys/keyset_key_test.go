package keys_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	_ "crypto/sha512" // what crypto.SHA384 and crypto.SHA512 stand for
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"

	"rowpass/keys"
)

// signed makes a compact JWS with the standard library alone.
func signed(t testing.TB, private crypto.Signer, header map[string]any, payload string) string {
	t.Helper()
	input := b64(must[[]byte](t)(json.Marshal(header))) + "." + b64([]byte(payload))
	alg, _ := header["alg"].(string)
	return input + "." + b64(signature(t, private, alg, input))
}

func signature(t testing.TB, private crypto.Signer, alg, input string) []byte {
	t.Helper()
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[alg[len(alg)-3:]]
	digest := []byte(input)
	if hash != 0 {
		h := hash.New()
		h.Write(digest)
		digest = h.Sum(nil)
	}
	switch private := private.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, private, digest)
		if err != nil {
			t.Fatal(err)
		}
		size := (private.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	case *rsa.PrivateKey:
		if strings.HasPrefix(alg, "PS") {
			return must[[]byte](t)(rsa.SignPSS(rand.Reader, private, hash, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}))
		}
		return must[[]byte](t)(rsa.SignPKCS1v15(rand.Reader, private, hash, digest))
	}
	return must[[]byte](t)(private.Sign(rand.Reader, digest, crypto.Hash(0)))
}

// signers has a private key for each algorithm, the same one for all of RSA.
func signers(t testing.TB) map[string]crypto.Signer {
	rs := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]crypto.Signer{
		keys.ES256: p256(t), keys.ES384: curveKey(t, elliptic.P384()), keys.ES512: curveKey(t, elliptic.P521()), keys.EdDSA: ed,
		keys.RS256: rs, keys.RS384: rs, keys.RS512: rs, keys.PS256: rs,
	}
}

// Each algorithm under each key: a key verifies what it signed with the algorithm that was asked for, and nothing else.
func TestPublicKeyVerifiesItsOwn(t *testing.T) {
	private := signers(t)
	if len(private) != len(keys.VerifyAlgorithms()) {
		t.Fatalf("there are %v", keys.VerifyAlgorithms())
	}
	for _, of := range keys.VerifyAlgorithms() {
		k := parsed(t, setOf(publicJWK(t, private[of].Public(), nil))).Keys()[0]
		for _, alg := range keys.VerifyAlgorithms() {
			raw := []byte(signed(t, private[alg], map[string]any{"alg": alg}, "payload"))
			for _, asked := range append(keys.VerifyAlgorithms(), "none", "HS256", "ES256K", "PS512", "") {
				payload, err := k.Verify(asked, raw)
				want := alg == asked && (alg == of || isRSA(alg) && isRSA(of))
				if want && (err != nil || string(payload) != "payload") || !want && !errors.Is(err, keys.ErrSignature) {
					t.Errorf("a key for %s, a signature by %s, %q asked: %q, %v", of, alg, asked, payload, err)
				}
			}
		}
	}
}

func isRSA(alg string) bool { return alg[1] == 'S' && alg[0] != 'E' }

func TestPublicKeyVerifiesByItsOwnAlgAlone(t *testing.T) {
	private := signers(t)
	rs := publicJWK(t, private[keys.RS256].Public(), map[string]any{"alg": keys.RS256})
	k := parsed(t, setOf(rs)).Keys()[0]
	for alg, good := range map[string]bool{keys.RS256: true, keys.PS256: false, keys.RS512: false} {
		_, err := k.Verify(alg, []byte(signed(t, private[alg], map[string]any{"alg": alg}, "payload")))
		if good != (err == nil) {
			t.Errorf("%s: %v", alg, err)
		}
	}
	ed := parsed(t, setOf(publicJWK(t, private[keys.EdDSA].Public(), nil))).Keys()[0]
	if _, err := ed.Verify("Ed25519", []byte(signed(t, private[keys.EdDSA], map[string]any{"alg": "Ed25519"}, "payload"))); err != nil {
		t.Errorf("by its newer name: %v", err)
	}
	var zero keys.PublicKey
	if _, err := zero.Verify(keys.ES256, nil); !errors.Is(err, keys.ErrNoKey) || zero.ID() != "" || zero.Algorithms() != nil {
		t.Errorf("the zero key: %v", err)
	}
}

func TestPublicKeyRefuses(t *testing.T) {
	private, others := signers(t), signers(t)
	for _, alg := range keys.VerifyAlgorithms() {
		k := parsed(t, setOf(publicJWK(t, private[alg].Public(), nil))).Keys()[0]
		raw := signed(t, private[alg], map[string]any{"alg": alg}, "payload")
		head, rest, _ := strings.Cut(raw, ".")
		_, sig, _ := strings.Cut(rest, ".")
		size := len(must[[]byte](t)(base64.RawURLEncoding.DecodeString(sig)))
		for name, text := range map[string]string{
			"nothing":                    "",
			"another payload":            head + ".AAAA." + sig,
			"another header":             b64([]byte(`{"alg":"none"}`)) + "." + rest,
			"no signature":               strings.TrimSuffix(raw, sig),
			"a signature of zeros":       strings.TrimSuffix(raw, sig) + b64(make([]byte, size)),
			"a signature of ones":        strings.TrimSuffix(raw, sig) + b64(slices.Repeat([]byte{0xff}, size)),
			"a signature cut off":        raw[:len(raw)-4],
			"a signature and more":       raw + "AAAA",
			"the JSON serialisation":     `{"payload":"AAAA","protected":"` + head + `","signature":"` + sig + `"}`,
			"a signature by another key": signed(t, others[alg], map[string]any{"alg": alg}, "payload"),
		} {
			if payload, err := k.Verify(alg, []byte(text)); !errors.Is(err, keys.ErrSignature) {
				t.Errorf("%s, %s: %q, %v", alg, name, payload, err)
			}
		}
	}
}

// RFC 7518 section 3.5: the salt is as long as the hash.
func TestPublicKeyRefusesOtherSalts(t *testing.T) {
	private := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
	k := parsed(t, setOf(publicJWK(t, private.Public(), nil))).Keys()[0]
	input := b64([]byte(`{"alg":"PS256"}`)) + "." + b64([]byte("payload"))
	sum := sha256.Sum256([]byte(input))
	for _, salt := range []int{rsa.PSSSaltLengthAuto, 1, 31, 32, 33} {
		sig := must[[]byte](t)(rsa.SignPSS(rand.Reader, private, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: salt}))
		if _, err := k.Verify(keys.PS256, []byte(input+"."+b64(sig))); (err == nil) != (salt == 32) {
			t.Errorf("a salt of %d: %v", salt, err)
		}
	}
}

// RFC 8032 section 5.1.7: S is below the group's order, else everybody could make a second signature of the first.
func TestPublicKeyRefusesTheSameSignatureInAnotherSpelling(t *testing.T) {
	order := must[[]byte](t)(hex.DecodeString("1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed"))
	private := signers(t)[keys.EdDSA]
	k := parsed(t, setOf(publicJWK(t, private.Public(), nil))).Keys()[0]
	raw := signed(t, private, map[string]any{"alg": keys.EdDSA}, "payload")
	at := strings.LastIndexByte(raw, '.') + 1
	sig := must[[]byte](t)(base64.RawURLEncoding.DecodeString(raw[at:]))
	for times := int64(1); times <= 8; times++ {
		s := slices.Clone(sig[32:])
		slices.Reverse(s)
		more := new(big.Int).Mul(new(big.Int).SetBytes(order), big.NewInt(times))
		more.Add(more, new(big.Int).SetBytes(s))
		if more.BitLen() > 256 {
			break
		}
		other := more.FillBytes(make([]byte, 32))
		slices.Reverse(other)
		if _, err := k.Verify(keys.EdDSA, []byte(raw[:at]+b64(slices.Concat(sig[:32], other)))); !errors.Is(err, keys.ErrSignature) {
			t.Errorf("S + %d L: %v", times, err)
		}
	}
	if _, err := k.Verify(keys.EdDSA, []byte(raw)); err != nil {
		t.Error(err)
	}
}
