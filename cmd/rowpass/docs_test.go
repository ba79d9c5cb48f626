package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	linkTarget = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	noAnchor   = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
	fencedPart = regexp.MustCompile("(?ms)^```.*?^```$")
)

// pages are the texts for people, by path from the top.
func pages(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, file := range append(files, "../../README.md", "../../CONTRIBUTING.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Clean(file)] = fencedPart.ReplaceAllString(string(text), "")
	}
	return all
}

// anchors are what links may name behind # in a page, as GitHub makes them of headings.
func anchors(page string) map[string]bool {
	all := map[string]bool{}
	for line := range strings.Lines(page) {
		if level, title, ok := strings.Cut(line, " "); ok && strings.Trim(level, "#") == "" && level != "" {
			name := noAnchor.ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), "")
			all[strings.ReplaceAll(name, " ", "-")] = true
		}
	}
	return all
}

func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	all := pages(t)
	for file, text := range all {
		for _, m := range linkTarget.FindAllStringSubmatch(text, -1) {
			path, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(path, "://") {
				continue
			}
			to := file
			if path != "" {
				to = filepath.Join(filepath.Dir(file), path)
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: %s: there is no such file", file, m[1])
			}
			if anchor != "" && !anchors(all[to])[anchor] {
				t.Errorf("%s: %s: there is no such heading", file, m[1])
			}
		}
	}
}

func TestEveryPageIsInTheBook(t *testing.T) {
	t.Parallel()
	all := pages(t)
	contents := all["../../docs/README.md"]
	for file := range all {
		if name := filepath.Base(file); filepath.Dir(file) == "../../docs" && name != "README.md" && !strings.Contains(contents, "]("+name+")") {
			t.Errorf("docs/README.md does not list %s", name)
		}
	}
}
