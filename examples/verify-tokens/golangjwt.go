package main

import (
	"context"
	"errors"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// golangJWT verifies with github.com/golang-jwt/jwt, which fetches no keys: keyset.go does. Nothing of what the parser is
// told here is its default; without WithAudience it would take tokens that are meant for others.
func golangJWT(ctx context.Context, s service) (verify, error) {
	keys, err := discover(ctx, s.issuer)
	if err != nil {
		return nil, err
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuer(s.issuer), jwt.WithAudience(s.audience),
		jwt.WithExpirationRequired(), jwt.WithLeeway(leeway))
	return func(ctx context.Context, raw string) (caller, error) {
		var claims struct {
			jwt.RegisteredClaims
			Tenant string `json:"tenant_id"`
		}
		_, err := parser.ParseWithClaims(raw, &claims, func(t *jwt.Token) (any, error) {
			if t.Header["typ"] != accessToken {
				return nil, errNoAccessToken
			}
			kid, _ := t.Header["kid"].(string)
			return keys.find(ctx, kid)
		})
		if err != nil {
			return caller{}, err
		}
		return caller{claims.Subject, claims.Tenant}, nil
	}, nil
}

// accessToken is the typ of access tokens, by which no other kind of token is taken for one (RFC 9068, section 4).
const accessToken = "at+jwt"

var errNoAccessToken = errors.New("the token's typ is not " + accessToken)

// leeway is by how much our clock and rowpass's may differ. A token is not good before it was issued (nbf), so without any,
// a clock that is a second late refuses new ones.
const leeway = 30 * time.Second
