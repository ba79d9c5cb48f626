package doctor

import (
	"context"
	"slices"
	"strings"
)

// key is a unique index, a primary key or an exclusion on columns that callers fill.
type key struct {
	Relation   uint32
	Name       string // the index, with its schema
	Constraint string // the constraint's name; "" for a mere index
	Kind       string // contype: p, u or x; "" for a mere index
	Definition string // of the constraint, or the index
	Columns    []string
	Plain      bool // it is of columns alone, and of every row
	Surrogate  bool // a primary key of one column whose values mean nothing: numbers that the database gives, or UUIDs, and no reference
	Referenced bool // by a foreign key or a view that groups by it, so that it cannot be dropped by itself
	Meant      bool // its comment says that it is as it shall be
}

const keys = `
	select i.indrelid, format('%I.%I', nspname, ic.relname), case when conname is null then '' else format('%I', conname) end, coalesce(contype::text, ''),
		coalesce(pg_catalog.pg_get_constraintdef(co.oid), pg_catalog.pg_get_indexdef(indexrelid)),
		array(select distinct attname::text from pg_catalog.pg_attribute a where a.attrelid = i.indrelid and attnum > 0 and (
			attnum = any ((i.indkey::int2[])[0:indnkeyatts - 1])
			or exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = indexrelid and d.refobjid = a.attrelid and d.refobjsubid = attnum and 0 = any (i.indkey)))),
		indpred is null and 0 <> all (indkey),
		coalesce(contype, '') = 'p' and indnkeyatts = 1 and exists (select from pg_catalog.pg_attribute a where a.attrelid = i.indrelid and attnum = i.indkey[0]
			and (atttypid = 'uuid'::regtype or atttypid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) and (attidentity <> '' or atthasdef)))
			and not exists (select from pg_catalog.pg_constraint f where f.contype = 'f' and f.conrelid = i.indrelid and i.indkey[0] = any (f.conkey)),
		exists (select from pg_catalog.pg_constraint f where f.contype = 'f' and f.conindid = indexrelid)
			or exists (select from pg_catalog.pg_depend where refclassid = 'pg_catalog.pg_constraint'::regclass and refobjid = co.oid and deptype = 'n'),
		coalesce(pg_catalog.obj_description(co.oid, 'pg_constraint') ~* $2, false) or coalesce(pg_catalog.obj_description(indexrelid, 'pg_class') ~* $2, false)
	from pg_catalog.pg_index i join pg_catalog.pg_class ic on ic.oid = indexrelid join pg_catalog.pg_namespace n on n.oid = ic.relnamespace
	left join pg_catalog.pg_constraint co on co.conindid = indexrelid and co.contype in ('p', 'u', 'x')
	where i.indrelid = any ($1::oid[]) and (indisunique or indisexclusion)
	order by 1, 2`

// policed gives the tables on which a role's writes meet policies.
func (e *examination) policed() []relation {
	return slices.DeleteFunc(slices.Clone(e.relations), func(r relation) bool {
		return !r.isTable() || !r.RLS || r.Partition || len(e.filling(r)) == 0
	})
}

// filling are the policies by which callers write rows: those of INSERT and UPDATE that a grant goes with.
func (e *examination) filling(r relation) []policy {
	var found []policy
	for _, p := range e.policies {
		holds := func(roles []string) bool {
			return slices.ContainsFunc(roles, func(role string) bool { return slices.Contains(p.Roles, role) })
		}
		add, change := strings.Contains("a*", p.Command) && holds(r.Add), strings.Contains("w*", p.Command) && holds(r.Change)
		if p.Relation == r.OID && (add || change) {
			found = append(found, p)
		}
	}
	return found
}

// pinned are the columns that every row which p lets be written has equal to something of the caller's.
func (p policy) pinned() []string {
	if p.check != nil {
		return p.check.pinned
	}
	if p.using != nil {
		return p.using.pinned
	}
	return nil
}

// free gives the pinned columns of the first policy by which columns can be written that none of its pinned columns is among. ok is
// false where there is no such policy, or where none of its columns is the caller's to choose.
func (e *examination) free(r relation, columns []string) (pinned []string, ok bool) {
	for _, p := range e.filling(r) {
		mine := p.pinned()
		if !p.Permissive || len(mine) == 0 || slices.ContainsFunc(columns, func(c string) bool { return slices.Contains(mine, c) }) {
			continue
		}
		chosen := slices.ContainsFunc(r.attrs(), func(a attr) bool { return slices.Contains(columns, a.Name) && !a.Always && a.writtenBy(p.Roles) })
		return mine, chosen
	}
	return nil, false
}

// guessable says whether values can be tried: a random UUID has to be known already.
func guessable(r relation, columns []string) Severity {
	types := r.types()
	for _, c := range columns {
		if types[c] == "uuid" {
			return Low
		}
	}
	return Medium
}

// keyFindings tells of keys by which a caller learns of rows that it does not see.
func keyFindings(ctx context.Context, e *examination) ([]Finding, error) {
	var findings []Finding
	for _, r := range e.policed() {
		all, err := list[key](ctx, e.tx, keys, []uint32{r.OID}, meant)
		if err != nil {
			return nil, err
		}
		references, err := list[reference](ctx, e.tx, references, []uint32{r.OID}, meant)
		if err != nil {
			return nil, err
		}
		for _, k := range all {
			if pinned, ok := e.free(r, k.bound(references)); ok {
				findings = append(findings, k.finding(r, pinned[0], all, e.seenBy(r.OID, pinned[0])))
			}
		}
	}
	return findings, nil
}

// bound are the key's columns and those that foreign keys tie them to: where (tenant_id, project_id) refers to a project, a key on
// project_id is within the tenant.
func (k key) bound(references []reference) []string {
	columns := slices.Clone(k.Columns)
	for _, f := range references {
		if slices.ContainsFunc(f.Columns, func(c string) bool { return slices.Contains(k.Columns, c) }) {
			columns = append(columns, f.Columns...)
		}
	}
	return columns
}

// leadBy puts a column before those of a definition.
func leadBy(definition, column string) string {
	at := outside(definition, "(") + 1
	return definition[:at] + column + ", " + definition[at:]
}
