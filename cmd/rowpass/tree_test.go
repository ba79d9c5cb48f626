package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// mayImport is the architecture of docs/architecture.md: who may know whom. cmd/rowpass may know all.
var mayImport = map[string][]string{
	"rowpass/api":         {"rowpass/db", "rowpass/doctor", "rowpass/identity", "rowpass/keys", "rowpass/statement", "rowpass/token"},
	"rowpass/token":       {"rowpass/keys"},
	"rowpass/keys":        {"rowpass/outbound"},
	"rowpass/outbound":    nil,
	"rowpass/statement":   nil,
	"rowpass/identity":    {"rowpass/outbound"},
	"rowpass/db":          nil,
	"rowpass/doctor":      nil,
	"rowpass/db/embedded": nil,
	"rowpass/db/dbtest":   {"rowpass/db/embedded", "rowpass/migrations", "rowpass/seed"},
	"rowpass/migrations":  nil,
	"rowpass/seed":        nil,
}

// seenBy names, for each library that could spread, the packages that may see it.
var seenBy = map[string][]string{
	"github.com/lestrrat-go/jwx":    {"rowpass/keys", "rowpass/token"},
	"github.com/jackc/pgx":          {"rowpass/db", "rowpass/db/embedded", "rowpass/db/dbtest", "rowpass/doctor", "rowpass/identity", "rowpass/migrations", "rowpass/cmd/rowpass"},
	"github.com/labstack/echo":      {"rowpass/api"},
	"github.com/pressly/goose":      {"rowpass/migrations"},
	"github.com/spf13":              {"rowpass/cmd/rowpass"},
	"github.com/go-viper":           {"rowpass/cmd/rowpass"},
	"go.yaml.in/yaml":               {"rowpass/cmd/rowpass", "rowpass/keys"},
	"github.com/prometheus":         {"rowpass/api"},
	"github.com/hashicorp/golang-l": {"rowpass/statement", "rowpass/token", "rowpass/identity", "rowpass/api"},
	"github.com/wasilibs":           {"rowpass/statement"},
	"github.com/pganalyze":          {"rowpass/statement"},
	"github.com/jedib0t":            {"rowpass/cmd/rowpass"},
}

func TestPackagesKnowOnlyWhomTheyMay(t *testing.T) {
	t.Parallel()
	for path, imports := range packages(t) {
		allowed, known := mayImport[path]
		if !known && path != "rowpass/cmd/rowpass" {
			t.Errorf("%s stands in no list: say whom it may import", path)
		}
		for _, imported := range imports {
			if strings.HasPrefix(imported, "rowpass/") && known && !slices.Contains(allowed, imported) {
				t.Errorf("%s may not import %s", path, imported)
			}
			for library, packages := range seenBy {
				if strings.HasPrefix(imported, library) && !slices.Contains(packages, path) {
					t.Errorf("%s may not see %s", path, imported)
				}
			}
		}
	}
}

// packages are ours with what each imports, tests left out.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p.Imports
	}
}
