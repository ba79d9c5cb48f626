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

// session is who asks at every route but /sql, where the connection string names the role.
func (a *api) session(r *http.Request) (db.Session, error) {
	claims, err := a.claims(r)
	if err != nil {
		return db.Session{}, err
	}
	return db.Session{Role: authenticated, Claims: claims.JSON}, nil
}

// claims is the one place where a token becomes claims that a session may be made of (RFC 6750, section 2.1). A bad token is
// never taken for none. The role is held to our list here and never read from the raw claim later.
func (a *api) claims(r *http.Request) (*token.Claims, error) {
	raw, err := bearer(r)
	if err != nil {
		return nil, err
	}
	claims, err := a.Verifier.Verify(r.Context(), raw)
	if err != nil {
		return nil, err
	}
	attribute(r, "sub", claims.Subject)
	if claims.Role != authenticated {
		return nil, fmt.Errorf("%w: a token's role must be authenticated", errRole)
	}
	return claims, nil
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
