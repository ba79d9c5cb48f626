package main

import (
	"encoding/hex"
	"fmt"

	"github.com/spf13/cobra"

	"rowpass/db"
)

func (p *program) sealCommand() *cobra.Command {
	var now bool
	rotate := &cobra.Command{
		Use: "rotate", Short: "Make a new seal key; running instances follow by themselves", Args: noArgs,
		Long: `Make a new seal key. The one before it stays good until the next rotation, so that instances with
database.seal_key can be given the new one first. Instances with the owner's login follow by themselves.`,
		Example: `  rowpass seal rotate
  rowpass seal rotate --now     # after restoring a dump, or when the key may be known: the old one is void at once`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.asOwner(cmd.Context(), "seal rotate", func(owner string) error {
				if err := db.RotateSealKey(cmd.Context(), owner, now); err != nil {
					return err
				}
				_, err := fmt.Fprintln(p.stdout, "made a new seal key; instances that have database.seal_key need it (rowpass seal export), and a restart")
				return err
			})
		},
	}
	rotate.Flags().BoolVar(&now, "now", false, "the old key is void at once")
	export := &cobra.Command{
		Use: "export", Short: "Print the seal key, for instances without the owner's login", Args: noArgs,
		Long: `Print the seal key as database.seal_key takes it. Whoever has it and any login can be any user: send it
to a file that nobody else can read.`,
		Example: "  (umask 077; rowpass seal export > seal.key)",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.asOwner(cmd.Context(), "seal export", func(owner string) error {
				key, err := db.SealKey(cmd.Context(), owner)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(p.stdout, hex.EncodeToString(key))
				return err
			})
		},
	}
	return group("seal", "The key that proves to PostgreSQL that claims came from rowpass", "rowpass seal rotate", rotate, export)
}
