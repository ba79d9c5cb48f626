package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"text/tabwriter"

	"github.com/spf13/cobra"

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
	return group("migrate", "Change what rowpass keeps in the database", up, down, status)
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
