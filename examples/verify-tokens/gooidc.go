package main

import (
	"context"

	"github.com/coreos/go-oidc/v3/oidc"
)

// goOIDC verifies with github.com/coreos/go-oidc, which finds the keys by itself, in what /.well-known/openid-configuration
// says. It is made for ID tokens, of which rowpass issues none; so there is no other kind of token to take for an access token,
// and that it doesn't look at typ does no harm.
func goOIDC(ctx context.Context, s service) (verify, error) {
	provider, err := oidc.NewProvider(ctx, s.issuer)
	if err != nil {
		return nil, err
	}
	verifier := provider.Verifier(&oidc.Config{
		// The name that aud must have. An ID token's is its client's ID, an access token's is the service's.
		// SkipClientIDCheck instead would take tokens that are meant for others.
		ClientID: s.audience,
		// Else it is what discovery says of ID tokens.
		SupportedSigningAlgs: []string{oidc.ES256},
		// Left as they are: SkipExpiryCheck takes tokens that are out of date, SkipIssuerCheck tokens that name another issuer,
		// InsecureSkipSignatureCheck anybody's.
	})
	return func(ctx context.Context, raw string) (c caller, err error) {
		t, err := verifier.Verify(ctx, raw)
		if err != nil {
			return c, err
		}
		err = t.Claims(&c)
		return c, err
	}, nil
}
