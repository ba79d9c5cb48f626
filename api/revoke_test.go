package api_test

import (
	"testing"
	"time"

	"rowpass/db"
	"rowpass/db/dbtest"
	"rowpass/token"
)

func TestRevocationEndsWhatItNames(t *testing.T) {
	s := newIssuing(t, issuing{})
	for _, tt := range []struct {
		name            string
		by              string // who revokes; the tokens are actsForAll's
		token           string // of the answer
		hint            string
		access, refresh bool // whether they are good afterwards
	}{
		{"an access token", actsForAll, "access_token", "", false, true},
		{"with its hint", actsForAll, "access_token", "access_token", false, true},
		{"with the wrong hint", actsForAll, "access_token", "refresh_token", false, true},
		{"with a hint that nobody knows", actsForAll, "access_token", "id_token", false, true},
		{"a refresh token, and its access tokens", actsForAll, "refresh_token", "", false, false},
		{"a refresh token with its hint", actsForAll, "refresh_token", "refresh_token", false, false},
		{"a refresh token with the wrong hint", actsForAll, "refresh_token", "access_token", false, false},
		{"another client's access token", actsForAcme, "access_token", "", true, true},
		{"another client's refresh token", actsForAcme, "refresh_token", "", true, true},
		{"another client's, without a secret", token.ClientLogin, "refresh_token", "", true, true},
		{"another client's access token, without a secret", token.ClientLogin, "access_token", "", true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answer := s.granted(actsForAll, "grant_type", userGrant, "subject", acmeMember, "scope", "read offline_access")
			if s.works(answer["access_token"]) != 200 { // from now on it is remembered as verified
				t.Fatal("the token does not work")
			}
			for range 2 { // the second time it is revoked already
				a := s.oauth("/api/revoke", tt.by, "token", answer[tt.token].(string), "token_type_hint", tt.hint)
				if a.status != 200 || a.body != "" {
					t.Errorf("%d %s", a.status, a.body)
				}
			}
			if got := s.works(answer["access_token"]); got != map[bool]int{true: 200, false: 401}[tt.access] {
				t.Errorf("the access token gives %d", got)
			}
			a := s.oauth("/api/token", actsForAll, "grant_type", "refresh_token", "refresh_token", answer["refresh_token"].(string))
			if good := a.status == 200; good != tt.refresh || !good && a.said(t) != "invalid_grant" {
				t.Errorf("the refresh token gives %s", a.body)
			}
		})
	}
}

func TestRevocationOfNothingSucceeds(t *testing.T) {
	s := newIssuing(t, issuing{})
	elsewhere := newServer(t, options{})
	for name, raw := range map[string]string{
		"no token at all": "x", "an unknown refresh token": "rpr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "half a refresh token": "rpr_",
		"another issuer's token": elsewhere.token(acmeMember, acme), "NUL": "\x00", "a long one": string(make([]byte, 20_000)),
	} {
		if a := s.oauth("/api/revoke", actsForAll, "token", raw); a.status != 200 || a.body != "" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}

func TestRevokedTokenIsToldSo(t *testing.T) {
	s := newIssuing(t, issuing{})
	raw := s.granted(actsForAll, "grant_type", "client_credentials")["access_token"].(string)
	s.oauth("/api/revoke", actsForAll, "token", raw).check(t, 200, nil, nil)
	a := s.do(request{path: "/api/users", token: raw})
	a.check(t, 401, []string{"invalid_token", "the token has been revoked"}, nil)
	fresh := s.granted(actsForAll, "grant_type", "client_credentials")["access_token"]
	if got := s.works(fresh); got != 200 {
		t.Errorf("the next token of the client gives %d", got)
	}
}

// What is revoked after its expiry could still be used for the leeway.
func TestRevocationReachesIntoTheLeeway(t *testing.T) {
	s := newIssuing(t, issuing{})
	raw := s.expired(token.Grant{Subject: acmeMember, Tenant: acme, ClientID: actsForAll})
	if got := s.works(raw); got != 200 {
		t.Fatalf("within the leeway: %d", got)
	}
	s.oauth("/api/introspect", actsForAll, "token", raw).check(t, 200, []string{`{"active":false}`}, nil)
	s.oauth("/api/revoke", actsForAll, "token", raw).check(t, 200, nil, nil)
	if got := s.works(raw); got != 401 {
		t.Errorf("revoked: %d", got)
	}
}

func TestEveryKindOfDenialIsInForce(t *testing.T) {
	s := newIssuing(t, issuing{})
	for _, kind := range []db.DenialKind{db.DenyID, db.DenySession, db.DenySubject, db.DenyTenant, db.DenyClient, db.DenyKey, db.DenyAll} {
		t.Run(string(kind), func(t *testing.T) {
			s := newIssuing(t, issuing{beside: s})
			raw := s.granted(actsForAll, "grant_type", userGrant, "subject", acmeMember, "scope", "offline_access")["access_token"]
			if got := s.works(raw); got != 200 { // from now on it is remembered as verified
				t.Fatalf("before: %d", got)
			}
			denial := db.Denial{Kind: kind}
			switch kind {
			case db.DenyKey:
				denial.Value = s.ring.Keys()[0].ID()
			case db.DenyAll:
				denial.IssuedBefore = time.Now()
			default:
				denial.Value = claimsOf(t, raw)[string(kind)].(string)
			}
			if err := s.state.Deny(t.Context(), denial); err != nil {
				t.Fatal(err)
			}
			s.follow()
			if got := s.works(raw); got != 401 {
				t.Errorf("after: %d", got)
			}
			s.oauth("/api/introspect", actsForAll, "token", raw.(string)).check(t, 200, []string{`{"active":false}`}, nil)
			dbtest.Exec(t, s.database.OwnerURL, `delete from rowpass.denials`)
		})
	}
}

func TestRevocationReachesTheOtherInstance(t *testing.T) {
	s := newIssuing(t, issuing{refresh: refreshing(time.Hour, time.Hour, 0)})
	other := newIssuing(t, issuing{beside: s})
	user := func() map[string]any {
		return s.granted(actsForAll, "grant_type", userGrant, "subject", acmeMember, "scope", "offline_access")
	}
	for name, revoke := range map[string]func(map[string]any){
		"an access token": func(o map[string]any) { s.oauth("/api/revoke", actsForAll, "token", o["access_token"].(string)) },
		"a refresh token": func(o map[string]any) { s.oauth("/api/revoke", actsForAll, "token", o["refresh_token"].(string)) },
		"a token used twice": func(o map[string]any) {
			s.refreshed(actsForAll, o["refresh_token"].(string)).check(t, 200, nil, nil)
			s.refreshed(actsForAll, o["refresh_token"].(string)).check(t, 400, nil, nil)
		},
	} {
		o := user()
		if got := other.works(o["access_token"]); got != 200 {
			t.Fatalf("%s: before %d", name, got)
		}
		revoke(o)
		other.follow()
		if here, there := s.works(o["access_token"]), other.works(o["access_token"]); here != 401 || there != 401 {
			t.Errorf("%s: here %d, there %d", name, here, there)
		}
	}
}
