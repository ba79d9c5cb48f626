package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"rowpass/keys"
	"rowpass/token"
)

func (p *program) testProvidersCommand() *cobra.Command {
	var raw string
	c := &cobra.Command{
		Use: "test [NAME]", Short: "Fetch the keys of the configured providers, and say what becomes of a token", Args: upToOne("NAME"),
		Long: `Fetch the keys of every configured provider, or of one, and show them. With a token, show what each check finds. Give it as -, on
standard input: an argument would stand in the list of processes. The exit status is 1 where something is wrong.`,
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
				_, err := p.testProviders(cmd.Context(), chosen)
				return err
			}
			if raw, err = p.readToken(raw); err != nil {
				return err
			}
			providers, err := p.testProviders(cmd.Context(), chosen)
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
	remote *keys.Remote
	set    keys.KeySet
	err    error
}

// fetchProviders asks all at the same time. Nothing of it is kept: the folder of last sets is serve's.
func fetchProviders(ctx context.Context, configs []ProviderConfig) []fetched {
	all := make([]fetched, len(configs))
	var asking sync.WaitGroup
	for i, c := range configs {
		asking.Go(func() {
			all[i] = fetched{config: c}
			if all[i].remote, all[i].err = keys.NewRemote(c.remoteConfig()); all[i].err == nil {
				all[i].set, all[i].err = all[i].remote.Fetch(ctx)
			}
		})
	}
	asking.Wait()
	return all
}

func (c ProviderConfig) remoteConfig() keys.RemoteConfig {
	t := c.terms()
	config := keys.RemoteConfig{Name: c.Name, URL: t.JWKSURL, Allow: c.AllowPrivate, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	if config.URL == "" {
		config.Issuer = t.Issuer
	}
	return config
}

// testProviders shows the keys of each, and gives the providers with them. The error says that something is wrong.
func (p *program) testProviders(ctx context.Context, configs []ProviderConfig) (token.Providers, error) {
	var list []token.Provider
	var wrong []string
	for _, f := range fetchProviders(ctx, configs) {
		good, err := f.show(p.stdout)
		if err != nil {
			return token.Providers{}, err
		}
		if !good {
			wrong = append(wrong, f.config.Name)
		}
		if f.remote != nil {
			list = append(list, f.config.provider(f.remote))
		}
	}
	providers, err := token.NewProviders(list)
	if err == nil && len(wrong) > 0 {
		err = fmt.Errorf("something is wrong with the keys of %s", strings.Join(wrong, ", "))
	}
	return providers, err
}

// show prints the keys, and tells whether all is well.
func (f fetched) show(to io.Writer) (good bool, err error) {
	head := fmt.Sprintf("%s (%s), %s", f.config.Name, f.config.preset().Name, f.config.keysAddress())
	if f.err != nil {
		_, err := fmt.Fprintf(to, "%s\n  WRONG  %s\n", printable(head), printable(f.err.Error()))
		return false, err
	}
	status := f.remote.Status()
	fmt.Fprintf(to, "%s: good for %s\n", printable(head), status.FreshUntil.Sub(status.FetchedAt))
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	for _, k := range f.set.Keys() {
		fmt.Fprintf(w, "  key\t%q\t%s\n", k.ID(), strings.Join(k.Algorithms(), ", "))
	}
	good = true
	for _, no := range f.set.Skipped() {
		word := "skipped"
		if no.Exposed {
			word, good = "EXPOSED", false
		}
		fmt.Fprintf(w, "  %s\t%q\t%s\n", word, no.ID, printable(no.Why))
	}
	return good, w.Flush()
}
