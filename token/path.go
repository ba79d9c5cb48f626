package token

import "slices"

// Path names a claim: its name, or the names that lead to it through objects. A name may hold whatever it likes, dots and
// slashes among it.
type Path []string

// at gives the value that p leads to; nil where there is none.
func (o Object) at(p Path) []byte {
	for i, name := range p {
		value := o.find(name)
		if i == len(p)-1 || value == nil {
			return value
		}
		inner, err := ParseObject(value)
		if err != nil {
			return nil
		}
		o = inner
	}
	return nil
}

// first gives the string that the first path leads to which leads to anything; false where none does, errNoString where
// that is no string.
func (o Object) first(paths []Path) (string, bool, error) {
	for _, p := range paths {
		if value := o.at(p); value != nil && string(value) != "null" {
			s, err := unquote(value)
			return s, true, err
		}
	}
	return "", false, nil
}

// holds says whether the claim is one of the values, or an array that has one of them. Booleans are "true" and "false".
func (o Object) holds(p Path, values []string) bool {
	value := o.at(p)
	if value == nil {
		return false
	}
	if text := string(value); text == "true" || text == "false" {
		return slices.Contains(values, text)
	}
	wrapped := Object{json: value, members: []member{{value: span{0, len(value)}}}}
	texts, _, err := wrapped.texts("")
	return err == nil && slices.ContainsFunc(texts, func(s string) bool { return slices.Contains(values, s) })
}
