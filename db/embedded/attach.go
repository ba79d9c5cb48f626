//go:build unix

package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// Attach reaches a server that another process supervises on the same folder, for
// command-line tools while the program serves. It waits for one that is still
// starting. ErrNotRunning when there is none.
func Attach(ctx context.Context, c Config) (*Server, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	s := new(Server)
	if err := s.look(c.StateDir); err != nil {
		return nil, err
	}
	lookAgain := func(error) error { return s.look(c.StateDir) }
	if err := s.answer(ctx, c.Logins[0], c.Database, lookAgain); err != nil {
		return nil, err
	}
	return s, nil
}

// look reads how to reach the folder's server, which its supervisor may not have
// written yet. It returns ErrNotRunning where nobody supervises the folder.
func (s *Server) look(dir string) error {
	held, err := supervised(dir)
	if err != nil {
		return err
	}
	if !held {
		return fmt.Errorf("%w: %s", ErrNotRunning, dir)
	}
	passwords, err := loadCredentials(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.passwords, s.socket = passwords, socketDir(dir)
	return nil
}
