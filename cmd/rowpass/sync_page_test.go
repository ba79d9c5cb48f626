package main

import (
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"rowpass/db/dbtest"
	"rowpass/db/embedded"
	"rowpass/identity"
)

func syncPage(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/profile-sync.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// chapter is what stands below a heading, up to the next one like it.
func chapter(t *testing.T, page, heading string) string {
	t.Helper()
	_, text, found := strings.Cut(page, "\n"+heading+"\n")
	if !found {
		t.Fatalf("the page has no part %q", heading)
	}
	level, _, _ := strings.Cut(heading, " ")
	text, _, _ = strings.Cut(text, "\n"+level+" ")
	return text
}

// TestProfileSyncPageBlocks loads each provider's block: it is of a preset, has a list where there is one, and stands beside the
// address that its events go to.
func TestProfileSyncPageBlocks(t *testing.T) {
	t.Parallel()
	shown := map[string]bool{}
	for _, text := range strings.Split(chapter(t, syncPage(t), "## The providers"), "\n### ")[1:] {
		title, _, _ := strings.Cut(text, "\n")
		t.Run(title, func(t *testing.T) {
			yaml := slices.DeleteFunc(blocks(text), func(b block) bool { return b.kind != "yaml" })
			if len(yaml) != 1 {
				t.Fatalf("%d blocks", len(yaml))
			}
			sources, err := loaded(t, inTemporaryFiles(t, t.TempDir(), yaml[0].text)).sources()
			if err != nil || len(sources) != 1 {
				t.Fatalf("%v, of\n%s", err, yaml[0].text)
			}
			preset, name := sources[0].Preset(), sources[0].Name()
			shown[preset.ID] = true
			events := preset.ID != identity.TokensPreset
			if listed := sources[0].list != nil; listed != events {
				t.Errorf("it has a list: %t", listed)
			}
			if told := strings.Contains(text, "`https://api.example.com/webhooks/"+name+"`"); told != events {
				t.Errorf("where its events go is told: %t", told)
			}
		})
	}
	for _, preset := range identity.Presets() {
		if !shown[preset.ID] {
			t.Errorf("no block of preset %s", preset.ID)
		}
	}
}

// TestProfileSyncPageTrial does what the page says for a trial without a provider, in its order.
func TestProfileSyncPageTrial(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"sh", "curl", "openssl", "od", "base64"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("the page needs ", program)
		}
	}
	r := newReader(t)
	for _, b := range blocks(chapter(t, syncPage(t), "## Try it without a provider")) {
		switch b.kind {
		case "console":
			for step := range strings.SplitSeq(strings.TrimSuffix(strings.TrimPrefix(b.text, "$ "), "\n"), "\n$ ") {
				r.session("$ " + step + "\n")
				if strings.HasPrefix(step, "send ") {
					readInbox(t, r)
				}
			}
		case "sh":
			r.run(b.text, "")
		case "yaml":
			r.save(b.text)
		default:
			t.Errorf("nobody checks a block of kind %q", b.kind)
		}
	}
}

// readInbox waits until the reader's server has read its events, since whoever types is slower than that and the test is not.
func readInbox(t *testing.T, r *reader) {
	t.Helper()
	server, err := embedded.Attach(t.Context(), embedded.Config{
		StateDir: lookup(r.environ, "ROWPASS_STATE_DIR"), Logins: []string{embeddedOwner}, Database: embeddedDatabase, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	c := dbtest.Connect(t, server.URL(embeddedOwner, embeddedDatabase))
	until(t, "no event waits", func() bool {
		var waiting int
		err := c.QueryRow(t.Context(), "select count(*) from rowpass.inbox where state in ('pending', 'fetch')").Scan(&waiting)
		return err == nil && waiting == 0
	})
}

// TestProfileSyncPageTodos asks for the todos before and after, and for the view's users, as the page has it.
func TestProfileSyncPageTodos(t *testing.T) {
	t.Parallel()
	var sql, answers []string
	for _, b := range blocks(chapter(t, syncPage(t), "## Before and after")) {
		if b.kind == "sql" {
			sql = append(sql, strings.TrimSpace(b.text))
		} else {
			answers = append(answers, strings.TrimSpace(b.text))
		}
	}
	if len(sql) != 4 || len(answers) != 1 {
		t.Fatalf("%d statements and %d answers", len(sql), len(answers))
	}
	s := serveSynced(t, nil)
	dbtest.Exec(t, s.database.OwnerURL, sql[0])
	claims := map[string]any{"sub": "user_2ab3cd"}
	s.rows(claims, "insert into todos (task) values ('Write a guide')")
	now := time.Now()
	user := clerkUser("user_2ab3cd", "Ada", now)
	user["last_name"] = "Lovelace"
	if a := sendEvent(t, s.api, "clerk", "msg_1", clerkEvent("user.created", user, now)); a.status != 200 {
		t.Fatal(a)
	}
	s.become("clerk|user_2ab3cd Ada Lovelace ada@acme.example there")
	for i, query := range sql[1:3] {
		if got := s.rows(claims, strings.ReplaceAll(query, "\n", " ")); got != answers[0] {
			t.Errorf("%d, %s\nanswers %s\nthe page says %s", i, query, got, answers[0])
		}
	}
	if got := s.rows(claims, strings.ReplaceAll(sql[3], "\n", " ")); got != "[]" {
		t.Errorf("an id that is no UUID joins %s", got)
	}
}

// TestProfileSyncPageReadsAnew has the list's word count again after an event was forged, by the page's statements.
func TestProfileSyncPageReadsAnew(t *testing.T) {
	t.Parallel()
	long := time.Now().Add(-time.Hour)
	ada, ben := clerkUser("user_1", "Ada", long), clerkUser("user_2", "Ben", long)
	s := serveSynced(t, newFakeList(t, ada, ben))
	s.become("clerk|user_1 Ada ada@acme.example there\nclerk|user_2 Ben ben@acme.example there")
	s.listed()
	for id, body := range map[string]string{
		"msg_1": clerkEvent("user.updated", clerkUser("user_1", "Eve", long), time.Now()),
		"msg_2": clerkEvent("user.deleted", map[string]any{"id": "user_2", "deleted": true}, time.Now()),
		"msg_3": clerkEvent("user.created", clerkUser("user_3", "Eve", long), time.Now()),
	} {
		if a := sendEvent(t, s.api, "clerk", id, body); a.status != 200 {
			t.Fatal(a)
		}
	}
	s.become("clerk|user_1 Eve eve@acme.example there\nclerk|user_2 Ben ben@acme.example gone\nclerk|user_3 Eve eve@acme.example there")
	typed(t, s.environ, "", "sync", "reconcile", "clerk").says(t, 0, "changed 0, deleted 1, unchanged 1, newer here 1, ")
	for _, b := range blocks(chapter(t, syncPage(t), "## Running it")) {
		for statement := range strings.SplitSeq(strings.TrimSpace(b.text), ";\n") {
			dbtest.Exec(t, s.database.OwnerURL, statement)
		}
	}
	typed(t, s.environ, "", "sync", "reconcile", "clerk").says(t, 0, "changed 1, ")
	s.become("clerk|user_1 Ada ada@acme.example there\nclerk|user_2 Ben ben@acme.example there\nclerk|user_3 Eve eve@acme.example gone")
}
