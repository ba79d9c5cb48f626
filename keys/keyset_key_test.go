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
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

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

// The signatures of RFC 7515 appendices A.2 to A.4 and RFC 8037 appendix A.4, under the public keys of RFC 7517 appendix A.1
// and of those.
func TestPublicKeyTakesTheExamplesOfTheRFCs(t *testing.T) {
	const sets = `{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"enc","kid":"1"},` +
		`{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}]}`
	s := parsed(t, sets)
	if len(s.Keys()) != 1 || s.Keys()[0].ID() != "2011-04-29" || len(s.Skipped()) != 1 || s.Skipped()[0].ID != "1" {
		t.Errorf("RFC 7517 A.1: %d keys, %v", len(s.Keys()), s.Skipped())
	}
	if s := parsed(t, setOf(ecJWK, rsaJWK, edJWK)); len(s.Keys()) != 0 || len(s.Skipped()) != 3 { // RFC 7517 A.2 and RFC 8037 A.1
		t.Errorf("private sets: %d keys", len(s.Keys()))
	}
	const rsaA2 = `{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}`
	const es512A4 = `{"kty":"EC","crv":"P-521","x":"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk","y":"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"}`
	const claims = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	for _, tt := range []struct{ name, alg, jwk, jws string }{
		{"RFC 7515 A.2", keys.RS256, rsaA2, "eyJhbGciOiJSUzI1NiJ9." + claims + ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"},
		{"RFC 7515 A.3", keys.ES256, half(t, ecJWK, nil), "eyJhbGciOiJFUzI1NiJ9." + claims + ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"},
		{"RFC 7515 A.4", keys.ES512, es512A4, "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn"},
		{"RFC 8037 A.4", keys.EdDSA, half(t, edJWK, nil), "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"},
	} {
		found := parsed(t, setOf(tt.jwk)).Find("", tt.alg)
		if len(found) != 1 {
			t.Errorf("%s: %v", tt.name, parsed(t, setOf(tt.jwk)).Skipped())
			continue
		}
		payload, err := found[0].Verify(tt.alg, []byte(tt.jws))
		if err != nil || b64(payload) != strings.Split(tt.jws, ".")[1] {
			t.Errorf("%s: %q, %v", tt.name, payload, err)
		}
	}
}

// vectors are public test vectors that lie beside the checkout and are no part of it.
const vectors = "../../shared/vectors"

func readVectors(t *testing.T, name string, to any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(vectors, name))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("the public test vectors are not there: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, to); err != nil {
		t.Fatal(err)
	}
}

// verifiesBy does what a verifier does with a token: form and header, the set's keys of that kid, the signature. fitting says
// that there was a key to try.
func verifiesBy(s keys.KeySet, raw string) (good, fitting bool) {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return false, false
	}
	for _, part := range parts {
		if _, err := base64.RawURLEncoding.Strict().DecodeString(part); err != nil {
			return false, false
		}
	}
	head, _ := base64.RawURLEncoding.DecodeString(parts[0])
	var header struct{ Alg, Kid string }
	if json.Unmarshal(head, &header) != nil {
		return false, false
	}
	found := s.Find(header.Kid, header.Alg)
	return slices.ContainsFunc(found, func(k keys.PublicKey) bool {
		_, err := k.Verify(header.Alg, []byte(raw))
		return err == nil
	}), len(found) > 0
}

// group is one of Wycheproof's: a key or a set, and its public half where there is one.
type group struct {
	Comment         string
	Private, Public json.RawMessage
	Tests           []struct {
		TcID    int
		Comment string
		JWS     json.RawMessage
		Result  string
	}
}

// set gives the public halves of a group's keys, as a provider would publish them, and symmetric keys as they are.
func (g group) set(t *testing.T) keys.KeySet {
	raw := g.Public
	if raw == nil {
		raw = g.Private
	}
	var set struct{ Keys []json.RawMessage }
	if json.Unmarshal(raw, &set) != nil || set.Keys == nil {
		set.Keys = []json.RawMessage{raw}
	}
	var all []string
	for _, jwk := range set.Keys {
		all = append(all, with(t, string(jwk), map[string]any{"d": nil, "p": nil, "q": nil, "dp": nil, "dq": nil, "qi": nil}))
	}
	return parsed(t, setOf(all...))
}

func TestPublicKeyWycheproof(t *testing.T) {
	for _, tt := range []struct {
		file           string
		taken, refused int // of its valid ones; the refused are those that no key is there for
	}{
		// Refused: HS256, PS384 and PS512; two keys whose alg is ES521, which there is not; one whose key_ops are the text "sign, verify".
		{"json_web_signature_test.json", 24, 22},
		{"json_web_key_test.json", 1, 4}, // refused: HS256, HS384 and HS512
	} {
		t.Run(tt.file, func(t *testing.T) {
			var suite struct{ TestGroups []group }
			readVectors(t, tt.file, &suite)
			taken, refused := 0, 0
			for _, g := range suite.TestGroups {
				s := g.set(t)
				for _, test := range g.Tests {
					var raw string
					_ = json.Unmarshal(test.JWS, &raw) // "" where it is in the JSON serialisation
					good, fitting := verifiesBy(s, raw)
					switch {
					case good && test.Result != "valid":
						t.Errorf("%s, test %d: %s was taken", g.Comment, test.TcID, test.Comment)
					case good:
						taken++
					case test.Result == "valid" && fitting:
						t.Errorf("%s, test %d: %s was refused", g.Comment, test.TcID, test.Comment)
					case test.Result == "valid":
						refused++
					}
				}
			}
			if taken != tt.taken || refused != tt.refused {
				t.Errorf("%d were taken, want %d; %d valid ones were refused for their key, want %d", taken, tt.taken, refused, tt.refused)
			}
		})
	}
}

// BenchmarkPublicKeyVerify is one ES256 token with a key of a provider, beside the bare ECDSA verification that it cannot do
// without. Blocks of the two are run in turn, so that whatever else the machine does meets both; the ratio is the median.
func BenchmarkPublicKeyVerify(b *testing.B) {
	private := p256(b)
	k := parsed(b, setOf(publicJWK(b, private.Public(), map[string]any{"kid": "a"}))).Keys()[0]
	raw := []byte(signed(b, private, map[string]any{"alg": keys.ES256, "kid": "a"}, `{"sub":"018f3c1e-0000-7000-8000-000000000001"}`))
	sum := sha256.Sum256([]byte("x"))
	sig := must[[]byte](b)(ecdsa.SignASN1(rand.Reader, private, sum[:]))
	var ratios []float64
	for b.Loop() {
		bare := block(func() bool { return ecdsa.VerifyASN1(&private.PublicKey, sum[:], sig) })
		ours := block(func() bool { _, err := k.Verify(keys.ES256, raw); return err == nil })
		if bare == 0 || ours == 0 {
			b.Fatal("refused")
		}
		ratios = append(ratios, float64(ours)/float64(bare))
	}
	slices.Sort(ratios)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ratios[len(ratios)/2], "ratio")
}

// block gives the time of 20 verifications; 0 where one went wrong.
func block(verify func() bool) time.Duration {
	start := time.Now()
	for range 20 {
		if !verify() {
			return 0
		}
	}
	return time.Since(start)
}

// BenchmarkParseKeySet is what one fetch costs beside the network.
func BenchmarkParseKeySet(b *testing.B) {
	document := []byte(setOf(half(b, rsaJWK, map[string]any{"kid": "a"}), half(b, rsaJWK, map[string]any{"kid": "b"}), half(b, edJWK, nil)))
	b.ReportAllocs()
	for b.Loop() {
		if s, err := keys.ParseKeySet(document); err != nil || len(s.Keys()) != 3 {
			b.Fatal(err)
		}
	}
}
