package doctor

import (
	"fmt"
	"slices"
	"strings"
)

// meant is what an object's comment says where doctor takes for a fault what the application wants.
const meant = `rowpass:\s*meant`

// meaning is the advice to say so.
func meaning(kind, object string) string {
	return fmt.Sprintf("comment on %s is 'rowpass: meant' makes this a finding of severity low.", strings.TrimSpace(kind+" "+object))
}

// finding tells of a key that holds none of the policy's columns, of which first is one. all are the table's keys; apart is whether callers
// see no rows but their own.
//
// SQL is written for keys alone whose values mean nothing. Any other may be a rule of the application's, such as one name for one user of
// all: with one more column before it, it would be no rule any more.
func (k key) finding(r relation, first string, all []key, apart bool) Finding {
	f := Finding{
		ID: "key-leaks-existence", Severity: guessable(r, k.Columns), Object: r.Name + " key " + k.Name,
		Title: fmt.Sprintf("The key (%s) holds no %s, so it is one for all tenants", strings.Join(k.Columns, ", "), first),
		Why:   "Keys don't ask policies. A caller that writes a value which a row of somebody else's has gets an error, or no row, and knows that it is there; and it can take values ahead of others.",
		Costs: "Tells callers of each other's rows; whoever comes first keeps others from a value.",
	}
	if f.Severity == Low {
		f.Costs = "A UUID has to be known before it can be tried, so this tells little."
	}
	rival := k.rival(first, all)
	switch {
	case rival != nil && (!k.Surrogate || len(rival.Columns) == 1):
		f.Severity, f.Why = Low, f.Why+k.asRule(first, rival)
	case rival != nil:
		f.Why += fmt.Sprintf(" The key (%s) is there already: let that be the primary key, and foreign keys and ON CONFLICT name it, and drop this one; or %s", strings.Join(rival.Columns, ", "), k.closing(r))
	case k.Referenced:
		f.Why += fmt.Sprintf(" Foreign keys, or views that group by it, hang on it: make a second key that begins with %s, let them name that, and drop this one; or %s", first, k.closing(r))
	case k.Kind == "x":
		f.Why += fmt.Sprintf(" Make it anew with %s with = at its beginning, so that rows of two tenants may overlap; that needs the extension btree_gist.", first)
	case k.Surrogate && !apart:
		f.Severity, f.Costs = Low, "Tells callers of those rows of each other's that they don't see anyhow; whoever comes first keeps others from a value."
		f.Why += fmt.Sprintf(" Callers see rows of others here, and find each by %[1]s: with %[2]s before it a second row with the same %[1]s could stand beside it, so no SQL is offered. To tell nothing, %[3]s",
			strings.Join(k.Columns, ", "), first, k.closing(r))
	case k.Surrogate && r.required(first):
		k.widen(&f, r, first)
	default:
		f.Why += k.choices(r, first)
	}
	if k.Meant && r.Own {
		f.Severity, f.Mend, f.Undo = Low, "", ""
	}
	return f
}

// rival is a key of every row whose columns are among first and k's, beside which k with first before it would say nothing. It is nil
// where there is none.
func (k key) rival(first string, all []key) *key {
	for i, other := range all {
		within := !slices.ContainsFunc(other.Columns, func(c string) bool { return c != first && !slices.Contains(k.Columns, c) })
		if other.Name != k.Name && other.Plain && other.Kind != "x" && within {
			return &all[i]
		}
	}
	return nil
}

// asRule is what is to decide of a key that only makes sense for all rows.
func (k key) asRule(first string, rival *key) string {
	return fmt.Sprintf(" But (%s) is a key too, so with %s before it this one would say nothing: it is a rule for all rows, and no SQL is offered that abolishes it."+
		" Leave it where its values are no secret, such as names that everybody sees. Else take INSERT and UPDATE of its columns from callers, and let the application's own login write them, with one answer for a value that is taken and one that is not allowed.",
		strings.Join(rival.Columns, ", "), first)
}

// closing is the other way: callers that can't choose a value can't try one.
func (k key) closing(r relation) string {
	return fmt.Sprintf("take from callers the right to write %s (revoke insert, update on %s, and grant them on the other columns), or let a trigger before INSERT set it.", strings.Join(k.Columns, ", "), r.Name)
}

// widen puts the policy's column before a key of numbers or UUIDs.
func (k key) widen(f *Finding, r relation, first string) {
	column := strings.Join(k.Columns, ", ")
	f.Why += fmt.Sprintf(" With the mend %[1]s is unique for each %[2]s alone: ON CONFLICT (%[1]s) and new references have to name (%[2]s, %[1]s), GROUP BY %[1]s has to name what else is selected,"+
		" and a search for %[1]s alone finds no index. If it shall be unique for all, %[3]s", column, first, k.closing(r))
	f.Costs += fmt.Sprintf(" The mend can be taken back until two rows have the same %s.", column)
	f.Mend = fmt.Sprintf("alter table %s drop constraint %s, add constraint %[2]s %s;", r.Name, k.Constraint, leadBy(k.Definition, r.quote(first)))
	f.Undo = fmt.Sprintf("alter table %s drop constraint %s, add constraint %[2]s %s;", r.Name, k.Constraint, k.Definition)
}

// choices are what is to decide of a key that may mean something.
func (k key) choices(r relation, first string) string {
	of, object := "constraint", k.Constraint+" on "+r.Name
	if k.Constraint == "" {
		of, object = "index", k.Name
	}
	text := fmt.Sprintf(" Whether a value shall be there once for all tenants, or once for each, is the application's rule, so it is for you to decide. Once for each: make it %s, and ON CONFLICT names that; two may have the same value then.", leadBy(k.Definition, r.quote(first)))
	if !r.required(first) {
		text += fmt.Sprintf(" Where %s is NULL that holds nobody back, and a primary key allows no NULL.", first)
	}
	return text + " Once for all: " + meaning(of, object)
}

// required says whether a column is NOT NULL.
func (r relation) required(name string) bool {
	return slices.ContainsFunc(r.attrs(), func(a attr) bool { return a.Name == name && a.NotNull })
}
