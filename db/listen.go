package db

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
)

const (
	listenPause    = time.Second      // before the first new connection
	listenMaxPause = 15 * time.Second // it doubles up to this
	listenSteady   = time.Minute      // a connection that held so long was a good one
)

// Listen calls wake whenever an instance or a command has changed the ring or the deny-list, and after each connection of
// its own, since it may have missed something before. It returns when ctx ends. It is no more than a hurry: behind a pooler
// in transaction mode nothing ever arrives, so the caller also looks by itself. A connection that cannot be had, or doesn't
// hold, is one line in the log, and is tried again ever less often.
func (s *State) Listen(ctx context.Context, wake func()) {
	pause := listenPause
	for ctx.Err() == nil {
		begun := time.Now()
		err := s.listen(ctx, wake)
		if ctx.Err() != nil {
			return
		}
		if time.Since(begun) >= listenSteady {
			pause = listenPause
		}
		if pause == listenPause {
			s.log.WarnContext(ctx, "no notifications from other instances; their changes are seen a little later until they are back", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, listenMaxPause)
	}
}

// listen wakes until the connection breaks or ctx ends.
func (s *State) listen(ctx context.Context, wake func()) error {
	conn, err := s.connect(ctx)
	if err != nil {
		return fmt.Errorf("connecting as the service (database.service_url): %w", err)
	}
	defer func() {
		drop, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		_ = conn.Close(drop)
	}()
	if _, err := conn.Exec(ctx, "listen rowpass"); err != nil {
		return err
	}
	for {
		wake()
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return err
		}
	}
}

// connect makes a connection outside the pool. Waiting on it ends as soon as its context does: there is no statement whose
// end would be worth waiting for.
func (s *State) connect(ctx context.Context) (*pgx.Conn, error) {
	config := s.pool.Config().ConnConfig
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	config.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.DeadlineContextWatcherHandler{Conn: conn.Conn()}
	}
	ctx, cancel := context.WithTimeout(ctx, config.ConnectTimeout)
	defer cancel()
	return pgx.ConnectConfig(ctx, config)
}
