//go:build !unix

package embedded

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
)

var errUnsupported = errors.New("embedded PostgreSQL does not run on " + runtime.GOOS + ": set database.url to a server of your own")

// Server is a running PostgreSQL; there is none on this system.
type Server struct{}

// Start says that this system has no embedded PostgreSQL.
func Start(context.Context, Config) (*Server, error) { return nil, errUnsupported }

// Attach says that this system has no embedded PostgreSQL.
func Attach(context.Context, Config) (*Server, error) { return nil, errUnsupported }

// Exists is false on this system.
func Exists(string) bool { return false }

// Download says that this system has no embedded PostgreSQL.
func Download(context.Context, string, *slog.Logger) (string, error) { return "", errUnsupported }

// URL is empty: no Server can be had.
func (s *Server) URL(login, database string) string { return "" }

// Version is empty: no Server can be had.
func (s *Server) Version() string { return "" }

// Done never ends: no Server can be had.
func (s *Server) Done() <-chan struct{} { return nil }

// Err is why there is no Server.
func (s *Server) Err() error { return errUnsupported }

// Stop has nothing to do.
func (s *Server) Stop(context.Context) error { return nil }
