package token

import "errors"

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
