package doctor

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
)

var plainIdent = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

// keywords are those of PostgreSQL's that can't be every name as they are: all but the ones that it calls unreserved. A later version's new
// ones are missing, and a mend with one does not parse.
var keywords = strings.Fields(`
	all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case cast char character check
	coalesce collate collation column concurrently constraint create cross current_catalog current_date current_role current_schema
	current_time current_timestamp current_user dec decimal default deferrable desc distinct do else end except exists extract false fetch
	float for foreign freeze from full grant greatest group grouping having ilike in initially inner inout int integer intersect interval
	into is isnull join json json_array json_arrayagg json_exists json_object json_objectagg json_query json_scalar json_serialize
	json_table json_value lateral leading least left like limit localtime localtimestamp merge_action national natural nchar none normalize
	not notnull null nullif numeric offset on only or order out outer overlaps overlay placing position precision primary real references
	returning right row select session_user setof similar smallint some substring symmetric system_user table tablesample then time
	timestamp to trailing treat trim true union unique user using values varchar variadic verbose when where window with xmlattributes
	xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable`)

// quoteIdent writes a name as SQL has to have it. What PostgreSQL itself has quoted doesn't come here.
func quoteIdent(name string) string {
	if plainIdent.MatchString(name) && !slices.Contains(keywords, name) {
		return name
	}
	return pgx.Identifier{name}.Sanitize()
}

// quoteLiteral writes a string as SQL has to have it where standard_conforming_strings is on.
func quoteLiteral(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// quoteBody writes the body of a block, readably where that can be.
func quoteBody(text string) string {
	if strings.Contains(text, "$mend") {
		return quoteLiteral(text)
	}
	return "$mend$" + text + "$mend$"
}

// outside is where part begins in a definition, but not within a quoted name or a string; -1 where it doesn't.
func outside(definition, part string) int {
	var quote byte
	for i := range len(definition) {
		switch c := definition[i]; {
		case quote == 0 && strings.HasPrefix(definition[i:], part):
			return i
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case c == quote: // one that is doubled ends and begins
			quote = 0
		}
	}
	return -1
}

func quoteAll(names []string) []string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = quoteIdent(name)
	}
	return quoted
}

// nearest is the name among those known that a misspelling of name can stand for; "" where none is near.
func nearest(name string, known []string) string {
	best, bestDistance := "", max(1, min(2, utf8.RuneCountInString(normal(name))/4))+1
	for _, k := range known {
		if d := distance(normal(name), normal(k)); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	return best
}

// normal leaves out what names are written with differently: tenantId, tenant-id and tenant_id.
func normal(name string) string {
	return strings.NewReplacer("_", "", "-", "", ".", "").Replace(strings.ToLower(name))
}

// distance is how many letters are added, left out or exchanged (Levenshtein).
func distance(a, b string) int {
	row := make([]int, utf8.RuneCountInString(b)+1)
	for i := range row {
		row[i] = i
	}
	for i, x := range []rune(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j, y := range []rune(b) {
			change := diagonal
			if x != y {
				change++
			}
			diagonal, row[j+1] = row[j+1], min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(row)-1]
}
