package doctor

import (
	"fmt"
	"slices"
	"strings"
)

// sentence is the answer: what stands before the rows, in the order in which PostgreSQL asks.
func (a *account) sentence() string {
	e := &a.answer
	schema, _, _ := strings.Cut(e.Table, ".")
	switch {
	case !a.Usage && slices.Contains([]string{a.schema, "rowpass", "neon_identity"}, schema):
		return fmt.Sprintf("%s gets an error: it may not use schema %s, which is rowpass's own and for no caller.", e.Role, schema)
	case !a.Usage:
		return fmt.Sprintf("%s gets an error: it may not use schema %s (grant usage on schema %[2]s to %[1]s).", e.Role, schema)
	case !a.Reads:
		return fmt.Sprintf("%s gets an error: it may not read %s (grant select on %[2]s to %[1]s).", e.Role, e.Table)
	case a.failed() != "":
		return fmt.Sprintf("%s gets an error: %s.", e.Role, a.failed())
	case a.Kind == "v" && !a.Invoke:
		return fmt.Sprintf("%s is a view that reads as its owner: %s sees every row that the owner does%s.", e.Table, e.Role, a.seen())
	case a.Kind == "v":
		return fmt.Sprintf("%s is a view that reads as its caller: the policies of the tables behind it decide%s. Explain those.", e.Table, a.seen())
	case !e.RLS:
		return fmt.Sprintf("%s has no row-level security: %s sees every row%s.", e.Table, e.Role, a.seen())
	case e.Row != nil:
		return a.rowSentence()
	}
	return a.tableSentence()
}

// failed is why a policy could not be asked.
func (a *account) failed() string {
	for _, p := range a.answer.Policies {
		if p.Error != "" {
			return fmt.Sprintf("policy %s fails with %q", p.Name, p.Error)
		}
	}
	return a.refusal
}

func (a *account) seen() string {
	if a.answer.Counts.Seen == nil {
		return ""
	}
	return fmt.Sprintf(" (%s)", number(*a.answer.Counts.Seen))
}

func number(n int64) string {
	switch {
	case n >= CountLimit:
		return fmt.Sprintf("%d rows or more", CountLimit)
	case n == 1:
		return "1 row"
	}
	return fmt.Sprintf("%d rows", n)
}

// reading are the policies that decide what the caller reads.
func (a *account) reading(permissive bool) []PolicyVerdict {
	return slices.DeleteFunc(slices.Clone(a.answer.Policies), func(p PolicyVerdict) bool {
		return !p.Applies || p.Permissive != permissive || p.Command != "SELECT" && p.Command != "ALL"
	})
}

func (a *account) tableSentence() string {
	e, permissive := &a.answer, a.reading(true)
	seen, all := e.Counts.Seen, e.Counts.All
	switch {
	case len(permissive) == 0:
		return fmt.Sprintf("%s sees no rows: no policy of %s lets it read%s.", e.Role, e.Table, a.nearPolicies())
	case seen == nil:
		return fmt.Sprintf("How many rows %s sees was not found out in time; %s decides.", e.Role, names(permissive))
	case all != nil && *all == 0:
		return fmt.Sprintf("%s is empty: there are no rows to see.", e.Table)
	case *seen == 0:
		return fmt.Sprintf("%s sees no rows: %s true of none%s%s.", e.Role, isAre(permissive, "is"), a.of(), a.missingClaims())
	case all != nil && *seen == *all:
		return fmt.Sprintf("%s sees every row of %s (%s): %s true of each.", e.Role, e.Table, number(*seen), isAre(permissive, "is"))
	case all != nil:
		return fmt.Sprintf("%s sees %d of %s: those of which %s true.", e.Role, *seen, number(*all), isAre(permissive, "is"))
	}
	return fmt.Sprintf("%s sees %s: those of which %s true.", e.Role, number(*seen), isAre(permissive, "is"))
}

// of says among how many, where that is known.
func (a *account) of() string {
	if a.answer.Counts.All == nil {
		return ""
	}
	return " of " + number(*a.answer.Counts.All)
}

// nearPolicies says for whom the policies are that are not for the caller.
func (a *account) nearPolicies() string {
	if len(a.answer.Policies) == 0 {
		return ", since it has none"
	}
	p := a.answer.Policies[0]
	return fmt.Sprintf("; policy %s is for %s by %s", p.Name, p.Command, strings.Join(p.Roles, ", "))
}

func (a *account) rowSentence() string {
	e := &a.answer
	if !e.Row.Exists {
		if e.Counts.All == nil {
			return fmt.Sprintf("The owner's login sees no row %s in %s either; it is held by policies itself.", e.Row.Key, e.Table)
		}
		return fmt.Sprintf("There is no row %s in %s.", e.Row.Key, e.Table)
	}
	permissive := a.reading(true)
	if len(permissive) == 0 {
		return fmt.Sprintf("%s does not see row %s: no policy of %s lets it read%s.", e.Role, e.Row.Key, e.Table, a.nearPolicies())
	}
	letting := slices.DeleteFunc(slices.Clone(permissive), func(p PolicyVerdict) bool { return p.Sees == nil || !*p.Sees })
	against := slices.DeleteFunc(a.reading(false), func(p PolicyVerdict) bool { return p.Sees != nil && *p.Sees })
	switch {
	case e.Row.Seen:
		return fmt.Sprintf("%s sees row %s: %s true of it.", e.Role, e.Row.Key, isAre(letting, "is"))
	case len(letting) == 0:
		return fmt.Sprintf("%s does not see row %s: %s not true of it%s.", e.Role, e.Row.Key, isAre(permissive, "is"), a.missingClaims())
	case len(against) > 0:
		return fmt.Sprintf("%s does not see row %s: the restrictive %s not true of it%s.", e.Role, e.Row.Key, isAre(against, "is"), a.missingClaims())
	}
	return fmt.Sprintf("%s does not see row %s, though %s true of it: a grant on its columns is missing.", e.Role, e.Row.Key, isAre(letting, "is"))
}

func names(policies []PolicyVerdict) string {
	var all []string
	for _, p := range policies {
		all = append(all, p.Name)
	}
	if len(all) == 1 {
		return "policy " + all[0]
	}
	return "policies " + strings.Join(all, ", ")
}

func isAre(policies []PolicyVerdict, one string) string {
	if len(policies) > 1 {
		return "one of the " + names(policies) + " " + one
	}
	return names(policies) + " " + one
}
