//go:build unix

package embedded

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// credentials are passwords by login.
type credentials map[string]string

const credentialsFile = "credentials.json"

// loadCredentials reads credentials.json of the state folder at path.
func loadCredentials(path string) (credentials, error) {
	text, err := os.ReadFile(filepath.Join(path, credentialsFile))
	if err != nil {
		return nil, fmt.Errorf("reading passwords: %w", err)
	}
	var c credentials
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, fmt.Errorf("%s is damaged, put it back from a backup: %w", filepath.Join(path, credentialsFile), err)
	}
	return c, nil
}

// credentials loads the passwords and makes those that are missing. They are on
// disk before a cluster has them, so that none is ever without its password.
func (f *folder) credentials(logins []string, major int) (credentials, error) {
	c, err := loadCredentials(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && major == 0:
		c = credentials{}
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s is missing, and without it nobody can log in: put it back, or move %s away to begin anew",
			f.join(credentialsFile), f.join("data"))
	case err != nil:
		return nil, err
	}
	if !c.add(append([]string{Superuser}, logins...)) {
		return c, nil
	}
	return c, f.saveCredentials(c)
}

// add says whether there was a login without a password.
func (c credentials) add(logins []string) bool {
	added := false
	for _, login := range logins {
		if c[login] == "" {
			c[login] = base64.RawURLEncoding.EncodeToString(randomBytes(24))
			added = true
		}
	}
	return added
}

func (f *folder) saveCredentials(c credentials) error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("writing passwords: %w", err)
	}
	if err := f.writeSynced(credentialsFile+".new", append(text, '\n')); err != nil {
		return fmt.Errorf("writing passwords: %w", err)
	}
	if err := f.root.Rename(credentialsFile+".new", credentialsFile); err != nil {
		return fmt.Errorf("writing passwords: %w", err)
	}
	return f.sync()
}

func (f *folder) writeSynced(name string, text []byte) error {
	file, err := f.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Sync(), file.Close())
}

// sync makes the names in the state folder survive a power cut.
func (f *folder) sync() error {
	dir, err := f.root.Open(".")
	if err != nil {
		return fmt.Errorf("syncing the state folder: %w", err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails: crypto/rand
	return b
}

// verifier is what PostgreSQL keeps of a password (RFC 5803): sent in its place,
// the password stays out of every statement. Ours are ASCII, which SASLprep leaves alone.
func verifier(password string) (string, error) {
	const rounds = 4096
	salt := randomBytes(16)
	salted, err := pbkdf2.Key(sha256.New, password, salt, rounds, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("deriving a SCRAM verifier: %w", err)
	}
	stored := sha256.Sum256(mac(salted, "Client Key"))
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", rounds, b64(salt), b64(stored[:]), b64(mac(salted, "Server Key"))), nil
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
