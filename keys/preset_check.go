package keys

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Check says what of t, completed by Fill, is missing or wrong, so that tokens of strangers would be taken or none at all:
// nothing may be served on such terms. Each problem begins with the configuration's key and says what to write there.
func (p Preset) Check(t Terms) []string {
	r := p.row()
	v := r.captured(t)
	t = r.fill(t, v)
	var all []string
	for _, problem := range [][]string{
		r.checkPreset(t), r.checkJWKS(t, v), r.checkTenants(t, v), r.checkIssuers(t, v), r.checkAudience(t),
		checkTexts("azp", t.AuthorizedParties), checkAlgorithms(t), r.checkRole(t),
	} {
		all = append(all, problem...)
	}
	return inWords(all)
}

// Advise says what of t is better written otherwise, although it is safe to serve. Its sentences are like those of Check.
func (p Preset) Advise(t Terms) []string {
	r := p.row()
	t = p.Fill(t)
	var all []string
	if r.Audience.Kind == AudienceRecommended && len(t.Audience) == 0 && len(t.AuthorizedParties) == 0 {
		return append(all, "audience: without it, and without azp, every application's tokens are taken: list "+r.Audience.Means+", or the applications in azp")
	}
	if r.AuthorizedParty && len(t.AuthorizedParties) == 0 && len(t.Audience) == 0 {
		all = append(all, "azp: without it the tokens of every application of this provider are taken: list the azp of yours")
	}
	if r.TokenSeconds > 0 && t.LeewaySeconds >= r.TokenSeconds {
		all = append(all, fmt.Sprintf("leeway: a token of %s lives %d s, and this much leeway at least doubles that: write 5s", r.Name, r.TokenSeconds))
	}
	return all
}

// checkPreset finds a key set that another preset is for, whose rules must not be got around.
func (r *row) checkPreset(t Terms) []string {
	for _, at := range []struct{ key, url string }{{"jwks_url", t.JWKSURL}, {"issuer", t.Issuer}} {
		owner, _ := table().vendor(normal(at.url))
		if owner == nil || r.isVendor(normal(at.url)) || r.ID == GenericPreset && !owner.SharedKeys {
			continue
		}
		return []string{fmt.Sprintf("preset: %s is one of %s: write preset: %s", at.key, owner.Name, owner.ID)}
	}
	return nil
}

// isVendor says whether an address is on the own host of r's vendor. One host may serve two presets.
func (r *row) isVendor(text string) bool {
	_, ok := firstMatch(slices.Concat(r.Match, r.IssuerMatch), text)
	return ok
}

func (r *row) checkJWKS(t Terms, v values) []string {
	discovers := strings.Contains(t.Issuer, "://") && (r.ID == GenericPreset || len(r.Discovery) > 0)
	switch {
	case t.JWKSURL != "" || discovers:
		return nil
	case len(r.JWKS) > 0:
		return []string{"jwks_url: give the address of the key set, which is " + r.known(t, v).sketch(r.JWKS[0])}
	}
	return []string{"jwks_url: give the address of the key set, or as issuer what its discovery document lies below"}
}

// guid is a tenant's ID at Microsoft.
var guid = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// checkTenants is for key sets by which every customer's tokens verify, each with an issuer of its own.
func (r *row) checkTenants(t Terms, v values) []string {
	if problems := checkTexts("tenants", t.Tenants); problems != nil || !r.KeyIssuer {
		return problems
	}
	if shared := v["shared"]; shared != nil && len(t.Tenants) == 0 {
		return []string{fmt.Sprintf("tenants: the keys of %s are those of every tenant of %s, so without a list the users of all of them get in: "+
			"list the IDs (tid) of the tenants whose users you take", shared[0], r.Name)}
	}
	for _, tenant := range t.Tenants {
		if !guid.MatchString(tenant) {
			return []string{fmt.Sprintf("tenants: %q is no tenant ID: write what stands in tid, such as 72f988bf-86f1-41af-91ab-2d7cd011db47", tenant)}
		}
	}
	return nil
}

func (r *row) checkIssuers(t Terms, v values) []string {
	if problems := checkTexts("issuers", t.Issuers); problems != nil || len(t.Issuers) > 0 {
		return problems
	}
	if v["shared"] != nil || r.SharedKeys && r.Audience.Value != "" {
		return nil // they follow from tenants or audience, which is what is missing then
	}
	problem := "issuers: list the iss of your tokens, exactly as it stands in them"
	if r.ID != GenericPreset && v["external"] == nil {
		problem += ", as a rule " + r.known(t, v).sketch(r.Issuers[0])
	}
	return []string{problem}
}

func (r *row) checkAudience(t Terms) []string {
	if problems := checkTexts("audience", t.Audience); problems != nil || len(t.Audience) > 0 {
		return problems
	}
	switch {
	case r.SharedKeys && !r.KeyIssuer:
		return []string{fmt.Sprintf("audience: one set of keys signs for everybody at %s, so without it the users of any other project get in: give %s",
			r.Name, r.Audience.Means)}
	case r.Audience.Kind == AudienceOrClient:
		return []string{"audience: without it the tokens of every application of this provider are taken: give " + r.Audience.Means}
	case r.Audience.Kind == AudienceRequired, r.Audience.Kind == AudienceFixed, r.Audience.Kind == AudienceDefault, table().sharesKeys(t.JWKSURL):
		return []string{"audience: without it tokens that were meant for another service are taken: give " + r.Audience.Means}
	}
	return nil
}

// checkTexts refuses what can match nothing, and what looks as if it matched everything.
func checkTexts(key string, texts []string) []string {
	for _, text := range texts {
		if strings.TrimSpace(text) == "" {
			return []string{key + ": one of the list is empty: take it out"}
		}
		if strings.Contains(text, "*") {
			return []string{fmt.Sprintf("%s: %q has a * in it, and nothing here is a pattern: write each value out", key, text)}
		}
	}
	return nil
}

func checkAlgorithms(t Terms) []string {
	for _, alg := range t.Algorithms {
		if strings.HasPrefix(alg, "HS") {
			return []string{fmt.Sprintf("algorithms: %s signs with a secret, so whoever can verify can forge: let the provider sign with one of %s",
				alg, strings.Join(VerifyAlgorithms(), ", "))}
		}
		if !slices.Contains(VerifyAlgorithms(), alg) {
			return []string{fmt.Sprintf("algorithms: %q is none of %s", alg, strings.Join(VerifyAlgorithms(), ", "))}
		}
	}
	return nil
}

// checkRole keeps users whom the provider calls anonymous from what signed-in users may do.
func (r *row) checkRole(t Terms) []string {
	for _, issuer := range t.Issuers {
		own, _ := firstMatch(r.IssuerMatch, issuer)
		if kind := r.variantOf(issuer, own); kind != nil && t.Role != kind.Role {
			return []string{fmt.Sprintf("role: %s is the issuer of users who have not signed in, or not wholly: write role: %s, in a provider of their own", issuer, kind.Role)}
		}
	}
	return nil
}
