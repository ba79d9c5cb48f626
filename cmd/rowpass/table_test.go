package main

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestListing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		ink  ink
		fill func(*listing)
		want string
	}{
		{"plain, as a script cuts it", false, func(l *listing) {
			l.row("k1", l.ink.outcome("current"), "signs")
			l.row("long-kid", l.ink.outcome("revoked"), "")
		}, "KID       STATE    NEXT\nk1        current  signs\nlong-kid  revoked  \n"},
		{"coloured, with the same columns", true, func(l *listing) {
			l.row("k1", l.ink.outcome("current"), "signs")
			l.row("long-kid", l.ink.outcome("revoked"), "")
		}, "\x1b[1mKID\x1b[0m       \x1b[1mSTATE\x1b[0m    \x1b[1mNEXT\x1b[0m\nk1        \x1b[32mcurrent\x1b[0m  signs\nlong-kid  \x1b[31mrevoked\x1b[0m\n"},
		{"a wide letter takes two columns of a terminal", true, func(l *listing) {
			l.row("名", "x", "y")
			l.row("abc", "x", "y")
		}, "\x1b[1mKID\x1b[0m  \x1b[1mSTATE\x1b[0m  \x1b[1mNEXT\x1b[0m\n名   x      y\nabc  x      y\n"},
		{"a count that should be 0", true, func(l *listing) { l.row(l.ink.fault(0), l.ink.fault(7), "-") },
			"\x1b[1mKID\x1b[0m  \x1b[1mSTATE\x1b[0m  \x1b[1mNEXT\x1b[0m\n0    \x1b[31m7\x1b[0m      -\n"},
		{"a verdict without more, between others", false, func(l *listing) {
			l.verdict("whose", "ok", "ours")
			l.verdict("revoked", "WRONG", "")
			l.verdict("aud", "ok", `["rowpass"]`)
		}, "KID           STATE    NEXT\nwhose         ok       ours\nrevoked       WRONG\naud           ok       [\"rowpass\"]\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			l := newListing(&out, tt.ink, "KID", "STATE", "NEXT")
			tt.fill(l)
			if err := l.write(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, out.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestListingOfNothing prints no line, as a script expects of a list without heading.
func TestListingOfNothing(t *testing.T) {
	t.Parallel()
	for _, i := range []ink{false, true} {
		var out bytes.Buffer
		if err := newListing(&out, i).write(); err != nil || out.Len() > 0 {
			t.Errorf("%v %q", err, out.String())
		}
	}
}
