package main

import (
	"net"
	"net/url"
	"strings"
	"testing"

	"rowpass/db/dbtest"
)

// TestWhatCannotBeReachedIsSaidInOneLine has commands meet servers that are not there, or not for them.
func TestWhatCannotBeReachedIsSaidInOneLine(t *testing.T) {
	t.Parallel()
	here := dbtest.New(t)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	for _, line := range []struct {
		name string
		url  string
		want string
	}{
		{"nothing listens at the port", "postgres://owner:hunter3@" + nobody + "/app", "no server is at " + nobody + ": is PostgreSQL running, and is the URL right?"},
		{"nothing listens at the socket", "postgres://owner:hunter3@/app?host=/nonexistent&port=7", "no server is at /nonexistent/.s.PGSQL.7: is PostgreSQL running"},
		{"another database", altered(t, here.OwnerURL, func(u *url.URL) { u.Path = "/another" }), `database "another" does not exist (SQLSTATE 3D000); make the database first`},
		{"another user", altered(t, here.OwnerURL, func(u *url.URL) { u.User = url.UserPassword("nobody", "hunter3") }), "; check the URL's user and password"},
	} {
		environ := environment(t, "ROWPASS_DATABASE_URL="+line.url, "ROWPASS_DATABASE_GATEWAY_URL="+here.GatewayURL)
		for _, command := range []string{"migrate up", "serve", "tenants list"} {
			e := rowpass(t, environ, strings.Fields(command)...)
			if e.status != 1 || !strings.Contains(e.stderr, line.want) || strings.Contains(e.stderr, "hunter3") || strings.Count(e.stderr, "SQLSTATE") > 1 {
				t.Errorf("%s, rowpass %s: status %d: %s\nwant once: %s", line.name, command, e.status, e.stderr, line.want)
			}
		}
	}
}

func altered(t *testing.T, address string, change func(*url.URL)) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	change(u)
	return u.String()
}
