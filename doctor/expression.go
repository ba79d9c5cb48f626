package doctor

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// kind is what an expression is, as far as policies are concerned.
type kind int

const (
	other    kind = iota // whatever is not told apart: literals, CASE, IS NULL …
	column               // a name, of whichever relation
	literal              // a string
	call                 // a function's, with its arguments as kids
	cast                 // one kid, and the type as name
	binary               // two kids, and the operator as name
	all                  // AND
	either               // OR
	selected             // ( SELECT one AS name) without FROM, for a value: one kid
	queried              // any other sub-select
	operand              // what stands in parentheses behind IN, ANY or ALL and is no sub-select: one kid, which none can take the place of
)

// expr is an expression as PostgreSQL writes it out: fully parenthesised, keywords in capitals, names in lower case or quotes.
// That is what makes a few rules enough to read it. What they don't know is other, with all that stands in it as kids.
type expr struct {
	kind kind
	name string // a column's or function's with its qualifiers, an operator, a type, a string's value
	kids []expr
	from int // where it begins in the source, parentheses included
	to   int // where it ends

	loose bool // it is several words without parentheses of their own, or a list, so no sub-select can be made of it
}

// parse reads what pg_get_expr gave. It takes any text: what is no expression is other.
func parse(source string) expr {
	p := &parser{source: source}
	items := p.items()
	for p.at < len(p.source) { // a parenthesis too many
		p.at++
		items = append(items, p.items()...)
	}
	return combine(items, 0, len(source))
}

// item is an expression, or the keyword, operator or comma between two.
type item struct {
	expr
	word  string // "" for an expression
	group bool   // the expression has parentheses of its own
}

// isValue says whether the item can be cast: keywords such as NULL and CURRENT_USER can.
func (i item) isValue() bool { return i.word == "" || isLetter(rune(i.word[0])) }

type parser struct {
	source string
	at     int
	depth  int
}

// maxDepth is how deep parentheses may stand in each other: the rest of a deeper text is passed over.
const maxDepth = 200

// items reads up to a closing parenthesis or the end.
func (p *parser) items() []item {
	var all []item
	for {
		p.blanks()
		if p.at >= len(p.source) || p.source[p.at] == ')' || p.source[p.at] == ']' {
			return all
		}
		if last := len(all) - 1; strings.HasPrefix(p.source[p.at:], "::") && last >= 0 && all[last].isValue() {
			all[last] = item{expr: p.cast(all[last].expr)}
			continue
		}
		all = append(all, p.item())
	}
}

func (p *parser) item() item {
	from := p.at
	switch c := p.source[p.at]; {
	case c == '(':
		e, closed := p.group(from)
		return item{expr: e, group: closed}
	case c == '[':
		kids := p.arguments()
		return item{expr: expr{kids: kids, from: from, to: p.at, loose: true}}
	case c == '\'':
		value := p.quoted('\'')
		return item{expr: expr{kind: literal, name: value, from: from, to: p.at}}
	case c == '"' || isLetter(p.rune()):
		return p.named(from)
	case isDigit(c):
		p.while(func(r rune) bool { return unicode.IsDigit(r) || r == '.' })
		return item{expr: expr{from: from, to: p.at}}
	case strings.IndexByte(operators, c) >= 0:
		p.while(func(r rune) bool { return strings.ContainsRune(operators, r) })
	default:
		_, size := utf8.DecodeRuneInString(p.source[p.at:])
		p.at += size
	}
	return p.word(from)
}

func (p *parser) word(from int) item {
	return item{expr: expr{from: from, to: p.at}, word: p.source[from:p.at]}
}

const operators = "+-*/<>=~!@#%^&|`?"

// group reads parentheses with what stands in them, and says whether they close.
func (p *parser) group(from int) (e expr, closed bool) {
	inner, closed := p.inner()
	return combine(inner, from, p.at), closed
}

// inner reads what stands in parentheses or brackets.
func (p *parser) inner() (inner []item, closed bool) {
	p.at++
	if p.depth++; p.depth > maxDepth {
		p.at = len(p.source)
		return nil, false
	}
	inner = p.items()
	p.depth--
	closed = p.at < len(p.source)
	p.at = min(p.at+1, len(p.source))
	return inner, closed
}

// arguments reads what stands in parentheses or brackets, with commas between.
func (p *parser) arguments() []expr {
	inner, _ := p.inner()
	var all []expr
	for _, argument := range splitItems(inner) {
		all = append(all, bare(argument))
	}
	return all
}

// named reads a name, a call or a keyword. PostgreSQL writes what is called directly before its parenthesis, and keywords apart.
func (p *parser) named(from int) item {
	name := p.name()
	for p.at+1 < len(p.source) && p.source[p.at] == '.' {
		p.at++
		name += "." + p.name()
	}
	text := p.source[from:p.at]
	switch {
	case p.at >= len(p.source):
	case text == "ARRAY" && p.source[p.at] == '(':
		e, _ := p.group(p.at)
		return item{expr: expr{kind: queried, kids: []expr{e}, from: from, to: p.at}}
	case text == "ARRAY" && p.source[p.at] == '[':
		kids := p.arguments()
		return item{expr: expr{kids: kids, from: from, to: p.at}}
	case p.source[p.at] == '(':
		kids := p.arguments()
		return item{expr: expr{kind: call, name: name, kids: kids, from: from, to: p.at}}
	}
	switch {
	case text == "E" && p.at < len(p.source) && p.source[p.at] == '\'':
		p.quoted('\'')
		return item{expr: expr{from: from, to: p.at}}
	case text == strings.ToUpper(text) && !strings.Contains(text, `"`) && strings.ToLower(text) != text:
		return p.word(from)
	case text == "true" || text == "false":
		return item{expr: expr{from: from, to: p.at}}
	}
	return item{expr: expr{kind: column, name: name, from: from, to: p.at}}
}

func (p *parser) name() string {
	if p.at < len(p.source) && p.source[p.at] == '"' {
		return p.quoted('"')
	}
	from := p.at
	p.while(func(r rune) bool { return isLetter(r) || unicode.IsDigit(r) || r == '$' })
	if p.at == from {
		p.at = min(p.at+1, len(p.source))
	}
	return p.source[from:p.at]
}

// cast reads the type behind two colons, such as character varying(20)[].
func (p *parser) cast(of expr) expr {
	p.at += len("::")
	from := p.at
	for p.at < len(p.source) {
		p.name()
		if p.at < len(p.source) && p.source[p.at] == '.' {
			p.at++
			continue
		}
		if p.at < len(p.source) && p.source[p.at] == '(' {
			p.while(func(r rune) bool { return r != ')' })
			p.at = min(p.at+1, len(p.source))
		}
		if !p.more() {
			break
		}
		p.blanks()
	}
	for strings.HasPrefix(p.source[p.at:], "[]") {
		p.at += len("[]")
	}
	return expr{kind: cast, name: p.source[from:p.at], kids: []expr{of}, from: of.from, to: p.at}
}

// more says whether the type goes on in a further word.
func (p *parser) more() bool {
	return slices.ContainsFunc([]string{" varying", " precision", " with ", " without ", " time ", " zone"}, func(word string) bool {
		return strings.HasPrefix(p.source[p.at:], word) || p.source[p.at:] == strings.TrimSpace(word)
	})
}

func (p *parser) quoted(quote byte) string {
	var value strings.Builder
	for p.at++; p.at < len(p.source); p.at++ {
		if p.source[p.at] == quote {
			if p.at++; p.at >= len(p.source) || p.source[p.at] != quote {
				return value.String()
			}
		}
		value.WriteByte(p.source[p.at])
	}
	return value.String()
}

func (p *parser) blanks() { p.while(unicode.IsSpace) }

func (p *parser) while(in func(rune) bool) {
	for p.at < len(p.source) && in(p.rune()) {
		_, size := utf8.DecodeRuneInString(p.source[p.at:])
		p.at += size
	}
}

func (p *parser) rune() rune {
	r, _ := utf8.DecodeRuneInString(p.source[p.at:])
	return r
}

func isLetter(r rune) bool { return r == '_' || unicode.IsLetter(r) }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }

// any says whether the expression or a part of it is one that is asked for.
func (e expr) any(is func(expr) bool) bool {
	return is(e) || slices.ContainsFunc(e.kids, func(kid expr) bool { return kid.any(is) })
}

// text is the expression in the source that it was parsed from.
func (e expr) text(source string) string { return source[e.from:e.to] }
