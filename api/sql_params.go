package api

import (
	"bytes"
	"encoding/json"
)

const (
	maxParams = 65535 // what the protocol can count
	maxDepth  = 6     // of arrays, PostgreSQL's own
)

// parseParams turns JSON into PostgreSQL's text, whose type the server finds out.
func parseParams(list json.RawMessage) ([][]byte, error) {
	if list == nil {
		return nil, nil
	}
	if list[0] != '[' {
		return nil, badSQLRequest(`could not parse the HTTP request body: "params" must be an array`)
	}
	params := [][]byte{}
	return params, each(list, func(value json.RawMessage) error {
		if len(params) == maxParams {
			return badSQLRequest("a query may have %d parameters", maxParams)
		}
		text, err := paramText(value)
		params = append(params, text)
		return err
	})
}

// each hands over a JSON array's elements one by one, so that a large one is never there twice. The text is valid, since the
// body was.
func each(list json.RawMessage, do func(json.RawMessage) error) error {
	decoder := json.NewDecoder(bytes.NewReader(list))
	if open, err := decoder.Token(); err != nil || open != json.Delim('[') {
		return unreadable(err)
	}
	for decoder.More() {
		var element json.RawMessage
		if err := decoder.Decode(&element); err != nil {
			return unreadable(err)
		}
		if err := do(element); err != nil {
			return err
		}
	}
	return nil
}

// paramText is nil for null, a string's own text, and the spelling of numbers and booleans as it came: going through a
// float would change digits.
func paramText(value json.RawMessage) ([]byte, error) {
	switch value[0] {
	case 'n':
		return nil, nil
	case '[':
		return appendArray(nil, value, 1)
	}
	return scalarText(value), nil
}

func scalarText(value json.RawMessage) []byte {
	switch value[0] {
	case '"':
		var s string
		_ = json.Unmarshal(value, &s) // valid, since the body was
		return []byte(s)
	case '{':
		var b bytes.Buffer
		_ = json.Compact(&b, value)
		return b.Bytes()
	}
	return value
}

// appendArray writes an array literal of PostgreSQL's: strings always quoted, objects as quoted JSON. Each depth reads the
// text once more, which is why there is a deepest.
func appendArray(b []byte, list json.RawMessage, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, &sqlRequestError{code: "54000", message: "number of array dimensions exceeds the maximum allowed (6)"}
	}
	b = append(b, '{')
	empty := len(b)
	err := each(list, func(element json.RawMessage) (err error) {
		if len(b) > empty {
			b = append(b, ',')
		}
		switch element[0] {
		case 'n':
			b = append(b, "NULL"...)
		case '[':
			b, err = appendArray(b, element, depth+1)
		case '"', '{':
			b = appendQuoted(b, scalarText(element))
		default:
			b = append(b, element...)
		}
		return err
	})
	return append(b, '}'), err
}

func appendQuoted(b, text []byte) []byte {
	b = append(b, '"')
	for _, c := range text {
		if c == '"' || c == '\\' {
			b = append(b, '\\')
		}
		b = append(b, c)
	}
	return append(b, '"')
}
