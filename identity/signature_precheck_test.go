package identity_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"rowpass/identity"
)

func TestHeadersAreLookedAtBeforeTheBody(t *testing.T) {
	t.Parallel()
	at := time.Unix(vectorTime, 0)
	const secret = "a secret of some length"
	zeroes := hexMAC("another", "body")
	for _, c := range []struct {
		name, preset string
		header       http.Header
		now          time.Time
		want         error
	}{
		{"Clerk's, whoever signed it", "clerk", vectorHeader("svix", wrongMAC), at, nil},
		{"Clerk's without headers", "clerk", http.Header{}, at, identity.ErrUnsigned},
		{"Clerk's without an id", "clerk", with(vectorHeader("svix", wrongMAC), "svix-id", ""), at, identity.ErrUnsigned},
		{"Clerk's with an id that could be split", "clerk", with(vectorHeader("svix", wrongMAC), "svix-id", "a.b"), at, identity.ErrSignature},
		{"Clerk's of no known version", "clerk", vectorHeader("svix", "v9,AAAA"), at, identity.ErrSignature},
		{"Clerk's without a number for a time", "clerk", with(vectorHeader("svix", wrongMAC), "svix-timestamp", "now"), at, identity.ErrSignature},
		{"Clerk's of long ago", "clerk", vectorHeader("svix", wrongMAC), at.Add(6 * time.Minute), identity.ErrStale},
		{"Clerk's of tomorrow", "clerk", vectorHeader("svix", wrongMAC), at.Add(-6 * time.Minute), identity.ErrStale},

		{"WorkOS's, whoever signed it", "workos", header("WorkOS-Signature", fmt.Sprintf("t=%d, v1=%s", at.UnixMilli(), zeroes)), at, nil},
		{"WorkOS's without a header", "workos", http.Header{}, at, identity.ErrUnsigned},
		{"WorkOS's without a MAC", "workos", header("WorkOS-Signature", fmt.Sprintf("t=%d", at.UnixMilli())), at, identity.ErrSignature},
		{"WorkOS's without a time", "workos", header("WorkOS-Signature", "v1="+zeroes), at, identity.ErrSignature},
		{"WorkOS's of long ago", "workos", header("WorkOS-Signature", fmt.Sprintf("t=%d, v1=%s", at.UnixMilli(), zeroes)), at.Add(4 * time.Minute), identity.ErrStale},

		{"Logto's, whoever signed it", "logto", header("Logto-Signature-Sha-256", zeroes), at, nil},
		{"Logto's without a header", "logto", http.Header{}, at, identity.ErrUnsigned},
		{"Logto's with half a MAC", "logto", header("Logto-Signature-Sha-256", zeroes[:32]), at, identity.ErrSignature},

		{"Auth0's", "auth0", header("Authorization", "Bearer "+secret), at, nil},
		{"Auth0's without a header", "auth0", http.Header{}, at, identity.ErrUnsigned},
		{"Auth0's with another secret", "auth0", header("Authorization", "Bearer "+secret+"!"), at, identity.ErrSignature},

		{"one for which there is no webhook", "tokens", vectorHeader("svix", vectorMAC), at, identity.ErrUnsigned},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cfg := configured(t, c.preset).Config()
			if c.preset == "auth0" {
				cfg.Secrets = []string{secret}
			}
			s := source(t, cfg)
			if err := s.Precheck(c.header, c.now); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if err := s.Verify(c.header, []byte("{}"), c.now); c.want != nil && err == nil {
				t.Error("it verifies")
			}
		})
	}
}

// What was signed is "id.time.body". Split at a later time that its body quotes, an hour-old event would be a new one.
func TestAnOldEventIsNotTakenApartAnew(t *testing.T) {
	t.Parallel()
	old := vectorTime - int64(3600)
	body := fmt.Sprintf(`{"type":"user.updated","data":{"id":"u","first_name":"x.%d.{}"}}`, vectorTime)
	id, rest, _ := strings.Cut(fmt.Sprintf("id.%d.%s", old, body), fmt.Sprintf(".%d.", vectorTime))
	h := header("svix-id", id, "svix-timestamp", fmt.Sprint(vectorTime), "svix-signature", standardMAC("id", old, body))
	s := source(t, identity.SourceConfig{Preset: "clerk", Secrets: []string{vectorSecret}})
	if err := s.Verify(h, []byte(rest), time.Unix(vectorTime, 0)); !errors.Is(err, identity.ErrSignature) {
		t.Errorf("got %v", err)
	}
}

// Whatever comes: what is genuine is not refused by its headers.
func FuzzPrecheck(f *testing.F) {
	f.Add("msg_1", int64(vectorTime), []byte("{}"))
	f.Add("a.b", int64(-1), []byte("1."))
	key, _ := base64.StdEncoding.DecodeString(vectorSecret)
	standard := source(f, identity.SourceConfig{Preset: "clerk", Secrets: []string{vectorSecret}})
	workOS := source(f, identity.SourceConfig{Preset: "workos", Secrets: []string{string(key)}})
	f.Fuzz(func(t *testing.T, id string, at int64, body []byte) {
		now := time.Unix(vectorTime, 0)
		for s, h := range map[*identity.Source]http.Header{
			standard: header("svix-id", id, "svix-timestamp", fmt.Sprint(at), "svix-signature", standardMAC(id, at, string(body))),
			workOS:   header("WorkOS-Signature", fmt.Sprintf("t=%d,v1=%s", at, hexMAC(string(key), fmt.Sprintf("%d.%s", at, body)))),
		} {
			if verified, early := s.Verify(h, body, now), s.Precheck(h, now); fmt.Sprint(verified) != fmt.Sprint(early) {
				t.Errorf("%s: %v by its headers, %v by its body", s.Preset().ID, early, verified)
			}
		}
	})
}
