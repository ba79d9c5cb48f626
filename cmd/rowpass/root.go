package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// program is what every subcommand shares.
type program struct {
	environ []string
	stdin   io.Reader
	stdout  io.Writer
	stderr  io.Writer

	configFile string   // --config
	set        []string // --set
}

func (p *program) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "rowpass",
		Short: "Your rows and no others: bearer tokens in front of any PostgreSQL",
		Long: `rowpass turns a bearer token into your rows and no others, on any PostgreSQL.

Without a database in its configuration it runs a private one, so this is a whole demo:

  rowpass serve --set issuer.demo=true`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	holder(root)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return fmt.Errorf("%w; %s --help lists the flags", err, c.CommandPath())
	})
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.PersistentFlags().StringVar(&p.configFile, "config", "", "configuration `file` (default: config.yaml in this folder, if there is one)")
	root.PersistentFlags().StringArrayVar(&p.set, "set", nil, "override a `key=value` of the configuration; may be repeated")
	root.AddCommand(
		p.serveCommand(), p.migrateCommand(), p.seedCommand(), p.keysCommand(), p.sealCommand(), p.tokenCommand(),
		p.providersCommand(), p.clientsCommand(), p.tenantsCommand(), p.usersCommand(), p.auditCommand(), p.versionCommand(),
	)
	return root
}

// config loads the configuration as the flags name it.
func (p *program) config() (Config, error) {
	return loadConfig(p.configFile, p.environ, p.set)
}

// logger writes to standard error, so that what a command answers can be piped.
func (p *program) logger(c LogConfig) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Level)) // one of four words, checked when it was read
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "text" || c.Format == "auto" && isTerminal(p.stderr) {
		return slog.New(slog.NewTextHandler(p.stderr, options))
	}
	return slog.New(slog.NewJSONHandler(p.stderr, options))
}

// isTerminal tells whether a person reads along.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// quiet is the logger of commands that answer in a line or two: warnings only.
func (p *program) quiet() *slog.Logger {
	return slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// group is a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short}
	holder(c)
	c.AddCommand(commands...)
	return c
}

// holder makes a command show its help where it stands alone and refuse what is none of its subcommands: by itself cobra
// shows the help for these too, and succeeds.
func holder(c *cobra.Command) {
	c.DisableFlagsInUseLine = true
	c.SuggestionsMinimumDistance = 2
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		if meant := c.SuggestionsFor(args[0]); len(meant) > 0 {
			return fmt.Errorf("%s has no command %q; did you mean %s?", c.CommandPath(), args[0], strings.Join(meant, " or "))
		}
		return fmt.Errorf("%s has no command %q; %s --help lists them", c.CommandPath(), args[0], c.CommandPath())
	}
}

// one wants a single argument, which it names.
func one(argument string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("%s wants one %s, in quotes if it holds spaces", c.CommandPath(), argument)
		}
		return nil
	}
}
