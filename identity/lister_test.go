package identity_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rowpass/identity"
)

func listPresets() []string {
	return []string{"clerk", "stack-auth", "stytch", "stytch-b2b", "auth0", "workos", "supabase", "keycloak", "descope", "logto"}
}

var listStart = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// fakeUsers are so many users, each made a minute after the one before.
func fakeUsers(n int) []fakeUser {
	users := make([]fakeUser, n)
	for i := range users {
		users[i] = fakeUser{id: fmt.Sprintf("u|%04d", i), name: fmt.Sprintf("User%d", i), created: listStart.Add(time.Duration(i) * time.Minute)}
	}
	return users
}

// pauses keeps how long a lister would have waited.
type pauses struct{ waited []time.Duration }

func (p *pauses) pause(ctx context.Context, d time.Duration) error {
	p.waited = append(p.waited, d)
	return ctx.Err()
}

func newPausingLister(t *testing.T, c identity.SourceConfig) (identity.Lister, *pauses) {
	t.Helper()
	var p pauses
	l, err := identity.NewListerPausing(c, p.pause)
	if err != nil {
		t.Fatal(err)
	}
	return l, &p
}

// walk reads a list to its end: each user's ID, once, and the pages.
func walk(t *testing.T, l identity.Lister, preset string) (ids []string, pages []identity.Page) {
	t.Helper()
	for cursor := ""; ; {
		p, err := l.Page(t.Context(), cursor)
		if err != nil {
			t.Fatalf("page %d: %v", len(pages)+1, err)
		}
		pages = append(pages, p)
		for _, u := range p.Users {
			if id := idOf(t, preset, u); !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
		if cursor = p.Next; cursor == "" {
			return ids, pages
		}
		if len(pages) > 1000 {
			t.Fatal("the list has no end")
		}
	}
}

func idOf(t *testing.T, preset string, user json.RawMessage) string {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal(user, &o); err != nil {
		t.Fatal(err)
	}
	key := map[string]string{"stytch": "user_id", "stytch-b2b": "member_id", "auth0": "user_id", "descope": "userId"}[preset]
	if key == "" {
		key = "id"
	}
	id, _ := o[key].(string)
	return id
}

func idsOf(users []fakeUser) []string {
	ids := []string{}
	for _, u := range users {
		ids = append(ids, u.id)
	}
	return ids
}

func TestListerReadsAllPages(t *testing.T) {
	for _, preset := range listPresets() {
		for _, n := range []int{0, 1, 6, 7, 8, 25} {
			p := newFakeProvider(t, preset, fakeUsers(n)...)
			p.clamp = 7
			l, _ := newPausingLister(t, p.source())
			ids, pages := walk(t, l, preset)
			slices.Sort(ids)
			if diff := cmp.Diff(idsOf(p.users), ids, cmp.Transformer("all", func(s []string) string { return strings.Join(s, " ") })); diff != "" {
				t.Errorf("%s, %d users: %s", preset, n, diff)
			}
			total := pages[0].Total
			if preset != "stack-auth" && preset != "workos" && preset != "stytch-b2b" && total != n {
				t.Errorf("%s: %d users in all, not %d", preset, total, n)
			}
		}
	}
}

func TestListerKnowsOneUser(t *testing.T) {
	for _, preset := range listPresets() {
		p := newFakeProvider(t, preset, fakeUsers(12)...)
		p.hidden["u|0011"] = true
		l, _ := newPausingLister(t, p.source())
		for _, id := range []string{"", ".", ".."} { // an address would have another meaning with them
			if _, found, err := l.User(t.Context(), id); err != nil || found || p.asked > 0 {
				t.Errorf("%s, %q: %v, %v", preset, id, found, err)
			}
		}
		for id, want := range map[string]bool{"u|0003": true, "u|0011": true, "u|0012": false, "nobody/../u|0003": false} {
			user, found, err := l.User(t.Context(), id)
			if err != nil || found != want || found && idOf(t, preset, user) != id {
				t.Errorf("%s, %q: %s, %v, %v", preset, id, user, found, err)
			}
		}
	}
}

// A cursor is good for another process.
func TestListerGoesOnAtACursor(t *testing.T) {
	for _, preset := range listPresets() {
		p := newFakeProvider(t, preset, fakeUsers(25)...)
		p.clamp = 4
		l, _ := newPausingLister(t, p.source())
		_, pages := walk(t, l, preset)
		again, _ := newPausingLister(t, p.source())
		for i := range pages[:len(pages)-1] {
			got, err := again.Page(t.Context(), pages[i].Next)
			if err != nil || len(got.Users) != len(pages[i+1].Users) || got.Next != pages[i+1].Next {
				t.Errorf("%s, page %d: %d users, %q, %v", preset, i+2, len(got.Users), got.Next, err)
			}
		}
	}
}

func TestListerSaysWhichKeyToSet(t *testing.T) {
	for _, preset := range listPresets() {
		p := newFakeProvider(t, preset, fakeUsers(3)...)
		wrong, key := p.source(), "api.key_file"
		if wrong.API.Key == "" {
			wrong.API.ClientSecret, key = "wrong-"+fakeSecret, "api.client_secret_file"
		} else {
			wrong.API.Key = "wrong-" + fakeSecret
		}
		l, pauses := newPausingLister(t, wrong)
		_, err := l.Page(t.Context(), "")
		if !errors.Is(err, identity.ErrListKey) || !strings.Contains(err.Error(), key) || strings.Contains(err.Error(), "Sesam") || len(pauses.waited) > 0 {
			t.Errorf("%s: %v", preset, err)
		}
		if _, _, err = l.User(t.Context(), "u|0001"); !errors.Is(err, identity.ErrListKey) {
			t.Errorf("%s: %v", preset, err)
		}
	}
}

func TestListerWaitsAsLongAsItShould(t *testing.T) {
	busy := func(status int, header map[string]string) func(int) *fail {
		return func(n int) *fail {
			if n < 3 {
				return &fail{status: status, header: header, body: fakeSecret}
			}
			return nil
		}
	}
	date := "Sun, 01 Mar 2026 12:00:00 GMT"
	for _, tt := range []struct {
		name   string
		status int
		header map[string]string
		want   []time.Duration
	}{
		{"too many requests, by seconds", 429, map[string]string{"Retry-After": "7"}, []time.Duration{7 * time.Second, 7 * time.Second}},
		{"too many requests, by the server's own clock", 429, map[string]string{"Retry-After": "Sun, 01 Mar 2026 12:00:09 GMT", "Date": date}, []time.Duration{9 * time.Second, 9 * time.Second}},
		{"unavailable for a day", 503, map[string]string{"Retry-After": "86400"}, []time.Duration{5 * time.Minute, 5 * time.Minute}},
		{"unavailable for longer than there are numbers", 503, map[string]string{"Retry-After": "9223372036854775807"}, []time.Duration{5 * time.Minute, 5 * time.Minute}},
		{"unavailable until tomorrow", 503, map[string]string{"Retry-After": "Mon, 02 Mar 2026 12:00:00 GMT", "Date": date}, []time.Duration{5 * time.Minute, 5 * time.Minute}},
		{"until a moment that is over", 503, map[string]string{"Retry-After": "Sun, 01 Mar 2026 11:00:00 GMT", "Date": date}, []time.Duration{time.Second, 2 * time.Second}},
		{"too many requests", 429, nil, []time.Duration{time.Second, 2 * time.Second}},
		{"less than no time", 429, map[string]string{"Retry-After": "-5"}, []time.Duration{time.Second, 2 * time.Second}},
		{"who knows how long", 429, map[string]string{"Retry-After": "soon"}, []time.Duration{time.Second, 2 * time.Second}},
		{"broken", 500, nil, []time.Duration{time.Second, 2 * time.Second}},
		{"broken behind a gateway", 502, nil, []time.Duration{time.Second, 2 * time.Second}},
	} {
		for _, preset := range listPresets() {
			p := newFakeProvider(t, preset, fakeUsers(3)...)
			p.disturb = busy(tt.status, tt.header)
			l, pauses := newPausingLister(t, p.source())
			if page, err := l.Page(t.Context(), ""); err != nil {
				t.Errorf("%s, %s: %d users, %v", tt.name, preset, len(page.Users), err)
			}
			if diff := cmp.Diff(tt.want, pauses.waited); diff != "" {
				t.Errorf("%s, %s: %s", tt.name, preset, diff)
			}
		}
	}
}

func TestListerGivesUpAtLast(t *testing.T) {
	p := newFakeProvider(t, "clerk", fakeUsers(3)...)
	p.disturb = func(int) *fail { return &fail{status: 503, body: fakeSecret} }
	l, pauses := newPausingLister(t, p.source())
	_, err := l.Page(t.Context(), "")
	want := "the list API answered with status 503 Service Unavailable, 6 times in a row: try again later"
	if err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
	if diff := cmp.Diff([]time.Duration{1e9, 2e9, 4e9, 8e9, 16e9}, pauses.waited); diff != "" {
		t.Error(diff)
	}
}

func TestListerEndsWithItsContext(t *testing.T) {
	p := newFakeProvider(t, "clerk", fakeUsers(3)...)
	ctx, cancel := context.WithCancel(t.Context())
	p.disturb = func(int) *fail { cancel(); return &fail{status: 503} }
	l, pauses := newPausingLister(t, p.source())
	if _, err := l.Page(ctx, ""); !errors.Is(err, context.Canceled) || len(pauses.waited) > 1 {
		t.Errorf("%v after %v", err, pauses.waited)
	}
}

func TestListerWaitsNoLongerThanItsContext(t *testing.T) {
	p := newFakeProvider(t, "clerk", fakeUsers(3)...)
	p.disturb = func(int) *fail { return &fail{status: 503, header: map[string]string{"Retry-After": "300"}} }
	l, err := identity.NewLister(p.source())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := l.Page(ctx, ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// A token that ran out is learnt of by a 401, and then one more is got.
func TestListerGetsANewToken(t *testing.T) {
	for _, preset := range []string{"auth0", "keycloak", "logto"} {
		p := newFakeProvider(t, preset, fakeUsers(9)...)
		p.clamp = 3
		l, _ := newPausingLister(t, p.source())
		first, err := l.Page(t.Context(), "")
		if err != nil || p.tokens != 1 {
			t.Fatalf("%s: %d tokens, %v", preset, p.tokens, err)
		}
		p.change(func(p *fakeProvider) { p.tokens = 5 })
		if _, err := l.Page(t.Context(), first.Next); err != nil || p.tokens != 6 {
			t.Errorf("%s: %d tokens, %v", preset, p.tokens, err)
		}
	}
}

func TestListerTakesNoOtherAnswer(t *testing.T) {
	for _, tt := range []struct {
		name string
		fail fail
		want string
	}{
		{"a redirect", fail{status: 302, header: map[string]string{"Location": "https://elsewhere.example/?key=" + fakeSecret}}, `redirects to "https://elsewhere.example", which is not followed: set api.url`},
		{"a 404", fail{status: 404}, "status 404 Not Found: check api.url"},
		{"a 400", fail{status: 400, body: fakeSecret}, "status 400 Bad Request: check api.url"},
		{"a teapot", fail{status: 418}, "status 418 I'm a teapot: check api.url"},
		{"forbidden", fail{status: 403}, "refuses the credentials (status 403): set api.key_file to a secret key of the instance"},
		{"HTML", fail{status: 200, body: "<html>"}, "no list of users where this provider's has it: check api.url"},
		{"an object", fail{status: 200, body: `{"data":[]}`}, "no list of users"},
		{"nothing", fail{status: 200}, "no list of users"},
		{"null", fail{status: 200, body: "null"}, "no list of users"},
		{"a flood", fail{status: 200, body: "[" + strings.Repeat(" ", 8<<20) + "]"}, "more than 8 MiB"},
	} {
		p := newFakeProvider(t, "clerk")
		p.disturb = func(int) *fail { return &tt.fail }
		l, _ := newPausingLister(t, p.source())
		_, err := l.Page(t.Context(), "")
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "Sesam") {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// Rows are deleted by "there is none": what says neither that nor whose it is, is an error.
func TestListerTakesNoOtherAnswerForNobody(t *testing.T) {
	none := map[string]string{"descope": `{"users":[],"total":0}`} // others answer 404
	for _, preset := range append(listPresets(), "generic") {
		for _, answer := range []string{"<html>we are back soon</html>", "", " ", "null", "[]", "{", `{"id":"u|0001"`, `{"id":"u|0001"}<html>`, "42", `"gone"`, "[null]",
			`{"users":null}`, `{"users":{}}`, `{"users":[null]}`, `{"users":[]`, `{"member":null}`, `{"user":null}`, none[preset]} {
			p := newFakeProvider(t, preset, fakeUsers(3)...)
			l := newOneLister(t, p)
			if _, found, err := l.User(t.Context(), "u|0001"); !found || err != nil {
				t.Fatalf("%s: %v, %v", preset, found, err)
			}
			p.change(func(p *fakeProvider) { p.disturb = func(int) *fail { return &fail{status: 200, body: answer} } })
			user, found, err := l.User(t.Context(), "u|0001")
			if isNone := answer != "" && answer == none[preset]; found && !json.Valid(user) || !found && (err == nil) != isNone {
				t.Errorf("%s, %q: %s, %v, %v", preset, answer, user, found, err)
			}
		}
	}
}

// newOneLister is a lister of any make, which the generic list of one user by {"user": …} is one of.
func newOneLister(t *testing.T, p *fakeProvider) identity.Lister {
	t.Helper()
	if p.preset != "generic" {
		l, _ := newPausingLister(t, p.source())
		return l
	}
	list := identity.GenericList{UserURL: p.URL + "/user/{id}", URL: p.URL + "/all", User: identity.Path{"user"}}
	l, err := identity.NewGenericListerPausing(p.source(), list, new(pauses).pause)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A page that doesn't say whether there is a next one is none that a list ends with.
func TestListerTakesNoPageForTheLastByMistake(t *testing.T) {
	for _, tt := range []struct{ name, preset, answer string }{
		{"a cursor that is none", "workos", `{"data":[],"list_metadata":{"after":{}}}`},
		{"a page cut off behind its users", "workos", `{"data":[{"id":"a"}],"list_metadata":`},
		{"organizations cut off", "stytch-b2b", `{"organizations":[]`},
		{"an organization without an ID", "stytch-b2b", `{"organizations":[{}],"members":[]}`},
		{"organizations with a cursor that is none", "stytch-b2b", `{"organizations":[],"results_metadata":{"next_cursor":[]}}`},
		{"members with a cursor that is none", "stytch-b2b", `{"organizations":[{"organization_id":"o"}],"members":[],"results_metadata":{"next_cursor":true}}`},
	} {
		p := newFakeProvider(t, tt.preset)
		p.disturb = func(int) *fail { return &fail{status: 200, body: tt.answer} }
		l, _ := newPausingLister(t, p.source())
		if page, err := l.Page(t.Context(), ""); err == nil {
			t.Errorf("%s: %+v", tt.name, page)
		}
	}
	p := newFakeProvider(t, "stytch-b2b")
	p.disturb = func(int) *fail {
		return &fail{status: 200, body: `{"organizations":[],"results_metadata":{"next_cursor":"c"}}`}
	}
	l, _ := newPausingLister(t, p.source())
	if page, err := l.Page(t.Context(), ""); err != nil || page.Next != `{"n":"c"}` {
		t.Errorf("a page without organizations has a next one, %q, %v", page.Next, err)
	}
}

func TestListerSeesAPageThatIsItsOwnNext(t *testing.T) {
	p := newFakeProvider(t, "workos")
	p.disturb = func(int) *fail { return &fail{status: 200, body: `{"data":[],"list_metadata":{"after":"x"}}`} }
	l, _ := newPausingLister(t, p.source())
	if _, err := l.Page(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), "its own next") {
		t.Error(err)
	}
}

// Whoever listens on this machine is not asked unless it is allowed by the name that the address has.
func TestListerDialsNoPrivateAddress(t *testing.T) {
	var asked bool
	s := tlsServer(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "localhost", "LOCALHOST", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0", "[::]", "10.0.0.1",
		"169.254.169.254", "192.168.1.1", "100.100.100.200", "172.16.0.1", "192.0.0.1", "198.18.0.1", "240.0.0.1", "[fe80::1]",
		"[fd00:ec2::254]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[2001:db8::1]"} {
		l, pauses := newPausingLister(t, identity.SourceConfig{Name: "acme", Preset: "clerk",
			API: identity.APIConfig{URL: "https://" + host + ":" + port, Key: fakeSecret, AllowPrivate: []string{"keycloak", "127.0.0.2", "127.0.0.1:1"}}})
		_, err := l.Page(t.Context(), "")
		if err == nil || !strings.Contains(err.Error(), "no public address: name the host in allow_private") || len(pauses.waited) > 0 {
			t.Errorf("%s: %v", host, err)
		}
	}
	if asked {
		t.Error("it was asked")
	}
}

func TestNewListerSaysWhatToSet(t *testing.T) {
	for _, tt := range []struct {
		name, preset string
		api          identity.APIConfig
		noList       bool
		want         string
	}{
		{"nothing", "clerk", identity.APIConfig{}, true, "source acme: no list API: to have one, set api.key_file to a secret key of the instance"},
		{"tokens alone", "tokens", identity.APIConfig{Key: "x"}, true, "source acme: no list API"},
		{"half", "auth0", identity.APIConfig{URL: "https://acme.eu.auth0.com", ClientID: "x"}, false, "the list API needs api.client_secret_file, too: set api.url"},
		{"no realm", "keycloak", identity.APIConfig{URL: "https://sso.example", ClientID: "x", ClientSecret: "y"}, false, "the list API needs api.realm, too"},
		{"no URL", "supabase", identity.APIConfig{Key: "x"}, false, "the list API needs api.url, too"},
		{"plain http", "clerk", identity.APIConfig{Key: "x", URL: "http://api.example"}, false, "api.url is not https, so anybody on the way could read the key: name api.example in allow_private"},
		{"a password in the URL", "clerk", identity.APIConfig{Key: "x", URL: "https://a:Sesam@api.example"}, false, "api.url has a user or a password"},
		{"no scheme", "clerk", identity.APIConfig{Key: "x", URL: "api.example"}, false, "api.url is no URL"},
		{"a fragment", "clerk", identity.APIConfig{Key: "x", URL: "https://api.example/#x"}, false, "api.url has a # in it"},
		{"a query", "clerk", identity.APIConfig{Key: "x", URL: "https://api.example/?x=1"}, false, "api.url has a ? in it"},
		{"a URL that is allowed", "clerk", identity.APIConfig{Key: "x", AllowPrivate: []string{"http://api.example"}}, false, "api.allow_private has"},
	} {
		_, err := identity.NewLister(identity.SourceConfig{Name: "acme", Preset: tt.preset, API: tt.api})
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "Sesam") || errors.Is(err, identity.ErrNoList) != tt.noList {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// Auth0's search ends after 1,000 users, and users may be made at the same moment.
func TestAuth0ListHasMoreThanAThousandUsers(t *testing.T) {
	for _, tt := range []struct {
		name      string
		from, to  int // users made at the same moment
		isRefused bool
	}{
		{"half a thousand in the middle", 400, 900, false},
		{"nearly a thousand at the end", 1400, 2350, false},
		{"more than a thousand", 400, 1500, true},
	} {
		users := fakeUsers(2350)
		for i := tt.from; i < tt.to; i++ {
			users[i].created = users[tt.from].created
		}
		p := newFakeProvider(t, "auth0", users...)
		l, _ := newPausingLister(t, p.source())
		read, err := 0, error(nil)
		for cursor, page := "", (identity.Page{Next: "first"}); err == nil && page.Next != ""; cursor = page.Next {
			page, err = l.Page(t.Context(), cursor)
			read += len(page.Users)
		}
		if refused := err != nil && strings.Contains(err.Error(), "more than 1,000 users have the same created_at"); refused != tt.isRefused || !refused && (err != nil || read < len(users)) {
			t.Errorf("%s: %d users, %v", tt.name, read, err)
		}
	}
}

// Whatever an API answers, a lister gives objects or an error, and the error has nothing of the key.
func FuzzLister(f *testing.F) {
	for _, seed := range []string{`[{"id":"a"}]`, `{"items":[{"id":"a"}],"pagination":{"next_cursor":"b"}}`, `{"results":[],"results_metadata":{"total":-1,"next_cursor":7}}`,
		`{"users":[{"created_at":"2026-03-01T12:00:00.000Z"}],"total":"9"}`, `{"organizations":[{"organization_id":"o"}],"members":[null]}`, `{"access_token":"x\r\ny"}`, `12`, `nil`, `{"users":[]}`, `{"users":null}`, "<html>"} {
		f.Add([]byte(seed), "")
		f.Add([]byte(seed), `{"o":["a"],"n":"b"}`)
	}
	f.Fuzz(func(t *testing.T, answer []byte, cursor string) {
		for _, preset := range listPresets() {
			p := &fakeProvider{Server: &httptest.Server{URL: "http://127.0.0.1"}, preset: preset}
			l, err := identity.NewListerOver(p.source(), said(answer))
			if err != nil {
				t.Fatal(err)
			}
			page, err := l.Page(t.Context(), cursor)
			if err != nil && strings.Contains(err.Error(), "Sesam") || page.Next != "" && page.Next == cursor || page.Total < 0 {
				t.Errorf("%s: %+v, %v", preset, page, err)
			}
			user, found, err := l.User(t.Context(), "a")
			var object map[string]any
			if isUser := json.Unmarshal(user, &object) == nil && object != nil; found != isUser || found && err != nil {
				t.Errorf("%s: %s, %v, %v", preset, user, found, err)
			}
			if !found && err == nil && (preset != "descope" || !saysNobody(answer)) { // nothing here is a 404
				t.Errorf("%s takes %q for nobody", preset, answer)
			}
		}
	})
}

// saysNobody is how Descope says that it has no such user.
func saysNobody(answer []byte) bool {
	var said map[string]json.RawMessage
	var users []json.RawMessage
	return json.Unmarshal(answer, &said) == nil && json.Unmarshal(said["users"], &users) == nil && users != nil && len(users) == 0
}

// said is a transport over which everything has the same answer.
type said []byte

func (s said) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(s))}, nil
}
