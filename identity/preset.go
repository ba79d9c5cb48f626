package identity

// IDs of the presets that are no make of provider.
const (
	GenericPreset = "generic" // whatever Fields says
	TokensPreset  = "tokens"  // no webhook: rows come from tokens' claims alone
)

// Ways in which an event can be signed, as a configuration names them.
const (
	StandardSignature = "standard"    // Standard Webhooks, as Svix sends them
	HMACSignature     = "hmac-sha256" // of the raw body, in hex or base64, in a header
	BearerSignature   = "bearer"      // no signature: a header has the secret itself
	WorkOSSignature   = "workos"      // an HMAC of time and body in one header
)

// Preset is what is known of one make of provider.
type Preset struct {
	ID         string   `json:"id"`
	Name       string   `json:"name"`                 // for a person
	Signatures []string `json:"signatures,omitempty"` // that its events can have, the default first; none for TokensPreset
	Needs      []string `json:"needs,omitempty"`      // keys of a configuration without which its events say too little
	Notes      string   `json:"notes"`                // what whoever sets it up has to know
}

// Fields says where a provider's events and user objects have what. Each is a list of alternatives, of which the first that
// leads to something counts: null and "" are nothing.
type Fields struct {
	// In an event's body.
	EventType []Path `json:"event_type"`
	EventID   []Path `json:"event_id"`   // without one, the body's hash is the event's ID
	EventTime []Path `json:"event_time"` // without one, UpdatedAt or the time of arrival orders events
	User      []Path `json:"user"`       // the user object; without one, it is the body itself
	Subject   []Path `json:"subject"`    // whom the event is about, where it has no user object

	// In a user object. Without Name it is GivenName and FamilyName with a space between them. A time is RFC 3339, or a number of
	// seconds or, from 100,000,000,000 on, of milliseconds since 1970.
	ID         []Path `json:"id"`
	Name       []Path `json:"name"`
	GivenName  []Path `json:"given_name"`
	FamilyName []Path `json:"family_name"`
	Email      []Path `json:"email"`
	CreatedAt  []Path `json:"created_at"`
	UpdatedAt  []Path `json:"updated_at"`
	Tenant     []Path `json:"tenant"` // one ID, or several by "*"
}

// Presets lists them all, generic and tokens last. The lists are the caller's own.
func Presets() []Preset {
	var all []Preset
	for _, r := range table() {
		all = append(all, r.preset())
	}
	return all
}
