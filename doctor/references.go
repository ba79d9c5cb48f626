package doctor

import (
	"context"
	"fmt"
	"slices"
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
		c.relrowsecurity
	from pg_catalog.pg_constraint f join pg_catalog.pg_class c on c.oid = confrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
	where contype = 'f' and conparentid = 0 and conrelid = any ($1::oid[])
	order by 1, 2`

// foreignKeyFindings tells of references by which a caller learns of rows that it does not see, or hangs its own on them.
func foreignKeyFindings(ctx context.Context, e *examination) ([]Finding, error) {
	var findings []Finding
	for _, r := range e.policed() {
		all, err := list[reference](ctx, e.tx, references, []uint32{r.OID})
		if err != nil {
			return nil, err
		}
		for _, f := range all {
			if pinned, ok := e.free(r, f.Columns); ok && f.Policed {
				findings = append(findings, f.finding(r, pinned))
			}
		}
	}
	return findings, nil
}

func (f reference) finding(r relation, pinned []string) Finding {
	found := Finding{
		ID: "foreign-key-leaks-existence", Severity: guessable(r, f.Columns), Object: r.Name + " foreign key " + f.Name,
		Title: fmt.Sprintf("The reference to %s holds no %s, so it reaches into other tenants", f.To, pinned[0]),
		Why:   "Foreign keys don't ask policies. A caller can hang its row on somebody else's, and by whether that works it learns which exist.",
		Costs: "Tells callers of each other's rows; theirs can then not be removed, or take others along.",
	}
	if found.Severity == Low {
		found.Costs = "A UUID has to be known before it can be tried, so this tells little; but whoever knows one hangs its row on it."
	}
	at := slices.IndexFunc(pinned, func(name string) bool { return slices.Contains(f.Shared, name) })
	if at < 0 {
		found.Why += fmt.Sprintf(" %s has no such column: let the policy's WITH CHECK look whether the caller sees the row that is named (exists (select from …)).", f.To)
		return found
	}
	lead := r.quote(pinned[at])
	if !slices.Contains(f.Keyed, pinned[at]) {
		found.Mend = fmt.Sprintf("alter table %s add unique (%s, %s);\n", f.To, lead, f.ToColumns)
	}
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
