package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "write docs/commands.md anew")

// TestCommandsPage holds docs/commands.md to what --help says; with -update it writes the page.
func TestCommandsPage(t *testing.T) {
	t.Parallel()
	const file = "../../docs/commands.md"
	want := commandsPage(t)
	if *update {
		write(t, file, want, 0o644)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("go test ./cmd/rowpass -run TestCommandsPage -update writes the page anew:\n%s", diff)
	}
}

func commandsPage(t *testing.T) string {
	t.Helper()
	all := commandTree(t)
	var page strings.Builder
	fmt.Fprint(&page, "# Commands\n\n", "What `rowpass COMMAND --help` says, on one page. Every command takes these as well:\n\n", fenced("text", all[0].PersistentFlags().FlagUsages()))
	fmt.Fprint(&page, "\nThe exit status is 0 where all went well and 1 where it didn't; what went wrong, and what to do next, is on standard error.\n")
	for _, group := range all[0].Groups() {
		fmt.Fprintf(&page, "\n## %s\n", strings.TrimSuffix(group.Title, ":"))
		for _, c := range all {
			if c.Runnable() && !c.HasSubCommands() && topmost(c).GroupID == group.ID {
				page.WriteString(commandPart(c))
			}
		}
	}
	return page.String()
}

// topmost is the command right below rowpass that c is, or is under.
func topmost(c *cobra.Command) *cobra.Command {
	for c.HasParent() && c.Parent().HasParent() {
		c = c.Parent()
	}
	return c
}

func commandPart(c *cobra.Command) string {
	var part strings.Builder
	fmt.Fprintf(&part, "\n### %s\n\n", c.CommandPath())
	switch {
	case c.Long == "":
		fmt.Fprintf(&part, "%s.\n\n", c.Short)
	default:
		fmt.Fprintf(&part, "%s\n\n", c.Long)
	}
	part.WriteString(fenced("sh", dedented(c.Example)))
	if flags := c.LocalNonPersistentFlags().FlagUsages(); flags != "" || strings.Contains(c.Use, " ") {
		fmt.Fprintf(&part, "\n%s", fenced("text", c.UseLine()+"\n\n"+flags))
	}
	return part.String()
}

func dedented(text string) string {
	return strings.TrimPrefix(strings.ReplaceAll(text, "\n  ", "\n"), "  ")
}

func fenced(kind, text string) string {
	return "```" + kind + "\n" + strings.TrimRight(text, "\n") + "\n```\n"
}
