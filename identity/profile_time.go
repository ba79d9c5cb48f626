package identity

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

const (
	firstMilli    = -62135596800000 // of year 1
	lastMilli     = 253402300799999 // of year 9999
	secondsBefore = 100_000_000_000 // a number below it is seconds, which reach year 5138, and else milliseconds, from 1973 on
)

// layouts are RFC 3339 and how PostgreSQL and Java write it. Without a zone it is UTC.
func layouts() []string {
	return []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04:05.999999999Z07", "2006-01-02T15:04:05.999999999", time.DateOnly}
}

// instant reads a time of the years 1 to 9999; the zero time where it is none.
func instant(value any, millis bool) time.Time {
	var t time.Time
	ok := false
	switch v := value.(type) {
	case string:
		t, ok = textInstant(v, millis)
	case json.Number:
		t, ok = numberInstant(v.String(), millis)
	}
	if !ok {
		return time.Time{}
	}
	return t.UTC()
}

func textInstant(text string, millis bool) (time.Time, bool) {
	if t, ok := numberInstant(text, millis); ok {
		return t, true
	}
	if len(text) > len(time.DateOnly) && text[len(time.DateOnly)] == ' ' {
		text = strings.Replace(text, " ", "T", 1)
	}
	for _, layout := range layouts() {
		if t, err := time.Parse(layout, text); err == nil {
			return t, t.UnixMilli() >= firstMilli && t.UnixMilli() <= lastMilli
		}
	}
	return time.Time{}, false
}

// numberInstant is exact for whole numbers.
func numberInstant(text string, millis bool) (time.Time, bool) {
	number, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(number) || strings.ContainsAny(text, "xX_") {
		return time.Time{}, false
	}
	if !millis && math.Abs(number) < secondsBefore {
		number *= 1000
	}
	number = math.Round(number)
	if number < firstMilli || number > lastMilli {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(number)), true
}

// storedTime is what a timestamptz keeps of t.
func storedTime(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
