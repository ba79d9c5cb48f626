package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"rowpass/keys"
)

func (p *program) keysCommand() *cobra.Command {
	return group("keys", "The ring of keys that sign rowpass's own tokens",
		p.generateKeyCommand(), p.importKeyCommand(), p.listKeysCommand(), p.exportKeysCommand())
}

func (p *program) generateKeyCommand() *cobra.Command {
	var alg string
	c := &cobra.Command{
		Use: "generate", Short: "Make the key that signs, where there is none yet", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			key, err := keys.Generate(alg, time.Now())
			if err != nil {
				return err
			}
			return p.addKey(cmd.Context(), key, keys.Current)
		},
	}
	c.Flags().StringVar(&alg, "alg", "ES256", "`algorithm`: "+strings.Join(keys.Algorithms(), ", "))
	return c
}

func (p *program) importKeyCommand() *cobra.Command {
	var verifyOnly bool
	c := &cobra.Command{
		Use: "import FILE", Short: "Take a private key from a JWK or PEM file (- for standard input)", Args: one("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			data, err := p.readKeyFile(args[0])
			if err != nil {
				return err
			}
			key, err := keys.Import(data, time.Now())
			if err != nil {
				return fmt.Errorf("importing %s: %w", args[0], err)
			}
			state := keys.Current
			if verifyOnly {
				state = keys.Previous
			}
			return p.addKey(cmd.Context(), key, state)
		},
	}
	c.Flags().BoolVar(&verifyOnly, "verify-only", false, "the key verifies tokens that it signed elsewhere and signs none here")
	return c
}

// maxKeyFile is more than any private key takes.
const maxKeyFile = 64 << 10

func (p *program) readKeyFile(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(io.LimitReader(p.stdin, maxKeyFile))
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, maxKeyFile))
}

func (p *program) listKeysCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the keys and what each is for", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ring, err := p.ring(cmd.Context())
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "KID\tALG\tSTATE\tCREATED")
			for _, k := range ring.Keys() {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", k.ID(), k.Algorithm(), k.State(), k.CreatedAt().UTC().Format(time.RFC3339))
			}
			return w.Flush()
		},
	}
}

func (p *program) exportKeysCommand() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use: "export", Short: "Print the public keys, as a JWKS or as PEM", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ring, err := p.ring(cmd.Context())
			if err != nil {
				return err
			}
			var out []byte
			switch format {
			case "jwks":
				out = append(bytes.TrimSpace(ring.JWKS()), '\n')
			case "pem":
				out, err = ring.PEM()
			default:
				err = fmt.Errorf("--format %q: jwks or pem is needed", format)
			}
			if err != nil {
				return err
			}
			_, err = p.stdout.Write(out)
			return err
		},
	}
	c.Flags().StringVar(&format, "format", "jwks", "`jwks or pem`")
	return c
}

// ring loads the configured ring.
func (p *program) ring(ctx context.Context) (keys.Ring, error) {
	c, err := p.config()
	if err != nil {
		return keys.Ring{}, err
	}
	ring, _, err := keys.Load(ctx, keys.NewFolder(c.Keys.Dir))
	return ring, err
}

func (p *program) addKey(ctx context.Context, key keys.Key, state keys.State) error {
	c, err := p.config()
	if err != nil {
		return err
	}
	err = addToRing(ctx, keys.NewFolder(c.Keys.Dir), key, state)
	if errors.Is(err, keys.ErrSecondCurrent) || errors.Is(err, keys.ErrKnownKey) {
		return fmt.Errorf("adding the key to %s: %w; rowpass keys list shows it", c.Keys.Dir, err)
	}
	if err != nil {
		return fmt.Errorf("adding the key to %s: %w", c.Keys.Dir, err)
	}
	_, err = fmt.Fprintf(p.stdout, "%s (%s, %s) in %s\n", key.ID(), key.Algorithm(), state, c.Keys.Dir)
	return err
}

// addToRing adds the key unless somebody else changed the ring in the meantime, in which case it looks again.
func addToRing(ctx context.Context, store keys.Store, key keys.Key, state keys.State) error {
	for {
		ring, stored, err := keys.Load(ctx, store)
		if err != nil {
			return err
		}
		if ring, err = ring.Add(key, state); err != nil {
			return err
		}
		if err = keys.Save(ctx, store, ring, stored); !errors.Is(err, keys.ErrConflict) {
			return err
		}
	}
}
