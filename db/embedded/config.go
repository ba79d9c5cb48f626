package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"

	"github.com/jackc/pgx/v5"
)

// Superuser is the login that initdb makes. Only provisioning and tests use it:
// it skips every policy.
const Superuser = "postgres"

var (
	// ErrNotRunning says that no process supervises the state folder.
	ErrNotRunning = errors.New("no PostgreSQL is running in the state folder: start it with rowpass serve")
	// ErrSupervised says that another process supervises the state folder. The
	// error that wraps it names the process and the folder.
	ErrSupervised = errors.New("rowpass is already running on this state folder")
)

// Config says where a private PostgreSQL lives.
type Config struct {
	// StateDir is the folder that holds everything, an absolute path. It is made
	// when missing; one that exists must belong to the calling user, and is set to
	// mode 0711. For root it must not lie below a closed folder such as /root.
	StateDir string

	// BinDir is the folder of initdb and postgres. Where it is named nothing else is
	// tried. Empty: PATH, pg_config, the usual places, CacheDir, then a download.
	BinDir string

	// CacheDir keeps downloaded programs. Empty: /var/cache/rowpass for root, else
	// rowpass in the user's cache folder. Whoever can write it decides what runs.
	CacheDir string

	// OSUser is the account that postgres runs as when the caller is root; others
	// run it as themselves. Empty: the owner of existing data, else postgres, else
	// nobody (with a warning: other services may share that account).
	OSUser string

	// Logins are login roles whose passwords are generated and kept in
	// credentials.json. The first one owns Database and is made at the start; the
	// others are made by whoever migrates. Required: at least one.
	Logins []string

	// Database is the application's database, made at the first start. Required.
	Database string

	// Throwaway gives durability up for speed: no fsync, no full page writes, no
	// autovacuum. For tests; after a crash the data is worthless.
	Throwaway bool

	// Log takes what happens at level Info, and PostgreSQL's own lines at Debug.
	// Passwords and connection URLs never reach it. Required.
	Log *slog.Logger
}

func (c Config) validate() error {
	switch {
	case c.Log == nil:
		return errors.New("embedded PostgreSQL: Config.Log is required")
	case !filepath.IsAbs(c.StateDir):
		return fmt.Errorf("state folder %q: name it by an absolute path", c.StateDir)
	case len(c.Logins) == 0 || slices.Contains(c.Logins, ""):
		return errors.New("embedded PostgreSQL: Config.Logins needs at least one name, none of them empty")
	case slices.Contains(c.Logins, Superuser):
		return fmt.Errorf("login %q is the superuser's: choose another name", Superuser)
	case c.Database == "":
		return errors.New("embedded PostgreSQL: Config.Database is required")
	}
	if _, err := pgx.ParseConfig("postgres://nobody@/none?host=/&port=5432&sslmode=disable"); err != nil {
		return fmt.Errorf("a PG* variable of the environment, such as PGSERVICE, breaks every connection URL, unset it: %w", err)
	}
	return nil
}
