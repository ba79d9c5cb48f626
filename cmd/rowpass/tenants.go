package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"rowpass/db"
)

func (p *program) tenantsCommand() *cobra.Command {
	create := &cobra.Command{
		Use: "create NAME", Short: "Make a tenant and print its id", Args: one("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.asOwner(cmd.Context(), "tenants", func(owner string) error {
				id, err := db.CreateTenant(cmd.Context(), owner, args[0])
				if err != nil {
					return fmt.Errorf("making the tenant: %w", err)
				}
				_, err = fmt.Fprintln(p.stdout, id)
				return err
			})
		},
	}
	list := &cobra.Command{
		Use: "list", Short: "List the tenants", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.asOwner(cmd.Context(), "tenants", func(owner string) error {
				tenants, err := db.ListTenants(cmd.Context(), owner)
				if err != nil {
					return fmt.Errorf("listing the tenants: %w", err)
				}
				w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
				fmt.Fprintln(w, "ID\tNAME\tUSERS")
				for _, t := range tenants {
					fmt.Fprintf(w, "%s\t%s\t%d\n", t.ID, printable(t.Name), t.Users)
				}
				return w.Flush()
			})
		},
	}
	return group("tenants", "Make and list tenants", create, list)
}
