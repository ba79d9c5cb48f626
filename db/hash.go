package db

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// passwordHash is an argon2id hash (RFC 9106) with what made it.
type passwordHash struct {
	memory  uint32 // KiB
	passes  uint32
	threads uint8
	salt    []byte
	sum     []byte
}

// What new passwords are hashed with: OWASP's smallest set with one thread. Others are replaced when their user logs in.
const (
	hashMemory  = 19456
	hashPasses  = 2
	hashThreads = 1
	hashSalt    = 16
	hashSum     = 32
)

// newHash has the parameters and a salt, and no sum yet.
func newHash() passwordHash {
	salt := make([]byte, hashSalt)
	_, _ = rand.Read(salt) // never returns an error
	return passwordHash{memory: hashMemory, passes: hashPasses, threads: hashThreads, salt: salt, sum: make([]byte, hashSum)}
}

// of is the sum of a password under h's parameters.
func (h passwordHash) of(password string) []byte {
	return argon2.IDKey([]byte(password), h.salt, h.passes, h.memory, h.threads, uint32(len(h.sum))) //nolint:gosec // 64 at most
}

// fits compares in constant time.
func (h passwordHash) fits(sum []byte) bool { return subtle.ConstantTimeCompare(h.sum, sum) == 1 }

// current tells whether a new hash would be made like h.
func (h passwordHash) current() bool {
	return h.memory == hashMemory && h.passes == hashPasses && h.threads == hashThreads && len(h.salt) == hashSalt && len(h.sum) == hashSum
}

// String is the PHC string format, which other programs write and read too.
func (h passwordHash) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.passes, h.threads, b64.EncodeToString(h.salt), b64.EncodeToString(h.sum))
}

// What a hash from elsewhere may cost at most: more would be a way to stop the server by one row.
const (
	maxHashMemory  = 256 << 10 // KiB
	maxHashPasses  = 16
	maxHashThreads = 16
)

// parseHash reads a PHC string. It refuses what argon2 would panic at, and what would cost too much.
func parseHash(text string) (h passwordHash, ok bool) {
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return h, false
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.passes, &h.threads); err != nil {
		return h, false
	}
	var errs [2]error
	h.salt, errs[0] = base64.RawStdEncoding.Strict().DecodeString(parts[4])
	h.sum, errs[1] = base64.RawStdEncoding.Strict().DecodeString(parts[5])
	within := h.threads >= 1 && h.threads <= maxHashThreads && h.passes >= 1 && h.passes <= maxHashPasses &&
		h.memory >= 8*uint32(h.threads) && h.memory <= maxHashMemory &&
		len(h.salt) >= 8 && len(h.salt) <= 64 && len(h.sum) >= 16 && len(h.sum) <= 64
	return h, errs == [2]error{} && within && h.String() == text
}
