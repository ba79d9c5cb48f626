package doctor

import (
	"fmt"
	"slices"
	"strings"
)

// rewriter writes an expression again so that what is not of the row is asked once a query and columns stand bare.
type rewriter struct {
	*shape
	renamed map[string]string // claims that are misspelt, with their right names
}

// rewrite is e in a place where it is evaluated for each row. There, false and NULL are the same, as in the condition of a policy.
func (r *rewriter) rewrite(e expr) string {
	if col, value, ok := r.comparison(e); ok && col.kind == cast && e.name == "=" {
		if bare, ok := r.bare(col, value); ok {
			return bare
		}
	}
	switch {
	case e.kind == selected && r.ofRow(e):
		r.correlated = true
		return r.rewrite(e.kids[0])
	case e.kind == all || e.kind == either:
		return r.each(e, r.rewrite)
	}
	return r.exact(e)
}

// exact is rewrite where false and NULL may differ, as within NOT or IS NULL.
func (r *rewriter) exact(e expr) string {
	ours, _ := r.asks.of(e)
	switch {
	case e.kind == selected && r.ofRow(e):
		r.correlated = true
		return r.exact(e.kids[0])
	case e.kind == selected:
		return r.keep(e)
	case e.kind == queried:
		if r.ofRow(e) {
			r.correlated, r.unmended = true, true
		}
		return r.keep(e)
	case ours != "" || r.isConstant(e):
		r.note(e)
		return once(r.keep(e))
	case e.kind == operand:
		return r.each(e, r.within)
	}
	if col, value, ok := r.comparison(e); ok && col.kind == cast && r.isSlow(col) && asks(value) {
		r.castBy(col)
		r.unmended = true
	}
	return r.each(e, r.exact)
}

// within is exact for what no sub-select can take the place of: behind ANY it would give the rows instead of the array.
func (r *rewriter) within(e expr) string {
	if e.kind == call && isQuestion(e) && !r.ofRow(e) && !r.asks.unsteady(e) {
		r.note(e)
		r.unmended = true
		return r.keep(e)
	}
	return r.each(e, r.exact)
}

// isConstant says whether e asks who the caller is, says the same all through a query, and can be made a sub-select.
func (r *rewriter) isConstant(e expr) bool {
	return e.any(isQuestion) && !r.ofRow(e) && !e.any(isSubselect) && !r.asks.unsteady(e) &&
		!e.loose && e.kind != operand && (e.kind != call || e.name != "ROW")
}

func isSubselect(e expr) bool { return e.kind == selected || e.kind == queried }

func once(text string) string { return "(select " + stripped(text) + ")" }

// stripped is a text without the parentheses around all of it, but for those of a sub-select.
func stripped(text string) string {
	for parenthesised(text) && !strings.HasPrefix(text, "( SELECT") && !strings.HasPrefix(text, "(select ") {
		text = text[1 : len(text)-1]
	}
	return text
}

// note remembers which functions e calls.
func (r *rewriter) note(e expr) {
	e.any(func(e expr) bool {
		if isQuestion(e) && !slices.Contains(r.calls, e.name) {
			r.calls = append(r.calls, e.name)
		}
		return false
	})
}

// each is the source of e with its kids written by write.
func (r *rewriter) each(e expr, write func(expr) string) string {
	var b strings.Builder
	at := e.from
	for _, kid := range e.kids {
		b.WriteString(r.source[at:kid.from])
		b.WriteString(write(kid))
		at = kid.to
	}
	b.WriteString(r.source[at:e.to])
	return b.String()
}

// seal writes e as it is, but for functions that believe the setting.
func (r *rewriter) seal(e expr) string {
	ours, trusts := r.asks.of(e)
	if trusts && !slices.Contains(r.trusted, e.name) {
		r.trusted = append(r.trusted, e.name)
	}
	if ours != "" && r.saysTheSame(e) {
		return ours
	}
	r.whole = r.whole || ours != ""
	r.unmended, r.unsealed = r.unmended || trusts, r.unsealed || trusts
	return r.each(e, r.seal)
}

// keep writes e as it is, with claims by their right names and under their seal.
func (r *rewriter) keep(e expr) string {
	if ours, _ := r.asks.of(e); ours != "" && r.saysTheSame(e) {
		return ours
	}
	if isJSON(e) && isClaims(e.kids[0]) && !r.saysTheSame(e) {
		r.whole = true // and the setting in it is left to a person
	} else if isJSON(e) && isClaims(e.kids[0]) {
		r.setting = true
		return r.asks.call("session") + map[string]string{"json": "::json", "jsonb": ""}[e.name]
	}
	if believesSetting(e) {
		r.setting, r.unmended = true, true
	}
	if name, ok := r.asks.claimOf(e); ok && r.renamed[name] != "" {
		right := strings.Replace(r.source[e.kids[1].from:e.kids[1].to], quoteLiteral(name), quoteLiteral(r.renamed[name]), 1)
		return r.source[e.from:e.kids[0].from] + r.keep(e.kids[0]) + r.source[e.kids[0].to:e.kids[1].from] + right + r.source[e.kids[1].to:e.to]
	}
	return r.each(e, r.keep)
}

// isClaims knows the setting, and the usual guard against one that is empty.
func isClaims(e expr) bool {
	for e.kind == cast && e.name == "text" {
		e = e.kids[0]
	}
	if e.kind == call && e.name == "NULLIF" && len(e.kids) == 2 {
		empty := uncast(e.kids[1])
		return isClaims(e.kids[0]) && empty.kind == literal && empty.name == ""
	}
	return isClaimsSetting(e)
}

// isSlow says whether the cast of a column keeps its index from being used.
func (r *rewriter) isSlow(col expr) bool {
	return !sameText.MatchString(r.columns[r.columnName(uncast(col))])
}

// castBy notes that a column is compared as another type than its own, which it gives.
func (r *rewriter) castBy(col expr) string {
	name := r.columnName(uncast(col))
	if !slices.Contains(r.casts, name) {
		r.casts = append(r.casts, name)
	}
	return r.columns[name]
}

// bare compares a column that was cast with a value of the column's own type. A text that is not how PostgreSQL writes one of that type is
// NULL then, as it was unequal before.
func (r *rewriter) bare(col, value expr) (string, bool) {
	if !wholeText(col.name) || !r.isSlow(col) || !asks(value) || r.asks.unsteady(value) {
		return "", false
	}
	of := r.castBy(col)
	if value.kind == selected {
		value = value.kids[0]
	} else if !value.any(isSubselect) {
		r.note(value)
	}
	text, ok := r.asks.typed(stripped(r.keep(value)), of)
	if !ok {
		r.unmended = true
		return "", false
	}
	return "(" + stripped(uncast(col).text(r.source)) + " = " + once(text) + ")", true
}

// typed is a text as a value of a type, and NULL where the type writes its values in another way.
func (a askers) typed(text, of string) (string, bool) {
	const written = "case when (%[1]s) ~ '^(0|-?[1-9][0-9]{0,%[2]d})$' then %[3]s end"
	switch of {
	case "uuid":
		uuid := a.uuidOf(text)
		return fmt.Sprintf("case when %s::text = (%s) then %[1]s end", uuid, text), true
	case "smallint", "integer": // they are compared with a bigint by the same index
		return fmt.Sprintf(written, text, 17, "("+text+")::bigint"), true
	case "bigint":
		const fits = "case when (%[1]s)::numeric between -9223372036854775808 and 9223372036854775807 then (%[1]s)::bigint end"
		return fmt.Sprintf(written, text, 18, fmt.Sprintf(fits, text)), true
	}
	return "", false
}

// uuidOf is a text as a UUID, by the function that has it as such where there is one.
func (a askers) uuidOf(text string) string {
	switch text {
	case a.call("user_id"):
		return a.call("uid")
	case a.call("tenant"):
		return a.call("tenant_id")
	}
	return a.schema + ".as_uuid(" + text + ")"
}
