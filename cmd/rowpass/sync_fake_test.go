package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The webhook secret and the API key of sources in tests. The former is of a form that every signature takes.
const (
	webhookKey    = "a key of thirty-two bytes, or so"
	webhookSecret = "whsec_YSBrZXkgb2YgdGhpcnR5LXR3byBieXRlcywgb3Igc28="
	listKey       = "sk_test_0123456789"
)

// sendEvent posts an event to a source as Standard Webhooks signs it, and changes the headers before.
func sendEvent(t testing.TB, address, source, id, body string, headers ...string) answer {
	t.Helper()
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, []byte(webhookKey))
	mac.Write([]byte(id + "." + stamp + "." + body))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/webhooks/"+source, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i, value := range append([]string{id, stamp, "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))}, headers...) {
		r.Header.Set([]string{"webhook-id", "webhook-timestamp", "webhook-signature"}[i%3], value)
	}
	return do(t, r)
}

// clerkUser is a user as Clerk has it.
func clerkUser(id, name string, changed time.Time) map[string]any {
	address := map[string]any{"id": "e", "email_address": strings.ToLower(name) + "@acme.example"}
	return map[string]any{
		"id": id, "first_name": name, "primary_email_address_id": "e", "email_addresses": []any{address},
		"created_at": changed.UnixMilli(), "updated_at": changed.UnixMilli(),
	}
}

// clerkEvent is what Clerk sends of one.
func clerkEvent(what string, user map[string]any, at time.Time) string {
	text, _ := json.Marshal(map[string]any{"type": what, "object": "event", "timestamp": at.UnixMilli(), "data": user}) // of texts and numbers
	return string(text)
}

// fakeList is Clerk's API on this machine.
type fakeList struct {
	*httptest.Server
	mu    sync.Mutex // guards what follows
	users []map[string]any
	lists int // how often the first page was asked for
}

func newFakeList(t *testing.T, users ...map[string]any) *fakeList {
	t.Helper()
	f := &fakeList{users: users}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fakeList) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id, one := strings.CutPrefix(r.URL.Path, "/v1/users/")
	var found any
	switch at := slices.IndexFunc(f.users, func(u map[string]any) bool { return u["id"] == id }); {
	case r.Header.Get("Authorization") != "Bearer "+listKey:
		w.WriteHeader(http.StatusUnauthorized)
		return
	case id == "count":
		found = map[string]any{"total_count": len(f.users)}
	case one && at < 0:
		w.WriteHeader(http.StatusNotFound)
		return
	case one:
		found = f.users[at]
	default:
		offset, _ := strconv.Atoi(r.URL.Query().Get("offset"))
		if offset == 0 {
			f.lists++
		}
		found = f.users[min(offset, len(f.users)):]
	}
	_ = json.NewEncoder(w).Encode(found)
}

// become replaces the users.
func (f *fakeList) become(users ...map[string]any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.users = users
}

func (f *fakeList) asked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lists
}

// block is the api of a source that has this list; key_file is in dir.
func (f *fakeList) block(t *testing.T, dir string) string {
	t.Helper()
	write(t, dir+"/list-key", listKey+"\n", 0o600)
	return fmt.Sprintf("      api: {url: %q, key_file: %q, allow_private: [127.0.0.1]}\n", f.URL, dir+"/list-key")
}
