//go:build unix

package embedded

import (
	"fmt"
	"regexp"
	"strconv"
)

// version is PostgreSQL's: 15.18 is {15, 18}, 19devel is {19, 0}.
type version struct{ major, minor int }

func (v version) String() string { return fmt.Sprintf("%d.%d", v.major, v.minor) }

// parseVersion reads "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)".
func parseVersion(text string) (version, bool) {
	m := regexp.MustCompile(`\(PostgreSQL\) (\d{1,4})(?:\.(\d{1,4}))?`).FindStringSubmatch(text)
	if m == nil {
		return version{}, false
	}
	major, _ := strconv.Atoi(m[1])
	minor, _ := strconv.Atoi(m[2]) // empty for a beta: 0
	return version{major, minor}, true
}

// oldest is the lowest major version: security_invoker views, and no CREATE for PUBLIC on schema public.
const oldest = 15

// check says why the version can't be used. Minor releases before those named
// here let callers learn of rows that policies hide (CVE-2025-8713: by the
// planner's statistics).
func (v version) check() error {
	safe := map[int]int{15: 14, 16: 10, 17: 6}[v.major]
	switch {
	case v.major < oldest:
		return fmt.Errorf("version %s is older than %d", v, oldest)
	case v.minor < safe:
		return fmt.Errorf("version %s has holes in row-level security, closed in %d.%d", v, v.major, safe)
	}
	return nil
}
