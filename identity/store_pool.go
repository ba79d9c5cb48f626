package identity

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	connectTimeout = 5 * time.Second
	closeTimeout   = 5 * time.Second // for connections that are in use: pgxpool would wait for ever
	grace          = 2 * time.Second // longer than a statement's own limit we wait for its answer
)

// errBadURL stands in for what the parser says, which may quote the password.
var errBadURL = errors.New("this URL cannot be read; it looks like postgres://user:password@host:5432/database")

func openPool(ctx context.Context, c StoreConfig) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(c.URL)
	if err != nil {
		return nil, fmt.Errorf("database.service_url: %w", errBadURL)
	}
	config.MaxConns = int32(cmp.Or(c.MaxConns, storeConns)) //nolint:gosec // a configured number of connections, checked to be small
	config.ConnConfig.DefaultQueryExecMode = execMode(c.QueryExecMode)
	config.ConnConfig.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: grace}
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "rowpass"
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("opening database.service_url: %w", err)
	}
	return pool, nil
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

// Close closes the pool, waiting a few seconds for statements that still run. End Run first.
func (s *Store) Close() {
	closed := make(chan struct{})
	go func() {
		s.pool.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(closeTimeout):
		s.log.Warn("closing the database's connections: some are still in use")
	}
}
