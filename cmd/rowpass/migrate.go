package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/spf13/cobra"

	"rowpass/db"
	"rowpass/db/embedded"
	"rowpass/migrations"
)

func (p *program) migrateCommand() *cobra.Command {
	var all, yes bool
	var only string
	up := &cobra.Command{
		Use: "up", Short: "Make the roles, schema auth, the seal and the directory, or bring them up to date", Args: noArgs,
		Example: `  rowpass migrate up
  rowpass migrate up --only auth     # beside tables tenants and users of your own; set database.directory to false, too`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if only != "" && only != "auth" {
				return fmt.Errorf("--only %q: auth is the one set that does without the other", only)
			}
			return p.migrate(cmd.Context(), p.onFreshDatabase, func(m migrations.Config) ([]migrations.Step, error) {
				m.AuthOnly = m.AuthOnly || only == "auth"
				return migrations.Up(cmd.Context(), m)
			})
		},
	}
	up.Flags().StringVar(&only, "only", "", "leave the directory out: `auth`")
	among(up, "only", "auth")
	down := &cobra.Command{
		Use: "down", Short: "Take back the newest step, with the rows that it holds", Args: noArgs,
		Example: "  rowpass migrate down --yes",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !yes {
				return errors.New("this drops tables with their rows; say --yes if that is meant")
			}
			return p.migrate(cmd.Context(), p.onDatabase, func(m migrations.Config) ([]migrations.Step, error) {
				return migrations.Down(cmd.Context(), m, all)
			})
		},
	}
	down.Flags().BoolVar(&all, "all", false, "take back every step")
	down.Flags().BoolVar(&yes, "yes", false, "drop the rows")
	status := &cobra.Command{
		Use: "status", Short: "List the steps and which are applied", Args: noArgs,
		Example: "  rowpass migrate status",
		RunE:    func(cmd *cobra.Command, _ []string) error { return p.migrationStatus(cmd.Context()) },
	}
	harden := &cobra.Command{
		Use: "harden", Short: "Take dangerous functions of PostgreSQL from PUBLIC, a second wall behind the check of SQL", Args: noArgs,
		Long: `Take from PUBLIC, in this database, the functions of PostgreSQL by which a caller's SQL could leave its role or reach
others: set_config, large objects, advisory locks, pg_notify, pg_sleep and their like. The owner keeps them all. Other programs
that use the database may miss one: try it before on a copy. It needs a superuser in database.url; what is not permitted, as on
hosted servers, is listed. On the embedded PostgreSQL it is done by itself.`,
		Example: "  rowpass migrate harden",
		RunE:    func(cmd *cobra.Command, _ []string) error { return p.harden(cmd.Context()) },
	}
	return group("migrate", "Make and change the roles, functions and tables of rowpass in the database", "rowpass migrate up", up, down, status, harden)
}

// onLogins runs a command on a database and lets go of it afterwards.
type onLogins func(context.Context, func(Config, logins) error) error

func (p *program) migrate(ctx context.Context, on onLogins, operation func(migrations.Config) ([]migrations.Step, error)) error {
	return on(ctx, func(c Config, l logins) error {
		if _, err := l.ownerURL("migrate"); err != nil {
			return err
		}
		if l.server != nil {
			fmt.Fprintf(p.stderr, "on the private PostgreSQL in %s, since database.url is not set\n", c.StateDir)
		}
		steps, err := operation(migrationsConfig(c, l, p.quiet()))
		if err == nil || len(steps) > 0 {
			p.printSteps(steps)
		}
		return err
	})
}

func migrationsConfig(c Config, l logins, log *slog.Logger) migrations.Config {
	return migrations.Config{
		OwnerURL: l.owner, GatewayURL: l.gateway, ServiceURL: l.service, AuthOnly: !c.Database.Directory,
		AuthSchema: c.Database.AuthSchema, Log: log,
	}
}

func (p *program) migrationStatus(ctx context.Context) error {
	return p.onDatabase(ctx, func(c Config, l logins) error {
		steps, err := migrations.Status(ctx, l.stateURL(), !c.Database.Directory)
		if err == nil {
			p.printSteps(steps)
		}
		return err
	})
}

func (p *program) harden(ctx context.Context) error {
	return p.onDatabase(ctx, func(_ Config, l logins) error {
		if _, err := l.ownerURL("migrate harden"); err != nil {
			return err
		}
		done, err := hardenDatabase(ctx, l)
		rights := p.list()
		for _, h := range done {
			state := "revoked from PUBLIC"
			if !h.Revoked {
				state = "not permitted: only a superuser may"
			}
			rights.row(h.Right, rights.ink.outcome(state))
		}
		if err == nil && len(done) == 0 {
			rights.row("nothing to do")
		}
		err = errors.Join(err, rights.write())
		if slices.ContainsFunc(done, func(h migrations.Hardening) bool { return !h.Revoked }) {
			fmt.Fprintln(p.stderr, "what is not permitted needs a superuser: ROWPASS_DATABASE_URL=postgres://postgres:…@host/database rowpass migrate harden; on a hosted server nobody may")
		}
		return err
	})
}

// hardenDatabase works as the superuser of an embedded PostgreSQL, and elsewhere as the owner.
func hardenDatabase(ctx context.Context, l logins) ([]migrations.Hardening, error) {
	superuser := l.owner
	if l.server != nil {
		superuser = l.server.URL(embedded.Superuser, embeddedDatabase)
	}
	return migrations.Harden(ctx, migrations.HardenConfig{
		SuperuserURL: superuser, Setters: []string{db.LoginOf(l.gateway)},
	})
}

// stateURL is the login that can read the version tables.
func (l logins) stateURL() string {
	if l.owner != "" {
		return l.owner
	}
	return l.service
}

func (p *program) printSteps(steps []migrations.Step) {
	if len(steps) == 0 {
		fmt.Fprintln(p.stdout, "nothing to do")
		return
	}
	l := p.list()
	for _, s := range steps {
		state := "not applied"
		if s.Applied {
			state = "applied"
		}
		l.row(s.Set, s.Name, l.ink.outcome(state))
	}
	_ = l.write()
}

// migrateAtStart brings the database up to date, or refuses one that is not.
func migrateAtStart(ctx context.Context, c Config, l logins, log *slog.Logger) error {
	if l.owner != "" && c.Database.MigrateOnStart {
		m := migrationsConfig(c, l, log)
		m.KeepPasswords = l.server == nil
		steps, err := migrations.Up(ctx, m)
		for _, s := range steps {
			log.InfoContext(ctx, "migrated", "set", s.Set, "step", s.Name)
		}
		if err == nil && l.server != nil {
			_, err = hardenDatabase(ctx, l)
		}
		return err
	}
	steps, err := migrations.Status(ctx, l.stateURL(), !c.Database.Directory)
	if err != nil {
		return err
	}
	if migrations.Pending(steps) {
		return errors.New("the database is not up to date; run rowpass migrate up where the owner's login is, or set database.migrate_on_start")
	}
	return nil
}
