package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

func (p *program) clientsCommand() *cobra.Command {
	var n newClient
	c := &cobra.Command{
		Use: "new", Short: "Make a secret for a program, and the block of configuration that lets it in", Args: noArgs,
		Example: "  rowpass clients new --id client_reports --tenant a0000000-0000-4000-8000-000000000001 --scope read",
		RunE: func(*cobra.Command, []string) error {
			if n.id == "" {
				n.id = "client_" + strings.ToLower(rand.Text()[:12])
			}
			return p.newClient(n)
		},
	}
	c.Flags().StringVar(&n.id, "id", "", "the client's `id`, client_… (default: a random one)")
	c.Flags().StringVar(&n.tenant, "tenant", "", "the `id` of the tenant whose rows it sees")
	c.Flags().StringArrayVar(&n.scopes, "scope", nil, "a `scope` that it may ask for; may be repeated")
	c.Flags().StringArrayVar(&n.audiences, "audience", nil, "an `audience` that its tokens may be for (default: issuer.audience); may be repeated")
	c.Flags().StringVar(&n.actFor, "act-for", "", "lets it ask for tokens of users, too: those of its `tenant`, or everyone")
	among(c, "act-for", "tenant", "everyone")
	return group("clients", "Programs that get tokens of their own by client_credentials", "rowpass clients new --tenant a0000000-0000-4000-8000-000000000001 --scope read", c)
}

// newClient is what clients new is asked for.
type newClient struct {
	id, tenant, actFor string
	scopes, audiences  []string
}

func (n newClient) check() error {
	if !clientID.MatchString(n.id) {
		return fmt.Errorf("--id %q: client_ and then letters, digits, _ and - are needed", n.id)
	}
	if err := checkTenantID(n.tenant); err != nil {
		return err
	}
	for _, scope := range n.scopes {
		if !scopeToken.MatchString(scope) {
			return fmt.Errorf("--scope %q: one scope is needed, printable ASCII without space, quote and backslash", scope)
		}
	}
	switch {
	case n.actFor != "" && n.actFor != "tenant" && n.actFor != "everyone":
		return fmt.Errorf("--act-for %q: tenant or everyone is needed", n.actFor)
	case n.actFor == "tenant" && n.tenant == "":
		return errors.New("--act-for tenant: whose users? Add --tenant, or say --act-for everyone")
	case slices.Contains(n.audiences, ""):
		return errors.New("--audience: a name is needed, such as rowpass")
	}
	return nil
}

// block is the client's part of the configuration.
func (n newClient) block(secret string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "clients:\n  - id: %s\n    secret_sha256: %x\n", n.id, sha256.Sum256([]byte(secret)))
	if n.tenant != "" {
		fmt.Fprintf(&b, "    tenant: %s\n", strings.ToLower(n.tenant))
	}
	for _, list := range []struct {
		key    string
		values []string
	}{{"scopes", n.scopes}, {"audiences", n.audiences}} {
		if len(list.values) > 0 {
			fmt.Fprintf(&b, "    %s: [%s]\n", list.key, quotedList(list.values))
		}
	}
	if n.actFor != "" {
		fmt.Fprintf(&b, "    act_for: %s\n", n.actFor)
	}
	return b.String()
}

// quotedList is how YAML takes any of these texts as a string: in JSON's quotes.
func quotedList(values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		text, _ := json.Marshal(v) // a string can always be encoded
		quoted[i] = string(text)
	}
	return strings.Join(quoted, ", ")
}

// newClient prints the block for the configuration, which holds only the secret's hash, and beside it, where a
// redirection does not reach, the secret. A random one of 256 bits needs no slow hash.
func (p *program) newClient(n newClient) error {
	if err := n.check(); err != nil {
		return err
	}
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never returns an error
	secret := base64.RawURLEncoding.EncodeToString(random)
	fmt.Fprintf(p.stderr, "The client's secret, shown this once: %s\nFor the configuration:\n", secret)
	_, err := fmt.Fprint(p.stdout, n.block(secret))
	return err
}

// checkTenantID refuses a name where an id is needed. Empty is none.
func checkTenantID(tenant string) error {
	if tenant != "" && !uuidText.MatchString(strings.ToLower(tenant)) {
		return fmt.Errorf("--tenant %q: the tenant's id is needed; rowpass tenants list shows it", tenant)
	}
	return nil
}
