package keys_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"slices"
	"testing"
	"time"

	"rowpass/keys"
)

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
