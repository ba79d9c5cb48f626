package main

import (
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// commandTree is every command, from rowpass itself down.
func commandTree(t *testing.T) []*cobra.Command {
	t.Helper()
	p := &program{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard}
	var all []*cobra.Command
	var add func(*cobra.Command)
	add = func(c *cobra.Command) {
		all = append(all, c)
		for _, sub := range c.Commands() {
			add(sub)
		}
	}
	add(p.rootCommand())
	return all
}

// TestEveryCommandHasAnExampleThatRuns holds the first example of each to what the command takes.
func TestEveryCommandHasAnExampleThatRuns(t *testing.T) {
	t.Parallel()
	for _, c := range commandTree(t) {
		t.Run(c.CommandPath(), func(t *testing.T) {
			first, _, _ := strings.Cut(c.Example, "\n")
			var said bool
			for _, words := range typedCommands(first) {
				if words[0] == "rowpass" && isOf(t, words[1:], c.CommandPath()) {
					said = true
				}
			}
			if !said {
				t.Errorf("its first example is %q", first)
			}
		})
	}
}

// isOf says whether a command line is path's or, where that only holds others, of one below it. It must be a good one.
func isOf(t *testing.T, words []string, path string) bool {
	t.Helper()
	root := commandTree(t)[0]
	c, rest, err := root.Find(words)
	if err != nil {
		t.Error(err)
		return false
	}
	if c.HasSubCommands() && c != root || c.CommandPath() != path && !strings.HasPrefix(c.CommandPath(), path+" ") {
		return false
	}
	if err := c.ParseFlags(rest); err != nil {
		t.Error(err)
	}
	if err := c.ValidateArgs(c.Flags().Args()); err != nil {
		t.Error(err)
	}
	if err := root.PersistentPreRunE(c, nil); err != nil {
		t.Error(err)
	}
	return true
}

// typedCommands are the words of each command of a line of shell, as far as examples need it: quotes, pipes, redirections,
// sub-shells and a comment.
func typedCommands(line string) (all [][]string) {
	var words []string
	var word strings.Builder
	var quote rune
	var skip bool // the file of a redirection
	end := func() {
		if word.Len() > 0 && !skip {
			words = append(words, word.String())
		}
		skip = skip && word.Len() == 0
		word.Reset()
	}
	next := func() {
		end()
		if len(words) > 0 {
			all = append(all, words)
		}
		words, skip = nil, false
	}
	for _, r := range line {
		switch {
		case r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote = r
		case r == ' ':
			end()
		case r == '#' && word.Len() == 0:
			next()
			return all
		case r == '<' || r == '>':
			end()
			skip = true
		case strings.ContainsRune("|;&()", r):
			next()
		default:
			word.WriteRune(r)
		}
	}
	next()
	return all
}

func TestOverviewHasEveryCommand(t *testing.T) {
	t.Parallel()
	printed := succeed(t, nil)
	for _, c := range commandTree(t)[0].Commands() {
		own := c.Name() == "help" || c.Name() == "completion" // of cobra's, which its last line tells of
		if !own && !strings.Contains(printed, "\n  "+c.Name()+" ") {
			t.Errorf("%s is not in\n%s", c.Name(), printed)
		}
	}
}

// TestCompletion asks as the script of a shell does.
func TestCompletion(t *testing.T) {
	t.Parallel()
	file := t.TempDir() + "/config.yaml"
	write(t, file, `providers:
  - {name: idp, jwks_url: https://idp.example.com/jwks, issuers: [https://idp.example.com], audience: [app]}
clients:
  - {id: client_reports, secret_sha256: 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b, tenant: a0000000-0000-4000-8000-000000000001}
sync:
  sources:
    - {name: idp, preset: tokens}
`, 0o600)
	for _, tt := range []struct{ name, typed, want string }{
		{"a command by its first letters", "pro|", "providers\t"},
		{"the kinds of event", "audit --event |", "exchange\n"},
		{"a provider as an argument", "--config FILE providers test |", "idp\n:4\n"},
		{"a provider behind an argument", "--config FILE users link ada@acme.example --provider |", "idp\n:4\n"},
		{"a source", "--config FILE sync status |", "idp\n:4\n"},
		{"no second source", "--config FILE sync status idp |", ":4\n"},
		{"a client", "--config FILE token revoke --client |", "client_reports\n:4\n"},
		{"a preset, for a provider's name", "providers add https://idp.example.com --name |", "keycloak\n"},
		{"a key of the configuration, and no space behind it", "--set |", "issuer.token_ttl=\n"},
		{"no list that only the file can hold", "--set |", "!providers=\n"},
		{"a flag, in plain words", "serve --se|", "--set\toverride a key=value of"},
		{"a file", "keys import |", ":0\n"},
		{"no file where none is wanted", "serve |", ":4\n"},
		{"nothing of a configuration that cannot be read", "--config missing.yaml providers test |", ":4\n"},
	} {
		before, _, _ := strings.Cut(tt.typed, "|")
		words := strings.Split(strings.ReplaceAll(before, "FILE", file), " ")
		printed := "\n" + succeed(t, nil, append([]string{"__complete"}, words...)...)
		want, not := strings.CutPrefix(tt.want, "!")
		nothing := strings.HasPrefix(want, ":") && printed != "\n"+want
		if strings.Contains(printed, "\n"+want) == not || nothing {
			t.Errorf("%s: %q gives\n%s", tt.name, tt.typed, printed)
		}
	}
}
