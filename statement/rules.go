package statement

import (
	"fmt"
	"slices"
	"strings"
)

// Kind is a kind of statement that a role's callers may run. A node inside a statement counts as the statement itself: a CTE
// that inserts needs KindInsert, and a sub-select in an UPDATE needs KindSelect.
type Kind string

// The kinds. KindSelect covers TABLE t, set operations and FOR UPDATE or FOR SHARE, whose locks row-level security and the
// transaction's end confine. KindValues is VALUES as a statement; inside others VALUES needs no kind. KindExplain shows plans
// with COSTS OFF and without ANALYZE, as row estimates tell how many rows other tenants have.
//
// KindAny is for the role of a migration: all that PostgreSQL takes, in newer versions too, but transaction control and COPY
// with the client, which would tear the request's own transaction and message apart. Functions and relations are then the
// database's matter alone.
const (
	KindSelect  Kind = "select"
	KindInsert  Kind = "insert"
	KindUpdate  Kind = "update"
	KindDelete  Kind = "delete"
	KindMerge   Kind = "merge"
	KindValues  Kind = "values"
	KindExplain Kind = "explain"
	KindAny     Kind = "any"
)

// Kinds are all kinds that Rules may name.
func Kinds() []Kind { return append(DefaultKinds(), KindExplain, KindAny) }

// DefaultKinds are those of Rules that name none.
func DefaultKinds() []Kind {
	return []Kind{KindSelect, KindInsert, KindUpdate, KindDelete, KindMerge, KindValues}
}

// Rules say what a role's callers may run. They must not be changed once a Checker has seen them, since verdicts are kept by
// their address: make them once for each role.
type Rules struct {
	// Kinds of statements. Empty: DefaultKinds.
	Kinds []Kind
	// Functions that may be called besides PostgreSQL's harmless ones and rowpass's own: the owner's and extensions' own, by the
	// last part of the name as PostgreSQL keeps it (lower case, unless it was made with quotes), in whatever schema they are.
	Functions []string
}

// Validate says what is wrong with the rules, so that a bad configuration stops the start.
func (r *Rules) Validate() error {
	for _, kind := range r.Kinds {
		if !slices.Contains(Kinds(), kind) {
			return fmt.Errorf("%q is no kind of statement: allowed are %s", kind, join(Kinds()))
		}
	}
	for _, name := range r.Functions {
		switch {
		case name == "":
			return fmt.Errorf("a function's name is empty")
		case strings.ContainsAny(name, ".()"):
			return fmt.Errorf("%q: name a function without its schema and arguments", name)
		case runsText(name):
			return fmt.Errorf("%q runs text as SQL or changes settings, so that no statement could be checked: it cannot be allowed", name)
		}
	}
	return nil
}

func (r *Rules) allows(kind Kind) bool {
	if len(r.Kinds) == 0 {
		return slices.Contains(DefaultKinds(), kind)
	}
	return slices.Contains(r.Kinds, kind)
}

// names tells whether the owner allowed a function by name. What runs text stays refused, whatever a configuration says.
func (r *Rules) names(function string) bool {
	return slices.Contains(r.Functions, function) && !runsText(function)
}

func join(kinds []Kind) string {
	words := make([]string, len(kinds))
	for i, kind := range kinds {
		words[i] = string(kind)
	}
	return strings.Join(words, ", ")
}
