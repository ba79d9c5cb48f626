package token

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Verdict is what one check says of a token, for the operator.
type Verdict struct {
	Check  string
	OK     bool
	Reason string // as the bearer is told it; "" where the check holds
	Found  string // what the token has there: a stranger's text, to be made printable where it is shown; "" where nothing is to be seen
	Mend   string // what the operator or the bearer may do; "" where the check holds
}

// Explain does the checks of Verify, by the same code and in the same order, and goes on after the first that finds fault, with
// those that still mean something: the first verdict that is not OK is why Verify refuses, and where there is none, Verify takes
// the token. Nothing is remembered. After a fault of key or signature the later verdicts are about what anybody may have
// written, and before a provider's keys were fetched, asking for them takes as long as Verify would.
func (v *Verifier) Explain(ctx context.Context, raw string) []Verdict {
	c := &candidate{verifier: v, raw: raw, ring: v.cfg.Ring()}
	all := c.judge(ctx, formChecks)
	if !all[len(all)-1].OK {
		return all
	}
	all = append(all, c.judge(ctx, c.signatureChecks())...)
	if c.payload == nil {
		c.payload = c.jws.unverified()
	}
	all = append(all, c.judge(ctx, c.claimChecks())...)
	if c.claims == nil {
		return all
	}
	if !c.claims.Expiry.IsZero() {
		all = append(all, verdict("times", v.checkTimes(c.claims, c.provider.leeway(v.cfg.Leeway)), c.showTimes()))
	}
	all = append(all, verdict("revoked", v.checkDenied(c.claims), ""))
	if len(c.claims.Origins) > 0 {
		all = append(all, verdict("origin", v.checkOrigins(c.claims), c.showOrigin()))
	}
	if c.provider == nil {
		all = append(all, verdict("aud", v.checkAudience(c.claims), fmt.Sprintf("%q", c.claims.Audience)))
	}
	return all
}

// judge does every check that means something, but for a form that nothing else can be read of.
func (c *candidate) judge(ctx context.Context, list []check) []Verdict {
	var all []Verdict
	for _, k := range list {
		if k.means != nil && !k.means(c) {
			continue
		}
		f := k.look(c, ctx)
		found := ""
		if k.found != nil {
			found = k.found(c)
		}
		all = append(all, verdict(k.name, f, found))
		if f != nil && k.name == "form" {
			break
		}
	}
	return all
}

func verdict(name string, f *fault, found string) Verdict {
	if f == nil {
		return Verdict{Check: name, OK: true, Found: found}
	}
	return Verdict{Check: name, Reason: Describe(f.err), Found: found, Mend: f.mend}
}

func (c *candidate) showIssuer() string {
	switch issuer, err := c.jws.issuer(); {
	case c.known:
		return "ours, by its kid"
	case err != nil:
		return ""
	case c.provider != nil:
		return fmt.Sprintf("provider %s, by its iss %q", c.provider.Name, issuer)
	case issuer == c.verifier.cfg.Issuer:
		return "ours, by its iss"
	default:
		return fmt.Sprintf("iss %q", clipped(issuer))
	}
}

func (c *candidate) showAlgorithm() string { return fmt.Sprintf("%q", clipped(c.jws.Algorithm)) }
func (c *candidate) showType() string      { return fmt.Sprintf("%q", clipped(c.jws.Type)) }
func (c *candidate) showKey() string       { return fmt.Sprintf("kid %q", c.jws.KeyID) }
func (c *candidate) showOwnIssuer() string { return fmt.Sprintf("%q", clipped(c.claims.Issuer)) }
func (c *candidate) showParty() string     { return c.show(Path{"azp"}) }
func (c *candidate) showSubject() string   { return c.showFirst(c.provider.Subject) }

// showTenant says what follows from a tenant that is missing, since nothing is refused for it.
func (c *candidate) showTenant() string {
	found := c.showFirst(c.provider.Tenant)
	if found == notThere && len(c.provider.Tenant) > 0 {
		return notThere + ": the tenant will be NULL"
	}
	return found
}

// showOrigin names what the token was exchanged for, the last exchange first.
func (c *candidate) showOrigin() string {
	var all []string
	for _, o := range c.claims.Origins {
		all = append(all, fmt.Sprintf("%q", clipped(o.Subject)))
	}
	return strings.Join(all, ", before that ")
}

func (c *candidate) showAudience() string {
	if c.provider.ClientIDs && c.object.find("aud") == nil {
		return "client_id " + c.show(Path{"client_id"})
	}
	return c.show(Path{"aud"})
}

func (c *candidate) showRequired() string {
	var all []string
	for _, path := range c.provider.Required {
		all = append(all, strings.Join(path, ".")+" "+c.show(path))
	}
	return strings.Join(all, ", ")
}

func (c *candidate) showRefused() string {
	var all []string
	for _, r := range c.provider.Refused {
		if c.object.at(r.Claim) != nil {
			all = append(all, strings.Join(r.Claim, ".")+" "+c.show(r.Claim))
		}
	}
	return strings.Join(all, ", ")
}

func (c *candidate) showKeyIssuer() string {
	if c.foreign.Issuer() == "" {
		return ""
	}
	return fmt.Sprintf("%q", c.foreign.Issuer())
}

func (c *candidate) showTimes() string {
	text := "exp " + c.claims.Expiry.Format(time.RFC3339)
	if !c.claims.NotBefore.IsZero() {
		text += ", nbf " + c.claims.NotBefore.Format(time.RFC3339)
	}
	if !c.claims.IssuedAt.IsZero() {
		text += ", iat " + c.claims.IssuedAt.Format(time.RFC3339)
	}
	return text
}

// show gives a claim's value as the token's JSON has it.
func (c *candidate) show(p Path) string {
	if value := c.object.at(p); value != nil {
		return clipped(string(value))
	}
	return notThere
}

const notThere = "not there"

func (c *candidate) showFirst(paths []Path) string {
	for _, p := range paths {
		if value := c.object.at(p); value != nil && string(value) != "null" {
			return strings.Join(p, ".") + " " + c.show(p)
		}
	}
	return notThere
}

const maxShown = 300 // bytes of a value that a person is shown

func clipped(text string) string {
	if len(text) > maxShown {
		return strings.ToValidUTF8(text[:maxShown], "") + "…"
	}
	return text
}
