package keys

import "math/big"

// isROCA knows the RSA keys of CVE-2017-15361, which some smart cards and TPMs made and which can be factored: modulo each
// of these primes such a modulus is a power of 65537. A good one passes for that once in some hundred million.
func isROCA(modulus *big.Int) bool {
	for _, prime := range []int64{11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157} {
		rest := new(big.Int).Mod(modulus, big.NewInt(prime)).Int64()
		if !isPower(rest, 65537, prime) {
			return false
		}
	}
	return true
}

// isPower says whether rest is a power of base modulo prime.
func isPower(rest, base, prime int64) bool {
	for power := base % prime; ; power = power * base % prime {
		if power == rest {
			return true
		}
		if power == 1 {
			return false // from here on they repeat
		}
	}
}
