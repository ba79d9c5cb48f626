package identity_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEventID(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 513)
	for _, c := range []struct {
		name, preset string
		header       http.Header
		body, want   string
	}{
		{"the standard's", "clerk", vectorHeader("webhook", vectorMAC), `{"id":"other"}`, vectorID},
		{"Svix's", "clerk", vectorHeader("svix", vectorMAC), `{}`, vectorID},
		{"the header's before the body's", "stytch", vectorHeader("webhook", vectorMAC), `{"event_id":"webhook-event-1"}`, vectorID},
		{"the body's own", "auth0", nil, `{"id":"evt_1"}`, "evt_1"},
		{"the body's own, where the header's isn't signed", "workos", vectorHeader("webhook", vectorMAC), `{"id":"event_1"}`, "event_1"},
		{"Keycloak's", "keycloak", nil, `{"uid":"0f"}`, "0f"},
		{"none, so the body's hash", "logto", nil, `{}`, "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},
		{"one that is no text", "auth0", nil, `{"id":7}`, "sha256:"},
		{"one that is too long", "auth0", nil, `{"id":"` + long + `"}`, "sha256:"},
		{"one that PostgreSQL cannot hold", "auth0", nil, `{"id":"a\u0000"}`, "sha256:"},
		{"one that pretends to be a hash", "auth0", nil, `{"id":"sha256:44"}`, "sha256:"},
		{"none in what is no JSON", "auth0", nil, `{`, "sha256:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := configured(t, c.preset).EventID(c.header, []byte(c.body))
			if c.want == "sha256:" && len(got) == 71 && strings.HasPrefix(got, c.want) {
				return
			}
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// Two IDs that cannot be kept as they are stay two.
func TestLongEventIDsDiffer(t *testing.T) {
	t.Parallel()
	s := configured(t, "auth0")
	long := strings.Repeat("x", 600)
	if s.EventID(nil, []byte(`{"id":"`+long+`1"}`)) == s.EventID(nil, []byte(`{"id":"`+long+`2"}`)) {
		t.Error("they are the same")
	}
}

func TestMessages(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, preset string
		header       http.Header
		body         string
		ids, bodies  []string
	}{
		{"one", "auth0", nil, ` {"id":"evt_1"}`, []string{"evt_1"}, []string{` {"id":"evt_1"}`}},
		{"several with IDs of their own", "auth0", nil, `[{"id":"evt_1"}, {"id":"evt_2"}]`, []string{"evt_1", "evt_2"}, []string{`{"id":"evt_1"}`, `{"id":"evt_2"}`}},
		{"several under one signed ID", "clerk", vectorHeader("webhook", vectorMAC), `[{},{}]`, []string{vectorID + "#0", vectorID + "#1"}, []string{`{}`, `{}`}},
		{"none", "auth0", nil, ` [ ] `, nil, nil},
		{"half an array, which is for Read to refuse", "auth0", nil, `[{"id":"evt_1"}`, []string{"sha256:8f1a"}, []string{`[{"id":"evt_1"}`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var ids, bodies []string
			for _, m := range configured(t, c.preset).Messages(c.header, []byte(c.body)) {
				ids, bodies = append(ids, m.ID), append(bodies, string(m.Body))
			}
			if len(c.ids) == 1 && strings.HasPrefix(c.ids[0], "sha256:") && len(ids) == 1 && strings.HasPrefix(ids[0], "sha256:") {
				ids = c.ids
			}
			if diff := cmp.Diff([][]string{c.ids, c.bodies}, [][]string{ids, bodies}); diff != "" {
				t.Error(diff)
			}
		})
	}
}
