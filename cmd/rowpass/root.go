package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
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
		Long: `rowpass turns a bearer token into your rows and no others, on any PostgreSQL. Without a database in its configuration it
runs a private one.`,
		Example:       "  rowpass serve --set issuer.demo=true     # a whole demo, for the browser, too",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		// Before cobra looks itself, which tells no way out.
		PersistentPreRunE: func(c *cobra.Command, _ []string) error {
			return wayOut(c, errors.Join(c.ValidateRequiredFlags(), c.ValidateFlagGroups()))
		},
	}
	holder(root)
	root.RunE = func(c *cobra.Command, _ []string) error { return p.overview(c) }
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		if strings.Contains(err.Error(), "duration") {
			return fmt.Errorf("%w; give a number with its unit, such as 15m or 720h", err)
		}
		return fmt.Errorf("%w; %s --help lists the flags", err, c.CommandPath())
	})
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.PersistentFlags().StringVar(&p.configFile, "config", "", "configuration `file` (default: config.yaml in this folder, if there is one)")
	root.PersistentFlags().StringArrayVar(&p.set, "set", nil, "override a `key=value` of the configuration; may be repeated (variables do so, too: ROWPASS_DATABASE_URL for database.url)")
	_ = root.MarkPersistentFlagFilename("config", "yaml", "yml")
	_ = root.RegisterFlagCompletionFunc("set", completeSetting)
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	p.addCommands(root)
	return root
}

// addCommands adds every command, in the groups in which people look for them.
func (p *program) addCommands(root *cobra.Command) {
	for _, g := range []struct {
		title    string
		commands []*cobra.Command
	}{
		{"Serving", []*cobra.Command{p.serveCommand()}},
		{"The database", []*cobra.Command{p.migrateCommand(), p.seedCommand(), p.sealCommand()}},
		{"Tokens and keys", []*cobra.Command{p.tokenCommand(), p.keysCommand(), p.clientsCommand(), p.providersCommand()}},
		{"People", []*cobra.Command{p.tenantsCommand(), p.usersCommand(), p.syncCommand()}},
		{"Looking into it", []*cobra.Command{p.doctorCommand(), p.explainCommand(), p.auditCommand(), p.versionCommand()}},
	} {
		root.AddGroup(&cobra.Group{ID: g.title, Title: g.title + ":"})
		for _, c := range g.commands {
			c.GroupID = g.title
		}
		root.AddCommand(g.commands...)
	}
	addCobrasOwn(root)
}

// addCobrasOwn adds help and completion, which cobra would add later, to give them examples.
func addCobrasOwn(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Short, c.Example = "Say more of a command, with an example", "  rowpass help token issue"
			c.Run, c.RunE = nil, func(c *cobra.Command, args []string) error { return help(c.Root(), args) }
		case "completion":
			c.Short, c.Example = "Print what makes a shell complete rowpass's commands, flags and names", "  rowpass completion bash > /etc/bash_completion.d/rowpass"
			for _, shell := range c.Commands() {
				shell.Example = "  rowpass completion " + shell.Name()
			}
		}
	}
}

// help is a command's page. Cobra's own command shows the whole program's where there is none of that name.
func help(root *cobra.Command, args []string) error {
	c, left, err := root.Find(args)
	if err == nil && len(left) > 0 {
		err = c.ValidateArgs(left)
		if err == nil {
			err = fmt.Errorf("%s has no commands; rowpass help %s", c.CommandPath(), strings.Join(args[:len(args)-len(left)], " "))
		}
	}
	if err != nil {
		return err
	}
	c.InitDefaultHelpFlag()
	return c.Help()
}

// overview is the page of whoever types rowpass and nothing else.
func (p *program) overview(root *cobra.Command) error {
	ink := p.ink()
	fmt.Fprintf(p.stdout, "%s\n\n%s\n", root.Long, root.Example)
	for _, g := range root.Groups() {
		fmt.Fprintf(p.stdout, "\n%s\n", ink.bold(g.Title))
		for _, c := range root.Commands() {
			if c.GroupID == g.ID {
				fmt.Fprintf(p.stdout, "  %-10s  %s\n", c.Name(), c.Short)
			}
		}
	}
	_, err := fmt.Fprint(p.stdout, "\nrowpass COMMAND --help says more, with an example. rowpass completion --help: for your shell.\n")
	return err
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
	return ok && term.IsTerminal(int(f.Fd()))
}

// quiet is the logger of commands that answer in a line or two: warnings only.
func (p *program) quiet() *slog.Logger {
	return slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// group is a command that only holds others. Its example is of the one that is used most.
func group(use, short, example string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Example: "  " + example}
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

// wayOut adds to an error of a command line where the right one can be seen.
func wayOut(c *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w; %s --help has an example", err, c.CommandPath())
}

// noArgs wants none.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return wayOut(c, fmt.Errorf("%s takes no argument, and %q is one", c.CommandPath(), args[0]))
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
