package identity

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// name is a user's id and its subjects, in the ways in which an event can name it.
type name []string

// longName is how long a name is that isn't found in another text by chance.
const longName = 8 // bytes

// in says whether JSON names the user in any of its texts, whatever escapes they are written with, as a member's name or a number, or
// in JSON that a text holds. In what is no JSON it is enough that the name stands anywhere.
func (n name) in(body []byte) bool {
	if !json.Valid(body) {
		return n.somewhere(body)
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	for {
		token, err := decoder.Token()
		switch {
		case err == io.EOF:
			return false
		case err != nil:
			return n.somewhere(body)
		case n.is(token):
			return true
		}
	}
}

// is looks at each token, since of two members of one name an object that is read has but one.
func (n name) is(token json.Token) bool {
	switch v := token.(type) {
	case json.Number:
		return n.names(v.String())
	case string:
		return n.names(v) || (holdsJSON(v) || strings.Contains(v, `\`)) && n.within([]byte(v))
	}
	return false
}

// within looks into a text that may be JSON, or have escapes of it. What is none may be a sentence, where a short name stands by chance.
func (n name) within(text []byte) bool {
	if json.Valid(text) {
		return n.in(text)
	}
	return slices.DeleteFunc(slices.Clone(n), func(own string) bool { return len(own) < longName }).somewhere(text)
}

// names takes a short name for one only where it is the whole text, or what follows the last slash of one.
func (n name) names(text string) bool {
	last := text[strings.LastIndex(text, "/")+1:]
	return slices.ContainsFunc(n, func(own string) bool {
		return text == own || last == own || len(own) >= longName && strings.Contains(text, own)
	})
}

// somewhere looks for the name in bytes, and in what is left of them when escapes are undone, those of JSON in JSON in JSON too.
func (n name) somewhere(body []byte) bool {
	for range 4 {
		if slices.ContainsFunc(n, func(own string) bool { return bytes.Contains(body, []byte(own)) }) {
			return true
		}
		body = unescaped(body)
	}
	return false
}

// holdsJSON says whether a text may be an object or an array of JSON.
func holdsJSON(text string) bool {
	text = strings.TrimLeft(text, " \t\r\n")
	return text != "" && (text[0] == '{' || text[0] == '[')
}

// unescaped undoes JSON's escapes (RFC 8259, section 7) wherever they stand.
func unescaped(text []byte) []byte {
	plain := make([]byte, 0, len(text))
	for i := 0; i < len(text); {
		if text[i] != '\\' || i+1 == len(text) || text[i+1] >= utf8.RuneSelf {
			plain = append(plain, text[i])
			i++
			continue
		}
		r, length := escape(text[i:])
		plain = utf8.AppendRune(plain, r)
		i += length
	}
	return plain
}

// escape reads the escape at the beginning of text, and says how long it is.
func escape(text []byte) (r rune, length int) {
	if at := strings.IndexByte("bfnrt", text[1]); at >= 0 {
		return rune("\b\f\n\r\t"[at]), 2
	}
	r, ok := unit(text)
	if !ok {
		return rune(text[1]), 2
	}
	if low, ok := unit(text[6:]); ok && utf16.DecodeRune(r, low) != utf8.RuneError {
		return utf16.DecodeRune(r, low), 12
	}
	return r, 6
}

// unit is the number of a \u at the beginning of text.
func unit(text []byte) (rune, bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	return rune(n), err == nil
}
