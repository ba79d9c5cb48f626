package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rowpass/api"
	"rowpass/db"
	"rowpass/keys"
	"rowpass/token"
)

func (p *program) tokenCommand() *cobra.Command {
	var user, tenant string
	var ttl time.Duration
	var claims []string
	issue := &cobra.Command{
		Use: "issue --user USER", Short: "Print a token for a user of the directory", Args: noArgs,
		Example: `  rowpass token issue --user member@acme.example
  curl -H "Authorization: Bearer $(rowpass token issue --user member@acme.example)" http://localhost:8080/api/users
  rowpass token issue --user member@acme.example --ttl 1h --claim plan=pro --claim 'limits={"rows":10}'`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			extra, err := parseClaims(claims)
			if err != nil {
				return err
			}
			raw, err := p.issue(cmd.Context(), user, tenant, token.Grant{ClientID: token.ClientCLI, TTL: ttl, Extra: extra})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(p.stdout, raw)
			return err
		},
	}
	issue.Flags().StringVar(&user, "user", "", "the user's `id or e-mail address`")
	issue.Flags().StringVar(&tenant, "tenant", "", "the tenant's `id`, where the address stands in several")
	issue.Flags().DurationVar(&ttl, "ttl", 0, "how long the token is good (default: issuer.token_ttl)")
	issue.Flags().StringArrayVar(&claims, "claim", nil, "a further claim, `name=value`; JSON is taken as such, anything else as a string; may be repeated")
	_ = issue.MarkFlagRequired("user")
	return group("token", "Issue tokens for scripts, explain and revoke tokens", "rowpass token issue --user member@acme.example", issue, p.explainTokenCommand(), p.revokeTokenCommand())
}

// parseClaims reads name=value pairs.
func parseClaims(pairs []string) (map[string]any, error) {
	claims := make(map[string]any, len(pairs))
	for _, pair := range pairs {
		name, text, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--claim %q: name=value is needed, such as plan=pro", pair)
		}
		if _, twice := claims[name]; twice {
			return nil, fmt.Errorf("--claim %s is given twice", name)
		}
		claims[name] = text
		if json.Valid([]byte(text)) {
			claims[name] = json.RawMessage(text)
		}
	}
	return claims, nil
}

// issue looks the user up and signs a token with the ring's current key.
func (p *program) issue(ctx context.Context, user, tenant string, g token.Grant) (raw string, err error) {
	if g.TTL < 0 || g.TTL > 0 && g.TTL < time.Second || g.TTL > maxTTL {
		return "", fmt.Errorf("--ttl %s: 1s to %s is allowed", g.TTL, maxTTL)
	}
	if err := checkTenantID(tenant); err != nil {
		return "", err
	}
	err = p.onState(ctx, func(c Config, state *db.State) error {
		entry, err := findUser(ctx, c, state, user, tenant)
		if err != nil {
			return err
		}
		if g.Extra, err = withHook(g.Extra, entry.Claims); err != nil {
			return err
		}
		ring, err := promised(ctx, c, state, g.TTL)
		if err != nil {
			return err
		}
		issuer, err := newIssuer(c, func() keys.Ring { return ring })
		if err != nil {
			return err
		}
		g.Subject, g.Tenant = entry.UserID, entry.TenantID
		var claims token.Claims
		if raw, claims, err = issuer.Issue(g); err != nil {
			return err
		}
		return state.WriteEvents(ctx, []db.Event{{
			At: claims.IssuedAt, Name: "issue", Outcome: "ok", Subject: claims.Subject, ClientID: claims.ClientID, Tenant: claims.Tenant,
			TokenID: claims.ID, KeyID: claims.KeyID, Reason: "rowpass token issue",
		}})
	})
	return raw, err
}

// withHook adds what the owner's auth.token_claims gives. The command line's own claims win, for whoever can run it could
// also sign by hand.
func withHook(extra map[string]any, hook json.RawMessage) (map[string]any, error) {
	claims, err := api.HookClaims(hook)
	if claims == nil || err != nil {
		return extra, err
	}
	maps.Copy(claims, extra)
	return claims, nil
}

// promised gives the ring after both it and the database have noted a life beyond the usual, so that the key stays as long,
// and a revocation too.
func promised(ctx context.Context, c Config, state *db.State, ttl time.Duration) (keys.Ring, error) {
	store, err := ringStore(c, state)
	if err != nil {
		return keys.Ring{}, err
	}
	if ttl <= c.keyLimits().TokenTTL {
		ring, _, err := keys.Load(ctx, store)
		return ring, err
	}
	if err := state.PromiseTTL(ctx, ttl); err != nil {
		return keys.Ring{}, fmt.Errorf("noting how long the token lives: %w", err)
	}
	return keys.Update(ctx, store, promise(ttl))
}

// maxTTL is the longest life of a token that a script may ask for. What lives longer outlives every decision about it.
const maxTTL = 366 * 24 * time.Hour

// findUser looks a user up in the directory, to issue a token to the command line.
func findUser(ctx context.Context, c Config, state *db.State, user, tenant string) (db.Entry, error) {
	if !c.Database.Directory {
		return db.Entry{}, errNoDirectory
	}
	entry, err := state.FindUser(ctx, user, tenant, token.ClientCLI)
	switch {
	case errors.Is(err, db.ErrNotFound):
		return entry, fmt.Errorf("there is no user %q; rowpass users list shows them", user)
	case errors.Is(err, db.ErrAmbiguous):
		return entry, fmt.Errorf("%q stands in more than one tenant; add --tenant with the id of one: rowpass users list shows them", user)
	}
	return entry, err
}
