package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rowpass/db"
	"rowpass/token"
)

// linkFlags name a provider's user, and one of ours among several of an address.
type linkFlags struct {
	provider, subject, tenant string
}

func (p *program) withLink(f *linkFlags, c *cobra.Command) *cobra.Command {
	c.Flags().StringVar(&f.provider, "provider", "", "the provider's `name` in the configuration")
	c.Flags().StringVar(&f.subject, "subject", "", "the user's `id` there: sub in its tokens")
	c.Flags().StringVar(&f.tenant, "tenant", "", "the tenant's `id`, where the address stands in several")
	_ = c.RegisterFlagCompletionFunc("provider", p.anywhere(providerNames))
	_ = c.MarkFlagRequired("provider")
	_ = c.MarkFlagRequired("subject")
	return c
}

func (p *program) linkUserCommand() *cobra.Command {
	f := &linkFlags{}
	return p.withLink(f, &cobra.Command{
		Use: "link USER --provider NAME --subject SUB", Short: "Let a provider's user have tokens as a user, by id or e-mail address", Args: one("USER"),
		Example: "  rowpass users link admin@acme.example --provider clerk --subject user_2ab3cd",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.checkSubject(); err != nil {
				return err
			}
			return p.onLink(cmd.Context(), f, args[0], func(c Config, state *db.State, i db.Identity, user db.Entry) error {
				if err := checkLinked(c, f.provider); err != nil {
					return err
				}
				err := state.LinkIdentity(cmd.Context(), i, user.UserID)
				if errors.Is(err, db.ErrConflict) {
					return fmt.Errorf("%s of %s is somebody else in tenant %s already: rowpass users links shows whom; take that back with rowpass users unlink first",
						printable(i.Subject), i.Provider, user.TenantID)
				}
				if err != nil {
					return fmt.Errorf("linking %s: %w", user.UserID, err)
				}
				if err := recordLink(cmd.Context(), state, "link", i, user); err != nil {
					return err
				}
				_, err = fmt.Fprintf(p.stdout, "%s of %s is %s (%s), of tenant %s\n", printable(i.Subject), i.Provider, printable(user.Email), user.UserID, user.TenantID)
				return err
			})
		},
	})
}

func (p *program) unlinkUserCommand() *cobra.Command {
	f := &linkFlags{}
	return p.withLink(f, &cobra.Command{
		Use: "unlink USER --provider NAME --subject SUB", Short: "Take such a link back; the user's sessions end", Args: one("USER"),
		Example: "  rowpass users unlink admin@acme.example --provider clerk --subject user_2ab3cd",
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.onLink(cmd.Context(), f, args[0], func(_ Config, state *db.State, i db.Identity, user db.Entry) error {
				err := state.UnlinkIdentity(cmd.Context(), i, user.UserID)
				if errors.Is(err, db.ErrNotFound) {
					return fmt.Errorf("%s of %s is not linked with %s; rowpass users links shows who is", printable(i.Subject), i.Provider, user.UserID)
				}
				if err != nil {
					return fmt.Errorf("unlinking %s: %w", user.UserID, err)
				}
				if err := recordLink(cmd.Context(), state, "unlink", i, user); err != nil {
					return err
				}
				_, err = fmt.Fprintf(p.stdout, "%s of %s is %s no more; all tokens of the latter that are out are void\n",
					printable(i.Subject), i.Provider, printable(user.Email))
				return err
			})
		},
	})
}

func (p *program) listLinksCommand() *cobra.Command {
	return &cobra.Command{
		Use: "links", Short: "List which users of providers are which of ours", Args: noArgs,
		Example: "  rowpass users links",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.onDirectory(cmd.Context(), "users", func(owner string) error {
				links, err := db.Links(cmd.Context(), owner)
				if err != nil {
					return fmt.Errorf("listing the links: %w", err)
				}
				all := p.list("PROVIDER", "SUBJECT", "USER", "TENANT", "EMAIL", "LINKED", "BY")
				for _, l := range links {
					by := "command"
					if l.ByAddress {
						by = "address"
					}
					all.row(l.Provider, printable(l.Subject), l.UserID, l.TenantID, printable(l.Email), timeText(l.LinkedAt), by)
				}
				return all.write()
			})
		},
	}
}

// onLink looks up whom a link is about.
func (p *program) onLink(ctx context.Context, f *linkFlags, who string, do func(Config, *db.State, db.Identity, db.Entry) error) error {
	if err := checkTenantID(f.tenant); err != nil {
		return err
	}
	if f.subject == "" {
		return errors.New("--subject is empty: it is sub in the tokens of the provider's user")
	}
	return p.onState(ctx, func(c Config, state *db.State) error {
		user, err := findUser(ctx, c, state, who, f.tenant)
		if err != nil {
			return err
		}
		return do(c, state, db.Identity{Provider: f.provider, Subject: f.subject}, user)
	})
}

// auth0Subject is a sub of Auth0's, which is the kind of connection and the user's id there.
var auth0Subject = regexp.MustCompile(`^(auth0|google-oauth2|apple|github|windowslive|samlp|oauth2|oidc|waad|ad|adfs)\|`)

// checkSubject refuses what no sub can be, and what auth.user_id() would be in its place. The former link can still be taken
// back.
func (f *linkFlags) checkSubject() error {
	if strings.TrimSpace(f.subject) != f.subject {
		return fmt.Errorf("--subject %q: there is a space before or behind it; give it as it stands in sub", printable(f.subject))
	}
	bare, prefixed := strings.CutPrefix(f.subject, f.provider+"|")
	if !prefixed || f.provider == "auth0" && !auth0Subject.MatchString(bare) {
		return nil
	}
	return fmt.Errorf("--subject %q: this is auth.user_id(); give the bare sub: %s", printable(f.subject), printable(cmp.Or(bare, "user_2abc")))
}

// checkLinked refuses a link that nothing would come of.
func checkLinked(c Config, name string) error {
	i := slices.IndexFunc(c.Providers, func(p ProviderConfig) bool { return p.Name == name })
	if i < 0 {
		return fmt.Errorf("there is no provider %q in the configuration; rowpass providers list shows them", name)
	}
	if users := c.Providers[i].Users; users != "linked" && users != "email" {
		return fmt.Errorf("tokens of %s are not exchanged by links: set users to linked or email in its block", name)
	}
	return nil
}

func recordLink(ctx context.Context, state *db.State, event string, i db.Identity, user db.Entry) error {
	return state.WriteEvents(ctx, []db.Event{{
		At: time.Now(), Name: event, Outcome: "ok", Subject: user.UserID, ClientID: token.ClientCLI, Tenant: user.TenantID,
		Reason: i.Subject + " of " + i.Provider,
	}})
}
