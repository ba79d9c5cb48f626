package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"rowpass/db"
	"rowpass/db/embedded"
	"rowpass/migrations"
)

func (p *program) migrateCommand() *cobra.Command {
	var all, yes bool
	up := &cobra.Command{
		Use: "up", Short: "Make the roles, schema auth, the seal and the directory, or bring them up to date", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.migrate(cmd.Context(), func(m migrations.Config) ([]migrations.Step, error) {
				return migrations.Up(cmd.Context(), m)
			})
		},
	}
	down := &cobra.Command{
		Use: "down", Short: "Take back the newest step, with the rows that it holds", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !yes {
				return errors.New("this drops tables with their rows; say --yes if that is meant")
			}
			return p.migrate(cmd.Context(), func(m migrations.Config) ([]migrations.Step, error) {
				return migrations.Down(cmd.Context(), m, all)
			})
		},
	}
	down.Flags().BoolVar(&all, "all", false, "take back every step")
	down.Flags().BoolVar(&yes, "yes", false, "drop the rows")
	status := &cobra.Command{
		Use: "status", Short: "List the steps and which are applied", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.migrationStatus(cmd.Context()) },
	}
	harden := &cobra.Command{
		Use: "harden", Short: "Take dangerous functions of PostgreSQL from PUBLIC, a second wall behind the check of SQL", Args: cobra.NoArgs,
		Long: `Take from PUBLIC, in this database, the functions of PostgreSQL by which a caller's SQL could leave its role or reach
others: set_config, large objects, advisory locks, pg_notify, pg_sleep and their like. The owner keeps them all. Other programs
that use the database may miss one: try it before on a copy. It needs a superuser in database.url; what is not permitted, as on
hosted servers, is listed. On the embedded PostgreSQL it is done by itself.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.harden(cmd.Context()) },
	}
	return group("migrate", "Make and change the roles, functions and tables of rowpass in the database", up, down, status, harden)
}

func (p *program) migrate(ctx context.Context, operation func(migrations.Config) ([]migrations.Step, error)) error {
	return p.onDatabase(ctx, func(_ Config, l logins) error {
		owner, err := l.ownerURL("migrate")
		if err != nil {
			return err
		}
		steps, err := operation(migrations.Config{OwnerURL: owner, GatewayURL: l.gateway, ServiceURL: l.service, Log: p.quiet()})
		if err == nil || len(steps) > 0 {
			p.printSteps(steps)
		}
		return err
	})
}

func (p *program) migrationStatus(ctx context.Context) error {
	return p.onDatabase(ctx, func(_ Config, l logins) error {
		steps, err := migrations.Status(ctx, l.stateURL())
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
		w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		for _, h := range done {
			state := "revoked from PUBLIC"
			if !h.Revoked {
				state = "not permitted: only a superuser may"
			}
			fmt.Fprintf(w, "%s\t%s\n", h.Right, state)
		}
		if err == nil && len(done) == 0 {
			fmt.Fprintln(w, "nothing to do")
		}
		return errors.Join(err, w.Flush())
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
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	for _, s := range steps {
		state := "not applied"
		if s.Applied {
			state = "applied"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", s.Set, s.Name, state)
	}
	_ = w.Flush()
}

// migrateAtStart brings the database up to date, or refuses one that is not.
func migrateAtStart(ctx context.Context, c Config, l logins, log *slog.Logger) error {
	if l.owner != "" && c.Database.MigrateOnStart {
		steps, err := migrations.Up(ctx, migrations.Config{OwnerURL: l.owner, GatewayURL: l.gateway, ServiceURL: l.service, Log: log})
		for _, s := range steps {
			log.InfoContext(ctx, "migrated", "set", s.Set, "step", s.Name)
		}
		if err == nil && l.server != nil {
			_, err = hardenDatabase(ctx, l)
		}
		return err
	}
	steps, err := migrations.Status(ctx, l.stateURL())
	if err != nil {
		return err
	}
	if migrations.Pending(steps) {
		return errors.New("the database is not up to date; run rowpass migrate up where the owner's login is, or set database.migrate_on_start")
	}
	return nil
}
