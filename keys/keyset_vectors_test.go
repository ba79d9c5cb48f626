package keys_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rowpass/keys"
)

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
