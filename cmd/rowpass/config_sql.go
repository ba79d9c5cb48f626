package main

import (
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
)

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
