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
	// AuthSchema is where rowpass's functions stand, such as user_id(). Default auth. Another name, which needs no quotes in SQL, is
	// for a database whose schema auth is somebody else's; the directory's tables name auth, so Directory has to be false then.
	// It is chosen before the first migration: policies name it.
	AuthSchema string `mapstructure:"auth_schema"`
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
			AuthSchema:       "auth",
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
