package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rowpass/api"
	"rowpass/db"
	"rowpass/token"
)

func TestLogoutEndsTheSessionOrAllOfThem(t *testing.T) {
	const live, ended = 200, 401
	s := newDoor(t, nil)
	for name, tt := range map[string]struct {
		body string
		// what becomes of: the session that logs out, another of the same user, a token of that user without a session, and
		// another user's session
		here, there, bare, others int
	}{
		"without a body":      {"", ended, live, live, live},
		"with an empty one":   {`{}`, ended, live, live, live},
		"here":                {`{"everywhere":false}`, ended, live, live, live},
		"everywhere":          {`{"everywhere":true}`, ended, ended, ended, live},
		"with a null":         {`{"everywhere":null}`, live, live, live, live},
		"with a word":         {`{"everywhere":"yes"}`, live, live, live, live},
		"with a field more":   {`{"everywhere":true,"really":true}`, live, live, live, live},
		"with half an object": {`{"everywhere":`, live, live, live, live},
	} {
		t.Run(name, func(t *testing.T) {
			here, there := s.loggedIn("member@acme.example", ""), s.loggedIn("member@acme.example", "")
			others, bare := s.loggedIn(twice, acme), s.token(acmeMember, acme)
			want := 204
			if tt.here == live {
				want = 400
			}
			s.do(request{"POST", "/api/logout", here["access_token"].(string), tt.body, nil}).check(t, want, nil, nil)
			got := map[string]int{
				"here": s.works(here["access_token"]), "there": s.works(there["access_token"]), "bare": s.works(bare), "others": s.works(others["access_token"]),
				"here's refresh": s.refreshes(here), "there's refresh": s.refreshes(there), "others' refresh": s.refreshes(others),
			}
			if diff := cmp.Diff(map[string]int{
				"here": tt.here, "there": tt.there, "bare": tt.bare, "others": tt.others,
				"here's refresh": tt.here, "there's refresh": tt.there, "others' refresh": tt.others,
			}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestLogoutEverywhereDoesNotGoByAClockThatIsLate: the database dates the sessions.
func TestLogoutEverywhereDoesNotGoByAClockThatIsLate(t *testing.T) {
	c := newClock()
	c.advance(-time.Minute)
	s := newDoor(t, func(config *api.Config) { config.Now = c.Now })
	here, there := s.loggedIn("member@acme.example", ""), s.loggedIn("member@acme.example", "")
	s.do(request{"POST", "/api/logout", here["access_token"].(string), `{"everywhere":true}`, nil}).check(t, 204, nil, nil)
	if here, there := s.refreshes(here), s.refreshes(there); here != 401 || there != 401 {
		t.Errorf("refresh here is answered %d, there %d", here, there)
	}
}

// refreshes is 200 where a session can be continued, 401 where it has ended.
func (s *server) refreshes(session map[string]any) int {
	s.t.Helper()
	a := s.oauth("/api/token", token.ClientLogin, "grant_type", "refresh_token", "refresh_token", session["refresh_token"].(string))
	if a.said(s.t) == "invalid_grant" {
		return 401
	}
	return a.status
}

func TestTokenWithoutASessionLogsItselfOut(t *testing.T) {
	s := newDoor(t, nil)
	own := s.granted(client, "grant_type", "client_credentials")["access_token"].(string)
	for name, tt := range map[string]struct{ ended, lives string }{
		"a program's": {own, s.granted(client, "grant_type", "client_credentials")["access_token"].(string)},
		"a demo's":    {s.token(acmeMember, acme), s.token(acmeMember, acme)},
	} {
		t.Run(name, func(t *testing.T) {
			s.do(request{method: "POST", path: "/api/logout", token: tt.ended}).check(t, 204, nil, nil)
			if ended, lives := s.works(tt.ended), s.works(tt.lives); ended != 401 || lives != 200 {
				t.Errorf("it is answered %d, the subject's other token %d", ended, lives)
			}
		})
	}
}

func TestLogoutNeedsATokenThatIsGood(t *testing.T) {
	s := newDoor(t, nil)
	raw := s.loggedIn("member@acme.example", "")["access_token"].(string)
	s.do(request{method: "POST", path: "/api/logout"}).check(t, 401, []string{`"code":"unauthorized"`}, nil)
	s.do(request{method: "POST", path: "/api/logout", token: "x"}).check(t, 401, []string{`"code":"invalid_token"`}, nil)
	s.do(request{method: "POST", path: "/api/logout?access_token=x", token: raw}).check(t, 400, nil, nil)
	s.do(request{method: "POST", path: "/api/logout", token: raw}).check(t, 204, nil, nil)
	s.do(request{method: "POST", path: "/api/logout", token: raw}).check(t, 401, []string{"the token has been revoked"}, nil)
	s.do(request{path: "/api/logout", token: raw}).check(t, 405, nil, nil)
}

// TestLogoutReachesOtherInstances reads what they read.
func TestLogoutReachesOtherInstances(t *testing.T) {
	s := newDoor(t, nil)
	_, before, err := s.state.Denials(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	raw := s.loggedIn("member@acme.example", "")["access_token"].(string)
	claims := must(newVerifier(t, s.ring).Verify(t.Context(), raw))(t)
	s.do(request{method: "POST", path: "/api/logout", token: raw}).check(t, 204, nil, nil)
	denials, _, err := s.state.Denials(t.Context(), before)
	if err != nil {
		t.Fatal(err)
	}
	got := map[db.DenialKind]string{}
	for _, d := range denials {
		got[d.Kind] = d.Value
		if d.Until.Before(claims.Expiry.Add(token.Leeway)) {
			t.Errorf("%s is denied until %s, but would be taken until %s", d.Kind, d.Until, claims.Expiry.Add(token.Leeway))
		}
	}
	if diff := cmp.Diff(map[db.DenialKind]string{db.DenyID: claims.ID, db.DenySession: claims.SessionID}, got); diff != "" {
		t.Error(diff)
	}
}

func TestMetricsCountWhatIsDenied(t *testing.T) {
	s := newDoor(t, nil)
	s.metrics.WatchDenied(s.denied)
	metrics := s.metricsText(t, func() {
		s.do(request{method: "POST", path: "/api/logout", token: s.token(acmeMember, acme)}).check(t, 204, nil, nil)
	})
	if !strings.Contains(metrics, "\nrowpass_denied_tokens 1\n") {
		t.Error(metrics)
	}
}
