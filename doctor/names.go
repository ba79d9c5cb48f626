package doctor

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
)

var plainIdent = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

// reserved are names of ours or near them that would be keywords.
var reserved = regexp.MustCompile(`^(user|order|group|table|select|public|all|default|references|current_user|session_user)$`)

// quoteIdent writes a name as SQL has to have it. What PostgreSQL itself has quoted doesn't come here.
func quoteIdent(name string) string {
	if plainIdent.MatchString(name) && !reserved.MatchString(name) {
		return name
	}
	return pgx.Identifier{name}.Sanitize()
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
