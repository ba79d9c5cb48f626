// Package dbtest gives each test a PostgreSQL database of its own, migrated and seeded, on a throw-away cluster of the
// test's package. Tests of rowpass run on the real thing, so there is nothing to mock.
package dbtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"rowpass/db/embedded"
	"rowpass/migrations"
	"rowpass/seed"
)

// The logins of every database. Roles belong to the cluster, so a package's databases share them.
const (
	Owner   = "rowpass_owner"
	Gateway = "rowpass_gateway"
	Service = "rowpass_service"

	template = "rowpass"
)

// Cluster is the server that a package's tests share.
type Cluster struct {
	server *embedded.Server
	dir    string
	made   atomic.Int64
}

// cluster is set by Main before any test runs, since a test cannot be handed one.
var cluster *Cluster

// Main starts the package's cluster, runs its tests and removes the cluster. Call it from TestMain:
//
//	func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }
//
// ROWPASS_TEST_POSTGRES chooses the server: a folder of PostgreSQL's programs, or "newest" for the pinned download.
func Main(m *testing.M) int {
	ctx := context.Background()
	c, err := start(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "starting PostgreSQL for the tests:", err)
		return 1
	}
	defer c.stop(ctx)
	cluster = c
	return m.Run()
}

func start(ctx context.Context) (*Cluster, error) {
	dir, err := NewDir()
	if err != nil {
		return nil, err
	}
	config, err := Config(ctx, dir)
	if err != nil {
		return nil, err
	}
	server, err := embedded.Start(ctx, config)
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	c := &Cluster{server: server, dir: dir}
	if err := c.fill(ctx); err != nil {
		c.stop(ctx)
		return nil, err
	}
	return c, nil
}

// Config is an embedded server for tests in a folder from NewDir.
func Config(ctx context.Context, dir string) (embedded.Config, error) {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	config := embedded.Config{
		StateDir: dir, Logins: []string{Owner, Gateway, Service}, Database: template, Throwaway: true, Log: log,
	}
	switch choice := os.Getenv("ROWPASS_TEST_POSTGRES"); choice {
	case "":
	case "newest":
		var err error
		if config.BinDir, err = embedded.Download(ctx, "", log); err != nil {
			return config, err
		}
	default:
		config.BinDir = choice
	}
	return config, nil
}

// fill migrates and seeds the database that the tests' own are copied from.
func (c *Cluster) fill(ctx context.Context) error {
	d := c.database(template)
	_, err := migrations.Up(ctx, migrations.Config{
		OwnerURL: d.OwnerURL, GatewayURL: d.GatewayURL, ServiceURL: d.ServiceURL, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, d.OwnerURL)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.PgConn().Exec(ctx, seed.SQL).ReadAll()
	return err
}

func (c *Cluster) stop(ctx context.Context) {
	_ = c.server.Stop(ctx)
	_ = os.RemoveAll(c.dir)
}

func (c *Cluster) database(name string) Database {
	return Database{
		Name:         name,
		OwnerURL:     c.server.URL(Owner, name),
		GatewayURL:   c.server.URL(Gateway, name),
		ServiceURL:   c.server.URL(Service, name),
		SuperuserURL: c.server.URL(embedded.Superuser, name),
	}
}

// Database is a test's own.
type Database struct {
	Name         string
	OwnerURL     string
	GatewayURL   string
	ServiceURL   string
	SuperuserURL string
}

// New copies the migrated and seeded database. It is gone when the package's tests are over.
func New(t testing.TB) Database {
	t.Helper()
	return create(t, template)
}

// NewEmpty makes a database that nothing was done to, owned by Owner.
func NewEmpty(t testing.TB) Database {
	t.Helper()
	return create(t, "template0")
}

func create(t testing.TB, from string) Database {
	t.Helper()
	if cluster == nil {
		t.Fatal("the package's TestMain does not call dbtest.Main")
	}
	d := cluster.database(fmt.Sprintf("test_%d", cluster.made.Add(1)))
	Exec(t, cluster.server.URL(embedded.Superuser, "postgres"),
		fmt.Sprintf("create database %s template %s strategy file_copy owner %s", d.Name, from, Owner))
	if from == template { // a copy takes everything along but the rights on the database itself
		Exec(t, d.OwnerURL, "revoke temporary on database "+d.Name+" from public")
	}
	return d
}

// Exec runs statements as the URL's login.
func Exec(t testing.TB, url string, statements ...string) {
	t.Helper()
	conn := Connect(t, url)
	for _, s := range statements {
		if _, err := conn.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// Connect opens a connection that the test's end closes.
func Connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

const (
	dirPrefix = "rowpass-test-"
	shm       = "/dev/shm"
	gibibyte  = 1 << 30
)

// NewDir makes a state folder that PostgreSQL's account can reach, in memory where there is room. It also removes what
// killed runs have left behind.
func NewDir() (string, error) {
	parent := os.TempDir()
	var space syscall.Statfs_t
	if err := syscall.Statfs(shm, &space); err == nil && space.Bavail*uint64(space.Bsize) >= gibibyte { //nolint:gosec,unconvert // block sizes are positive
		parent = shm
	}
	sweep(parent)
	dir, err := os.MkdirTemp(parent, dirPrefix)
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o711)
}

// stale is how old a folder is that no running test can still be making.
const stale = time.Hour

func sweep(parent string) {
	dirs, _ := filepath.Glob(filepath.Join(parent, dirPrefix+"*"))
	for _, dir := range dirs {
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > stale && !supervised(dir) {
			_ = os.RemoveAll(dir)
		}
	}
}

func supervised(dir string) bool {
	lock, err := os.Open(filepath.Join(dir, "supervisor.lock"))
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	defer func() { _ = lock.Close() }()
	return syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil
}
