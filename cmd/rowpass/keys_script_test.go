package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// ageRing DURATION FILE makes every time in a ring's document so much older, as if that had passed.
func ageRing(ts *testscript.TestScript, _ bool, args []string) {
	by, err := time.ParseDuration(args[0])
	ts.Check(err)
	var document map[string]any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[1])), &document))
	for _, key := range document["keys"].([]any) {
		members := key.(map[string]any)
		for _, name := range []string{"created_at", "since", "until"} {
			text, ok := members[name].(string)
			if !ok {
				continue
			}
			at, err := time.Parse(time.RFC3339, text)
			ts.Check(err)
			members[name] = at.Add(-by).Format(time.RFC3339)
		}
	}
	data, err := json.Marshal(document)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), data, 0o600))
}

// kidOfState STATE prints the id of the ring's only key of that state.
func kidOfState(ts *testscript.TestScript, _ bool, args []string) {
	var kids []string
	ts.Check(ts.Exec("rowpass", "keys", "list"))
	for line := range strings.Lines(ts.ReadFile("stdout")) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[2] == args[0] {
			kids = append(kids, fields[0])
		}
	}
	if len(kids) != 1 {
		ts.Fatalf("%d keys are %s", len(kids), args[0])
	}
	_, _ = fmt.Fprintln(ts.Stdout(), kids[0])
}

// refused ADDRESS TOKEN waits until the token gets 401.
func refused(ts *testscript.TestScript, _ bool, args []string) {
	t := sessionOf(ts).t
	until(t, "the token is refused", func() bool { return ask(t, "GET", args[0], args[1], "").status == 401 })
}
