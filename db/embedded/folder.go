//go:build unix

package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// folder is a state folder that this process supervises. Files in it are
// reached through root, which follows no link out of it: what lies in data/ and
// sock/ is written by another account.
type folder struct {
	path string
	root *os.Root
	lock *os.File // supervisor.lock
	log  *slog.Logger
}

func openFolder(ctx context.Context, path string, log *slog.Logger) (*folder, error) {
	if err := makeStateDir(path); err != nil {
		return nil, err
	}
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, fmt.Errorf("resolving the state folder: %w", err)
	}
	lock, err := supervise(ctx, path)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("opening the state folder: %w", err)
	}
	return &folder{path: path, root: root, lock: lock, log: log}, nil
}

// makeStateDir refuses a folder of another owner, who could replace what we put in it.
func makeStateDir(path string) error {
	if err := os.MkdirAll(path, 0o711); err != nil {
		return fmt.Errorf("making the state folder: %w; choose another one (state_dir)", err)
	}
	if err := checkParents(path); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("looking at the state folder: %w", err)
	}
	if uid := info.Sys().(*syscall.Stat_t).Uid; uid != uint32(os.Geteuid()) {
		return fmt.Errorf("state folder %s belongs to user ID %d, not to the calling user: chown it, or choose another folder", path, uid)
	}
	if info.Mode()&fs.ModeSticky != 0 {
		return fmt.Errorf("state folder %s is shared by all users: choose a folder in it", path)
	}
	if err := os.Chmod(path, 0o711); err != nil {
		return fmt.Errorf("opening the state folder's mode to 0711: %w", err)
	}
	return nil
}

// checkParents refuses a state folder that somebody else could replace by another while we use it as root.
func checkParents(path string) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("resolving the state folder: %w", err)
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return fmt.Errorf("looking at the folders above the state folder: %w", err)
		}
		owner := info.Sys().(*syscall.Stat_t).Uid
		if owner != 0 && owner != uint32(os.Geteuid()) || info.Mode()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
			return fmt.Errorf("others can replace what is in %s: choose a state folder elsewhere, or close that one to them", dir)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

// close lets another process supervise the folder. It may be called twice.
func (f *folder) close() {
	f.dropSocketDir()
	f.root.Close()
	f.lock.Close()
}

func (f *folder) join(name string) string { return filepath.Join(f.path, name) }

// Exists says whether dir holds a cluster, or what is left of one, which Start would run and not make.
func Exists(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "data"))
	return !errors.Is(err, fs.ErrNotExist)
}

// major is the version of the existing cluster, 0 where there is none.
func (f *folder) major() (int, error) {
	text, err := f.root.ReadFile("data/PG_VERSION")
	if errors.Is(err, fs.ErrNotExist) {
		return 0, f.expectEmpty()
	}
	if err != nil {
		return 0, fmt.Errorf("reading the version of the data folder: %w", err)
	}
	if _, err := f.root.Stat("data/global/pg_control"); err != nil {
		return 0, fmt.Errorf("%s is damaged, restore it from a backup or move it away: %w", f.join("data"), err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("version in %s is no number: restore it from a backup or move it away", f.join("data/PG_VERSION"))
	}
	return major, nil
}

// expectEmpty refuses data without a version: it may be all that is left of somebody's rows.
func (f *folder) expectEmpty() error {
	dir, err := f.root.Open("data")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("opening the data folder: %w", err)
	}
	defer dir.Close()
	if names, _ := dir.Readdirnames(1); len(names) > 0 {
		return fmt.Errorf("%s holds files, but no PG_VERSION: restore it from a backup or move it away", f.join("data"))
	}
	return nil
}

// shortPrefix begins the names of socket folders outside the state folder.
const shortPrefix = "rowpass-"

// makeSocketDir makes sock anew, and returns the path that sockets have.
func (f *folder) makeSocketDir(a account) (string, error) {
	if dir := f.join("sock"); socketFits(dir) {
		return dir, f.makePrivate("sock", a)
	}
	dir, err := shortDir(a)
	if err != nil {
		return "", err
	}
	if err := f.root.Symlink(dir, "sock"); err != nil {
		os.Remove(dir)
		return "", fmt.Errorf("linking the socket folder: %w", err)
	}
	return dir, nil
}

// makePrivate makes a folder that only the account enters.
func (f *folder) makePrivate(name string, a account) error {
	if err := f.root.Mkdir(name, 0o700); err != nil {
		return fmt.Errorf("making folder %s: %w", name, err)
	}
	if err := a.give(f.join(name)); err != nil {
		return fmt.Errorf("giving folder %s to %s: %w", name, a.name, err)
	}
	return nil
}

// shortDir makes a private folder whose sockets have a path short enough for the kernel.
func shortDir(a account) (string, error) {
	for _, parent := range []string{os.TempDir(), "/run", "/tmp"} {
		if !socketFits(filepath.Join(parent, shortPrefix+"1234567890")) || a.reach(parent) != nil {
			continue
		}
		dir, err := os.MkdirTemp(parent, shortPrefix)
		if err != nil {
			continue
		}
		return dir, a.give(dir)
	}
	return "", errors.New("no place for a socket: the state folder's path is too long, and no temporary folder can be used: choose a shorter state folder")
}

// socketFits knows the limits of sockaddr_un, and that pgx and PostgreSQL take a comma for the end of a path.
func socketFits(dir string) bool {
	limit := 107
	if runtime.GOOS != "linux" {
		limit = 103
	}
	return len(filepath.Join(dir, ".s.PGSQL.5432")) <= limit && !strings.ContainsAny(dir, `,"`)
}

// socketDir is where the sockets of the state folder at path are.
func socketDir(path string) string {
	sock := filepath.Join(path, "sock")
	if dir, err := os.Readlink(sock); err == nil {
		return dir
	}
	return sock
}

// dropSocketDir removes sock, and the short folder that it may link to.
func (f *folder) dropSocketDir() error {
	if dir, err := f.root.Readlink("sock"); err == nil && strings.HasPrefix(filepath.Base(dir), shortPrefix) {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("removing the socket folder: %w", err)
		}
	}
	if err := f.root.RemoveAll("sock"); err != nil {
		return fmt.Errorf("removing the socket folder: %w", err)
	}
	return nil
}
