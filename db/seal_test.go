package db_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"rowpass/db"
	"rowpass/db/dbtest"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

const (
	acmeAdmin    = `{"sub":"a0000000-0000-4000-8000-00000000000a","tenant_id":"a0000000-0000-4000-8000-000000000001"}`
	acmeMember   = `{"sub":"a0000000-0000-4000-8000-00000000000b","tenant_id":"a0000000-0000-4000-8000-000000000001"}`
	globexAdmin  = `{"sub":"b0000000-0000-4000-8000-00000000000a","tenant_id":"b0000000-0000-4000-8000-000000000001"}`
	globexMember = `{"sub":"b0000000-0000-4000-8000-00000000000b","tenant_id":"b0000000-0000-4000-8000-000000000001"}`
)

// caller is a connection of the gateway's login that acts as somebody, as a request of rowpass would, with the seal made
// by another implementation of HMAC than the database's. It then runs whatever SQL it is given.
type caller struct {
	*pgx.Conn
	t   testing.TB
	key []byte
}

func newCaller(t testing.TB, d dbtest.Database) *caller {
	t.Helper()
	key, err := db.SealKey(t.Context(), d.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	config, err := pgx.ParseConfig(d.GatewayURL)
	if err != nil {
		t.Fatal(err)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return &caller{conn, t, key}
}

func seal(key []byte, claims string, expires int64) string {
	if claims == "" {
		return ""
	}
	head := fmt.Sprintf("v1.%d.", expires)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(head + claims))
	return head + hex.EncodeToString(mac.Sum(nil))
}

func inAMinute() int64 { return time.Now().Add(time.Minute).Unix() }

// as runs statements in one transaction as the claims' subject and returns the last one's first column, each row a
// string, or the first error.
func (c *caller) as(claims string, statements ...string) ([]string, error) {
	return c.sealed(claims, seal(c.key, claims, inAMinute()), statements...)
}

func (c *caller) sealed(claims, seal string, statements ...string) (values []string, err error) {
	c.t.Helper()
	err = pgx.BeginFunc(c.t.Context(), c.Conn, func(tx pgx.Tx) error {
		const become = `select set_config('request.jwt.claims', $1, true), set_config('request.jwt.seal', $2, true), set_config('role', 'authenticated', true)`
		if _, err := tx.Exec(c.t.Context(), become, claims, seal); err != nil {
			return err
		}
		for _, s := range statements {
			rows, err := tx.Query(c.t.Context(), s)
			if err != nil {
				return err
			}
			if values, err = pgx.CollectRows(rows, firstColumn); err != nil {
				return err
			}
		}
		return nil
	})
	return values, err
}

func firstColumn(row pgx.CollectableRow) (string, error) {
	if len(row.RawValues()) == 0 {
		return "", nil
	}
	return string(row.RawValues()[0]), nil
}

func code(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func TestHMACFitsRFC4231(t *testing.T) {
	conn := dbtest.Connect(t, dbtest.New(t).OwnerURL)
	for _, v := range []struct{ name, key, data, mac string }{
		{"4.2", strings.Repeat("0b", 20), "4869205468657265", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
		{"4.3", "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
		{"4.4", strings.Repeat("aa", 20), strings.Repeat("dd", 50), "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
		{"4.5", "0102030405060708090a0b0c0d0e0f10111213141516171819", strings.Repeat("cd", 50), "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
		{"4.7, a key longer than a block", strings.Repeat("aa", 131), hex.EncodeToString([]byte("Test Using Larger Than Block-Size Key - Hash Key First")),
			"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
		{"4.8, a key and data longer than a block", strings.Repeat("aa", 131),
			hex.EncodeToString([]byte("This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm.")),
			"9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
	} {
		t.Run(v.name, func(t *testing.T) {
			var mac string
			err := conn.QueryRow(t.Context(), `select encode(sha256(rowpass.pad(decode($1, 'hex'), 92) || sha256(rowpass.pad(decode($1, 'hex'), 54) || decode($2, 'hex'))), 'hex')`,
				v.key, v.data).Scan(&mac)
			if err != nil || mac != v.mac {
				t.Errorf("%s, %v; want %s", mac, err, v.mac)
			}
		})
	}
}

func TestSealedClaimsAreTheCallers(t *testing.T) {
	c := newCaller(t, dbtest.New(t))
	mapped := `{"sub":"auth0|1","tenant_id":"org_1","rowpass_user":"auth0|auth0|1","rowpass_tenant":"A0000000-0000-4000-8000-000000000001","o":{"id":"b0000000-0000-4000-8000-000000000001","rol":"x"}}`
	tenantless := `{"sub":"user_1","tenant_id":"a0000000-0000-4000-8000-000000000001","rowpass_user":"clerk|user_1"}` // its own words, not the mapping's
	for _, tt := range []struct{ claims, expression, want string }{
		{acmeAdmin, "auth.session() ->> 'sub'", "a0000000-0000-4000-8000-00000000000a"},
		{acmeAdmin, "auth.jwt() = auth.session()", "t"},
		{acmeAdmin, "auth.user_id()", "a0000000-0000-4000-8000-00000000000a"},
		{acmeAdmin, "auth.uid()", "a0000000-0000-4000-8000-00000000000a"},
		{acmeAdmin, "auth.tenant()", "a0000000-0000-4000-8000-000000000001"},
		{acmeAdmin, "auth.tenant_id()", "a0000000-0000-4000-8000-000000000001"},
		{acmeAdmin, "auth.organization() is null and auth.organization_id() is null", "t"},
		{mapped, "auth.user_id()", "auth0|auth0|1"},
		{mapped, "auth.uid() is null", "t"},
		{mapped, "auth.tenant()", "A0000000-0000-4000-8000-000000000001"},
		{mapped, "auth.tenant_id()", "a0000000-0000-4000-8000-000000000001"},
		{tenantless, "auth.user_id()", "clerk|user_1"},
		{tenantless, "auth.tenant() is null and auth.tenant_id() is null", "t"},
		{tenantless, "auth.session() ->> 'tenant_id'", "a0000000-0000-4000-8000-000000000001"},
		{`{"sub":"x","tenant_id":"org_1","rowpass_user":null}`, "auth.tenant() is null", "t"},
		{`{"sub":"x","tenant_id":"org_1","metadata":{"rowpass_user":"x"}}`, "auth.tenant()", "org_1"},
		{`{"sub":"x","tenant_id":"org_1","rowpass_tenant":"org_2"}`, "auth.tenant()", "org_1"},
		{mapped, "auth.organization() ->> 'rol'", "x"},
		{mapped, "auth.organization_id()", "b0000000-0000-4000-8000-000000000001"},
		{`{"sub":"x"}`, "auth.tenant_id() is null and auth.tenant() is null", "t"},
		{`{"tenant_id":null}`, "auth.tenant_id() is null and auth.user_id() is null", "t"},
		{`{"tenant_id":["a0000000-0000-4000-8000-000000000001"]}`, "auth.tenant_id() is null", "t"},
		{`[]`, "auth.user_id() is null", "t"},
		{`"a string"`, "auth.user_id() is null", "t"},
		{"", "auth.session() = 'null' and auth.user_id() is null and auth.uid() is null and auth.tenant_id() is null and auth.organization() is null", "t"},
	} {
		t.Run(tt.expression+" of "+tt.claims, func(t *testing.T) {
			got, err := c.as(tt.claims, "select ("+tt.expression+")::text")
			if err != nil || len(got) != 1 || strings.TrimSuffix(got[0], "rue") != tt.want {
				t.Errorf("%q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestSealsThatDoNotFitAreRefused(t *testing.T) {
	d := dbtest.New(t)
	c := newCaller(t, d)
	now := time.Now().Unix()
	good := seal(c.key, acmeMember, now+60)
	mac := good[strings.LastIndexByte(good, '.')+1:]
	for _, tt := range []struct{ name, seal string }{
		{"none", ""},
		{"one for other claims", seal(c.key, globexAdmin, now+60)},
		{"one by another key", seal([]byte("another key"), acmeMember, now+60)},
		{"one that is over", seal(c.key, acmeMember, now-1)},
		{"one from ten minutes ahead", seal(c.key, acmeMember, now+600)},
		{"one from years ahead", seal(c.key, acmeMember, now+315_360_000)},
		{"one with another expiry than was sealed", fmt.Sprintf("v1.%d.%s", now+61, mac)},
		{"one with something behind", good + ".junk"},
		{"one with a blank behind", good + " "},
		{"one in capitals", strings.ToUpper(good)},
		{"one with the MAC in capitals", good[:len(good)-64] + strings.ToUpper(mac)},
		{"one of another version", "v2" + good[2:]},
		{"one without a version", good[3:]},
		{"one with a sign", "v1.+" + good[3:]},
		{"one with a leading zero", "v1.0" + good[3:]},
		{"one with an infinite expiry", "v1.infinity." + mac},
		{"one with an expiry of 27 digits", "v1." + strings.Repeat("9", 27) + "." + mac},
		{"one with Arabic digits", "v1.١٢٣." + mac},
		{"one with a line break", "v1.\n" + good[3:]},
		{"one with a short MAC", good[:len(good)-1]},
		{"one without a MAC", fmt.Sprintf("v1.%d.", now+60)},
		{"dots alone", "..."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := c.sealed(acmeMember, tt.seal, "select name from users"); code(err) != "28000" {
				t.Errorf("%q, %v; want 28000", got, err)
			}
		})
	}
	if got, err := c.sealed(acmeMember, good, "select email from users"); err != nil || len(got) != 2 {
		t.Errorf("the good one: %q, %v; want two users", got, err)
	}
}

func TestOlderSealKeyHoldsUntilItIsVoid(t *testing.T) {
	d := dbtest.New(t)
	old, stale := newCaller(t, d), inAMinute()
	if err := db.RotateSealKey(t.Context(), d.OwnerURL, false); err != nil {
		t.Fatal(err)
	}
	fresh := newCaller(t, d)
	if string(fresh.key) == string(old.key) {
		t.Fatal("rotating has kept the key")
	}
	for _, c := range []*caller{old, fresh} {
		if _, err := c.sealed(acmeMember, seal(c.key, acmeMember, stale), "select auth.session()"); err != nil {
			t.Errorf("after a rotation both keys hold: %v", err)
		}
	}
	if err := db.RotateSealKey(t.Context(), d.OwnerURL, true); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*caller{old, fresh} {
		if _, err := c.as(acmeMember, "select auth.session()"); code(err) != "28000" {
			t.Errorf("after --now no older key holds: %v", err)
		}
	}
}

func TestOwnerActsAsSomebodyForATransaction(t *testing.T) {
	d := dbtest.New(t)
	owner := dbtest.Connect(t, d.OwnerURL)
	var seen, role, after string
	err := pgx.BeginFunc(t.Context(), owner, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "select auth.impersonate($1)", acmeMember); err != nil {
			return err
		}
		return tx.QueryRow(t.Context(), "select string_agg(email, ' ' order by email), current_user from users").Scan(&seen, &role)
	})
	if err != nil || seen != "admin@acme.example member@acme.example" || role != "authenticated" {
		t.Errorf("sees %q as %s, %v", seen, role, err)
	}
	if err := owner.QueryRow(t.Context(), "select current_user || auth.session()::text").Scan(&after); err != nil || after != dbtest.Owner+"null" {
		t.Errorf("afterwards it is %s, %v", after, err)
	}
	if got, err := newCaller(t, d).as(acmeMember, `select auth.impersonate('`+globexAdmin+`')`); code(err) != "42501" {
		t.Errorf("a caller impersonates: %q, %v", got, err)
	}
}
