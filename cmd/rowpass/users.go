package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"rowpass/db"
)

func (p *program) usersCommand() *cobra.Command {
	return group("users", "Make and list users, give them passwords, and link them with users of providers", "rowpass users create --tenant Acme --email ada@acme.example", p.createUserCommand(), p.listUsersCommand(), p.setPasswordCommand(),
		p.linkUserCommand(), p.unlinkUserCommand(), p.listLinksCommand())
}

func (p *program) createUserCommand() *cobra.Command {
	var tenant, email, name string
	var admin bool
	c := &cobra.Command{
		Use: "create --tenant TENANT --email ADDRESS", Short: "Make a user and print its id", Args: noArgs,
		Example: "  rowpass users create --tenant Acme --email ada@acme.example --admin",
		RunE: func(cmd *cobra.Command, _ []string) error {
			role := "member"
			if admin {
				role = "admin"
			}
			return p.onDirectory(cmd.Context(), "users", func(owner string) error {
				id, err := db.CreateUser(cmd.Context(), owner, tenant, name, email, role)
				if err != nil {
					return fmt.Errorf("making the user: %w", err)
				}
				_, err = fmt.Fprintln(p.stdout, id)
				return err
			})
		},
	}
	c.Flags().StringVar(&tenant, "tenant", "", "the tenant's `id or name`")
	c.Flags().StringVar(&email, "email", "", "the user's e-mail `address`")
	c.Flags().StringVar(&name, "name", "", "the user's `name`")
	c.Flags().BoolVar(&admin, "admin", false, "make the user an admin of the tenant")
	_ = c.MarkFlagRequired("tenant")
	_ = c.MarkFlagRequired("email")
	return c
}

func (p *program) listUsersCommand() *cobra.Command {
	var tenant string
	c := &cobra.Command{
		Use: "list", Short: "List the users of a tenant, or of all", Args: noArgs,
		Example: "  rowpass users list --tenant Acme",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.onDirectory(cmd.Context(), "users", func(owner string) error {
				users, err := db.ListUsers(cmd.Context(), owner, tenant)
				if err != nil {
					return fmt.Errorf("listing the users: %w", err)
				}
				l := p.list("ID", "TENANT", "EMAIL", "ROLE")
				for _, u := range users {
					l.row(u.UserID, u.TenantID, printable(u.Email), u.Role)
				}
				return l.write()
			})
		},
	}
	c.Flags().StringVar(&tenant, "tenant", "", "only this tenant's, by `id or name`")
	return c
}
