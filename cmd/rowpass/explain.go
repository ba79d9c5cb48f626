package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"rowpass/doctor"
	"rowpass/keys"
	"rowpass/token"
)

func (p *program) explainCommand() *cobra.Command {
	var raw, table, row string
	var asJSON bool
	c := &cobra.Command{
		Use: "explain --token - --table TABLE", Short: "Say why a caller sees the rows of a table that it sees, or none", Args: noArgs,
		Long: `Say why a caller sees the rows of a table that it sees, or none: its role, claims and grants, each policy with what it says of a row,
how many rows there are with and without policies, claims that a policy misspells, and the plan. The token is verified as rowpass
serve verifies it. Rows are counted as the caller, as requests are answered, and as the owner, in transactions that are rolled back, so
it changes nothing. Of a table that is not the owner's, rows are looked at as the caller alone.

--row is the value of the primary key; of several columns, their values with commas between, or that of the column id alone.`,
		Example: `  rowpass token issue --user member@acme.example | rowpass explain --token - --table todos
  rowpass explain --token - --table app.invoices --row 42 < token.txt`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			raw, err := p.readToken(raw)
			if err != nil {
				return err
			}
			found, schema, err := p.explainTable(cmd.Context(), raw, table, row)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(p.stdout, found)
			}
			writeExplanation(p.stdout, p.ink(), schema, found)
			return nil
		},
	}
	c.Flags().StringVar(&raw, "token", "-", "the caller's `token`; -: standard input, since an argument stands in the list of processes")
	c.Flags().StringVar(&table, "table", "", "the `table`, or schema.table")
	c.Flags().StringVar(&row, "row", "", "the primary `key` of a row, to have each policy asked about it")
	c.Flags().BoolVar(&asJSON, "json", false, "write the explanation as JSON")
	_ = c.MarkFlagRequired("table")
	return c
}

// explainTable verifies the token and explains the table to whoever it is about, by functions of the schema.
func (p *program) explainTable(ctx context.Context, raw, table, row string) (found doctor.Explanation, schema string, err error) {
	c, err := p.config()
	if err != nil {
		return found, "", err
	}
	schema = c.Database.AuthSchema
	claims, err := p.verify(ctx, c, raw)
	if err != nil {
		return found, schema, err
	}
	err = p.onDatabase(ctx, func(_ Config, l logins) error {
		ownerURL, err := l.ownerURL("explain")
		if err != nil {
			return err
		}
		found, err = doctor.Explain(ctx, doctor.ExplainConfig{
			OwnerURL: ownerURL, GatewayURL: l.gateway, Role: claims.Role, Claims: claims.JSON, Table: table, Row: row, AuthSchema: schema,
		})
		return err
	})
	switch {
	case errors.Is(err, doctor.ErrNoTable):
		return found, schema, fmt.Errorf("%w; --table wants a table, or schema.table where it is not in schema public", err)
	case errors.Is(err, doctor.ErrRow):
		return found, schema, fmt.Errorf("%w; --row wants the value of the primary key", err)
	}
	return found, schema, err
}

// verify is what serve says of a token. Revocations count where the database can be reached.
func (p *program) verify(ctx context.Context, c Config, raw string) (*token.Claims, error) {
	providers, err := c.providers(ctx)
	if err != nil {
		return nil, err
	}
	own := p.ownState(ctx, c)
	verifier, err := token.NewVerifier(token.VerifierConfig{
		Issuer: c.PublicURL, Audience: c.Issuer.Audience, Ring: func() keys.Ring { return own.ring }, Now: time.Now, CacheSize: -1,
		Denied: own.denied, Providers: func() token.Providers { return providers.Providers },
	})
	if err != nil {
		return nil, err
	}
	claims, err := verifier.Verify(ctx, raw)
	if err != nil {
		return nil, fmt.Errorf("the token is refused, so nobody sees anything with it: %w; rowpass token explain says what to mend", err)
	}
	if claims.Role != token.DefaultRole && (claims.Role != "anonymous" || claims.Provider == "") {
		return nil, fmt.Errorf("the token is refused: its role is %q, and must be %s", claims.Role, token.DefaultRole)
	}
	return claims, nil
}
