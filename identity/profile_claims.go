package identity

import (
	"strings"
	"time"
)

// FromClaims makes a provisional profile from a verified token's claims, for a subject without the source's prefix. Name and
// e-mail are kept of them, and nothing else; what is there but cannot be kept is left out, and so is an e-mail that the token
// says is not verified (OpenID Connect Core, section 5.1: email_verified). An error is a *PoisonError.
func (s *Source) FromClaims(claims []byte, subject string, at time.Time) (Profile, error) {
	object, err := parseObject(claims, "the claim set")
	if err != nil {
		return Profile{}, err
	}
	if unverified(object["email_verified"]) {
		delete(object, "email")
	}
	p := Profile{At: storedTime(at), Name: claimedName(object), Email: claimed(object, "email")}
	if p.Subject, err = s.subject(subject); err != nil {
		return Profile{}, err
	}
	p.ID = s.ID(p.Subject)
	kept := map[string]any{}
	for _, name := range []string{"name", "given_name", "family_name", "preferred_username", "email"} {
		if value := claimed(object, name); value != "" {
			kept[name] = value
		}
	}
	p.Raw, err = s.raw(p, kept)
	return p, err
}

func claimedName(claims map[string]any) string {
	if name := claimed(claims, "name"); name != "" {
		return name
	}
	full := strings.TrimSpace(claimed(claims, "given_name") + " " + claimed(claims, "family_name"))
	if full == "" || len(full) > maxText {
		return claimed(claims, "preferred_username")
	}
	return full
}

// claimed is a claim that a column can hold, "" where it is none.
func claimed(claims map[string]any, name string) string {
	text, ok := claims[name].(string)
	if !ok || !fits(text) {
		return ""
	}
	return text
}

// unverified is whatever is said but yes; some issuers say it by a text.
func unverified(claim any) bool {
	text, _ := claim.(string)
	return claim != nil && claim != true && !strings.EqualFold(text, "true")
}
