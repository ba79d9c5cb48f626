package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// reference is a foreign key.
type reference struct {
	Relation   uint32
	Name       string // quoted where needed
	Definition string
	Columns    []string
	To         string   // quoted where needed, with its schema
	ToColumns  string   // quoted where needed
	Shared     []string // columns of the same name and type in both
	Keyed      []string // those of Shared that begin a key with ToColumns
	Policed    bool     // its table has row-level security
	Target     uint32   // its table
	Meant      bool     // its comment says that it is as it shall be
}

const references = `
	select conrelid, format('%I', conname), pg_catalog.pg_get_constraintdef(f.oid),
		array(select attname::text from unnest(conkey) with ordinality k (n, i) join pg_catalog.pg_attribute on attrelid = conrelid and attnum = n order by i),
		format('%I.%I', nspname, c.relname),
		(select string_agg(format('%I', attname), ', ' order by i) from unnest(confkey) with ordinality k (n, i) join pg_catalog.pg_attribute on attrelid = confrelid and attnum = n),
		array(select a.attname::text from pg_catalog.pg_attribute a join pg_catalog.pg_attribute b using (attname, atttypid)
			where a.attrelid = conrelid and b.attrelid = confrelid and a.attnum > 0 and not a.attisdropped and a.attnum <> all (conkey)),
		array(select a.attname::text from pg_catalog.pg_index join pg_catalog.pg_attribute a on a.attrelid = indrelid and a.attnum = any ((indkey::int2[])[0:indnkeyatts - 1])
			where indrelid = confrelid and indisunique and indpred is null and indnkeyatts = cardinality(confkey) + 1
				and confkey <@ (indkey::int2[])[0:indnkeyatts - 1] and a.attnum <> all (confkey)),
		c.relrowsecurity, confrelid, coalesce(pg_catalog.obj_description(f.oid, 'pg_constraint') ~* $2, false)
	from pg_catalog.pg_constraint f join pg_catalog.pg_class c on c.oid = confrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
	where contype = 'f' and conparentid = 0 and conrelid = any ($1::oid[])
	order by 1, 2`

// foreignKeyFindings tells of references by which a caller learns of rows that it does not see, or hangs its own on them.
func foreignKeyFindings(ctx context.Context, e *examination) ([]Finding, error) {
	var findings []Finding
	for _, r := range e.policed() {
		all, err := list[reference](ctx, e.tx, references, []uint32{r.OID}, meant)
		if err != nil {
			return nil, err
		}
		for _, f := range all {
			if pinned, ok := e.free(r, f.Columns); ok && f.Policed {
				column := e.shared(f, pinned)
				found := f.finding(r, column, pinned[0])
				if owner := e.strangers[f.To]; owner != "" && e.strangers[r.Name] == "" {
					found.leaveTo(f.To, owner)
				}
				findings = append(findings, found)
			}
		}
	}
	return findings, nil
}

// shared is the column of pinned that both tables have and that holds for all of the other one's rows that callers see. It is "" where there
// is none: a reference to a row that somebody else has written, and that is there for all, is what applications are made of.
func (e *examination) shared(f reference, pinned []string) string {
	for _, name := range pinned {
		if slices.Contains(f.Shared, name) && e.seenBy(f.Target, name) {
			return name
		}
	}
	return ""
}

// seenBy says whether callers see only such rows of a table of which the column is theirs.
func (e *examination) seenBy(table uint32, column string) bool {
	found := false
	for _, p := range e.policies {
		if p.Relation != table || !p.Permissive || !strings.Contains("r*", p.Command) {
			continue
		}
		if p.using == nil || !slices.Contains(p.using.pinned, column) {
			return false
		}
		found = true
	}
	return found
}

func (f reference) finding(r relation, column, first string) Finding {
	found := Finding{
		ID: "foreign-key-leaks-existence", Severity: guessable(r, f.Columns), Object: r.Name + " foreign key " + f.Name,
		Title: fmt.Sprintf("The reference to %s holds no %s, so it reaches into other tenants", f.To, first),
		Why:   "Foreign keys don't ask policies. A caller can hang its row on somebody else's, and by whether that works it learns which exist.",
		Costs: "Tells callers of each other's rows; theirs can then not be removed, or take others along.",
	}
	if found.Severity == Low {
		found.Costs = "A UUID has to be known before it can be tried, so this tells little; but whoever knows one hangs its row on it."
	}
	if column == "" || !r.required(column) {
		found.Why += fmt.Sprintf(" No column that both have, and that is NOT NULL here, says whose the row in %s is that callers see: let the policy's WITH CHECK look whether the caller sees the row that is named (exists (select from …)). Then, or where all may be named: ", f.To) + meaning("constraint", f.Name+" on "+r.Name)
		if f.Meant && r.Own {
			found.Severity = Low
		}
		return found
	}
	lead := r.quote(column)
	if !slices.Contains(f.Keyed, column) {
		found.Mend = fmt.Sprintf("alter table %s add unique (%s, %s);\n", f.To, lead, f.ToColumns)
	}
	found.Why += fmt.Sprintf(" With the mend a row and the one that it names have the same %s, whoever writes them: it stops where rows are otherwise today, and %[1]s of a row that others name changes only with theirs.", column)
	found.Mend += fmt.Sprintf("alter table %s drop constraint %s, add constraint %[2]s %s;", r.Name, f.Name, f.leadBy(lead, r))
	found.Undo = fmt.Sprintf("alter table %s drop constraint %s, add constraint %[2]s %s;", r.Name, f.Name, f.Definition)
	return found
}

// leadBy puts a column before those of both sides. What is set when the other row goes stays what it was.
func (f reference) leadBy(column string, r relation) string {
	at := outside(f.Definition, " REFERENCES ")
	text := leadBy(f.Definition[:at], column) + leadBy(f.Definition[at:], column)
	for _, set := range []string{"ON DELETE SET NULL", "ON DELETE SET DEFAULT"} {
		if at := outside(text, set); at >= 0 && outside(text, set+" (") < 0 {
			at += len(set)
			text = text[:at] + " (" + r.quote(f.Columns...) + ")" + text[at:]
		}
	}
	return text
}
