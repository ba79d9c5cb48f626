package token

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
)

// Object is a JSON object that was read strictly and written again in one way, so that every later reader, PostgreSQL's
// jsonb among them, understands it as we did: no name twice at any depth, however it was escaped; at most 16 levels;
// strings valid Unicode without NUL; whole numbers within int64, others within float64. The zero Object is no object.
type Object struct {
	json    []byte
	members []member
}

// member is a name and its value as spans of the object's JSON, the name without its quotes.
type member struct {
	name, value span
}

type span struct {
	from, to int
}

// usual is how many members to make room for at first.
const usual = 16

// ParseObject reads data, which must be one object and nothing else. Its errors quote nothing of data.
func ParseObject(data []byte) (Object, error) {
	r := reader{in: data, out: make([]byte, 0, len(data)+16), names: make([]span, 0, usual), top: make([]member, 0, usual)}
	r.space()
	if r.peek() != '{' {
		return Object{}, errNoObject
	}
	if err := r.value(1); err != nil {
		return Object{}, err
	}
	r.space()
	if r.at != len(r.in) {
		return Object{}, errTrailing
	}
	return Object{json: r.out, members: r.top}, nil
}

// JSON is the object written again: without white space, names in the order they came in, numbers in their shortest
// form. ParseObject gives the same for it. The caller must not change it.
func (o Object) JSON() []byte {
	return o.json
}

// find gives the value of a member; nil where there is none. name must need no escaping.
func (o Object) find(name string) []byte {
	for _, m := range o.members {
		if string(o.json[m.name.from:m.name.to]) == name {
			return o.json[m.value.from:m.value.to]
		}
	}
	return nil
}

var (
	errNoString = errors.New("not a string")
	errNoNumber = errors.New("not a number")
)

// text gives the string member name; false where there is none, errNoString where it is something else.
func (o Object) text(name string) (string, bool, error) {
	value := o.find(name)
	if value == nil {
		return "", false, nil
	}
	s, err := unquote(value)
	return s, true, err
}

// number gives the number member name; false where there is none, errNoNumber where it is something else.
func (o Object) number(name string) (float64, bool, error) {
	value := o.find(name)
	if value == nil {
		return 0, false, nil
	}
	f, err := strconv.ParseFloat(string(value), 64)
	if err != nil {
		return 0, true, errNoNumber
	}
	return f, true, nil
}

// texts gives the member name where it is a string, or an array of strings and nothing else.
func (o Object) texts(name string) ([]string, bool, error) {
	value := o.find(name)
	if value == nil {
		return nil, false, nil
	}
	if value[0] != '[' {
		s, err := unquote(value)
		return []string{s}, true, err
	}
	var values []json.RawMessage
	if err := json.Unmarshal(value, &values); err != nil {
		return nil, true, errNoString
	}
	list := make([]string, len(values))
	for i, v := range values {
		s, err := unquote(v)
		if err != nil {
			return nil, true, err
		}
		list[i] = s
	}
	return list, true, nil
}

// unquote reads a value that a reader has written.
func unquote(value []byte) (string, error) {
	if value[0] != '"' {
		return "", errNoString
	}
	if !bytes.ContainsRune(value, '\\') {
		return string(value[1 : len(value)-1]), nil
	}
	var s string
	err := json.Unmarshal(value, &s)
	return s, err
}

// repeated says whether two of the names, which are spans of text, are the same.
func repeated(text []byte, names []span) bool {
	compare := func(a, b span) int { return bytes.Compare(text[a.from:a.to], text[b.from:b.to]) }
	slices.SortFunc(names, compare)
	for i := 1; i < len(names); i++ {
		if compare(names[i-1], names[i]) == 0 {
			return true
		}
	}
	return false
}
