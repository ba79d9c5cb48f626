package token_test

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

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rowpass/keys"
	"rowpass/token"
)

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

// open does what Verify does up to the claims, with a key given.
func open(raw string, k keys.Key) ([]byte, error) {
	j, err := token.Parse(raw)
	if err != nil {
		return nil, err
	}
	return j.Payload(k)
}

func TestParseReadsTheHeader(t *testing.T) {
	f := newForger(t)
	j, err := token.Parse(f.withHeader(map[string]any{"jku": "https://x.example"}))
	if err != nil {
		t.Fatal(err)
	}
	want := token.JWS{Algorithm: "ES256", KeyID: f.key.ID(), Type: "at+jwt"}
	if diff := cmp.Diff(want, j, cmpopts.IgnoreUnexported(token.JWS{})); diff != "" {
		t.Error(diff)
	}
	if _, err := token.Parse(strings.Repeat("x", 17<<10)); !errors.Is(err, token.ErrTooLarge) {
		t.Errorf("17 KiB give %v", err)
	}
	if _, err := j.Payload(keys.Key{}); !errors.Is(err, token.ErrInvalid) {
		t.Errorf("the zero key gives %v", err)
	}
}

// wycheproof is a file of C2SP's Wycheproof. A group's key is a JWK or a set of them.
type wycheproof struct {
	TestGroups []struct {
		Comment string
		Private json.RawMessage
		Tests   []struct {
			TcID    int
			Comment string
			JWS     json.RawMessage // text, or an object in the JSON serialisation
			Result  string
		}
	}
}

// ours gives the keys of a group that we would use.
func ours(private json.RawMessage) []keys.Key {
	var set struct{ Keys []json.RawMessage }
	if json.Unmarshal(private, &set) != nil || set.Keys == nil {
		set.Keys = []json.RawMessage{private}
	}
	var out []keys.Key
	for _, jwk := range set.Keys {
		if k, err := keys.Import(jwk, now); err == nil {
			out = append(out, k)
		}
	}
	return out
}

func text(value json.RawMessage) string {
	var s string
	if json.Unmarshal(value, &s) == nil {
		return s
	}
	return string(value)
}

func TestWycheproof(t *testing.T) {
	for _, tt := range []struct {
		file             string
		taken, ofAnother int // how many of its valid ones are under a key that we would use, and under another
	}{
		{"json_web_signature_test.json", 9, 37}, // of the 37, one has a key whose key_ops is the one text "sign, verify"
		{"json_web_key_test.json", 1, 4},
	} {
		t.Run(tt.file, func(t *testing.T) {
			var suite wycheproof
			readVectors(t, tt.file, &suite)
			taken, ofAnother := 0, 0
			for _, g := range suite.TestGroups {
				usable := ours(g.Private)
				for _, test := range g.Tests {
					good := slices.ContainsFunc(usable, func(k keys.Key) bool {
						_, err := open(text(test.JWS), k)
						return err == nil
					})
					switch {
					case good && test.Result != "valid":
						t.Errorf("%s, test %d: %s was taken", g.Comment, test.TcID, test.Comment)
					case good:
						taken++
					case test.Result == "valid" && len(usable) > 0:
						t.Errorf("%s, test %d: %s was refused", g.Comment, test.TcID, test.Comment)
					case test.Result == "valid":
						ofAnother++
					}
				}
			}
			if taken != tt.taken || ofAnother != tt.ofAnother {
				t.Errorf("%d were taken, want %d; %d valid ones were refused for their key, want %d", taken, tt.taken, ofAnother, tt.ofAnother)
			}
		})
	}
}

// cookbook is an example of RFC 7520.
type cookbook struct {
	Title string
	Input struct {
		Payload string
		Key     json.RawMessage
	}
	Output struct {
		Compact string
		Flat    struct{ Protected, Payload, Signature string } `json:"json_flat"`
	}
}

func (c cookbook) compact() string {
	if f := c.Output.Flat; c.Output.Compact == "" {
		return f.Protected + "." + f.Payload + "." + f.Signature
	}
	return c.Output.Compact
}

func TestCookbook(t *testing.T) {
	for _, tt := range []struct {
		file string
		says string // why it is refused; "" where it is good
	}{
		{"jws_4_1.rsa_v15_signature.json", ""},
		{"curve25519_jws.json", ""},
		{"jws_4_2.rsa-pss_signature.json", "alg is not one of"},
		{"jws_4_4.hmac-sha2_integrity_protection.json", "alg is not one of"},
		{"jws_4_5.signature_with_detached_content.json", "alg is not one of"},
		{"jws_4_7.protecting_content_only.json", "not a JSON object"},
		{"rfc7797_4.2.hmac-sha2_b64_false.json", "three parts"},
		{"rfc7797_hmac-sha2_b64_false.json", "base64url"},
	} {
		t.Run(tt.file, func(t *testing.T) {
			var example cookbook
			readVectors(t, filepath.Join("rfc7520", tt.file), &example)
			if tt.says != "" {
				if _, err := token.Parse(example.compact()); !strings.Contains(token.Describe(err), tt.says) {
					t.Errorf("%v, want %q", err, tt.says)
				}
				return
			}
			k := must[keys.Key](t)(keys.Import(example.Input.Key, now))
			payload, err := open(example.Output.Compact, k)
			if err != nil || string(payload) != example.Input.Payload {
				t.Errorf("%q, %v", payload, err)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	forger := newForger(f)
	f.Add(forger.withClaims(nil))
	f.Add(forger.withHeader(map[string]any{"alg": "none", "crit": []string{"x"}}))
	f.Add("..")
	f.Fuzz(func(t *testing.T, raw string) {
		j, err := token.Parse(raw)
		if err != nil {
			if !errors.Is(err, token.ErrInvalid) && !errors.Is(err, token.ErrTooLarge) {
				t.Fatal(err)
			}
			return
		}
		if !slices.Contains(keys.VerifyAlgorithms(), j.Algorithm) || len(j.KeyID) > 128 {
			t.Fatalf("%+v", j)
		}
		parts := strings.Split(raw, ".")
		for _, part := range parts {
			data, err := base64.RawURLEncoding.DecodeString(part)
			if err != nil || base64.RawURLEncoding.EncodeToString(data) != part {
				t.Fatalf("%q is not the one spelling, %v", part, err)
			}
		}
		var header map[string]any
		data, _ := base64.RawURLEncoding.DecodeString(parts[0])
		if err := json.Unmarshal(data, &header); err != nil || header["alg"] != j.Algorithm && header["alg"] != "Ed25519" || header["crit"] != nil {
			t.Fatalf("%s, %v", data, err)
		}
		if _, err := j.Payload(forger.key); err != nil && !errors.Is(err, token.ErrInvalid) {
			t.Fatal(err)
		}
	})
}
