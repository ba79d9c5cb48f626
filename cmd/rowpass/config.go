package main

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/go-viper/mapstructure/v2"
)

// Config is the whole configuration. Its fields are the only list of keys there is: the file, the
// environment, --set and the suggestions for misspelt keys follow from the tags. The tag "allow" names what a key
// may be: "a|b" one of these, "1m..24h" a range, "1.." no upper end.
//
// Every Secret can also be read from a file, named by its key with "_file" behind.
type Config struct {
	// Listen is where the API is served, host:port; without a host, on every address of the machine.
	// Default 127.0.0.1:8080. Without tls.* tokens cross that network readably.
	Listen string      `mapstructure:"listen"`
	Admin  AdminConfig `mapstructure:"admin"`
	// PublicURL is how clients reach rowpass, and the issuer in every token. Default http://localhost:8080.
	// Whoever changes it makes all tokens invalid that are out, and every verifier elsewhere refuses the new ones.
	PublicURL string `mapstructure:"public_url"`
	// StateDir holds what rowpass keeps itself, keys and the embedded cluster among it. Default: for root
	// /var/lib/rowpass, else $XDG_STATE_HOME/rowpass, else ~/.local/state/rowpass. Absolute once loaded.
	// Where it is lost, so are the keys, and all tokens with them.
	StateDir string    `mapstructure:"state_dir"`
	Log      LogConfig `mapstructure:"log"`
	TLS      TLSConfig `mapstructure:"tls"`
	// TrustedProxies may say in X-Forwarded-For whom they speak for; a single address is a prefix of full length.
	// Default none. Whoever is wrongly in it can pretend to come from any address.
	TrustedProxies []netip.Prefix `mapstructure:"trusted_proxies"`
	// ShutdownTimeout is how long requests may go on after a signal to stop. Default 15s. What isn't done
	// by then is cut off, and its transaction rolled back.
	ShutdownTimeout time.Duration  `mapstructure:"shutdown_timeout" allow:"1ms.."`
	Database        DatabaseConfig `mapstructure:"database"`
	Embedded        EmbeddedConfig `mapstructure:"embedded"`
	Keys            KeysConfig     `mapstructure:"keys"`
	Issuer          IssuerConfig   `mapstructure:"issuer"`
	Limits          LimitsConfig   `mapstructure:"limits"`
	Audit           AuditConfig    `mapstructure:"audit"`
	SQL             SQLConfig      `mapstructure:"sql"`
	// Clients are the programs that may ask for a token in their own name. Default none. Only the file can list them.
	Clients []ClientConfig `mapstructure:"clients"`
	// Providers are other issuers whose tokens are accepted beside our own. Default none. Only the file can list them. They
	// alone are read again on SIGHUP.
	Providers []ProviderConfig `mapstructure:"providers"`
	Sync      SyncConfig       `mapstructure:"sync"`
}

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

// AdminConfig is the second listener: health and metrics.
type AdminConfig struct {
	// Listen is its host:port; "" turns it off. Default 127.0.0.1:8081. Nobody needs a token there: whoever
	// reaches it reads the metrics.
	Listen string `mapstructure:"listen"`
}

// LogConfig is what is logged, to standard error.
type LogConfig struct {
	// Level is the least that is logged. Default info.
	Level string `mapstructure:"level" allow:"debug|info|warn|error"`
	// Format is json, one object a line, or text for a person's eyes. Default auto: text on a terminal, else json.
	Format string `mapstructure:"format" allow:"auto|json|text"`
}

// TLSConfig serves HTTPS. Both files or none; default none.
type TLSConfig struct {
	// CertFile is the certificate with its chain, PEM. Absolute once loaded.
	CertFile string `mapstructure:"cert_file"`
	// KeyFile is its private key, PEM. Absolute once loaded.
	KeyFile string `mapstructure:"key_file"`
}

// DatabaseConfig says whose PostgreSQL it is. With neither URL nor GatewayURL rowpass runs its own.
type DatabaseConfig struct {
	// URL logs in as the owner, who migrates and owns and serves no request. Default none. Needed to migrate; policies
	// don't hold for whoever can read it.
	URL Secret `mapstructure:"url"`
	// GatewayURL logs in as the gateway role: one with no rights of its own. Default none. Whoever can
	// read it can become any role that is granted to it, though not forge claims.
	GatewayURL Secret `mapstructure:"gateway_url"`
	// ServiceURL logs in as the role that keeps rowpass's own state. Default: URL.
	ServiceURL Secret `mapstructure:"service_url"`
	// SealKey proves to PostgreSQL that claims came from rowpass. Default: read with URL at the start. Whoever
	// has it and any login can be any user.
	SealKey Secret `mapstructure:"seal_key"`
	// MaxConns is how many connections the requests' pool may open; see Config.maxConns for 0, the default.
	// All instances together have to stay below the server's max_connections.
	MaxConns int `mapstructure:"max_conns" allow:"0..10000"`
	// QueryExecMode is how pgx sends statements. Default cache_statement, which prepares each once on a connection.
	// PgBouncer in transaction mode before 1.21 loses prepared statements and needs exec, which prepares none;
	// cache_describe suits poolers that lose them and schemas that don't change. The simple protocol isn't offered, since it would
	// put claims and seal into the statement's text, nor describe_exec, since it needs a second round trip.
	QueryExecMode string `mapstructure:"query_exec_mode" allow:"cache_statement|cache_describe|exec"`
	// StatementTimeout ends a request's statement. Default 5s.
	StatementTimeout time.Duration `mapstructure:"statement_timeout" allow:"1ms..24h"`
	// MigrateOnStart lets serve migrate first, as the owner. Default true. With false, requests fail
	// until somebody has run rowpass migrate.
	MigrateOnStart bool `mapstructure:"migrate_on_start"`
	// Directory is whether rowpass brings tables tenants, users and todos of its own. Default true. Without it there is no
	// /api/users and /api/tenants, no log-in and no token of ours for a user: tokens are providers', or programs' own.
	Directory bool `mapstructure:"directory"`
	// Unprotected names relations, schema.relation, that callers may touch though they have no row-level security.
	// Default none. Every caller sees all rows of them.
	Unprotected []string `mapstructure:"unprotected"`
	// AllowServerWithRLSHoles serves with a PostgreSQL older than 15.14, 16.10 or 17.6. Default false. Those
	// leak rows past policies.
	AllowServerWithRLSHoles bool `mapstructure:"allow_server_with_rls_holes"`
}

// EmbeddedConfig is for rowpass's own PostgreSQL, and unused where database.* names another.
type EmbeddedConfig struct {
	// BinDir holds PostgreSQL's programs, absolute once loaded. Default: looked for. If given, no other place is tried.
	BinDir string `mapstructure:"bin_dir"`
	// OSUser runs PostgreSQL where rowpass is root. Default: the owner of the cluster, else postgres, else nobody.
	OSUser string `mapstructure:"os_user"`
}

// KeysConfig is where the ring is kept, and when its keys take turns.
type KeysConfig struct {
	// Store is folder, Dir, or postgres, the database that the service's login reaches. Default folder. Instances with
	// different rings refuse each other's tokens.
	Store string `mapstructure:"store" allow:"folder|postgres"`
	// Dir is the ring's folder, which all instances share. Default: keys in StateDir. Absolute once loaded.
	Dir string `mapstructure:"dir"`
	// WrappingSecret encrypts the ring where it is kept: 64 hex digits, random. Required in Postgres, where a dump would
	// hold the keys otherwise; default none in a folder. Whoever loses it loses the keys.
	WrappingSecret Secret `mapstructure:"wrapping_secret"`
	// RotateEvery is how long a key signs before serve replaces it by itself. Default 0: never.
	RotateEvery time.Duration `mapstructure:"rotate_every" allow:"0s..87600h"`
	// JWKSMaxAge is how long others may keep the published keys, and half of how long a new key is published before it
	// signs. Default 5m. Lowered, it doesn't reach those who keep them already.
	JWKSMaxAge time.Duration `mapstructure:"jwks_max_age" allow:"1s..24h"`
}

// IssuerConfig is what our own tokens say.
type IssuerConfig struct {
	// Audience is whom they are for, and what is asked of tokens that come in. Default rowpass.
	Audience string `mapstructure:"audience"`
	// TokenTTL is how long they are good. Default 15m. Long ones outlive a user's removal.
	TokenTTL time.Duration `mapstructure:"token_ttl" allow:"1m..24h"`
	// Demo gives whoever asks a token for any user, and has a playground for them, which needs and so serves POST /sql. Default
	// false. For a machine of one's own only.
	Demo bool `mapstructure:"demo"`
	// PasswordLogin lets users who have a password log in at POST /api/login. Default true: nobody has one until somebody
	// runs rowpass users set-password.
	PasswordLogin bool `mapstructure:"password_login"`
	// RefreshTTL is how long a refresh token may lie unused. Default 336h, two weeks.
	RefreshTTL time.Duration `mapstructure:"refresh_ttl" allow:"1m..8760h"`
	// SessionTTL is how long refresh tokens can follow one another until the user has to log in again. Default 2160h,
	// ninety days.
	SessionTTL time.Duration `mapstructure:"session_ttl" allow:"1m..87600h"`
	// RefreshGrace is how long a refresh token that was used gives the same successor again, for two tabs that race.
	// Default 10s. Whoever presents it later is taken for a thief, and the session ends.
	RefreshGrace time.Duration `mapstructure:"refresh_grace" allow:"0s..5m"`
	// DemoTokensForWholeNetwork permits Demo where Listen isn't loopback. Default false. Whoever reaches the
	// address is then every user.
	DemoTokensForWholeNetwork bool `mapstructure:"demo_tokens_for_whole_network"`
}

// LimitsConfig is how many requests a minute are answered, of each address (an IPv6 network of 64 bits counts as one, and one
// of 48 bits as a hundred) and each client or account, by each instance for itself. 0 is no limit. Behind a proxy that TrustedProxies doesn't name, all
// clients are one address.
type LimitsConfig struct {
	// TokenPerAddress is for the token endpoint, revocation and log-out together. Default 300.
	TokenPerAddress int `mapstructure:"token_per_address" allow:"0..1000000"`
	// TokenPerClient likewise. Default 600.
	TokenPerClient int `mapstructure:"token_per_client" allow:"0..1000000"`
	// LoginPerAddress is for POST /api/login, and counted apart for wrong secrets of clients. Default 30.
	LoginPerAddress int `mapstructure:"login_per_address" allow:"0..1000000"`
	// LoginPerAccount counts wrong passwords for one e-mail address, whoever sends them. Default 10.
	LoginPerAccount int `mapstructure:"login_per_account" allow:"0..1000000"`
	// IntrospectionPerAddress is for POST /api/introspect. Default 6000.
	IntrospectionPerAddress int `mapstructure:"introspection_per_address" allow:"0..1000000"`
	// IntrospectionPerClient likewise. Default 6000.
	IntrospectionPerClient int `mapstructure:"introspection_per_client" allow:"0..1000000"`
}

// AuditConfig is about rowpass.audit, the record of who got, lost or was refused which token.
type AuditConfig struct {
	// Keep is how long a record stays. Default 2160h, ninety days.
	Keep time.Duration `mapstructure:"keep" allow:"1h..876000h"`
}

// SQLConfig is POST /sql, SQL over HTTP: callers write the statements themselves.
type SQLConfig struct {
	// Enabled serves it. Default false; with IssuerConfig.Demo it is served in any case.
	Enabled bool `mapstructure:"enabled"`
	// Statements are the kinds that callers may send: select, insert, update, delete, merge, values, explain.
	// Default all but explain, whose estimates count other tenants' rows.
	Statements []string `mapstructure:"statements"`
	// Functions are those of the owner and of extensions that callers may call, by their last name. Default none:
	// PostgreSQL's own harmless ones and auth.* are always allowed. Whatever such a function does, callers do.
	Functions []string `mapstructure:"functions"`
	// Timeout ends a request, however many statements it has. Default 10s.
	Timeout time.Duration `mapstructure:"timeout" allow:"1ms..1h"`
	// MaxRequestBytes is how large a request may be. Default 10485760, as at Neon.
	MaxRequestBytes int `mapstructure:"max_request_bytes" allow:"1024..1073741824"`
	// MaxResponseBytes is how large an answer may be, which is held in memory. Default 10485760.
	MaxResponseBytes int `mapstructure:"max_response_bytes" allow:"1024..1073741824"`
	// MaxRows is how many rows an answer may have. Default 100000.
	MaxRows int `mapstructure:"max_rows" allow:"1.."`
	// MaxQueries is how many statements a batch may have. Default 100.
	MaxQueries int `mapstructure:"max_queries" allow:"1..10000"`
	// MaxConns is how many connections each role's pool may open; 0, the default, is as for database.max_conns.
	MaxConns int `mapstructure:"max_conns" allow:"0..10000"`
	// PerSubject is how many requests of one caller may run at once. Default 10. With more than MaxConns one caller
	// can keep all others waiting.
	PerSubject int `mapstructure:"per_subject" allow:"1..10000"`
	// Anonymous lets requests without a token run as the role anonymous. Default false. What that role may see,
	// everybody sees.
	Anonymous bool `mapstructure:"anonymous"`
	// AllowedOrigins are the origins whose pages may call from a browser, such as https://app.example.com. Default none.
	AllowedOrigins []string `mapstructure:"allowed_origins"`
	// Roles are further ones that may be asked for, each with a login of its own. Default none. Only the file can
	// list them.
	Roles []SQLRoleConfig `mapstructure:"roles"`
}

// SQLRoleConfig is a role that a migration, say, runs under over HTTP as it would by a connection.
type SQLRoleConfig struct {
	// Name is the user of the connection string that asks for it.
	Name string `mapstructure:"name"`
	// URLFile holds the URL that logs in as it, in a file that nobody else may read. Absolute once loaded.
	URLFile string `mapstructure:"url_file"`
	// Clients are those whose tokens may take the role. At least one: whoever has such a token has the role.
	Clients []string `mapstructure:"clients"`
	// Statements are the kinds that it may send, or any. Default those of SQLConfig.
	Statements []string `mapstructure:"statements"`
}

// ClientConfig is one program that may ask for tokens in its own name (RFC 6749, section 4.4).
type ClientConfig struct {
	// ID begins with client_, then letters, digits, _ and -. No two are alike.
	ID string `mapstructure:"id"`
	// SecretSHA256 is the SHA-256 of its secret, 64 hex digits, lower case once loaded. The secret has to be
	// random: a password's hash can be guessed.
	SecretSHA256 string `mapstructure:"secret_sha256"`
	// Tenant is whose rows it works on, a UUID, lower case once loaded. Default none.
	Tenant string `mapstructure:"tenant"`
	// Scopes are what it may ask for. Default none.
	Scopes []string `mapstructure:"scopes"`
	// ActFor lets it ask for tokens of users: none, tenant for those of Tenant, or everyone. Default none. Whoever has
	// its secret is then each of these users.
	ActFor string `mapstructure:"act_for"`
	// Audiences are whom its tokens may be for. Default IssuerConfig.Audience.
	Audiences []string `mapstructure:"audiences"`
	// TokenTTL is how long its tokens are good. Default, 0: IssuerConfig.TokenTTL.
	TokenTTL time.Duration `mapstructure:"token_ttl" allow:"1m..24h"`
}

// defaultConfig is the configuration of one who gives none, before folders are made absolute.
func defaultConfig() Config {
	return Config{
		Listen:          "127.0.0.1:8080",
		Admin:           AdminConfig{Listen: "127.0.0.1:8081"},
		PublicURL:       "http://localhost:8080",
		Log:             LogConfig{Level: "info", Format: "auto"},
		ShutdownTimeout: 15 * time.Second,
		Database: DatabaseConfig{
			QueryExecMode:    "cache_statement",
			StatementTimeout: 5 * time.Second,
			MigrateOnStart:   true,
			Directory:        true,
		},
		Keys: KeysConfig{Store: "folder", JWKSMaxAge: 5 * time.Minute},
		Issuer: IssuerConfig{
			Audience: "rowpass", TokenTTL: 15 * time.Minute, PasswordLogin: true,
			RefreshTTL: 14 * 24 * time.Hour, SessionTTL: 90 * 24 * time.Hour, RefreshGrace: 10 * time.Second,
		},
		Limits: LimitsConfig{
			TokenPerAddress: 300, TokenPerClient: 600, LoginPerAddress: 30, LoginPerAccount: 10,
			IntrospectionPerAddress: 6000, IntrospectionPerClient: 6000,
		},
		Audit: AuditConfig{Keep: 90 * 24 * time.Hour},
		Sync:  SyncConfig{ReconcileAfter: 24 * time.Hour},
		SQL: SQLConfig{
			Statements: []string{"select", "insert", "update", "delete", "merge", "values"},
			Timeout:    10 * time.Second, MaxRequestBytes: 10 << 20, MaxResponseBytes: 10 << 20,
			MaxRows: 100_000, MaxQueries: 100, PerSubject: 10,
		},
	}
}

// loadConfig reads file, which overrides the defaults, then environ ("NAME=value"), then set ("key=value"); the later
// wins. An empty file is ROWPASS_CONFIG of environ, else config.yaml in the working directory, else none. The error has
// a line for every problem, with where it is, its key and what is allowed, and never a secret. A file that
// can't be read or parsed is reported alone.
func loadConfig(file string, environ []string, set []string) (Config, error) {
	l := newLoader()
	if err := l.readFile(file, environ); err != nil {
		return Config{}, err
	}
	l.readEnvironment(environ)
	l.readSet(set)
	l.readSecretFiles()
	var c Config
	if err := l.v.UnmarshalExact(&c, strictly); err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	l.normalize(&c, environ)
	l.check(c)
	if len(l.problems) > 0 {
		return Config{}, errors.Join(l.problems...)
	}
	return c, nil
}

// strictly takes values as they are: viper would read 5 as 5 ns and a map as a list. They were typed when they were read.
func strictly(d *mapstructure.DecoderConfig) {
	d.WeaklyTypedInput = false
	d.DecodeHook = nil
}

// embeddedMode says whether rowpass runs its own PostgreSQL.
func (c Config) embeddedMode() bool {
	return c.Database.URL == "" && c.Database.GatewayURL == ""
}

// serviceURL is the login for rowpass's own state: the owner's, unless another is given.
func (c Config) serviceURL() Secret {
	if c.Database.ServiceURL != "" {
		return c.Database.ServiceURL
	}
	return c.Database.URL
}

// maxConns is the size of the requests' pool on a machine of so many cores: four for each, unless it is given.
func (c Config) maxConns(cores int) int {
	if c.Database.MaxConns > 0 {
		return c.Database.MaxConns
	}
	return max(4, 4*cores)
}
