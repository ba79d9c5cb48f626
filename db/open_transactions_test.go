package db_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"rowpass/db"
	"rowpass/db/dbtest"
)

// open runs a statement as the claims' subject in a transaction that stays open until the returned function rolls it back.
func (c *caller) open(claims, statement string) (end func()) {
	c.t.Helper()
	tx, err := c.Begin(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	const become = `select set_config('request.jwt.claims', $1, true), set_config('request.jwt.seal', $2, true), set_config('role', 'authenticated', true)`
	if _, err := tx.Exec(c.t.Context(), become, claims, seal(c.key, claims, inAMinute())); err != nil {
		c.t.Fatal(err)
	}
	if tag, err := tx.Exec(c.t.Context(), statement); err != nil || tag.RowsAffected() == 0 {
		c.t.Fatalf("%s: %v, %v", statement, tag, err)
	}
	return func() {
		c.t.Helper()
		if err := tx.Rollback(c.t.Context()); err != nil && !errors.Is(err, pgx.ErrTxClosed) {
			c.t.Errorf("the transaction has not stayed open: %v", err)
		}
	}
}

// TestACallersOpenTransactionHoldsUpNothing is what a tenant's admin could try by a slow statement behind a deletion: as long
// as its transaction is open, everything else goes on.
func TestACallersOpenTransactionHoldsUpNothing(t *testing.T) {
	const another = "b0000000-0000-4000-8000-00000000000b"
	for _, tt := range []struct{ name, statement string }{
		{"a deletion", `delete from users where id = '` + memberID + `'`},
		{"another address", `update users set email = 'x@acme.example' where id = '` + memberID + `'`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := dbtest.New(t)
			s, err := db.OpenState(t.Context(), db.StateConfig{ // no statement's limit ends a wait for a lock
				URL: d.ServiceURL, QueryExecMode: "cache_statement", Timeout: anHour, Log: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.Close)
			setPassword(t, s, memberID)
			setPassword(t, s, another)
			token, family := session(t, s)
			replayed, _ := session(t, s)
			refresh(t, s, replayed)
			longAgo(t, d)
			stranger := func() string {
				token, _, err := s.StartFamily(t.Context(), db.Family{ClientID: clientName, Subject: another, ExpiresAt: time.Now().Add(anHour)}, anHour)
				if err != nil {
					t.Fatal(err)
				}
				return token
			}
			first, second := stranger(), stranger()
			end := newCaller(t, d).open(acmeAdmin, tt.statement)
			defer end()
			ctx, cancel := context.WithTimeout(t.Context(), 30*aSecond) // the transaction goes on for longer than that
			defer cancel()
			now := time.Now().Add(-anHour)
			for _, step := range []struct {
				name string
				do   func() error
				want error
			}{
				{"refreshing the session of another", func() error { _, err := s.Refresh(ctx, first, clientName, anHour, 0); return err }, nil},
				{"reusing a token of the user", func() error { _, err := s.Refresh(ctx, replayed, clientName, anHour, 0); return err }, db.ErrReused},
				{"refreshing the user's session", func() error { _, err := s.Refresh(ctx, token, clientName, anHour, 0); return err }, nil},
				{"ending the session of a token of the user", func() error { _, err := s.EndFamily(ctx, token, clientName); return err }, nil},
				{"ending the user's session", func() error { return s.Deny(ctx, db.Denial{Kind: db.DenySession, Value: family.ID}) }, nil},
				{"ending the user's sessions", func() error { return s.EndSessions(ctx, memberID) }, nil},
				{"denying the user", func() error { return s.Deny(ctx, db.Denial{Kind: db.DenySubject, Value: memberID}) }, nil},
				{"denying another", func() error { return s.Deny(ctx, db.Denial{Kind: db.DenySubject, Value: another, IssuedBefore: now}) }, nil},
				{"denying the tenant", func() error { return s.Deny(ctx, db.Denial{Kind: db.DenyTenant, Value: acme, IssuedBefore: now}) }, nil},
				{"denying all", func() error { return s.Deny(ctx, db.Denial{Kind: db.DenyAll, IssuedBefore: now}) }, nil},
				{"another's new password", func() error { return s.SetPassword(ctx, another, password) }, nil},
				{"the user's new password, which needs its row", func() error {
					err := s.SetPassword(ctx, memberID, password)
					if code(err) != "55P03" {
						t.Errorf("it waits for the row longer than for a second: %v", err)
					}
					return err
				}, db.ErrTimeout},
				{"the session of another, ended by its new password", func() error { _, err := s.Refresh(ctx, second, clientName, anHour, 0); return err }, db.ErrNotFound},
				{"a log-in of another", func() error {
					_, err := s.CheckPassword(ctx, "member@globex.example", "", password, clientName)
					return err
				}, nil},
				{"reading what is denied", func() error {
					denials, _, err := s.Denials(ctx, 0)
					if err == nil && len(denials) != 11 { // of the passwords before, and of nine steps
						t.Errorf("%d denials: %+v", len(denials), denials)
					}
					return err
				}, nil},
				{"pruning", func() error { return s.Prune(ctx, anHour) }, nil},
			} {
				if err := step.do(); !errors.Is(err, step.want) {
					t.Errorf("%s: %v, want %v", step.name, err, step.want)
				}
			}
		})
	}
}
