package identity_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"rowpass/identity"
)

// signed is a message as the signers of testdata read it.
type signed struct {
	Secret  string `json:"secret"`
	ID      string `json:"id"`
	Seconds int64  `json:"seconds"`
	Body    string `json:"body"`
}

func messages() []signed {
	whsec := "whsec_" + vectorSecret
	return []signed{
		{whsec, vectorID, vectorTime, vectorBody},
		{otherSecret, "msg_with-dashes", 1, `{"name":"Zoë 😀","text":"a\nb"}`},
		{"whsec_AbC+/9kAbC+/9kAbC+/9kA==", "evt_1", 4102444800, ` `},
		{whsec, strings.Repeat("x", 300), vectorTime, `{"a":"` + strings.Repeat("é", 300_000) + `"}`},
	}
}

// TestVendorsSigners takes events as the vendors' own libraries sign them, and none that was changed afterwards.
func TestVendorsSigners(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("the signers come from their registries, which takes a while: -short")
	}
	for _, signer := range []struct {
		name string
		run  func(t *testing.T) []map[string]string
	}{{"npm", runNodeSigners}, {"go", runGoSigner}} {
		t.Run(signer.name, func(t *testing.T) {
			t.Parallel()
			signatures := signer.run(t)
			for i, m := range messages() {
				for library, signature := range signatures[i] {
					checkSigned(t, library, m, signature)
				}
			}
		})
	}
}

func checkSigned(t *testing.T, library string, m signed, signature string) {
	t.Helper()
	s := source(t, identity.SourceConfig{Preset: "stack-auth", Secrets: []string{otherSecret[:len(otherSecret)-4] + "AAAA", m.Secret}})
	wrong := source(t, identity.SourceConfig{Preset: "stack-auth", Secrets: []string{otherSecret[:len(otherSecret)-4] + "AAAA"}})
	changed := []byte(m.Body)
	changed[len(changed)/2] ^= 1
	at := time.Unix(m.Seconds, 0)
	for _, prefix := range []string{"webhook", "svix"} {
		h := header(prefix+"-id", m.ID, prefix+"-timestamp", fmt.Sprint(m.Seconds), prefix+"-signature", signature)
		for what, err := range map[string]error{
			"as it was signed":    s.Verify(h, []byte(m.Body), at),
			"with a byte changed": not(identity.ErrSignature, s.Verify(h, changed, at)),
			"an hour later":       not(identity.ErrStale, s.Verify(h, []byte(m.Body), at.Add(time.Hour))),
			"with other secrets":  not(identity.ErrSignature, wrong.Verify(h, []byte(m.Body), at)),
		} {
			if err != nil {
				t.Errorf("%s, %s, of %s: %v", m.ID[:5], what, library, err)
			}
		}
	}
}

// not is an error unless got is what was wanted.
func not(want, got error) error {
	if errors.Is(got, want) {
		return nil
	}
	return fmt.Errorf("got %v, want %v", got, want)
}

func runNodeSigners(t *testing.T) []map[string]string {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("the signers need ", program, ": ", err)
		}
	}
	dir := t.TempDir()
	for _, name := range []string{"package.json", "sign.mjs"} {
		text, err := os.ReadFile(filepath.Join("testdata", "signers", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	prepare(t, dir, "npm", "install", "--prefer-offline", "--no-package-lock", "--no-audit", "--no-fund")
	return sign(t, dir, "npm", "start", "--silent")
}

func runGoSigner(t *testing.T) []map[string]string {
	dir := filepath.Join("testdata", "signers", "go")
	prepare(t, dir, "go", "vet", ".")
	return sign(t, dir, "go", "run", ".")
}

// unreachable is what npm and go say where there is no network, and go where a proxy keeps a module back.
var unreachable = regexp.MustCompile(`ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|ETIMEDOUT|ERR_SOCKET_TIMEOUT|` +
	`dial tcp|i/o timeout|403 Forbidden|module lookup disabled`)

func prepare(t *testing.T, dir, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	switch out, err := cmd.CombinedOutput(); {
	case err != nil && unreachable.Match(out):
		t.Skipf("the signers cannot be had: %s", out)
	case err != nil:
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
}

func sign(t *testing.T, dir, program string, args ...string) []map[string]string {
	t.Helper()
	var in, errs bytes.Buffer
	for _, m := range messages() {
		if err := json.NewEncoder(&in).Encode(m); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Stdin, cmd.Stderr = dir, &in, &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", program, err, errs.String())
	}
	var signatures []map[string]string
	for line := range strings.Lines(string(out)) {
		var of map[string]string
		if err := json.Unmarshal([]byte(line), &of); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		signatures = append(signatures, of)
	}
	if len(signatures) != len(messages()) {
		t.Fatalf("%d of %d messages were signed:\n%s", len(signatures), len(messages()), out)
	}
	return signatures
}
