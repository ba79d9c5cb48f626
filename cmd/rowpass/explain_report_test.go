package main

import (
	"strings"
	"testing"

	"rowpass/doctor"
)

func TestAnExplanationSaysWhatWasNotLookedAt(t *testing.T) {
	t.Parallel()
	const unread = "m.t belongs to mallory, whose code would run as the owner"
	policy := doctor.PolicyVerdict{Name: "p", Command: "ALL", Permissive: true, Roles: []string{"public"}, Applies: true, Using: "true"}
	for name, line := range map[string]struct {
		row    doctor.RowVerdict
		unread string
		want   []string
	}{
		"a row that is not there":             {doctor.RowVerdict{Key: "1"}, "", []string{"exists: no, seen: no"}},
		"a row of the owner's":                {doctor.RowVerdict{Key: "1", Exists: true}, "", []string{"exists: yes, seen: no", "using true: null, which counts as false"}},
		"a row of somebody else's":            {doctor.RowVerdict{Key: "1"}, unread, []string{"exists: not known, seen: no", "not looked at", unread}},
		"a row of somebody else's that shows": {doctor.RowVerdict{Key: "1", Exists: true, Seen: true}, unread, []string{"exists: yes, seen: yes", "using true\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			writeExplanation(&b, false, "auth", doctor.Explanation{Table: "m.t", Row: &line.row, Unread: line.unread, Policies: []doctor.PolicyVerdict{policy}})
			for _, want := range line.want {
				if !strings.Contains(b.String(), want) {
					t.Errorf("%q is not in\n%s", want, b.String())
				}
			}
		})
	}
}
