package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"

	"rowpass/db"
	"rowpass/db/embedded"
	"rowpass/migrations"
)

// The embedded cluster's database and logins. The first one owns the database.
const (
	embeddedDatabase = "rowpass"
	embeddedOwner    = "rowpass_owner"
	embeddedGateway  = "rowpass_gateway"
	embeddedService  = "rowpass_service"
)

// logins is how the three roles reach the database.
type logins struct {
	owner   string // empty where this instance has no owner's login
	gateway string
	service string
	server  *embedded.Server // nil where the database is somebody else's
}

// serverLogins starts the embedded PostgreSQL, or names the configured one.
func serverLogins(ctx context.Context, c Config, log *slog.Logger) (logins, error) {
	if !c.embeddedMode() {
		return configuredLogins(c), nil
	}
	clearPostgresEnvironment()
	server, err := embedded.Start(ctx, embeddedConfig(c, log))
	if errors.Is(err, embedded.ErrSupervised) {
		return logins{}, fmt.Errorf("%w; end that one, or give this one a folder of its own: --set state_dir=FOLDER", err)
	}
	if err != nil {
		return logins{}, err
	}
	return embeddedLogins(server), nil
}

// commandLogins is freshLogins for a command that has nothing to do in an empty database.
func commandLogins(ctx context.Context, c Config, log *slog.Logger) (logins, error) {
	if c.embeddedMode() && !embedded.Exists(c.StateDir) {
		return logins{}, fmt.Errorf("no database: database.url is not set, and there is no private PostgreSQL in %s; rowpass serve makes one", c.StateDir)
	}
	return freshLogins(ctx, c, log)
}

// freshLogins is serverLogins for a command that is over soon: it joins a PostgreSQL that rowpass serve has running.
func freshLogins(ctx context.Context, c Config, log *slog.Logger) (logins, error) {
	if !c.embeddedMode() {
		return configuredLogins(c), nil
	}
	clearPostgresEnvironment()
	server, err := embedded.Attach(ctx, embeddedConfig(c, log))
	if errors.Is(err, embedded.ErrNotRunning) {
		return serverLogins(ctx, c, log)
	}
	if err != nil {
		return logins{}, err
	}
	return embeddedLogins(server), nil
}

// isRunning says whether a rowpass serve has the private PostgreSQL running.
func isRunning(ctx context.Context, c Config) bool {
	_, err := embedded.Attach(ctx, embeddedConfig(c, slog.New(slog.DiscardHandler)))
	return err == nil
}

func configuredLogins(c Config) logins {
	return logins{owner: string(c.Database.URL), gateway: string(c.Database.GatewayURL), service: string(c.serviceURL())}
}

func embeddedLogins(s *embedded.Server) logins {
	return logins{
		owner:   s.URL(embeddedOwner, embeddedDatabase),
		gateway: s.URL(embeddedGateway, embeddedDatabase),
		service: s.URL(embeddedService, embeddedDatabase),
		server:  s,
	}
}

func embeddedConfig(c Config, log *slog.Logger) embedded.Config {
	return embedded.Config{
		StateDir: c.StateDir, BinDir: c.Embedded.BinDir, OSUser: c.Embedded.OSUser,
		Logins: []string{embeddedOwner, embeddedGateway, embeddedService}, Database: embeddedDatabase, Log: log,
	}
}

// clearPostgresEnvironment keeps the variables of the user's psql (PGSERVICE, PGHOST …) out of our own connections.
func clearPostgresEnvironment() {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "PG") {
			_ = os.Unsetenv(name)
		}
	}
}

// stop ends the embedded PostgreSQL, if this process started it.
func (l logins) stop(ctx context.Context) error {
	if l.server == nil {
		return nil
	}
	return l.server.Stop(context.WithoutCancel(ctx))
}

// ownerURL is the owner's login, which the command named needs.
func (l logins) ownerURL(command string) (string, error) {
	if l.owner == "" {
		return "", fmt.Errorf("rowpass %s works as the owner: set database.url", command)
	}
	return l.owner, nil
}

// onDatabase runs a command on the configured database and lets go of it afterwards.
func (p *program) onDatabase(ctx context.Context, f func(Config, logins) error) error {
	return p.on(ctx, commandLogins, f)
}

// onFreshDatabase is onDatabase for a command that may be the first: a private PostgreSQL is made where there is none.
func (p *program) onFreshDatabase(ctx context.Context, f func(Config, logins) error) error {
	return p.on(ctx, freshLogins, f)
}

func (p *program) on(ctx context.Context, open func(context.Context, Config, *slog.Logger) (logins, error), f func(Config, logins) error) error {
	c, err := p.config()
	if err != nil {
		return err
	}
	l, err := open(ctx, c, p.quiet())
	if err != nil {
		return err
	}
	return errors.Join(f(c, l), l.stop(ctx))
}

// asOwner is onDatabase for a command that needs the owner's login.
func (p *program) asOwner(ctx context.Context, command string, f func(ownerURL string) error) error {
	return p.onDatabase(ctx, func(_ Config, l logins) error {
		owner, err := l.ownerURL(command)
		if err != nil {
			return err
		}
		return f(owner)
	})
}

// errNoDirectory is for commands on users that rowpass doesn't keep.
var errNoDirectory = errors.New("database.directory is false: rowpass keeps no tenants and users here")

// onDirectory is asOwner for a command on tenants and users.
func (p *program) onDirectory(ctx context.Context, command string, f func(ownerURL string) error) error {
	return p.onDatabase(ctx, func(c Config, l logins) error {
		owner, err := l.ownerURL(command)
		if err == nil && !c.Database.Directory {
			err = errNoDirectory
		}
		if err != nil {
			return err
		}
		return unmigrated(ctx, c, l, f(owner))
	})
}

// unmigrated says what is behind an error where nothing of rowpass is in the database yet.
func unmigrated(ctx context.Context, c Config, l logins, err error) error {
	if err == nil {
		return nil
	}
	steps, failed := migrations.Status(ctx, l.stateURL(), !c.Database.Directory)
	if failed == nil && !slices.ContainsFunc(steps, func(s migrations.Step) bool { return s.Applied }) {
		return errors.New("this database is not migrated yet: run rowpass migrate up, or rowpass serve, which does it first")
	}
	return err
}

// onState is onDatabase for a command on what rowpass keeps for itself, which needs no more than the service's login.
func (p *program) onState(ctx context.Context, f func(Config, *db.State) error) error {
	return p.onDatabase(ctx, func(c Config, l logins) error {
		state, err := openState(ctx, c, l, p.quiet())
		if err != nil {
			return err
		}
		defer state.Close()
		return unmigrated(ctx, c, l, f(c, state))
	})
}

// openDB opens the requests' pool with what the configuration says of them.
func openDB(ctx context.Context, c Config, l logins, log *slog.Logger) (*db.DB, error) {
	var key []byte
	if l.owner == "" {
		var err error
		if key, err = hex.DecodeString(string(c.Database.SealKey)); err != nil || len(key) != db.SealKeySize {
			return nil, errors.New("database.seal_key: 64 hex digits are needed, as rowpass seal export prints them where the owner's login is")
		}
	}
	return db.Open(ctx, db.Config{
		GatewayURL: l.gateway, OwnerURL: l.owner, SealKey: key,
		MaxConns: c.maxConns(runtime.GOMAXPROCS(0)), QueryExecMode: c.Database.QueryExecMode,
		StatementTimeout: c.Database.StatementTimeout, AuthSchema: c.Database.AuthSchema, Log: log,
	})
}

// openState opens what rowpass keeps for itself.
func openState(ctx context.Context, c Config, l logins, log *slog.Logger) (*db.State, error) {
	return db.OpenState(ctx, stateConfig(c, l, log))
}

// openFollowedState is openState with connections of its own: what follows revocations must not wait for requests.
func openFollowedState(ctx context.Context, c Config, l logins, log *slog.Logger) (*db.State, error) {
	config := stateConfig(c, l, log)
	config.MaxConns = 2
	return db.OpenState(ctx, config)
}

func stateConfig(c Config, l logins, log *slog.Logger) db.StateConfig {
	return db.StateConfig{URL: l.service, QueryExecMode: c.Database.QueryExecMode, Timeout: c.Database.StatementTimeout, Log: log}
}
