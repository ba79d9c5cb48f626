package api_test

import (
	"net/url"
	"strings"
	"testing"
)

// TestNamesOfStrangersAreQuotedInBrief looks at the answer and at the log.
func TestNamesOfStrangersAreQuotedInBrief(t *testing.T) {
	s := newServer(t, options{sql: true})
	const most = 64
	long := strings.Repeat("x", 60_000)
	asForm := map[string]string{"Content-Type": form}
	for name, tt := range map[string]struct {
		request      request
		status       int
		says, hasNot string
	}{
		"a field": {request{method: "POST", path: "/api/login", body: `{"` + long + `":1}`}, 400, `x...`, strings.Repeat("x", most+1)},
		"a field as long as that": {request{method: "POST", path: "/api/login", body: `{"` + long[:most] + `":1}`}, 400,
			`\"` + long[:most] + `\"`, "..."},
		"a field with escapes for a terminal": {request{method: "POST", path: "/api/login", body: `{"\u001b[31mred\u0000\n\u2028é":1}`}, 400,
			`\"?[31mred????\"`, "\\u"},
		"a parameter": {request{"POST", "/api/token", "", long[:30_000] + "=1&" + long[:30_000] + "=2", asForm}, 400, "x... is there more than once", strings.Repeat("x", most+1)},
		"a parameter with escapes": {request{"POST", "/api/token", "", url.QueryEscape("\x1b[31m\n") + "=1&" + url.QueryEscape("\x1b[31m\n") + "=2", asForm}, 400,
			"?[31m? is there more than once", "\\u"},
		"a role":     {s.sql(quote("select 1"), "Neon-Connection-String", "postgres://"+long[:8000]+"@h"), 400, "x...", strings.Repeat("x", most+1)},
		"a database": {s.sql(quote("select 1"), "Neon-Connection-String", "postgres://authenticated@h/"+long[:8000]), 400, "x...", strings.Repeat("x", most+1)},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(s.log.String())
			a := s.do(tt.request)
			a.check(t, tt.status, []string{tt.says}, []string{tt.hasNot})
			for _, line := range strings.Split(s.log.String()[before:], "\n") {
				if strings.Contains(line, a.header.Get("X-Request-Id")) && strings.Contains(line, tt.hasNot) {
					t.Errorf("the log holds %s", line)
				}
			}
			if challenge := a.header.Get("WWW-Authenticate"); strings.Contains(challenge, tt.hasNot) {
				t.Errorf("challenge %s", challenge)
			}
		})
	}
}
