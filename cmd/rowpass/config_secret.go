package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// Secret is a password, a key or a URL with one in it. It prints as [secret], however it is formatted, logged or
// encoded; string(s) is what it hides.
type Secret string

// Format makes every verb print that s is a secret.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[secret]") }

// MarshalText makes encoders, and log handlers that use them, write that s is a secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

// maxSecret bounds what is read of a secret's file, in bytes, in case it is no such file.
const maxSecret = 64 << 10

// readSecretFiles sets every secret that comes from a file. No error names the path: it may be the secret itself,
// written behind the wrong key.
func (l *loader) readSecretFiles() {
	for _, s := range l.keys {
		path := l.files[s.secret]
		if s.secret == "" || path == "" {
			continue
		}
		if l.v.Get(s.secret) != Secret("") {
			l.refuse(s.key, "%s is given too, in %s: only one of them can hold", s.secret, l.places[s.secret])
			continue
		}
		text, err := readSecret(path)
		if err != nil {
			l.refuse(s.key, "%w", err)
			continue
		}
		l.v.Set(s.secret, Secret(text))
		l.places[s.secret] = l.places[s.key]
	}
}

// readSecret reads a file that only its owner, or its group, may read, without the newline at its end.
func readSecret(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", cause(err)
	}
	defer func() { _ = f.Close() }()
	st, err := f.Stat()
	if err != nil {
		return "", cause(err)
	}
	if mode := st.Mode().Perm(); mode&0o006 != 0 {
		return "", fmt.Errorf("everybody on this machine may read or change it (mode %04o): make it 0600, or 0640 for a group", mode)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", cause(err)
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	switch {
	case text == "":
		return "", errors.New("the file is empty")
	case len(b) > maxSecret:
		return "", fmt.Errorf("more than %d bytes: no secret is as long", maxSecret)
	}
	return text, nil
}

// cause is err without operation and path, for a line that names the path already.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
