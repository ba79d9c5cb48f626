package api

import (
	"fmt"
	"net/http"
	"strings"

	"rowpass/db"
	"rowpass/token"
)

// authenticated is the only role that a token of ours may ask for.
const authenticated = "authenticated"

// session is the one place where a token becomes a database session (RFC 6750, section 2.1). A bad token is never taken
// for none.
func (a *api) session(r *http.Request) (db.Session, error) {
	raw, err := bearer(r)
	if err != nil {
		return db.Session{}, err
	}
	claims, err := a.Verifier.Verify(r.Context(), raw)
	if err != nil {
		return db.Session{}, err
	}
	attribute(r, "sub", claims.Subject)
	role, err := roleOf(claims)
	return db.Session{Role: role, Claims: claims.JSON}, err
}

// bearer is the token that the request brings, in the header and nowhere else: what stands in an address ends in logs.
func bearer(r *http.Request) (string, error) {
	if strings.Contains(r.URL.RawQuery, "access_token=") {
		return "", fmt.Errorf("%w: a token in the address ends in logs; send it in the Authorization header", errRequest)
	}
	header := r.Header.Values("Authorization")
	if len(header) > 1 {
		return "", fmt.Errorf("%w: more than one Authorization header", errRequest)
	}
	if len(header) == 0 {
		return "", errNoToken
	}
	scheme, raw, _ := strings.Cut(header[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", errNoToken
	}
	raw = strings.TrimLeft(raw, " ")
	if raw == "" {
		return "", fmt.Errorf("%w: the Authorization header holds no token", errRequest)
	}
	return raw, nil
}

// roleOf takes the role from our list, never the raw claim.
func roleOf(c *token.Claims) (string, error) {
	if c.Role != authenticated {
		return "", fmt.Errorf("%w: a token's role must be authenticated", errRole)
	}
	return authenticated, nil
}
