package statement

import "strings"

// token is what measure needs to know of a piece of SQL.
type token int

const (
	end      token = iota
	word           // a key word or a name without quotes
	operator       // one character of an operator
	value          // a constant, a parameter or a quoted name: what has nothing below it
	dot
	comma
	semicolon
	opening // ( or [
	closing
)

// lexer cuts SQL as PostgreSQL's scan.l does with standard_conforming_strings on. It has to agree on where strings, quoted names and
// comments end, since a comma that is none to PostgreSQL would make a deep text look flat. It need not tell good text
// from bad: what it passes goes to the parser.
type lexer struct {
	sql string
	pos int
}

const (
	operatorCharacters = "~!@#^&|`?+-*/%<>=:"
	newlines           = "\n\r"
	spaces             = " \t\n\r\f\v"
)

// next returns a token and its text.
func (l *lexer) next() (token, string) {
	l.skipBlank()
	if l.pos == len(l.sql) {
		return end, ""
	}
	from := l.pos
	kind := l.scan(l.sql[l.pos])
	return kind, l.sql[from:l.pos]
}

func (l *lexer) scan(c byte) token {
	switch {
	case startsName(c):
		return l.word()
	case c >= '0' && c <= '9':
		l.number()
		return value
	case c == '\'':
		l.text(false)
		return value
	case c == '"':
		l.quoted('"', false)
		return value
	case c == '$':
		l.dollar()
		return value
	}
	l.pos++
	switch c {
	case '.':
		return dot
	case ',':
		return comma
	case ';':
		return semicolon
	case '(', '[':
		return opening
	case ')', ']':
		return closing
	}
	return operator
}

// number takes digits and a fraction. An exponent is left to be a word, and a dot before another one is none of the number's.
func (l *lexer) number() {
	l.pos += span(l.sql[l.pos:], isDigit)
	if l.at(".") && !l.at("..") {
		l.pos++
		l.pos += span(l.sql[l.pos:], isDigit)
	}
}

// word takes a name, or the string that E begins. The strings of U&, B, X and N are read as plain ones, and lie beside a word.
func (l *lexer) word() token {
	n := span(l.sql[l.pos:], continuesName)
	name := l.sql[l.pos : l.pos+n]
	l.pos += n
	if (name == "e" || name == "E") && l.at("'") {
		l.text(true)
		return value
	}
	return word
}

// text takes a string with all its continuations: 'a' on one line and 'b' on the next are one string, of the first one's kind.
func (l *lexer) text(escapes bool) {
	for {
		l.quoted('\'', escapes)
		next, ok := l.continuation()
		if !ok {
			return
		}
		l.pos = next
	}
}

// quoted takes what stands in quotes, in which a doubled quote is one. With escapes a backslash takes the next byte along.
func (l *lexer) quoted(quote byte, escapes bool) {
	for l.pos++; l.pos < len(l.sql); l.pos++ {
		switch c := l.sql[l.pos]; {
		case c == '\\' && escapes:
			l.pos++
		case c == quote:
			l.pos++
			if !l.at(string(quote)) {
				return
			}
		}
	}
	l.pos = len(l.sql)
}

// continuation is where a string goes on: at a quote behind blanks and comments to the line's end, a newline among them.
func (l *lexer) continuation() (next int, ok bool) {
	newline := false
	for i := l.pos; i < len(l.sql); {
		switch rest := l.sql[i:]; {
		case strings.HasPrefix(rest, "--"):
			i += lineEnd(rest)
		case strings.IndexByte(spaces, rest[0]) >= 0:
			newline = newline || strings.IndexByte(newlines, rest[0]) >= 0
			i++
		default:
			return i, newline && rest[0] == '\''
		}
	}
	return 0, false
}

// dollar takes a parameter, or a string in dollars with its tag.
func (l *lexer) dollar() {
	rest := l.sql[l.pos:]
	n := 1
	if digits := span(rest[n:], isDigit); digits > 0 {
		l.pos += n + digits
		return
	}
	if n < len(rest) && startsName(rest[n]) {
		n += span(rest[n:], continuesTag)
	}
	if n == len(rest) || rest[n] != '$' {
		l.pos++
		return
	}
	tag := rest[:n+1]
	if to := strings.Index(rest[n+1:], tag); to >= 0 {
		l.pos += n + 1 + to + len(tag)
		return
	}
	l.pos = len(l.sql)
}

// skipBlank skips white space and comments, of which those in /* */ nest.
func (l *lexer) skipBlank() {
	for l.pos < len(l.sql) {
		switch rest := l.sql[l.pos:]; {
		case strings.IndexByte(spaces, rest[0]) >= 0:
			l.pos++
		case strings.HasPrefix(rest, "--"):
			l.pos += lineEnd(rest)
		case strings.HasPrefix(rest, "/*"):
			l.pos += commentEnd(rest)
		default:
			return
		}
	}
}

func (l *lexer) at(s string) bool { return strings.HasPrefix(l.sql[l.pos:], s) }

func lineEnd(s string) int {
	if i := strings.IndexAny(s, newlines); i >= 0 {
		return i
	}
	return len(s)
}

func commentEnd(s string) int {
	depth := 0
	for i := 0; i+1 < len(s); i++ {
		switch s[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
			if depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

func span(s string, in func(byte) bool) int {
	for i := range len(s) {
		if !in(s[i]) {
			return i
		}
	}
	return len(s)
}

func isDigit(c byte) bool       { return c >= '0' && c <= '9' }
func startsName(c byte) bool    { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c >= 0x80 }
func continuesTag(c byte) bool  { return startsName(c) || isDigit(c) }
func continuesName(c byte) bool { return continuesTag(c) || c == '$' }
