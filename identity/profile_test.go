package identity_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rowpass/db/dbtest"
	"rowpass/identity"
)

// Each object has the shape of the provider's list, and the raw_json is what the table gets.
func TestProfilesOfEachProvider(t *testing.T) {
	t.Parallel()
	at := stamp("2024-05-01T00:00:00Z")
	for _, c := range []struct {
		preset, user, raw string
		changed           string // by the object; "": it doesn't say
		tenants           []string
		deleted           bool
	}{
		{preset: "clerk", user: `{"id":"user_1","first_name":null,"last_name":"Doe","primary_email_address_id":"idn_9","email_addresses":[{"id":"idn_1","email_address":"a@example.org"}],"created_at":1654012591514,"updated_at":1654012591835}`,
			raw:     `{"id":"clerk|user_1","display_name":"Doe","primary_email":null,"signed_up_at_millis":1654012591514,"provider":"clerk","provider_raw":{"id":"user_1","first_name":null,"last_name":"Doe","primary_email_address_id":"idn_9","email_addresses":[{"id":"idn_1","email_address":"a@example.org"}],"created_at":1654012591514,"updated_at":1654012591835}}`,
			changed: "2022-05-31T15:56:31.835Z"},
		{preset: "clerk", user: `{"id":"user_2","email_addresses":[{"id":"","email_address":"a@example.org"}]}`,
			raw: `{"id":"clerk|user_2","display_name":null,"primary_email":null,"signed_up_at_millis":null,"provider":"clerk","provider_raw":{"id":"user_2","email_addresses":[{"id":"","email_address":"a@example.org"}]}}`},
		{preset: "stack-auth", user: `{"id":"u1","display_name":"","primary_email":"sarah@acme.dev","signed_up_at_millis":1,"server_metadata":{"big":12345678901234567890.5},"provider":"theirs"}`,
			raw: `{"id":"stack-auth|u1","display_name":null,"primary_email":"sarah@acme.dev","signed_up_at_millis":1,"server_metadata":{"big":12345678901234567890.5},"provider":"stack-auth"}`},
		{preset: "stytch", user: `{"user_id":"user-test-1","name":{"first_name":"Ada","last_name":""},"emails":[],"status":"active","created_at":"2024-01-02T03:04:05Z"}`,
			raw: `{"id":"stytch|user-test-1","display_name":"Ada","primary_email":null,"signed_up_at_millis":1704164645000,"provider":"stytch","provider_raw":{"user_id":"user-test-1","name":{"first_name":"Ada","last_name":""},"emails":[],"status":"active","created_at":"2024-01-02T03:04:05Z"}}`},
		{preset: "stytch-b2b", user: `{"member_id":"m1","organization_id":"o1","name":"Ada","email_address":"ada@example.com","status":"deleted","updated_at":"2024-01-02T03:04:05Z"}`,
			raw:     `{"id":"stytch-b2b|m1","display_name":"Ada","primary_email":"ada@example.com","signed_up_at_millis":null,"provider":"stytch-b2b","provider_raw":{"member_id":"m1","organization_id":"o1","name":"Ada","email_address":"ada@example.com","status":"deleted","updated_at":"2024-01-02T03:04:05Z"}}`,
			changed: "2024-01-02T03:04:05Z", tenants: []string{"o1"}, deleted: true},
		{preset: "auth0", user: `{"user_id":"google-oauth2|1","nickname":"ada","email":"ada@example.com","created_at":"2024-01-02T03:04:05.678Z","updated_at":"2024-05-01T00:05:01Z"}`,
			raw: `{"id":"auth0|google-oauth2|1","display_name":"ada","primary_email":"ada@example.com","signed_up_at_millis":1704164645678,"provider":"auth0","provider_raw":{"user_id":"google-oauth2|1","nickname":"ada","email":"ada@example.com","created_at":"2024-01-02T03:04:05.678Z","updated_at":"2024-05-01T00:05:01Z"}}`},
		{preset: "workos", user: `{"object":"user","id":"user_1","email":"x@example.com","first_name":"X","last_name":"Y","created_at":"2024-01-02T03:04:05.678Z","updated_at":"2024-05-01T00:04:59Z"}`,
			raw:     `{"id":"workos|user_1","display_name":"X Y","primary_email":"x@example.com","signed_up_at_millis":1704164645678,"provider":"workos","provider_raw":{"object":"user","id":"user_1","email":"x@example.com","first_name":"X","last_name":"Y","created_at":"2024-01-02T03:04:05.678Z","updated_at":"2024-05-01T00:04:59Z"}}`,
			changed: "2024-05-01T00:04:59Z"},
		{preset: "supabase", user: `{"id":"0e1f","email":"","user_metadata":{"name":"Ada"},"encrypted_password":"$2a$10$x","recovery_token":"r","created_at":"2024-01-02 03:04:05.678+00"}`,
			raw: `{"id":"supabase|0e1f","display_name":"Ada","primary_email":null,"signed_up_at_millis":1704164645678,"provider":"supabase","provider_raw":{"id":"0e1f","email":"","user_metadata":{"name":"Ada"},"created_at":"2024-01-02 03:04:05.678+00"}}`},
		{preset: "keycloak", user: `{"id":"7d3e","username":"ada","firstName":"Ada","lastName":"Lovelace","email":"ada@example.com","createdTimestamp":1650000000000,"credentials":[{"type":"password","value":"hunter2"}]}`,
			raw: `{"id":"keycloak|7d3e","display_name":"Ada Lovelace","primary_email":"ada@example.com","signed_up_at_millis":1650000000000,"provider":"keycloak","provider_raw":{"id":"7d3e","username":"ada","firstName":"Ada","lastName":"Lovelace","email":"ada@example.com","createdTimestamp":1650000000000}}`},
		{preset: "descope", user: `{"userId":"U1","name":"","givenName":"Ada","familyName":"L","email":"ada@example.com","createdTime":1700000000,"userTenants":[{"tenantId":"T1"},{"tenantId":"T2","roleNames":[]}]}`,
			raw:     `{"id":"descope|U1","display_name":"Ada L","primary_email":"ada@example.com","signed_up_at_millis":1700000000000,"provider":"descope","provider_raw":{"userId":"U1","name":"","givenName":"Ada","familyName":"L","email":"ada@example.com","createdTime":1700000000,"userTenants":[{"tenantId":"T1"},{"tenantId":"T2","roleNames":[]}]}}`,
			tenants: []string{"T1", "T2"}},
		{preset: "descope", user: `{"userId":"U1","userTenants":[]}`,
			raw:     `{"id":"descope|U1","display_name":null,"primary_email":null,"signed_up_at_millis":null,"provider":"descope","provider_raw":{"userId":"U1","userTenants":[]}}`,
			tenants: []string{}},
		{preset: "logto", user: `{"id":"u1","name":"A \"quoted\" <name> \ud83d\ude00","primaryEmail":"ada@example.com","createdAt":1706933106000,"passwordEncrypted":"x"}`,
			raw: `{"id":"logto|u1","display_name":"A \"quoted\" <name> 😀","primary_email":"ada@example.com","signed_up_at_millis":1706933106000,"provider":"logto","provider_raw":{"id":"u1","name":"A \"quoted\" <name> 😀","primaryEmail":"ada@example.com","createdAt":1706933106000}}`},
	} {
		t.Run(c.preset, func(t *testing.T) {
			t.Parallel()
			cfg := configured(t, c.preset).Config()
			cfg.Prefix = c.preset + "|"
			p, err := source(t, cfg).Profile(json.RawMessage(c.user), at)
			if err != nil {
				t.Fatal(err)
			}
			want := at
			if c.changed != "" {
				want = stamp(c.changed)
			}
			if !p.At.Equal(want) || p.Deleted != c.deleted || p.ID != cfg.Prefix+p.Subject {
				t.Errorf("got %+v, want it at %v", p, want)
			}
			if diff := cmp.Diff(decoded(t, c.raw), decoded(t, string(p.Raw))); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.tenants, p.Tenants); diff != "" {
				t.Error("tenants: ", diff)
			}
		})
	}
}

// decoded keeps numbers as they were written.
func decoded(t testing.TB, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func TestTimesOfSignUp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ value, want string }{
		{`"2024-01-02T03:04:05Z"`, "2024-01-02T03:04:05Z"},
		{`"2024-01-02T03:04:05.678912+02:00"`, "2024-01-02T01:04:05.678Z"},
		{`"2024-01-02T03:04:05+0200"`, "2024-01-02T01:04:05Z"},
		{`"2024-01-02 03:04:05.6+02"`, "2024-01-02T01:04:05.6Z"},
		{`"2024-01-02T03:04:05"`, "2024-01-02T03:04:05Z"},
		{`"2024-01-02"`, "2024-01-02T00:00:00Z"},
		{`1700000000`, "2023-11-14T22:13:20Z"},
		{`1700000000.5`, "2023-11-14T22:13:20.5Z"},
		{`1700000000123`, "2023-11-14T22:13:20.123Z"},
		{`1.7e12`, "2023-11-14T22:13:20Z"},
		{`"1700000000123"`, "2023-11-14T22:13:20.123Z"},
		{`0`, "1970-01-01T00:00:00Z"},
		{`-1`, "1969-12-31T23:59:59Z"},
		{`253402300799999`, "9999-12-31T23:59:59.999Z"},
		{`null`, ""}, {`""`, ""},
	} {
		cfg := generic()
		cfg.Fields.CreatedAt = paths("made")
		p, err := source(t, cfg).Profile(json.RawMessage(`{"id":"u","made":`+c.value+`}`), received)
		switch {
		case err != nil:
			t.Errorf("%s: %v", c.value, err)
		case c.want == "" && !p.SignedUp.IsZero(), c.want != "" && !p.SignedUp.Equal(stamp(c.want)):
			t.Errorf("%s: got %v, want %s", c.value, p.SignedUp, c.want)
		}
	}
	for _, value := range []string{`true`, `[]`, `"soon"`, `"0x10"`, `"NaN"`, `"Inf"`, `"1_000"`, `"0000-01-01T00:00:00Z"`, `"2024-02-30"`, `"9999-12-31T23:59:59-01:00"`, `1e300`} {
		cfg := generic()
		cfg.Fields.CreatedAt = paths("made")
		if p, err := source(t, cfg).Profile(json.RawMessage(`{"id":"u","made":`+value+`}`), received); err != nil || !p.SignedUp.IsZero() {
			t.Errorf("%s: is taken for %v, %v", value, p.SignedUp, err)
		}
	}
}

func TestGenericFields(t *testing.T) {
	t.Parallel()
	cfg := generic()
	cfg.Fields = identity.Fields{
		EventType: paths("kind"), EventTime: paths("when"), User: paths("payload", "user"), Subject: paths("payload", "user_id"),
		ID: paths("uid"), Name: []identity.Path{{"nick"}, {"names", "1"}}, Email: paths("mails", "kind=main", "address"), Tenant: paths("groups", "*", "id"),
	}
	s := source(t, cfg)
	e, err := s.Read([]byte(`{"kind":"made","when":"2024-01-02T03:04:05Z","payload":{"user":{"uid":"u1","nick":"","names":["x","Ada"],"main":"work",
		"mails":[{"kind":"home","address":"h@example.com"},{"kind":"work","address":"w@example.com"}],"groups":[{"id":"g1"},{"id":2},{"id":null}]}}}`), received)
	want := identity.Profile{ID: "u1", Subject: "u1", Name: "Ada", Email: "w@example.com", At: stamp("2024-01-02T03:04:05Z"), Tenants: []string{"g1", "2"}}
	got := e.Profile
	got.Raw = nil
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if e, err := s.Read([]byte(`{"kind":"gone","payload":{"user_id":"u2"}}`), received); err != nil || e.Kind != identity.Delete || e.Subject != "u2" {
		t.Errorf("a deletion without an object: %+v, %v", e, err)
	}
	if e, err := s.Read([]byte(`{"kind":"changed","payload":{"user_id":"u2"}}`), received); err != nil || e.Kind != identity.Fetch || e.Subject != "u2" {
		t.Errorf("a change without an object: %+v, %v", e, err)
	}
}

func TestFromClaims(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1025)
	for _, c := range []struct{ name, claims, wantName, wantEmail string }{
		{"name and e-mail", `{"sub":"u","name":"Ada","given_name":"A","email":"ada@example.com","role":"admin"}`, "Ada", "ada@example.com"},
		{"two names", `{"given_name":"Ada","family_name":"Lovelace"}`, "Ada Lovelace", ""},
		{"an e-mail that is verified", `{"email":"ada@example.com","email_verified":true}`, "", "ada@example.com"},
		{"an e-mail that a text says is verified", `{"email":"ada@example.com","email_verified":"True"}`, "", "ada@example.com"},
		{"an e-mail of which nothing is said", `{"email":"ada@example.com","email_verified":null}`, "", "ada@example.com"},
		{"an e-mail that is not verified", `{"name":"Ada","email":"boss@example.com","email_verified":false}`, "Ada", ""},
		{"an e-mail that a text says is not verified", `{"email":"boss@example.com","email_verified":"false"}`, "", ""},
		{"an e-mail that is verified in no known way", `{"email":"boss@example.com","email_verified":0}`, "", ""},
		{"a user's name", `{"preferred_username":"ada"}`, "ada", ""},
		{"nothing", `{}`, "", ""},
		{"what is no text", `{"name":{"first":"Ada"},"given_name":null,"email":["a"],"preferred_username":"ada"}`, "ada", ""},
		{"what is too long, or has a NUL", `{"name":"` + long + `","email":"a\u0000@example.com","preferred_username":"ada"}`, "ada", ""},
		{"two names that are too long together", `{"given_name":"` + long[:600] + `","family_name":"` + long[:600] + `"}`, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cfg := identity.SourceConfig{Preset: "tokens", Prefix: "mine|"}
			p, err := source(t, cfg).FromClaims([]byte(c.claims), "u", received)
			if err != nil || p.ID != "mine|u" || p.Subject != "u" || p.Name != c.wantName || p.Email != c.wantEmail || !p.At.Equal(received) || p.Tenants != nil {
				t.Errorf("got %+v, %v", p, err)
			}
			if strings.Contains(string(p.Raw), "role") || strings.Contains(string(p.Raw), "first") || strings.Contains(string(p.Raw), "boss") || len(p.Raw) > 2000 {
				t.Errorf("kept %s", p.Raw)
			}
		})
	}
	for claims, subject := range map[string]string{`[]`: "u", `{}`: "", `{"a":1}`: strings.Repeat("u", 600), `{"b":1}`: "a\x00"} {
		var poison *identity.PoisonError
		if _, err := configured(t, "tokens").FromClaims([]byte(claims), subject, received); !errors.As(err, &poison) {
			t.Errorf("%s of %q: %v", claims, subject, err)
		}
	}
}

// The generated columns of the table refuse what they cannot convert. None of this may come to them.
const usersSync = `create temporary table users_sync (raw_json jsonb not null,
	id text generated always as (raw_json->>'id') stored not null primary key,
	name text generated always as (raw_json->>'display_name') stored,
	email text generated always as (raw_json->>'primary_email') stored,
	created_at timestamptz generated always as (to_timestamp(trunc((raw_json->>'signed_up_at_millis')::bigint::double precision) / 1000)) stored)`

func TestProfilesCanBeStored(t *testing.T) {
	t.Parallel()
	conn := dbtest.Connect(t, dbtest.NewEmpty(t).OwnerURL)
	if _, err := conn.Exec(t.Context(), usersSync); err != nil {
		t.Fatal(err)
	}
	s := source(t, identity.SourceConfig{Preset: "stack-auth", Secrets: []string{vectorSecret}})
	deep := strings.Repeat(`{"a":`, 63) + "1" + strings.Repeat("}", 63)
	for name, member := range map[string]string{
		"half a pair of surrogates": `"display_name":"a\ud83d"`, "the other half": `"display_name":"\ude00"`, "the same twice": `"id":"first","display_name":"a"`,
		"the longest name": `"display_name":"` + strings.Repeat("x", 1024) + `"`, "the longest id": `"id":"` + strings.Repeat("\u00e4", 256) + `"`,
		"the first millisecond": `"signed_up_at_millis":-62135596800000`, "the last millisecond": `"signed_up_at_millis":253402300799999`,
		"a power of ten": `"signed_up_at_millis":1.7e12`, "a fraction": `"signed_up_at_millis":1700000000000.4`, "a text": `"signed_up_at_millis":"1700000000000"`,
		"numbers as long as they may be": `"x":[1e1024,1e-1024,-0,0.1e+7,` + strings.Repeat("9", 1024) + `]`, "the depth that is allowed": `"x":` + deep,
		"characters that are none": `"x":"\uffff\ufffe\u0001\u2028"`,
	} {
		p, err := s.Profile(json.RawMessage(`{"id":"`+strings.ReplaceAll(name, " ", "-")+`",`+member+`}`), received)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var id, display string
		row := conn.QueryRow(t.Context(), "insert into users_sync (raw_json) values ($1) returning id, coalesce(name, '')", []byte(p.Raw))
		if err := row.Scan(&id, &display); err != nil || id != p.ID || display != p.Name {
			t.Errorf("%s: got %q, %v", name, id, err)
		}
	}
}

func FuzzProfile(f *testing.F) {
	f.Add([]byte(`{"id":"u","display_name":"a","userId":7,"user_id":"x","member_id":"m","created_at":"2024-01-01","updated_at":1}`))
	f.Add([]byte(`{"id":"u","emails":[{"email":1}],"email_addresses":[1],"userTenants":{},"organization_id":""}`))
	var all []*identity.Source
	for _, p := range identity.Presets() {
		all = append(all, configured(f, p.ID))
	}
	f.Fuzz(func(t *testing.T, user []byte) {
		for _, s := range all {
			p, err := s.Profile(user, received)
			var poison *identity.PoisonError
			if err != nil {
				if !errors.As(err, &poison) {
					t.Errorf("%s: %T", s.Name(), err)
				}
				continue
			}
			row := decoded(t, string(p.Raw)).(map[string]any)
			signedUp := "<nil>"
			if !p.SignedUp.IsZero() {
				signedUp = fmt.Sprint(p.SignedUp.UnixMilli())
			}
			if row["id"] != p.ID || (row["display_name"] == nil) != (p.Name == "") || fmt.Sprint(row["signed_up_at_millis"]) != signedUp || strings.ContainsRune(fmt.Sprint(row), 0) {
				t.Errorf("%s: %+v is stored as %s", s.Name(), p, p.Raw)
			}
		}
	})
}
