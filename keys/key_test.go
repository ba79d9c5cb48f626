package keys_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rowpass/keys"
)

var now = time.Date(2026, 11, 22, 9, 30, 15, 123, time.UTC)

// The private keys of RFC 7515 appendix A.3, RFC 7517 appendix A.2 and RFC 8037 appendix A.1.
const (
	ecJWK = `{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",` +
		`"y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}`
	rsaJWK = `{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",` +
		`"e":"AQAB","d":"X4cTteJY_gn4FYPsXB8rdXix5vwsg1FLN5E3EaG6RJoVH-HLLKD9M7dx5oo7GURknchnrRweUkC7hT5fJLM0WbFAKNLWY2vv7B6NqXSzUvxT0_YSfqijwp3RTzlBaCxWp4doFk5N2o8Gy_nHNKroADIkJ46pRUohsXywbReAdYaMwFs9tv8d_cPVY3i07a3t8MN6TNwm0dSawm9v47UiCl3Sk5ZiG7xojPLu4sbg1U2jx4IBTNBznbJSzFHK66jT8bgkuqsk0GjskDJk19Z4qwjwbsnn4j2WBii3RL-Us2lGVkY8fkFzme1z0HbIkfz0Y6mqnOYtqc0X4jfcKoAC8Q",` +
		`"p":"83i-7IvMGXoMXCskv73TKr8637FiO7Z27zv8oj6pbWUQyLPQBQxtPVnwD20R-60eTDmD2ujnMt5PoqMrm8RfmNhVWDtjjMmCMjOpSXicFHj7XOuVIYQyqVWlWEh6dN36GVZYk93N8Bc9vY41xy8B9RzzOGVQzXvNEvn7O0nVbfs",` +
		`"q":"3dfOR9cuYq-0S-mkFLzgItgMEfFzB2q3hWehMuG0oCuqnb3vobLyumqjVZQO1dIrdwgTnCdpYzBcOfW5r370AFXjiWft_NGEiovonizhKpo9VVS78TzFgxkIdrecRezsZ-1kYd_s1qDbxtkDEgfAITAG9LUnADun4vIcb6yelxk"}`
	edJWK = `{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
)

func imported(t testing.TB, data string) keys.Key {
	t.Helper()
	k, err := keys.Import([]byte(data), now)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// secrets gives every spelling in which the private member name of a JWK could leak.
func secrets(t *testing.T, jwk, name string) []string {
	t.Helper()
	var members map[string]string
	if err := json.Unmarshal([]byte(jwk), &members); err != nil {
		t.Fatal(err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(members[name])
	if err != nil || len(raw) < 32 {
		t.Fatalf("member %s: %v", name, err)
	}
	text := hex.EncodeToString(raw)
	return []string{members[name], base64.RawStdEncoding.EncodeToString(raw), text, strings.ToUpper(text),
		new(big.Int).SetBytes(raw).String(), strings.Trim(fmt.Sprint(raw), "[]"), string(raw)}
}

// holder has a key where fmt cannot call its methods.
type holder struct{ key keys.Key }

func TestNothingPrintsThePrivateHalf(t *testing.T) {
	for alg, jwk := range map[string]string{keys.ES256: ecJWK, keys.RS256: rsaJWK, keys.EdDSA: edJWK} {
		k := imported(t, jwk)
		r := ring(t, k)
		var out bytes.Buffer
		for _, v := range []any{k, &k, []keys.Key{k}, map[string]keys.Key{"a": k}, holder{k}, &holder{k}, r, &r, []any{r}} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
				fmt.Fprintf(&out, verb+"\n", v)
			}
			for _, h := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
				slog.New(h).Info("log", "value", v, slog.Group("group", "value", v))
			}
			if err := json.NewEncoder(&out).Encode(v); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"d", "p", "q"} {
			if !strings.Contains(jwk, `"`+name+`":`) {
				continue
			}
			for _, secret := range secrets(t, jwk, name) {
				if strings.Contains(out.String(), secret) {
					t.Errorf("%s: member %s was printed as %q", alg, name, secret)
				}
			}
		}
		if !strings.Contains(out.String(), k.ID()) {
			t.Errorf("%s: the kid was not printed", alg)
		}
	}
}

func TestKeyPrintsItsPublicFacts(t *testing.T) {
	k, _ := ring(t, imported(t, edJWK)).Current()
	const id = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" // RFC 8037 appendix A.3
	got, err := json.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"kid":"` + id + `","alg":"EdDSA","state":"current","created_at":"2026-11-22T09:30:15Z","since":"2026-11-22T09:30:16Z"}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	if got, want := fmt.Sprintf("%#v", k), "EdDSA key "+id+" (current)"; got != want {
		t.Errorf("prints %q, want %q", got, want)
	}
}

// thumbprint is RFC 7638 section 3, done again.
func thumbprint(members map[string]string) string {
	names := map[string][]string{"EC": {"crv", "kty", "x", "y"}, "RSA": {"e", "kty", "n"}, "OKP": {"crv", "kty", "x"}}
	var text []string
	for _, name := range names[members["kty"]] {
		text = append(text, fmt.Sprintf("%q:%q", name, members[name]))
	}
	sum := sha256.Sum256([]byte("{" + strings.Join(text, ",") + "}"))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func TestKidIsTheThumbprint(t *testing.T) {
	const rfc7638 = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" // of the key of RFC 7517 appendix A.2
	if got := imported(t, rsaJWK).ID(); got != rfc7638 {
		t.Errorf("RFC 7638's key has kid %s, want %s", got, rfc7638)
	}
	for _, alg := range keys.Algorithms() {
		k, err := keys.Generate(alg, now)
		if err != nil {
			t.Fatal(err)
		}
		var set struct{ Keys []map[string]string }
		if err := json.Unmarshal(ring(t, k).JWKS(), &set); err != nil {
			t.Fatal(err)
		}
		if got := thumbprint(set.Keys[0]); got != k.ID() {
			t.Errorf("%s: kid %s, thumbprint %s", alg, k.ID(), got)
		}
		if k.Algorithm() != alg || k.State() != "" || !k.CreatedAt().Equal(now.Truncate(time.Second)) {
			t.Errorf("%s: generated %v at %v", alg, k, k.CreatedAt())
		}
	}
}

func TestGenerateKnowsItsAlgorithms(t *testing.T) {
	k, err := keys.Generate("", now)
	if err != nil || k.Algorithm() != keys.ES256 {
		t.Errorf("the default is %v, %v", k, err)
	}
	for _, alg := range []string{"none", "HS256", "ES384", "es256", "PS256"} {
		if k, err := keys.Generate(alg, now); err == nil {
			t.Errorf("%s gave %v", alg, k)
		}
	}
}
