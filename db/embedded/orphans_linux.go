package embedded

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
)

// orphans looks for processes whose working folder is the cluster's.
func (f *folder) orphans(a account) orphans {
	var found orphans
	dirs, recorded := f.clusterDirs(), f.recordedPID()
	a.see(func() {
		entries, _ := os.ReadDir("/proc")
		for _, e := range entries {
			pid, err := strconv.Atoi(e.Name())
			if err != nil || !isPostgres(e.Name()) {
				continue
			}
			cwd, err := os.Stat(filepath.Join("/proc", e.Name(), "cwd"))
			switch {
			case err != nil || !sameAsOne(cwd, dirs): // a zombie has none
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

func isPostgres(pid string) bool {
	name, err := os.ReadFile(filepath.Join("/proc", pid, "comm"))
	return err == nil && (string(name) == "postgres\n" || string(name) == "postmaster\n")
}
