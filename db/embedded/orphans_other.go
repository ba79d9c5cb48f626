//go:build unix && !linux

package embedded

import (
	"os/exec"
	"path"
	"strconv"
	"strings"
)

// orphans knows the process that postmaster.pid names; data.lock tells of the rest.
func (f *folder) orphans(account) orphans {
	pid := f.recordedPID()
	if pid == 0 || !isPostgres(pid) {
		return orphans{}
	}
	return orphans{postmaster: pid}
}

func isPostgres(pid int) bool {
	out, err := exec.Command("/bin/ps", "-o", "stat=,comm=", "-p", strconv.Itoa(pid)).Output()
	fields := strings.Fields(string(out))
	if err != nil || len(fields) < 2 || strings.HasPrefix(fields[0], "Z") {
		return false
	}
	name := path.Base(fields[1])
	return name == "postgres" || name == "postmaster"
}
