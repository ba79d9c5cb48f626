package migrations

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

// scramIterations is PostgreSQL's own default (scram_iterations).
const scramIterations = 4096

// scramVerifier is what PostgreSQL keeps of a password (RFC 5803): enough to check it, not enough to log in with. The
// password must be printable ASCII, which SASLprep (RFC 4013) leaves as it is.
func scramVerifier(password string) (string, error) {
	for _, c := range []byte(password) {
		if c < 0x20 || c > 0x7e {
			return "", fmt.Errorf("its password has a character outside printable ASCII; choose another")
		}
	}
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never returns an error
	salted, err := pbkdf2.Key(sha256.New, password, salt, scramIterations, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("hashing its password: %w", err)
	}
	stored := sha256.Sum256(sign(salted, "Client Key"))
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", scramIterations, encode(salt), encode(stored[:]), encode(sign(salted, "Server Key"))), nil
}

func sign(key []byte, message string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(message))
	return mac.Sum(nil)
}

func encode(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
