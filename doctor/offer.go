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
		if of, owner := e.stranger(f.Object); owner != "" {
			f.leaveTo(of, owner)
		}
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

// strangers lists what belongs neither to the login nor to the owner of schema rowpass, as findings name it, with whose it is.
const strangers = `
	with own as (select oid from pg_catalog.pg_roles where rolname = current_user union select nspowner from pg_catalog.pg_namespace where nspname = 'rowpass')
	select format('%I.%I', nspname, relname), format('%I', pg_catalog.pg_get_userbyid(relowner))
	from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = relnamespace
	where relkind in ('r', 'p', 'v', 'm', 'f', 'S') and nspname !~ '^pg_' and relowner not in (select oid from own)`

// readStrangers notes whose the relations of others are.
func (e *examination) readStrangers(ctx context.Context) error {
	all, err := list[struct{ Name, Owner string }](ctx, e.tx, strangers)
	e.strangers = map[string]string{}
	for _, one := range all {
		e.strangers[one.Name] = one.Owner
	}
	return err
}

// stranger is the relation of somebody else's that a finding's object is, or stands on, and whose it is; "" where it is none.
func (e *examination) stranger(object string) (name, owner string) {
	object = strings.TrimPrefix(object, "view ")
	for end := range len(object) + 1 {
		if end == len(object) || object[end] == ' ' { // names with blanks are in quotes, so none begins another
			if owner := e.strangers[object[:end]]; owner != "" {
				return object[:end], owner
			}
		}
	}
	return "", ""
}

// leaveTo takes the SQL out of a finding on a relation of somebody else's: to plan or check anything on it calls what its owner wrote, as
// whoever runs the SQL, and where that is refused it stops all other SQL of the file.
func (f *Finding) leaveTo(of, owner string) {
	f.Mend, f.Undo = "", ""
	f.Why += fmt.Sprintf(" But %s belongs to %s, whose code SQL on it would run as you, so none is offered: its owner should mend it.", of, owner)
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

// try lets PostgreSQL read what the mends would make of a policy: what it refuses, a person has to write. It is read as a caller, since the
// values in it may be of types with others' code.
func (e *examination) try(ctx context.Context, p policy) error {
	for _, s := range append(p.shapes(), p.renamed.shapes()...) {
		for _, t := range []struct {
			text string
			left *bool
		}{{s.mended, &s.unmended}, {s.sealed, &s.unsealed}} {
			if *t.left || t.text == stripped(s.source) {
				continue
			}
			reads, err := e.reads(ctx, p, t.text)
			if err != nil {
				return err
			}
			*t.left = !reads
		}
	}
	return nil
}

// insufficientPrivilege is the SQLSTATE of a caller that may not use a schema. Whoever runs a mend may.
const insufficientPrivilege = "42501"

// reads says whether a policy could be this expression. Nothing is run. It is not known, so not said, where there is no caller to ask.
func (e *examination) reads(ctx context.Context, p policy, expression string) (bool, error) {
	if e.caller == nil {
		return false, nil
	}
	err := e.caller.as(ctx, p.Roles[0], func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `set local search_path = ''`); err != nil {
			return err
		}
		_, err := tx.Prepare(ctx, "", "select from only "+p.of.Name+" where ("+expression+")")
		return err
	})
	if answer, ok := refused(err); ok {
		return answer.Code == insufficientPrivilege, nil
	}
	return err == nil, err
}
