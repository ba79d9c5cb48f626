package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"rowpass/keys"
)

// newProvider is what providers add is asked for.
type newProvider struct {
	paste, name string
	offline     bool
}

func (p *program) addProviderCommand() *cobra.Command {
	var n newProvider
	c := &cobra.Command{
		Use: "add PASTE", Short: "Say whose address or token it is, and print its block for the configuration", Args: one("PASTE"),
		Long: `Say whose a JWKS URL, an issuer, a discovery URL, a token or Clerk's publishable key is, and print the provider's block for the
configuration. Give a token as -, on standard input: an argument would stand in the list of processes. It is neither verified nor kept, and
only its iss, aud, azp and alg come into the block. Of a provider that its host doesn't give away, the discovery document is fetched.`,
		Example: `  rowpass providers add https://sacred-mule-12.clerk.accounts.dev
  rowpass providers add https://test.stytch.com/v1/sessions/jwks/project-test-… --name stytch
  rowpass providers add - < token.txt`,
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if n.paste, err = p.argumentOrInput(args[0]); err != nil {
				return err
			}
			return p.addProvider(cmd.Context(), n)
		},
	}
	c.Flags().StringVar(&n.name, "name", "", "the provider's `name`, which its subjects begin with (default: the preset's)")
	among(c, "name", presetIDs()...)
	c.Flags().BoolVar(&n.offline, "offline", false, "ask nobody")
	return c
}

// addProvider prints the block, and beside it, where a redirection does not reach, what is to be known of it.
func (p *program) addProvider(ctx context.Context, n newProvider) error {
	if n.name != "" && !providerName.MatchString(n.name) {
		return fmt.Errorf("--name %q: letters, digits, - and _ are needed, such as clerk", printable(n.name))
	}
	r, err := keys.Recognise(n.paste)
	if err != nil {
		return err
	}
	r, said := n.confirmed(ctx, r)
	name := cmp.Or(n.name, r.Preset.ID)
	for _, line := range slices.Concat(said, meaning(r, name, p.authSchema()), n.nameless(name), p.taken(name)) {
		fmt.Fprintln(p.stderr, printable(line))
	}
	fmt.Fprintln(p.stderr, "Put this into config.yaml in place of `providers: []`. If there is a list already, only the lines from `- name` on, at its end:")
	_, err = fmt.Fprint(p.stdout, "providers:\n"+indent(r.Block(name)))
	return err
}

func indent(block string) string {
	var out strings.Builder
	for line := range strings.Lines(block) {
		out.WriteString("  " + line)
	}
	return out.String()
}

// confirmed asks the discovery document of a provider that is a guess, or whose keys nobody knows the address of, and says
// what came of it.
func (n newProvider) confirmed(ctx context.Context, r keys.Recognised) (keys.Recognised, []string) {
	if r.Sure {
		said := fmt.Sprintf("This is %s, by the %s.", r.Preset.Name, r.From)
		if r.JWKSURL == "" && r.DiscoveryURL != "" && !n.offline {
			var more []string
			r, more = confirm(ctx, r)
			return r, append([]string{said}, more...)
		}
		return r, []string{said}
	}
	said := []string{fmt.Sprintf("This looks like %s, by the form of the %s; anybody can have that.", r.Preset.Name, r.From)}
	if r.Preset.ID == keys.GenericPreset {
		said = []string{unknown(r.From)}
	}
	if n.offline {
		return r, append(said, "Not confirmed: compare issuers and jwks_url with what the provider says.")
	}
	r, more := confirm(ctx, r)
	return r, append(said, more...)
}

// unknown says that a paste is nobody's.
func unknown(from string) string {
	if from == keys.FromToken {
		return "The token's issuer is not one that rowpass knows: it is taken for a provider of any make."
	}
	return fmt.Sprintf("This %s is not one that rowpass knows: it is taken for a provider of any make.", from)
}

// nameless warns of a name that says nothing, which most will want to change once users have it.
func (n newProvider) nameless(name string) []string {
	if n.name != "" || name != keys.GenericPreset {
		return nil
	}
	return []string{"Its name is generic: choose the name now (--name), since another one later makes new users of all."}
}

// confirm fetches the discovery document, by the rules for providers.
func confirm(ctx context.Context, r keys.Recognised) (keys.Recognised, []string) {
	if r.DiscoveryURL == "" {
		return r, []string{"Not confirmed: no discovery document of it is known. Compare issuers with the iss of a token."}
	}
	var d keys.Discovery
	var err error
	for _, issuer := range discovering(r) {
		if d, err = keys.Discover(ctx, issuer, r.AllowPrivate); err == nil {
			break
		}
	}
	if err != nil {
		return r, []string{fmt.Sprintf("Not confirmed: %v", err), "Compare issuers with the iss of a token."}
	}
	said := []string{"Confirmed by the discovery document, whose issuer is " + d.Issuer}
	if r.JWKSURL != "" && r.JWKSURL != d.JWKSURL {
		said = append(said, "jwks_url: the discovery document names other keys, at "+d.JWKSURL+": take that, unless rowpass has to reach the provider another way than its clients")
	}
	if r.Preset.ID == keys.GenericPreset {
		r.Issuers = []string{d.Issuer} // there was one guess for each spelling
		r.Missing = r.Preset.Check(r.Terms())
	}
	return r, said
}

// discovering are the issuers whose document is at r's discovery URL, character by character.
func discovering(r keys.Recognised) []string {
	base := strings.TrimSuffix(r.DiscoveryURL, "/.well-known/openid-configuration")
	var all []string
	for _, issuer := range r.Issuers {
		if strings.TrimSuffix(issuer, "/") == base {
			all = append(all, issuer)
		}
	}
	if len(all) == 0 {
		all = []string{base}
	}
	return all
}

// meaning says what the block makes of tokens, what is missing in it, and what is worth a look.
func meaning(r keys.Recognised, name, schema string) []string {
	tenant := "NULL: no claim is known that users cannot change; tenant_claim names one"
	if paths := pathsOr(nil, r.Preset.TenantClaims); len(paths) > 0 {
		tenant = "the claim " + strings.Join(pathTexts(paths), ", else ")
	}
	all := []string{
		fmt.Sprintf("%s.user_id() will be %s|<%s>, %[1]s.tenant() %[4]s.", schema, name, strings.Join(pathTexts(pathsOr(nil, r.Preset.SubjectClaims)), ", else "), tenant),
		"Note: " + r.Preset.Notes,
	}
	for _, missing := range r.Missing {
		all = append(all, "Missing: "+missing)
	}
	for _, hint := range append(r.Preset.Advise(r.Terms()), r.Hints...) {
		all = append(all, "Look at "+hint)
	}
	return all
}

// authSchema is where rowpass's functions stand, by the configuration or, where it can't be read, by default.
func (p *program) authSchema() string {
	c, err := p.config()
	if err != nil {
		c = defaultConfig()
	}
	return c.Database.AuthSchema
}

// taken warns of a name that the configuration has already, where there is one that can be read.
func (p *program) taken(name string) []string {
	c, err := p.config()
	if err != nil {
		return nil
	}
	if _, err := c.chosen(name); err != nil {
		return nil
	}
	return []string{fmt.Sprintf("There is a provider %s in the configuration already: replace it, or give --name.", name)}
}
