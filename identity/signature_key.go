package identity

import (
	"crypto/ed25519"
	"encoding/base64"
	"strings"
)

const minSecret = 16 // bytes of a secret, since whoever guesses it is the provider

const tooShort = "has fewer than 16 bytes, which can be guessed: take a random one (openssl rand -hex 32)"

// keyring verifies the events of one source.
type keyring struct {
	shared [][]byte
	public []ed25519.PublicKey
}

// readKeys takes the secrets as the signature wants them. Errors say which one is wrong by its place, never what it is.
func readKeys(c SourceConfig) (keyring, error) {
	var k keyring
	for i, secret := range c.Secrets {
		if why := k.add(secret, c.Signature); why != "" {
			return keyring{}, c.wrong("secrets_file: line %d %s", i+1, why)
		}
	}
	return k, nil
}

// add says what is wrong with the secret; "" where nothing is.
func (k *keyring) add(secret, signature string) string {
	if signature == BearerSignature {
		secret = presented(secret) // copied with its scheme, perhaps
	}
	switch {
	case strings.Trim(secret, " |\n") == "":
		return "is empty"
	case signature == StandardSignature:
		return k.addStandard(secret)
	case signature == BearerSignature && len(secret) < minSecret:
		return tooShort
	case strings.TrimSpace(secret) != secret:
		return "begins or ends with a space"
	}
	k.shared = append(k.shared, []byte(secret))
	return ""
}

func (k *keyring) addStandard(secrets string) string {
	for _, secret := range strings.FieldsFunc(secrets, func(r rune) bool { return r == ' ' || r == '|' || r == '\n' }) {
		if why := k.addOne(secret); why != "" {
			return why
		}
	}
	return ""
}

// addOne takes whsec_…, v1,whsec_… as Supabase shows it, the base64 alone, or whpk_… for Ed25519.
func (k *keyring) addOne(secret string) string {
	secret = strings.TrimPrefix(strings.TrimPrefix(secret, symmetric+","), asymmetric+",")
	coded, isPublic := strings.CutPrefix(secret, "whpk_")
	coded = strings.TrimPrefix(coded, "whsec_")
	key, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(coded, "="))
	switch {
	case strings.HasPrefix(secret, "whsk_"):
		return "is the sender's private key: give the public one, whpk_…"
	case err != nil || len(key) == 0:
		return "is not whsec_… or whpk_… with base64 behind it: copy the endpoint's signing secret"
	case isPublic && len(key) != ed25519.PublicKeySize:
		return "is no Ed25519 key: whpk_ has 32 bytes in base64 behind it"
	case isPublic:
		k.public = append(k.public, key)
	case len(key) < minSecret:
		return tooShort
	default:
		k.shared = append(k.shared, key)
	}
	return ""
}
