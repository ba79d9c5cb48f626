package api

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"

	"github.com/labstack/echo/v4"

	"rowpass/keys"
)

// serverMetadata says what this issuer can do (RFC 8414, section 2).
type serverMetadata struct {
	Issuer                   string   `json:"issuer"`
	JWKSURI                  string   `json:"jwks_uri"`
	TokenEndpoint            string   `json:"token_endpoint"`
	TokenAuthMethods         []string `json:"token_endpoint_auth_methods_supported"`
	GrantTypes               []string `json:"grant_types_supported"`
	ResponseTypes            []string `json:"response_types_supported"` // required, and empty: there is no authorization endpoint
	Scopes                   []string `json:"scopes_supported,omitempty"`
	RevocationEndpoint       string   `json:"revocation_endpoint"`
	RevocationAuthMethods    []string `json:"revocation_endpoint_auth_methods_supported"`
	IntrospectionEndpoint    string   `json:"introspection_endpoint"`
	IntrospectionAuthMethods []string `json:"introspection_endpoint_auth_methods_supported"`
	ProtectedResources       []string `json:"protected_resources"` // RFC 9728, section 4
}

// providerMetadata is for clients that look for OpenID Connect's document (Discovery 1.0, section 3), with what of it is
// true here.
type providerMetadata struct {
	serverMetadata
	SubjectTypes    []string `json:"subject_types_supported"`
	IDTokenAlgs     []string `json:"id_token_signing_alg_values_supported"` // our keys': clients take it for all that we sign
	RequestURIParam bool     `json:"request_uri_parameter_supported"`       // true where it is left out
}

// resourceMetadata says whose tokens are taken here (RFC 9728, section 2).
type resourceMetadata struct {
	Resource             string   `json:"resource"`
	AuthorizationServers []string `json:"authorization_servers"`
	BearerMethods        []string `json:"bearer_methods_supported"`
	Scopes               []string `json:"scopes_supported,omitempty"`
}

func (a *api) serverMetadata(c echo.Context) error { return a.publishJSON(c, a.describeServer()) }

func (a *api) providerMetadata(c echo.Context) error {
	return a.publishJSON(c, providerMetadata{
		serverMetadata: a.describeServer(), SubjectTypes: []string{"public"}, IDTokenAlgs: algorithms(a.Ring()),
	})
}

func (a *api) resourceMetadata(c echo.Context) error {
	return a.publishJSON(c, resourceMetadata{
		Resource: a.PublicURL, AuthorizationServers: []string{a.PublicURL}, BearerMethods: []string{"header"}, Scopes: a.scopes(),
	})
}

func (a *api) describeServer() serverMetadata {
	return serverMetadata{
		Issuer: a.PublicURL, JWKSURI: a.PublicURL + jwksPath, GrantTypes: a.grantTypeNames(), ResponseTypes: []string{}, Scopes: a.scopes(),
		TokenEndpoint: a.PublicURL + tokenPath, TokenAuthMethods: authMethodNames(a.Directory),
		RevocationEndpoint: a.PublicURL + revocationPath, RevocationAuthMethods: authMethodNames(a.Directory),
		IntrospectionEndpoint: a.PublicURL + introspectionPath, IntrospectionAuthMethods: authMethodNames(false),
		ProtectedResources: []string{a.PublicURL},
	}
}

// scopes are all that some client may ask for.
func (a *api) scopes() []string {
	var all []string
	for _, c := range a.clients {
		all = append(all, c.Scopes...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// algorithms are those of the keys that verify.
func algorithms(r keys.Ring) []string {
	all := []string{}
	for _, k := range r.Keys() {
		if k.State() != keys.Revoked {
			all = append(all, k.Algorithm())
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (a *api) publishJSON(c echo.Context, document any) error {
	body, err := json.Marshal(document)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	return publish(c, a.JWKSMaxAge, "application/json", `"`+base64.RawURLEncoding.EncodeToString(sum[:16])+`"`, body)
}
