//go:build unix

package embedded

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// installHint is the command that installs PostgreSQL on this system, of the
// given major version where that isn't 0.
func installHint(major int) string {
	id := runtime.GOOS
	if id == "linux" {
		id = distribution("/etc/os-release")
	}
	if major == 0 {
		return "install it (" + packageCommand(id, "") + ")"
	}
	return fmt.Sprintf("install version %d (%s)", major, packageCommand(id, fmt.Sprint(major)))
}

func packageCommand(id, major string) string {
	switch id {
	case "debian", "ubuntu":
		return "apt-get install postgresql" + dashed(major)
	case "fedora", "rhel", "centos":
		return "dnf install postgresql" + major + "-server"
	case "suse", "opensuse":
		return "zypper install postgresql" + major + "-server"
	case "alpine":
		return "apk add postgresql" + major
	case "arch":
		return "pacman -S postgresql"
	case "darwin":
		if major == "" {
			major = "17"
		}
		return "brew install postgresql@" + major
	}
	return "the package is called postgresql or postgresql-server on most systems"
}

func dashed(major string) string {
	if major == "" {
		return ""
	}
	return "-" + major
}

// distribution is the first name in ID and ID_LIKE that packageCommand knows.
func distribution(osRelease string) string {
	file, err := os.Open(osRelease)
	if err != nil {
		return ""
	}
	defer file.Close()
	names := map[string]string{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), "=")
		names[key] = strings.Trim(value, `"'`)
	}
	for _, id := range strings.Fields(names["ID"] + " " + names["ID_LIKE"]) {
		if !strings.HasPrefix(packageCommand(id, ""), "the ") {
			return id
		}
	}
	return ""
}
