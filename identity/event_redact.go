package identity

import (
	"slices"
	"strings"
)

// Redact is an event's body without the members that no table should have (hashes of passwords, say), wherever they stand in
// it, in a text that holds JSON as well. What Read understands of it is the same; the bytes may not be: take an event's ID and
// its signature from the body as it came. nil: it is no JSON, which nothing can be taken out of.
func (s *Source) Redact(body []byte) []byte {
	value, err := parse(body, "the event")
	if err != nil {
		return nil
	}
	r := redactor{names: s.row.Secret}
	if value = r.value(value); !r.took {
		return body
	}
	redacted, err := encode(value)
	if err != nil {
		return nil
	}
	return redacted
}

// redactor takes members out of JSON.
type redactor struct {
	names []string
	took  bool // something
}

func (r *redactor) value(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			if slices.Contains(r.names, name) {
				delete(v, name)
				r.took = true
				continue
			}
			v[name] = r.value(member)
		}
	case []any:
		for i, element := range v {
			v[i] = r.value(element)
		}
	case string:
		return r.text(v)
	}
	return value
}

// text is as it was where it holds no JSON that something was taken out of. One that seems to be JSON, isn't, and names what
// should be taken out, is taken out itself.
func (r *redactor) text(text string) any {
	if len(r.names) == 0 || !holdsJSON(text) {
		return text
	}
	inner := redactor{names: r.names}
	value, err := parse([]byte(text), "the text")
	if err == nil {
		value = inner.value(value)
	} else {
		inner.took = slices.ContainsFunc(r.names, func(name string) bool { return strings.Contains(text, name) })
	}
	if !inner.took {
		return text
	}
	r.took = true
	written, err := encode(value)
	if err != nil || value == nil {
		return nil
	}
	return string(written)
}
