//go:build unix

package embedded

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// patience is how long a server may stay silent while it starts. One that says
// that it recovers is waited for longer.
const patience = 60 * time.Second

// Server is a running PostgreSQL. Its methods may be called from any goroutine.
type Server struct {
	socket    string // the folder of its socket
	passwords credentials
	version   string
	process   *postmaster // nil where another process supervises it
}

// Start takes the folder, ends what an earlier supervisor left in it, makes a
// cluster where there is none, starts it, and makes Logins[0] (which may log in
// and make roles, is no superuser, and a member of nothing) and its Database.
// The other Logins get passwords only: whoever migrates makes those roles.
//
// It needs about a second the first time, a twentieth of that later, and minutes
// where it downloads or PostgreSQL recovers: ctx bounds that, and not the
// server's life, which ends with Stop or with this process.
func Start(ctx context.Context, c Config) (*Server, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	f, err := openFolder(ctx, c.StateDir, c.Log)
	if err != nil {
		return nil, err
	}
	s, err := f.start(ctx, c)
	if err != nil {
		f.close()
		return nil, err
	}
	if err := s.settle(ctx, c); err != nil {
		s.process.stop()
		<-s.process.done
		return nil, err
	}
	c.Log.Info("PostgreSQL is ready", "version", s.version, "dir", c.StateDir)
	return s, nil
}

// start returns when postgres runs; it may not answer yet.
func (f *folder) start(ctx context.Context, c Config) (*Server, error) {
	a, err := pickAccount(c.OSUser, f.join("data"), f.log)
	if err != nil {
		return nil, err
	}
	if err := a.reach(f.path); err != nil {
		return nil, err
	}
	held, err := f.clear(ctx, a)
	if err != nil {
		return nil, err
	}
	defer held.Close()
	major, err := f.major()
	if err != nil {
		return nil, err
	}
	programs, err := findPrograms(ctx, c, a, major)
	if err != nil {
		return nil, err
	}
	passwords, err := f.credentials(c.Logins, major)
	if err != nil {
		return nil, err
	}
	if major == 0 {
		c.Log.Info("making a PostgreSQL cluster", "version", programs.version.String(), "programs", programs.dir, "account", a.name)
		if err := f.makeCluster(ctx, a, programs, passwords[Superuser], c.Throwaway, held); err != nil {
			return nil, err
		}
	}
	socket, err := f.makeSocketDir(a)
	if err != nil {
		return nil, err
	}
	cmd := f.postgresCommand(a, programs, socket, c.Throwaway, held)
	process, err := startPostmaster(a, cmd, c.Log, f.close)
	if err != nil {
		return nil, err
	}
	return &Server{socket: socket, passwords: passwords, process: process}, nil
}

// settle waits for the server's first answer and makes the owner and the database.
func (s *Server) settle(ctx context.Context, c Config) error {
	if err := s.answer(ctx, Superuser, "postgres", s.startedBadly); err != nil {
		return err
	}
	return s.provision(ctx, c.Logins[0], c.Database)
}

// startedBadly says why further waiting for an answer is in vain.
func (s *Server) startedBadly(err error) error {
	select {
	case <-s.process.done:
		return s.process.err
	default:
	}
	if sqlState(err) == "28P01" {
		return errors.New("credentials.json is not the data folder's: put back the one that belongs to it")
	}
	return nil
}

// answer waits until the server lets login in, and learns its version. After
// each refusal inVain may end the waiting.
func (s *Server) answer(ctx context.Context, login, database string, inVain func(error) error) error {
	for deadline := time.Now().Add(patience); ; {
		err := s.greet(ctx, login, database)
		if err == nil {
			return nil
		}
		if why := inVain(err); why != nil {
			return why
		}
		if sqlState(err) == "57P03" {
			deadline = time.Now().Add(patience)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waiting for PostgreSQL for %s: %w", patience, err)
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("waiting for PostgreSQL: %w", err)
		}
	}
}

// greet logs in once.
func (s *Server) greet(ctx context.Context, login, database string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL(login, database))
	if err != nil {
		return err
	}
	full := conn.PgConn().ParameterStatus("server_version") // "15.18 (Debian 15.18-0+deb12u1)"
	s.version, _, _ = strings.Cut(full, " ")
	return conn.Close(ctx)
}

func sqlState(err error) string {
	if refused := new(pgconn.PgError); errors.As(err, &refused) {
		return refused.Code
	}
	return ""
}

// URL is the connection URL of login (one of Logins, or Superuser) to database
// over the private socket. It holds the password: never log it. A login that
// has no password here is refused by the server.
func (s *Server) URL(login, database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(login, s.passwords[login]),
		Path:     "/" + database,
		RawQuery: url.Values{"host": {s.socket}, "port": {"5432"}, "sslmode": {"disable"}}.Encode(),
	}
	return u.String()
}

// Version is the server's, such as "15.18".
func (s *Server) Version() string { return s.version }

// Done is closed when postgres ended by itself or was stopped. That of an
// attached server never is.
func (s *Server) Done() <-chan struct{} {
	if s.process == nil {
		return nil
	}
	return s.process.done
}

// Err says, after Done, why postgres ended by itself, with its last log lines.
// It is nil before, and after Stop.
func (s *Server) Err() error {
	select {
	case <-s.Done():
		return s.process.err
	default:
		return nil
	}
}

// Stop ends open transactions and shuts the server down: SIGINT, after 10 s
// SIGQUIT, after 10 s SIGKILL. Close pools first, else their last requests fail.
// It returns when the server has ended or ctx has; the stopping goes on without
// ctx. It may be called again, and does nothing to an attached server.
func (s *Server) Stop(ctx context.Context) error {
	if s.process == nil {
		return nil
	}
	s.process.stop()
	select {
	case <-s.process.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for PostgreSQL to stop, which goes on: %w", ctx.Err())
	}
}
