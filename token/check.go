package token

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"rowpass/keys"
)

// fault is what a check has found: an error whose reason the token's bearer may read, and what the operator may do. Nil is
// none.
type fault struct {
	err  error
	mend string
}

// refuse makes the fault of an ErrInvalid, whose arguments must be as safe to show as its format.
func refuse(mend, reason string, args ...any) *fault {
	return &fault{invalid(reason, args...), mend}
}

// candidate is a token on its way through the checks, with what those before have read of it.
type candidate struct {
	verifier *Verifier
	raw      string
	ring     keys.Ring

	jws      JWS
	provider *Provider // whose it says to be; nil: ours
	known    bool      // key is there, and so the token is ours
	key      keys.Key
	keys     []keys.PublicKey // of the provider, one of which may have signed it
	foreign  keys.PublicKey   // that has
	payload  []byte           // what was signed
	object   Object           // of a provider's payload
	claims   *Claims
}

// check is one look at a token. Whatever refuses a token is one, and Verify stops at the first that finds fault. Explain
// goes on with those that mean something after what was found before.
type check struct {
	name  string
	look  func(*candidate, context.Context) *fault
	means func(*candidate) bool   // nil: always
	found func(*candidate) string // what it looks at, for the operator; nil: nothing to show
}

// pass stops at the first fault.
func (c *candidate) pass(ctx context.Context, list []check) error {
	for _, k := range list {
		if f := k.look(c, ctx); f != nil {
			return f.err
		}
	}
	return nil
}

// The checks are in the order in which what they look at may be trusted: the form, who vouches for it, and what it says. Those
// that the clock and the deny-list decide are asked at each use of a token, see Inspect.
var (
	formChecks = []check{
		{"form", (*candidate).readForm, nil, nil},
		{"whose", (*candidate).findIssuer, nil, (*candidate).showIssuer},
	}
	ownSignatureChecks = []check{
		{"alg", (*candidate).checkAlgorithm, nil, (*candidate).showAlgorithm},
		{"typ", (*candidate).checkType, nil, (*candidate).showType},
		{"key", (*candidate).findKey, (*candidate).hasAlgorithm, (*candidate).showKey},
		{"signature", (*candidate).checkSignature, (*candidate).hasKey, nil},
	}
	foreignSignatureChecks = []check{
		{"alg", (*candidate).checkAlgorithm, nil, (*candidate).showAlgorithm},
		{"typ", (*candidate).checkType, nil, (*candidate).showType},
		{"key", (*candidate).findForeignKey, (*candidate).hasAlgorithm, (*candidate).showKey},
		{"signature", (*candidate).checkForeignSignature, (*candidate).hasKey, nil},
	}
	ownClaimChecks = []check{
		{"claims", (*candidate).readOwnClaims, nil, nil},
		{"iss", (*candidate).checkIssuer, (*candidate).hasClaims, (*candidate).showOwnIssuer},
	}
	foreignClaimChecks = []check{
		{"claims", (*candidate).readForeignClaims, nil, nil},
		{"aud", look((*Provider).checkAudience), (*candidate).hasClaims, (*candidate).showAudience},
		{"azp", look((*Provider).checkParty), (*candidate).hasClaims, (*candidate).showParty},
		{"kind", look((*Provider).checkKind), (*candidate).hasClaims, nil},
		{"required", look((*Provider).checkRequired), (*candidate).hasClaims, (*candidate).showRequired},
		{"refused", look((*Provider).checkRefused), (*candidate).hasClaims, (*candidate).showRefused},
		{"tenant", look((*Provider).checkTenant), (*candidate).hasClaims, (*candidate).showTenant},
		{"subject", look((*Provider).checkSubject), (*candidate).hasClaims, (*candidate).showSubject},
		{"size", (*candidate).finishClaims, (*candidate).hasClaims, nil},
		{"key's issuer", (*candidate).checkKeyIssuer, (*candidate).hasClaims, (*candidate).showKeyIssuer},
	}
)

// look is a check of what a provider's token says.
func look(check func(*Provider, Object) *fault) func(*candidate, context.Context) *fault {
	return func(c *candidate, _ context.Context) *fault { return check(c.provider, c.object) }
}

func (c *candidate) signatureChecks() []check {
	if c.provider != nil {
		return foreignSignatureChecks
	}
	return ownSignatureChecks
}

func (c *candidate) claimChecks() []check {
	if c.provider != nil {
		return foreignClaimChecks
	}
	return ownClaimChecks
}

func (c *candidate) hasAlgorithm() bool { return c.checkAlgorithm(context.Background()) == nil }
func (c *candidate) hasKey() bool       { return c.known || len(c.keys) > 0 }
func (c *candidate) hasClaims() bool    { return c.claims != nil }

func (c *candidate) readForm(context.Context) *fault {
	var err error
	if c.jws, err = parse(c.raw); err != nil {
		return &fault{err, "copy the whole token, as it was sent: three parts of letters, digits, - and _ with two dots between them; encrypted tokens (JWE) and cookies are none"}
	}
	return nil
}

// findIssuer says whose keys the token is verified by, from what nobody has vouched for yet. A key of ours makes it ours; else it
// is bound to whom it names.
func (c *candidate) findIssuer(context.Context) *fault {
	if c.key, c.known = c.ring.Find(c.jws.KeyID); c.known {
		return nil
	}
	issuer, err := c.jws.issuer()
	if err != nil {
		return &fault{invalid("claims: %v", err), "let its issuer write the claims as one JSON object, each name once"}
	}
	cfg := c.verifier.cfg
	if cfg.Providers != nil {
		c.provider = cfg.Providers().byIssuer[issuer]
	}
	if c.provider == nil && issuer != cfg.Issuer {
		if near := cfg.near(issuer); near != "" {
			return refuse(near+": if that is its issuer, add this spelling to issuers", "claims: iss is neither this service nor a provider of it")
		}
		return refuse("list its issuer among providers, character by character: rowpass providers add makes the block. If the token should be ours, public_url was another when it was issued",
			"claims: iss is neither this service nor a provider of it")
	}
	return nil
}

// near names the provider whose issuer differs by no more than the scheme or a slash at the end; "" where none does.
func (c VerifierConfig) near(issuer string) string {
	if c.Providers == nil {
		return ""
	}
	for known, p := range c.Providers().byIssuer {
		if bare(known) == bare(issuer) {
			return fmt.Sprintf("provider %s has %q", p.Name, known)
		}
	}
	return ""
}

func bare(issuer string) string {
	_, rest, found := strings.Cut(issuer, "://")
	if !found {
		rest = issuer
	}
	return strings.TrimSuffix(rest, "/")
}

func (c *candidate) checkAlgorithm(context.Context) *fault {
	if !slices.Contains(keys.VerifyAlgorithms(), c.jws.Algorithm) {
		return refuse("let the issuer sign with one of these: whoever could verify a token with a shared secret (HS256) could forge it, and none is no signature",
			"header: alg is not one of %s", strings.Join(keys.VerifyAlgorithms(), ", "))
	}
	if c.provider != nil {
		return c.provider.checkAlgorithm(c.jws)
	}
	return nil
}

// checkType is RFC 9068 section 4: an ID token, and anything else that a key of ours may have signed, is no access token.
func (c *candidate) checkType(context.Context) *fault {
	if c.provider != nil {
		return c.provider.checkType(c.jws)
	}
	if typ := c.jws.Type; strings.EqualFold(typ, accessToken) || strings.EqualFold(typ, "application/"+accessToken) {
		return nil
	}
	return refuse("send the access token: its typ is at+jwt", "header: typ is not at+jwt, so this is no access token")
}

func (c *candidate) findKey(ctx context.Context) *fault {
	if !c.known {
		c.verifier.renew(ctx)
		c.key, c.known = c.verifier.cfg.Ring().Find(c.jws.KeyID) // somebody else may have renewed it, too
	}
	if !c.known {
		return refuse("get a new token: the key was removed or revoked (rowpass keys list), or the issuer has another ring; instances have to share one", "header: kid names no key of ours")
	}
	return nil
}

func (c *candidate) findForeignKey(ctx context.Context) *fault {
	if c.keys = c.provider.keysFor(ctx, c.jws); len(c.keys) > 0 {
		return nil
	}
	mend := "get a new token: the provider has removed the key, or it is one of another project or environment, which jwks_url does not have"
	if len(c.provider.Keys.Set().Keys()) == 0 {
		mend = "no key of this provider is known: rowpass providers test " + c.provider.Name + " says why"
	}
	return refuse(mend, "header: kid names no key of provider %s", c.provider.Name)
}

const signatureMend = "copy the whole token: it was changed or cut, or somebody else signed it in the name of this key"

func (c *candidate) checkSignature(context.Context) *fault {
	var err error
	if c.payload, err = c.jws.Payload(c.key); err != nil {
		return &fault{err, signatureMend}
	}
	return nil
}

func (c *candidate) checkForeignSignature(ctx context.Context) *fault {
	var err error
	if c.payload, c.foreign, err = c.provider.open(ctx, c.jws, c.keys); err != nil {
		return &fault{err, signatureMend}
	}
	return nil
}

func (c *candidate) readOwnClaims(context.Context) *fault {
	claims, err := readClaims(c.payload)
	if err != nil {
		return &fault{err, "get a new token: rowpass issues none with such claims"}
	}
	claims.KeyID, claims.GoodUntil = c.key.ID(), claims.Expiry.Add(c.verifier.cfg.Leeway)
	c.claims = claims
	return nil
}

func (c *candidate) checkIssuer(context.Context) *fault {
	if c.claims.Issuer == c.verifier.cfg.Issuer {
		return nil
	}
	return refuse("get a new token: public_url, which is "+c.verifier.cfg.Issuer+", was another when this one was issued", "claims: iss is not this service")
}

func (c *candidate) readForeignClaims(context.Context) *fault {
	var err error
	if c.object, err = ParseObject(c.payload); err != nil {
		return &fault{invalid("claims: %v", err), "let the provider write the claims as one JSON object, each name once"}
	}
	var f *fault
	if c.claims, f = c.provider.start(c.object); c.claims != nil {
		c.claims.KeyID, c.claims.GoodUntil = c.foreign.ID(), c.claims.Expiry.Add(c.provider.Leeway)
		if c.claims.ID == "" {
			c.claims.ID = c.provider.mark() + c.jws.digest()
		}
	}
	return f
}

// checkReserved keeps the names of the mapping for the mapping, and further ones for us.
func checkReserved(o Object, further ...string) *fault {
	for _, name := range append(further, "rowpass_user", "rowpass_tenant") {
		if o.find(name) != nil {
			return refuse("let the provider leave that claim out: rowpass writes it", "claims: %s is not a token's to say", name)
		}
	}
	return nil
}

// checkLengths refuses names that a denial could not hold.
func checkLengths(c *Claims) *fault {
	for name, value := range map[string]string{"jti": c.ID, "sid": c.SessionID, "sub": c.Subject, "client_id": c.ClientID, "the tenant": c.Tenant} {
		if len(value) > maxName {
			return refuse("let the provider write a shorter one", "claims: %s has more than %d bytes", name, maxName)
		}
	}
	return nil
}

// maxName is how many bytes the name of a token, a session, a user or a tenant may have.
const maxName = 1024

func (c *candidate) finishClaims(context.Context) *fault {
	return c.provider.finish(c.claims, c.object)
}

func (c *candidate) checkKeyIssuer(context.Context) *fault {
	if ofIssuer(c.foreign.Issuer(), c.claims) {
		return nil
	}
	return refuse("tokens of that issuer are signed with other keys: somebody else's account at this provider made this one", "header: the key is another issuer's than the token")
}

// listed is a list of a configuration, for a person.
func listed(values []string) string { return fmt.Sprintf("%q", values) }
