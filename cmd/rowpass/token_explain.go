package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rowpass/db"
	"rowpass/keys"
	"rowpass/token"
)

func (p *program) explainTokenCommand() *cobra.Command {
	return &cobra.Command{
		Use: "explain [-]", Short: "Show what is in a token, and what each check says of it", Args: upToOne("token"),
		Long: `Show what is in a token, ours or a provider's, whose it is, and what each check says of it, with the way to mend what is wrong. It is
read from standard input: an argument would stand in the list of processes. The keys of the provider that it names are fetched; where
it cannot be asked, those that rowpass serve keeps in state_dir count. Whether it was revoked is looked up where the database can be reached. The exit status is 1 where the token would be refused.`,
		Example: "  rowpass token explain < token.txt",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.config()
			if err != nil {
				return err
			}
			raw, err := p.readToken(strings.Join(args, ""))
			if err != nil {
				return err
			}
			providers, err := c.providers(cmd.Context())
			if err != nil {
				return err
			}
			return p.explain(cmd.Context(), c, providers, raw)
		},
	}
}

// providers are those of the configuration, whose keys are fetched once a token asks for them.
func (c Config) providers(ctx context.Context) (askedProviders, error) {
	var all askedProviders
	var list []token.Provider
	for _, pc := range c.Providers {
		asked, err := c.asked(ctx, pc)
		if err != nil {
			return askedProviders{}, err
		}
		all.keys, list = append(all.keys, asked), append(list, pc.provider(asked))
	}
	var err error
	all.Providers, err = token.NewProviders(list)
	return all, err
}

const maxPasted = 64 << 10 // bytes, more than any token that is looked at

// argumentOrInput is what an argument says, or, where that is -, standard input.
func (p *program) argumentOrInput(argument string) (string, error) {
	if argument != "-" {
		return argument, nil
	}
	text, err := io.ReadAll(io.LimitReader(p.stdin, maxPasted))
	if err != nil {
		return "", fmt.Errorf("reading standard input: %w", err)
	}
	return string(text), nil
}

// readToken takes a token as people copy it, with what stands before it in a header.
func (p *program) readToken(argument string) (string, error) {
	if argument == "" {
		argument = "-"
	}
	text, err := p.argumentOrInput(argument)
	if err != nil {
		return "", err
	}
	if fields := strings.Fields(text); len(fields) > 0 {
		return strings.Trim(fields[len(fields)-1], "\"'"), nil
	}
	return "", errors.New("no token came on standard input")
}

// explain prints what is in a token and what each check says of it. The error says that it would be refused.
func (p *program) explain(ctx context.Context, c Config, providers askedProviders, raw string) error {
	own := p.ownState(ctx, c)
	verifier, err := token.NewVerifier(token.VerifierConfig{
		Issuer: c.PublicURL, Audience: c.Issuer.Audience, Ring: func() keys.Ring { return own.ring }, Now: time.Now, CacheSize: -1,
		Denied: own.denied, Providers: func() token.Providers { return providers.Providers },
	})
	if err != nil {
		return err
	}
	writePart(p.stdout, "header", raw, 0)
	writePart(p.stdout, "claims", raw, 1)
	verdicts := verifier.Explain(ctx, raw)
	claims, err := verifier.Verify(ctx, raw)
	if err == nil {
		verdicts = append(verdicts, roleVerdict(claims))
	}
	note := providers.judge(verdicts)
	if err := p.writeVerdicts(verdicts, own.unread); err != nil {
		return err
	}
	if note != "" {
		fmt.Fprintln(p.stdout, "key: "+note)
	}
	for _, v := range verdicts {
		if !v.OK {
			return fmt.Errorf("the token is refused: %s", v.Reason)
		}
	}
	_, err = fmt.Fprintf(p.stdout, "The token is taken: user %s, tenant %s, role %s%s\n", printable(claims.Subject), orNone(claims.Tenant), claims.Role, c.noTenantID(claims.Tenant))
	return err
}

// noTenantID warns of a tenant that policies by tenant_id() don't see.
func (c Config) noTenantID(tenant string) string {
	if tenant == "" || uuidText.MatchString(strings.ToLower(tenant)) {
		return ""
	}
	return "; " + c.Database.AuthSchema + ".tenant_id() is NULL: no UUID"
}

func orNone(tenant string) string {
	if tenant == "" {
		return "none"
	}
	return printable(tenant)
}

// roleVerdict is the API's own rule, behind those of the verifier.
func roleVerdict(c *token.Claims) token.Verdict {
	v := token.Verdict{Check: "role", OK: c.Role == token.DefaultRole, Found: fmt.Sprintf("%q", c.Role)}
	if !v.OK {
		v.Reason, v.Mend = "a token's role must be "+token.DefaultRole, "set role in the provider's block; for a token of ours, leave the claim out"
	}
	return v
}

// ownState is what the tokens of ours are verified with, as far as it could be had.
type ownState struct {
	ring   keys.Ring
	denied *token.DenyList
	unread string // why the deny-list was not looked at; ""
}

// stateTimeout is how long an explanation waits for the database, without which it can do.
const stateTimeout = 5 * time.Second

// ownState reads ring and deny-list from the database where it can be reached without starting one, else the ring's folder.
func (p *program) ownState(ctx context.Context, c Config) ownState {
	ctx, cancel := context.WithTimeout(ctx, stateTimeout)
	defer cancel()
	var own ownState
	err := errors.New("rowpass serve does not run")
	if !c.embeddedMode() || isRunning(ctx, c) {
		err = p.onState(ctx, func(c Config, state *db.State) error { return own.read(ctx, c, state) })
	}
	if err == nil {
		return own
	}
	own = ownState{unread: strings.Join(strings.Fields(err.Error()), " ")}
	if c.Keys.Store == inFolder {
		own.readRing(ctx, c, nil)
	}
	return own
}

func (o *ownState) read(ctx context.Context, c Config, state *db.State) error {
	o.readRing(ctx, c, state)
	o.denied = token.NewDenyList()
	for version := int64(0); ; {
		denials, next, err := state.Denials(ctx, version)
		if err != nil {
			return fmt.Errorf("reading revocations: %w", err)
		}
		for _, d := range denials {
			o.denied.Add(token.Denial{Kind: string(d.Kind), Value: d.Value, IssuedBefore: d.IssuedBefore, Until: d.Until})
		}
		if len(denials) == 0 || next == version {
			return nil
		}
		version = next
	}
}

// readRing leaves the ring empty where it cannot be read: the verdict is then that no key of ours is named.
func (o *ownState) readRing(ctx context.Context, c Config, state *db.State) {
	if store, err := ringStore(c, state); err == nil {
		o.ring, _, _ = keys.Load(ctx, store)
	}
}

// writePart prints one of a token's parts as JSON, or nothing where it is none. Nobody has vouched for it.
func writePart(to io.Writer, name, raw string, at int) {
	parts := strings.Split(raw, ".")
	if at >= len(parts) {
		return
	}
	data, err := base64.RawURLEncoding.DecodeString(parts[at])
	var pretty bytes.Buffer
	if err != nil || json.Indent(&pretty, data, "", "  ") != nil {
		return
	}
	fmt.Fprintln(to, name)
	for line := range strings.Lines(pretty.String()) {
		fmt.Fprintln(to, printable(strings.TrimSuffix(line, "\n")))
	}
}

// writeVerdicts prints a table, and below it each fault with its mend.
func (p *program) writeVerdicts(verdicts []token.Verdict, unread string) error {
	l := p.list(fmt.Sprintf("%-12s", "CHECK"), "VERDICT", "FOUND")
	for _, v := range verdicts {
		word, found := "ok", v.Found
		if v.Check == "key" && found == `kid ""` {
			found = "kid " + kidText("")
		}
		if !v.OK {
			word = "WRONG"
		}
		if v.Check == "revoked" && unread != "" {
			word, found = "-", "not looked at: "+unread
		}
		l.verdict(v.Check, word, printable(found))
	}
	if err := l.write(); err != nil {
		return err
	}
	for _, v := range verdicts {
		if !v.OK {
			fmt.Fprintf(p.stdout, "%s: %s\n  mend: %s\n", l.ink.red(v.Check), printable(v.Reason), printable(v.Mend))
		}
	}
	return nil
}

// verdict adds a row that ends with its last word. Where that is the verdict, the columns begin anew below it, so both have the
// widths that the heading gives them.
func (l *listing) verdict(check, word, found string) {
	check = fmt.Sprintf("%-12s", check)
	if found == "" {
		l.row(check, l.ink.outcome(word))
		return
	}
	l.row(check, l.ink.outcome(fmt.Sprintf("%-7s", word)), found)
}
