package keys_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rowpass/keys"
)

func keptIn(dir string) func(*keys.RemoteConfig) {
	return func(c *keys.RemoteConfig) { c.Last = keys.NewLastFolder(dir) }
}

// again is a program that starts while the provider is down.
func (f *fixture) again(t *testing.T, change ...func(*keys.RemoteConfig)) *fixture {
	t.Helper()
	later := &fixture{provider: newProvider(t), clock: f.clock, log: &journal{}}
	later.hangsUp()
	cfg := later.config()
	cfg.URL = f.URL + "/jwks"
	for _, c := range change {
		c(&cfg)
	}
	later.Remote = must[*keys.Remote](t)(keys.NewRemote(cfg))
	return later
}

func TestRemoteStartsWithoutItsProvider(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "providers")
	f := newFixture(t, keptIn(dir))
	document, want := keySet(t, "a", "b")
	f.gives(document, "ETag", `"1"`)
	f.Refresh(t.Context())
	f.does(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) })
	f.clock.advance(time.Hour)
	f.Refresh(t.Context()) // the set is as good as of now
	f.hangsUp()
	f.clock.advance(23 * time.Hour)

	later := f.again(t, keptIn(dir))
	later.wants(t, "at the start", want, 0)
	if s := later.Status(); !s.FetchedAt.Equal(now.Add(time.Hour)) || !s.FreshUntil.IsZero() {
		t.Errorf("%+v", s)
	}
	later.Refresh(t.Context())
	if s := later.Status(); s.Keys != 2 || s.Fetches != 1 || s.Err == "" {
		t.Errorf("when it has asked: %+v", s)
	}
	f.clock.advance(time.Hour)
	if s := later.Status(); s.Keys != 0 || len(later.Set().Keys()) != 0 || !strings.Contains(s.Err, "24 hours") {
		t.Errorf("a day later: %+v", s)
	}
	if n := len(f.again(t, keptIn(dir)).Set().Keys()); n != 0 {
		t.Errorf("started a day later: %d keys", n)
	}
	for name, mode := range map[string]os.FileMode{dir: 0o700, savedFile(t, dir): 0o600} {
		if info := must[os.FileInfo](t)(os.Stat(name)); info.Mode().Perm() != mode {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
}

func savedFile(t *testing.T, dir string) string {
	t.Helper()
	all := must[[]string](t)(filepath.Glob(filepath.Join(dir, "*")))
	if len(all) != 1 {
		t.Fatalf("saved are %v", all)
	}
	return all[0]
}

func TestRemoteDoesNotUseALastSet(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(file string) error
		config func(*keys.RemoteConfig)
		says   string // in the log; "" where there is nothing to say
	}{
		{"of another address", nil, func(c *keys.RemoteConfig) { c.URL += "2" }, ""},
		{"of another provider", nil, func(c *keys.RemoteConfig) { c.Name = "Acme" }, ""},
		{"that others could write", func(file string) error { return os.Chmod(file, 0o620) }, nil, "type chmod 600"},
		{"in a folder that others could write", func(file string) error { return os.Chmod(filepath.Dir(file), 0o777) }, nil, "type chmod 700"},
		{"that is cut off", func(file string) error { return os.Truncate(file, 100) }, nil, "damaged"},
		{"that is empty", func(file string) error { return os.Truncate(file, 0) }, nil, "does not begin with a time"},
		{"whose keys are gone", replace(`"kty":"EC"`, `"kty":"oct"`), nil, "no key that verifies"},
		{"of tomorrow", replace("2026-11-22T", "2026-11-23T"), nil, "a time to come"},
		{"of yesterday", replace("2026-11-22T", "2026-11-21T"), nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "providers")
			f := newFixture(t, keptIn(dir))
			document, want := keySet(t, "a")
			f.gives(document)
			f.Refresh(t.Context())
			f.again(t, keptIn(dir)).wants(t, "as it is", want, 0)
			if tt.change != nil {
				if err := tt.change(savedFile(t, dir)); err != nil {
					t.Fatal(err)
				}
			}
			if tt.config == nil {
				tt.config = func(*keys.RemoteConfig) {}
			}
			later := f.again(t, keptIn(dir), tt.config)
			later.wants(t, "changed", keys.KeySet{}, 0)
			if log := later.log.String(); !strings.Contains(log, tt.says) || tt.says == "" && log != "" {
				t.Errorf("the log says %q, want %q", log, tt.says)
			}
		})
	}
}

func replace(old, fresh string) func(string) error {
	return func(file string) error {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		edited := strings.Replace(string(data), old, fresh, 1)
		if edited == string(data) {
			return fmt.Errorf("%s is not in %s", old, data)
		}
		return os.WriteFile(file, []byte(edited), 0o600)
	}
}

// broken is a Last that has no room.
type broken struct{}

func (broken) Load(string) ([]byte, time.Time, error) { return nil, time.Time{}, errors.New("no disk") }
func (broken) Save(string, []byte, time.Time) error   { return errors.New("no room") }

func TestRemoteGoesOnWithoutLast(t *testing.T) {
	f := newFixture(t, func(c *keys.RemoteConfig) { c.Last = broken{} })
	document, want := keySet(t, "a")
	f.gives(document)
	f.Refresh(t.Context())
	f.wants(t, "fetched", want, 1)
	for _, says := range []string{"no disk", "no room"} {
		if !strings.Contains(f.log.String(), says) {
			t.Errorf("the log doesn't say %q: %s", says, f.log)
		}
	}
}

func TestLastFolderKeepsNamesApart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "providers")
	last := keys.NewLastFolder(dir)
	names := []string{"acme", "Acme", "ac/me", "ac_me", "../acme", "..", "", "a\x00b", "a\nb", strings.Repeat("x", 1000), strings.Repeat("x", 1001), "日本"}
	for i, name := range names {
		if document, at, err := last.Load(name); document != nil || !at.IsZero() || err != nil {
			t.Errorf("%q, before: %q, %s, %v", name, document, at, err)
		}
		if err := last.Save(name, []byte(name+"\n"), now.Add(time.Duration(i))); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for i, name := range names {
		if document, at, err := last.Load(name); string(document) != name+"\n" || !at.Equal(now.Add(time.Duration(i))) || err != nil {
			t.Errorf("%q: %q, %s, %v", name, document, at, err)
		}
	}
	if all := must[[]os.DirEntry](t)(os.ReadDir(dir)); len(all) != len(names) {
		t.Errorf("%d files for %d names", len(all), len(names))
	}
	if all := must[[]os.DirEntry](t)(os.ReadDir(filepath.Dir(dir))); len(all) != 1 {
		t.Errorf("beside the folder there are %v", all)
	}
}
