package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"rowpass/keys"
	"rowpass/token"
)

func (p *program) testProvidersCommand() *cobra.Command {
	var raw string
	c := &cobra.Command{
		Use: "test [NAME]", Short: "Fetch the keys of the configured providers, and say what becomes of a token", Args: upToOne("NAME"),
		ValidArgsFunction: p.names(providerNames),
		Long: `Fetch the keys of every configured provider, or of one, and show them. With a token, show what each check finds. Give it as -, on
standard input: an argument would stand in the list of processes. Of a provider that cannot be asked, the keys count that rowpass serve
keeps in state_dir, and their time is told. The exit status is 1 where something is wrong.`,
		Example: `  rowpass providers test
  rowpass providers test clerk --token - < token.txt`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.config()
			if err != nil {
				return err
			}
			chosen, err := c.chosen(strings.Join(args, ""))
			if err != nil {
				return err
			}
			if !cmd.Flags().Changed("token") {
				_, err := p.testProviders(cmd.Context(), c, chosen)
				return err
			}
			if raw, err = p.readToken(raw); err != nil {
				return err
			}
			providers, err := p.testProviders(cmd.Context(), c, chosen)
			return errors.Join(err, p.explain(cmd.Context(), c, providers, raw))
		},
	}
	c.Flags().StringVar(&raw, "token", "", "- to read a `token` from standard input and check it")
	return c
}

// upToOne wants an argument or none.
func upToOne(argument string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) > 1 {
			return fmt.Errorf("%s wants one %s, or none", c.CommandPath(), argument)
		}
		return nil
	}
}

// fetched is a provider with what became of asking for its keys.
type fetched struct {
	config ProviderConfig
	keys   *askedKeys // nil where they cannot even be asked for
	set    keys.KeySet
	err    error
}

// fetchProviders asks all at the same time. Nothing of it is kept: the folder of last sets is serve's.
func fetchProviders(ctx context.Context, c Config, configs []ProviderConfig) []fetched {
	all := make([]fetched, len(configs))
	var asking sync.WaitGroup
	for i, pc := range configs {
		asking.Go(func() {
			all[i] = fetched{config: pc}
			if all[i].keys, all[i].err = c.asked(ctx, pc); all[i].err == nil {
				all[i].set, all[i].err = all[i].keys.fetch()
			}
		})
	}
	asking.Wait()
	return all
}

// testProviders shows the keys of each, and gives the providers with them. The error says that something is wrong.
func (p *program) testProviders(ctx context.Context, c Config, configs []ProviderConfig) (askedProviders, error) {
	var all askedProviders
	var list []token.Provider
	var wrong []string
	for _, f := range fetchProviders(ctx, c, configs) {
		good, err := p.show(f)
		if err != nil {
			return askedProviders{}, err
		}
		if !good {
			wrong = append(wrong, f.config.Name)
		}
		if f.keys != nil {
			all.keys, list = append(all.keys, f.keys), append(list, f.config.provider(f.keys))
		}
	}
	var err error
	all.Providers, err = token.NewProviders(list)
	if err == nil && len(wrong) > 0 {
		err = fmt.Errorf("something is wrong with the keys of %s", strings.Join(wrong, ", "))
	}
	return all, err
}

// show prints the keys, and tells whether all is well.
func (p *program) show(f fetched) (good bool, err error) {
	head := fmt.Sprintf("%s (%s), %s", f.config.Name, f.config.preset().Name, f.config.keysAddress())
	if f.err != nil {
		_, err := fmt.Fprintf(p.stdout, "%s\n  %s  %s\n%s", printable(head), p.ink().outcome("WRONG"), printable(f.err.Error()), f.kept())
		return false, err
	}
	status := f.keys.remote.Status()
	fmt.Fprintf(p.stdout, "%s: good for %s\n", printable(head), status.FreshUntil.Sub(status.FetchedAt))
	l := p.list()
	for _, k := range f.set.Keys() {
		l.row("  key", kidText(k.ID()), strings.Join(k.Algorithms(), ", "))
	}
	good = true
	for _, no := range f.set.Skipped() {
		word := "skipped"
		if no.Exposed {
			word, good = "EXPOSED", false
		}
		l.row("  "+l.ink.outcome(word), kidText(no.ID), printable(no.Why))
	}
	return good, l.write()
}

// kept is a line on what counts as long as the provider cannot be asked.
func (f fetched) kept() string {
	if f.keys == nil {
		return ""
	}
	return "  kept   " + printable(cmp.Or(f.keys.goingOn(), f.keys.unkept())) + "\n"
}
