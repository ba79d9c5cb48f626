package main

import (
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"time"
)

// SQLConfig is POST /sql, SQL over HTTP: callers write the statements themselves.
type SQLConfig struct {
	// Enabled serves it. Default false; with IssuerConfig.Demo it is served in any case.
	Enabled bool `mapstructure:"enabled"`
	// Statements are the kinds that callers may send: select, insert, update, delete, merge, values, explain.
	// Default all but explain, whose estimates count other tenants' rows.
	Statements []string `mapstructure:"statements"`
	// Functions are those of the owner and of extensions that callers may call, by their last name. Default none:
	// PostgreSQL's own harmless ones and rowpass's are always allowed. Whatever such a function does, callers do.
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

var (
	sqlKinds     = []string{"select", "insert", "update", "delete", "merge", "values", "explain"}
	functionName = regexp.MustCompile(`^[a-z_][a-z0-9_$]*$`)
)

// anyStatement as a role's kind lets everything through that its login may do.
const anyStatement = "any"

// checkSQL checks what POST /sql offers, and to whom.
func (l *loader) checkSQL(c Config) {
	l.checkKinds("sql.statements", c.SQL.Statements, false)
	for _, name := range c.SQL.Functions {
		if !functionName.MatchString(name) {
			l.refuse("sql.functions", "%q: a function's name is needed, in lower case and without its schema, such as similarity", name)
		}
	}
	for _, origin := range c.SQL.AllowedOrigins {
		if u, err := url.Parse(origin); err != nil || u.Scheme+"://"+u.Host != origin || u.Host == "" {
			l.refuse("sql.allowed_origins", "%q: an origin is needed, without a path, such as https://app.example.com", origin)
		}
	}
	clients := []string{"client_demo", "client_cli"}
	for _, client := range c.Clients {
		clients = append(clients, client.ID)
	}
	for i, role := range c.SQL.Roles {
		if name := fmt.Sprintf("sql.roles[%d]", i); l.refused[name] == "" {
			l.checkRole(name, role, clients)
		}
	}
}

func (l *loader) checkKinds(key string, kinds []string, all bool) {
	allowed := sqlKinds
	if all {
		allowed = append(slices.Clone(sqlKinds), anyStatement)
	}
	for _, kind := range kinds {
		if !slices.Contains(allowed, kind) {
			l.refuse(key, "%q: allowed are %v", kind, allowed)
		}
	}
}

func (l *loader) checkRole(name string, role SQLRoleConfig, clients []string) {
	for _, key := range []string{".name", ".url_file", ".clients"} {
		if l.places[name+key] == "" {
			l.places[name+key] = l.places[name]
		}
	}
	if role.Name == "" || role.Name == "authenticated" || role.Name == "anonymous" {
		l.refuse(name+".name", "%q: the name of a further role is needed, such as migrator", role.Name)
	}
	if !filepath.IsAbs(role.URLFile) {
		l.refuse(name+".url_file", "the whole path of a file with the role's database URL is needed")
	}
	if len(role.Clients) == 0 {
		l.refuse(name+".clients", "at least one client is needed, whose tokens may take the role")
	}
	for _, client := range role.Clients {
		if !slices.Contains(clients, client) {
			l.refuse(name+".clients", "%q: no such client in clients", client)
		}
	}
	l.checkKinds(name+".statements", role.Statements, true)
}
