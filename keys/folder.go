package keys

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	ringFile    = "ring.json"
	lockFile    = "ring.lock"
	maxDocument = 1 << 20              // bytes
	lockPause   = 5 * time.Millisecond // between two tries for the lock, which is held for one write
)

// Folder keeps the ring in the file ring.json of a folder that only its owner can enter. Processes that share the
// folder, by a network file system too, agree through a lock on ring.lock, which must work there.
type Folder struct {
	dir string
}

// NewFolder names the folder. It is made, 0700, by the first Swap.
func NewFolder(dir string) Folder {
	return Folder{dir: dir}
}

// Load implements Store. It refuses a file or a folder that others can read or write or own, whoever reads it.
func (f Folder) Load(ctx context.Context) ([]byte, string, error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	if err := f.check(); errors.Is(err, fs.ErrNotExist) {
		return nil, "", nil
	} else if err != nil {
		return nil, "", err
	}
	file, err := os.Open(filepath.Join(f.dir, ringFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	defer file.Close()
	if err := checkPrivate(file, "600"); err != nil {
		return nil, "", err
	}
	data, err := io.ReadAll(io.LimitReader(file, maxDocument+1))
	if err != nil {
		return nil, "", err
	}
	if len(data) > maxDocument {
		return nil, "", fmt.Errorf("%s is larger than %d bytes: it is no ring", file.Name(), maxDocument)
	}
	sum := sha256.Sum256(data)
	return data, hex.EncodeToString(sum[:]), nil
}

// Swap implements Store. Whatever happens, ring.json is the old document or the new one, whole.
func (f Folder) Swap(ctx context.Context, document []byte, version string) (bool, error) {
	if err := f.prepare(); err != nil {
		return false, err
	}
	unlock, err := f.lock(ctx)
	if err != nil {
		return false, err
	}
	defer unlock()
	_, stored, err := f.Load(ctx)
	if err != nil || stored != version {
		return false, err
	}
	if err := replaceFile(filepath.Join(f.dir, ringFile), document); err != nil {
		return false, err
	}
	return true, nil
}

// prepare makes the folder where there is none, and refuses one that others can reach.
func (f Folder) prepare() error {
	err := f.check()
	if errors.Is(err, fs.ErrNotExist) {
		return os.MkdirAll(f.dir, 0o700)
	}
	return err
}

func (f Folder) check() error {
	if f.dir == "" {
		return errors.New("the folder for keys has no name: set keys.dir")
	}
	dir, err := os.Open(f.dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	return checkPrivate(dir, "700")
}

// checkPrivate looks at the open file, not at its name, so that nobody can change what is read after it was checked.
func checkPrivate(file *os.File, mode string) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if perm := info.Mode().Perm(); perm&0o066 != 0 {
		return fmt.Errorf("%s has mode %04o, so others than its owner can reach our private keys: type chmod %s %s",
			file.Name(), perm, mode, file.Name())
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if uid := os.Geteuid(); ok && stat.Uid != 0 && int(stat.Uid) != uid {
		return fmt.Errorf("%s belongs to uid %d, who can read our private keys: run rowpass as that user, or type chown %d %s && chmod %s %s",
			file.Name(), stat.Uid, uid, file.Name(), mode, file.Name())
	}
	return nil
}

// lock waits until it has the folder's lock or ctx ends. The file stays: who removed it could let two in.
func (f Folder) lock(ctx context.Context) (unlock func(), err error) {
	file, err := os.OpenFile(filepath.Join(f.dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { file.Close() }, nil
		}
		if err != syscall.EWOULDBLOCK && err != syscall.EINTR {
			file.Close()
			return nil, fmt.Errorf("locking %s: %w", file.Name(), err)
		}
		select {
		case <-ctx.Done():
			file.Close()
			return nil, fmt.Errorf("waiting for %s: %w", file.Name(), ctx.Err())
		case <-time.After(lockPause):
		}
	}
}

// replaceFile writes a file, 0600. Whatever happens, it is the old one or the new one, whole.
func replaceFile(name string, data []byte) error {
	dir := filepath.Dir(name)
	file, err := os.CreateTemp(dir, filepath.Base(name)+".*.tmp") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // gone already where all went well
	_, err = file.Write(data)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), name); err != nil {
		return err
	}
	return syncFolder(dir)
}

// syncFolder makes the rename last through a power cut.
func syncFolder(name string) error {
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
