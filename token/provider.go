package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"rowpass/keys"
)

// KeySource gives the keys of a provider as they are now. keys.Remote is one.
type KeySource interface {
	Set() keys.KeySet
	// Renew tells whether the set may be newer than before. However often it is asked, it fetches rarely.
	Renew(ctx context.Context) bool
}

// Provider is somebody else's issuer: which of its tokens are taken, and what they mean here. It never changes.
type Provider struct {
	Name              string   // as the configuration has it
	Issuers           []string // iss is one of them, character by character; at least one, and nobody else's
	Audience          []string // one of them is in aud; empty: aud is not looked at
	ClientIDs         bool     // where a token has no aud, client_id is compared with Audience in its place
	AuthorizedParties []string // azp is one of them; empty: azp is not looked at
	Algorithms        []string // of keys.VerifyAlgorithms; at least one
	Leeway            time.Duration
	Role              string    // of PostgreSQL, from a list of ours
	Subject           []Path    // who it is about: the first claim that is there; at least one
	Prefix            string    // comes before the subject, so that two providers' don't meet
	Tenant            []Path    // whose rows: the first claim that is there; empty: no tenant, whatever the token says
	Tenants           []string  // the tenant is one of them; empty: any
	Required          []Path    // claims that must be there
	Refused           []Refused // values that must not
	IDTokens          bool      // ID tokens are taken, since the provider has no others that could be verified
	Keys              KeySource
}

// Refused are values of a claim by which a token is not for us.
type Refused struct {
	Claim  Path
	Values []string
}

// Providers are looked up by the issuer that a token names. The zero value has none.
type Providers struct {
	byIssuer map[string]*Provider
}

// NewProviders checks each provider. An issuer belongs to one of them: it decides by whose keys a token is verified.
func NewProviders(list []Provider) (Providers, error) {
	all := Providers{byIssuer: map[string]*Provider{}}
	for i := range list {
		p := &list[i]
		if err := p.check(); err != nil {
			return Providers{}, fmt.Errorf("provider %s: %w", p.Name, err)
		}
		for _, issuer := range p.Issuers {
			if other, twice := all.byIssuer[issuer]; twice {
				return Providers{}, fmt.Errorf("provider %s: issuer %q belongs to provider %s", p.Name, issuer, other.Name)
			}
			all.byIssuer[issuer] = p
		}
	}
	return all, nil
}

func (p *Provider) check() error {
	switch {
	case len(p.Issuers) == 0 || slices.Contains(p.Issuers, ""):
		return errors.New("an issuer is missing")
	case len(p.Subject) == 0 || p.Keys == nil || p.Role == "" || p.Leeway < 0:
		return errors.New("Subject, Keys, Role and a leeway of 0 or more must be given")
	case len(p.Algorithms) == 0:
		return errors.New("an algorithm is missing")
	}
	for _, alg := range p.Algorithms {
		if !slices.Contains(keys.VerifyAlgorithms(), alg) {
			return fmt.Errorf("algorithm %q is not one of %v", alg, keys.VerifyAlgorithms())
		}
	}
	return nil
}

// fault is what a check has found: words that the token's bearer may read, and what the operator may do. Nil is none.
type fault struct {
	reason string
	mend   string
}

func (p *Provider) fault(mend, reason string, args ...any) *fault {
	return &fault{fmt.Sprintf(reason, args...), mend}
}

// check is one look at a token whose signature holds.
type check struct {
	name string
	look func(*Provider, Object) *fault
}

// checks are in the order in which they tell most about what is wrong.
var checks = []check{
	{"aud", (*Provider).checkAudience}, {"azp", (*Provider).checkParty}, {"kind", (*Provider).checkKind},
	{"required", (*Provider).checkRequired}, {"refused", (*Provider).checkRefused}, {"tenant", (*Provider).checkTenant},
}

func (p *Provider) checkAudience(o Object) *fault {
	if len(p.Audience) == 0 {
		return nil
	}
	audience, there, err := o.texts("aud")
	if err != nil {
		return p.fault("ask the provider", "claims: aud is neither a string nor an array of strings")
	}
	if !there && p.ClientIDs {
		id, _, _ := o.text("client_id")
		audience = []string{id}
	}
	if slices.ContainsFunc(audience, func(a string) bool { return slices.Contains(p.Audience, a) }) {
		return nil
	}
	return p.fault("add the token's aud to audience, if tokens for it are meant for you; an ID token in place of an access token has another aud",
		"claims: aud is none that tokens of provider %s are taken for", p.Name)
}

func (p *Provider) checkParty(o Object) *fault {
	if len(p.AuthorizedParties) == 0 {
		return nil
	}
	if azp, _, err := o.text("azp"); err == nil && slices.Contains(p.AuthorizedParties, azp) {
		return nil
	}
	return p.fault("add the token's azp to azp, if that application is yours", "claims: azp is no application that tokens of provider %s are taken from", p.Name)
}

// checkKind tells ID tokens by the claims that only they have (OpenID Connect Core, sections 2 and 3.1.3.6).
func (p *Provider) checkKind(o Object) *fault {
	if p.IDTokens {
		return nil
	}
	for _, name := range []string{"at_hash", "c_hash", "nonce"} {
		if o.find(name) != nil {
			return p.fault("send the access token, not the ID token", "claims: %s says that this is an ID token; an access token is needed", name)
		}
	}
	return nil
}

func (p *Provider) checkRequired(o Object) *fault {
	for _, path := range p.Required {
		if value := o.at(path); value == nil || string(value) == "null" || string(value) == `""` {
			return p.fault("let the provider add the claim, or take it out of required", "claims: %s is missing", strings.Join(path, "."))
		}
	}
	return nil
}

func (p *Provider) checkRefused(o Object) *fault {
	for _, r := range p.Refused {
		if o.holds(r.Claim, r.Values) {
			return p.fault("this kind of token is not for your users' sessions; refused lists what is meant", "claims: tokens with this %s are not taken", strings.Join(r.Claim, "."))
		}
	}
	return nil
}

func (p *Provider) checkTenant(o Object) *fault {
	tenant, _, err := o.first(p.Tenant)
	if err != nil {
		return p.fault("name a claim in tenant_claim that is a string", "claims: the tenant is not a string")
	}
	if len(p.Tenants) > 0 && !slices.Contains(p.Tenants, tenant) {
		return p.fault("add the tenant to tenants, if it is yours", "claims: the tenant is none that tokens of provider %s are taken from", p.Name)
	}
	return nil
}

// read makes Claims of a payload whose signature holds. What the token says stays as it is in Claims.JSON, with
// rowpass_user and, where there is a tenant, rowpass_tenant beside it.
func (p *Provider) read(payload []byte) (*Claims, error) {
	o, err := ParseObject(payload)
	if err != nil {
		return nil, invalid("claims: %v", err)
	}
	for _, c := range checks {
		if f := c.look(p, o); f != nil {
			return nil, invalid("%s", f.reason)
		}
	}
	c, err := p.claims(o)
	if err != nil {
		return nil, err
	}
	if len(c.JSON) > maxClaims {
		return nil, tooLarge("the claim set", maxClaims)
	}
	return c, nil
}

func (p *Provider) claims(o Object) (*Claims, error) {
	c := &Claims{Role: p.Role, Provider: p.Name}
	for _, name := range []string{"rowpass_user", "rowpass_tenant"} {
		if o.find(name) != nil {
			return nil, invalid("claims: %s is not a token's to say", name)
		}
	}
	subject, _, err := o.first(p.Subject)
	if err != nil || subject == "" {
		return nil, invalid("claims: the subject is missing, empty or not a string")
	}
	c.Subject = p.Prefix + subject
	if c.Tenant, _, err = o.first(p.Tenant); err != nil {
		return nil, invalid("claims: the tenant is not a string")
	}
	c.readLoosely(o, p.Prefix)
	if err := c.readTimes(o); err != nil {
		return nil, err
	}
	c.JSON, err = withMapping(o.JSON(), c.Subject, c.Tenant)
	return c, err
}

// readLoosely reads what may be there. IDs get the provider's prefix: a deny-list must not take them for another's.
func (c *Claims) readLoosely(o Object, prefix string) {
	c.Issuer, _, _ = o.text("iss")
	c.Audience, _, _ = o.texts("aud")
	c.Scope, _, _ = o.text("scope")
	if c.ClientID, _, _ = o.text("azp"); c.ClientID == "" {
		c.ClientID, _, _ = o.text("client_id")
	}
	if id, _, _ := o.text("jti"); id != "" {
		c.ID = prefix + id
	}
	if id, _, _ := o.text("sid"); id != "" {
		c.SessionID = prefix + id
	}
}

// withMapping adds the mapped user and tenant to a claim set that has neither.
func withMapping(set []byte, user, tenant string) ([]byte, error) {
	mapped, err := json.Marshal(struct {
		User   string `json:"rowpass_user"`
		Tenant string `json:"rowpass_tenant,omitempty"`
	}{user, tenant})
	if err != nil {
		return nil, err
	}
	joined := append(slices.Clone(set[:len(set)-1]), ',')
	return append(joined, mapped[1:]...), nil
}

// keysFor gives the keys that may have signed j, after a look at newer ones where none is known.
func (p *Provider) keysFor(ctx context.Context, j JWS) []keys.PublicKey {
	found := p.Keys.Set().Find(j.KeyID, j.Algorithm)
	if len(found) == 0 {
		p.Keys.Renew(ctx)
		found = p.Keys.Set().Find(j.KeyID, j.Algorithm) // somebody else may have renewed it, too
	}
	return found
}

// open verifies j by this provider's keys, and nobody else's.
func (p *Provider) open(ctx context.Context, j JWS) (verified, error) {
	if slices.Contains(otherKinds(), strings.ToLower(j.Type)) {
		return verified{}, invalid("header: typ says that this is no access token")
	}
	if !slices.Contains(p.Algorithms, j.Algorithm) {
		return verified{}, invalid("header: alg is none that provider %s signs with", p.Name)
	}
	found := p.keysFor(ctx, j)
	if len(found) == 0 {
		return verified{}, invalid("header: kid names no key of provider %s", p.Name)
	}
	payload, key, err := j.payloadOf(found)
	if err != nil && p.Keys.Renew(ctx) { // the same kid may have another key by now
		payload, key, err = j.payloadOf(p.Keys.Set().Find(j.KeyID, j.Algorithm))
	}
	if err != nil {
		return verified{}, err
	}
	c, err := p.read(payload)
	if err != nil {
		return verified{}, err
	}
	if !ofIssuer(key.Issuer(), c) {
		return verified{}, invalid("header: the key is another issuer's than the token")
	}
	c.KeyID = key.ID()
	return verified{claims: c, provider: p, foreign: key}, nil
}

// otherKinds are types of signed objects that a provider makes beside its tokens, by the same keys (RFC 8725, section 3.11).
// Providers' tokens themselves have whatever type, or none.
func otherKinds() []string {
	return []string{"logout+jwt", "secevent+jwt", "dpop+jwt", "token-introspection+jwt", "oauth-authz-req+jwt", "kb+jwt",
		"openid4vci-proof+jwt", "client-authentication+jwt"}
}

// ofIssuer compares the issuer that a shared key set gives for a key, as Microsoft's does, with the token's.
func ofIssuer(key string, c *Claims) bool {
	if key == "" {
		return true
	}
	before, after, template := strings.Cut(key, "{tenantid}")
	if !template {
		return key == c.Issuer
	}
	tenant, ok := strings.CutPrefix(c.Issuer, before)
	return ok && strings.HasSuffix(tenant, after) && !strings.Contains(strings.TrimSuffix(tenant, after), "/")
}

// payloadOf gives what one of the keys has signed.
func (j JWS) payloadOf(candidates []keys.PublicKey) ([]byte, keys.PublicKey, error) {
	for _, key := range candidates {
		payload, err := key.Verify(j.Algorithm, []byte(j.raw))
		if err == nil {
			return payload, key, nil
		}
		if !errors.Is(err, keys.ErrSignature) {
			return nil, keys.PublicKey{}, err
		}
	}
	return nil, keys.PublicKey{}, invalid("the signature is not that of the key")
}
