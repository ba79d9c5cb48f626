package keys_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"rowpass/keys"
)

// hold takes the lock of another process.
func hold(t *testing.T, name string) *os.File {
	t.Helper()
	file := must[*os.File](t)(os.OpenFile(name, os.O_RDWR, 0))
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestFolderIsPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "keys")
	document(t, dir)
	for name, want := range map[string]os.FileMode{dir: 0o700, dir + "/ring.json": 0o600, dir + "/ring.lock": 0o600} {
		if got := must[os.FileInfo](t)(os.Stat(name)).Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", name, got, want)
		}
	}
	if left := must[[]string](t)(filepath.Glob(dir + "/*.tmp")); len(left) != 0 {
		t.Errorf("%v were left", left)
	}
}

func TestFolderRefusesWhatOthersCanReach(t *testing.T) {
	for _, tt := range []struct {
		name, file string
		mode       os.FileMode
		says       string
	}{
		{"a file that the group can read", "ring.json", 0o640, "chmod 600 %s"},
		{"a file that others can read", "ring.json", 0o604, "chmod 600 %s"},
		{"a file that others can write", "ring.json", 0o602, "chmod 600 %s"},
		{"a folder that the group can read", "", 0o750, "chmod 700 %s"},
		{"a folder that others can write", "", 0o703, "chmod 700 %s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "keys")
			document(t, dir)
			name := filepath.Join(dir, tt.file)
			if err := os.Chmod(name, tt.mode); err != nil {
				t.Fatal(err)
			}
			_, _, loaded := keys.NewFolder(dir).Load(t.Context())
			_, swapped := keys.NewFolder(dir).Swap(t.Context(), nil, "")
			for _, err := range []error{loaded, swapped} {
				if want := fmt.Sprintf(tt.says, name); err == nil || !strings.HasSuffix(err.Error(), want) {
					t.Errorf("%v, want %q", err, want)
				}
			}
		})
	}
}

func TestFolderRefusesWhatBelongsToSomebodyElse(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	for _, file := range []string{"", "ring.json"} {
		dir := filepath.Join(t.TempDir(), "keys")
		document(t, dir)
		if err := os.Chown(filepath.Join(dir, file), 12345, -1); err != nil {
			t.Fatal(err)
		}
		_, _, err := keys.NewFolder(dir).Load(t.Context())
		if err == nil || !strings.Contains(err.Error(), "belongs to uid 12345") || !strings.Contains(err.Error(), "chown 0 ") {
			t.Errorf("%q: %v", file, err)
		}
	}
}

func TestFolderRefusesWhatIsNoRing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	document(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "ring.json"), make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := keys.NewFolder(dir).Load(t.Context()); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("2 MB: %v", err)
	}
	if _, _, err := keys.NewFolder("").Load(t.Context()); err == nil || !strings.Contains(err.Error(), "keys.dir") {
		t.Errorf("no name: %v", err)
	}
	if _, err := keys.NewFolder("").Swap(t.Context(), nil, ""); err == nil || !strings.Contains(err.Error(), "keys.dir") {
		t.Errorf("no name to write to: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := keys.NewFolder(dir).Load(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}
