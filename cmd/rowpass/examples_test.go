package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestExamples runs each program under examples with the packages that it names, and compares what it prints with what its
// README says.
func TestExamples(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("the examples' packages come from npm, which takes a while: -short")
	}
	needNode(t)
	p := serve(t, environment(t, "ROWPASS_ISSUER_DEMO=true", "ROWPASS_SQL_ENABLED=true"))
	for _, name := range []string{"neon-driver", "drizzle-todos"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), name)
			if err := os.CopyFS(dir, os.DirFS(filepath.Join("../../examples", name))); err != nil {
				t.Fatal(err)
			}
			install(t, dir)
			got, err := npm(dir, "ROWPASS_URL=http://"+p.api, "start", "--silent")
			if want := printed(t, dir); err != nil || !pattern(want, "$").MatchString(got) {
				t.Errorf("npm start: %v\n%s\nits README says:\n%s", err, got, want)
			}
		})
	}
}

func needNode(t *testing.T) {
	t.Helper()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("the examples need ", program, ": ", err)
		}
	}
	version, err := exec.Command("node", "--print", "parseInt(process.versions.node) >= 20").Output()
	if err != nil || strings.TrimSpace(string(version)) != "true" {
		t.Skip("the examples need Node.js 20 or later")
	}
}

// unreachable is what npm says where there is no network.
var unreachable = regexp.MustCompile(`ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|ETIMEDOUT|ERR_SOCKET_TIMEOUT`)

func install(t *testing.T, dir string) {
	t.Helper()
	out, err := npm(dir, "", "install", "--prefer-offline", "--no-package-lock", "--no-audit", "--no-fund")
	if err == nil {
		return
	}
	_ = os.RemoveAll(filepath.Join(dir, "node_modules"))
	if unreachable.MatchString(out) {
		t.Skipf("the examples' packages cannot be had from npm: %s", out)
	}
	t.Fatalf("npm install: %v\n%s", err, out)
}

// npm runs with everything of the environment, where a registry or a cache may be set.
func npm(dir, variable string, args ...string) (string, error) {
	cmd := exec.Command("npm", args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), variable)
	if args[0] == "start" { // what it prints is compared, what npm remarks is not
		out, err := cmd.Output()
		return string(out), err
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// printed is what a README says that its program prints.
func printed(t *testing.T, dir string) string {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks(string(readme)) {
		if b.kind == "console" {
			return b.text
		}
	}
	t.Fatalf("%s: no console block", dir)
	return ""
}
