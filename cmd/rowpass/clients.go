package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func (p *program) clientsCommand() *cobra.Command {
	var id, tenant string
	var scopes []string
	c := &cobra.Command{
		Use: "new", Short: "Make a secret for a program, and the block of configuration that lets it in", Args: cobra.NoArgs,
		Example: "  rowpass clients new --id client_reports --tenant a0000000-0000-4000-8000-000000000001 --scope read",
		RunE: func(*cobra.Command, []string) error {
			if id == "" {
				id = "client_" + strings.ToLower(rand.Text()[:12])
			}
			return p.newClient(id, tenant, scopes)
		},
	}
	c.Flags().StringVar(&id, "id", "", "the client's `id`, client_… (default: a random one)")
	c.Flags().StringVar(&tenant, "tenant", "", "the `id` of the tenant whose rows it sees")
	c.Flags().StringArrayVar(&scopes, "scope", nil, "a `scope` that it may ask for; may be repeated")
	return group("clients", "Programs that get tokens of their own by client_credentials", c)
}

// newClient prints the block for the configuration, which holds only the secret's hash, and beside it, where a
// redirection does not reach, the secret. A random one of 256 bits needs no slow hash.
func (p *program) newClient(id, tenant string, scopes []string) error {
	if !clientID.MatchString(id) {
		return fmt.Errorf("--id %q: client_ and then letters, digits, _ and - are needed", id)
	}
	if err := checkTenantID(tenant); err != nil {
		return err
	}
	for _, scope := range scopes {
		if !scopeToken.MatchString(scope) {
			return fmt.Errorf("--scope %q: one scope is needed, printable ASCII without space, quote and backslash", scope)
		}
	}
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never returns an error
	secret := base64.RawURLEncoding.EncodeToString(random)
	var b strings.Builder
	fmt.Fprintf(&b, "clients:\n  - id: %s\n    secret_sha256: %x\n", id, sha256.Sum256([]byte(secret)))
	if tenant != "" {
		fmt.Fprintf(&b, "    tenant: %s\n", strings.ToLower(tenant))
	}
	if len(scopes) > 0 {
		fmt.Fprintf(&b, "    scopes: [\"%s\"]\n", strings.Join(scopes, `", "`))
	}
	fmt.Fprintf(p.stderr, "The client's secret, shown this once: %s\nFor the configuration:\n", secret)
	_, err := fmt.Fprint(p.stdout, b.String())
	return err
}

// checkTenantID refuses a name where an id is needed. Empty is none.
func checkTenantID(tenant string) error {
	if tenant != "" && !uuidText.MatchString(strings.ToLower(tenant)) {
		return fmt.Errorf("--tenant %q: the tenant's id is needed; rowpass tenants list shows it", tenant)
	}
	return nil
}
