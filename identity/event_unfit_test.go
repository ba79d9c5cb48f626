package identity_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rowpass/db/dbtest"
	"rowpass/identity"
)

// Users write much of their profiles. What no column can hold is left out, and the rest is taken.
func TestWhatIsUnfitIsLeftOut(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"a":`, 64) + "1" + strings.Repeat("}", 64)
	signedUp := time.UnixMilli(1_700_000_000_000)
	for _, c := range []struct {
		name, member string // of an object with a name, an e-mail and a time of sign-up
		want         identity.Profile
		whole        bool // raw_json has the provider's object
	}{
		{"nothing", `"x":1`, identity.Profile{Name: "Ada", Email: "ada@example.com", SignedUp: signedUp}, true},
		{"a name that is a number", `"display_name":7`, identity.Profile{Email: "ada@example.com", SignedUp: signedUp}, true},
		{"a name that is too long", `"display_name":"` + strings.Repeat("x", 1025) + `"`, identity.Profile{Email: "ada@example.com", SignedUp: signedUp}, true},
		{"a NUL in the name", `"display_name":"a\u0000"`, identity.Profile{Email: "ada@example.com", SignedUp: signedUp}, true},
		{"an e-mail that is too long", `"primary_email":"` + strings.Repeat("x", 1025) + `"`, identity.Profile{Name: "Ada", SignedUp: signedUp}, true},
		{"an e-mail that is an array", `"primary_email":["a"]`, identity.Profile{Name: "Ada", SignedUp: signedUp}, true},
		{"a sign-up that is no time", `"signed_up_at_millis":"yesterday"`, identity.Profile{Name: "Ada", Email: "ada@example.com"}, true},
		{"a sign-up in year 10000", `"signed_up_at_millis":253402300800000`, identity.Profile{Name: "Ada", Email: "ada@example.com"}, true},
		{"a sign-up before year 1", `"signed_up_at_millis":-62135596800001`, identity.Profile{Name: "Ada", Email: "ada@example.com"}, true},
		{"a sign-up without end", `"signed_up_at_millis":1e999`, identity.Profile{Name: "Ada", Email: "ada@example.com"}, true},
		{"a NUL anywhere", `"client_metadata":{"a":["\u0000"]}`, identity.Profile{Name: "Ada", Email: "ada@example.com", SignedUp: signedUp}, false},
		{"a NUL in a member's name", `"client_metadata":{"\u0000":1}`, identity.Profile{Name: "Ada", Email: "ada@example.com", SignedUp: signedUp}, false},
		{"a number that no numeric holds", `"client_metadata":1e2000`, identity.Profile{Name: "Ada", Email: "ada@example.com", SignedUp: signedUp}, false},
		{"a depth that nothing needs", `"client_metadata":` + deep, identity.Profile{Name: "Ada", Email: "ada@example.com", SignedUp: signedUp}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			object := `{"id":"u","display_name":"Ada","primary_email":"ada@example.com","signed_up_at_millis":1700000000000,` + c.member + `}`
			e, err := configured(t, "stack-auth").Read([]byte(`{"type":"user.updated","data":`+object+`}`), received)
			if err != nil || e.Kind != identity.Upsert || e.Subject != "u" {
				t.Fatalf("got %v %q, %v", e.Kind, e.Subject, err)
			}
			p := e.Profile
			if p.Name != c.want.Name || p.Email != c.want.Email || !p.SignedUp.Equal(c.want.SignedUp) {
				t.Errorf("got %q, %q, %v", p.Name, p.Email, p.SignedUp)
			}
			row := decoded(t, string(p.Raw)).(map[string]any)
			if _, left := row["provider_raw"]; left == c.whole || row["provider_raw"] != nil {
				t.Errorf("kept %s", p.Raw)
			}
		})
	}
}

// A list's object may be larger than an event.
func TestAnObjectThatIsTooLargeIsLeftOut(t *testing.T) {
	t.Parallel()
	for size, whole := range map[int]bool{1 << 19: true, 1 << 20: false, 1 << 21: false} {
		object := mustJSON(map[string]any{"id": "u", "firstName": "Ada", "attributes": strings.Repeat("x", size)})
		p, err := configured(t, "keycloak").Profile(object, received)
		if err != nil || p.Name != "Ada" {
			t.Errorf("%d bytes: %q, %v", size, p.Name, err)
			continue
		}
		if kept := decoded(t, string(p.Raw)).(map[string]any)["provider_raw"] != nil; kept != whole {
			t.Errorf("%d bytes: kept %v", size, kept)
		}
	}
}

// jsonb writes numbers without exponents, so that few bytes may be many.
func TestNumbersCountAsTheyAreStored(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	s := storeOf(t, d, nil, clerkSource(t, "clerk", ""))
	running(t, s)
	for i, c := range []struct {
		number string
		times  int
		whole  bool
	}{{"1e1000", 40_000, false}, {"-1.5E-1000", 40_000, false}, {"1e1000", 1100, false}, {"1e1000", 1000, true}, {"1e-1000", 1000, true}, {"1000", 40_000, true}, {"1e+3", 40_000, true}} {
		id := fmt.Sprint("u", i)
		body := `{"type":"user.created","timestamp":1772366400000,"data":{"id":"` + id + `","first_name":"Ada","unsafe_metadata":{"x":[` + strings.Repeat(c.number+",", c.times) + `0]}}}`
		accept(t, s, "clerk", id, []byte(body))
		drained(t, s)
		got := rowsOf(t, d.OwnerURL, "select name, raw_json -> 'provider_raw' <> 'null', octet_length(raw_json::text) < 1200000 from neon_identity.users_sync where id = $1", id)
		if want := map[bool]string{true: "(Ada,t,t)", false: "(Ada,f,t)"}[c.whole]; got != want {
			t.Errorf("%d times %s: %s, want %s", c.times, c.number, got, want)
		}
	}
}

func TestWhatIsUnfitOfOtherProviders(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, preset, body string
		at                 time.Time
		tenants            []string
	}{
		{"a change that is no time", "auth0", `{"type":"user.created","time":"2024-01-01T00:00:00Z","data":{"object":{"user_id":"u","updated_at":{}}}}`, stamp("2024-01-01T00:00:00Z"), nil},
		{"an event's time that is none", "auth0", `{"type":"user.created","time":"2024-13-01T00:00:00Z","data":{"object":{"user_id":"u","updated_at":"2024-01-01T00:00:00Z"}}}`, stamp("2024-01-01T00:00:00Z"), nil},
		{"a change of the future", "supabase", `{"type":"INSERT","schema":"auth","table":"users","record":{"id":"u","updated_at":"2024-06-01T12:05:01Z"}}`, received, nil},
		{"a tenant that is an object", "stytch-b2b", `{"object_type":"member","action":"CREATE","member":{"member_id":"u","organization_id":{}}}`, received, []string{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e, err := configured(t, c.preset).Read([]byte(c.body), received)
			if err != nil || e.Kind != identity.Upsert || e.Subject != "u" || !e.At.Equal(c.at) {
				t.Fatalf("got %v of %q at %v, %v", e.Kind, e.Subject, e.At, err)
			}
			if diff := cmp.Diff(c.tenants, e.Profile.Tenants); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Whoever writes what a column cannot hold must not keep an admin's changes and the deletion from coming through.
func TestAUserCannotFreezeItsRow(t *testing.T) {
	t.Parallel()
	for name, metadata := range map[string]any{
		"a long name": map[string]any{"full_name": strings.Repeat("x", 1025)}, "a NUL": map[string]any{"x": "\x00"},
		"a deep one": decoded(t, strings.Repeat(`[`, 70)+strings.Repeat(`]`, 70)), "a large number": decoded(t, `{"x":1e2000}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t)
			s := storeOf(t, d, nil, newSource(t, identity.SourceConfig{Name: "supabase", Preset: "supabase", Secrets: []string{vectorSecret}}))
			event := func(n int, email string, deleted any) {
				row := map[string]any{"id": "u1", "email": email, "updated_at": minute(n), "raw_user_meta_data": metadata, "deleted_at": deleted}
				accept(t, s, "supabase", fmt.Sprint(n), mustJSON(map[string]any{"type": "UPDATE", "schema": "auth", "table": "users", "record": row}))
			}
			event(1, "eve@acme.example", nil)
			event(2, "eve@elsewhere.example", nil)
			running(t, s)
			drained(t, s)
			if got := rowsOf(t, d.OwnerURL, "select email, deleted_at from neon_identity.users_sync"); got != "(eve@elsewhere.example,)" {
				t.Error(got)
			}
			event(3, "eve@elsewhere.example", minute(3))
			drained(t, s)
			if got := rowsOf(t, d.OwnerURL, "select id, deleted_at is not null from neon_identity.users_sync"); got != "(u1,t)" {
				t.Error(got)
			}
		})
	}
}

func TestIDsThatAreOthersToGive(t *testing.T) {
	t.Parallel()
	reserved := []string{"", "clerk|", "client_", "forum|"}
	bare := source(t, identity.SourceConfig{Name: "forum", Preset: "stack-auth", Secrets: []string{vectorSecret}, Reserved: reserved})
	prefixed := source(t, identity.SourceConfig{Name: "clerk", Preset: "stack-auth", Prefix: "clerk|", Secrets: []string{vectorSecret}, Reserved: reserved})
	for _, c := range []struct {
		source  *identity.Source
		subject string
		free    bool
	}{
		{bare, "user_boss", true}, {bare, "clerk_boss", true}, {bare, "clerk|boss", false}, {bare, "client_login", false},
		{prefixed, "user_boss", true}, {prefixed, "clerk|boss", true}, {prefixed, "client_login", true}, {prefixed, "forum|x", true},
	} {
		for _, kind := range []string{"user.updated", "user.deleted"} {
			_, err := c.source.Read(fmt.Appendf(nil, `{"type":%q,"data":{"id":%q}}`, kind, c.subject), received)
			if free := err == nil; free != c.free || !free && !strings.Contains(err.Error(), "shared_subjects") {
				t.Errorf("%s: %s of %s: %v", c.source.Name(), kind, c.subject, err)
			}
		}
		if _, err := c.source.FromClaims([]byte(`{}`), c.subject, received); (err == nil) != c.free {
			t.Errorf("%s: a token of %s: %v", c.source.Name(), c.subject, err)
		}
	}
}
