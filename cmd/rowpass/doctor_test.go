package main

import (
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"rowpass/db/dbtest"
)

// asOwner runs SQL as the owner of the session's database.
func asOwner(ts *testscript.TestScript, _ bool, args []string) {
	dbtest.Exec(sessionOf(ts).t, ts.Getenv("ROWPASS_DATABASE_URL"), strings.Join(args, " "))
}
