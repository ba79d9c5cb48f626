package token

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

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
