package main

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"rowpass/keys"
	"rowpass/token"
)

// ProviderConfig is somebody else's issuer. What isn't given is the preset's.
type ProviderConfig struct {
	// Name is letters, digits, - and _. No two are alike: subjects begin with it, so that a new one makes new users of all.
	Name string `mapstructure:"name"`
	// Preset is what is known of its make: rowpass providers presets lists them. Default generic.
	Preset string `mapstructure:"preset"`
	// JWKSURL is where its keys are. Default: the preset's, or what the discovery document of Issuer says.
	JWKSURL string `mapstructure:"jwks_url"`
	// Issuer is its issuer, whose discovery document names the keys where JWKSURL isn't given.
	Issuer string `mapstructure:"issuer"`
	// Issuers are what iss may be, character by character. Default: Issuer, or the preset's.
	Issuers []string `mapstructure:"issuers"`
	// Audience is what aud must have one of. Without it any token of the provider is taken, whomever it is for.
	Audience []string `mapstructure:"audience"`
	// AuthorizedParties are what azp must be one of. Default: azp isn't looked at.
	AuthorizedParties []string `mapstructure:"azp"`
	// Algorithms are what it may sign with. Default the preset's. Symmetric ones don't exist here.
	Algorithms []string `mapstructure:"algorithms"`
	// Leeway is how far its clock may be from ours. Default, 0: 30s.
	Leeway time.Duration `mapstructure:"leeway" allow:"0s..5m"`
	// Role is the role of PostgreSQL: authenticated or anonymous. Default authenticated. No claim chooses it.
	Role string `mapstructure:"role"`
	// SubjectClaim leads to the user's id, a list of names. Default the preset's, sub. A claim that users can change lets
	// them be anybody.
	SubjectClaim []string `mapstructure:"subject_claim"`
	// TenantClaim leads to the tenant's id, a list of names. Default the preset's, or none: then auth.tenant() is NULL.
	TenantClaim []string `mapstructure:"tenant_claim"`
	// Tenants are what the tenant must be one of. Default any.
	Tenants []string `mapstructure:"tenants"`
	// SharedSubjects leaves subjects as they are. Default false: they are sealed as name|sub, so that no provider's user is
	// another's, or one of ours.
	SharedSubjects bool `mapstructure:"shared_subjects"`
	// Users says which user of ours its user is, where POST /api/token exchanges its tokens for ours: linked, those of rowpass
	// users link; email, the same or else who has the e-mail address that it has verified; subject, whose id its subject is.
	// Default none: they are not exchanged.
	Users string `mapstructure:"users"`
	// EmailClaim and EmailVerifiedClaim lead to the address, and to whether it is verified, for Users email. Default email and
	// email_verified. Claims that users can write make them anybody.
	EmailClaim         []string `mapstructure:"email_claim"`
	EmailVerifiedClaim []string `mapstructure:"email_verified_claim"`
	// Required are claims that must be there.
	Required []string `mapstructure:"required"`
	// Refused are values of claims by which a token isn't taken, as claim=value.
	Refused []string `mapstructure:"refused"`
	// AllowPrivate are hosts, or host:port, that may be asked by http and at private addresses. Default none: whoever controls
	// the provider's name could make rowpass ask inside the network.
	AllowPrivate []string `mapstructure:"allow_private"`
}

var providerName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`)

// checkProviders checks each provider whose section could be read: what its preset asks for, and that no two meet.
func (l *loader) checkProviders(c Config) {
	names, issuers := map[string]string{}, map[string]string{c.PublicURL: "public_url, our own"}
	for i, p := range c.Providers {
		key := fmt.Sprintf("providers[%d]", i)
		if _, unread := l.refused[key]; unread {
			continue
		}
		l.checkProvider(key, p)
		if place, twice := names[p.Name]; twice {
			l.refuse(key+".name", "%q: given twice, in %s first: each provider needs its own", p.Name, place)
		}
		names[p.Name] = l.places[key]
		for _, issuer := range p.terms().Issuers {
			if other, twice := issuers[issuer]; twice {
				l.refuse(key+".issuers", "%q belongs to %s: a token is bound to one provider by its issuer", issuer, other)
			}
			issuers[issuer] = "provider " + p.Name
		}
	}
}

func (l *loader) checkProvider(key string, p ProviderConfig) {
	for _, name := range []string{".name", ".preset", ".refused", ".issuers", ".role", ".users"} {
		if l.places[key+name] == "" {
			l.places[key+name] = l.places[key]
		}
	}
	if !providerName.MatchString(p.Name) {
		l.refuse(key+".name", "%q: letters, digits, - and _ are needed, such as clerk", p.Name)
	}
	if _, ok := keys.PresetByID(p.presetID()); !ok {
		l.refuse(key+".preset", "%q: no such preset; rowpass providers presets lists them", p.Preset)
		return
	}
	for _, problem := range p.preset().Check(p.terms()) {
		l.problems = append(l.problems, fmt.Errorf("%s: %s.%s", l.places[key], key, problem))
	}
	if !slices.Contains([]string{"", "authenticated", "anonymous"}, p.Role) {
		l.refuse(key+".role", "%q: allowed are authenticated, anonymous", p.Role)
	}
	if p.Users != "" && p.Users != "none" && !slices.Contains(token.Matches(), token.Match(p.Users)) {
		l.refuse(key+".users", "%q: allowed are none, linked, email, subject", p.Users)
	}
	for _, rule := range p.Refused {
		if name, value, ok := strings.Cut(rule, "="); !ok || name == "" || value == "" {
			l.refuse(key+".refused", "%q: claim=value is needed, such as token_use=id", rule)
		}
	}
}

func (p ProviderConfig) presetID() string { return cmp.Or(p.Preset, keys.GenericPreset) }

func (p ProviderConfig) preset() keys.Preset {
	preset, _ := keys.PresetByID(p.presetID()) // checked when it was read
	return preset
}

// terms are what is configured, completed by the preset.
func (p ProviderConfig) terms() keys.Terms {
	return p.preset().Fill(keys.Terms{
		JWKSURL: p.JWKSURL, Issuer: p.Issuer, Issuers: p.Issuers, Audience: p.Audience, AuthorizedParties: p.AuthorizedParties,
		Algorithms: p.Algorithms, Tenants: p.Tenants, Role: p.Role, LeewaySeconds: int(p.Leeway / time.Second),
	})
}

// providerLeeway is how far a provider's clock may be from ours where nothing else is configured.
const providerLeeway = 30 * time.Second

// provider is what the verifier is to know, with the keys from source.
func (p ProviderConfig) provider(source token.KeySource) token.Provider {
	preset, t := p.preset(), p.terms()
	return token.Provider{
		Name: p.Name, Issuers: t.Issuers, Audience: t.Audience, ClientIDs: preset.Audience.Kind == keys.AudienceOrClient,
		AuthorizedParties: t.AuthorizedParties, Algorithms: t.Algorithms, Leeway: cmp.Or(p.Leeway, providerLeeway),
		Role: cmp.Or(t.Role, token.DefaultRole), Subject: pathsOr(p.SubjectClaim, preset.SubjectClaims), Prefix: p.prefix(),
		Tenant: pathsOr(p.TenantClaim, preset.TenantClaims), Tenants: t.Tenants, Required: requiredClaims(p, preset),
		Refused: refusedClaims(p, preset), IDTokens: preset.IDTokens, Keys: source,
		Match: p.match(), Email: pathOr(p.EmailClaim, "email"), EmailVerified: pathOr(p.EmailVerifiedClaim, "email_verified"),
	}
}

// prefix is what its subjects begin with here.
func (p ProviderConfig) prefix() string {
	if p.SharedSubjects {
		return ""
	}
	return p.Name + "|"
}

func (p ProviderConfig) match() token.Match {
	if p.Users == "none" {
		return token.MatchNone
	}
	return token.Match(p.Users)
}

func pathOr(configured []string, name string) token.Path {
	if len(configured) > 0 {
		return configured
	}
	return token.Path{name}
}

// pathsOr is the configured path, or else the preset's.
func pathsOr(configured []string, preset [][]string) []token.Path {
	if len(configured) > 0 {
		return []token.Path{configured}
	}
	paths := make([]token.Path, len(preset))
	for i, path := range preset {
		paths[i] = path
	}
	return paths
}

func requiredClaims(p ProviderConfig, preset keys.Preset) []token.Path {
	var paths []token.Path
	for _, name := range append(slices.Clone(preset.Required), p.Required...) {
		paths = append(paths, token.Path{name})
	}
	return paths
}

func refusedClaims(p ProviderConfig, preset keys.Preset) []token.Refused {
	var all []token.Refused
	for name, values := range preset.Refused {
		all = append(all, token.Refused{Claim: token.Path{name}, Values: values})
	}
	slices.SortFunc(all, func(a, b token.Refused) int { return strings.Compare(a.Claim[0], b.Claim[0]) })
	for _, rule := range p.Refused {
		name, value, _ := strings.Cut(rule, "=")
		all = append(all, token.Refused{Claim: token.Path{name}, Values: []string{value}})
	}
	return all
}
