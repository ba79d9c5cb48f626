package doctor

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/jackc/pgx/v5"
)

// offered takes the SQL out of findings where it can't be offered: a person could be shown something else than what runs, or PostgreSQL
// doesn't read it. The finding then says so.
func (e *examination) offered(ctx context.Context, findings []Finding) ([]Finding, error) {
	for i := range findings {
		f := &findings[i]
		if f.Mend == "" {
			continue
		}
		why := unwritable(f.Mend + f.Undo)
		for _, text := range []string{f.Mend, f.Undo} {
			if why == "" && text != "" {
				var err error
				if why, err = e.unreadable(ctx, text); err != nil {
					return nil, fmt.Errorf("reading what mends %s: %w", f.Object, err)
				}
			}
		}
		if why != "" {
			f.Mend, f.Undo, f.Why = "", "", f.Why+" No SQL is offered, since "+why+": write it by hand."
		}
	}
	return findings, nil
}

// longest is how long a line may be. goose reads up to 4 MB.
const longest = 1 << 20

// cutting is what makes goose, or whoever cuts a migration at its halves, take a text apart.
var cutting = regexp.MustCompile(`(?i)\+\s*goose|goose\s+(up|down|statement)`)

// unwritable is why a text can't stand in a migration, or before somebody's eyes, as it is; "" where it can.
func unwritable(text string) string {
	switch {
	case hidden(strings.NewReplacer("\n", "", "\t", "").Replace(text)):
		return "it holds characters that are not seen"
	case cutting.MatchString(text):
		return "goose would take a line of it for its own"
	}
	for line := range strings.Lines(text) {
		if len(line) > longest {
			return "a line of it is longer than goose reads"
		}
	}
	return ""
}

// hidden says whether a text holds what is not shown as it is: control characters, direction marks, blanks of no width, broken UTF-8.
func hidden(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsGraphic(r) || r == unicode.ReplacementChar })
}

// unreadable is why PostgreSQL takes no such statements; "" where it does. They are read and not run, nor are names looked up: a block
// ends before it comes to them.
func (e *examination) unreadable(ctx context.Context, statements string) (string, error) {
	err := try(ctx, e.tx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local check_function_bodies = on"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "do "+quoteLiteral("begin return; "+statements+"\nend"))
		return err
	})
	if answer, ok := refused(err); ok {
		return "PostgreSQL does not read it (" + answer.Message + ")", nil
	}
	return "", err
}
