package keys

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Discovery is what a provider's discovery document says that matters to a verifier (OpenID Connect Discovery 1.0 section 3).
type Discovery struct {
	Issuer     string
	JWKSURL    string
	Algorithms []string // of ID tokens, those of VerifyAlgorithms; the provider's access tokens may have another
}

// Discover fetches the discovery document of issuer once, by the rules of a Remote: allow is RemoteConfig.Allow. The document
// must name issuer, character by character (section 4.3).
func Discover(ctx context.Context, issuer string, allow []string) (Discovery, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	f, err := newFetcher(allow)
	if err != nil {
		return Discovery{}, fmt.Errorf("making discovery: %w", err)
	}
	return f.discover(ctx, issuer)
}

// discoveryURL is of section 4.1.
func discoveryURL(issuer string) string {
	return strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
}

func (f fetcher) discover(ctx context.Context, issuer string) (Discovery, error) {
	a, err := f.get(ctx, discoveryURL(issuer), "")
	if err != nil {
		return Discovery{}, fmt.Errorf("fetching discovery document: %w", err)
	}
	d, err := parseDiscovery(a.document, issuer)
	if err != nil {
		return Discovery{}, fmt.Errorf("reading discovery document: %w", err)
	}
	if err := f.check(d.JWKSURL); err != nil {
		return Discovery{}, fmt.Errorf("reading discovery document: jwks_uri: %w", err)
	}
	return d, nil
}

func parseDiscovery(data []byte, issuer string) (Discovery, error) {
	members, err := readMembers(data)
	if err != nil {
		return Discovery{}, err
	}
	var d Discovery
	var algorithms []string
	for name, to := range map[string]any{"issuer": &d.Issuer, "jwks_uri": &d.JWKSURL, "id_token_signing_alg_values_supported": &algorithms} {
		if raw := members[name]; raw != nil && json.Unmarshal(raw, to) != nil {
			return Discovery{}, fmt.Errorf("its %s cannot be read", name)
		}
	}
	if d.Issuer != issuer {
		return Discovery{}, fmt.Errorf("its issuer is %.200q and not %.200q: configure the former if its tokens have it as iss, else give jwks_url", d.Issuer, issuer)
	}
	if d.JWKSURL == "" {
		return Discovery{}, errors.New("it has no jwks_uri: give jwks_url")
	}
	for _, alg := range algorithms {
		if alg = canonical(alg); slices.Contains(VerifyAlgorithms(), alg) && !slices.Contains(d.Algorithms, alg) {
			d.Algorithms = append(d.Algorithms, alg)
		}
	}
	return d, nil
}
