package db_test

import (
	"errors"
	"strings"
	"testing"

	"rowpass/db"
	"rowpass/db/dbtest"
)

func TestUsersAreFoundWithTheClaimsThatTheOwnerAdds(t *testing.T) {
	d := dbtest.New(t)
	dbtest.Exec(t, d.OwnerURL,
		`insert into users (tenant_id, email) values ('`+globex+`', 'member@acme.example')`,
		`create or replace function auth.token_claims("user" text, client text) returns jsonb language sql stable
			begin atomic select jsonb_build_object('user', "user", 'client', client, 'name', (select name from users where id::text = "user")); end`)
	s := openState(t, d)
	const claims = `{"name": "Max of Acme", "user": "` + memberID + `", "client": "the client"}`
	for _, tt := range []struct {
		name, who, tenant string
		want              error
	}{
		{"by id", memberID, "", nil},
		{"by id, in its tenant", memberID, acme, nil},
		{"by id, in another tenant", memberID, globex, db.ErrNotFound},
		{"by address, in its tenant", "Member@Acme.example", acme, nil},
		{"by address, in two tenants", "member@acme.example", "", db.ErrAmbiguous},
		{"by an unknown address", "nobody@acme.example", "", db.ErrNotFound},
		{"by nothing", "", "", db.ErrNotFound},
		{"in no tenant", memberID, "acme", db.ErrInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			entry, err := s.FindUser(t.Context(), tt.who, tt.tenant, "the client")
			if !errors.Is(err, tt.want) {
				t.Fatalf("%+v, %v; want %v", entry, err, tt.want)
			}
			if err == nil && (entry.UserID != memberID || string(entry.Claims) != claims) {
				t.Errorf("%+v with claims %s", entry, entry.Claims)
			}
		})
	}
	first, err := s.FirstUser(t.Context(), "demo")
	if err != nil || first.UserID != adminID || string(first.Claims) != `{"name": "Ada of Acme", "user": "`+adminID+`", "client": "demo"}` {
		t.Errorf("the first user: %+v with claims %s, %v", first, first.Claims, err)
	}
	own, err := s.ClientClaims(t.Context(), "a program")
	if _, err := s.ClientClaims(t.Context(), strings.Repeat("x", 8192)); !errors.Is(err, db.ErrHook) {
		t.Errorf("a client with too many claims: %v, want ErrHook", err)
	}
	if err != nil || string(own) != `{"name": null, "user": null, "client": "a program"}` {
		t.Errorf("a client's own: %s, %v", own, err)
	}
}

func TestWhatTheOwnersHookMayDo(t *testing.T) {
	const returns = `create or replace function auth.token_claims("user" text, client text) returns jsonb language plpgsql as $$ begin `
	for _, tt := range []struct {
		name, hook string
		claims     string // "": it is refused
		tells      string // what the log gets to know then
	}{
		{"say nothing", returns + `return null; end $$`, `{}`, ""},
		{"read what only the owner may read", returns + `return jsonb_build_object('keys', (select count(*) from rowpass.seal_keys)); end $$`, `{"keys": 1}`, ""},
		{"write, as for a last login", returns + `create table if not exists rowpass.seen (who text); insert into rowpass.seen values ("user"); return '{"seen": true}'; end $$`, `{"seen": true}`, ""},
		{"find tables of schema public by their names", returns + `return jsonb_build_object('tenants', (select count(*) from tenants)); end $$`, `{"tenants": 2}`, ""},
		{"raise", returns + `raise exception 'no claims today'; end $$`, "", "no claims today (SQLSTATE P0001)"},
		{"divide by zero", returns + `return jsonb_build_object('x', 1 / 0); end $$`, "", "SQLSTATE 22012"},
		{"fail an assertion", returns + `assert false, 'never'; end $$`, "", "never (SQLSTATE P0004)"},
		{"sleep", returns + `perform pg_sleep(600); return '{}'; end $$`, "", "SQLSTATE 57014"},
		{"run for ever", returns + `loop null; end loop; end $$`, "", "SQLSTATE 57014"},
		{"lift its limit", returns + `perform set_config('statement_timeout', '0', true); perform pg_sleep(600); return '{}'; end $$`, "", "SQLSTATE 57014"},
		{"pretend that the user is not allowed", returns + `raise exception using errcode = '42501'; end $$`, "", "SQLSTATE 42501"},
		{"pretend that the server goes down", returns + `raise exception using errcode = '57P01'; end $$`, "", "SQLSTATE 57P01"},
		{"return an array", returns + `return '[1]'; end $$`, "", "a JSON array of 3 bytes"},
		{"return a JSON null", returns + `return 'null'; end $$`, "", "a JSON null"},
		{"return a text", returns + `return '"{}"'; end $$`, "", "a JSON string"},
		{"return too much", returns + `return jsonb_build_object('x', repeat('x', 8192)); end $$`, "", "an object of at most 8192"},
		{"be gone", `drop function auth.token_claims(text, text)`, "", "SQLSTATE 42883"},
		{"become somebody", returns + `set local role authenticated; return '{}'; end $$`, "", "SQLSTATE 42501"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := dbtest.New(t)
			dbtest.Exec(t, d.OwnerURL, tt.hook)
			s := openState(t, d)
			entry, err := s.FindUser(t.Context(), memberID, "", "the client")
			if tt.claims != "" {
				if err != nil || string(entry.Claims) != tt.claims {
					t.Errorf("%s, %v; want %s", entry.Claims, err, tt.claims)
				}
				return
			}
			if !errors.Is(err, db.ErrHook) || !strings.Contains(err.Error(), tt.tells) || entry.UserID != "" {
				t.Errorf("%+v, %v; want ErrHook that tells %q", entry, err, tt.tells)
			}
			var refusal *db.Refusal
			if !errors.As(err, &refusal) || refusal.Detail != "" {
				t.Errorf("%+v would reach the client", refusal)
			}
			if _, err := s.FindUser(t.Context(), "nobody", "", "the client"); !errors.Is(err, db.ErrNotFound) {
				t.Errorf("for nobody it is not asked: %v, want ErrNotFound", err)
			}
		})
	}
}
