package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"rowpass/db"
)

func (p *program) tenantsCommand() *cobra.Command {
	create := &cobra.Command{
		Use: "create NAME", Short: "Make a tenant and print its id", Args: one("NAME"),
		Example: "  rowpass tenants create Acme",
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.onDirectory(cmd.Context(), "tenants", func(owner string) error {
				id, err := db.CreateTenant(cmd.Context(), owner, args[0])
				if err != nil {
					return fmt.Errorf("making the tenant: %w", err)
				}
				p.warnOfNamesake(cmd.Context(), owner, args[0])
				_, err = fmt.Fprintln(p.stdout, id)
				return err
			})
		},
	}
	list := &cobra.Command{
		Use: "list", Short: "List the tenants", Args: noArgs,
		Example: "  rowpass tenants list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.onDirectory(cmd.Context(), "tenants", func(owner string) error {
				tenants, err := db.ListTenants(cmd.Context(), owner)
				if err != nil {
					return fmt.Errorf("listing the tenants: %w", err)
				}
				l := p.list("ID", "NAME", "USERS")
				for _, t := range tenants {
					l.row(t.ID, printable(t.Name), fmt.Sprint(t.Users))
				}
				return l.write()
			})
		},
	}
	return group("tenants", "Make and list tenants", "rowpass tenants list", create, list)
}

// warnOfNamesake tells whoever has made a tenant that a name doesn't name it any more. What cannot be found out does no harm.
func (p *program) warnOfNamesake(ctx context.Context, owner, name string) {
	tenants, _ := db.ListTenants(ctx, owner)
	n := 0
	for _, t := range tenants {
		if t.Name == name {
			n++
		}
	}
	if n > 1 {
		fmt.Fprintf(p.stderr, "note: %d tenants are named %s now; name this one by its id\n", n, printable(name))
	}
}
