package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rowpass/db/dbtest"
)

func TestTrustedClientActsForItsUsersAndNoOthers(t *testing.T) {
	s := newIssuing(t, issuing{})
	dbtest.Exec(t, s.database.OwnerURL, `insert into users (tenant_id, email) values ('`+globex+`', 'member@acme.example')`)
	for _, tt := range []struct {
		name       string
		as         string
		parameters []string
		subject    string // of the token; "": none
		refused    string // error
	}{
		{"for a user of its tenant by id", actsForAcme, []string{"subject", acmeMember}, acmeMember, ""},
		{"by id in capitals", actsForAcme, []string{"subject", strings.ToUpper(acmeMember)}, acmeMember, ""},
		{"by address", actsForAcme, []string{"subject", "admin@acme.example"}, acmeAdmin, ""},
		{"by an address that stands in another tenant too", actsForAcme, []string{"subject", "member@acme.example"}, acmeMember, ""},
		{"with its tenant named", actsForAcme, []string{"subject", acmeMember, "tenant", acme}, acmeMember, ""},
		{"with its tenant named in capitals", actsForAcme, []string{"subject", acmeMember, "tenant", strings.ToUpper(acme)}, acmeMember, ""},
		{"not for a user of another tenant by id", actsForAcme, []string{"subject", globexMember}, "", "invalid_grant"},
		{"not by address", actsForAcme, []string{"subject", "admin@globex.example"}, "", "invalid_grant"},
		{"not with that tenant named", actsForAcme, []string{"subject", globexMember, "tenant", globex}, "", "invalid_grant"},
		{"not for a user of its own in another tenant's name", actsForAcme, []string{"subject", acmeMember, "tenant", globex}, "", "invalid_grant"},
		{"not for an unknown user", actsForAcme, []string{"subject", "nobody@acme.example"}, "", "invalid_grant"},
		{"not for an unknown id", actsForAcme, []string{"subject", "a0000000-0000-4000-8000-0000000000ff"}, "", "invalid_grant"},
		{"not for SQL", actsForAcme, []string{"subject", "' or 1=1 --"}, "", "invalid_grant"},
		{"not for NUL", actsForAcme, []string{"subject", "admin@acme.example\x00"}, "", "invalid_grant"},
		{"not for what is no text", actsForAcme, []string{"subject", "\xff"}, "", "invalid_grant"},
		{"not for nobody", actsForAcme, nil, "", "invalid_request"},
		{"not for itself", actsForAcme, []string{"subject", actsForAcme}, "", "invalid_grant"},
		{"for everyone where it may", actsForAll, []string{"subject", globexMember}, globexMember, ""},
		{"for everyone by address", actsForAll, []string{"subject", "admin@acme.example"}, acmeAdmin, ""},
		{"for everyone, but not for the first of two", actsForAll, []string{"subject", "member@acme.example"}, "", "invalid_request"},
		{"for the one of two whose tenant it names", actsForAll, []string{"subject", "member@acme.example", "tenant", acme}, acmeMember, ""},
		{"for everyone, but not in a tenant that the user isn't in", actsForAll, []string{"subject", acmeMember, "tenant", globex}, "", "invalid_grant"},
		{"for everyone, but a tenant is an id", actsForAll, []string{"subject", acmeMember, "tenant", "Acme"}, "", "invalid_request"},
		{"for nobody where it may not", actsForNobody, []string{"subject", acmeMember}, "", "unauthorized_client"},
		{"for nobody, whether there is somebody or not", actsForNobody, []string{"subject", "nobody"}, "", "unauthorized_client"},
		{"for nobody of its tenant where it has none", actsForLost, []string{"subject", acmeMember}, "", "invalid_grant"},
		{"with a scope too many", actsForAcme, []string{"subject", acmeMember, "scope", "admin"}, "", "invalid_scope"},
		{"with an audience too many", actsForAcme, []string{"subject", acmeMember, "audience", "other"}, "", "invalid_target"},
		{"with a resource too many", actsForAcme, []string{"subject", acmeMember, "resource", "https://other.example"}, "", "invalid_target"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := s.oauth("/api/token", tt.as, append([]string{"grant_type", userGrant}, tt.parameters...)...)
			if tt.refused != "" {
				if a.status != 400 || a.said(t) != tt.refused {
					t.Errorf("%d %s, want %s", a.status, a.body, tt.refused)
				}
				a.check(t, 400, nil, []string{"globex", globexMember, acmeMember, "SQLSTATE"})
				return
			}
			claims := claimsOf(t, a.object(t)["access_token"])
			if claims["sub"] != tt.subject || claims["client_id"] != tt.as {
				t.Errorf("a token for %v by %v, want %s by %s", claims["sub"], claims["client_id"], tt.subject, tt.as)
			}
		})
	}
}

func TestUserNotOfTheClientLooksLikeNone(t *testing.T) {
	s := newIssuing(t, issuing{})
	foreign := s.oauth("/api/token", actsForAcme, "grant_type", userGrant, "subject", globexMember)
	unknown := s.oauth("/api/token", actsForAcme, "grant_type", userGrant, "subject", "nobody@acme.example")
	if diff := cmp.Diff(unknown.body, foreign.body); diff != "" || foreign.status != unknown.status {
		t.Errorf("they are told apart: %s", diff)
	}
}

func TestUsersTokenSaysWhoActs(t *testing.T) {
	s := newIssuing(t, issuing{})
	answer := s.granted(actsForAcme, "grant_type", userGrant, "subject", acmeMember, "scope", "read")
	want := map[string]any{
		"iss": issuer, "sub": acmeMember, "aud": audience, "client_id": actsForAcme, "tenant_id": acme, "role": "authenticated", "scope": "read",
		"act": map[string]any{"sub": actsForAcme},
	}
	ignored := cmpopts.IgnoreMapEntries(func(name string, _ any) bool { return name == "exp" || name == "iat" || name == "nbf" || name == "jti" })
	if diff := cmp.Diff(want, claimsOf(t, answer["access_token"]), ignored); diff != "" {
		t.Error(diff)
	}
	want = map[string]any{"access_token": answer["access_token"], "token_type": "Bearer", "expires_in": 900.0, "scope": "read"}
	if diff := cmp.Diff(want, answer); diff != "" {
		t.Errorf("without offline_access: %s", diff)
	}
	s.do(request{path: "/api/users/me", token: answer["access_token"].(string)}).check(t, 200, []string{acmeMember}, nil)
}

func TestRefreshTokenComesWithOfflineAccess(t *testing.T) {
	s := newIssuing(t, issuing{refresh: refreshing(time.Hour, time.Minute, 0)})
	for scope, want := range map[string]string{"": "", "read": "", "offline_access": "offline_access", "write offline_access": "offline_access write"} {
		answer := s.granted(actsForAcme, "grant_type", userGrant, "subject", acmeMember, "scope", scope)
		claims := claimsOf(t, answer["access_token"])
		_, given := answer["refresh_token"]
		if given != (want != "") || given != (claims["sid"] != nil) || given && answer["scope"] != want {
			t.Errorf("scope %q: %v, sid %v", scope, answer, claims["sid"])
		}
		if given && answer["refresh_expires_in"] != 60.0 { // the session ends before the token would
			t.Errorf("refresh_expires_in %v, want 60", answer["refresh_expires_in"])
		}
	}
}
