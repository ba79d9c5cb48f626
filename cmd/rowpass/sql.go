package main

import (
	"context"
	"fmt"
	"runtime"

	"rowpass/api"
	"rowpass/db"
	"rowpass/statement"
)

// verdicts is how many texts of statements are remembered as checked.
const verdicts = 10_000

// openSQL prepares POST /sql, or returns nil where it is off; a demo's playground needs it. The parser takes seconds to compile, so that it is warmed up in
// the background; a request that comes before waits for it.
func openSQL(ctx context.Context, c Config, l logins, d *db.DB) (*api.SQLConfig, error) {
	if !c.SQL.Enabled && !c.Issuer.Demo {
		return nil, nil
	}
	roles, err := sqlRoles(c.SQL)
	if err != nil {
		return nil, err
	}
	checker, err := statement.NewChecker(statement.Config{CacheSize: verdicts, AuthSchema: c.Database.AuthSchema})
	if err != nil {
		return nil, err
	}
	go checker.Warm(ctx)
	strangers, err := openStrangers(ctx, c, l, d)
	if err != nil {
		return nil, err
	}
	return &api.SQLConfig{
		Strangers: strangers, Checker: checker, Rules: roles, Database: d.Name(),
		AllowedOrigins: c.SQL.AllowedOrigins, MaxRequestBytes: int64(c.SQL.MaxRequestBytes), MaxResponseBytes: c.SQL.MaxResponseBytes,
		MaxRows: c.SQL.MaxRows, MaxQueries: c.SQL.MaxQueries, PerSubject: c.SQL.PerSubject,
	}, nil
}

func openStrangers(ctx context.Context, c Config, l logins, d *db.DB) (*db.Strangers, error) {
	config := db.StrangersConfig{
		GatewayURL: l.gateway, MaxConns: c.SQL.MaxConns, Timeout: c.SQL.Timeout,
		MaxMessage: c.SQL.MaxResponseBytes + 1<<20, // a row of an answer, with what the protocol adds
	}
	if config.MaxConns == 0 {
		config.MaxConns = c.maxConns(runtime.GOMAXPROCS(0))
	}
	for _, role := range c.SQL.Roles {
		url, err := readSecret(role.URLFile)
		if err != nil {
			return nil, fmt.Errorf("sql.roles: url_file of %s: %w", role.Name, err)
		}
		config.RoleURLs = append(config.RoleURLs, db.RoleURL{Role: role.Name, URL: url})
	}
	return db.OpenStrangers(ctx, d, config)
}

// sqlRoles says who may send what.
func sqlRoles(c SQLConfig) (map[string]api.SQLRole, error) {
	callers := &statement.Rules{Kinds: kinds(c.Statements), Functions: c.Functions}
	if err := callers.Validate(); err != nil {
		return nil, fmt.Errorf("sql: %w", err)
	}
	roles := map[string]api.SQLRole{"authenticated": {Rules: callers}}
	if c.Anonymous {
		roles["anonymous"] = api.SQLRole{Rules: callers}
	}
	for _, role := range c.Roles {
		rules := callers
		if len(role.Statements) > 0 {
			rules = &statement.Rules{Kinds: kinds(role.Statements), Functions: c.Functions}
		}
		if err := rules.Validate(); err != nil {
			return nil, fmt.Errorf("sql.roles: %s: %w", role.Name, err)
		}
		roles[role.Name] = api.SQLRole{Rules: rules, Clients: role.Clients}
	}
	return roles, nil
}

func kinds(names []string) []statement.Kind {
	all := make([]statement.Kind, len(names))
	for i, name := range names {
		all[i] = statement.Kind(name)
	}
	return all
}
