package identity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// limitTime gives the statements behind it so many milliseconds each, and a second to wait for a lock. It is a function of ours
// because set_config may have been taken from everybody.
const limitTime = `select rowpass.limit_time($1::bigint)`

// holdPurged keeps purges out until the transaction ends, so that nobody brings back what is just being removed.
const holdPurged = `select rowpass.hold_purged()`

// asked is a statement with what becomes of its rows; a nil collect leaves them unread.
type asked struct {
	query   string
	args    []any
	collect func(pgx.Rows) error
}

// one is a collect that wants exactly one row.
func one(to ...any) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		found := 0
		_, err := pgx.ForEachRow(rows, to, func() error {
			found++
			return nil
		})
		if err == nil && found != 1 {
			return fmt.Errorf("%d rows where there is one", found)
		}
		return err
	}
}

// ask sends statements in one message, which makes one transaction. They may be carried out twice with no harm: where the
// connection broke, or Postgres gave the transaction up, they are sent once more.
func (s *Store) ask(ctx context.Context, statements ...asked) error {
	return s.twice(ctx, func() error { return s.askOnce(ctx, statements) })
}

// askAlone is ask for one statement of one row and column, on each event's way, that needs no limit but ctx's and our own.
func (s *Store) askAlone(ctx context.Context, to any, query string, args ...any) error {
	return s.twice(ctx, func() error {
		ctx, cancel := context.WithTimeout(ctx, s.timeout)
		defer cancel()
		return s.pool.QueryRow(ctx, query, args...).Scan(to)
	})
}

func (s *Store) twice(ctx context.Context, send func() error) error {
	err := send()
	if err != nil && passing(err) && ctx.Err() == nil {
		if sqlState(err) == "" || stalePlan(err) {
			s.pool.Reset()
		}
		err = send()
	}
	return classify(err)
}

func (s *Store) askOnce(ctx context.Context, statements []asked) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout+grace)
	defer cancel()
	batch := &pgx.Batch{}
	batch.Queue(limitTime, s.timeout.Milliseconds())
	queue(batch, statements)
	return s.pool.SendBatch(ctx, batch).Close()
}

func queue(batch *pgx.Batch, statements []asked) {
	for _, a := range statements {
		queued := batch.Queue(a.query, a.args...)
		if a.collect != nil {
			queued.Query(a.collect)
		}
	}
}

// within runs f in a transaction of its own, whose statements have the store's time limit each, and f all in all ten times that.
func (s *Store) within(ctx context.Context, f func(context.Context, pgx.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, 10*s.timeout+grace)
	defer cancel()
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, limitTime, s.timeout.Milliseconds()); err != nil {
			return err
		}
		return f(ctx, tx)
	})
	if err != nil && (sqlState(err) == "" && lost(err) || stalePlan(err)) {
		s.pool.Reset()
	}
	return classify(err)
}

// classify says ErrUnavailable of what passes by itself, and keeps the cause for the log.
func classify(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, ErrUnavailable) {
		return err
	}
	if passing(err) || sqlState(err) == "57014" || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

// passing tells of what may go well the next time: the connection broke, the server is going or full, or it gave the
// transaction up for others' sake.
func passing(err error) bool {
	code := sqlState(err)
	return lost(err) || stalePlan(err) || code == "55P03" || strings.HasPrefix(code, "40")
}

// lost tells whether the connection broke, rather than the statement failed.
func lost(err error) bool {
	if code := sqlState(err); code != "" {
		return code == "57P01" || code == "57P02" || code == "57P03" || code == "25006" || strings.HasPrefix(code, "53") ||
			strings.HasPrefix(code, "08") && code != "08P01"
	}
	var connect *pgconn.ConnectError
	var network *net.OpError
	return errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, pgconn.ErrConnClosed) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || pgconn.SafeToRetry(err)
}

// stalePlan tells of a statement that was prepared before a migration or a pooler's reshuffle.
func stalePlan(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "26000" || pg.Code == "0A000" && pg.Routine == "RevalidateCachedQuery")
}

// refusedValue tells of a statement that no repetition helps, because of a value in it: data exceptions, constraints and limits
// (SQLSTATE classes 22, 23 and 54).
func refusedValue(err error) bool {
	code := sqlState(err)
	return strings.HasPrefix(code, "22") || strings.HasPrefix(code, "23") || strings.HasPrefix(code, "54")
}

func sqlState(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}
