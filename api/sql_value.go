package api

import "bytes"

// The types whose text is JSON's, or nearly, by their OIDs, which are fixed in PostgreSQL's catalogue.
const (
	oidBool   = 16
	oidInt2   = 21
	oidInt4   = 23
	oidJSON   = 114
	oidFloat4 = 700
	oidFloat8 = 701
	oidJSONB  = 3802
)

// appendValue turns PostgreSQL's text into JSON for callers that did not ask for the text itself, such as curl. What JSON
// cannot hold exactly stays a string: int8, numeric, dates and all the rest.
func appendValue(b, text []byte, kind uint32, arrayOf map[uint32]uint32) []byte {
	if element, ok := arrayOf[kind]; ok {
		if out, rest := appendElements(b, text[max(0, bytes.IndexByte(text, '{')):], element, arrayOf); len(rest) == 0 {
			return out
		}
		return appendString(b, text)
	}
	switch kind {
	case oidBool:
		if string(text) == "t" || string(text) == "true" {
			return append(b, "true"...)
		}
		return append(b, "false"...)
	case oidInt2, oidInt4, oidJSON, oidJSONB:
		return append(b, text...)
	case oidFloat4, oidFloat8:
		if last := text[len(text)-1]; last >= '0' && last <= '9' { // not NaN, nor Infinity
			return append(b, text...)
		}
	}
	return appendString(b, text)
}

// appendElements reads an array literal from its brace on, and returns what is left behind it. An array with lower bounds
// (such as [2:3]={1,2}) loses them.
func appendElements(b, text []byte, element uint32, arrayOf map[uint32]uint32) (out, rest []byte) {
	if len(text) == 0 || text[0] != '{' {
		return b, text
	}
	b, text = append(b, '['), text[1:]
	for n := 0; len(text) > 0 && text[0] != '}'; n++ {
		if n > 0 {
			b, text = append(b, ','), text[1:] // the comma (the semicolon, of boxes)
		}
		if len(text) > 0 && text[0] == '{' {
			b, text = appendElements(b, text, element, arrayOf)
			continue
		}
		var value []byte
		var quoted bool
		value, quoted, text = nextElement(text)
		if !quoted && string(value) == "NULL" {
			b = append(b, "null"...)
		} else {
			b = appendValue(b, value, element, nil)
		}
	}
	if len(text) == 0 {
		return append(b, ']'), []byte("unfinished")
	}
	return append(b, ']'), text[1:]
}

// nextElement reads up to the comma or brace behind an element, without its quotes and backslashes.
func nextElement(text []byte) (value []byte, quoted bool, rest []byte) {
	if len(text) > 0 && text[0] == '"' {
		for i := 1; i < len(text); i++ {
			switch text[i] {
			case '\\':
				i++
				if i < len(text) {
					value = append(value, text[i])
				}
			case '"':
				return append([]byte{}, value...), true, text[i+1:]
			default:
				value = append(value, text[i])
			}
		}
		return value, true, nil
	}
	end := bytes.IndexAny(text, ",;}")
	if end < 0 {
		return text, false, nil
	}
	return text[:end], false, text[end:]
}
