package api_test

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rowpass/api"
	"rowpass/db/dbtest"
	"rowpass/identity"
)

const webhookKey = "a key of thirty-two bytes, or so"

// profileServer keeps the profiles of the provider idp, and reads its events.
type profileServer struct {
	*server
	store *identity.Store
	idp   *idp
}

// newProfileServer takes the tokens of the provider idp, and events of its source; visitors is another one, whose users are anonymous.
func newProfileServer(t *testing.T, o options) *profileServer {
	t.Helper()
	if o.database == nil {
		d := dbtest.New(t)
		o.database = &d
	}
	p := &profileServer{idp: newIDP(t, time.Now)}
	keySet, more := p.idp.remote(), o.config
	o.config = func(c *api.Config) {
		taking(t, time.Now, p.idp.provider("idp", "authenticated", keySet), p.idp.provider("visitors", "anonymous", keySet))(c)
		c.Profiles = p.open(t, c, *o.database)
		if more != nil {
			more(c)
		}
	}
	p.server = newServer(t, o)
	return p
}

func (p *profileServer) open(t *testing.T, c *api.Config, d dbtest.Database) *api.ProfilesConfig {
	t.Helper()
	source := must(identity.NewSource(identity.SourceConfig{
		Name: "idp", Preset: "clerk", Prefix: "idp|", Secrets: []string{"whsec_" + base64.StdEncoding.EncodeToString([]byte(webhookKey))},
	}))(t)
	p.store = must(identity.OpenStore(t.Context(), identity.StoreConfig{
		URL: d.ServiceURL, QueryExecMode: "cache_statement", Timeout: 5 * time.Second, Sources: []*identity.Source{source}, Now: time.Now, Log: c.Log,
	}))(t)
	t.Cleanup(p.store.Close)
	return &api.ProfilesConfig{
		Store: p.store, Sources: map[string]*identity.Source{"idp": source},
		OfProvider: map[string]*identity.Source{"idp": source, "visitors": source},
	}
}

// read has the store read what was kept, until nothing waits any more.
func (p *profileServer) read(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { p.store.Run(ctx) })
	defer running.Wait()
	defer cancel()
	for deadline := time.Now().Add(30 * time.Second); must(p.store.Status(t.Context()))(t)[0].Pending > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("events still wait")
		}
	}
}

// event is one as Standard Webhooks signs it, at a time.
func event(id, body string, at time.Time) request {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(webhookKey))
	mac.Write([]byte(id + "." + stamp + "." + body))
	return request{"POST", "/webhooks/idp", "", body, map[string]string{
		"webhook-id": id, "webhook-timestamp": stamp, "webhook-signature": "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)),
	}}
}

func with(r request, change func(*request)) request {
	change(&r)
	return r
}

// user is an event that says what a user is now.
func user(id, name, email string) string {
	return fmt.Sprintf(`{"type":"user.updated","timestamp":%d,"data":{"id":%q,"first_name":%q,"primary_email_address_id":"e","email_addresses":[{"id":"e","email_address":%q}]}}`,
		time.Now().UnixMilli(), id, name, email)
}

// texts of a query's first column, asked as the database's owner with the rights of a superuser.
func (p *profileServer) query(t *testing.T, query string) []string {
	t.Helper()
	rows := must(dbtest.Connect(t, p.database.SuperuserURL).Query(t.Context(), query))(t)
	defer rows.Close()
	all := []string{}
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		all = append(all, text)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestOnlyWhatTheProviderSignedIsKept sends one event after the other and looks what is in the inbox.
func TestOnlyWhatTheProviderSignedIsKept(t *testing.T) {
	t.Parallel()
	s := newProfileServer(t, options{})
	now := time.Now()
	body := user("u7", "Ada", "ada@acme.example")
	padded := func(bytes int) string { return body + strings.Repeat(" ", bytes-len(body)) }
	header := func(name, value string) func(*request) {
		return func(r *request) { r.headers[name] = value }
	}
	for _, tt := range []struct {
		name    string
		request request
		status  int
		says    string
		kept    []string
	}{
		{"one that was signed", event("a", body, now), 200, "{}\n", []string{"a"}},
		{"the same again", event("a", body, now.Add(time.Minute)), 200, "{}\n", []string{"a"}},
		{"with another type of content", with(event("b", body, now), header("Content-Type", "text/plain")), 200, "{}\n", []string{"a", "b"}},
		{"one with a byte changed", with(event("c", body, now), func(r *request) { r.body = strings.Replace(body, "Ada", "Eve", 1) }), 403, "by none of this source's secrets", []string{"a", "b"}},
		{"with another's ID", with(event("c", body, now), header("webhook-id", "d")), 403, `"code":"invalid_event"`, []string{"a", "b"}},
		{"of an hour ago", event("c", body, now.Add(-time.Hour)), 403, "too far from now", []string{"a", "b"}},
		{"of the future", event("c", body, now.Add(time.Hour)), 403, "too far from now", []string{"a", "b"}},
		{"one without a signature", with(event("c", body, now), header("webhook-signature", "")), 403, "has no signature", []string{"a", "b"}},
		{"to nobody's address", with(event("c", body, now), func(r *request) { r.path = "/webhooks/clerk" }), 404, `"code":"no_route"`, []string{"a", "b"}},
		{"to no address", with(event("c", body, now), func(r *request) { r.path = "/webhooks/" }), 404, `"code":"no_route"`, []string{"a", "b"}},
		{"by GET", with(event("c", "", now), func(r *request) { r.method = "GET" }), 405, `"code":"method_not_allowed"`, []string{"a", "b"}},
		{"with a byte more than a megabyte", event("c", padded(1<<20+1), now), 413, "a body may have 1048576 bytes", []string{"a", "b"}},
		{"with a megabyte", event("e", padded(1<<20), now), 200, "{}\n", []string{"a", "b", "e"}},
		{"what nobody understands", event("f", `{"type":"user.created"}`, now), 200, "{}\n", []string{"a", "b", "e", "f"}},
		{"what is no JSON", event("g", `no`, now), 200, "{}\n", []string{"a", "b", "e", "f", "g"}},
		{"an array of too many", event("h", "["+strings.Repeat(body+",", 100)+body+"]", now), 413, "an array may have 100 events; let the provider send fewer at once", []string{"a", "b", "e", "f", "g"}},
		{"an array of none", event("h", " [ ]", now), 200, "{}\n", []string{"a", "b", "e", "f", "g"}},
		{"several in one", event("h", `[`+body+`,`+body+`]`, now), 200, "{}\n", []string{"a", "b", "e", "f", "g", "h#0", "h#1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.do(tt.request).check(t, tt.status, []string{tt.says}, nil)
			if diff := cmp.Diff(tt.kept, s.query(t, "select event_id from rowpass.inbox order by event_id")); diff != "" {
				t.Errorf("kept (-want +got):\n%s", diff)
			}
		})
	}
	s.read(t)
	if diff := cmp.Diff([]string{`idp|u7 Ada ada@acme.example`}, s.query(t, "select concat_ws(' ', id, name, email) from neon_identity.users_sync")); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"f", "g"}, s.query(t, "select event_id from rowpass.inbox where state = 'dead' order by 1")); diff != "" {
		t.Errorf("dead (-want +got):\n%s", diff)
	}
}

// TestWhatCameBeforeIsCounted in the log, not listed.
func TestWhatCameBeforeIsCounted(t *testing.T) {
	t.Parallel()
	s := newProfileServer(t, options{})
	many := "[" + strings.Repeat("0,", 99) + "0]"
	for range 2 {
		s.do(event("many", many, time.Now())).check(t, 200, nil, nil)
	}
	if kept := s.query(t, "select concat(count(*), ' in ', count(distinct xmin::text)) from rowpass.inbox"); kept[0] != "100 in 1" {
		t.Errorf("events and transactions: %v", kept)
	}
	if log := s.log.String(); strings.Count(log, `"duplicates":"100"`) != 1 || strings.Contains(log, "many#") {
		t.Errorf("the log says\n%s", log)
	}
}

// TestABodyIsNotReadWithoutASignature: it is never sent, and the answer comes all the same.
func TestABodyIsNotReadWithoutASignature(t *testing.T) {
	t.Parallel()
	s := newProfileServer(t, options{})
	signed := event("a", "{}", time.Now())
	for _, tt := range []struct {
		name, drop, set string
		status          int // 0: none comes before the body
	}{
		{"no signature", "webhook-signature", "", 403},
		{"no ID", "webhook-id", "", 403},
		{"a timestamp of an hour ago", "webhook-timestamp", strconv.FormatInt(time.Now().Add(-time.Hour).Unix(), 10), 403},
		{"all that can be seen without the body", "", "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conn := must(net.Dial("tcp", s.Listener.Addr().String()))(t)
			defer func() { _ = conn.Close() }()
			head := "POST /webhooks/idp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
			for name, value := range signed.headers {
				if name == tt.drop {
					value = tt.set
				}
				head += name + ": " + value + "\r\n"
			}
			must(io.WriteString(conn, head+"\r\n"))(t)
			wait := 30 * time.Second
			if tt.status == 0 {
				wait = 200 * time.Millisecond
			}
			if err := conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(conn).ReadString('\n')
			if tt.status == 0 {
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("answered with %q, %v", line, err)
				}
				return
			}
			if !strings.HasPrefix(line, fmt.Sprint("HTTP/1.1 ", tt.status)) {
				t.Errorf("answered with %q, %v", line, err)
			}
		})
	}
}

// TestForgedEventsAreCounted for the address that they come from, and a genuine one is taken even then.
func TestForgedEventsAreCounted(t *testing.T) {
	t.Parallel()
	s := newProfileServer(t, options{config: limited(api.Limits{LoginPerAddress: 2}, newClock())})
	genuine := event("a", user("u7", "Ada", "ada@acme.example"), time.Now())
	forged := with(genuine, func(r *request) { r.body += " " })
	unsigned := with(genuine, func(r *request) { r.headers = map[string]string{} })
	for i, tt := range []struct {
		request request
		status  int
	}{{genuine, 200}, {forged, 403}, {unsigned, 403}, {forged, 429}, {unsigned, 429}, {genuine, 200}} {
		if a := s.do(tt.request); a.status != tt.status {
			t.Errorf("request %d: %d, want %d: %s", i, a.status, tt.status, a.body)
		}
	}
}

// without makes the store another one, by what StoreConfig has.
func without(t *testing.T, change func(*identity.StoreConfig)) func(*api.Config) {
	return func(c *api.Config) {
		config := identity.StoreConfig{QueryExecMode: "cache_statement", Timeout: 5 * time.Second, Sources: []*identity.Source{c.Profiles.Sources["idp"]}, Now: time.Now, Log: c.Log}
		change(&config)
		c.Profiles.Store = must(identity.OpenStore(t.Context(), config))(t)
		t.Cleanup(c.Profiles.Store.Close)
	}
}

// noDatabase is where nobody listens.
func noDatabase(c *identity.StoreConfig) {
	c.URL = "postgres://nobody@127.0.0.1:1/none?connect_timeout=1"
}

// TestAnEventThatCannotBeKeptIsSentAgain, since a provider that got no 2xx comes back.
func TestAnEventThatCannotBeKeptIsSentAgain(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	for _, tt := range []struct {
		name   string
		change func(*identity.StoreConfig)
		says   string
	}{
		{"without a database", noDatabase, `"code":"unavailable"`},
		{"where too many wait", func(c *identity.StoreConfig) { c.URL, c.MaxPending = d.ServiceURL, 1 }, `"code":"busy"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newProfileServer(t, options{database: &d, config: without(t, tt.change)})
			first, second := event("a", user("u7", "Ada", "ada@acme.example"), time.Now()), event("b", user("u8", "Grace", "grace@acme.example"), time.Now())
			s.do(first)
			a := s.do(second)
			a.check(t, 503, []string{tt.says}, []string{"127.0.0.1", "nobody"})
			if after := a.header.Get("Retry-After"); after != "1" {
				t.Errorf("Retry-After is %q", after)
			}
		})
	}
}

// TestATokenMakesAProfileForItsFirstQuery, which then joins it, on every way in.
func TestATokenMakesAProfileForItsFirstQuery(t *testing.T) {
	t.Parallel()
	s := newProfileServer(t, options{sql: true, sqlConfig: withAnonymous})
	of := func(sub, tenant string) string {
		return s.idp.token(map[string]any{"sub": sub, "org": tenant, "name": "Name of " + sub, "email": sub + "@idp.example", "phone_number": "+44 1"})
	}
	ask := func(token, query string) answer {
		r := s.sql(quote(query))
		r.token = token
		return s.do(r)
	}
	ask(of("u7", acme), "select id, name, email from neon_identity.users_sync").check(t, 200, []string{`"rows":[["idp|u7","Name of u7","u7@idp.example"]]`}, nil)
	ask(of("u8", acme), "select id from neon_identity.profiles order by id").check(t, 200, []string{`"rows":[["idp|u7"],["idp|u8"]]`}, nil)
	ask(of("v1", globex), "select id from neon_identity.profiles").check(t, 200, []string{`"rows":[["idp|v1"]]`}, nil)
	ask(of("u7", acme), "select raw_json from neon_identity.users_sync").check(t, 400, []string{`"code":"42501"`}, nil)
	s.do(request{path: "/api/users", token: of("u9", acme)}).check(t, 200, []string{"acme.example"}, nil)
	s.do(request{path: "/api/users", token: s.token(acmeMember, acme)}).check(t, 200, []string{"acme.example"}, nil)
	visitor := s.idp.token(map[string]any{"iss": "https://visitors.example", "sub": "stranger"})
	s.do(request{path: "/api/tenants", token: visitor}).check(t, 200, nil, nil)

	want := []string{"idp|u7 t", "idp|u8 t", "idp|u9 t", "idp|v1 t"}
	if diff := cmp.Diff(want, s.query(t, "select concat_ws(' ', id, provisional) from rowpass.profiles order by id")); diff != "" {
		t.Errorf("profiles (-want +got):\n%s", diff)
	}
	if found := s.query(t, "select raw_json::text from neon_identity.users_sync where raw_json::text like '%+44 1%'"); len(found) > 0 {
		t.Errorf("more than name and address is kept of a token: %s", found)
	}
}

// TestAnEventReplacesWhatATokenSaid, and no later token replaces what an event said.
func TestAnEventReplacesWhatATokenSaid(t *testing.T) {
	t.Parallel()
	s := newProfileServer(t, options{sql: true})
	profile := func(claims map[string]any) answer {
		r := s.sql(quote("select name, email from neon_identity.profiles where id = auth.user_id()"))
		r.token = s.idp.token(claims)
		return s.do(r)
	}
	profile(map[string]any{"name": "Ada of the token"}).check(t, 200, []string{`"rows":[["Ada of the token",null]]`}, nil)
	s.do(event("a", user("u7", "Ada", "ada@acme.example"), time.Now())).check(t, 200, nil, nil)
	s.read(t)
	profile(map[string]any{"name": "Eve", "jti": "later"}).check(t, 200, []string{`"rows":[["Ada","ada@acme.example"]]`}, nil)
	gone := fmt.Sprintf(`{"type":"user.deleted","timestamp":%d,"data":{"id":"u7","deleted":true}}`, time.Now().Add(time.Second).UnixMilli())
	s.do(event("b", gone, time.Now())).check(t, 200, nil, nil)
	s.read(t)
	profile(map[string]any{"name": "Eve", "jti": "last"}).check(t, 200, []string{`"rows":[]`}, nil)
}

// TestARequestGoesOnWithoutItsProfile where that cannot be kept.
func TestARequestGoesOnWithoutItsProfile(t *testing.T) {
	t.Parallel()
	s := newProfileServer(t, options{config: without(t, noDatabase)})
	s.do(request{path: "/api/tenants", token: s.idp.token(map[string]any{"name": "Ada Lovelace", "email": "ada@acme.example"})}).
		check(t, 200, []string{`"name":"Acme"`}, nil)
	if log := s.log.String(); !strings.Contains(log, "the profile of a user could not be noted from its token") || strings.Contains(log, "ada") || strings.Contains(log, "Ada") {
		t.Errorf("the log says\n%s", log)
	}
}

// TestProfilesStayOutOfTheLog sends what is good, what is poison and what is forged, each with something personal in it.
func TestProfilesStayOutOfTheLog(t *testing.T) {
	t.Parallel()
	s := newProfileServer(t, options{})
	now := time.Now()
	words := []string{"Lovelace", "lovelace@acme.example", "+44 20 7946", "Mayfair"}
	personal := strings.Join(words, " ")
	good := user("u7", personal, words[1])
	for i, body := range []string{
		good, `{"type":"user.updated","data":{"id":{"name":"` + personal + `"}}}`, `{"type":"` + personal + `","data":{}}`, `{"type":"user.updated","data":"` + personal,
		strings.Replace(good, `"u7"`, `"u8","created_at":"`+personal+`"`, 1), user("u9\x00", personal, words[1]), personal,
	} {
		s.do(event(strconv.Itoa(i), body, now)).check(t, 200, nil, nil)
	}
	s.do(with(event("forged", good, now), func(r *request) { r.body += " " })).check(t, 403, nil, words)
	s.do(with(event("lost", good, now), func(r *request) { r.path = "/webhooks/clerk" })).check(t, 404, nil, words)
	s.do(request{path: "/api/tenants", token: s.idp.token(map[string]any{"sub": "u10", "name": personal, "email": words[1], "address": words[3]})}).check(t, http.StatusOK, nil, nil)
	s.read(t)
	dead := must(s.store.Dead(t.Context(), ""))(t)
	if len(dead) != 4 {
		t.Errorf("%d dead events, want 4: %v", len(dead), dead)
	}
	log := s.log.String() + fmt.Sprint(dead)
	for _, word := range words {
		if strings.Contains(log, word) {
			t.Errorf("%q is in the log:\n%s", word, log)
		}
	}
	if !strings.Contains(log, `"source":"idp"`) || !strings.Contains(log, "an event could not be read") {
		t.Errorf("the log says nothing of events:\n%s", log)
	}
}
