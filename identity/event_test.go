package identity_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rowpass/identity"
)

// received is when the events of the tests came.
var received = time.Date(2024, 6, 1, 12, 0, 0, 0, time.UTC)

func stamp(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return t
}

// configured is a source of the preset, with what it needs.
func configured(t testing.TB, preset string) *identity.Source {
	cfg := identity.SourceConfig{Name: preset, Preset: preset, Secrets: []string{vectorSecret}}
	switch preset {
	case "descope":
		cfg.API = identity.APIConfig{Key: "k", ProjectID: "p"}
	case "tokens":
		cfg.Secrets = nil
	case "generic":
		cfg = generic()
	}
	return source(t, cfg)
}

// Each body has the shape of its provider's documentation, its own example where there is one.
func TestEventsOfEachProvider(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		preset, name, body string
		want               identity.Event
	}{
		{"clerk", "a user is made", `{"data":{"id":"user_29w83sxmDNGwOuEthce5gg56FcC","object":"user","first_name":"Example","last_name":"Example",
			"primary_email_address_id":"idn_2","email_addresses":[{"id":"idn_1","email_address":"old@example.org"},{"id":"idn_2","email_address":"example@example.org"}],
			"created_at":1654012591514,"updated_at":1654012591835},"object":"event","type":"user.created","timestamp":1654012591999,"instance_id":"ins_1"}`,
			identity.Event{Kind: identity.Upsert, Subject: "user_29w83sxmDNGwOuEthce5gg56FcC", At: time.UnixMilli(1654012591999),
				Profile: identity.Profile{Name: "Example Example", Email: "example@example.org", SignedUp: time.UnixMilli(1654012591514)}}},
		{"clerk", "a user is deleted", `{"data":{"deleted":true,"id":"user_1","object":"user"},"object":"event","type":"user.deleted","timestamp":1661861640000}`,
			identity.Event{Kind: identity.Delete, Subject: "user_1", At: time.UnixMilli(1661861640000)}},
		{"clerk", "a user joins", `{"data":{"id":"orgmem_1","organization":{"id":"org_1","name":"Acme"},"public_user_data":{"user_id":"user_1","identifier":"x@example.org"}},"type":"organizationMembership.created","timestamp":1661861640000}`,
			identity.Event{Kind: identity.Join, Subject: "user_1", Tenant: "org_1", At: time.UnixMilli(1661861640000)}},
		{"clerk", "a user leaves", `{"data":{"organization":{"id":"org_1"},"public_user_data":{"user_id":"user_1"}},"type":"organizationMembership.deleted","timestamp":1661861640000}`,
			identity.Event{Kind: identity.Leave, Subject: "user_1", Tenant: "org_1", At: time.UnixMilli(1661861640000)}},
		{"clerk", "a session begins", `{"data":{"id":"sess_1","user_id":"user_1"},"type":"session.created","timestamp":1661861640000}`, identity.Event{}},

		{"stack-auth", "a user is made", `{"type":"user.created","data":{"id":"21373f88-0000-4000-8000-000000000000","display_name":"Sarah Chen","primary_email":"sarah@acme.dev","primary_email_verified":true,"signed_up_at_millis":1734400000000,"selected_team":null,"has_password":true}}`,
			identity.Event{Kind: identity.Upsert, Subject: "21373f88-0000-4000-8000-000000000000", At: received,
				Profile: identity.Profile{Name: "Sarah Chen", Email: "sarah@acme.dev", SignedUp: time.UnixMilli(1734400000000)}}},
		{"stack-auth", "a user is deleted", `{"type":"user.deleted","data":{"id":"u1","teams":[{"id":"t1"}]}}`, identity.Event{Kind: identity.Delete, Subject: "u1", At: received}},
		{"stack-auth", "a user joins", `{"type":"team_membership.created","data":{"team_id":"t1","user_id":"u1"}}`, identity.Event{Kind: identity.Join, Subject: "u1", Tenant: "t1", At: received}},

		{"stytch", "a user is changed", `{"action":"UPDATE","event_id":"webhook-event-test-1","id":"user-test-1","object_type":"user","project_id":"project-test-1","source":"DIRECT","timestamp":"2024-03-02T03:04:05.555247073Z",
			"user":{"created_at":"2024-01-02T03:04:05Z","emails":[{"email":"ada@stytch.example.com","email_id":"e1","verified":false}],"name":{"first_name":"Ada","last_name":"Lovelace","middle_name":""},"status":"active","user_id":"user-test-1","password":null},"vertical":"CONSUMER"}`,
			identity.Event{Kind: identity.Upsert, Subject: "user-test-1", At: stamp("2024-03-02T03:04:05.555247Z"),
				Profile: identity.Profile{Name: "Ada Lovelace", Email: "ada@stytch.example.com", SignedUp: stamp("2024-01-02T03:04:05Z")}}},
		{"stytch", "a user is deleted", `{"action":"DELETE","event_id":"e","id":"user-test-1","object_type":"user","source":"DASHBOARD","timestamp":"2024-03-02T03:04:05Z"}`,
			identity.Event{Kind: identity.Delete, Subject: "user-test-1", At: stamp("2024-03-02T03:04:05Z")}},
		{"stytch", "a member, which the consumer product has none of", `{"action":"DELETE","event_id":"e","id":"member-test-1","object_type":"member","timestamp":"2024-03-02T03:04:05Z"}`, identity.Event{}},

		{"stytch-b2b", "a member is made", `{"action":"CREATE","event_id":"e","id":"member-test-1","object_type":"member","source":"SCIM","timestamp":"2024-01-02T03:04:05.678901Z",
			"member":{"email_address":"ada@stytch.example.com","member_id":"member-test-1","name":"Ada Lovelace","organization_id":"organization-test-1","status":"active"},"vertical":"B2B"}`,
			identity.Event{Kind: identity.Upsert, Subject: "member-test-1", At: stamp("2024-01-02T03:04:05.678901Z"),
				Profile: identity.Profile{Name: "Ada Lovelace", Email: "ada@stytch.example.com", Tenants: []string{"organization-test-1"}}}},
		{"stytch-b2b", "a member's status is deleted", `{"action":"UPDATE","event_id":"e","id":"member-test-1","object_type":"member","timestamp":"2024-01-02T03:04:05Z","member":{"member_id":"member-test-1","organization_id":"o","status":"deleted"}}`,
			identity.Event{Kind: identity.Delete, Subject: "member-test-1", At: stamp("2024-01-02T03:04:05Z")}},

		{"auth0", "a user is made", `{"specversion":"1.0","type":"user.created","source":"urn:auth0:example.auth0app.com","id":"evt_1234567890abcdef","time":"2024-01-29T14:36:25.794Z",
			"data":{"object":{"user_id":"auth0|507f1f77bcf86cd799439020","email":"john@gmail.com","name":"John Doe","nickname":"john","created_at":"2024-01-29T14:36:25.000Z","updated_at":"2024-01-29T14:36:25.000Z"}},"a0tenant":"t","a0stream":"est_1"}`,
			identity.Event{Kind: identity.Upsert, Subject: "auth0|507f1f77bcf86cd799439020", At: stamp("2024-01-29T14:36:25.794Z"),
				Profile: identity.Profile{Name: "John Doe", Email: "john@gmail.com", SignedUp: stamp("2024-01-29T14:36:25Z")}}},
		{"auth0", "a user is deleted", `{"type":"user.deleted","id":"evt_1","time":"2024-01-29T14:36:25Z","data":{"object":{"user_id":"auth0|1","deleted_at":"2024-01-29T14:36:25Z"}}}`,
			identity.Event{Kind: identity.Delete, Subject: "auth0|1", At: stamp("2024-01-29T14:36:25Z")}},
		{"auth0", "a test event", `{"type":"user.deleted","id":"evt_1","time":"2024-01-29T14:36:25Z","a0purpose":"test","data":{"object":{"user_id":"auth0|1"}}}`, identity.Event{}},
		{"auth0", "a user joins", `{"type":"organization.member.added","id":"evt_1","time":"2024-01-29T14:36:25Z","data":{"object":{"organization":{"id":"org_1"},"user":{"user_id":"auth0|1"}}}}`,
			identity.Event{Kind: identity.Join, Subject: "auth0|1", Tenant: "org_1", At: stamp("2024-01-29T14:36:25Z")}},

		{"workos", "a user is changed", `{"event":"user.updated","id":"event_1","data":{"object":"user","id":"user_01E","email":"todd@example.com","first_name":"Todd","last_name":null,"created_at":"2023-11-18T09:18:13.120Z","updated_at":"2023-11-18T09:18:13.120Z"},"created_at":"2023-11-18T04:18:13.126Z"}`,
			identity.Event{Kind: identity.Upsert, Subject: "user_01E", At: stamp("2023-11-18T04:18:13.126Z"),
				Profile: identity.Profile{Name: "Todd", Email: "todd@example.com", SignedUp: stamp("2023-11-18T09:18:13.12Z")}}},
		{"workos", "a user is deleted", `{"event":"user.deleted","id":"event_1","data":{"object":"user","id":"user_01E","email":"todd@example.com"},"created_at":"2023-11-18T04:18:13.126Z"}`,
			identity.Event{Kind: identity.Delete, Subject: "user_01E", At: stamp("2023-11-18T04:18:13.126Z")}},
		{"workos", "a user joins", `{"event":"organization_membership.created","id":"e","data":{"id":"om_1","user_id":"user_1","organization_id":"org_1","status":"active"},"created_at":"2023-11-18T04:18:13Z"}`,
			identity.Event{Kind: identity.Join, Subject: "user_1", Tenant: "org_1", At: stamp("2023-11-18T04:18:13Z")}},
		{"workos", "a user is only invited", `{"event":"organization_membership.created","id":"e","data":{"user_id":"user_1","organization_id":"org_1","status":"pending"},"created_at":"2023-11-18T04:18:13Z"}`,
			identity.Event{Kind: identity.Leave, Subject: "user_1", Tenant: "org_1", At: stamp("2023-11-18T04:18:13Z")}},

		{"supabase", "a user is made", `{"type":"INSERT","table":"users","schema":"auth","old_record":null,"record":{"id":"0e1f","email":"ada@example.com","raw_user_meta_data":{"full_name":"Ada"},"created_at":"2024-02-03T04:05:06.123456+00:00","updated_at":"2024-02-03T04:05:06.2+00:00","deleted_at":null}}`,
			identity.Event{Kind: identity.Upsert, Subject: "0e1f", At: stamp("2024-02-03T04:05:06.2Z"),
				Profile: identity.Profile{Name: "Ada", Email: "ada@example.com", SignedUp: stamp("2024-02-03T04:05:06.123Z")}}},
		{"supabase", "a user is deleted softly", `{"type":"UPDATE","table":"users","schema":"auth","record":{"id":"0e1f","updated_at":"2024-02-03T04:05:06Z","deleted_at":"2024-02-03T04:05:06Z"},"old_record":{"id":"0e1f"}}`,
			identity.Event{Kind: identity.Delete, Subject: "0e1f", At: received}},
		{"supabase", "a user is deleted, which has no time of its own", `{"type":"DELETE","table":"users","schema":"auth","record":null,"old_record":{"id":"0e1f","updated_at":"2024-02-03T04:05:06Z"}}`,
			identity.Event{Kind: identity.Delete, Subject: "0e1f", At: received}},
		{"supabase", "a user is deleted by a clock that is ahead of ours", `{"type":"DELETE","table":"users","schema":"auth","record":null,"old_record":{"id":"0e1f","updated_at":"2024-06-01T12:00:02Z"}}`,
			identity.Event{Kind: identity.Delete, Subject: "0e1f", At: stamp("2024-06-01T12:00:02.000001Z")}},

		{"keycloak", "an admin makes a user", `{"uid":"0f","time":1650000000000,"realmId":"r","type":"admin.USER-CREATE","operationType":"CREATE","resourceType":"USER","resourcePath":"users/7d3e","authDetails":{"realmId":"master","userId":"the-admin"},
			"representation":"{\"username\":\"ada\",\"firstName\":\"Ada\",\"lastName\":\"Lovelace\",\"email\":\"ada@example.com\",\"enabled\":true}","details":{"userId":"7d3e","username":"ada"}}`,
			identity.Event{Kind: identity.Upsert, Subject: "7d3e", At: time.UnixMilli(1650000000000), Profile: identity.Profile{Name: "Ada Lovelace", Email: "ada@example.com"}}},
		{"keycloak", "an admin changes a user without saying how", `{"uid":"0f","time":1650000000000,"type":"admin.USER-UPDATE","resourcePath":"users/7d3e","authDetails":{"userId":"the-admin"}}`,
			identity.Event{Kind: identity.Fetch, Subject: "7d3e", At: time.UnixMilli(1650000000000)}},
		{"keycloak", "an admin changes a user, with another's representation", `{"uid":"0f","time":1650000000000,"type":"admin.USER-UPDATE","resourcePath":"users/7d3e","representation":"{\"id\":\"another\",\"email\":\"x@example.com\"}"}`,
			identity.Event{Kind: identity.Fetch, Subject: "7d3e", At: time.UnixMilli(1650000000000)}},
		{"keycloak", "an admin deletes a user", `{"uid":"0f","time":1650000000000,"type":"admin.USER-DELETE","resourcePath":"users/7d3e","authDetails":{"userId":"the-admin"}}`,
			identity.Event{Kind: identity.Delete, Subject: "7d3e", At: time.UnixMilli(1650000000000)}},
		{"keycloak", "an admin unlinks a user's Google account", `{"uid":"0f","time":1650000000000,"type":"admin.USER-DELETE","resourcePath":"users/7d3e/federated-identity/google"}`, identity.Event{}},
		{"keycloak", "a user registers", `{"uid":"0f","time":1650000000000,"type":"access.REGISTER","authDetails":{"userId":"7d3e","ipAddress":"10.0.0.1"},"details":{"email":"ada@example.com","username":"ada"}}`,
			identity.Event{Kind: identity.Fetch, Subject: "7d3e", At: time.UnixMilli(1650000000000)}},
		{"keycloak", "a user logs in", `{"uid":"0f","time":1650000000000,"type":"access.LOGIN","authDetails":{"userId":"7d3e"}}`, identity.Event{}},

		{"descope", "a user is made", `{"action":"UserCreated","userId":"U2x","actorId":"K2y","occurred":"1717000000000","type":"info","externalIds":["ada@example.com"]}`,
			identity.Event{Kind: identity.Fetch, Subject: "U2x", At: time.UnixMilli(1717000000000)}},
		{"descope", "a user is deleted", `{"action":"UserDeleted","userId":"U2x","occurred":1717000000000}`,
			identity.Event{Kind: identity.Delete, Subject: "U2x", At: time.UnixMilli(1717000000000)}},
		{"descope", "a login succeeds", `{"action":"LoginSucceed","userId":"U2x","occurred":"1717000000000"}`, identity.Event{}},

		{"logto", "a user registers", `{"hookId":"h","event":"PostRegister","createdAt":"2024-02-03T04:05:06.789Z","interactionEvent":"Register","userId":"u1","user":{"id":"u1","name":"Ada","primaryEmail":"ada@example.com","createdAt":1706933106000}}`,
			identity.Event{Kind: identity.Upsert, Subject: "u1", At: stamp("2024-02-03T04:05:06.789Z"),
				Profile: identity.Profile{Name: "Ada", Email: "ada@example.com", SignedUp: time.UnixMilli(1706933106000)}}},
		{"logto", "an admin changes a user", `{"hookId":"h","event":"User.Data.Updated","createdAt":"2024-02-03T04:05:06Z","path":"/users/u1","method":"PATCH","status":200,"params":{"userId":"u1"},"matchedRoute":"/users/:userId","data":{"id":"u1","name":"Ada","primaryEmail":null,"createdAt":1706933106000}}`,
			identity.Event{Kind: identity.Upsert, Subject: "u1", At: stamp("2024-02-03T04:05:06Z"), Profile: identity.Profile{Name: "Ada", SignedUp: time.UnixMilli(1706933106000)}}},
		{"logto", "a user's custom data pretends to be another user", `{"event":"User.Data.Updated","createdAt":"2024-02-03T04:05:06Z","params":{"userId":"u1"},"matchedRoute":"/users/:userId/custom-data","data":{"id":"u1","name":"The Boss","primaryEmail":"boss@example.com"}}`,
			identity.Event{Kind: identity.Fetch, Subject: "u1", At: stamp("2024-02-03T04:05:06Z")}},
		{"logto", "an event with another's object", `{"event":"User.Data.Updated","createdAt":"2024-02-03T04:05:06Z","params":{"userId":"u1"},"data":{"id":"u2","name":"The Boss"}}`,
			identity.Event{Kind: identity.Fetch, Subject: "u1", At: stamp("2024-02-03T04:05:06Z")}},
		{"logto", "a user is deleted", `{"event":"User.Deleted","createdAt":"2024-02-03T04:05:06Z","path":"/users/u1","params":{"userId":"u1"},"matchedRoute":"/users/:userId","data":null}`,
			identity.Event{Kind: identity.Delete, Subject: "u1", At: stamp("2024-02-03T04:05:06Z")}},

		{"generic", "a user is made", `{"type":"made","id":4711}`, identity.Event{Kind: identity.Upsert, Subject: "4711", At: received}},
		{"generic", "a user is deleted", `{"type":"gone","id":"u1"}`, identity.Event{Kind: identity.Delete, Subject: "u1", At: received}},
		{"generic", "something else happens", `{"type":"seen","id":"u1"}`, identity.Event{}},
	} {
		t.Run(c.preset+": "+c.name, func(t *testing.T) {
			t.Parallel()
			got, err := configured(t, c.preset).Read([]byte(c.body), received)
			if err != nil {
				t.Fatal(err)
			}
			if c.want.Kind == identity.Upsert {
				c.want.Profile.ID, c.want.Profile.Subject, c.want.Profile.At = c.want.Subject, c.want.Subject, c.want.At
			}
			if diff := cmp.Diff(c.want, got, cmpopts.IgnoreFields(identity.Profile{}, "Raw"), cmpopts.EquateApproxTime(0)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A provider that can be asked is believed rather than its events, where these may be late or say a part only.
func TestProfilesThatAreAskedFor(t *testing.T) {
	t.Parallel()
	for preset, body := range map[string]string{
		"stack-auth": `{"type":"user.updated","data":{"id":"u1","display_name":"Ada"}}`,
		"keycloak":   `{"type":"admin.USER-UPDATE","time":1650000000000,"resourcePath":"users/u1","representation":"{\"firstName\":\"Ada\"}"}`,
	} {
		s := source(t, identity.SourceConfig{Preset: preset, Secrets: []string{vectorSecret}, API: identity.APIConfig{Key: "k", ClientSecret: "s"}})
		if e, err := s.Read([]byte(body), received); err != nil || e.Kind != identity.Fetch || e.Subject != "u1" {
			t.Errorf("%s: got %v %+v, %v", preset, e.Kind, e, err)
		}
	}
}

func TestPoison(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, preset, body, want string }{
		{"no JSON", "clerk", `{"type"`, "is not JSON"},
		{"two values", "clerk", `{} {}`, "behind its JSON"},
		{"an array", "clerk", `[]`, "not a JSON object"},
		{"nothing", "clerk", ``, "is not JSON"},
		{"bytes that are no text", "clerk", "{\"type\":\"\xff\"}", "UTF-8"},
		{"too much", "clerk", `{"type":"` + strings.Repeat("x", 1<<20) + `"}`, "1 MiB"},
		{"no type", "clerk", `{"data":{}}`, "no type"},
		{"a type that is a number", "clerk", `{"type":1}`, "no type"},
		{"no user", "clerk", `{"type":"user.created","data":{}}`, "id is missing"},
		{"an id that is an object", "clerk", `{"type":"user.created","data":{"id":{}}}`, "neither a string"},
		{"an id that is a fraction", "clerk", `{"type":"user.created","data":{"id":1.5}}`, "neither a string"},
		{"an id that is too long", "clerk", `{"type":"user.created","data":{"id":"` + strings.Repeat("x", 513) + `"}}`, "512 bytes"},
		{"a NUL in the id of somebody deleted", "clerk", `{"type":"user.deleted","data":{"id":"a\u0000"}}`, "NUL"},
		{"an event from the future", "auth0", `{"type":"user.deleted","time":"2024-06-01T12:05:01Z","data":{"object":{"user_id":"u"}}}`, "ahead"},
		{"another table", "supabase", `{"type":"INSERT","schema":"public","table":"users","record":{"id":"u"}}`, "auth.users"},
		{"no table", "supabase", `{"type":"INSERT","record":{"id":"u"}}`, "no schema"},
		{"several users that it doesn't name", "descope", `{"action":"UsersDeleted","occurred":"1717000000000"}`, "sync reconcile descope"},
		{"nobody", "descope", `{"action":"UserCreated","occurred":"1717000000000"}`, "id is missing"},
		{"a membership of nobody", "clerk", `{"type":"organizationMembership.created","data":{"organization":{"id":"o"}}}`, "id is missing"},
		{"a membership of nothing", "clerk", `{"type":"organizationMembership.created","data":{"public_user_data":{"user_id":"u"}}}`, "tenant"},
		{"a membership of what is no tenant", "clerk", `{"type":"organizationMembership.created","data":{"public_user_data":{"user_id":"u"},"organization":{"id":{}}}}`, "tenant"},
		{"an event where there is no webhook", "tokens", `{"type":"user.created"}`, "no type"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e, err := configured(t, c.preset).Read([]byte(c.body), received)
			var poison *identity.PoisonError
			if !errors.As(err, &poison) || !strings.Contains(poison.Reason, c.want) || e.Kind != identity.Ignore {
				t.Errorf("got %+v, %v; want %s", e, err, c.want)
			}
		})
	}
}

// Whatever comes: an event is understood or poison, and a profile that is understood can be stored.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"type":"user.created","data":{"id":"u","display_name":"a","signed_up_at_millis":1}}`))
	f.Add([]byte(`{"type":"INSERT","schema":"auth","table":"users","record":{"id":"u","created_at":"2024-01-01"}}`))
	f.Add([]byte(`{"type":"admin.USER-CREATE","resourcePath":"users/u","representation":"{\"a\":1e9}"}`))
	f.Add([]byte(`{"event":"User.Created","data":{"id":"\ud800"},"params":[]}`))
	f.Add([]byte(`{"object_type":"member","action":"CREATE","member":{"member_id":-0,"organization_id":null}}`))
	var all []*identity.Source
	for _, p := range identity.Presets() {
		all = append(all, configured(f, p.ID))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, s := range all {
			e, err := s.Read(body, received)
			var poison *identity.PoisonError
			switch {
			case err != nil && !errors.As(err, &poison):
				t.Errorf("%s: %T", s.Name(), err)
			case err == nil && e.Kind != identity.Ignore && (e.Subject == "" || e.At.IsZero() || e.At.After(received.Add(5*time.Minute))):
				t.Errorf("%s: %+v", s.Name(), e)
			case e.Kind == identity.Upsert && !json.Valid(e.Profile.Raw):
				t.Errorf("%s: %s", s.Name(), e.Profile.Raw)
			}
		}
	})
}
