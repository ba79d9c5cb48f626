package db_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/crypto/argon2"

	"rowpass/db"
	"rowpass/db/dbtest"
)

const password = "correct horse"

// hashed is how often 19 MiB, the memory of one argon2id computation as rowpass makes it, were taken while f ran.
func hashed(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return (after.TotalAlloc - before.TotalAlloc) / (19456 << 10)
}

// phc is a hash of the password as another program could have made it.
func phc(password string, memory, passes uint32, threads uint8) string {
	salt := []byte("salt of sixteen.")
	sum := argon2.IDKey([]byte(password), salt, passes, memory, threads, 32)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", memory, passes, threads, b64.EncodeToString(salt), b64.EncodeToString(sum))
}

func setPassword(t testing.TB, s *db.State, userID string) {
	t.Helper()
	if err := s.SetPassword(t.Context(), userID, password); err != nil {
		t.Fatal(err)
	}
}

func TestWhoLogsIn(t *testing.T) {
	d := dbtest.New(t)
	s := openState(t, d)
	const inBoth = "both@example.com"
	dbtest.Exec(t, d.OwnerURL,
		`insert into users (id, tenant_id, email) values ('c0000000-0000-4000-8000-000000000001', '`+acme+`', '`+inBoth+`'),
			('c0000000-0000-4000-8000-000000000002', '`+globex+`', 'Both@Example.com'), ('c0000000-0000-4000-8000-000000000003', '`+globex+`', 'member@acme.example')`)
	for _, id := range []string{memberID, "c0000000-0000-4000-8000-000000000001", "c0000000-0000-4000-8000-000000000002"} {
		setPassword(t, s, id)
	}
	for _, tt := range []struct{ name, email, tenant, password, want string }{
		{"with the password", "member@acme.example", "", password, memberID},
		{"with the address in capitals", "MEMBER@ACME.EXAMPLE", "", password, memberID},
		{"with the tenant", "member@acme.example", acme, password, memberID},
		{"with an address in two tenants, and the tenant", inBoth, globex, password, "c0000000-0000-4000-8000-000000000002"},
		{"nobody, with an address in two tenants", inBoth, "", password, ""},
		{"nobody, with a wrong password", "member@acme.example", "", "wrong horse", ""},
		{"nobody, with the password and a blank", "member@acme.example", "", password + " ", ""},
		{"nobody, with no password", "member@acme.example", "", "", ""},
		{"nobody, with a long password", "member@acme.example", "", strings.Repeat(password, 100), ""},
		{"nobody, with the password in another tenant", "member@acme.example", globex, password, ""},
		{"nobody, with a user's id", memberID, "", password, ""},
		{"nobody, with an unknown address", "nobody@acme.example", "", password, ""},
		{"nobody, with an address of a user without a password", "admin@acme.example", "", password, ""},
		{"nobody, with an address of a user without a password, and none", "admin@acme.example", "", "", ""},
		{"nobody, with a tenant that is none", "member@acme.example", "acme", password, ""},
		{"nobody, with a NUL in the address", "member@acme.example\x00", "", password, ""},
		{"nobody, with an address that is no UTF-8", "\xff@acme.example", "", password, ""},
		{"nobody, with no address", "", "", password, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var entry db.Entry
			var err error
			n := hashed(func() { entry, err = s.CheckPassword(t.Context(), tt.email, tt.tenant, tt.password, clientName) })
			if entry.UserID != tt.want && tt.want != "" || errors.Is(err, db.ErrNotFound) != (tt.want == "") || err != nil && tt.want != "" {
				t.Errorf("%+v, %v; want %q", entry, err, tt.want)
			}
			if err != nil && err != db.ErrNotFound { //nolint:errorlint // every no is the same to the last letter
				t.Errorf("this no is another one: %v", err)
			}
			if n != 1 {
				t.Errorf("%d computations, want 1", n)
			}
		})
	}
}

// TestAWrongPasswordSaysWhoseItIsNot is what the audit learns of a log-in that failed.
func TestAWrongPasswordSaysWhoseItIsNot(t *testing.T) {
	const both = "c0000000-0000-4000-8000-000000000001"
	d := dbtest.New(t)
	s := openState(t, d)
	dbtest.Exec(t, d.OwnerURL, `insert into users (id, tenant_id, email) values ('`+both+`', '`+globex+`', 'member@acme.example')`)
	setPassword(t, s, memberID)
	member := db.Entry{UserID: memberID, TenantID: acme}
	for _, tt := range []struct {
		name, email, tenant, prepare string
		want                         db.Entry
	}{
		{"of a user", "Member@acme.example", "", "", member},
		{"of a user in its tenant", "member@acme.example", acme, "", member},
		{"of a user without a password", "admin@acme.example", "", "", db.Entry{}},
		{"of nobody", "nobody@acme.example", "", "", db.Entry{}},
		{"of a user whose hash cannot be used", "member@acme.example", "", `update rowpass.passwords set hash = 'x'`, member},
		{"of one of two users", "member@acme.example", "", `insert into rowpass.passwords values ('` + both + `', 'x')`, db.Entry{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.prepare != "" {
				dbtest.Exec(t, d.OwnerURL, tt.prepare)
			}
			entry, err := s.CheckPassword(t.Context(), tt.email, tt.tenant, "wrong horse", clientName)
			if diff := cmp.Diff(tt.want, entry, cmpopts.IgnoreUnexported(db.Entry{})); diff != "" || !errors.Is(err, db.ErrNotFound) {
				t.Errorf("%v %s", err, diff)
			}
		})
	}
}

func TestHashesOfOtherParametersAreReplacedAtLogin(t *testing.T) {
	d := dbtest.New(t)
	s := openState(t, d)
	for _, tt := range []struct {
		name, hash string
	}{
		{"less memory", phc(password, 8192, 2, 1)},
		{"fewer passes", phc(password, 19456, 1, 1)},
		{"more threads and memory", phc(password, 65536, 3, 4)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dbtest.Exec(t, d.OwnerURL, "delete from rowpass.passwords", "insert into rowpass.passwords values ('"+memberID+"', '"+tt.hash+"')")
			login := func(password string) error {
				_, err := s.CheckPassword(t.Context(), "member@acme.example", "", password, clientName)
				return err
			}
			stored := func() string { return value(t, d, "select hash from rowpass.passwords") }
			if err := login("wrong horse"); !errors.Is(err, db.ErrNotFound) || stored() != tt.hash {
				t.Errorf("a wrong password: %v, and the hash is %s", err, stored())
			}
			if err := login(password); err != nil || !strings.HasPrefix(stored(), "$argon2id$v=19$m=19456,t=2,p=1$") {
				t.Errorf("the password: %v, and the hash is %s", err, stored())
			}
			replaced := stored()
			if err := login(password); err != nil || stored() != replaced {
				t.Errorf("once more: %v, and the hash is %s", err, stored())
			}
		})
	}
}

func TestMalformedHashesAreRefused(t *testing.T) {
	d := dbtest.New(t)
	log := &lines{}
	s := openStateAs(t, d.ServiceURL, "cache_statement", log.log())
	good := phc(password, 19456, 2, 1)
	setPassword(t, s, memberID)
	swap := func(old, new string) string {
		t.Helper()
		text := strings.Replace(good, old, new, 1)
		if text == good {
			t.Fatalf("%s is not in %s", old, good)
		}
		return text
	}
	parts := strings.Split(good, "$")
	for name, hash := range map[string]string{
		"a word":                   "x",
		"a bcrypt hash":            "$2y$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
		"argon2i":                  swap("argon2id", "argon2i"),
		"another version":          swap("v=19", "v=16"),
		"no version":               swap("$v=19", ""),
		"no memory":                swap("m=19456", "m=0"),
		"memory that overflows":    swap("m=19456", "m=4294967296"),
		"memory of 4 TiB":          swap("m=19456", "m=4294967295"),
		"memory of 257 MiB":        swap("m=19456", "m=263168"),
		"too little memory":        swap("m=19456,t=2,p=1", "m=8,t=2,p=2"),
		"no passes":                swap("t=2", "t=0"),
		"passes without end":       swap("t=2", "t=4294967295"),
		"no threads":               swap("p=1", "p=0"),
		"threads that overflow":    swap("p=1", "p=257"),
		"a negative number":        swap("t=2", "t=-2"),
		"a leading zero":           swap("t=2", "t=02"),
		"a blank":                  swap("t=2", "t= 2"),
		"something behind":         good + "x=",
		"one part more":            good + "$",
		"no salt":                  strings.Replace(good, parts[4], "", 1),
		"a short salt":             strings.Replace(good, parts[4], "YWJj", 1),
		"a salt that is no base64": strings.Replace(good, parts[4], "!!!!!!!!!!!!!!!!!!!!!!", 1),
		"no sum":                   strings.Replace(good, parts[5], "", 1),
		"a sum of three bytes":     strings.Replace(good, parts[5], "YWJj", 1),
		"a sum of 66 bytes":        strings.Replace(good, parts[5], strings.Repeat("YWJj", 22), 1),
	} {
		t.Run(name, func(t *testing.T) {
			dbtest.Exec(t, d.OwnerURL, "update rowpass.passwords set hash = '"+hash+"'")
			var err error
			n := hashed(func() { _, err = s.CheckPassword(t.Context(), "member@acme.example", "", password, clientName) })
			if !errors.Is(err, db.ErrNotFound) || n != 1 {
				t.Errorf("%v after %d computations, want ErrNotFound after 1", err, n)
			}
		})
	}
	if text := log.String(); strings.Count(text, "give the user a new password") != 25 || strings.Contains(text, parts[5]) {
		t.Errorf("the log: %s", text)
	}
}

func TestPasswordsThatCannotBeSet(t *testing.T) {
	d := dbtest.New(t)
	s := openState(t, d)
	for _, tt := range []struct {
		name, user, password string
		want                 error
		detail               string
	}{
		{"too short", memberID, "1234567", db.ErrInvalid, "a password has 8 to 1024 bytes"},
		{"too long", memberID, strings.Repeat("x", 1025), db.ErrInvalid, "a password has 8 to 1024 bytes"},
		{"of nobody", "c0000000-0000-4000-8000-000000000001", password, db.ErrNotFound, ""},
		{"of a user without an id", "member@acme.example", password, db.ErrInvalid, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := s.SetPassword(t.Context(), tt.user, tt.password)
			var refusal *db.Refusal
			if !errors.Is(err, tt.want) || errors.As(err, &refusal) && refusal.Detail != tt.detail {
				t.Errorf("%v, want %v", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), tt.password) {
				t.Errorf("the error tells the password: %v", err)
			}
		})
	}
	wantValues(t, s, 0)
	for _, password := range []string{"12345678", strings.Repeat("x", 1024), "\x00\x00\x00\x00\x00\x00\x00\x00", "pässwörter"} {
		if err := s.SetPassword(t.Context(), memberID, password); err != nil {
			t.Errorf("%.20q: %v", password, err)
		}
		if _, err := s.CheckPassword(t.Context(), "member@acme.example", "", password, clientName); err != nil {
			t.Errorf("%.20q: %v", password, err)
		}
	}
	if text := value(t, d, "select string_agg(p::text, '') from rowpass.passwords p"); strings.Contains(text, "pässwörter") {
		t.Error("the table holds the password")
	}
}

// TestPasswordsAreHashedAFewAtATime logs in a hundred times at once: whoever has to wait for too long is told so, and
// nobody is told a lie.
func TestPasswordsAreHashedAFewAtATime(t *testing.T) {
	s := openState(t, dbtest.New(t))
	setPassword(t, s, memberID)
	var wg sync.WaitGroup
	var mu sync.Mutex
	said := map[string]int{}
	for i := range 100 {
		wg.Go(func() {
			guess := password
			if i%2 == 1 {
				guess = "wrong horse"
			}
			_, err := s.CheckPassword(t.Context(), "member@acme.example", "", guess, clientName)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, db.ErrBusy):
				said["busy"]++
			case (err == nil) == (i%2 == 0) && (err == nil || errors.Is(err, db.ErrNotFound)):
				said["the truth"]++
			default:
				said[fmt.Sprint(err)]++
			}
		})
	}
	wg.Wait()
	if diff := cmp.Diff(100, said["busy"]+said["the truth"]); diff != "" || said["the truth"] == 0 {
		t.Errorf("%v", said)
	}
}

// TestALogInMeetsAnother has two log-ins under way, of which one replaces the hash that both have checked.
func TestALogInMeetsAnother(t *testing.T) {
	d := dbtest.New(t)
	s := openState(t, d)
	setPassword(t, s, memberID)
	entry, err := s.CheckPassword(t.Context(), "member@acme.example", "", password, clientName)
	if err != nil {
		t.Fatal(err)
	}
	dbtest.Exec(t, d.OwnerURL, "update rowpass.passwords set hash = '"+phc(password, 8192, 2, 1)+"'") // as it was before the hash was replaced
	if _, err := s.CheckPassword(t.Context(), "member@acme.example", "", password, clientName); err != nil {
		t.Fatal(err)
	}
	family := db.Family{ClientID: clientName, Subject: memberID, ExpiresAt: time.Now().Add(time.Hour)}
	if _, _, err := s.StartLogin(t.Context(), entry, family, time.Hour); err != nil {
		t.Errorf("the other log-in: %v", err)
	}
}

// TestAnAdminTakesAnothersAddress is what a tenant's admin could try who has a password: to keep another tenant's user from
// logging in, and to learn by its own log-in which addresses exist elsewhere.
func TestAnAdminTakesAnothersAddress(t *testing.T) {
	const victim = "b0000000-0000-4000-8000-00000000000b"
	for _, tt := range []struct{ name, address string }{
		{"one that another tenant's user has", "member@globex.example"},
		{"the same in capitals", "MEMBER@GLOBEX.EXAMPLE"},
		{"one that nobody has", "nobody@globex.example"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := dbtest.New(t)
			s := openState(t, d)
			setPassword(t, s, adminID)
			setPassword(t, s, victim)
			token, _ := session(t, s)
			if _, err := newCaller(t, d).as(acmeAdmin, `update users set email = '`+tt.address+`' where id = auth.uid()`); err != nil {
				t.Fatal(err)
			}
			if entry, err := s.CheckPassword(t.Context(), "member@globex.example", "", password, clientName); err != nil || entry.UserID != victim {
				t.Errorf("the victim's log-in: %+v, %v", entry, err)
			}
			for _, tenant := range []string{"", acme} {
				entry, err := s.CheckPassword(t.Context(), tt.address, tenant, password, clientName)
				if entry.UserID == adminID || tenant == acme && !errors.Is(err, db.ErrNotFound) {
					t.Errorf("the admin's log-in in tenant %q tells who exists: %+v, %v", tenant, entry, err)
				}
			}
			if _, err := s.LookUpRefresh(t.Context(), token, clientName); err != nil {
				t.Errorf("the session of another: %v", err)
			}
		})
	}
}

// TestALogInMeetsANewPassword has a log-in begin with the old password while the new one is set: in whatever order they end,
// no session of the old password goes on.
func TestALogInMeetsANewPassword(t *testing.T) {
	s := openState(t, dbtest.New(t))
	family := db.Family{ClientID: clientName, Subject: memberID, ExpiresAt: time.Now().Add(time.Hour)}
	for round := range 20 {
		setPassword(t, s, memberID)
		entry, err := s.CheckPassword(t.Context(), "member@acme.example", "", password, clientName)
		if err != nil {
			t.Fatal(err)
		}
		if round == 0 { // nobody interferes
			if _, _, err := s.StartLogin(t.Context(), entry, family, time.Hour); err != nil {
				t.Fatalf("with the password as it was checked: %v", err)
			}
		}
		var begun []string
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for {
				token, _, err := s.StartLogin(t.Context(), entry, family, time.Hour)
				if errors.Is(err, db.ErrNotFound) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				begun = append(begun, token)
			}
		}()
		if err := s.SetPassword(t.Context(), memberID, "another horse"); err != nil {
			t.Fatal(err)
		}
		<-ended
		for _, token := range begun {
			if _, err := s.LookUpRefresh(t.Context(), token, clientName); !errors.Is(err, db.ErrNotFound) {
				t.Fatalf("a session of the old password goes on: %v", err)
			}
		}
	}
}
