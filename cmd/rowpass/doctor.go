package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"rowpass/db"
	"rowpass/doctor"
	"rowpass/migrations"
	"rowpass/token"
)

func (p *program) doctorCommand() *cobra.Command {
	var asJSON bool
	var fix string
	c := &cobra.Command{
		Use: "doctor", Short: "Examine the database: open tables, slow policies, keys that leak, logins that bypass", Args: noArgs,
		Long: `Examine the database: catalogues as its owner, and, over the gateway's login, the plans that PostgreSQL makes for callers. Each
finding says why it is one, what it costs, and the SQL that mends it. Nothing is changed, not with --fix either, which writes a migration to read, try and run.

The exit status is 1 where a finding is of severity high or medium, so that CI can ask; 0 otherwise.
docs/doctor.md lists all findings. What database.unprotected names is left out.`,
		Example: "  rowpass doctor\n  rowpass doctor --json | jq -r '.[].id'\n  rowpass doctor --fix migrations/00042_doctor.sql",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkNew(fix); err != nil {
				return err
			}
			found, err := p.examine(cmd.Context())
			if err != nil {
				return err
			}
			if err := p.reportFindings(found, asJSON); err != nil {
				return err
			}
			if fix != "" {
				if err := p.writeMigration(fix, found); err != nil {
					return err
				}
			}
			return verdict(found, fix != "")
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write the findings as a JSON array")
	c.Flags().StringVar(&fix, "fix", "", "write a goose migration that mends them to a new `FILE`")
	_ = c.MarkFlagFilename("fix", "sql")
	return c
}

func (p *program) examine(ctx context.Context) (found []doctor.Finding, err error) {
	err = p.onDatabase(ctx, func(c Config, l logins) error {
		owner, err := l.ownerURL("doctor")
		if err != nil {
			return err
		}
		found, err = doctor.Examine(ctx, c.examination(owner, l.gateway))
		return err
	})
	return found, err
}

// examination is what doctor is to look at. Functions of PostgreSQL's matter where callers may send SQL.
func (c Config) examination(ownerURL, gatewayURL string) doctor.Config {
	e := doctor.Config{
		OwnerURL: ownerURL, GatewayURL: gatewayURL, Gateway: db.LoginOf(gatewayURL), Claims: c.sentClaims(), Tolerated: c.Database.Unprotected, AuthSchema: c.Database.AuthSchema,
	}
	if c.SQL.Enabled || c.Issuer.Demo {
		e.Dangerous = migrations.DangerousFunctions
	}
	return e
}

// sentClaims are those of our own tokens and, of each provider's, the registered ones, those that the configuration names, and those
// that its make is known by.
func (c Config) sentClaims() []string {
	all := []string{
		"iss", "sub", "aud", "exp", "iat", "nbf", "jti", "client_id", "tenant_id", "role", "scope", "sid", "act",
		"rowpass_origin", "rowpass_user", "rowpass_tenant",
	}
	for _, pc := range c.Providers {
		t := pc.provider(nil)
		for _, path := range slices.Concat(t.Subject, t.Tenant, t.Required, []token.Path{t.Email, t.EmailVerified}) {
			all = append(all, path[0])
		}
		for _, rule := range t.Refused {
			all = append(all, rule.Claim[0])
		}
		all = append(all, "o", "azp", "name", "given_name", "family_name", "picture", "locale", "email", "email_verified", "amr", "acr", "auth_time")
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (p *program) reportFindings(found []doctor.Finding, asJSON bool) error {
	if asJSON {
		return writeJSON(p.stdout, found)
	}
	if len(found) == 0 {
		_, err := fmt.Fprintln(p.stdout, "Nothing was found.")
		return err
	}
	ink := p.ink()
	low := 0
	for _, f := range found {
		writeFinding(p.stdout, ink, f)
		if f.Severity == doctor.Low {
			low++
		}
	}
	if low == len(found) {
		fmt.Fprintf(p.stdout, "found of severity low: %d, which is no reason to stop\n", low)
	}
	return nil
}

func errFileThere(path string) error {
	return fmt.Errorf("%s is there already; give --fix a new file", path)
}

// checkNew refuses a file that cannot be written before the time is spent on what it would hold.
func checkNew(path string) error {
	if path == "" {
		return nil
	}
	if _, err := os.Stat(path); err == nil {
		return errFileThere(path)
	}
	if folder, err := os.Stat(filepath.Dir(path)); err != nil || !folder.IsDir() {
		return fmt.Errorf("%s is no folder: make it first, or give --fix a file elsewhere", filepath.Dir(path))
	}
	return nil
}

// writeMigration writes to a file that is not there yet.
func (p *program) writeMigration(path string, found []doctor.Finding) error {
	text := doctor.Migration(found)
	if text == "" {
		fmt.Fprintf(p.stderr, "%s is not written: no SQL mends what was found\n", path)
		return nil
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // a migration is no secret
	if errors.Is(err, os.ErrExist) {
		return errFileThere(path)
	}
	if err != nil {
		return fmt.Errorf("writing the migration: %w", err)
	}
	_, err = file.WriteString(text)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("writing the migration: %w", err)
	}
	fmt.Fprintf(p.stderr, "%s is written: read it, try it on a copy, and run it as the owner with goose, or its first half with psql\n", path)
	return nil
}

// verdict is an error where CI should stop.
func verdict(found []doctor.Finding, written bool) error {
	count := map[doctor.Severity]int{}
	for _, f := range found {
		count[f.Severity]++
	}
	if count[doctor.High]+count[doctor.Medium] == 0 {
		return nil
	}
	next := "rowpass doctor --fix FILE.sql writes what mends them"
	switch {
	case written:
		next = "once they are mended, look again: one can hide another"
	case !slices.ContainsFunc(found, func(f doctor.Finding) bool { return f.Mend != "" }):
		next = "no SQL mends them by itself: each says what to decide"
	}
	return fmt.Errorf("found of severity high: %d, medium: %d, low: %d; %s", count[doctor.High], count[doctor.Medium], count[doctor.Low], next)
}
