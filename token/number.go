package token

import (
	"math"
	"strconv"
)

// number keeps whole numbers as they are, within int64, and reads others as float64.
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
	if err != nil {
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

// appendFloat writes f so that it reads as the same float64 again, never as a whole number beyond int64.
func appendFloat(out []byte, f float64) []byte {
	switch abs := math.Abs(f); {
	case abs == 0:
		return append(out, '0') // not -0, which reads as a whole number
	case abs < 1e-6 || abs >= 1e15:
		return strconv.AppendFloat(out, f, 'e', -1, 64)
	}
	return strconv.AppendFloat(out, f, 'f', -1, 64)
}
