package main

import (
	"errors"
	"fmt"
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
		t.Skip("the examples' packages come from their registries, which takes a while: -short")
	}
	url, environ := serveExamples(t)
	for _, example := range []struct {
		name string
		run  func(t *testing.T, dir string, environ []string) (string, error)
	}{
		{"neon-driver", runNode},
		{"drizzle-todos", runNode},
		{"oauth-clients", runNode},
		{"verify-tokens", runGo},
	} {
		t.Run(example.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), example.name)
			if err := os.CopyFS(dir, os.DirFS(filepath.Join("../../examples", example.name))); err != nil {
				t.Fatal(err)
			}
			got, err := example.run(t, dir, environ)
			want := strings.ReplaceAll(printed(t, dir), "http://localhost:8080", url)
			if err != nil || !pattern(want, "$").MatchString(got) {
				t.Errorf("%v\n%s\nits README says:\n%s", err, got, want)
			}
		})
	}
}

// serveExamples starts a rowpass as the examples' READMEs have it, and returns its address and what the examples find in their
// environment.
func serveExamples(t *testing.T) (string, []string) {
	t.Helper()
	address := "127.0.0.1:" + freePort(t)
	url := "http://" + address
	environ := environment(t, "ROWPASS_ISSUER_DEMO=true", "ROWPASS_SQL_ENABLED=true", "ROWPASS_LISTEN="+address, "ROWPASS_PUBLIC_URL="+url)
	made := rowpass(t, environ, "clients", "new", "--id", "client_example", "--act-for", "everyone",
		"--scope", "read", "--scope", "write", "--scope", "offline_access")
	secret := regexp.MustCompile(`once: (\S+)`).FindStringSubmatch(made.stderr)
	if secret == nil {
		t.Fatalf("clients new: status %d\n%s", made.status, made.stderr)
	}
	config := filepath.Join(t.TempDir(), "mine.yaml")
	write(t, config, made.stdout, 0o600)
	serve(t, environ, "--config", config)
	token := strings.TrimSpace(succeed(t, environ, "token", "issue", "--user", acmeAdmin))
	return url, []string{"ROWPASS_URL=" + url, "ROWPASS_CLIENT_SECRET=" + secret[1], "ROWPASS_TOKEN=" + token}
}

func runNode(t *testing.T, dir string, environ []string) (string, error) {
	needNode(t)
	install(t, dir)
	return output(dir, environ, "npm", "start", "--silent")
}

// runGo vets first, for which it needs the modules: so what is missing is not taken for what is wrong.
func runGo(t *testing.T, dir string, environ []string) (string, error) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the example needs Go: ", err)
	}
	vet := exec.Command("go", "vet", ".")
	vet.Dir = dir
	if out, err := vet.CombinedOutput(); err != nil && unreachable.Match(out) {
		t.Skipf("the example's modules cannot be had: %s", out)
	} else if err != nil {
		t.Fatalf("go vet: %v\n%s", err, out)
	}
	return output(dir, environ, "go", "run", ".")
}

// output is what a program prints, with everything of the test's environment, where a registry or a cache may be set. What it
// remarks beside that comes with its failure only.
func output(dir string, environ []string, program string, args ...string) (string, error) {
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), environ...)
	out, err := cmd.Output()
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		err = fmt.Errorf("%w: %s", err, failed.Stderr)
	}
	return string(out), err
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

// unreachable is what npm and go say where there is no network, and go where a proxy keeps a module back.
var unreachable = regexp.MustCompile(`ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|ETIMEDOUT|ERR_SOCKET_TIMEOUT|` +
	`dial tcp|i/o timeout|403 Forbidden|module lookup disabled`)

func install(t *testing.T, dir string) {
	t.Helper()
	cmd := exec.Command("npm", "install", "--prefer-offline", "--no-package-lock", "--no-audit", "--no-fund")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err == nil {
		return
	}
	_ = os.RemoveAll(filepath.Join(dir, "node_modules"))
	if unreachable.Match(out) {
		t.Skipf("the example's packages cannot be had from npm: %s", out)
	}
	t.Fatalf("npm install: %v\n%s", err, out)
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
