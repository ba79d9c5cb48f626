package db_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rowpass/db"
	"rowpass/db/dbtest"
)

// aFamily is what a login of Acme's member starts.
func aFamily() db.Family {
	return db.Family{ClientID: clientName, Subject: memberID, Tenant: acme, Audience: []string{"rowpass"}, ExpiresAt: time.Now().Add(24 * anHour)}
}

// session starts a family and returns its token.
func session(t testing.TB, s *db.State) (string, db.Family) {
	t.Helper()
	token, family, err := s.StartFamily(t.Context(), aFamily(), anHour)
	if err != nil {
		t.Fatal(err)
	}
	return token, family
}

// longAgo makes it so that what happened to refresh tokens happened an hour earlier.
func longAgo(t testing.TB, d dbtest.Database) {
	t.Helper()
	dbtest.Exec(t, d.OwnerURL, "update rowpass.refresh_tokens set used_at = used_at - interval '1 hour'")
}

// deniedSessions are the values of the denials of sessions.
func deniedSessions(t testing.TB, s *db.State) (sids []string) {
	t.Helper()
	denials, _, err := s.Denials(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range denials {
		if d.Kind == db.DenySession {
			sids = append(sids, d.Value)
		}
	}
	return sids
}

func TestFiftyTabsWithOneRefreshTokenGetOneSuccessor(t *testing.T) {
	d := dbtest.New(t)
	instances := []*db.State{openState(t, d), openState(t, d)}
	token, family := session(t, instances[0])
	const tabs = 50
	var wg sync.WaitGroup
	results, errs := make([]db.Refreshed, tabs), make([]error, tabs)
	for i := range tabs {
		wg.Go(func() {
			results[i], errs[i] = instances[i%2].Refresh(t.Context(), token, clientName, anHour, 10*aSecond)
		})
	}
	wg.Wait()
	for i, r := range results {
		if errs[i] != nil {
			t.Fatal(errs[i])
		}
		if diff := cmp.Diff(results[0], r); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(family, r.Family); diff != "" {
			t.Error(diff)
		}
	}
	if n := value(t, d, "select count(*)::text from rowpass.refresh_tokens"); n != "2" {
		t.Errorf("%s refresh tokens in the table, want the first and its successor", n)
	}
	if results[0].Token == token {
		t.Error("the successor is the token itself")
	}
	if sids := deniedSessions(t, instances[0]); len(sids) != 0 {
		t.Errorf("sessions %v are denied", sids)
	}
	if _, err := instances[0].Refresh(t.Context(), results[0].Token, clientName, anHour, 10*aSecond); err != nil {
		t.Errorf("the successor is refused: %v", err)
	}
}

func TestATabThatIsTwoRefreshesBehindGetsTheNewestToken(t *testing.T) {
	s := openState(t, dbtest.New(t))
	first, _ := session(t, s)
	second := refresh(t, s, first)
	third := refresh(t, s, second.Token)
	late := refresh(t, s, first)
	if late.Token != third.Token || !late.ExpiresAt.Equal(third.ExpiresAt) {
		t.Errorf("it gets %+v, want %+v", late, third)
	}
}

func refresh(t testing.TB, s *db.State, token string) db.Refreshed {
	t.Helper()
	r, err := s.Refresh(t.Context(), token, clientName, anHour, 10*aSecond)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestATokenUsedTwiceEndsItsSession(t *testing.T) {
	for _, tt := range []struct {
		name  string
		grace time.Duration
		later bool
		want  error
	}{
		{"at once, within the grace", 10 * aSecond, false, nil},
		{"an hour later", 10 * aSecond, true, db.ErrReused},
		{"at once, where there is no grace", 0, false, db.ErrReused},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := dbtest.New(t)
			s := openState(t, d)
			other, _ := session(t, s)
			token, family := session(t, s)
			successor := refresh(t, s, token)
			if tt.later {
				longAgo(t, d)
			}
			r, err := s.Refresh(t.Context(), token, clientName, anHour, tt.grace)
			if !errors.Is(err, tt.want) || r.Family.ID != family.ID {
				t.Fatalf("%+v, %v; want family %s and %v", r, err, family.ID, tt.want)
			}
			wantDenied, wantErr := []string(nil), error(nil)
			if tt.want != nil {
				wantDenied, wantErr = []string{family.ID}, db.ErrNotFound
			}
			if diff := cmp.Diff(wantDenied, deniedSessions(t, s)); diff != "" {
				t.Error(diff)
			}
			for what, token := range map[string]string{"the successor": successor.Token, "the token": token} {
				if _, err := s.Refresh(t.Context(), token, clientName, anHour, 10*aSecond); !errors.Is(err, wantErr) {
					t.Errorf("%s afterwards: %v, want %v", what, err, wantErr)
				}
			}
			refresh(t, s, other) // the user's other session goes on
		})
	}
}

// TestSessionAndDenialEndTogether lets the denial fail, and the family must stay: they are one transaction.
func TestSessionAndDenialEndTogether(t *testing.T) {
	d := dbtest.New(t)
	s := openState(t, d)
	token, _ := session(t, s)
	successor := refresh(t, s, token)
	longAgo(t, d)
	dbtest.Exec(t, d.OwnerURL, "alter table rowpass.denials add constraint no_denials check (kind <> 'sid')")
	if r, err := s.Refresh(t.Context(), token, clientName, anHour, 0); err == nil || errors.Is(err, db.ErrReused) {
		t.Fatalf("%+v, %v; want the constraint's refusal", r, err)
	}
	refresh(t, s, successor.Token)
}

func TestRefreshTokensThatAreNoGoodChangeNothing(t *testing.T) {
	d := dbtest.New(t)
	s := openState(t, d)
	used, _ := session(t, s)
	token := refresh(t, s, used).Token
	longAgo(t, d)
	expired, family := session(t, s)
	dbtest.Exec(t, d.OwnerURL, "update rowpass.refresh_tokens set expires_at = now() where family_id = '"+family.ID+"'")
	over, overFamily := session(t, s)
	dbtest.Exec(t, d.OwnerURL, "update rowpass.refresh_families set expires_at = now() where id = '"+overFamily.ID+"'")
	ended, _ := session(t, s)
	if _, err := s.EndFamily(t.Context(), ended, clientName); err != nil {
		t.Fatal(err)
	}
	const rows = `select (select string_agg(t::text, '' order by hash) from rowpass.refresh_tokens t)
		|| (select string_agg(f::text, '' order by id) from rowpass.refresh_families f) || (select string_agg(d::text, '' order by value) from rowpass.denials d)`
	before := value(t, d, rows)
	for _, tt := range []struct{ name, token, client string }{
		{"of another client", token, "thief"},
		{"of another client, used", used, "thief"},
		{"of nobody", token, ""},
		{"unknown", "rpr_" + base64.RawURLEncoding.EncodeToString(make([]byte, 32)), clientName},
		{"out of date", expired, clientName},
		{"of a session that is over", over, clientName},
		{"of a session that was ended", ended, clientName},
		{"without its prefix", strings.TrimPrefix(token, "rpr_"), clientName},
		{"with something behind", token + "A", clientName},
		{"with another ending of the same bits", token[:len(token)-1] + string(token[len(token)-1]+1), clientName},
		{"with a line break", token[:20] + "\n" + token[20:], clientName},
		{"with a NUL", token[:20] + "\x00" + token[21:], clientName},
		{"empty", "", clientName},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if r, err := s.Refresh(t.Context(), tt.token, tt.client, anHour, 0); !errors.Is(err, db.ErrNotFound) {
				t.Errorf("refreshing: %+v, %v; want ErrNotFound", r, err)
			}
			if r, err := s.LookUpRefresh(t.Context(), tt.token, tt.client); !errors.Is(err, db.ErrNotFound) {
				t.Errorf("looking up: %+v, %v; want ErrNotFound", r, err)
			}
			if tt.client == clientName && strings.HasPrefix(tt.name, "of a") || tt.name == "out of date" {
				return // ending it is no error
			}
			if r, err := s.EndFamily(t.Context(), tt.token, tt.client); !errors.Is(err, db.ErrNotFound) {
				t.Errorf("ending: %+v, %v; want ErrNotFound", r, err)
			}
		})
	}
	if diff := cmp.Diff(before, value(t, d, rows)); diff != "" {
		t.Error(diff)
	}
	if _, err := s.LookUpRefresh(t.Context(), used, clientName); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("looking up a used token: %v, want ErrNotFound", err)
	}
}

func TestATokensLifeEndsWithItsSession(t *testing.T) {
	s := openState(t, dbtest.New(t))
	f := aFamily()
	token, started, err := s.StartFamily(t.Context(), f, 48*anHour)
	if err != nil {
		t.Fatal(err)
	}
	looked, err := s.LookUpRefresh(t.Context(), token, clientName)
	if err != nil || !looked.ExpiresAt.Equal(started.ExpiresAt) {
		t.Errorf("the first is good until %v, %v; want %v", looked.ExpiresAt, err, started.ExpiresAt)
	}
	r, err := s.Refresh(t.Context(), token, clientName, 48*anHour, 0)
	if err != nil || !r.ExpiresAt.Equal(started.ExpiresAt) {
		t.Errorf("its successor is good until %v, %v; want %v", r.ExpiresAt, err, started.ExpiresAt)
	}
}

func TestSessionsAreEndedWithTheirAccessTokens(t *testing.T) {
	for _, tt := range []struct {
		name  string
		end   func(s *db.State, token string, f db.Family) error
		other bool // the same user's other session goes on
	}{
		{"by the refresh token", func(s *db.State, token string, _ db.Family) error {
			_, err := s.EndFamily(t.Context(), token, clientName)
			return err
		}, true},
		{"by the refresh token, twice", func(s *db.State, token string, f db.Family) error {
			_, err := s.EndFamily(t.Context(), token, clientName)
			ended, err2 := s.EndFamily(t.Context(), token, clientName)
			if ended.ID != f.ID {
				return errors.New("another family was ended: " + ended.ID)
			}
			return errors.Join(err, err2)
		}, true},
		{"by a used refresh token", func(s *db.State, token string, _ db.Family) error {
			_, err := s.Refresh(t.Context(), token, clientName, anHour, 0)
			_, err2 := s.EndFamily(t.Context(), token, clientName)
			return errors.Join(err, err2)
		}, true},
		{"by its id", func(s *db.State, _ string, f db.Family) error {
			return s.Deny(t.Context(), db.Denial{Kind: db.DenySession, Value: f.ID})
		}, true},
		{"with all of the subject's", func(s *db.State, _ string, f db.Family) error { return s.EndSessions(t.Context(), f.Subject) }, false},
		{"by denying the subject", func(s *db.State, _ string, f db.Family) error {
			return s.Deny(t.Context(), db.Denial{Kind: db.DenySubject, Value: f.Subject, IssuedBefore: time.Now()})
		}, false},
		{"by denying the client", func(s *db.State, _ string, f db.Family) error {
			return s.Deny(t.Context(), db.Denial{Kind: db.DenyClient, Value: f.ClientID, IssuedBefore: time.Now()})
		}, false},
		{"by denying the tenant", func(s *db.State, _ string, f db.Family) error {
			return s.Deny(t.Context(), db.Denial{Kind: db.DenyTenant, Value: f.Tenant, IssuedBefore: time.Now()})
		}, false},
		{"by denying all", func(s *db.State, _ string, _ db.Family) error {
			return s.Deny(t.Context(), db.Denial{Kind: db.DenyAll, IssuedBefore: time.Now()})
		}, false},
		{"by a new password", func(s *db.State, _ string, f db.Family) error {
			return s.SetPassword(t.Context(), f.Subject, "correct horse")
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := openState(t, dbtest.New(t))
			stranger, _, err := s.StartFamily(t.Context(), db.Family{ClientID: "another", Subject: adminID, Tenant: globex, ExpiresAt: time.Now().Add(anHour)}, anHour)
			if err != nil {
				t.Fatal(err)
			}
			token, family := session(t, s)
			other, _ := session(t, s)
			if err := tt.end(s, token, family); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Refresh(t.Context(), token, clientName, anHour, aSecond); !errors.Is(err, db.ErrNotFound) {
				t.Errorf("its refresh token: %v, want ErrNotFound", err)
			}
			if _, err := s.LookUpRefresh(t.Context(), other, clientName); errors.Is(err, db.ErrNotFound) == tt.other {
				t.Errorf("the other session: %v", err)
			}
			if _, err := s.LookUpRefresh(t.Context(), stranger, "another"); (err == nil) == (tt.name == "by denying all") {
				t.Errorf("a stranger's session: %v", err)
			}
			if sids := deniedSessions(t, s); len(sids) > 1 {
				t.Errorf("%v are denied, want one denial of one session", sids)
			}
			denials, _, err := s.Denials(t.Context(), 0)
			covers := func(d db.Denial) bool {
				return d.Kind == db.DenySession && d.Value == family.ID || d.Kind == db.DenySubject && d.Value == family.Subject ||
					d.Kind == db.DenyClient && d.Value == family.ClientID || d.Kind == db.DenyTenant && d.Value == family.Tenant || d.Kind == db.DenyAll
			}
			found := false
			for _, d := range denials {
				found = found || covers(d)
			}
			if !found || err != nil {
				t.Errorf("its access tokens are not denied: %+v, %v", denials, err)
			}
		})
	}
}

// TestWhoLogsInAgainGoesOn begins a session as soon as those of before were ended.
func TestWhoLogsInAgainGoesOn(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(s *db.State) error
	}{
		{"after all were ended", func(s *db.State) error { return s.EndSessions(t.Context(), memberID) }},
		{"after a new password", func(s *db.State) error { return s.SetPassword(t.Context(), memberID, password) }},
		{"after a denial of all that was issued until now", func(s *db.State) error {
			return s.Deny(t.Context(), db.Denial{Kind: db.DenyAll, IssuedBefore: time.Now()})
		}},
		{"after the end of another session", func(s *db.State) error { return s.Deny(t.Context(), db.Denial{Kind: db.DenySession, Value: "another"}) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := openState(t, dbtest.New(t))
			if err := tt.end(s); err != nil {
				t.Fatal(err)
			}
			token, _ := session(t, s)
			if err := s.Prune(t.Context(), anHour); err != nil {
				t.Fatal(err)
			}
			refresh(t, s, token)
		})
	}
}

// TestSessionsThatBeginWhileADenialHoldsAreOver is about denials of what is yet to be issued.
func TestSessionsThatBeginWhileADenialHoldsAreOver(t *testing.T) {
	for _, before := range []time.Time{{}, time.Now().Add(anHour)} {
		d := dbtest.New(t)
		s := openState(t, d)
		err := s.Deny(t.Context(), db.Denial{Kind: db.DenyClient, Value: clientName, IssuedBefore: before})
		if err = errors.Join(err, s.Prune(t.Context(), anHour)); err != nil { // there is none to end yet
			t.Fatal(err)
		}
		token, _ := session(t, s)
		if _, err := s.Refresh(t.Context(), token, clientName, anHour, 0); !errors.Is(err, db.ErrNotFound) {
			t.Errorf("denied what is issued before %v: %v, want ErrNotFound", before, err)
		}
	}
}

func TestOfASubjectsSessionsTheNewestHundredGoOn(t *testing.T) {
	s := openState(t, dbtest.New(t))
	ended, _ := session(t, s)
	var tokens []string
	for range 100 {
		token, _ := session(t, s)
		tokens = append(tokens, token)
	}
	goOn := func(want []string) {
		t.Helper()
		for i, token := range append([]string{ended}, tokens...) {
			_, err := s.LookUpRefresh(t.Context(), token, clientName)
			if errors.Is(err, db.ErrNotFound) == slices.Contains(want, token) {
				t.Errorf("session %d: %v", i, err)
			}
		}
	}
	goOn(tokens)
	for _, f := range []db.Family{{ClientID: "another", Subject: memberID}, {ClientID: clientName, Subject: adminID}} {
		f.ExpiresAt = time.Now().Add(anHour)
		if _, _, err := s.StartFamily(t.Context(), f, anHour); err != nil {
			t.Fatal(err)
		}
	}
	goOn(tokens) // another client's and another's don't count
	if _, err := s.EndFamily(t.Context(), tokens[50], clientName); err != nil {
		t.Fatal(err)
	}
	session(t, s)
	goOn(slices.Delete(slices.Clone(tokens), 50, 51)) // nor does one that was ended, swept or not
	session(t, s)
	goOn(slices.Delete(slices.Clone(tokens), 50, 51)[1:])
}

// TestSessionsThatBeginLaterGoOn denies what was issued an hour ago and before.
func TestSessionsThatBeginLaterGoOn(t *testing.T) {
	s := openState(t, dbtest.New(t))
	token, _ := session(t, s)
	for _, kind := range []db.DenialKind{db.DenySubject, db.DenyTenant, db.DenyClient, db.DenyAll} {
		value := map[db.DenialKind]string{db.DenySubject: memberID, db.DenyTenant: acme, db.DenyClient: clientName}[kind]
		if err := s.Deny(t.Context(), db.Denial{Kind: kind, Value: value, IssuedBefore: time.Now().Add(-anHour)}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.LookUpRefresh(t.Context(), token, clientName); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// TestTheTablesHoldNothingThatGivesAToken reads all that schema rowpass holds, as a thief of a dump would.
func TestTheTablesHoldNothingThatGivesAToken(t *testing.T) {
	d := dbtest.New(t)
	s := openState(t, d)
	first, _ := session(t, s)
	second := refresh(t, s, first).Token
	third := refresh(t, s, second).Token
	dump := value(t, d, `select string_agg(query_to_xml('select * from rowpass.' || quote_ident(relname), true, false, '')::text, '')
		from pg_class where relnamespace = 'rowpass'::regnamespace and relkind = 'r' and relname not like '%_version'`)
	if !strings.Contains(dump, memberID) {
		t.Fatalf("the dump holds no session, so that this test can tell nothing: %s", dump)
	}
	var secrets []string
	for _, token := range []string{first, second, third} {
		text := strings.TrimPrefix(token, "rpr_")
		raw, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, token, text, hex.EncodeToString(raw), base64.StdEncoding.EncodeToString(raw))
	}
	for _, secret := range secrets {
		if strings.Contains(dump, secret) {
			t.Errorf("the tables hold %s", secret)
		}
	}
	// Whatever bytes they do hold, no HMAC of one over another is a token that is good.
	var held [][]byte
	rows, err := dbtest.Connect(t, d.OwnerURL).Query(t.Context(), `select hash from rowpass.refresh_tokens union all select salt from rowpass.refresh_tokens where salt is not null`)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		held = append(held, append([]byte{}, rows.RawValues()[0]...))
	}
	if err := rows.Err(); err != nil || len(held) != 5 {
		t.Fatalf("%d hashes and salts, %v", len(held), err)
	}
	for _, key := range held {
		for _, text := range held {
			mac := hmac.New(sha256.New, key)
			mac.Write(text)
			guess := "rpr_" + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
			if _, err := s.LookUpRefresh(t.Context(), guess, clientName); !errors.Is(err, db.ErrNotFound) {
				t.Errorf("what the tables hold gives %s: %v", guess, err)
			}
		}
	}
}

func FuzzRefreshToken(f *testing.F) {
	s := openState(f, dbtest.New(f))
	token, _ := session(f, s)
	f.Add(token)
	f.Add(token + "=")
	f.Add("rpr_" + strings.Repeat("_", 43))
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if r, err := s.LookUpRefresh(t.Context(), text, clientName); (err == nil) != (text == token) || err != nil && !errors.Is(err, db.ErrNotFound) {
			t.Errorf("%q: %+v, %v", text, r, err)
		}
	})
}
