package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"rowpass/db"
)

func (p *program) setPasswordCommand() *cobra.Command {
	var tenant string
	c := &cobra.Command{
		Use: "set-password USER", Short: "Give a user, by id or e-mail address, a password; its sessions end", Args: one("USER"),
		Example: `  rowpass users set-password member@acme.example
  openssl rand -base64 18 | tee /dev/tty | rowpass users set-password member@acme.example`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkTenantID(tenant); err != nil {
				return err
			}
			password, err := p.readPassword()
			if err != nil {
				return err
			}
			return p.onState(cmd.Context(), func(c Config, state *db.State) error {
				user, err := findUser(cmd.Context(), c, state, args[0], tenant)
				if err != nil {
					return err
				}
				if err := state.SetPassword(cmd.Context(), user.UserID, password); err != nil {
					return fmt.Errorf("setting the password: %w", err)
				}
				_, err = fmt.Fprintf(p.stdout, "%s (%s) has a new password; all its earlier tokens are void\n", printable(user.Email), user.UserID)
				return err
			})
		},
	}
	c.Flags().StringVar(&tenant, "tenant", "", "the tenant's `id`, where the address stands in several")
	return c
}

// maxPassword is more than the database takes, so that a longer one is refused and not cut off.
const maxPassword = 4096

// pipedPassword is a line of its own.
func pipedPassword(from io.Reader) (string, error) {
	text, err := io.ReadAll(io.LimitReader(from, maxPassword))
	if err != nil {
		return "", fmt.Errorf("reading the password from standard input: %w", err)
	}
	password := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	switch {
	case password == "":
		return "", errors.New("no password came on standard input; nothing was changed")
	case strings.ContainsAny(password, "\r\n"):
		return "", errors.New("more than one line came on standard input: a password is one; nothing was changed")
	}
	return password, nil
}

// readPassword asks a person twice and takes a pipe's line. An argument would stand in the list of processes.
func (p *program) readPassword() (string, error) {
	file, ok := p.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return pipedPassword(p.stdin)
	}
	var typed [2]string
	for i, prompt := range []string{"New password: ", "Again: "} {
		fmt.Fprint(p.stderr, prompt)
		text, err := term.ReadPassword(int(file.Fd()))
		fmt.Fprintln(p.stderr)
		if err != nil {
			return "", fmt.Errorf("reading the password: %w", err)
		}
		typed[i] = string(text)
	}
	if typed[0] != typed[1] {
		return "", errors.New("the two passwords differ; nothing was changed")
	}
	return typed[0], nil
}
