package db

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// StateConfig says how to reach what rowpass keeps for itself. Every field but MaxConns is required.
type StateConfig struct {
	URL           string        // the service's login, or the owner's
	QueryExecMode string        // as in Config
	Timeout       time.Duration // of one statement
	MaxConns      int           // 0: 4
	Log           *slog.Logger
}

// State is what rowpass keeps for itself: its look-ups of the directory, and everything in schema rowpass. It goes over
// the service's login, which never runs a caller's SQL. It is safe for concurrent use.
type State struct {
	pool    *pgxpool.Pool
	timeout time.Duration
	hashing chan struct{} // a place for each password that is hashed at the moment
	log     *slog.Logger
}

// statePool is how many connections rowpass itself needs at most.
const statePool = 4

// OpenState makes the pool. It connects when it is first needed; the caller closes it.
func OpenState(ctx context.Context, c StateConfig) (*State, error) {
	pool, err := openPool(ctx, "database.service_url", c.URL, c.QueryExecMode, cmp.Or(c.MaxConns, statePool))
	if err != nil {
		return nil, err
	}
	return &State{pool: pool, timeout: c.Timeout, hashing: hashingPlaces(), log: c.Log}, nil
}

// Ping tells whether the service's login can reach the database.
func (s *State) Ping(ctx context.Context) error {
	if err := s.pool.Ping(ctx); err != nil {
		return fmt.Errorf("reaching the database as the service: %w", err)
	}
	return nil
}

// Close closes the pool, waiting a few seconds for statements that still run.
func (s *State) Close() { closePools(s.log, s.pool) }

// limitTime gives the statements behind it in the same message so many milliseconds each, and a second to wait for a lock:
// what a caller's open transaction holds up is ErrTimeout soon, and a connection free again. It is a function of ours because
// set_config may have been taken from everybody.
const limitTime = `select rowpass.limit_time($1::bigint)`

// asked is a statement with what becomes of its rows; a nil collect leaves them unread.
type asked struct {
	query   string
	args    []any
	collect func(pgx.Rows) error
}

// ask sends statements that may be carried out twice with no harm: where the connection broke, or Postgres gave the
// transaction up, it sends them once more.
func (s *State) ask(ctx context.Context, statements ...asked) error {
	return s.send(ctx, s.timeout, broken, statements)
}

// askOnce is ask for what must not be carried out twice.
func (s *State) askOnce(ctx context.Context, statements ...asked) error {
	return s.send(ctx, s.timeout, func(err error) bool { return unsent(err) || rolledBack(err) }, statements)
}

// send sends the statements in one message, which makes one transaction, and once more where again says so.
func (s *State) send(ctx context.Context, limit time.Duration, again func(error) bool, statements []asked) error {
	err := s.sendOnce(ctx, limit, statements)
	if err != nil && again(err) {
		if !rolledBack(err) || stalePlan(err) {
			s.pool.Reset()
		}
		err = s.sendOnce(ctx, limit, statements)
	}
	return classify(err)
}

func (s *State) sendOnce(ctx context.Context, limit time.Duration, statements []asked) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.timeout+grace, errSlow)
	defer cancel()
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return acquireError{err}
	}
	defer conn.Release()
	var batch pgx.Batch
	batch.Queue(limitTime, limit.Milliseconds())
	for _, a := range statements {
		queued := batch.Queue(a.query, a.args...)
		if a.collect != nil {
			queued.Query(a.collect)
		}
	}
	return conn.SendBatch(ctx, &batch).Close()
}

// broken tells of a message that was not carried out, or whose answer was lost.
func broken(err error) bool { return lost(err) || rolledBack(err) }

// rolledBack tells of a message that Postgres gave up for others' sake, or before it ran.
func rolledBack(err error) bool { return strings.HasPrefix(sqlState(err), "40") || stalePlan(err) }
