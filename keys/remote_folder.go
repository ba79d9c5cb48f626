package keys

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// LastFolder is a Last in a folder that only its owner can enter, one file for each provider. Processes may share it.
type LastFolder struct {
	dir string
}

// NewLastFolder names the folder. It is made, 0700, by the first Save.
func NewLastFolder(dir string) LastFolder { return LastFolder{dir: dir} }

// Load implements Last. It refuses a file or a folder that others can write.
func (f LastFolder) Load(name string) ([]byte, time.Time, error) {
	if err := checkOwn(f.dir, "700"); errors.Is(err, fs.ErrNotExist) {
		return nil, time.Time{}, nil
	} else if err != nil {
		return nil, time.Time{}, err
	}
	file, err := os.Open(f.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, time.Time{}, nil
	}
	if err != nil {
		return nil, time.Time{}, err
	}
	defer file.Close()
	if err := checkOwnFile(file, "600"); err != nil {
		return nil, time.Time{}, err
	}
	data, err := io.ReadAll(io.LimitReader(file, maxDocument))
	if err != nil {
		return nil, time.Time{}, err
	}
	head, document, _ := bytes.Cut(data, []byte("\n"))
	fetched, err := time.Parse(time.RFC3339Nano, string(head))
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("%s does not begin with a time: remove it", file.Name())
	}
	return document, fetched, nil
}

// Save implements Last. Whatever happens, the file is the old one or the new one, whole.
func (f LastFolder) Save(name string, document []byte, fetched time.Time) error {
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return err
	}
	if err := checkOwn(f.dir, "700"); err != nil {
		return err
	}
	return replaceFile(f.path(name), fmt.Appendf(nil, "%s\n%s", fetched.UTC().Format(time.RFC3339Nano), document))
}

// path tells names apart by their hash, and people by what is left of the name.
func (f LastFolder) path(name string) string {
	readable := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '_'
	}, strings.ToLower(name))
	sum := sha256.Sum256([]byte(name))
	return filepath.Join(f.dir, fmt.Sprintf("%.40s.%s.keys", readable, hex.EncodeToString(sum[:8])))
}

func checkOwn(name, mode string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	return checkOwnFile(file, mode)
}

// checkOwnFile is for what is no secret, but is trusted.
func checkOwnFile(file *os.File, mode string) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if info.Mode().Perm()&0o022 != 0 || ok && stat.Uid != 0 && int(stat.Uid) != os.Geteuid() {
		return fmt.Errorf("others than we can write %s and so choose whose tokens count: type chmod %s %s, and chown it to uid %d",
			file.Name(), mode, file.Name(), os.Geteuid())
	}
	return nil
}
