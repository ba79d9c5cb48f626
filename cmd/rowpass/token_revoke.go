package main

import (
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

// revocation is what the flags of token revoke name. Exactly one is given.
type revocation struct {
	id, user, client, tenant string
	all                      bool
}

func (p *program) revokeTokenCommand() *cobra.Command {
	var r revocation
	c := &cobra.Command{
		Use: "revoke", Short: "Make tokens void before their time, on every instance", Args: noArgs,
		Long: `Make tokens void before their time, on every instance within a second. What is named by anything but a token's own id
covers the tokens that were issued until now, what is exchanged for them, and the refresh tokens; whoever logs in again gets new ones.`,
		Example: `  rowpass token revoke --user member@acme.example
  rowpass token revoke --id 4QF7GZ2N3JXKTYM5W6RBHDVCPS     # the token's jti`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.onState(cmd.Context(), func(c Config, state *db.State) error {
				if r.client != "" && !c.knowsClient(r.client) {
					fmt.Fprintf(p.stderr, "note: this configuration has no client %q; its tokens are made void all the same\n", printable(r.client))
				}
				denial, text, err := r.denial(cmd.Context(), c, state, time.Now())
				if err != nil {
					return err
				}
				if err := state.Deny(cmd.Context(), denial); err != nil {
					return fmt.Errorf("revoking: %w", err)
				}
				if err := state.WriteEvents(cmd.Context(), []db.Event{revoked(denial)}); err != nil {
					return fmt.Errorf("revoked, but not noted in the audit: %w", err)
				}
				_, err = fmt.Fprintf(p.stdout, "void: %s\n", text)
				return err
			})
		},
	}
	c.Flags().StringVar(&r.id, "id", "", "one token, by its `jti`; a provider's with its name before it, as for --user")
	c.Flags().StringVar(&r.user, "user", "", "a user's, by `id or e-mail address`, with --tenant where it stands in several; a provider's by its subject, clerk|user_2abc")
	c.Flags().StringVar(&r.client, "client", "", "a client's, by its `id`")
	_ = c.RegisterFlagCompletionFunc("client", p.anywhere(clientIDs))
	c.Flags().StringVar(&r.tenant, "tenant", "", "a tenant's, by its `id`")
	c.Flags().BoolVar(&r.all, "all", false, "everybody's")
	for _, pair := range [][]string{{"id", "user", "client", "all"}, {"id", "tenant"}, {"client", "tenant"}, {"all", "tenant"}} {
		c.MarkFlagsMutuallyExclusive(pair...)
	}
	return c
}

// tokenID is how our own tokens are named.
var tokenID = regexp.MustCompile(`^[A-Z2-7]{26}$`)

// isForeign tells of a name that is in the name space of a provider: clerk|user_2abc.
func (c Config) isForeign(name string) bool {
	provider, _, ok := strings.Cut(name, "|")
	return ok && slices.ContainsFunc(c.Providers, func(p ProviderConfig) bool { return p.Name == provider })
}

// knowsClient says whether tokens can have this client_id.
func (c Config) knowsClient(id string) bool {
	return slices.Contains([]string{token.ClientDemo, token.ClientCLI, token.ClientLogin, token.ClientExchange}, id) ||
		slices.ContainsFunc(c.Clients, func(client ClientConfig) bool { return client.ID == id })
}

// denial is the entry of the deny-list, and what it says in words.
func (r revocation) denial(ctx context.Context, c Config, state *db.State, now time.Time) (db.Denial, string, error) {
	if err := checkTenantID(r.tenant); err != nil {
		return db.Denial{}, "", err
	}
	if !r.all && r.id == "" && r.user == "" && r.client == "" && r.tenant == "" {
		return db.Denial{}, "", errors.New("say whose: --user, --client, --tenant, --id or --all")
	}
	const before = " issued until now"
	tenant := strings.ToLower(r.tenant)
	switch {
	case r.id != "" && !tokenID.MatchString(r.id) && !c.isForeign(r.id):
		return db.Denial{}, "", fmt.Errorf("--id %q: the claim jti of a token is needed, 26 capital letters and digits; rowpass audit shows it", printable(r.id))
	case r.id != "":
		return db.Denial{Kind: db.DenyID, Value: r.id}, "the token " + r.id, nil
	case c.isForeign(r.user):
		return db.Denial{Kind: db.DenySubject, Value: r.user, IssuedBefore: now}, "every token of " + printable(r.user) + before, nil
	case r.user != "":
		user, err := findUser(ctx, c, state, r.user, r.tenant)
		return db.Denial{Kind: db.DenySubject, Value: user.UserID, IssuedBefore: now}, "every token of " + printable(user.Email) + " (" + user.UserID + ")" + before, err
	case r.client != "":
		return db.Denial{Kind: db.DenyClient, Value: r.client, IssuedBefore: now}, "every token of client " + r.client + before, nil
	case r.tenant != "":
		return db.Denial{Kind: db.DenyTenant, Value: tenant, IssuedBefore: now}, "every token of tenant " + tenant + before, nil
	}
	return db.Denial{Kind: db.DenyAll, IssuedBefore: now}, "every token" + before, nil
}

// revoked is what the audit says of it.
func revoked(d db.Denial) db.Event {
	e := db.Event{At: time.Now(), Name: "revoke", Outcome: "ok", Reason: "rowpass token revoke"}
	switch d.Kind {
	case db.DenyID:
		e.TokenID = d.Value
	case db.DenySubject:
		e.Subject = d.Value
	case db.DenyClient:
		e.ClientID = d.Value
	case db.DenyTenant:
		e.Tenant = d.Value
	case db.DenyAll:
		e.Reason += " --all"
	}
	return e
}
