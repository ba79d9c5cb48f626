package main

import (
	"strings"
	"unicode"
)

// printable is what a command prints of a text that a caller has chosen: a terminal would obey what it doesn't show.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
