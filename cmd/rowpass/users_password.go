package main

import (
	"bufio"
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
		Example: `  rowpass users set-password ada@acme.example
  openssl rand -base64 18 | tee /dev/tty | rowpass users set-password ada@acme.example`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkTenantID(tenant); err != nil {
				return err
			}
			password, err := p.readPassword()
			if err != nil {
				return err
			}
			return p.onState(cmd.Context(), func(_ Config, state *db.State) error {
				user, err := findUser(cmd.Context(), state, args[0], tenant)
				if err != nil {
					return err
				}
				if err := state.SetPassword(cmd.Context(), user.UserID, password); err != nil {
					return fmt.Errorf("setting the password: %w", err)
				}
				_, err = fmt.Fprintf(p.stdout, "%s (%s) has a new password; whatever it was logged in with is void\n", user.Email, user.UserID)
				return err
			})
		},
	}
	c.Flags().StringVar(&tenant, "tenant", "", "the tenant's `id`, where the address stands in several")
	return c
}

// maxPassword is more than the database takes, so that a longer one is refused and not cut off.
const maxPassword = 4096

// readPassword asks a person twice and takes a pipe's first line. An argument would stand in the list of processes.
func (p *program) readPassword() (string, error) {
	file, ok := p.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		line, err := bufio.NewReader(io.LimitReader(p.stdin, maxPassword)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("reading the password from standard input: %w", err)
		}
		return strings.TrimRight(line, "\r\n"), nil
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
