package db

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"
)

// StrangersConfig is how statements that callers write themselves are run.
type StrangersConfig struct {
	GatewayURL string        // login of the roles authenticated and anonymous
	RoleURLs   []RoleURL     // further roles, each with a login of its own
	MaxConns   int           // of each login's pool
	Timeout    time.Duration // of a whole request, batch or not
	MaxMessage int           // bytes that PostgreSQL may send at once, as one row or one error; 0: 16 MiB
}

// RoleURL is the login of a further role. What it may do is what the owner has granted it.
type RoleURL struct{ Role, URL string }

// Strangers runs statements that callers write themselves. It has pools of its own, so that nothing that such a statement
// leaves on a connection meets a statement of ours.
type Strangers struct {
	db      *DB
	pools   map[string]*pgxpool.Pool // by role
	own     map[string]bool          // roles that are their login's own, so that there is nothing to become
	timeout time.Duration
	most    int // bytes of a message

	elements sync.Map // of array types' OIDs: their elements' (uint32), 0 for what is no array
}

// OpenStrangers connects on first use. The caller closes it before d, whose seal it shares.
func OpenStrangers(ctx context.Context, d *DB, c StrangersConfig) (*Strangers, error) {
	gateway, err := openPool(ctx, "database.gateway_url", c.GatewayURL, "exec", c.MaxConns)
	if err != nil {
		return nil, err
	}
	s := &Strangers{
		db: d, timeout: c.Timeout, most: cmp.Or(c.MaxMessage, defaultMessage), own: map[string]bool{},
		pools: map[string]*pgxpool.Pool{"authenticated": gateway, "anonymous": gateway},
	}
	for _, r := range c.RoleURLs {
		pool, err := openPool(ctx, "sql.roles: "+r.Role, r.URL, "exec", c.MaxConns)
		if err != nil {
			s.Close()
			return nil, err
		}
		s.pools[r.Role], s.own[r.Role] = pool, true
	}
	return s, nil
}

// defaultMessage is room for any row that fits into an answer. PostgreSQL sends rows of up to 1 GiB, which would be held as a
// whole before their length can be looked at.
const defaultMessage = 16 << 20

// ErrMessageSize is a row, or an error, that is larger than we take.
var ErrMessageSize = errors.New("PostgreSQL sent more at once than is taken here")

// Close closes the pools, waiting a few seconds for statements that still run.
func (s *Strangers) Close() {
	pools := make([]*pgxpool.Pool, 0, len(s.pools))
	for _, p := range s.pools {
		pools = append(pools, p)
	}
	closePools(s.db.log, pools...)
}

// Statement is one of a stranger's, with its parameters as text, nil for NULL.
type Statement struct {
	SQL    string
	Params [][]byte
}

// Batch is what one request asks for. Without a Transaction it is a single statement, committed by itself.
type Batch struct {
	Statements  []Statement
	Transaction *Transaction
}

// Transaction is how several statements are held together. The zero value is PostgreSQL's default.
type Transaction struct {
	Isolation            string // SQL's name of the level, such as "repeatable read", from a list of ours; empty: the default
	ReadOnly, Deferrable bool
}

// Field describes a column of a result.
type Field struct {
	Name         string
	TypeID       uint32
	TableID      uint32
	ColumnID     int16 // below 0: one of PostgreSQL's own columns
	TypeSize     int16
	TypeModifier int32
}

// Sink takes results while they arrive. An error of its own ends the request, and nothing of it stays.
type Sink interface {
	Begin(fields []Field) error
	Row(values [][]byte) error // text, nil for NULL; good until Row returns
	End(command string) error  // the command tag, such as "INSERT 0 1"; empty for an empty statement
	Reset()                    // forgets all: the message was rolled back and is sent once more
}

// SQLError is PostgreSQL's refusal of a stranger's statement, for the stranger who wrote it.
type SQLError struct {
	*pgconn.PgError
}

// Error leaves PostgreSQL's words out, which may quote the caller's values: they are for the caller, not for a log.
func (e *SQLError) Error() string { return "PostgreSQL refused the statement: SQLSTATE " + e.Code }
func (e *SQLError) Unwrap() error { return e.PgError }

// becomeStranger is become for statements that we did not write: the settings that their meaning and the form of their
// results hang on are set as well. standard_conforming_strings is among them because the check of the statement and the
// server must read the same text alike.
const becomeStranger = `select
	pg_catalog.set_config('request.jwt.claims', $1, true),
	pg_catalog.set_config('request.jwt.seal', $2, true),
	pg_catalog.set_config('statement_timeout', $3, true),
	pg_catalog.set_config('search_path', 'public, pg_temp', true),
	pg_catalog.set_config('standard_conforming_strings', 'on', true),
	pg_catalog.set_config('row_security', 'on', true),
	pg_catalog.set_config('synchronous_commit', 'on', true),
	pg_catalog.set_config('client_min_messages', 'warning', true),
	pg_catalog.set_config('client_encoding', 'UTF8', true),
	pg_catalog.set_config('datestyle', 'ISO, MDY', true),
	pg_catalog.set_config('intervalstyle', 'postgres', true),
	pg_catalog.set_config('timezone', 'UTC', true),
	pg_catalog.set_config('bytea_output', 'hex', true),
	pg_catalog.set_config('extra_float_digits', '1', true),
	pg_catalog.set_config('xmlbinary', 'base64', true),
	pg_catalog.set_config('role', $4, true)`

// Run sends become, the statements and the clean-up in one message. The statements make one transaction; what they leave
// on the connection is discarded behind it. After a timeout, or when the caller has left, the statement is cancelled and the
// connection dropped.
func (s *Strangers) Run(ctx context.Context, who Session, b Batch, sink Sink) error {
	pool, ok := s.pools[who.Role]
	if !ok {
		return fmt.Errorf("no login for role %q", who.Role)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.timeout, errSlow)
	defer cancel()
	err := s.run(ctx, pool, who, b, sink)
	switch {
	case unsent(err):
		pool.Reset()
		err = s.run(ctx, pool, who, b, sink)
	case sqlState(err) == invalidAuthorization && s.db.seals.renew(ctx):
		sink.Reset()
		err = s.run(ctx, pool, who, b, sink)
	}
	return strangersError(ctx, err)
}

func (s *Strangers) run(ctx context.Context, pool *pgxpool.Pool, who Session, b Batch, sink Sink) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return acquireError{err}
	}
	defer conn.Release()
	conn.Conn().PgConn().Frontend().SetMaxBodyLen(s.most)
	p := conn.Conn().PgConn().StartPipeline(ctx)
	s.send(p, who, b)
	if err = p.Flush(); err == nil {
		err = receive(p, b, sink)
	}
	var refused *pgconn.PgError
	broken := err != nil && !errors.As(err, &refused)
	if broken {
		cancel() // or Close would read all that the statement has still to say
	}
	if p.Close() != nil { // whatever became of what was asked for, the clean-up behind it is not done
		broken = true
	}
	if broken || ctx.Err() != nil {
		drop, done := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer done()
		_ = conn.Conn().Close(drop)
	}
	return err
}

// send queues the whole message. Behind the first Sync the transaction is over, whatever became of it; behind the next,
// nothing is left of the caller on the connection.
func (s *Strangers) send(p *pgconn.Pipeline, who Session, b Batch) {
	if b.Transaction != nil {
		p.SendQueryParams(b.Transaction.start(), nil, nil, nil, nil)
	}
	role := who.Role
	if s.own[role] {
		role = "none"
	}
	p.SendQueryParams(becomeStranger, [][]byte{
		who.Claims, []byte(s.db.seals.seal(who.Claims)), strconv.AppendInt(nil, s.timeout.Milliseconds(), 10), []byte(role),
	}, nil, nil, nil)
	for _, statement := range b.Statements {
		p.SendQueryParams(statement.SQL, statement.Params, nil, nil, nil)
	}
	if b.Transaction != nil {
		p.SendQueryParams("commit", nil, nil, nil, nil)
		p.SendPipelineSync()
		p.SendQueryParams("rollback", nil, nil, nil, nil) // of a transaction that an error has left open
	}
	p.SendPipelineSync()
	p.SendQueryParams("discard all", nil, nil, nil, nil)
	p.SendPipelineSync()
}

func (t Transaction) start() string {
	statement := "start transaction"
	if t.Isolation != "" {
		statement += " isolation level " + t.Isolation + ","
	}
	if t.ReadOnly {
		statement += " read only,"
	} else {
		statement += " read write,"
	}
	if t.Deferrable {
		return statement + " deferrable"
	}
	return statement + " not deferrable"
}

// receive reads the answers in the order of send. The first error is the request's: PostgreSQL skips what comes behind it.
func receive(p *pgconn.Pipeline, b Batch, sink Sink) error {
	before := 1 // become
	if b.Transaction != nil {
		before = 2
	}
	for range before {
		if err := drain(p); err != nil {
			return err
		}
	}
	for range b.Statements {
		if err := result(p, sink); err != nil {
			return err
		}
	}
	if b.Transaction != nil {
		if err := drain(p); err != nil {
			return err
		}
	}
	return settled(p)
}

// settled reads up to the first Sync: a deferred constraint, or a conflict of serializable transactions, says no only there.
func settled(p *pgconn.Pipeline) error {
	_, err := p.GetResults()
	return err
}

func drain(p *pgconn.Pipeline) error {
	r, err := reader(p)
	if err != nil {
		return err
	}
	_, err = r.Close()
	return err
}

func reader(p *pgconn.Pipeline) (*pgconn.ResultReader, error) {
	results, err := p.GetResults()
	if err != nil {
		return nil, err
	}
	r, ok := results.(*pgconn.ResultReader)
	if !ok {
		return nil, fmt.Errorf("reading a result: the server sent %T", results)
	}
	return r, nil
}

// result hands one statement's rows to the sink while they arrive.
func result(p *pgconn.Pipeline, sink Sink) error {
	r, err := reader(p)
	if err != nil {
		return err
	}
	if err := sink.Begin(fields(r.FieldDescriptions())); err != nil {
		return err
	}
	for r.NextRow() {
		if err := sink.Row(r.Values()); err != nil {
			return err
		}
	}
	tag, err := r.Close()
	if err != nil {
		return err
	}
	return sink.End(tag.String())
}

func fields(descriptions []pgconn.FieldDescription) []Field {
	all := make([]Field, len(descriptions))
	for i, d := range descriptions {
		all[i] = Field{
			Name: d.Name, TypeID: d.DataTypeOID, TableID: d.TableOID, ColumnID: int16(d.TableAttributeNumber), //nolint:gosec // the protocol's own type is signed
			TypeSize: d.DataTypeSize, TypeModifier: d.TypeModifier,
		}
	}
	return all
}

// strangersError keeps PostgreSQL's words for the one who wrote the statement, and takes everything else into our errors.
func strangersError(ctx context.Context, err error) error {
	var refused *pgconn.PgError
	var connecting acquireError
	var large *pgproto3.ExceededMaxBodyLenErr
	switch {
	case err == nil:
		return nil
	case errors.As(err, &large):
		return fmt.Errorf("%w: %w", ErrMessageSize, err)
	case errors.Is(context.Cause(ctx), errSlow):
		return &Refusal{Reason: ErrTimeout, cause: err}
	case errors.As(err, &refused) && !errors.As(err, &connecting) && !strings.HasPrefix(refused.Code, "57P"): // the server is not going
		return &SQLError{refused}
	}
	return classify(err)
}

// ElementTypes says of each field that is an array what its elements are. The catalogue is asked once for each type.
func (s *Strangers) ElementTypes(ctx context.Context, fields []Field) (map[uint32]uint32, error) {
	var unknown []uint32
	for _, f := range fields {
		if _, ok := s.elements.Load(f.TypeID); !ok {
			unknown = append(unknown, f.TypeID)
		}
	}
	if len(unknown) > 0 {
		if err := s.learn(ctx, unknown); err != nil {
			return nil, err
		}
	}
	arrays := map[uint32]uint32{}
	for _, f := range fields {
		if element, ok := s.elements.Load(f.TypeID); ok && element.(uint32) != 0 {
			arrays[f.TypeID] = element.(uint32)
		}
	}
	return arrays, nil
}

func (s *Strangers) learn(ctx context.Context, types []uint32) error {
	const query = `select oid, case when typcategory = 'A' then typelem else 0 end from pg_catalog.pg_type where oid = any ($1)`
	rows, err := s.db.gateway.Query(ctx, query, types)
	if err != nil {
		return fmt.Errorf("looking up array types: %w", err)
	}
	var id, element uint32
	_, err = pgx.ForEachRow(rows, []any{&id, &element}, func() error {
		s.elements.Store(id, element)
		return nil
	})
	return err
}
