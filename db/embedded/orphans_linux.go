package embedded

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// orphans looks for processes whose working folder is the cluster's. Zombies don't count.
func (f *folder) orphans(a account) orphans {
	var found orphans
	dirs, recorded := f.clusterDirs(), f.recordedPID()
	a.see(func() {
		entries, _ := os.ReadDir("/proc")
		for _, e := range entries {
			pid, err := strconv.Atoi(e.Name())
			if err != nil || !isPostgres(pid) {
				continue
			}
			cwd, err := os.Stat(filepath.Join("/proc", e.Name(), "cwd"))
			switch {
			case err != nil || !sameAsOne(cwd, dirs):
			case pid == recorded:
				found.postmaster = pid
			default:
				found.others = append(found.others, pid)
			}
		}
	})
	return found
}

// see runs look with the account's view of files: root of a container may not
// see the working folders of another account's processes, the account may.
func (a account) see(look func()) {
	if !a.become {
		look()
		return
	}
	seen := make(chan struct{})
	go func() {
		defer close(seen)
		runtime.LockOSThread() // and never unlocked: the thread ends here, and with it what it is
		syscall.Setfsgid(int(a.gid))
		syscall.Setfsuid(int(a.uid))
		look()
	}()
	<-seen
}

func (f *folder) clusterDirs() []os.FileInfo {
	var dirs []os.FileInfo
	for _, name := range []string{"data", newData} {
		if info, err := f.root.Stat(name); err == nil {
			dirs = append(dirs, info)
		}
	}
	return dirs
}

func sameAsOne(dir os.FileInfo, dirs []os.FileInfo) bool {
	for _, d := range dirs {
		if os.SameFile(dir, d) {
			return true
		}
	}
	return false
}

// isPostgres reads "pid (name) state …", where the name may hold anything.
func isPostgres(pid int) bool {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(text), "(")
	end := strings.LastIndex(rest, ")")
	if end < 0 {
		return false
	}
	name, state := rest[:end], strings.TrimSpace(rest[end+1:])
	return (name == "postgres" || name == "postmaster") && !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}
