package main

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"rowpass/db/dbtest"
)

// TestWhyPage forges claims as docs/why.md does: with its first policy that wins the other tenant's row, with its second nothing.
func TestWhyPage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/why.md")
	if err != nil {
		t.Fatal(err)
	}
	page := blocks(string(text))
	if len(page) != 4 {
		t.Fatalf("%d blocks", len(page))
	}
	table, forgery, won, sealed := page[0].text, page[1].text, page[2].text, page[3].text
	d := dbtest.New(t)
	dbtest.Exec(t, d.OwnerURL, table)
	if got, err := lastRows(t, d.OwnerURL, forgery); err != nil || got != won {
		t.Errorf("by the setting: %q %v, and the page says %q", got, err, won)
	}
	dbtest.Exec(t, d.OwnerURL, sealed)
	got, err := lastRows(t, d.OwnerURL, forgery)
	refused, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || refused.Code != "28000" || !strings.Contains(strings.Join(strings.Fields(string(text)), " "), refused.Message) {
		t.Errorf("by the seal: %q %v", got, err)
	}
}

// lastRows sends the statements as psql does, and gives what the last that has any rows answers: a line each.
func lastRows(t *testing.T, url, statements string) (string, error) {
	t.Helper()
	results, err := dbtest.Connect(t, url).PgConn().Exec(t.Context(), statements).ReadAll()
	var last string
	for _, r := range results {
		if len(r.Rows) == 0 {
			continue
		}
		last = ""
		for _, row := range r.Rows {
			last += string(row[0]) + "\n"
		}
	}
	return last, err
}
