package main

import (
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"rowpass/keys"
)

// among completes a flag that takes one of a few words.
func among(c *cobra.Command, flag string, words ...string) {
	_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

// names completes a flag or an argument with names of the configuration; where that cannot be read, with none.
func (p *program) names(of func(Config) []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		c, err := p.config()
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return of(c), cobra.ShellCompDirectiveNoFileComp
	}
}

// anywhere is names for a flag, which may stand behind arguments.
func (p *program) anywhere(of func(Config) []string) cobra.CompletionFunc {
	complete := p.names(of)
	return func(c *cobra.Command, _ []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return complete(c, nil, toComplete)
	}
}

// files completes with the names of files.
func files(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

func presetIDs() (ids []string) {
	for _, preset := range keys.Presets() {
		ids = append(ids, preset.ID)
	}
	return ids
}

func providerNames(c Config) (names []string) {
	for _, p := range c.Providers {
		names = append(names, p.Name)
	}
	return names
}

func sourceNames(c Config) (names []string) {
	for _, s := range c.Sync.Sources {
		names = append(names, s.Name)
	}
	return names
}

func clientIDs(c Config) (ids []string) {
	for _, client := range c.Clients {
		ids = append(ids, client.ID)
	}
	return ids
}

// completeSetting completes the key of --set. Its value it leaves alone: bash takes what stands behind = for a word of its own.
func completeSetting(_ *cobra.Command, _ []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if strings.Contains(toComplete, "=") {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	all := settings("", reflect.ValueOf(defaultConfig()))
	all = slices.DeleteFunc(all, func(s setting) bool { return s.entryKeys("") != nil }) // only the file can list those
	names := keyNames(all)
	for i := range names {
		names[i] += "="
	}
	return names, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// unquoteFlags takes out the backquotes by which --help learns what a flag's value is called: shells show the text as it is.
func unquoteFlags(c *cobra.Command) {
	for _, flags := range []*pflag.FlagSet{c.Flags(), c.PersistentFlags()} {
		flags.VisitAll(func(f *pflag.Flag) { f.Usage = strings.ReplaceAll(f.Usage, "`", "") })
	}
	for _, below := range c.Commands() {
		unquoteFlags(below)
	}
}
