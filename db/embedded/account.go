//go:build unix

package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is the operating-system account that PostgreSQL's programs run as.
type account struct {
	uid, gid uint32
	name     string
	become   bool // the caller is root, and children change to the account
}

// pickAccount decides who runs postgres on data, which need not exist yet.
// PostgreSQL refuses to run as root, and on data of another owner.
func pickAccount(osUser, data string, log *slog.Logger) (account, error) {
	owner, err := ownerOf(data)
	if err != nil {
		return account{}, err
	}
	if os.Geteuid() != 0 {
		return ownAccount(owner, data)
	}
	a, err := accountForRoot(osUser, owner, log)
	switch {
	case err != nil:
		return account{}, err
	case a.uid == 0:
		return account{}, fmt.Errorf("PostgreSQL refuses to run as root: name another account than %q in embedded.os_user", a.name)
	case owner != nil && owner.Uid != a.uid:
		return account{}, fmt.Errorf("%s belongs to user ID %d, but PostgreSQL is to run as %s: chown -R %s %s",
			data, owner.Uid, a.name, a.name, data)
	}
	return a, nil
}

func ownAccount(owner *syscall.Stat_t, data string) (account, error) {
	a := account{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid()), name: "user ID " + strconv.Itoa(os.Geteuid())}
	if owner != nil && owner.Uid != a.uid {
		return account{}, fmt.Errorf("%s belongs to user ID %d, not to %s: run as its owner, or choose another state folder",
			data, owner.Uid, a.name)
	}
	return a, nil
}

func accountForRoot(osUser string, owner *syscall.Stat_t, log *slog.Logger) (account, error) {
	if osUser != "" {
		return accountNamed(osUser)
	}
	if owner != nil && owner.Uid != 0 {
		return accountOfOwner(owner), nil
	}
	if a, err := accountNamed("postgres"); err == nil {
		return a, nil
	}
	a, err := accountNamed("nobody")
	if err != nil {
		return account{}, fmt.Errorf("no account to run PostgreSQL as: make one, and name it in embedded.os_user: %w", err)
	}
	log.Warn("running PostgreSQL as nobody, an account that other services may share: name another in embedded.os_user")
	return a, nil
}

func accountNamed(name string) (account, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return account{}, fmt.Errorf("looking up account %q: %w", name, err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return account{}, fmt.Errorf("user ID of account %q: %w", name, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return account{}, fmt.Errorf("group ID of account %q: %w", name, err)
	}
	return account{uid: uint32(uid), gid: uint32(gid), name: name, become: true}, nil
}

// accountOfOwner also serves an owner without a name: initdb needs one, postgres doesn't.
func accountOfOwner(owner *syscall.Stat_t) account {
	id := strconv.FormatUint(uint64(owner.Uid), 10)
	if u, err := user.LookupId(id); err == nil {
		if a, err := accountNamed(u.Username); err == nil {
			return a
		}
	}
	return account{uid: owner.Uid, gid: owner.Gid, name: id, become: true}
}

// ownerOf is nil where there is no such folder.
func ownerOf(path string) (*syscall.Stat_t, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking at %s: %w", path, err)
	}
	return info.Sys().(*syscall.Stat_t), nil
}

// credential is nil where the child stays what we are. Its empty Groups drop root's.
func (a account) credential() *syscall.Credential {
	if !a.become {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid}
}

// give hands a file or folder of ours to the account.
func (a account) give(path string) error {
	if !a.become {
		return nil
	}
	return os.Lchown(path, int(a.uid), int(a.gid))
}

// reach says which folder on the way to path is closed to an account that we
// become, if one is. What is closed to ourselves the next step finds out.
func (a account) reach(path string) error {
	if !a.become {
		return nil
	}
	for dir := path; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return fmt.Errorf("looking at %s: %w", dir, err)
		}
		if !a.mayEnter(info) {
			return fmt.Errorf("%s is closed to %s (mode %#o), so PostgreSQL can't work in %s: choose a folder elsewhere, such as /var/lib/rowpass",
				dir, a.name, info.Mode().Perm(), path)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

func (a account) mayEnter(info fs.FileInfo) bool {
	stat := info.Sys().(*syscall.Stat_t)
	switch {
	case stat.Uid == a.uid:
		return info.Mode()&0o100 != 0
	case stat.Gid == a.gid:
		return info.Mode()&0o010 != 0
	}
	return info.Mode()&0o001 != 0
}
