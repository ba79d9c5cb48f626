package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// decode reads a JSON object with no fields but those allowed, none of them null, and nothing behind it: what would be
// ignored would look as if it had been done.
func decode(r *http.Request, to any, allowed ...string) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" && kind != "application/merge-patch+json" {
		return fmt.Errorf("%w: send the body as Content-Type: application/json", errMedia)
	}
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return reading(err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil || fields == nil {
		return fmt.Errorf("%w: the body must be one JSON object", errRequest)
	}
	for name, value := range fields {
		if !slices.Contains(allowed, name) {
			return fmt.Errorf("%w: unknown field %q; known are %s", errRequest, clip(name), strings.Join(allowed, ", "))
		}
		if string(value) == "null" {
			return fmt.Errorf("%w: %s may not be null; leave it out to keep it", errRequest, name)
		}
	}
	var wrong *json.UnmarshalTypeError
	if err := json.Unmarshal(data, to); errors.As(err, &wrong) {
		return fmt.Errorf("%w: %s may not be a %s", errRequest, wrong.Field, wrong.Value)
	} else if err != nil {
		return fmt.Errorf("%w: the body must be one JSON object", errRequest)
	}
	return nil
}

// reading tells a body that is too long, and one whose token has ended, from one that broke off.
func reading(err error) error {
	var tooLarge *http.MaxBytesError
	var ended *endedError
	switch {
	case errors.As(err, &tooLarge):
		return fmt.Errorf("%w: a body may have %d bytes", errTooLarge, tooLarge.Limit)
	case errors.As(err, &ended):
		return ended
	}
	return fmt.Errorf("%w: the body broke off", errRequest)
}

// maxQuoted is how many bytes of a stranger's text an answer or the log repeats: enough to find a misspelling by.
const maxQuoted = 64

// clip is a stranger's text as it may be quoted: no longer than maxQuoted, and of printable ASCII alone.
func clip(text string) string {
	end := ""
	if len(text) > maxQuoted {
		text, end = text[:maxQuoted], "..."
	}
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e {
			return '?'
		}
		return r
	}, text) + end
}
