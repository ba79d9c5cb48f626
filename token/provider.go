package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
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
	Match             Match     // which user of ours its user is, for an exchange
	Email             Path      // the user's e-mail address, for MatchEmail
	EmailVerified     Path      // whether the provider has verified it, likewise
	Keys              KeySource

	foreign []string // what subjects of any provider may begin with
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
		for _, other := range list {
			if other.Name != p.Name {
				p.foreign = append(p.foreign, other.mark())
			}
		}
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

// mark comes before whatever its tokens name but their subject, so that it means nobody else's.
func (p *Provider) mark() string { return p.Name + "|" }

func (p *Provider) check() error {
	switch {
	case len(p.Issuers) == 0 || slices.Contains(p.Issuers, ""):
		return errors.New("an issuer is missing")
	case len(p.Subject) == 0 || p.Keys == nil || p.Role == "" || p.Leeway < 0:
		return errors.New("each of Subject, Keys and Role must be given, and a leeway of 0 or more")
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

func (p *Provider) checkAudience(o Object) *fault {
	if len(p.Audience) == 0 {
		return nil
	}
	audience, there, err := o.texts("aud")
	if err != nil {
		return refuse("let the provider write aud as a string or an array of strings (RFC 7519, section 4.1.3)", "claims: aud is neither a string nor an array of strings")
	}
	if !there && p.ClientIDs {
		id, _, _ := o.text("client_id")
		audience = []string{id}
	}
	if slices.ContainsFunc(audience, func(a string) bool { return slices.Contains(p.Audience, a) }) {
		return nil
	}
	mend := "if it is meant for you, add what was found to audience, which is " + listed(p.Audience) + "; an ID token in place of an access token has another aud"
	if len(audience) == 0 {
		mend = "it has none: let the provider write one of audience, which is " + listed(p.Audience)
	}
	return refuse(mend, "claims: aud is none that tokens of provider %s are taken for", p.Name)
}

func (p *Provider) checkParty(o Object) *fault {
	if len(p.AuthorizedParties) == 0 {
		return nil
	}
	azp, there, err := o.text("azp")
	if err == nil && slices.Contains(p.AuthorizedParties, azp) {
		return nil
	}
	mend := "if that application is yours, add what was found to azp, which is " + listed(p.AuthorizedParties)
	if !there {
		mend = "it has none: let the provider write it, or leave azp out of the provider's block, which then takes tokens of all of its applications"
	}
	return refuse(mend, "claims: azp is no application that tokens of provider %s are taken from", p.Name)
}

// checkKind refuses tokens that are no good without a proof of a key, whoever has stolen them, and tells ID tokens by the claims
// that only they have (OpenID Connect Core, sections 2 and 3.1.3.6).
func (p *Provider) checkKind(o Object) *fault {
	if o.find("cnf") != nil {
		return refuse("let the provider issue plain bearer tokens to this application", "claims: cnf says that the token is bound to a key, whose proof is not read here (RFC 7800)")
	}
	if p.IDTokens {
		return nil
	}
	for _, name := range idTokenClaims() {
		if o.find(name) != nil {
			return refuse("send the access token, not the ID token", "claims: %s says that this is an ID token; an access token is needed", name)
		}
	}
	return nil
}

func idTokenClaims() []string { return []string{"at_hash", "c_hash", "nonce"} }

func (p *Provider) checkRequired(o Object) *fault {
	for _, path := range p.Required {
		if value := o.at(path); value == nil || string(value) == "null" || string(value) == `""` {
			return refuse("let the provider add the claim, or take it out of required", "claims: %s is missing", strings.Join(path, "."))
		}
	}
	return nil
}

func (p *Provider) checkRefused(o Object) *fault {
	for _, r := range p.Refused {
		if o.holds(r.Claim, r.Values) {
			return refuse("its user has to finish logging in, or you need another kind of token: the provider's preset, or refused in its block, has none with "+listed(r.Values)+" there",
				"claims: tokens with this %s are not taken", strings.Join(r.Claim, "."))
		}
	}
	return nil
}

func (p *Provider) checkTenant(o Object) *fault {
	tenant, _, err := o.first(p.Tenant)
	if err != nil {
		return refuse("name a claim in tenant_claim that is a string", "claims: the tenant is not a string")
	}
	if len(p.Tenants) > 0 && !slices.Contains(p.Tenants, tenant) {
		return refuse("if the tenant is yours, add it to tenants, which is "+listed(p.Tenants), "claims: the tenant is none that tokens of provider %s are taken from", p.Name)
	}
	return nil
}

func (p *Provider) checkSubject(o Object) *fault {
	if subject, _, err := o.first(p.Subject); err != nil || subject == "" {
		return refuse("name a claim in subject_claim that is a string and never empty", "claims: the subject is missing, empty or not a string")
	}
	return nil
}

// checkType refuses signed objects that a provider makes beside its tokens, by the same keys (RFC 8725, section 3.11).
// Providers' tokens themselves have whatever type, or none.
func (p *Provider) checkType(j JWS) *fault {
	if slices.Contains(otherKinds(), strings.ToLower(j.Type)) {
		return refuse("send the access token", "header: typ says that this is no access token")
	}
	return nil
}

func otherKinds() []string {
	return []string{"logout+jwt", "secevent+jwt", "dpop+jwt", "token-introspection+jwt", "oauth-authz-req+jwt", "kb+jwt",
		"openid4vci-proof+jwt", "client-authentication+jwt"}
}

func (p *Provider) checkAlgorithm(j JWS) *fault {
	if slices.Contains(p.Algorithms, j.Algorithm) {
		return nil
	}
	return refuse("if the provider signs with what was found, add it to algorithms, which is "+listed(p.Algorithms), "header: alg is none that provider %s signs with", p.Name)
}

// start begins the claims of a set whose form holds: what must be right for nobody but is there, and the times.
func (p *Provider) start(o Object) (*Claims, *fault) {
	if f := checkReserved(o, originClaim); f != nil {
		return nil, f
	}
	c := &Claims{Role: p.Role, Provider: p.Name}
	c.readLoosely(o, p.mark())
	if err := c.readTimes(o); err != nil {
		return c, &fault{err, "let the provider write exp, and each time as a number of seconds (RFC 7519, section 2)"}
	}
	return c, nil
}

// finish maps user and tenant, which were checked. What the token says stays as it is in Claims.JSON, with rowpass_user
// and, where there is a tenant, rowpass_tenant beside it.
func (p *Provider) finish(c *Claims, o Object) *fault {
	subject, _, _ := o.first(p.Subject)
	if p.Prefix == "" && isMarked(subject, p.foreign) {
		return refuse("take shared_subjects out of the provider's block", "claims: the subject is in somebody else's name space")
	}
	c.Subject = p.Prefix + subject
	c.Tenant, _, _ = o.first(p.Tenant)
	c.Identity = p.identity(o, subject)
	var err error
	if c.JSON, err = withMapping(o.JSON(), c.Subject, c.Tenant); err != nil {
		return &fault{err: err}
	}
	if f := checkLengths(c); f != nil {
		return f
	}
	if len(c.JSON) > maxClaims {
		return &fault{tooLarge("the claim set", maxClaims), "let the provider leave out of its tokens what your policies don't need"}
	}
	return nil
}

// isMarked tells of a subject that would be a program's, or a provider's user, without a prefix.
func isMarked(subject string, marks []string) bool {
	return slices.ContainsFunc(append([]string{"client_"}, marks...), func(m string) bool { return strings.HasPrefix(subject, m) })
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

// open gives what one of the keys found has signed, and which.
func (p *Provider) open(ctx context.Context, j JWS, found []keys.PublicKey) ([]byte, keys.PublicKey, error) {
	payload, key, err := j.payloadOf(found)
	if err == nil {
		return payload, key, nil
	}
	p.Keys.Renew(ctx) // the same kid may have another key by now
	return j.payloadOf(slices.DeleteFunc(p.Keys.Set().Find(j.KeyID, j.Algorithm), func(k keys.PublicKey) bool {
		return slices.ContainsFunc(found, k.Equal) // tried, and once is enough
	}))
}

// ofIssuer compares whom a shared key set says that a key signs for, as Microsoft's does, with the token's issuer. That names the
// tenant in one of two ways, by the version of the token, and the key set in one of them: so it is tenants that are compared. A key with
// {tenantid} in the tenant's place signs for all of them.
func ofIssuer(key string, c *Claims) bool {
	if key == "" || key == c.Issuer {
		return true
	}
	tenant := guid.FindString(c.Issuer)
	return tenant != "" && (strings.Contains(key, "{tenantid}") || tenant == guid.FindString(key))
}

// guid is a tenant in an issuer of Microsoft's.
var guid = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

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
	return nil, keys.PublicKey{}, errNotSigned()
}
