package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"rowpass/keys"
)

// wrapping is what the flags of keys rewrap name: files with a secret each, or none.
type wrapping struct{ from, to string }

func (p *program) rewrapKeysCommand() *cobra.Command {
	var w wrapping
	c := &cobra.Command{
		Use: "rewrap", Short: "Encrypt the ring with another wrapping secret", Args: noArgs,
		Long: `Encrypt the ring with another wrapping secret. Each file holds 64 hex digits; where one isn't given, the ring isn't wrapped.
Instances that run go on with the keys that they have, and follow again once they are started with the new secret.`,
		Example: `  (umask 077; openssl rand -hex 32 > new) && rowpass keys rewrap --from-file old --to-file new
  rowpass keys rewrap --to-file new     # of a ring that was not wrapped`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if w == (wrapping{}) {
				return errors.New("give --from-file, --to-file or both: the secret that the ring is wrapped with, and the one that it shall be wrapped with")
			}
			return p.onBareRing(cmd.Context(), func(c Config, bare keys.Store) error { return p.rewrap(cmd.Context(), c, bare, w) })
		},
	}
	c.Flags().StringVar(&w.from, "from-file", "", "`file` with the secret that the ring is wrapped with")
	c.Flags().StringVar(&w.to, "to-file", "", "`file` with the secret that it shall be wrapped with")
	_ = errors.Join(c.RegisterFlagCompletionFunc("from-file", files), c.RegisterFlagCompletionFunc("to-file", files))
	return c
}

func (p *program) rewrap(ctx context.Context, c Config, bare keys.Store, w wrapping) error {
	if w.to == "" && c.Keys.Store != inFolder {
		return errors.New("a ring in the database is always wrapped: give --to-file")
	}
	from, _, err := wrapBy(bare, "--from-file", w.from)
	if err != nil {
		return err
	}
	to, id, err := wrapBy(bare, "--to-file", w.to)
	if err != nil {
		return err
	}
	if err := keys.Rewrap(ctx, from, to); err != nil {
		return fmt.Errorf("the ring in %s: %w", c.ringPlace(), inFlags(err))
	}
	if id == "" {
		_, err = fmt.Fprintf(p.stdout, "the ring in %s is not wrapped any more: unset keys.wrapping_secret and start the instances again\n", c.ringPlace())
		return err
	}
	_, err = fmt.Fprintf(p.stdout, "the ring in %s is wrapped with the secret %s: set keys.wrapping_secret to it and start the instances again; until then no other key reaches them\n", c.ringPlace(), id)
	return err
}

// wrapBy wraps the store with the secret in a file, and gives the secret's id. Without a file it is the bare store.
// No error names the file: it may be the secret itself.
func wrapBy(bare keys.Store, flag, file string) (keys.Store, string, error) {
	if file == "" {
		return bare, "", nil
	}
	text, err := readSecret(file)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", flag, err)
	}
	if !wrappingSecret.MatchString(text) {
		return nil, "", fmt.Errorf("%s: 64 hex digits are needed, as openssl rand -hex 32 prints them", flag)
	}
	secret, err := hex.DecodeString(text)
	if err != nil {
		return nil, "", fmt.Errorf("%s: 64 hex digits are needed", flag)
	}
	store, err := keys.Wrap(bare, secret)
	return store, keys.WrapID(secret), err
}

// inFlags says a *keys.WrapError in terms of the flags.
func inFlags(err error) error {
	wrong, ok := errors.AsType[*keys.WrapError](err)
	switch {
	case !ok:
		return err
	case wrong.Stored == "":
		return errors.New("the ring is not wrapped: leave --from-file out")
	case wrong.Given == "":
		return fmt.Errorf("the ring is wrapped with the secret %s: give that one by --from-file", wrong.Stored)
	}
	return fmt.Errorf("the ring is wrapped with the secret %s, and --from-file has %s", wrong.Stored, wrong.Given)
}
