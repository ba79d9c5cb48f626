package statement

import (
	"fmt"
	"strings"
)

// Limits of what is given to the parser. It recurses over the tree it made without guarding its stack, and once it ran over it, it
// misreads all that follows; and its time grows with each node's depth. The measure of a text is never below its tree's depth.
// Trees broke the parser at some 2,000 to 4,000 of it, and took it some 7 ns for each unit of work.
const (
	maxDepth  = 1_000
	maxTokens = 200_000
	maxWork   = 20_000_000

	heavyTokens = 10_000 // from here on a statement waits for the large ones' turn
	heavyWork   = 1_000_000
)

// size is what a text can at most make of a parser.
type size struct {
	depth  int
	tokens int
	work   int // the sum over all tokens of how deep they may be
}

func (s size) heavy() bool { return s.tokens > heavyTokens || s.work > heavyWork }

func (s size) refusal() *Refusal {
	switch {
	case s.depth > maxDepth:
		return refuse(codeTooDeep, "statement is nested too deeply", "Split long chains of operators, or nest fewer sub-selects.")
	case s.tokens > maxTokens:
		return refuse(codeTooLong, fmt.Sprintf("statement has too many parts: %d, allowed are %d", s.tokens, maxTokens), "Send several statements.")
	case s.work > maxWork:
		return refuse(codeTooLong, "statement is too complex", "Send several statements.")
	}
	return nil
}

// measure bounds the tree of a text without making it. Every level of a tree takes a word, an operator or a bracket of its own, and
// what stands between separators of one bracket doesn't nest. So a piece is as deep as its words and operators plus its deepest
// bracket. AND, but BETWEEN's, and OR end a piece like a comma, since their lists are flat, and the branches of a CASE do, which is
// taken for a bracket. Joins chain across AND, and set operations across commas, so that these count for the whole.
func measure(sql string) size {
	m := meter{levels: make([]level, 1, 16)}
	l := lexer{sql: sql}
	afterDot := false
	for {
		kind, text := l.next()
		if kind == end {
			break
		}
		m.tokens++
		m.add(kind, text, afterDot)
		afterDot = kind == dot
		if m.work > maxWork || m.tokens > maxTokens || len(m.levels) > maxDepth {
			m.depth = len(m.levels)
			return m.size
		}
	}
	for len(m.levels) > 1 {
		m.close()
	}
	m.endPart()
	m.depth = m.top().depth()
	return m.size
}

// level is a bracket that is open: its pieces lie between AND, OR and the like, its parts between commas.
type level struct {
	isCase bool

	words  int // of this piece, operators too
	ranges int // BETWEENs of this part whose AND hasn't come
	inside int // depth of this piece's deepest bracket
	size   int // tokens of this piece, with those in brackets

	piece int // deepest piece of this part
	joins int // of this part
	held  int // tokens of this part

	part int // deepest part
	sets int // set operations of all parts
	all  int // tokens of all parts
}

// depth of the whole bracket: itself, the list in it, and what it holds.
func (l *level) depth() int { return 2 + l.part + 2*l.sets }

type meter struct {
	size
	levels []level
}

func (m *meter) top() *level { return &m.levels[len(m.levels)-1] }

func (m *meter) add(kind token, text string, afterDot bool) {
	switch kind {
	case opening:
		m.levels = append(m.levels, level{})
	case closing:
		m.closeCases()
		m.close()
	case comma, semicolon:
		m.closeCases()
		m.endPart()
	case operator:
		m.top().words++
	case word:
		if afterDot { // a name, whatever it looks like
			return
		}
		m.word(text)
	}
	m.top().size++
}

// word counts a word. Key words are counted where they may be names, too: that makes a text look deeper, never flatter, but for
// the separators, all of which PostgreSQL reserves.
func (m *meter) word(text string) {
	top := m.top()
	top.words++
	if len(text) > len("intersect") {
		return
	}
	switch strings.ToLower(text) {
	case "between":
		top.ranges++
	case "and":
		if top.ranges == 0 {
			m.endPiece()
		}
		top.ranges = max(top.ranges-1, 0)
	case "or":
		m.endPiece()
	case "when", "then", "else":
		if top.isCase {
			m.endPiece()
		}
	case "join":
		top.joins += 2
	case "union", "intersect", "except":
		top.sets++
	case "case":
		m.levels = append(m.levels, level{isCase: true})
	case "end":
		if top.isCase {
			m.close()
		}
	}
}

func (m *meter) endPiece() {
	l := m.top()
	l.piece = max(l.piece, l.words+l.inside)
	m.work += l.size * l.words
	l.held += l.size
	l.words, l.inside, l.size = 0, 0, 0
}

func (m *meter) endPart() {
	m.endPiece()
	l := m.top()
	l.part = max(l.part, l.piece+l.joins)
	m.work += l.held * l.joins
	l.all += l.held
	l.piece, l.joins, l.held, l.ranges = 0, 0, 0, 0
}

// close ends the innermost bracket. One too many is the parser's to refuse.
func (m *meter) close() {
	if len(m.levels) == 1 {
		return
	}
	m.endPart()
	l := *m.top()
	m.work += l.all * (2 + 2*l.sets)
	m.levels = m.levels[:len(m.levels)-1]
	top := m.top()
	top.inside = max(top.inside, l.depth())
	top.size += l.all
	if l.isCase { // a real one has no set operation outside of brackets: it was a label, and the chain is the outer one's
		top.sets += l.sets
	}
}

// closeCases ends what looked like a CASE and wasn't: a real one has its END before the bracket's or the list's.
func (m *meter) closeCases() {
	for m.top().isCase {
		m.close()
	}
}
