//go:build unix

package embedded

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// programs are an initdb and a postgres that belong together.
type programs struct {
	dir     string
	version version
}

// search remembers where it looked, and why it went on.
type search struct {
	account account
	major   int // of the existing data; 0 takes any
	refused []string
	seen    map[string]bool
}

// findPrograms looks in the order of Config.BinDir's comment. A folder that was
// named is used or refused, never passed over.
func findPrograms(ctx context.Context, c Config, a account, major int) (programs, error) {
	s := &search{account: a, major: major, seen: map[string]bool{}}
	if c.BinDir != "" {
		if p, ok := s.try(ctx, c.BinDir); ok {
			return p, nil
		}
		return programs{}, fmt.Errorf("embedded.bin_dir can't be used: %s", strings.Join(s.refused, "; "))
	}
	if p, ok := s.installed(ctx); ok {
		return p, nil
	}
	p, err := s.downloaded(ctx, c)
	if err != nil {
		return programs{}, s.nothing(err)
	}
	return p, nil
}

func (s *search) installed(ctx context.Context) (programs, bool) {
	for _, ask := range []func(context.Context) (string, error){s.inPath, s.byPgConfig} {
		dir, err := ask(ctx)
		if err != nil {
			s.refuse(err.Error())
			continue
		}
		if p, ok := s.try(ctx, dir); ok {
			return p, true
		}
	}
	var found []programs
	for _, pattern := range usualPlaces() {
		dirs, _ := filepath.Glob(pattern)
		if len(dirs) == 0 {
			s.refuse(pattern + ": nothing there")
		}
		for _, dir := range dirs {
			if p, ok := s.try(ctx, dir); ok {
				found = append(found, p)
			}
		}
	}
	if len(found) == 0 {
		return programs{}, false
	}
	return slices.MaxFunc(found, func(a, b programs) int {
		return cmp.Or(cmp.Compare(a.version.major, b.version.major), cmp.Compare(a.version.minor, b.version.minor))
	}), true
}

func usualPlaces() []string {
	return []string{
		"/usr/lib/postgresql/*/bin",                       // Debian, Ubuntu, Alpine's versions
		"/usr/pgsql-*/bin",                                // PGDG's RPMs
		"/usr/lib64/pgsql/bin",                            // SUSE
		"/usr/lib/postgresql*/bin",                        // SUSE's versions
		"/usr/libexec/postgresql*",                        // Alpine
		"/usr/local/pgsql/bin",                            // from source
		"/opt/homebrew/opt/postgresql@*/bin",              // Homebrew on Apple silicon
		"/usr/local/opt/postgresql@*/bin",                 // Homebrew on Intel
		"/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin", // Homebrew on Linux
		"/Applications/Postgres.app/Contents/Versions/*/bin",
		"/opt/local/lib/postgresql*/bin", // MacPorts
	}
}

func (s *search) inPath(context.Context) (string, error) {
	program, err := exec.LookPath("postgres")
	if err != nil {
		return "", errors.New("PATH: no postgres in it")
	}
	if program, err = filepath.EvalSymlinks(program); err != nil {
		return "", fmt.Errorf("PATH: %w", err)
	}
	return filepath.Dir(program), nil
}

func (s *search) byPgConfig(ctx context.Context) (string, error) {
	program, err := exec.LookPath("pg_config")
	if err != nil {
		return "", errors.New("pg_config: not in PATH")
	}
	dir, err := s.output(ctx, program, "--bindir")
	if err != nil {
		return "", fmt.Errorf("pg_config: %w", err)
	}
	return dir, nil
}

// downloaded uses the cache, and fills it where the pinned version serves the data.
func (s *search) downloaded(ctx context.Context, c Config) (programs, error) {
	if s.major != 0 && s.major != pinnedMajor {
		return programs{}, fmt.Errorf("the data needs PostgreSQL %d, and only %d can be downloaded", s.major, pinnedMajor)
	}
	c.Log.Info("no installed PostgreSQL serves here, so npm's is taken", "version", pinnedMajor)
	dir, err := Download(ctx, c.CacheDir, c.Log)
	if err != nil {
		return programs{}, err
	}
	p, ok := s.try(ctx, dir)
	if !ok {
		return programs{}, errors.New("the downloaded programs don't run here")
	}
	return p, nil
}

// try accepts a folder that holds both programs, in a version that can be used.
// Each folder is tried once.
func (s *search) try(ctx context.Context, dir string) (programs, bool) {
	if s.seen[dir] {
		return programs{}, false
	}
	s.seen[dir] = true
	p, err := s.inspect(ctx, dir)
	if err != nil {
		s.refuse(dir + ": " + err.Error())
		return programs{}, false
	}
	return p, true
}

func (s *search) inspect(ctx context.Context, dir string) (programs, error) {
	for _, name := range []string{"initdb", "postgres"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return programs{}, fmt.Errorf("no %s in it", name)
		}
	}
	text, err := s.output(ctx, filepath.Join(dir, "postgres"), "--version")
	if err != nil {
		return programs{}, err
	}
	v, ok := parseVersion(text)
	switch {
	case !ok:
		return programs{}, fmt.Errorf("postgres --version says %q, which names no version", text)
	case v.check() != nil:
		return programs{}, v.check()
	case s.major != 0 && v.major != s.major:
		return programs{}, fmt.Errorf("is %d, the data folder needs %d", v.major, s.major)
	}
	return programs{dir, v}, nil
}

// output runs a program as the account that will run postgres, never as root.
func (s *search) output(ctx context.Context, program, arg string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := s.account.command(ctx, program, arg).Output()
	if err != nil {
		return "", fmt.Errorf("%s %s as %s: %w", filepath.Base(program), arg, s.account.name, err)
	}
	return strings.TrimSpace(string(out)), nil
}

func (s *search) refuse(why string) { s.refused = append(s.refused, why) }

// nothing is the error that lists every place.
func (s *search) nothing(download error) error {
	return fmt.Errorf("no PostgreSQL that can be used: %s, or name its folder in embedded.bin_dir; looked at\n  %s\n  download: %w",
		installHint(s.major), strings.Join(s.refused, "\n  "), download)
}
