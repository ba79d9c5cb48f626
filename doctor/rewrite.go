package doctor

import (
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
	case !r.ofRow(e) && e.any(isQuestion) && !e.any(isSubselect):
		r.note(e)
		return once(r.keep(e))
	}
	if col, value, ok := r.comparison(e); ok && col.kind == cast && r.isSlow(col) && asks(value) {
		r.castBy(col)
		r.unmended = true
	}
	return r.each(e, r.exact)
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
	ours, trusts := r.asks.of(e, r.source)
	if trusts && !slices.Contains(r.trusted, e.name) {
		r.trusted = append(r.trusted, e.name)
	}
	if ours != "" {
		return ours
	}
	r.unmended, r.unsealed = r.unmended || trusts, r.unsealed || trusts
	return r.each(e, r.seal)
}

// keep writes e as it is, with claims by their right names and under their seal.
func (r *rewriter) keep(e expr) string {
	if ours, _ := r.asks.of(e, r.source); ours != "" {
		return ours
	}
	if claims := uncast(e); isClaimsSetting(claims) || r.isNullifSetting(claims) {
		r.setting = true
		if e.kind == cast && (e.name == "json" || e.name == "jsonb") {
			return r.asks.call("session") + map[string]string{"json": "::json", "jsonb": ""}[e.name]
		}
		r.unmended = true
	}
	if name, ok := r.asks.claimOf(e); ok && r.renamed[name] != "" {
		right := strings.Replace(r.source[e.kids[1].from:e.kids[1].to], "'"+name+"'", "'"+r.renamed[name]+"'", 1)
		return r.source[e.from:e.kids[0].from] + r.keep(e.kids[0]) + r.source[e.kids[0].to:e.kids[1].from] + right + r.source[e.kids[1].to:e.to]
	}
	return r.each(e, r.keep)
}

// isNullifSetting knows the usual guard against a setting that is empty.
func (r *rewriter) isNullifSetting(e expr) bool {
	return e.kind == call && e.name == "NULLIF" && e.any(isClaimsSetting)
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

// bare compares a column that was cast with a value of the column's own type. A value that is none of that type is NULL then, as it
// was unequal before.
func (r *rewriter) bare(col, value expr) (string, bool) {
	if !sameText.MatchString(col.name) || !r.isSlow(col) || !asks(value) {
		return "", false
	}
	of := r.castBy(col)
	if value.kind == selected {
		value = value.kids[0]
	} else if !value.any(isSubselect) {
		r.note(value)
	}
	text := stripped(r.keep(value))
	switch digits := integerDigits[of]; {
	case of == "uuid":
		text = r.asks.uuidOf(text)
	case digits != "":
		text = "case when (" + text + ") ~ '^(0|[1-9][0-9]{0," + digits + "})$' then (" + text + ")::" + of + " end"
	default:
		r.unmended = true
		return "", false
	}
	return "(" + stripped(uncast(col).text(r.source)) + " = " + once(text) + ")", true
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
