package keys

import (
	"maps"
	"slices"
	"strings"
)

// fill completes t from v, which was captured from its address or issuer.
func (r *row) fill(t Terms, v values) Terms {
	v = r.known(t, v)
	t = r.fillVariant(t, v)
	if t.JWKSURL == "" {
		t.JWKSURL = v.only(r.JWKS)
	}
	if len(t.Issuers) == 0 {
		t.Issuers = v.expandAll(r.Issuers)
	}
	if len(t.Issuers) == 0 && t.Issuer != "" && v["shared"] == nil {
		t.Issuers = []string{t.Issuer}
	}
	if len(t.Audience) == 0 && r.Audience.Value != "" {
		t.Audience = v.expand(r.Audience.Value)
	}
	t.Algorithms = slices.Clone(t.Algorithms)
	if len(t.Algorithms) == 0 {
		t.Algorithms = slices.Clone(r.Algorithms)
	}
	for i, alg := range t.Algorithms {
		t.Algorithms[i] = canonical(alg)
	}
	return t
}

// known adds to v what t says itself: the tenants, and an audience that the issuer is made of.
func (r *row) known(t Terms, v values) values {
	all := values{}
	maps.Copy(all, v)
	if all["host"] != nil && all["tid"] == nil {
		all["tid"] = t.Tenants
	}
	name, ok := strings.CutPrefix(r.Audience.Value, "{")
	name, whole := strings.CutSuffix(name, "}")
	if ok && whole && r.Audience.Kind != AudienceDefault && all[name] == nil {
		all[name] = t.Audience
	}
	return all
}

// fillVariant is for an issuer that stands for users of another kind.
func (r *row) fillVariant(t Terms, v values) Terms {
	kind := r.variantOf(t.Issuer, v)
	if kind == nil {
		return t
	}
	if t.JWKSURL == "" {
		t.JWKSURL = v.only([]string{kind.JWKS})
	}
	if len(t.Issuers) == 0 {
		t.Issuers = []string{t.Issuer}
	}
	if len(t.Audience) == 0 {
		t.Audience = v.expand(kind.Audience)
	}
	if t.Role == "" {
		t.Role = kind.Role
	}
	return t
}

func (r *row) variantOf(issuer string, v values) *variant {
	for i, kind := range r.Variants {
		if slices.Contains(v.expand(kind.Issuer), normal(issuer)) {
			return &r.Variants[i]
		}
	}
	return nil
}

// captured gives what the addresses of t tell of the project, the key set's first.
func (r *row) captured(t Terms) values {
	if v, ok := firstMatch(slices.Concat(r.Match, r.Shape), normal(t.JWKSURL)); ok {
		return v
	}
	for _, issuer := range append([]string{t.Issuer}, t.Issuers...) {
		if v, ok := firstMatch(slices.Concat(r.IssuerMatch, r.IssuerShape), normal(issuer)); ok {
			return v
		}
	}
	return nil
}

// normal is the one spelling of an address that patterns are compared with. Other text stays as it is.
func normal(text string) string {
	a, err := parseAddress(text)
	if err != nil {
		return text
	}
	return a.text
}
