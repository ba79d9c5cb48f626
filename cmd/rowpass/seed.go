package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"rowpass/db"
	"rowpass/seed"
)

func (p *program) seedCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "seed",
		Short:   "Add the demo's tenants, users and todos; what is there stays as it is",
		Args:    noArgs,
		Example: "  rowpass seed",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.onDirectory(cmd.Context(), "seed", func(owner string) error {
				if err := db.Seed(cmd.Context(), owner, seed.SQL, false); err != nil {
					return fmt.Errorf("seeding: %w", err)
				}
				_, err := fmt.Fprintln(p.stdout, "seeded: tenants Acme and Globex, users admin@ and member@ of acme.example and globex.example")
				return err
			})
		},
	}
}
