package statement

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	tree "github.com/pganalyze/pg_query_go/v6"
	"github.com/wasilibs/go-pgquery"
	"github.com/wasilibs/go-pgquery/parser"
)

// errBroken is fatal to every later check: a parser that once ran over its stack misreads what it is given next.
var errBroken = errors.New("the SQL parser broke off and can't be trusted any more: restart rowpass")

// parsers bounds how many statements are parsed at once, as the library compiles and keeps one more parser whenever all others
// are busy. Compiling takes some 250 MB for its two seconds, so that the first is let finish before there may be others.
type parsers struct {
	free  chan struct{}
	large chan struct{} // room for one large statement, so that the others find a parser
	first sync.Once
	down  atomic.Bool
}

func newParsers(n int) *parsers {
	p := &parsers{free: make(chan struct{}, n), large: make(chan struct{}, 1)}
	p.free <- struct{}{}
	p.large <- struct{}{}
	return p
}

func (p *parsers) broken() bool { return p.down.Load() }

// warm parses once alone, and then what takes long enough for all parsers to be needed at once.
func (p *parsers) warm(ctx context.Context) {
	_, _, _ = p.parse(ctx, "select 1", false)
	long := "select 1" + strings.Repeat(", 1", heavyTokens/2)
	var all sync.WaitGroup
	for range cap(p.free) {
		all.Go(func() { _, _, _ = p.parse(ctx, long, false) })
	}
	all.Wait()
}

// parse reads sql. What is wrong with the text is a Refusal, what is wrong here an error.
func (p *parsers) parse(ctx context.Context, sql string, large bool) (*tree.ParseResult, *Refusal, error) {
	if large {
		if err := take(ctx, p.large); err != nil {
			return nil, nil, err
		}
		defer func() { p.large <- struct{}{} }()
	}
	if err := take(ctx, p.free); err != nil {
		return nil, nil, err
	}
	defer p.release()
	if p.broken() {
		return nil, nil, errBroken
	}
	return p.run(sql)
}

func take(ctx context.Context, room chan struct{}) error {
	select {
	case <-room:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for the SQL parser: %w", ctx.Err())
	}
}

func (p *parsers) release() {
	p.first.Do(func() {
		for range cap(p.free) - 1 {
			p.free <- struct{}{}
		}
	})
	p.free <- struct{}{}
}

func (p *parsers) run(sql string) (result *tree.ParseResult, refusal *Refusal, err error) {
	defer func() {
		if recover() != nil {
			p.down.Store(true)
			result, refusal, err = nil, nil, errBroken
		}
	}()
	result, err = pg_query.Parse(sql)
	var wrong *parser.Error
	if errors.As(err, &wrong) {
		return nil, syntaxRefusal(wrong), nil
	}
	if err != nil {
		return nil, refuse(codeTooDeep, "statement is nested too deeply", ""), nil
	}
	return result, nil, nil
}

// syntaxRefusal is the parser's own error. It has no SQLSTATE, and but for the parser's stack every one of the grammar is 42601
// or close to it.
func syntaxRefusal(e *parser.Error) *Refusal {
	code := codeSyntax
	if strings.Contains(e.Message, "memory exhausted") || strings.Contains(e.Message, "stack depth") {
		code = codeTooDeep
	}
	return &Refusal{Code: code, Message: clip(e.Message), Position: max(e.Cursorpos, 0)}
}
