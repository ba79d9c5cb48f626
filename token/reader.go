package token

import (
	"errors"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how many objects and arrays may stand within each other, the outermost counted.
const maxDepth = 16

var (
	errNoObject  = errors.New("it is not a JSON object")
	errSyntax    = errors.New("it is not JSON")
	errTrailing  = errors.New("something follows the JSON object")
	errTooDeep   = errors.New("it is nested deeper than 16 levels")
	errDuplicate = errors.New("a name stands in it twice")
	errString    = errors.New("a string in it is not valid UTF-8, or has a control character or NUL")
	errRange     = errors.New("a number in it is out of range")
)

// reader reads RFC 8259 strictly and writes while it reads. It recurses no deeper than maxDepth.
type reader struct {
	in    []byte
	at    int
	out   []byte
	names []span   // of the objects that are open, the innermost last
	top   []member // of the outermost object
}

// peek gives the next byte, 0 at the end.
func (r *reader) peek() byte {
	if r.at < len(r.in) {
		return r.in[r.at]
	}
	return 0
}

func (r *reader) space() {
	for r.at < len(r.in) {
		switch r.in[r.at] {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return
		}
	}
}

// take passes and writes c, with white space on both sides of it passed, or says that something else stands there.
func (r *reader) take(c byte) bool {
	r.space()
	if r.peek() != c {
		return false
	}
	r.at++
	r.out = append(r.out, c)
	r.space()
	return true
}

func (r *reader) value(depth int) error {
	switch c := r.peek(); {
	case (c == '{' || c == '[') && depth > maxDepth:
		return errTooDeep
	case c == '{':
		return r.object(depth)
	case c == '[':
		return r.array(depth)
	case c == '"':
		return r.text()
	case c == '-' || '0' <= c && c <= '9':
		return r.number()
	}
	return r.word()
}

func (r *reader) object(depth int) error {
	r.take('{')
	if r.take('}') {
		return nil
	}
	base := len(r.names)
	for {
		if err := r.member(depth); err != nil {
			return err
		}
		if r.take('}') {
			break
		}
		if !r.take(',') {
			return errSyntax
		}
	}
	if repeated(r.out, r.names[base:]) {
		return errDuplicate
	}
	r.names = r.names[:base]
	return nil
}

func (r *reader) member(depth int) error {
	if r.peek() != '"' {
		return errSyntax
	}
	start := len(r.out)
	if err := r.text(); err != nil {
		return err
	}
	name := span{start + 1, len(r.out) - 1}
	r.names = append(r.names, name)
	if !r.take(':') {
		return errSyntax
	}
	start = len(r.out)
	if err := r.value(depth + 1); err != nil {
		return err
	}
	if depth == 1 {
		r.top = append(r.top, member{name, span{start, len(r.out)}})
	}
	return nil
}

func (r *reader) array(depth int) error {
	r.take('[')
	if r.take(']') {
		return nil
	}
	for {
		if err := r.value(depth + 1); err != nil {
			return err
		}
		if r.take(']') {
			return nil
		}
		if !r.take(',') {
			return errSyntax
		}
	}
}

func (r *reader) word() error {
	for _, word := range []string{"true", "false", "null"} {
		if end := r.at + len(word); end <= len(r.in) && string(r.in[r.at:end]) == word {
			r.at = end
			r.out = append(r.out, word...)
			return nil
		}
	}
	return errSyntax
}

// text reads a string. What needs no escape is written as it is, so that equal strings are written equally.
func (r *reader) text() error {
	r.at++
	r.out = append(r.out, '"')
	for r.at < len(r.in) {
		if err := r.plain(); err != nil {
			return err
		}
		switch r.peek() {
		case '"':
			r.at++
			r.out = append(r.out, '"')
			return nil
		case '\\':
			if err := r.escape(); err != nil {
				return err
			}
		}
	}
	return errSyntax
}

// plain passes and writes what stands before the next quote or backslash.
func (r *reader) plain() error {
	start := r.at
	for r.at < len(r.in) {
		c, size := r.in[r.at], 1
		if c == '"' || c == '\\' {
			break
		}
		if c < ' ' {
			return errString
		}
		if c >= utf8.RuneSelf {
			var char rune
			if char, size = utf8.DecodeRune(r.in[r.at:]); char == utf8.RuneError && size == 1 {
				return errString
			}
		}
		r.at += size
	}
	r.out = append(r.out, r.in[start:r.at]...)
	return nil
}

func (r *reader) escape() error {
	r.at++
	c := r.peek()
	r.at++
	switch c {
	case '"', '\\':
		r.out = append(r.out, '\\', c)
	case '/':
		r.out = append(r.out, c)
	case 'b', 'f', 'n', 'r', 't':
		r.out = append(r.out, '\\', c)
	case 'u':
		return r.unicode()
	default:
		return errSyntax
	}
	return nil
}

// unicode reads what follows \u: one character, or the second half of a pair as well.
func (r *reader) unicode() error {
	char, ok := r.hex()
	if !ok {
		return errSyntax
	}
	if utf16.IsSurrogate(char) {
		if char = utf16.DecodeRune(char, r.low()); char == utf8.RuneError {
			return errString // half of a pair has no UTF-8
		}
	}
	if char == 0 {
		return errString
	}
	r.char(char)
	return nil
}

// low reads the second half of a surrogate pair; 0, which completes none, where there is none.
func (r *reader) low() rune {
	if r.at+2 > len(r.in) || r.in[r.at] != '\\' || r.in[r.at+1] != 'u' {
		return 0
	}
	r.at += 2
	char, _ := r.hex()
	return char
}

func (r *reader) hex() (rune, bool) {
	if r.at+4 > len(r.in) {
		return 0, false
	}
	n, err := strconv.ParseUint(string(r.in[r.at:r.at+4]), 16, 16)
	r.at += 4
	return rune(n), err == nil
}

// char writes a character that came escaped as text would have written it, or in the one escape that it has.
func (r *reader) char(char rune) {
	const short = "\b\f\n\r\t\"\\"
	const letters = "bfnrt\"\\"
	for i := range len(short) {
		if char == rune(short[i]) {
			r.out = append(r.out, '\\', letters[i])
			return
		}
	}
	if char < ' ' {
		const digits = "0123456789abcdef"
		r.out = append(r.out, '\\', 'u', '0', '0', digits[char>>4], digits[char&15])
		return
	}
	r.out = utf8.AppendRune(r.out, char)
}

func (r *reader) number() error {
	start := r.at
	whole, ok := r.scanNumber()
	if !ok {
		return errSyntax
	}
	text := string(r.in[start:r.at])
	if whole {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return errRange
		}
		r.out = strconv.AppendInt(r.out, n, 10)
		return nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(f, 0) {
		return errRange
	}
	r.out = appendFloat(r.out, f)
	return nil
}

// scanNumber passes a number of RFC 8259 section 6 and says whether it has neither fraction nor exponent.
func (r *reader) scanNumber() (whole, ok bool) {
	if r.peek() == '-' {
		r.at++
	}
	if r.peek() == '0' {
		r.at++
	} else if !r.digits() {
		return false, false
	}
	whole = true
	if r.peek() == '.' {
		r.at++
		whole = false
		if !r.digits() {
			return false, false
		}
	}
	if c := r.peek(); c != 'e' && c != 'E' {
		return whole, true
	}
	r.at++
	if c := r.peek(); c == '+' || c == '-' {
		r.at++
	}
	return false, r.digits()
}

func (r *reader) digits() bool {
	start := r.at
	for c := r.peek(); '0' <= c && c <= '9'; c = r.peek() {
		r.at++
	}
	return r.at > start
}
