package main

import (
	"context"
	"errors"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// goJOSE verifies with github.com/go-jose/go-jose. It checks the signature and, when asked, the claims that are there: that exp
// must be there is ours to say.
func goJOSE(ctx context.Context, s service) (verify, error) {
	keys, err := discover(ctx, s.issuer)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, raw string) (caller, error) {
		t, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.ES256})
		if err != nil {
			return caller{}, err
		}
		header := t.Headers[0] // the compact form has one signature
		if header.ExtraHeaders[jose.HeaderType] != accessToken {
			return caller{}, errNoAccessToken
		}
		key, err := keys.find(ctx, header.KeyID)
		if err != nil {
			return caller{}, err
		}
		var claims struct {
			jwt.Claims
			Tenant string `json:"tenant_id"`
		}
		if err := t.Claims(key, &claims); err != nil {
			return caller{}, err
		}
		if claims.Expiry == nil {
			return caller{}, errors.New("the token has no expiry")
		}
		expected := jwt.Expected{Issuer: s.issuer, AnyAudience: jwt.Audience{s.audience}}
		if err := claims.ValidateWithLeeway(expected, leeway); err != nil {
			return caller{}, err
		}
		return caller{claims.Subject, claims.Tenant}, nil
	}, nil
}
