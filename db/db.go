// Package db runs callers' statements as the callers, and rowpass's own beside them.
//
// A caller is a Session. Its statement and its becoming travel in one message over the gateway's login, which owns
// nothing and may only become another role; whatever the connection held before does not count, and nothing of the
// session outlives the message. What rowpass itself needs (looking users up) goes over the service's login, which never
// runs a caller's SQL.
package db

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Config says how to reach the database. Every field but OwnerURL, SealKey and AuthSchema is required; one of OwnerURL
// and SealKey is.
type Config struct {
	GatewayURL       string        // login of callers' statements; whoever has it can become authenticated, without claims
	OwnerURL         string        // the owner's, only to read the seal key, at the start and when it was rotated
	SealKey          []byte        // the seal key, for an instance that has no owner's login
	MaxConns         int           // of the gateway's pool
	QueryExecMode    string        // pgx's name: cache_statement, or exec behind a pooler that mixes up named statements
	StatementTimeout time.Duration // of one statement of a caller
	AuthSchema       string        // where rowpass's functions stand; empty: auth
	Log              *slog.Logger
}

// DB is how callers' statements reach the database. It is safe for concurrent use.
type DB struct {
	gateway *pgxpool.Pool
	seals   *seals
	timeout time.Duration
	schema  string // of rowpass's functions
	named   bool   // statements are prepared by name, once a connection
	log     *slog.Logger
}

// Open connects, reads the seal key and the database's clock. The caller closes it.
func Open(ctx context.Context, c Config) (*DB, error) {
	gateway, err := openPool(ctx, "database.gateway_url", c.GatewayURL, c.QueryExecMode, c.MaxConns)
	if err != nil {
		return nil, err
	}
	db := &DB{
		gateway: gateway, seals: &seals{owner: c.OwnerURL, gateway: gateway},
		timeout: c.StatementTimeout, schema: cmp.Or(c.AuthSchema, "auth"), named: execMode(c.QueryExecMode) == pgx.QueryExecModeCacheStatement, log: c.Log,
	}
	if c.OwnerURL == "" {
		db.seals.use(c.SealKey)
	}
	if err := db.Refresh(ctx); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

// Refresh reads the seal key and the database's clock again. Call it every minute: clocks drift, and keys are rotated.
func (db *DB) Refresh(ctx context.Context) error { return db.seals.refresh(ctx) }

// ClockDifference is how far the database's clock was ahead of ours when it was last read.
func (db *DB) ClockDifference() time.Duration { return time.Duration(db.seals.ahead.Load()) }

// Name is the database's.
func (db *DB) Name() string { return db.gateway.Config().ConnConfig.Database }

// Ping tells whether the gateway's login can reach the database.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.gateway.Ping(ctx); err != nil {
		return fmt.Errorf("reaching the database as the gateway: %w", err)
	}
	return nil
}

// PoolStats says how busy the gateway's pool is.
func (db *DB) PoolStats() (inUse, idle, limit int) {
	s := db.gateway.Stat()
	return int(s.AcquiredConns()), int(s.IdleConns()), int(s.MaxConns())
}

// closeTimeout is how long Close waits for connections that are in use: pgxpool would wait for ever.
const closeTimeout = 5 * time.Second

// Close closes the pool, waiting a few seconds for statements that still run.
func (db *DB) Close() { closePools(db.log, db.gateway) }

func closePools(log *slog.Logger, pools ...*pgxpool.Pool) {
	closed := make(chan struct{})
	go func() {
		for _, p := range pools {
			p.Close()
		}
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(closeTimeout):
		log.Warn("closing the database's connections: some are still in use")
	}
}

func openPool(ctx context.Context, setting, url, mode string, conns int) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, errBadURL)
	}
	config.MaxConns = int32(conns) //nolint:gosec // a configured number of connections, checked to be small
	config.ConnConfig.DefaultQueryExecMode = execMode(mode)
	config.ConnConfig.BuildContextWatcherHandler = cancelRequest
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "rowpass"
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", setting, err)
	}
	return pool, nil
}

const connectTimeout = 5 * time.Second

// cancelRequest ends a statement whose caller has left, or whose time is over, and keeps the connection; without it pgx
// would throw the connection away and leave the statement running.
func cancelRequest(conn *pgconn.PgConn) ctxwatch.Handler {
	return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: grace}
}

func execMode(name string) pgx.QueryExecMode {
	switch name {
	case "exec":
		return pgx.QueryExecModeExec
	case "cache_describe":
		return pgx.QueryExecModeCacheDescribe
	}
	return pgx.QueryExecModeCacheStatement
}

// LoginOf is the role that a URL logs in as, "" for one that cannot be read.
func LoginOf(url string) string {
	config, err := parseURL(url)
	if err != nil {
		return ""
	}
	return config.User
}

// errBadURL stands in for what the parser says, which may quote the password.
var errBadURL = errors.New("this URL cannot be read; it looks like postgres://user:password@host:5432/database")

func parseURL(url string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, errBadURL
	}
	return config, nil
}
