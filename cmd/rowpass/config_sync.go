package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"rowpass/identity"
)

// SyncConfig keeps user profiles in neon_identity.users_sync.
type SyncConfig struct {
	// Sources are whose users they are. Default none. Only the file can list them.
	Sources []SourceConfig `mapstructure:"sources"`
	// ReconcileAfter is how long a source may be silent until serve reads its whole list by itself. Default 24h; 0s: never. A
	// source that nothing was heard of yet is read at the start.
	ReconcileAfter time.Duration `mapstructure:"reconcile_after" allow:"0s..8760h"`
}

// SourceConfig is one provider's users: the events that it sends to POST /webhooks/{name}, and its list.
type SourceConfig struct {
	// Name is letters, digits, - and _. No two are alike: it is in the webhook's address.
	Name string `mapstructure:"name"`
	// Preset is what is known of its make: rowpass sync presets lists them. Default generic.
	Preset string `mapstructure:"preset"`
	// Provider names the entry of Providers whose users these are, so that a row's id is what auth.user_id() says of them.
	// Default: the one of the same name; if there is none, ids are as the source has them.
	Provider string `mapstructure:"provider"`
	// SecretsFile holds what verifies its events, a line for each secret, in a file that nobody else may read. All of them
	// count, so that one can be replaced. Absolute once loaded.
	SecretsFile string `mapstructure:"secrets_file"`
	// Signature is how events are signed: standard, hmac-sha256, bearer or workos. Default the preset's.
	Signature string `mapstructure:"signature"`
	// SecretHeader is the header with the signature, or the secret itself. Default the preset's.
	SecretHeader string `mapstructure:"secret_header"`
	// API is its list of users.
	API SourceAPIConfig `mapstructure:"api"`
	// Fields, Created, Updated and Deleted are for the preset generic: where events and users have what, and which types of
	// event mean it.
	Fields  SourceFieldsConfig `mapstructure:"fields"`
	Created []string           `mapstructure:"created"`
	Updated []string           `mapstructure:"updated"`
	Deleted []string           `mapstructure:"deleted"`
}

// SourceAPIConfig says how a source's list is read. Which of it is needed depends on the preset; without any there is no list.
type SourceAPIConfig struct {
	// URL is the API's address, where not all customers share one; of generic a page's, with {cursor}, {page} or {offset}.
	URL string `mapstructure:"url"`
	// KeyFile and ClientSecretFile hold the secrets, in files that nobody else may read. Absolute once loaded.
	KeyFile          string `mapstructure:"key_file"`
	ClientID         string `mapstructure:"client_id"`
	ClientSecretFile string `mapstructure:"client_secret_file"`
	ProjectID        string `mapstructure:"project_id"`
	Realm            string `mapstructure:"realm"` // Keycloak's
	// AllowPrivate are hosts, or host:port, that may be asked by http and at private addresses. Default none.
	AllowPrivate []string `mapstructure:"allow_private"`
	// Of generic: UserURL is one user's address, with {id}, and the rest JSON Pointers (RFC 6901) to the array of users and the
	// next page's cursor in a page, the number of all users, and the user in UserURL's answer.
	UserURL string `mapstructure:"user_url"`
	Users   string `mapstructure:"users"`
	Next    string `mapstructure:"next"`
	Total   string `mapstructure:"total"`
	User    string `mapstructure:"user"`
}

// SourceFieldsConfig says where a generic source's events and users have what: JSON Pointers (RFC 6901), of which the first
// counts that leads to something.
type SourceFieldsConfig struct {
	EventType  []string `mapstructure:"event_type"`
	EventID    []string `mapstructure:"event_id"`
	EventTime  []string `mapstructure:"event_time"`
	User       []string `mapstructure:"user"`
	Subject    []string `mapstructure:"subject"`
	ID         []string `mapstructure:"id"`
	Name       []string `mapstructure:"name"`
	GivenName  []string `mapstructure:"given_name"`
	FamilyName []string `mapstructure:"family_name"`
	Email      []string `mapstructure:"email"`
	CreatedAt  []string `mapstructure:"created_at"`
	UpdatedAt  []string `mapstructure:"updated_at"`
	Tenant     []string `mapstructure:"tenant"`
}

// checkSources makes each source whose section could be read, so that a start shows what is wrong with it.
func (l *loader) checkSources(c Config) {
	first, ofProvider := map[string]string{}, map[string]string{}
	bare := "" // the source whose ids have no prefix
	for i, s := range c.Sync.Sources {
		key := fmt.Sprintf("sync.sources[%d]", i)
		if !l.clean(key) {
			continue
		}
		if place, twice := first[s.Name]; twice {
			l.problem(l.places[key], "%s.name: %q: given twice, in %s first: each source needs its own", key, s.Name, place)
			continue
		}
		first[s.Name] = l.places[key]
		provider := c.providerOf(s)
		if other, twice := ofProvider[provider]; twice && provider != "" {
			l.problem(l.places[key], "%s.provider: %q has source %s already: a provider's users come from one", key, provider, other)
		}
		ofProvider[provider] = s.Name
		if prefix, err := c.prefixOf(s); err == nil && prefix == "" {
			if bare != "" {
				l.problem(l.places[key], "%s: neither this source nor %s has a prefix before its ids, and one's users could be taken for the other's: list its provider in providers", key, bare)
			}
			bare = s.Name
		}
		_, err := c.source(s)
		for _, err := range eachOf(err) {
			l.problem(l.places[key], "%s: %w", key, err)
		}
	}
}

// eachOf takes apart what errors.Join has put together.
func eachOf(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// source is a configured source with its list; the latter is nil where there is none.
type source struct {
	*identity.Source
	list identity.Lister
}

// sources are all that are configured, which were checked when they were read.
func (c Config) sources() ([]source, error) {
	all := make([]source, len(c.Sync.Sources))
	for i, s := range c.Sync.Sources {
		var err error
		if all[i], err = c.source(s); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (c Config) source(s SourceConfig) (source, error) {
	prefix, err := c.prefixOf(s)
	if err != nil {
		return source{}, err
	}
	from := identity.SourceConfig{
		Name: s.Name, Preset: s.Preset, Prefix: prefix, Reserved: c.reserved(prefix), SecretHeader: s.SecretHeader, Signature: s.Signature,
		Fields: s.Fields.paths(), Created: s.Created, Updated: s.Updated, Deleted: s.Deleted,
		API: identity.APIConfig{
			URL: s.API.URL, ClientID: s.API.ClientID, ProjectID: s.API.ProjectID, Realm: s.API.Realm, AllowPrivate: s.API.AllowPrivate,
		},
	}
	secrets, err1 := secretOf("secrets_file", s.SecretsFile)
	var err2, err3 error
	from.API.Key, err2 = secretOf("api.key_file", s.API.KeyFile)
	from.API.ClientSecret, err3 = secretOf("api.client_secret_file", s.API.ClientSecretFile)
	if err := errors.Join(err1, err2, err3); err != nil {
		return source{}, err
	}
	from.Secrets = slices.DeleteFunc(strings.FieldsFunc(secrets, func(r rune) bool { return r == '\n' || r == '\r' }), func(line string) bool {
		return strings.TrimSpace(line) == ""
	})
	made, err := identity.NewSource(from)
	if err != nil {
		return source{}, err
	}
	list, err := s.list(made.Config())
	if errors.Is(err, identity.ErrNoList) {
		return source{made, nil}, nil
	}
	return source{made, list}, err
}

func (s SourceConfig) list(from identity.SourceConfig) (identity.Lister, error) {
	if from.Preset != identity.GenericPreset {
		if s.API.UserURL+s.API.Users+s.API.Next+s.API.Total+s.API.User != "" {
			return nil, fmt.Errorf("source %s: api: preset %s knows its own; leave out user_url, users, next, total and user", s.Name, from.Preset)
		}
		return identity.NewLister(from)
	}
	return identity.NewGenericLister(from, identity.GenericList{
		URL: s.API.URL, UserURL: s.API.UserURL, Users: pointer(s.API.Users), Next: pointer(s.API.Next), Total: pointer(s.API.Total), User: pointer(s.API.User),
	})
}

// providerOf is the name of the provider whose users the source has; "" where there is none.
func (c Config) providerOf(s SourceConfig) string {
	name := cmp.Or(s.Provider, s.Name)
	if slices.ContainsFunc(c.Providers, func(p ProviderConfig) bool { return p.Name == name }) {
		return name
	}
	return ""
}

// prefixOf is what the provider's subjects begin with.
func (c Config) prefixOf(s SourceConfig) (string, error) {
	name := c.providerOf(s)
	switch {
	case name == "" && s.Provider != "":
		return "", fmt.Errorf("provider: %q is none of providers: give one's name, or leave it out", s.Provider)
	case name == "" && s.Preset == identity.TokensPreset:
		return "", errors.New("provider: name the one of providers whose tokens the profiles are made from")
	}
	i := slices.IndexFunc(c.Providers, func(p ProviderConfig) bool { return p.Name == name })
	if i < 0 {
		return "", nil
	}
	return c.Providers[i].prefix(), nil
}

// reserved is what ids of a source with this prefix must not begin with: those of other providers' users, and of programs.
func (c Config) reserved(prefix string) []string {
	all := []string{"client_"}
	for _, p := range c.Providers {
		if mark := p.Name + "|"; mark != prefix {
			all = append(all, mark)
		}
	}
	return all
}

// secretOf reads a file that a source names; "" where it names none.
func secretOf(key, path string) (string, error) {
	if path == "" {
		return "", nil
	}
	text, err := readSecret(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", key, err)
	}
	return text, nil
}

func (f SourceFieldsConfig) paths() identity.Fields {
	return identity.Fields{
		EventType: pointers(f.EventType), EventID: pointers(f.EventID), EventTime: pointers(f.EventTime), User: pointers(f.User),
		Subject: pointers(f.Subject), ID: pointers(f.ID), Name: pointers(f.Name), GivenName: pointers(f.GivenName),
		FamilyName: pointers(f.FamilyName), Email: pointers(f.Email), CreatedAt: pointers(f.CreatedAt), UpdatedAt: pointers(f.UpdatedAt),
		Tenant: pointers(f.Tenant),
	}
}

func pointers(texts []string) []identity.Path {
	var paths []identity.Path
	for _, text := range texts {
		paths = append(paths, pointer(text))
	}
	return paths
}

// pointer is the path of a JSON Pointer (RFC 6901), which may lack its first slash. The whole document, "", is no path.
func pointer(text string) identity.Path {
	if text == "" {
		return nil
	}
	path := strings.Split(strings.TrimPrefix(text, "/"), "/")
	for i, name := range path {
		path[i] = strings.ReplaceAll(strings.ReplaceAll(name, "~1", "/"), "~0", "~")
	}
	return path
}
