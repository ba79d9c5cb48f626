package api

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"rowpass/db"
	"rowpass/token"
)

const (
	// authenticated is the only role that a token of ours may ask for.
	authenticated = "authenticated"
	// anonymous is that of requests to /sql without a token, and of providers that are configured so, for users who have not
	// signed in. Theirs have claims.
	anonymous = "anonymous"
)

// session is who asks at every route but /sql, where the connection string names the role.
func (a *api) session(r *http.Request) (db.Session, error) {
	claims, err := a.claims(r)
	if err != nil {
		return db.Session{}, err
	}
	return db.Session{Role: claims.Role, Claims: claims.JSON}, nil
}

// claims is the one place where a token becomes claims that a session may be made of (RFC 6750, section 2.1). A bad token is
// never taken for none. The role is held to our list here and never read from the raw claim later; a provider's is the
// configuration's. From then on the request's body ends with the token, if that comes first: see watched.
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
	if claims.Role != authenticated && (claims.Role != anonymous || claims.Provider == "") {
		return nil, fmt.Errorf("%w: a token's role must be authenticated", errRole)
	}
	if err := a.promise(r, claims); err != nil {
		return nil, err
	}
	a.seen(r, claims)
	if r.ContentLength != 0 {
		r.Body = &watched{r.Body, func() error { return a.stillHolds(r) }}
	}
	return claims, nil
}

// stillHolds verifies the token again, which costs little, for whoever has waited since claims. Without a token nothing can
// have ended.
func (a *api) stillHolds(r *http.Request) error {
	if len(r.Header.Values("Authorization")) == 0 {
		return nil
	}
	raw, err := bearer(r)
	if err == nil {
		_, err = a.Verifier.Verify(r.Context(), raw)
	}
	return err
}

// watched is a body that verifies its token again where it ends. Its sender decides how long that takes: what was revoked or
// expired meanwhile must not act any more, and no handler can forget to look.
type watched struct {
	io.ReadCloser
	stillHolds func() error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if err == io.EOF {
		if ended := w.stillHolds(); ended != nil {
			return n, &endedError{ended}
		}
	}
	return n, err
}

// endedError is how a body ends whose token does not hold any more.
type endedError struct{ error }

func (e *endedError) Unwrap() error { return e.error }

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
