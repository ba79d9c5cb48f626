package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"slices"
)

var (
	errExponent = errors.New("its public exponent is not an odd number from 3 to 2147483647")
	errPoint    = errors.New("its point is not on its curve")
	errOrder    = errors.New("its point has a small order, so that signatures by nobody would verify")
)

// maxExponent is what crypto/rsa verifies with.
const maxExponent = 1<<31 - 1

// checkPublic refuses keys that their numbers make worthless, which neither jwx nor crypto/rsa nor crypto/ed25519 does by
// itself.
func checkPublic(public crypto.PublicKey) error {
	switch public := public.(type) {
	case *ecdsa.PublicKey:
		return checkECDSA(public)
	case *rsa.PublicKey:
		return checkForeignRSA(public)
	case ed25519.PublicKey:
		return checkEdwards(public)
	}
	return errors.New("it is no EC, RSA or Ed25519 key")
}

func checkECDSA(public *ecdsa.PublicKey) error {
	if fittingAlgorithms(public) == nil {
		return errors.New("its curve is not one that we verify on")
	}
	if _, err := public.ECDH(); err != nil { // of the curves above, all have it
		return errPoint
	}
	return nil
}

func checkForeignRSA(public *rsa.PublicKey) error {
	bits := public.N.BitLen()
	switch {
	case bits < minRSABits || bits > maxRSABits:
		return fmt.Errorf("its modulus has %d bits, and we take %d to %d", bits, minRSABits, maxRSABits)
	case public.N.Bit(0) == 0:
		return errors.New("its modulus is even")
	case public.E < 3 || public.E > maxExponent || public.E%2 == 0:
		return errExponent
	case isROCA(public.N):
		return errors.New("it was made by hardware whose keys can be factored (CVE-2017-15361)")
	}
	return nil
}

// checkEdwards decodes the point as RFC 8032 section 5.1.3 asks, which crypto/ed25519 does less strictly, and refuses those
// of small order.
func checkEdwards(public ed25519.PublicKey) error {
	if len(public) != ed25519.PublicKeySize {
		return fmt.Errorf("its point has not %d bytes", ed25519.PublicKeySize)
	}
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	y := edwardsY(public)
	if y.Cmp(p) >= 0 {
		return errors.New("its point is not in its one spelling (RFC 8032 section 5.1.3)")
	}
	// On the curve x² = (y² - 1) / (dy² + 1), so the point is there if that is a square.
	y2 := new(big.Int).Mul(y, y)
	dy2 := new(big.Int).Mul(y2, edwardsD(p))
	u, v := new(big.Int).Sub(y2, big.NewInt(1)), new(big.Int).Add(dy2, big.NewInt(1))
	square := new(big.Int).Mul(u, v)
	if big.Jacobi(square.Mod(square, p), p) < 0 {
		return errPoint
	}
	if isSmallOrder(y, u, y2, dy2, p) {
		return errOrder
	}
	return nil
}

// isSmallOrder knows the eight points that eight times are the neutral one: u = y² - 1 is 0 for orders 1 and 2, y is 0 for
// order 4, and for order 8 twice the point has y = 0, which is where dy⁴ + 2y² - 1 is.
func isSmallOrder(y, u, y2, dy2, p *big.Int) bool {
	eighth := new(big.Int).Mul(dy2, y2)
	eighth.Add(eighth, y2).Add(eighth, u)
	product := eighth.Mul(eighth, y).Mul(eighth, u)
	return product.Mod(product, p).Sign() == 0
}

// edwardsY is the point's encoding, little-endian, without the bit that is x's sign.
func edwardsY(public ed25519.PublicKey) *big.Int {
	encoded := slices.Clone(public)
	encoded[len(encoded)-1] &= 0x7f
	slices.Reverse(encoded)
	return new(big.Int).SetBytes(encoded)
}

// edwardsD is the curve's constant, -121665/121666 (RFC 8032 section 5.1).
func edwardsD(p *big.Int) *big.Int {
	d := new(big.Int).ModInverse(big.NewInt(121666), p)
	return d.Mul(d, big.NewInt(-121665)).Mod(d, p)
}
