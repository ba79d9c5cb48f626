package token_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"strconv"
	"testing"
	"time"

	"rowpass/token"
)

func BenchmarkIssue(b *testing.B) {
	s := newSetup(b)
	i := s.issuer()
	g := token.Grant{Subject: "018f3c1e-0000-7000-8000-000000000001", ClientID: token.ClientDemo, Tenant: "018f3c1e-0000-7000-8000-000000000002"}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := i.Issue(g); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSignBare is what Issue cannot do without.
func BenchmarkSignBare(b *testing.B) {
	f := newForger(b)
	sum := sha256.Sum256([]byte("x"))
	for b.Loop() {
		if _, err := ecdsa.SignASN1(rand.Reader, f.private, sum[:]); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkVerify(b *testing.B, cacheSize int, denied *token.DenyList) {
	s := newSetup(b)
	raw, _, err := s.issuer().Issue(token.Grant{Subject: "018f3c1e-0000-7000-8000-000000000001", ClientID: token.ClientDemo,
		Tenant: "018f3c1e-0000-7000-8000-000000000002", TTL: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	v := must[*token.Verifier](b)(token.NewVerifier(token.VerifierConfig{
		Issuer: issuer, Audience: audience, Ring: s.box.ring, Now: s.clock.now, CacheSize: cacheSize, Denied: denied,
	}))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(b.Context(), raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B)         { benchmarkVerify(b, -1, nil) }
func BenchmarkVerifyCacheHit(b *testing.B) { benchmarkVerify(b, 0, nil) }

// BenchmarkVerifyDenied is a cache hit beside 10,000 tokens that were revoked.
func BenchmarkVerifyDenied(b *testing.B) {
	list := token.NewDenyList()
	for i := range 10_000 {
		list.Add(token.Denial{Kind: token.DenyID, Value: strconv.Itoa(i)})
	}
	benchmarkVerify(b, 0, list)
}

// BenchmarkVerifyBare is what Verify cannot do without where it has not seen a token.
func BenchmarkVerifyBare(b *testing.B) {
	f := newForger(b)
	sum := sha256.Sum256([]byte("x"))
	signature := must[[]byte](b)(ecdsa.SignASN1(rand.Reader, f.private, sum[:]))
	for b.Loop() {
		if !ecdsa.VerifyASN1(&f.private.PublicKey, sum[:], signature) {
			b.Fatal("refused")
		}
	}
}
