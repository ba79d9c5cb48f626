package doctor_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"rowpass/db/dbtest"
	"rowpass/doctor"
)

// TestSchemasOfOthersAreNotRowpass has somebody make schemas of rowpass's names in a database that was never migrated.
func TestSchemasOfOthersAreNotRowpass(t *testing.T) {
	t.Parallel()
	d := dbtest.NewEmpty(t)
	mallory(t, d)
	role := "mallory_" + d.Name
	dbtest.Exec(t, d.SuperuserURL, "create schema rowpass authorization "+role, "create schema auth authorization "+role)
	dbtest.Exec(t, d.SuperuserURL, "set session authorization "+role, "grant usage on schema auth to public",
		"create function auth.impersonate(jsonb, text) returns void language sql as 'select m.evil(1)'")
	logins := witness(t, d, func() {
		if _, err := doctor.Examine(t.Context(), config(d)); err == nil {
			t.Error("the schemas are taken for rowpass's")
		}
	})
	if diff := cmp.Diff([]string{}, logins); diff != "" {
		t.Error(diff)
	}
}
