package identity

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	maxJSON   = 1 << 20 // bytes of an event, and of a raw_json
	maxDepth  = 64
	maxNumber = 1024 // characters of a number, and its exponent: numeric has room for 131,072 digits
)

// PoisonError is an event or a user object that cannot be understood, however often it is read.
type PoisonError struct {
	Reason string // names the field, and holds nothing of the profile
}

func (e *PoisonError) Error() string { return e.Reason }

func poison(format string, args ...any) error { return &PoisonError{fmt.Sprintf(format, args...)} }

// parse reads JSON, its numbers as they were written.
func parse(text []byte, what string) (any, error) {
	if !utf8.Valid(text) {
		return nil, poison("%s is not UTF-8", what)
	}
	var value any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if decoder.Decode(&value) != nil { // its text quotes what it met
		return nil, poison("%s is not JSON", what)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, poison("%s has something behind its JSON", what)
	}
	return value, nil
}

func parseObject(text []byte, what string) (map[string]any, error) {
	value, err := parse(text, what)
	if err != nil {
		return nil, err
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, poison("%s is not a JSON object", what)
	}
	return object, nil
}

// encode writes JSON as short as it gets, and never longer than it came.
func encode(value any) (json.RawMessage, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, poison("the user object cannot be written as JSON again")
	}
	return plainSeparators(bytes.TrimRight(b.Bytes(), "\n")), nil
}

// plainSeparators takes back that the encoder writes U+2028 and U+2029 with six bytes instead of three.
func plainSeparators(text []byte) []byte {
	short := text[:0]
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] != '\\':
			short = append(short, text[i])
		case bytes.HasPrefix(text[i:], []byte(`\u2028`)):
			short = append(short, "\u2028"...)
			i += 5
		case bytes.HasPrefix(text[i:], []byte(`\u2029`)):
			short = append(short, "\u2029"...)
			i += 5
		default: // another escape, of a backslash perhaps
			short = append(short, text[i], text[i+1])
			i++
		}
	}
	return short
}

// storable says whether JSON is a jsonb of PostgreSQL's.
func storable(value any, depth int) bool {
	switch v := value.(type) {
	case string:
		return storableText(v)
	case json.Number:
		return storableNumber(v.String())
	case []any:
		return depth <= maxDepth && !slices.ContainsFunc(v, func(element any) bool { return !storable(element, depth+1) })
	case map[string]any:
		return depth <= maxDepth && storableMembers(v, depth)
	}
	return true
}

func storableMembers(object map[string]any, depth int) bool {
	for name, value := range object {
		if !storableText(name) || !storable(value, depth+1) {
			return false
		}
	}
	return true
}

func storableText(text string) bool { return !strings.ContainsRune(text, 0) }

// storableNumber bounds what numeric is asked to hold.
func storableNumber(number string) bool {
	power, ok := exponent(number)
	return ok && len(number) <= maxNumber && power <= maxNumber && power >= -maxNumber
}

// exponent is 0 where a number is written without one.
func exponent(number string) (int, bool) {
	_, text, _ := strings.Cut(strings.ToLower(number), "e")
	power, err := strconv.Atoi(cmp.Or(text, "0"))
	return power, err == nil
}

// digits is how many more characters the numbers of storable JSON have when jsonb writes them: it has no exponents, and 1e3 is 1000.
func digits(value any) (more int) {
	switch v := value.(type) {
	case json.Number:
		power, _ := exponent(v.String())
		return max(power, -power)
	case []any:
		for _, element := range v {
			more += digits(element)
		}
	case map[string]any:
		for _, member := range v {
			more += digits(member)
		}
	}
	return more
}
