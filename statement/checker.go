package statement

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	lru "github.com/hashicorp/golang-lru/v2"
	tree "github.com/pganalyze/pg_query_go/v6"
)

// Config is what a Checker needs. All of it has defaults.
type Config struct {
	// CacheSize is how many verdicts are remembered, by SQL text and Rules. Default 10,000. One takes some 200 bytes, and never
	// more than 2 KiB, however long its text is.
	CacheSize int
	// MaxLength of a statement in bytes. Default 1 MiB.
	MaxLength int
	// Parsers is how many statements may be parsed at once. Default 2, of which one takes the large ones. Without cgo each keeps
	// some 30 MB and, when it is first used, takes two seconds of a processor and 250 MB for that time, one after the other.
	// The largest statements take it more than a second and 100 MB.
	Parsers int
	// AuthSchema is where rowpass's functions stand, which callers may call. Default auth; those of another schema auth are then
	// somebody else's, and refused.
	AuthSchema string
}

const (
	defaultCacheSize = 10_000
	defaultMaxLength = 1 << 20
	defaultParsers   = 2
)

// Checker says what may run. It may be used by any number of goroutines.
type Checker struct {
	maxLength int
	parsers   *parsers
	names     *names
	verdicts  *lru.Cache[question, *Refusal] // nil: allowed

	mu      sync.Mutex
	flights map[question]*flight // guarded by mu
}

// question is a text under some rules. It holds the text's digest, so that no text is kept, and the address of the rules, which
// therefore can't be taken by others.
type question struct {
	text  [sha256.Size]byte
	rules *Rules
}

// flight is a check under way, for all who ask the same. Its verdict counts once done is closed.
type flight struct {
	done    chan struct{}
	verdict *Refusal
	err     error
}

// NewChecker makes a checker. The parser is made ready by the first check, or by Warm.
func NewChecker(c Config) (*Checker, error) {
	if c.CacheSize < 0 || c.MaxLength < 0 || c.Parsers < 0 {
		return nil, fmt.Errorf("sizes of the statement check must not be negative: %+v", c)
	}
	if c.CacheSize == 0 {
		c.CacheSize = defaultCacheSize
	}
	if c.MaxLength == 0 {
		c.MaxLength = defaultMaxLength
	}
	if c.Parsers == 0 {
		c.Parsers = defaultParsers
	}
	verdicts, err := lru.New[question, *Refusal](c.CacheSize)
	if err != nil {
		return nil, fmt.Errorf("making the cache of verdicts: %w", err)
	}
	return &Checker{
		maxLength: c.MaxLength, parsers: newParsers(c.Parsers), names: readNames(cmp.Or(c.AuthSchema, "auth")), verdicts: verdicts, flights: map[question]*flight{},
	}, nil
}

// Warm makes the parsers ready, which takes seconds without cgo, and returns when they are, or when ctx ends. Run it in the
// background at the start.
func (c *Checker) Warm(ctx context.Context) { c.parsers.warm(ctx) }

// Check returns nil if sql may run under r, a *Refusal if it may not, and another error if it couldn't be found out: ctx ended, or
// the parser broke. Nil rules are the defaults. An empty text, or one of comments, may run: PostgreSQL answers it.
func (c *Checker) Check(ctx context.Context, sql string, r *Rules) error {
	if refusal := c.unreadable(sql); refusal != nil {
		return refusal
	}
	q := question{sha256.Sum256([]byte(sql)), r}
	for {
		if refusal, ok := c.verdicts.Get(q); ok {
			return asError(refusal)
		}
		f, first := c.join(q)
		if first {
			c.fly(ctx, f, q, sql, r)
			return f.result()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the statement's check: %w", ctx.Err())
		case <-f.done:
			if f.err == nil || errors.Is(f.err, errBroken) {
				return f.result()
			} // else the first one gave up, and somebody has to go first again
		}
	}
}

func (f *flight) result() error {
	if f.err != nil {
		return f.err
	}
	return asError(f.verdict)
}

// asError keeps a nil *Refusal from becoming an error.
func asError(r *Refusal) error {
	if r == nil {
		return nil
	}
	return r
}

func (c *Checker) join(q question) (f *flight, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f, ok := c.flights[q]; ok {
		return f, false
	}
	f = &flight{done: make(chan struct{})}
	c.flights[q] = f
	return f, true
}

func (c *Checker) fly(ctx context.Context, f *flight, q question, sql string, r *Rules) {
	f.err = errBroken // unless all goes well, even if what follows panics
	defer func() {
		if f.err == nil {
			c.verdicts.Add(q, f.verdict)
		}
		c.mu.Lock()
		delete(c.flights, q)
		c.mu.Unlock()
		close(f.done)
	}()
	f.verdict, f.err = c.judge(ctx, sql, r)
}

// unreadable is what is wrong with a text before it is parsed. The parser, and PostgreSQL's protocol, end a text at its first
// NUL, so that what follows must never get there unseen.
func (c *Checker) unreadable(sql string) *Refusal {
	switch {
	case len(sql) > c.maxLength:
		return refuse(codeTooLong, fmt.Sprintf("statement is too long: %d bytes, allowed are %d", len(sql), c.maxLength),
			"Send the values as parameters, or in several statements.")
	case strings.IndexByte(sql, 0) >= 0:
		return refuse(codeEncoding, `invalid byte sequence for encoding "UTF8": 0x00`, "")
	case !utf8.ValidString(sql):
		return refuse(codeEncoding, `invalid byte sequence for encoding "UTF8"`, "")
	}
	return nil
}

// judge parses and checks. An error is never a verdict.
func (c *Checker) judge(ctx context.Context, sql string, r *Rules) (*Refusal, error) {
	if r == nil {
		r = &Rules{}
	}
	size := measure(sql)
	refusal := size.refusal()
	var read *tree.ParseResult
	var err error
	if refusal == nil {
		read, refusal, err = c.parsers.parse(ctx, sql, size.heavy())
	}
	switch {
	case err != nil:
		return nil, err
	case slices.Contains(r.Kinds, KindAny): // what can't be read here, PostgreSQL reads, and guards itself
		return checkAny(sql, read), nil
	case refusal != nil:
		return refusal, nil
	}
	return check(sql, read, r, c.names), nil
}
