//go:build unix && !linux

package embedded

import (
	"os/exec"
	"path"
	"strconv"
	"strings"
)

// orphans are the process that postmaster.pid names, and those that hold data.lock.
func (f *folder) orphans(account) orphans {
	var found orphans
	recorded := f.recordedPID()
	if recorded != 0 && isPostgres(recorded) {
		found.postmaster = recorded
	}
	held, _ := exec.Command(tool("lsof", "/usr/sbin"), "-t", f.join("data.lock")).Output() // where it can't, the lock itself still tells
	for _, word := range strings.Fields(string(held)) {
		pid, err := strconv.Atoi(word)
		if err == nil && pid != recorded && isPostgres(pid) {
			found.others = append(found.others, pid)
		}
	}
	return found
}

func isPostgres(pid int) bool {
	out, err := exec.Command(tool("ps", "/bin"), "-o", "stat=,comm=", "-p", strconv.Itoa(pid)).Output()
	fields := strings.Fields(string(out))
	if err != nil || len(fields) < 2 || strings.HasPrefix(fields[0], "Z") {
		return false
	}
	name := strings.TrimSuffix(path.Base(fields[1]), ":") // a backend calls itself "postgres: ..."
	return name == "postgres" || name == "postmaster"
}

// tool finds a program of the system's also where PATH is empty.
func tool(name, dir string) string {
	if found, err := exec.LookPath(name); err == nil {
		return found
	}
	return path.Join(dir, name)
}
