package identity

// SourceConfig is one entry of sync.sources. Name must be given; what else must be follows from the preset.
type SourceConfig struct {
	Name   string // in addresses, rows and logs: letters, digits, _ and -, at most 64
	Preset string // of Presets; "": generic

	// Prefix comes before each subject in users_sync.id. It is what the provider's tokens get before their subjects, so that
	// auth.user_id() is the row's id; "" where they get nothing.
	Prefix string

	// Reserved are what no ID of this source's may begin with: the prefixes of other sources and providers, and of our own
	// clients. Without, a source whose IDs have no prefix could speak of the others' users. One that Prefix begins with is not
	// looked at, so that all sources can have the same list.
	Reserved []string

	// Secrets verify events. All of them do so at once, so that one can be replaced. Those of Standard Webhooks may be several
	// in one text, with spaces or "|" between them.
	Secrets []string

	SecretHeader string // whose value is the secret or the MAC; "": the preset's
	Signature    string // of Preset.Signatures; "": its first

	// For GenericPreset alone: where its events and user objects have what, and which types of event mean what.
	Fields                    Fields
	Created, Updated, Deleted []string

	API APIConfig
}

// APIConfig says how a provider's list of users is read. Which of it a provider needs depends on the provider.
type APIConfig struct {
	URL          string // of the provider's API; "" where all its customers share one
	Key          string // secret
	ClientID     string
	ClientSecret string // secret
	ProjectID    string
	Realm        string   // Keycloak's
	AllowPrivate []string // hosts, as "host" or "host:port", that may be asked by plain http and at private addresses
}

// Source is a provider's users as they are configured here. It never changes, and any number of goroutines may use it.
type Source struct {
	cfg    SourceConfig
	row    *row
	header string // whose value is the secret or the MAC; "" for the others
	keys   keyring
}

// NewSource checks cfg and completes it. Errors name the key to set, and no secret.
func NewSource(cfg SourceConfig) (*Source, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	s := &Source{cfg: cfg, row: rowOf(cfg.Preset), header: cfg.SecretHeader}
	if cfg.Preset == GenericPreset {
		s.row = s.row.generic(cfg)
	}
	if s.keys, err = readKeys(cfg); err != nil {
		return nil, err
	}
	return s, nil
}

// Name is the source's name in the configuration.
func (s *Source) Name() string { return s.cfg.Name }

// Config is what the source was made with, Preset, Signature and SecretHeader filled in. It holds secrets.
func (s *Source) Config() SourceConfig { return s.cfg }

// Preset is what is known of the provider's make.
func (s *Source) Preset() Preset { return s.row.preset() }

// ID is users_sync.id of a subject of this source's.
func (s *Source) ID(subject string) string { return s.cfg.Prefix + subject }

// asks says whether the provider is asked for the profile where an event has one: its events may be late or incomplete, and
// there is an API to ask.
func (s *Source) asks() bool {
	return s.row.Asks && (s.cfg.API.Key != "" || s.cfg.API.ClientSecret != "")
}
