package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestOperationsPageOwner types the page's line for psql beside a private PostgreSQL.
func TestOperationsPageOwner(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("psql"); err != nil {
		t.Skip("psql is not installed")
	}
	environ := environment(t)
	serve(t, environ)
	state := lookup(environ, "ROWPASS_STATE_DIR")
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, part, _ := strings.Cut(string(page), "\n## The embedded PostgreSQL")
	found := blocks(part)
	if len(found) == 0 {
		t.Fatal("the page has no line for psql")
	}
	before, after, _ := strings.Cut(found[0].text, "state=~/.local/state/rowpass")
	if before != "" {
		t.Fatalf("the page's line is %s", found[0].text)
	}
	line := "state=" + state + strings.TrimSuffix(after, "\n") + " -Atc 'select current_user, current_database()'"
	got, err := exec.Command("sh", "-c", line).CombinedOutput()
	if err != nil || string(got) != "rowpass_owner|rowpass\n" {
		t.Errorf("%v: %s", err, got)
	}
}
