package keys

// GenericPreset is the ID of the preset for a provider that none of the others is for.
const GenericPreset = "generic"

// AudienceKind says how a provider tells for whom a token is.
type AudienceKind string

// The kinds of audience rules.
const (
	AudienceRequired    AudienceKind = "required"        // aud is there, and its own value must be configured
	AudienceFixed       AudienceKind = "fixed"           // aud is there and follows from the provider's address
	AudienceDefault     AudienceKind = "default"         // aud is there and the same for everybody, unless the provider was told otherwise
	AudienceRecommended AudienceKind = "recommended"     // aud is only of use once the provider was told to write it
	AudienceOptional    AudienceKind = "optional"        // aud is only there once the provider was told to write it
	AudienceOrClient    AudienceKind = "client_id_claim" // aud, or client_id in tokens that have none
	AudienceNone        AudienceKind = "none"            // no aud: whose tokens they are, key set and issuer say
)

// AudienceRule is what has to be known of a provider's aud.
type AudienceRule struct {
	Kind  AudienceKind `json:"kind"`
	Value string       `json:"value,omitempty"` // what it is, where that can be known: a template as in Preset.Issuers
	Means string       `json:"means"`           // what it is called at the provider, for a person
}

// Preset is what is known of one make of provider. It is advice for a configuration, and never trusted by itself: what is
// trusted are the key set's address, the issuers and the audience, which a configuration names (see Terms).
type Preset struct {
	ID   string `json:"id"`
	Name string `json:"name"` // for a person

	// Issuers are its tokens' iss. What stands in braces, as in stytch.com/{project}, depends on the project, and Fill knows
	// where to take it from.
	Issuers []string `json:"issuers"`

	Algorithms []string     `json:"algorithms"` // of VerifyAlgorithms, its default first
	Audience   AudienceRule `json:"audience"`

	// SharedKeys: one key set signs for all of the provider's customers, so whoever has an account there gets in unless the
	// audience says who is meant.
	SharedKeys bool `json:"shared_keys,omitempty"`
	// KeyIssuer: a JWK's own member issuer says for whom it signs (see PublicKey.Issuer).
	KeyIssuer bool `json:"key_issuer,omitempty"`
	// AuthorizedParty: azp names the application that asked for the token, and is worth a list.
	AuthorizedParty bool `json:"authorized_party,omitempty"`
	// IDTokens: applications of this provider send ID tokens, since no other could be verified or because its users do.
	IDTokens bool `json:"id_tokens,omitempty"`
	// TokenSeconds is how long its tokens live unless it was told otherwise; 0 where nobody can say.
	TokenSeconds int `json:"token_seconds,omitempty"`

	// SubjectClaims and TenantClaims are paths, the first that leads to something counts. A path is a list of names, since a
	// name may hold dots and slashes. Without TenantClaims no claim is known that users cannot change themselves.
	SubjectClaims [][]string `json:"subject_claims"`
	TenantClaims  [][]string `json:"tenant_claims,omitempty"`

	Required []string            `json:"required,omitempty"` // claims that must be there
	Refused  map[string][]string `json:"refused,omitempty"`  // a claim's values by which a token isn't for us; "true" is the boolean, too

	Notes string `json:"notes"` // what a verifier gets wrong that doesn't know the provider, for a person
}

// Presets lists them all as they are known, the generic one last. The lists are the caller's own.
func Presets() []Preset {
	var all []Preset
	for _, r := range table().rows {
		all = append(all, r.preset())
	}
	return all
}

// PresetByID finds the preset that a configuration names.
func PresetByID(id string) (Preset, bool) {
	if r := table().row(id); r != nil {
		return r.preset(), true
	}
	return Preset{}, false
}

// Terms are what a configuration says of one provider, as far as it must fit together to be safe. Each field is the key of
// the same name.
type Terms struct {
	JWKSURL           string   // jwks_url
	Issuer            string   // issuer, which discovery starts from
	Issuers           []string // issuers
	Audience          []string // audience
	AuthorizedParties []string // azp
	Algorithms        []string // algorithms
	Tenants           []string // tenants
	Role              string   // role
	LeewaySeconds     int      // leeway; 0 where it isn't given
}

// Fill completes t by what p says and by what follows from the key set's address or the issuer. What t has stays as it is,
// but for names of algorithms, which become those of VerifyAlgorithms. JWKSURL stays empty where only discovery can tell it.
func (p Preset) Fill(t Terms) Terms {
	r := p.row()
	return r.fill(t, r.captured(t))
}
