package api

import "bytes"

// The types whose text is JSON's, or nearly, by their OIDs, which are fixed in PostgreSQL's catalogue.
const (
	oidBool   = 16
	oidInt2   = 21
	oidInt4   = 23
	oidJSON   = 114
	oidBox    = 603
	oidFloat4 = 700
	oidFloat8 = 701
	oidJSONB  = 3802
)

// appendValue turns PostgreSQL's text into JSON for callers that did not ask for the text itself, such as curl. What JSON
// cannot hold exactly stays a string: int8, numeric, dates and all the rest.
func appendValue(b, text []byte, kind uint32, arrayOf map[uint32]uint32) []byte {
	if element, ok := arrayOf[kind]; ok {
		brace := bytes.IndexByte(text, '{')
		if brace < 0 { // oidvector and int2vector have none
			return appendString(b, text)
		}
		if out, rest := appendElements(b, text[brace:], element); len(rest) == 0 {
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
func appendElements(b, text []byte, element uint32) (out, rest []byte) {
	b, text = append(b, '['), text[1:]
	for n := 0; len(text) > 0 && text[0] != '}'; n++ {
		if n > 0 {
			b, text = append(b, ','), text[1:] // the comma (the semicolon, of boxes)
		}
		if len(text) > 0 && text[0] == '{' {
			b, text = appendElements(b, text, element)
			continue
		}
		var value []byte
		var quoted bool
		value, quoted, text = nextElement(text, delimiter(element))
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

// delimiter is what stands between a type's elements. Of PostgreSQL's own types one is different, whose text has commas.
func delimiter(element uint32) byte {
	if element == oidBox {
		return ';'
	}
	return ','
}

// nextElement reads up to the delimiter or brace behind an element, without its quotes and backslashes.
func nextElement(text []byte, delimiter byte) (value []byte, quoted bool, rest []byte) {
	if len(text) > 0 && text[0] == '"' {
		value, rest = unquote(text[1:])
		return value, true, rest
	}
	end := bytes.IndexAny(text, string([]byte{delimiter, '}'}))
	if end < 0 {
		return text, false, nil
	}
	return text[:end], false, text[end:]
}

// unquote reads up to the closing quote.
func unquote(text []byte) (value, rest []byte) {
	value = []byte{}
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			if i++; i < len(text) {
				value = append(value, text[i])
			}
		case '"':
			return value, text[i+1:]
		default:
			value = append(value, text[i])
		}
	}
	return value, nil
}
