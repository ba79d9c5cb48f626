package doctor

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Migration writes a goose migration of what mends the findings, and of what takes it back as far as that can be. It is to be read and
// tried on a copy before it is run. It is "" where no SQL mends any of them.
//
// Default privileges come first, and go last: they would give what the other mends make.
//
// Each half can be run by psql as well. What it names is named with its schema, so names are looked up nowhere else while it runs; the
// search path is what it was when the half has ended.
func Migration(findings []Finding) string {
	var up, down []string
	done := map[string]bool{}
	findings = slices.Clone(findings)
	slices.SortStableFunc(findings, func(a, b Finding) int { return cmp.Compare(turn(a), turn(b)) })
	for _, f := range findings {
		switch {
		case f.Mend == "":
			up = append(up, comment(f)+"-- Nothing is done here: "+line(f.Why)+"\n")
		case unwritable(f.Mend+f.Undo) != "":
			up = append(up, comment(f)+"-- Nothing is done here, since "+unwritable(f.Mend+f.Undo)+": write it by hand.\n")
		case done[f.Mend]:
			up = append(up, comment(f)+"-- It is mended above.\n")
		default:
			done[f.Mend] = true
			up = append(up, comment(f)+"-- "+line(f.Why)+"\n"+block(f.Mend))
			down = append(down, comment(f)+takenBack(f))
		}
	}
	if len(done) == 0 {
		return ""
	}
	slices.Reverse(down)
	return half("Up", up) + "\n" + half("Down", down)
}

// turn is when a finding's mend is to run.
func turn(f Finding) int {
	if strings.HasPrefix(f.ID, "default-privileges-") {
		return 0
	}
	return 1
}

// The search path, and how strings are read, are kept from a half's begin to its end, in a transaction or without one. DO says nothing in
// psql.
const (
	begun = `do $$begin perform pg_catalog.set_config('rowpass.search_path', pg_catalog.current_setting('search_path'), false), pg_catalog.set_config('rowpass.strings', pg_catalog.current_setting('standard_conforming_strings'), false), pg_catalog.set_config('standard_conforming_strings', 'on', false), pg_catalog.set_config('search_path', '', false); end$$;`
	ended = `do $$begin perform pg_catalog.set_config('standard_conforming_strings', pg_catalog.current_setting('rowpass.strings', true), false), pg_catalog.set_config('search_path', pg_catalog.current_setting('rowpass.search_path', true), false); end$$;`
)

func half(direction string, parts []string) string {
	return "-- +goose " + direction + "\n-- +goose ENVSUB OFF\n" + begun + "\n\n" + strings.Join(parts, "\n") + "\n" + ended + "\n"
}

func comment(f Finding) string {
	return fmt.Sprintf("-- %s, %s: %s.\n", line(f.ID), line(f.Object), line(f.Title))
}

func takenBack(f Finding) string {
	if f.Undo == "" {
		return "-- This stays as it was mended.\n"
	}
	return block(f.Undo)
}

// nowhere is what SQL begins with in which operators or functions are called: PostgreSQL has written their names without schema pg_catalog, and
// where a schema is looked through in which others may create, one of theirs that fits better would be found.
const nowhere = "set search_path = '';\n"

// block keeps statements together, whatever semicolons stand within them. Each says by itself that names are looked up nowhere: one may be
// run alone, and goose gives each to another connection where somebody has told it to use no transaction.
func block(statements string) string {
	return "-- +goose ENVSUB OFF\n-- +goose StatementBegin\n" + nowhere + strings.TrimPrefix(statements, nowhere) + "\n-- +goose StatementEnd\n"
}

// mostInLine is how many characters of a finding's text are told.
const mostInLine = 2000

var goose = regexp.MustCompile(`(?i)goose`)

// line makes one line of a text in which names may hold anything: goose reads nothing in it, and nothing of it is hidden.
func line(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.IsGraphic(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
	text = goose.ReplaceAllString(strings.Join(strings.Fields(text), " "), "g..se")
	if runes := []rune(text); len(runes) > mostInLine {
		return string(runes[:mostInLine]) + " …"
	}
	return text
}
