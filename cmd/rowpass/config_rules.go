package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"rowpass/token"
)

// normalize makes folders and files absolute, so that a change of the working directory moves none, and hex lower case.
func (l *loader) normalize(c *Config, environ []string) {
	if c.StateDir == "" && l.clean("state_dir") {
		c.StateDir = defaultStateDir(os.Geteuid(), environ)
		if c.StateDir == "" {
			l.refuse("state_dir", "a folder is needed, since the environment has no HOME to put one in")
		}
	}
	if c.Keys.Dir == "" && c.StateDir != "" {
		c.Keys.Dir = defaultKeysDir(c.StateDir)
	}
	l.absolute("state_dir", &c.StateDir)
	l.absolute("keys.dir", &c.Keys.Dir)
	l.absolute("embedded.bin_dir", &c.Embedded.BinDir)
	l.absolute("tls.cert_file", &c.TLS.CertFile)
	l.absolute("tls.key_file", &c.TLS.KeyFile)
	for i := range c.Sync.Sources {
		s, key := &c.Sync.Sources[i], fmt.Sprintf("sync.sources[%d]", i)
		l.absolute(key+".secrets_file", &s.SecretsFile)
		l.absolute(key+".api.key_file", &s.API.KeyFile)
		l.absolute(key+".api.client_secret_file", &s.API.ClientSecretFile)
	}
	for i := range c.Clients {
		c.Clients[i].SecretSHA256 = strings.ToLower(c.Clients[i].SecretSHA256)
		c.Clients[i].Tenant = strings.ToLower(c.Clients[i].Tenant)
	}
}

// defaultStateDir follows the XDG Base Directory Specification, which has a relative XDG_STATE_HOME ignored. It is "" where there
// is no home. Root's own home is shut to the user that PostgreSQL runs as.
func defaultStateDir(uid int, environ []string) string {
	if uid == 0 {
		return "/var/lib/rowpass"
	}
	if dir := lookup(environ, "XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "rowpass")
	}
	if home := lookup(environ, "HOME"); home != "" {
		return filepath.Join(home, ".local", "state", "rowpass")
	}
	return ""
}

func defaultKeysDir(stateDir string) string { return filepath.Join(stateDir, "keys") }

// lookup is a variable's value among "NAME=value"; "" if it isn't there.
func lookup(environ []string, name string) string {
	for _, pair := range environ {
		if value, ok := strings.CutPrefix(pair, name+"="); ok {
			return value
		}
	}
	return ""
}

// absolute completes a path, unless it is empty. A ~ that no shell has replaced would make a folder of that name.
func (l *loader) absolute(key string, path *string) {
	if strings.HasPrefix(*path, "~") {
		l.refuse(key, "%q: ~ means nothing here: write the whole path", *path)
		return
	}
	if *path == "" {
		return
	}
	full, err := filepath.Abs(*path)
	if err != nil {
		l.refuse(key, "%q: %w", *path, err)
		return
	}
	*path = full
}

// check is every rule that a key's type doesn't hold already.
func (l *loader) check(c Config) {
	l.checkAddress("listen", c.Listen)
	if c.Admin.Listen != "" {
		l.checkAddress("admin.listen", c.Admin.Listen)
	}
	if c.Admin.Listen == c.Listen && !strings.HasSuffix(c.Listen, ":0") {
		l.refuse("admin.listen", "%q: listen has the same; another port is needed", c.Admin.Listen)
	}
	l.checkPublicURL(c.PublicURL)
	l.checkTLS(c.TLS)
	l.checkDatabase(c.Database)
	if c.Issuer.Audience == "" {
		l.refuse("issuer.audience", `"": a name is needed, such as rowpass`)
	}
	if c.Issuer.Demo && !c.Issuer.DemoTokensForWholeNetwork && l.clean("listen") && !isLoopback(c.Listen) {
		l.refuse("issuer.demo", "listen is %s, and whoever reaches that could be any user: "+
			"listen on 127.0.0.1, or set issuer.demo_tokens_for_whole_network: true", c.Listen)
	}
	l.checkDirectory(c)
	l.checkKeys(c)
	l.checkClients(c.Clients)
	l.checkProviders(c)
	l.checkSources(c)
	l.checkSQL(c)
}

// checkDirectory refuses what would look users up where there are none.
func (l *loader) checkDirectory(c Config) {
	if c.Database.Directory {
		return
	}
	const without = "database.directory is false, and there are no users to %s: leave it out"
	if c.Issuer.Demo {
		l.refuse("issuer.demo", without, "give tokens for")
	}
	for i, client := range c.Clients {
		if client.ActFor != "" && client.ActFor != "none" {
			l.refuse(fmt.Sprintf("clients[%d].act_for", i), without, "act for")
		}
	}
	for i, p := range c.Providers {
		if p.match() != token.MatchNone {
			l.refuse(fmt.Sprintf("providers[%d].users", i), without, "exchange tokens for")
		}
	}
}

// wrappingSecret is what openssl rand -hex 32 prints.
var wrappingSecret = regexp.MustCompile(`^[0-9a-fA-F]{64}$`)

func (l *loader) checkKeys(c Config) {
	if !l.clean("keys.") {
		return
	}
	if c.Keys.WrappingSecret != "" && !wrappingSecret.MatchString(string(c.Keys.WrappingSecret)) {
		l.refuse("keys.wrapping_secret", "64 hex digits are needed, as openssl rand -hex 32 prints them")
	}
	if c.Keys.Store == "postgres" && c.Keys.WrappingSecret == "" {
		l.refuse("keys.store", "keys.wrapping_secret is missing: without it every dump of the database would hold the keys. Give the secret that the ring is wrapped with; "+
			"for a new ring make one: (umask 077; openssl rand -hex 32 > wrapping-secret), and name it in keys.wrapping_secret_file")
	}
	if wait := c.keyLimits().Wait(); c.Keys.RotateEvery != 0 && c.Keys.RotateEvery <= wait {
		l.refuse("keys.rotate_every", "a new key is published for %s before it signs, twice keys.jwks_max_age: give more than that", wait)
	}
}

func (l *loader) checkAddress(key, addr string) {
	host, port, err := net.SplitHostPort(addr)
	if _, portErr := strconv.ParseUint(port, 10, 16); err != nil || portErr != nil || strings.ContainsAny(host, " /@") {
		l.refuse(key, "%q: host:port is needed, such as 127.0.0.1:8080", addr)
	}
}

// isLoopback says whether only this machine reaches addr. No host means all of its addresses.
func isLoopback(addr string) bool {
	host, _, _ := net.SplitHostPort(addr)
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// checkPublicURL holds the issuer to RFC 8414, section 2: no query and no fragment. Verifiers compare it byte for byte,
// so a slash at its end would make another one.
func (l *loader) checkPublicURL(text string) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil ||
		strings.ContainsAny(text, "?#") || strings.HasSuffix(text, "/") {
		l.refuse("public_url", "http(s)://host is needed, such as https://api.example.com, without user, query, fragment and slash at the end")
	}
}

func (l *loader) checkTLS(tls TLSConfig) {
	switch {
	case !l.clean("tls."):
	case tls.CertFile == "" && tls.KeyFile != "":
		l.refuse("tls.key_file", "tls.cert_file is missing: HTTPS needs both, HTTP neither")
	case tls.CertFile != "" && tls.KeyFile == "":
		l.refuse("tls.cert_file", "tls.key_file is missing: HTTPS needs both, HTTP neither")
	}
}

// schemaName is one that PostgreSQL takes without quotes, keywords aside, which migrate refuses.
var schemaName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// checkAuthSchema refuses names that are taken in every database, and one that the directory doesn't follow.
func (l *loader) checkAuthSchema(db DatabaseConfig) {
	const key = "database.auth_schema"
	name := db.AuthSchema
	switch {
	case !schemaName.MatchString(name) || strings.HasPrefix(name, "pg_"):
		l.refuse(key, "%q: a schema's name of lower-case letters, digits and _ is needed, such as rowpass_auth, not beginning with pg_", name)
	case slices.Contains([]string{"public", "rowpass", "neon_identity", "information_schema"}, name):
		l.refuse(key, "%q: that schema is there for something else; name one of its own, such as rowpass_auth", name)
	case name != "auth" && db.Directory:
		l.refuse(key, "the tables of the directory name schema auth: set database.directory: false beside it, or leave it out")
	}
}

var relation = regexp.MustCompile(`^[^.\s][^.]*\.[^.\s][^.]*$`)

func (l *loader) checkDatabase(db DatabaseConfig) {
	for _, name := range db.Unprotected {
		if !relation.MatchString(name) {
			l.refuse("database.unprotected", "%q: schema.relation is needed, such as public.countries", name)
		}
	}
	l.checkAuthSchema(db)
	l.checkLogins(db)
}

// checkLogins checks that either no login or a sufficient set of different ones is given.
func (l *loader) checkLogins(db DatabaseConfig) {
	owner := l.databaseUser("database.url", db.URL)
	gateway := l.databaseUser("database.gateway_url", db.GatewayURL)
	service := l.databaseUser("database.service_url", db.ServiceURL)
	if !l.clean("database.url") || !l.clean("database.gateway_url") || !l.clean("database.seal_key") {
		return
	}
	switch {
	case db.GatewayURL == "" && db.URL != "":
		l.refuse("database.url", "database.gateway_url is missing: the owner sees all rows, and requests need a login that doesn't; "+
			"give postgres://rowpass_gateway:password@host/database, and rowpass migrate makes that login")
	case db.GatewayURL == "" && db.ServiceURL != "":
		l.refuse("database.service_url", "database.url and database.gateway_url are missing: without them rowpass runs a PostgreSQL of its own")
	case db.GatewayURL == "" && db.SealKey != "":
		l.refuse("database.seal_key", "database.gateway_url is missing: without it rowpass runs a PostgreSQL of its own, and makes its key")
	case db.GatewayURL != "" && db.URL == "" && db.SealKey == "":
		l.refuse("database.gateway_url", "it needs the key of the seal: set database.seal_key, which rowpass seal export prints, "+
			"or database.url, as whose owner rowpass reads it at the start")
	case db.GatewayURL != "" && db.URL == "" && db.ServiceURL == "":
		l.refuse("database.gateway_url", "database.service_url is missing: without the owner's login rowpass needs one for its own state")
	case db.URL != "" && gateway == owner:
		l.refuse("database.gateway_url", "its user is that of database.url, whom no policy holds: give requests a login of their own")
	case db.ServiceURL != "" && gateway == service:
		l.refuse("database.gateway_url", "its user is that of database.service_url, whose rights are not for callers: "+
			"give requests a login of their own")
	}
}

// databaseUser is whom a URL logs in as; "" for an empty or a refused one. pgconn's own error quotes the URL.
func (l *loader) databaseUser(key string, u Secret) string {
	if u == "" {
		return ""
	}
	conf, err := pgconn.ParseConfig(string(u))
	switch {
	case err == nil && !strings.Contains(conf.Database, "@"):
		return conf.User
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		l.refuse(key, "a file that it names (sslrootcert, sslcert, sslkey, servicefile) can't be read")
	default:
		l.refuse(key, "no database URL: postgres://user:password@host:5432/database is needed, "+
			"with special characters of the password as %%40 for @, %%2F for /, %%25 for %%")
	}
	return ""
}
