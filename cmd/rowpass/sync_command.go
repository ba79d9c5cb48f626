package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rowpass/identity"
)

func (p *program) syncCommand() *cobra.Command {
	return group("sync", "User profiles of providers in neon_identity.users_sync", "rowpass sync status",
		p.syncStatusCommand(), p.reconcileCommand(true), p.reconcileCommand(false), p.deadEventsCommand(), p.retryEventsCommand(),
		p.discardEventsCommand(), p.purgeProfileCommand(), p.syncPresetsCommand())
}

// onProfiles runs a command on the configured sources.
func (p *program) onProfiles(ctx context.Context, f func(*profiles) error) error {
	return p.onDatabase(ctx, func(c Config, l logins) error {
		opened, err := openProfiles(ctx, c, l, p.quiet())
		if err != nil {
			return err
		}
		if opened == nil {
			return errors.New("no source is configured: list one under sync.sources; rowpass sync presets lists the makes")
		}
		defer opened.Close()
		return f(opened)
	})
}

// named is the source of an argument, or all of them where there is none.
func (p *profiles) named(args []string) ([]source, error) {
	if len(args) == 0 {
		return p.sources, nil
	}
	i := slices.IndexFunc(p.sources, func(s source) bool { return s.Name() == args[0] })
	if i < 0 {
		var names []string
		for _, s := range p.sources {
			names = append(names, s.Name())
		}
		return nil, fmt.Errorf("there is no source %q in the configuration; there are: %s", printable(args[0]), strings.Join(names, ", "))
	}
	return p.sources[i : i+1], nil
}

// nameOf is the source's name, or "" for all.
func (p *profiles) nameOf(args []string) (string, error) {
	found, err := p.named(args)
	if err != nil || len(args) == 0 {
		return "", err
	}
	return found[0].Name(), nil
}

func (p *program) syncStatusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status [SOURCE]", Short: "Say how each source fares", Args: upToOne("SOURCE"), ValidArgsFunction: p.names(sourceNames),
		Example: "  rowpass sync status",
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.onProfiles(cmd.Context(), func(all *profiles) error {
				name, err := all.nameOf(args)
				if err != nil {
					return err
				}
				status, err := all.Status(cmd.Context())
				if err != nil {
					return err
				}
				l := p.list("SOURCE", "USERS", "PROVISIONAL", "DELETED", "WAITING", "LAG", "DEAD", "LAST EVENT", "RECEIVED", "RECONCILED", "DRIFT")
				for _, s := range status {
					if name == "" || name == s.Source {
						l.row(s.Source, fmt.Sprint(s.Live), fmt.Sprint(s.Provisional), fmt.Sprint(s.Deleted), fmt.Sprint(s.Pending),
							s.Lag.Round(time.Millisecond).String(), l.ink.fault(s.Dead), orNever(s.LastEvent), orNever(s.LastReceived), orNever(s.LastReconciled), l.ink.fault(s.Drift))
					}
				}
				return l.write()
			})
		},
	}
}

func orNever(at time.Time) string {
	if at.IsZero() {
		return "never"
	}
	return at.UTC().Format(time.RFC3339)
}

func (p *program) deadEventsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "dead [SOURCE]", Short: "List the events that could not be read, and why", Args: upToOne("SOURCE"), ValidArgsFunction: p.names(sourceNames),
		Example: "  rowpass sync dead clerk",
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.onProfiles(cmd.Context(), func(all *profiles) error {
				name, err := all.nameOf(args)
				if err != nil {
					return err
				}
				events, err := all.Dead(cmd.Context(), name)
				if err != nil {
					return err
				}
				l := p.list("SOURCE", "RECEIVED", "TRIED", "EVENT", "REASON")
				for _, e := range events {
					l.row(e.Source, orNever(e.Received), fmt.Sprint(e.Attempts), printable(e.ID), printable(e.Reason))
				}
				return l.write()
			})
		},
	}
}

func (p *program) retryEventsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "retry [SOURCE]", Short: "Have the events read once more that could not be", Args: upToOne("SOURCE"), ValidArgsFunction: p.names(sourceNames),
		Example: "  rowpass sync retry clerk",
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.onProfiles(cmd.Context(), func(all *profiles) error {
				name, err := all.nameOf(args)
				if err != nil {
					return err
				}
				n, err := all.Retry(cmd.Context(), name)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(p.stdout, "to be read again: %d; rowpass serve does it\n", n)
				return err
			})
		},
	}
}

func (p *program) discardEventsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "discard SOURCE [EVENT]...", Short: "Let events go that could not be read", Args: aSource, ValidArgsFunction: p.names(sourceNames),
		Long: `Let events go that could not be read, all of a source's or those that are named as rowpass sync dead lists them. This cannot be taken
back. Where they were about users who changed, rowpass sync reconcile brings the rows up to date. By themselves they go after 30 days.`,
		Example: `  rowpass sync discard clerk
  rowpass sync discard clerk msg_2ab3cd msg_2ab3ce`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.onProfiles(cmd.Context(), func(all *profiles) error {
				name, err := all.nameOf(args)
				if err != nil {
					return err
				}
				events := slices.Compact(slices.Sorted(slices.Values(args[1:])))
				n, err := all.Discard(cmd.Context(), name, events...)
				if err != nil {
					return err
				}
				if _, err := fmt.Fprintf(p.stdout, "discarded: %d\n", n); err != nil {
					return err
				}
				if named := int64(len(events)); n < named {
					return fmt.Errorf("%d of the %d events are not dead events of source %s; rowpass sync dead %s lists those", named-n, named, name, name)
				}
				return nil
			})
		},
	}
}

// aSource wants one at least: what is discarded for all sources at once may be more than was meant.
func aSource(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("%s wants a SOURCE, and may have the EVENTs to discard behind it", c.CommandPath())
	}
	return nil
}

func (p *program) purgeProfileCommand() *cobra.Command {
	var user string
	var allow bool
	c := &cobra.Command{
		Use: "purge --user ID", Short: "Remove what is kept of a user for good", Args: noArgs,
		Long: `Remove a user's profile, and what waiting events say, for good. What the provider, its list or a token says of the user later is
not taken: a hash of the id is kept, and nothing else. Rows of your own tables stay; so does the user at the provider.`,
		Example: `  rowpass sync purge --user 'clerk|user_2ab3cd'                    # the id in neon_identity.users_sync
  rowpass sync purge --user 'clerk|user_2ab3cd' --allow-return     # it may come back with the next event`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.onProfiles(cmd.Context(), func(all *profiles) error {
				text := "purged"
				act := all.Purge
				if allow {
					act, text = all.Unpurge, "may come back"
				}
				found, err := act(cmd.Context(), user)
				if err != nil {
					return err
				}
				if !found {
					text += "; nothing was known of it"
				}
				_, err = fmt.Fprintf(p.stdout, "%s: %s\n", printable(user), text)
				return err
			})
		},
	}
	c.Flags().StringVar(&user, "user", "", "the `id` in neon_identity.users_sync")
	c.Flags().BoolVar(&allow, "allow-return", false, "let a user who was purged come back")
	_ = c.MarkFlagRequired("user")
	return c
}

func (p *program) syncPresetsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "presets", Short: "List the makes of provider that are known", Args: noArgs,
		Example: "  rowpass sync presets",
		RunE: func(*cobra.Command, []string) error {
			l := p.list("PRESET", "NAME", "SIGNATURES", "NEEDS")
			for _, preset := range identity.Presets() {
				l.row(preset.ID, preset.Name, cmp.Or(strings.Join(preset.Signatures, ", "), "no events"), cmp.Or(strings.Join(preset.Needs, ", "), "nothing"))
			}
			return l.write()
		},
	}
}
