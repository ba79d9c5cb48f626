package identity_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"rowpass/identity"
)

const fakeSecret = "sk_live_Sesam/oeffne=dich"

// fakeProvider is a list API of one make, as that provider answers.
type fakeProvider struct {
	*httptest.Server
	preset string

	mu      sync.Mutex
	users   []fakeUser
	clamp   int               // the most users on a page, whatever is asked for; 0: as many as are asked for
	disturb func(n int) *fail // what is wrong with the n-th request, from 1 on; nil: nothing
	asked   int
	last    string // the path that was asked for
	tokens  int    // that were given; the last is good
	hidden  map[string]bool
}

// fakeUser is in no page if it is hidden in its provider; its own address has it all the same.
type fakeUser struct {
	id      string
	name    string
	created time.Time
	updated time.Time // zero: as created
}

// fail is an answer that is no page.
type fail struct {
	status int
	header map[string]string
	body   string
}

func newFakeProvider(t *testing.T, preset string, users ...fakeUser) *fakeProvider {
	t.Helper()
	p := &fakeProvider{preset: preset, users: users, hidden: map[string]bool{}}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

// source is a configuration that reads p.
func (p *fakeProvider) source() identity.SourceConfig {
	api := identity.APIConfig{URL: p.URL, Key: fakeSecret, AllowPrivate: []string{"127.0.0.1"}}
	switch p.preset {
	case "auth0", "logto":
		api.ClientID, api.ClientSecret, api.Key = "client", fakeSecret, ""
	case "keycloak":
		api.ClientID, api.ClientSecret, api.Realm, api.Key = "client", fakeSecret, "my realm", ""
	case "stack-auth", "stytch", "stytch-b2b", "descope":
		api.ProjectID = "project"
	}
	return identity.SourceConfig{Name: "acme", Preset: p.preset, API: api}
}

// change does something to the users while nobody reads them.
func (p *fakeProvider) change(f func(p *fakeProvider)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p)
}

func (p *fakeProvider) remove(id string) {
	p.users = slices.DeleteFunc(p.users, func(u fakeUser) bool { return u.id == id })
}

func (p *fakeProvider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	p.last = r.URL.Path
	if p.disturb != nil {
		if f := p.disturb(p.asked); f != nil {
			for name, value := range f.header {
				w.Header().Set(name, value)
			}
			w.WriteHeader(f.status)
			_, _ = w.Write([]byte(f.body))
			return
		}
	}
	if strings.HasSuffix(r.URL.Path, "/token") {
		p.token(w, r)
		return
	}
	if !p.knows(r) {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error":"`+fakeSecret+`"}`)
		return
	}
	answer := fakeAnswers()[p.preset](p, w, r)
	if answer == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (p *fakeProvider) token(w http.ResponseWriter, r *http.Request) {
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.FormValue("client_id"), r.FormValue("client_secret")
	}
	paths := map[string]string{"auth0": "/oauth/token", "logto": "/oidc/token", "keycloak": "/realms/my realm/protocol/openid-connect/token"}
	audience := map[string]string{"auth0": p.URL + "/api/v2/", "logto": "https://default.logto.app/api"}[p.preset]
	unescaped := strings.NewReplacer("%2F", "/", "%3D", "=").Replace(secret)
	switch {
	case r.Method != http.MethodPost || r.URL.Path != paths[p.preset] || basic != (p.preset == "logto"),
		r.FormValue("grant_type") != "client_credentials" || r.FormValue("audience")+r.FormValue("resource") != audience:
		w.WriteHeader(http.StatusNotFound)
	case id != "client" || unescaped != fakeSecret:
		w.WriteHeader(map[string]int{"auth0": 403, "logto": 400, "keycloak": 401}[p.preset])
	default:
		p.tokens++
		fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"Bearer","expires_in":60}`, p.tokens)
	}
}

func (p *fakeProvider) knows(r *http.Request) bool {
	bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch p.preset {
	case "auth0", "logto", "keycloak":
		return p.tokens > 0 && bearer == fmt.Sprintf("token-%d", p.tokens)
	case "stack-auth":
		return r.Header.Get("X-Stack-Secret-Server-Key") == fakeSecret && r.Header.Get("X-Stack-Project-Id") == "project" && r.Header.Get("X-Stack-Access-Type") == "server"
	case "stytch", "stytch-b2b":
		id, secret, _ := r.BasicAuth()
		return id == "project" && secret == fakeSecret
	case "descope":
		return bearer == "project:"+fakeSecret
	case "supabase":
		return bearer == fakeSecret && r.Header.Get("apikey") == fakeSecret
	}
	return bearer == fakeSecret
}

func (p *fakeProvider) listed() []fakeUser {
	return slices.DeleteFunc(slices.Clone(p.users), func(u fakeUser) bool { return p.hidden[u.id] })
}

// slice is a part of the users in their provider's form.
func (p *fakeProvider) slice(users []fakeUser, from, most int) []any {
	if p.clamp > 0 {
		most = min(most, p.clamp)
	}
	from = min(from, len(users))
	return p.objects(users[from:min(from+most, len(users))])
}

func (p *fakeProvider) objects(users []fakeUser) []any {
	objects := []any{}
	for _, u := range users {
		objects = append(objects, u.object(p.preset))
	}
	return objects
}

// one is the user at the end of a path, if the path begins with before.
func (p *fakeProvider) one(r *http.Request, before string) any {
	id, ok := strings.CutPrefix(r.URL.Path, before)
	if i := slices.IndexFunc(p.users, func(u fakeUser) bool { return ok && u.id == id }); i >= 0 {
		return p.users[i].object(p.preset)
	}
	return nil
}

// pageSize is what a numbered page has.
func (p *fakeProvider) pageSize(text string) int {
	n, _ := strconv.Atoi(text)
	if p.clamp > 0 {
		return min(n, p.clamp)
	}
	return n
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return n
}

func (u fakeUser) object(preset string) any {
	if u.updated.IsZero() {
		u.updated = u.created
	}
	type m = map[string]any
	iso, millis := func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }, time.Time.UnixMilli
	mail := strings.ToLower(u.name) + "@acme.example"
	switch preset {
	case "clerk":
		return m{"id": u.id, "object": "user", "first_name": u.name, "last_name": nil, "primary_email_address_id": "idn_1",
			"email_addresses": []m{{"id": "idn_1", "email_address": mail}}, "created_at": millis(u.created), "updated_at": millis(u.updated)}
	case "stack-auth":
		return m{"id": u.id, "display_name": u.name, "primary_email": mail, "signed_up_at_millis": millis(u.created)}
	case "stytch":
		return m{"user_id": u.id, "name": m{"first_name": u.name}, "emails": []m{{"email": mail}}, "created_at": iso(u.created), "status": "active"}
	case "stytch-b2b":
		return m{"member_id": u.id, "organization_id": "org-" + u.id[len(u.id)-1:], "name": u.name, "email_address": mail, "status": "active",
			"created_at": iso(u.created), "updated_at": iso(u.updated)}
	case "auth0":
		return m{"user_id": u.id, "name": u.name, "email": mail, "created_at": iso(u.created), "updated_at": iso(u.updated)}
	case "workos":
		return m{"object": "user", "id": u.id, "first_name": u.name, "last_name": nil, "email": mail, "created_at": iso(u.created), "updated_at": iso(u.updated)}
	case "supabase":
		return m{"id": u.id, "aud": "authenticated", "email": mail, "user_metadata": m{"full_name": u.name}, "created_at": iso(u.created), "updated_at": iso(u.updated)}
	case "keycloak":
		return m{"id": u.id, "username": mail, "firstName": u.name, "email": mail, "createdTimestamp": millis(u.created)}
	case "descope":
		return m{"userId": u.id, "loginIds": []string{mail}, "name": u.name, "email": mail, "createdTime": u.created.Unix()}
	case "logto":
		return m{"id": u.id, "name": u.name, "primaryEmail": mail, "createdAt": millis(u.created), "updatedAt": millis(u.updated)}
	}
	return m{"id": u.id, "name": u.name, "email": mail, "created_at": iso(u.created), "updated_at": iso(u.updated)}
}

// tlsServer is p at an address that isn't allowed by name.
func tlsServer(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}
