package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rowpass/keys"
)

func (p *program) keysCommand() *cobra.Command {
	return group("keys", "The ring of keys that sign rowpass's own tokens", "rowpass keys list",
		p.generateKeyCommand(), p.importKeyCommand(), p.rotateKeysCommand(), p.revokeKeyCommand(), p.rewrapKeysCommand(),
		p.listKeysCommand(), p.exportKeysCommand())
}

func (p *program) generateKeyCommand() *cobra.Command {
	var alg string
	c := &cobra.Command{
		Use: "generate", Short: "Make the key that signs, where there is none yet", Args: noArgs,
		Example: "  rowpass keys generate",
		RunE: func(cmd *cobra.Command, _ []string) error {
			key, err := keys.Generate(alg, time.Now())
			if err != nil {
				return err
			}
			return p.addKey(cmd.Context(), key, keys.Current)
		},
	}
	c.Flags().StringVar(&alg, "alg", "ES256", "`algorithm`: "+strings.Join(keys.Algorithms(), ", "))
	among(c, "alg", keys.Algorithms()...)
	return c
}

func (p *program) importKeyCommand() *cobra.Command {
	var verifyOnly bool
	c := &cobra.Command{
		Use: "import FILE", Short: "Take a private key from a JWK or PEM file (- for standard input)", Args: one("FILE"),
		ValidArgsFunction: files,
		Example: `  rowpass keys import signing-key.pem
  rowpass keys import --verify-only old-key.jwk     # its tokens are accepted until they are out of date`,
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
		Use: "list", Short: "List the keys, what each is for and what comes next", Args: noArgs,
		Example: "  rowpass keys list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.onRing(cmd.Context(), func(c Config, store keys.Store) error {
				ring, _, err := keys.Load(cmd.Context(), store)
				if err != nil {
					return err
				}
				l := p.list("KID", "ALG", "STATE", "CREATED", "SINCE", "NEXT")
				for _, k := range ring.Keys() {
					l.row(k.ID(), k.Algorithm(), l.ink.outcome(string(k.State())), timeText(k.CreatedAt()), timeText(k.Since()), outlook(k, c.keyLimits()))
				}
				return l.write()
			})
		},
	}
}

// timeText is how commands write a time.
func timeText(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// outlook is what will become of a key by itself.
func outlook(k keys.Key, l keys.Limits) string {
	switch {
	case k.State() == keys.Standby:
		return "signs from " + timeText(k.Since().Add(l.Wait()))
	case k.State() == keys.Previous && k.Until().IsZero():
		return "verifies until it is revoked"
	case k.State() == keys.Previous:
		return "verifies until " + timeText(k.Until())
	case k.State() == keys.Current && l.Every > 0:
		return "gives way from " + timeText(k.Since().Add(l.Every))
	}
	return ""
}

func (p *program) exportKeysCommand() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use: "export", Short: "Print the public keys, as a JWKS or as PEM", Args: noArgs,
		Example: `  rowpass keys export
  rowpass keys export --format pem > public.pem`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.onRing(cmd.Context(), func(_ Config, store keys.Store) error {
				ring, _, err := keys.Load(cmd.Context(), store)
				if err != nil {
					return err
				}
				out, err := exported(ring, format)
				if err != nil {
					return err
				}
				_, err = p.stdout.Write(out)
				return err
			})
		},
	}
	c.Flags().StringVar(&format, "format", "jwks", "`jwks or pem`")
	among(c, "format", "jwks", "pem")
	return c
}

func exported(ring keys.Ring, format string) ([]byte, error) {
	switch format {
	case "jwks":
		return append(bytes.TrimSpace(ring.JWKS()), '\n'), nil
	case "pem":
		return ring.PEM()
	}
	return nil, fmt.Errorf("--format %q: jwks or pem is needed", format)
}

// addKey adds the key to the configured ring, and notes there how long its tokens live.
func (p *program) addKey(ctx context.Context, key keys.Key, state keys.State) error {
	return p.onRing(ctx, func(c Config, store keys.Store) error {
		_, err := keys.Update(ctx, store, func(r keys.Ring) (keys.Ring, error) {
			r, err := r.Add(key, state, time.Now())
			if err == nil && state == keys.Current {
				r, _ = r.Promise(c.keyLimits().TokenTTL)
			}
			return r, err
		})
		switch {
		case errors.Is(err, keys.ErrSecondCurrent):
			return fmt.Errorf("the ring has a current key already, in %s; rowpass keys rotate makes the next one", c.ringPlace())
		case errors.Is(err, keys.ErrKnownKey):
			return fmt.Errorf("the ring in %s: %w; rowpass keys list shows it", c.ringPlace(), err)
		case err != nil:
			return fmt.Errorf("the ring in %s: %w", c.ringPlace(), err)
		}
		_, err = fmt.Fprintf(p.stdout, "%s (%s, %s) in %s\n", key.ID(), key.Algorithm(), state, c.ringPlace())
		return err
	})
}
