package doctor

import (
	"regexp"
	"slices"
	"strings"
)

// shape is what an expression of a policy does for each row, and the same written so that it does so once a query.
type shape struct {
	source  string
	root    expr
	table   string            // the relation's name without its schema, as sub-selects call it
	columns map[string]string // the relation's, with their types
	asks    askers

	// What was found while writing it again.
	correlated bool         // a sub-select that looks at the row
	casts      []string     // columns that are compared as another type
	calls      []string     // functions that are called for each row although they don't look at it
	setting    bool         // claims are read without their seal
	trusted    []string     // functions that are called and read them so
	lookedUp   map[int]bool // where claims begin of which one is looked up by its name
	whole      bool         // claims that are read without their seal are asked for otherwise
	sealed     string       // the expression with ours in their place
	unsealed   bool         // there is none of ours for one of them
	pinned     []string     // columns that must equal something that is not of the row
	mended     string       // the expression without these
	unmended   bool         // something of it stays: only a person can write it otherwise
}

// shapeOf reads an expression of a policy on a relation whose columns have these types. Claims are renamed as told.
func shapeOf(source, table string, columns, renamed map[string]string, asks askers) *shape {
	s := &shape{source: source, root: parse(source), table: table, columns: columns, asks: asks}
	s.pinned = s.pins(s.root)
	s.lookedUp = map[int]bool{}
	s.lookUps(s.root)
	r := &rewriter{shape: s, renamed: renamed}
	s.sealed = stripped(r.seal(s.root))
	s.mended = stripped(r.rewrite(s.root))
	return s
}

// parenthesised says whether the first parenthesis closes with the last.
func parenthesised(text string) bool {
	if !strings.HasPrefix(text, "(") || !strings.HasSuffix(text, ")") {
		return false
	}
	p := &parser{source: text}
	_, closed := p.group(0)
	return closed && p.at == len(text)
}

// isColumn says whether e is a column of the policy's relation. Within a sub-select with FROM, only a qualified name is.
func (s *shape) isColumn(e expr) bool {
	if e.kind != column {
		return false
	}
	name := s.columnName(e)
	_, known := s.columns[name]
	return known && (e.name == name || e.name == s.table+"."+name)
}

func (s *shape) columnName(e expr) string { return strings.TrimPrefix(e.name, s.table+".") }

// ofRow says whether e looks at the row. But within a sub-select with FROM, whatever has a name is the row's: a system column or all of it, too.
func (s *shape) ofRow(e expr) bool {
	if e.kind == queried {
		return e.any(func(e expr) bool { return e.kind == column && strings.HasPrefix(e.name, s.table+".") })
	}
	return e.kind == column || slices.ContainsFunc(e.kids, s.ofRow)
}

// asks says whether e asks who the caller is: by a function that is not PostgreSQL's own, or by a setting.
func asks(e expr) bool {
	return e.any(func(e expr) bool { return e.kind == queried || isQuestion(e) })
}

func isQuestion(e expr) bool {
	return e.kind == call && (strings.Contains(e.name, ".") && !strings.HasPrefix(e.name, "pg_catalog.") || e.name == "current_setting")
}

// comparison is a column that is held against what is not of the row.
func (s *shape) comparison(e expr) (col, value expr, ok bool) {
	if e.kind != binary || e.name != "=" && e.name != "IN" {
		return col, value, false
	}
	for _, i := range []int{0, 1} {
		col, value = e.kids[i], e.kids[1-i]
		if col.kind == cast {
			col = col.kids[0]
		}
		if s.isColumn(col) && !s.ofRow(value) && (e.name == "=" || i == 0) {
			return e.kids[i], value, true
		}
	}
	return col, value, false
}

// pins lists columns that every row which passes has equal to something of the caller's.
func (s *shape) pins(e expr) []string {
	if e.kind == selected && s.ofRow(e) {
		return s.pins(e.kids[0])
	}
	if col, value, ok := s.comparison(e); ok && asks(value) {
		if col.kind == cast {
			col = col.kids[0]
		}
		return []string{s.columnName(col)}
	}
	var names []string
	for i, kid := range e.kids {
		pinned := s.pins(kid)
		switch {
		case e.kind == all, e.kind == either && i == 0:
			names = append(names, pinned...)
		case e.kind == either:
			names = slices.DeleteFunc(names, func(name string) bool { return !slices.Contains(pinned, name) })
		}
	}
	return names
}

// claimNames lists the claims that an expression looks up by name.
func (a askers) claimNames(e expr) []string {
	var names []string
	if name, ok := a.claimOf(e); ok {
		names = append(names, name)
	}
	for _, kid := range e.kids {
		names = append(names, a.claimNames(kid)...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (a askers) claimOf(e expr) (string, bool) {
	if e.kind != binary || e.name != "->>" && e.name != "->" {
		return "", false
	}
	name, of := uncast(e.kids[1]), uncast(e.kids[0])
	if of.kind == selected {
		of = uncast(of.kids[0])
	}
	return name.name, (a.isClaims(of) || isClaimsSetting(of)) && name.kind == literal
}

// lookUps notes where one claim is looked up by its name. That is NULL of a JSON null, which session() gives without claims, as it is of NULL,
// which others give then. Whatever else is asked of all claims may tell the two apart.
func (s *shape) lookUps(e expr) {
	if e.kind == binary && slices.Contains([]string{"->", "->>", "#>>"}, e.name) && isTextLiteral(e.kids[1]) {
		of := e.kids[0]
		for of.kind == selected || isJSON(of) && !isClaims(of.kids[0]) {
			of = of.kids[0]
		}
		if of.kind == call || isJSON(of) {
			s.lookedUp[of.from] = true
		}
	}
	for _, kid := range e.kids {
		s.lookUps(kid)
	}
}

// isTextLiteral knows a name, or a path of names. A number is none: an element may be looked up in what is no array.
func isTextLiteral(e expr) bool {
	return e.kind == literal || e.kind == cast && (e.name == "text" || e.name == "text[]") && e.kids[0].kind == literal
}

// isJSON knows a cast to JSON.
func isJSON(e expr) bool { return e.kind == cast && (e.name == "json" || e.name == "jsonb") }

// saysTheSame says whether ours in the place of e, which gives all claims or something of them, changes nothing without claims.
func (s *shape) saysTheSame(e expr) bool {
	return s.lookedUp[e.from] || e.kind == call && !s.asks.isClaims(e)
}

// needsClaim says whether nobody without claims can make e true: each way to make it true compares a claim.
func (a askers) needsClaim(e expr) bool {
	switch e.kind {
	case selected:
		return a.needsClaim(e.kids[0])
	case all:
		return slices.ContainsFunc(e.kids, a.needsClaim)
	case either:
		return !slices.ContainsFunc(e.kids, func(kid expr) bool { return !a.needsClaim(kid) })
	}
	return e.kind == binary && strict(e.name) && slices.ContainsFunc(e.kids, a.isClaim)
}

// isClaim says whether e is NULL where there are no claims.
func (a askers) isClaim(e expr) bool {
	switch e.kind {
	case cast, selected:
		return a.isClaim(e.kids[0])
	case binary:
		_, ok := a.claimOf(e)
		return ok && !isClaimsSetting(e) || strict(e.name) && slices.ContainsFunc(e.kids, a.isClaim)
	case call:
		of := func(name string) bool { return e.name+"()" == a.call(name) && len(e.kids) == 0 }
		return slices.ContainsFunc([]string{"user_id", "uid", "tenant", "tenant_id", "organization_id"}, of) ||
			e.name == a.schema+".as_uuid" && len(e.kids) == 1 && a.isClaim(e.kids[0])
	}
	return false
}

// strict says whether an operator of PostgreSQL's gives NULL for NULL. Those with words are told apart from them.
func strict(operator string) bool { return operator == "IN" || strings.Trim(operator, operators) == "" }

// isClaimsSetting knows the setting that holds all claims.
func isClaimsSetting(e expr) bool { return settingName(e) == "request.jwt.claims" }

// believesSetting knows what PostgREST sets of a token: the claims as one, or each by itself as it did once.
func believesSetting(e expr) bool { return strings.HasPrefix(settingName(e), "request.jwt.claim") }

// settingName is which setting a call reads; "" where it is none, or not said.
func settingName(e expr) string {
	if e.kind != call || e.name != "current_setting" && e.name != "pg_catalog.current_setting" || len(e.kids) == 0 {
		return ""
	}
	name := uncast(e.kids[0])
	if name.kind != literal {
		return ""
	}
	return strings.ToLower(name.name)
}

func uncast(e expr) expr {
	for e.kind == cast {
		e = e.kids[0]
	}
	return e
}

// sameText are types whose comparison as text still uses an index.
var sameText = regexp.MustCompile(`^(text|character varying|character|name|citext|public\.citext)\b`)

// wholeText says whether a cast to the type gives a text as long as what was cast.
func wholeText(name string) bool { return name == "text" || name == "character varying" }
