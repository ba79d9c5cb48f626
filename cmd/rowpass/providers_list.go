package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"rowpass/keys"
	"rowpass/token"
)

func (p *program) providersCommand() *cobra.Command {
	return group("providers", "Other issuers whose tokens are accepted: recognise, list and test them", "rowpass providers add https://sacred-mule-12.clerk.accounts.dev",
		p.addProviderCommand(), p.listProvidersCommand(), p.testProvidersCommand(), p.presetsCommand())
}

func (p *program) presetsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "presets", Short: "List the makes of provider that are known", Args: noArgs,
		Example: "  rowpass providers presets",
		RunE: func(*cobra.Command, []string) error {
			l := p.list("PRESET", "NAME", "GIVE, BESIDE ITS ADDRESS")
			for _, preset := range keys.Presets() {
				l.row(preset.ID, preset.Name, needs(preset))
			}
			return l.write()
		},
	}
}

// needs is what a person has to say of a provider that its address doesn't.
func needs(p keys.Preset) string {
	var all []string
	switch p.Audience.Kind {
	case keys.AudienceRequired, keys.AudienceOrClient:
		all = append(all, "audience: "+p.Audience.Means)
	case keys.AudienceRecommended:
		all = append(all, "better: audience or azp")
	}
	if p.AuthorizedParty && p.Audience.Kind != keys.AudienceRecommended {
		all = append(all, "better: azp")
	}
	if p.KeyIssuer {
		all = append(all, "tenants, where the address is one for all of them")
	}
	return cmp.Or(strings.Join(all, "; "), "nothing")
}

func (p *program) listProvidersCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the providers of the configuration, with what its preset adds", Args: noArgs,
		Example: "  rowpass providers list",
		RunE: func(*cobra.Command, []string) error {
			c, err := p.config()
			if err != nil {
				return err
			}
			if len(c.Providers) == 0 {
				fmt.Fprintln(p.stderr, errNoProvider)
				return nil
			}
			l := p.list("NAME", "PRESET", "ISSUERS", "KEYS", "AUDIENCE", "AZP", "TENANT", "ROLE", "USERS")
			for _, pc := range c.Providers {
				t := pc.terms()
				l.row(pc.Name, pc.presetID(), column(t.Issuers), printable(pc.keysAddress()), column(t.Audience), column(t.AuthorizedParties),
					column(pathTexts(pathsOr(pc.TenantClaim, pc.preset().TenantClaims))), cmp.Or(t.Role, token.DefaultRole), cmp.Or(pc.Users, "none"))
			}
			if err := l.write(); err != nil {
				return err
			}
			for _, pc := range c.Providers {
				for _, advice := range pc.preset().Advise(pc.terms()) {
					fmt.Fprintf(p.stderr, "%s: %s\n", pc.Name, advice)
				}
			}
			return nil
		},
	}
}

var errNoProvider = errors.New("no provider is configured; rowpass providers add makes the block")

// column is a list in one field of a table.
func column(values []string) string {
	return cmp.Or(printable(strings.Join(values, ", ")), "-")
}

// pathTexts writes paths to claims with dots, for a person: a name may hold some itself.
func pathTexts(paths []token.Path) []string {
	var all []string
	for _, path := range paths {
		all = append(all, strings.Join(path, "."))
	}
	return all
}

// keysAddress is where a provider's keys are looked for.
func (c ProviderConfig) keysAddress() string {
	t := c.terms()
	if t.JWKSURL != "" {
		return t.JWKSURL
	}
	return "as " + t.Issuer + " says"
}

// chosen are the providers that a command is about: the one named, or all.
func (c Config) chosen(name string) ([]ProviderConfig, error) {
	if len(c.Providers) == 0 {
		return nil, errNoProvider
	}
	if name == "" {
		return c.Providers, nil
	}
	at := slices.IndexFunc(c.Providers, func(p ProviderConfig) bool { return p.Name == name })
	if at < 0 {
		return nil, fmt.Errorf("there is no provider %q; rowpass providers list shows them", printable(name))
	}
	return c.Providers[at : at+1], nil
}
