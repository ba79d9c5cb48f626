package keys_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"rowpass/keys"
)

func TestRemoteLifetime(t *testing.T) {
	date := func(d time.Duration) string { return now.Add(d).UTC().Format(http.TimeFormat) }
	for _, tt := range []struct {
		name    string
		headers []string
		want    time.Duration
	}{
		{"nothing said", nil, 5 * time.Minute},
		{"max-age", []string{"Cache-Control", "public, max-age=600, must-revalidate"}, 10 * time.Minute},
		{"max-age in capitals and quotes", []string{"Cache-Control", `Max-Age="600"`}, 10 * time.Minute},
		{"max-age in a second header", []string{"Cache-Control", "public", "Cache-Control", "max-age=600"}, 10 * time.Minute},
		{"max-age twice", []string{"Cache-Control", "max-age=600, max-age=1200"}, 10 * time.Minute},
		{"max-age and Expires", []string{"Cache-Control", "max-age=600", "Expires", date(time.Hour)}, 10 * time.Minute},
		{"max-age of a cache's age", []string{"Cache-Control", "max-age=600", "Age", "120"}, 8 * time.Minute},
		{"max-age that is over", []string{"Cache-Control", "max-age=600", "Age", "700"}, time.Minute},
		{"max-age of 0", []string{"Cache-Control", "max-age=0"}, time.Minute},
		{"max-age of a second", []string{"Cache-Control", "max-age=1"}, time.Minute},
		{"max-age of a year", []string{"Cache-Control", "max-age=31536000"}, time.Hour},
		{"max-age of more than a number", []string{"Cache-Control", "max-age=99999999999999999999999"}, time.Hour},
		{"max-age below zero", []string{"Cache-Control", "max-age=-5"}, time.Minute},
		{"max-age that is no number", []string{"Cache-Control", "max-age=soon"}, time.Minute},
		{"max-age for shared caches alone", []string{"Cache-Control", "s-maxage=600"}, 5 * time.Minute},
		{"no-cache", []string{"Cache-Control", "no-cache, max-age=600"}, time.Minute},
		{"no-store behind it", []string{"Cache-Control", "max-age=600, no-store"}, time.Minute},
		{"Expires", []string{"Date", date(0), "Expires", date(20 * time.Minute)}, 20 * time.Minute},
		{"Expires on a clock that is wrong", []string{"Date", date(-48 * time.Hour), "Expires", date(-48*time.Hour + 20*time.Minute)}, 20 * time.Minute},
		{"Expires long ago", []string{"Date", date(0), "Expires", date(-time.Hour)}, time.Minute},
		{"Expires that is no date", []string{"Expires", "0"}, time.Minute},
	} {
		f := newFixture(t)
		document, _ := keySet(t, "a")
		f.gives(document, tt.headers...)
		f.Refresh(t.Context())
		if got := f.Status().FreshUntil.Sub(now); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
		f.clock.advance(tt.want * 74 / 100)
		f.Refresh(t.Context())
		early := f.asked.Load()
		f.clock.advance(tt.want * 22 / 100)
		f.Refresh(t.Context())
		if late := f.asked.Load(); early != 1 || late != 2 {
			t.Errorf("%s: %d fetches at three quarters of its lifetime, %d before it is over", tt.name, early, late)
		}
	}
}

func TestRemoteAsksWhetherTheSetIsAnother(t *testing.T) {
	f := newFixture(t)
	first, a := keySet(t, "a")
	second, b := keySet(t, "b")
	f.gives(first, "ETag", `W/"1"`, "Cache-Control", "max-age=600")
	f.Refresh(t.Context())
	if !f.Renew(t.Context()) {
		t.Error("a set that came within these 30 s is no newer one")
	}
	f.does(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-None-Match") != `W/"1"` {
			t.Errorf("asked with %q", r.Header.Get("If-None-Match"))
		}
		w.WriteHeader(http.StatusNotModified)
	})
	for i := range 3 {
		f.clock.advance(10 * time.Minute)
		f.Refresh(t.Context())
		if s := f.Status(); s.Err != "" || !s.FetchedAt.Equal(f.clock.now()) || s.FreshUntil.Sub(s.FetchedAt) != 10*time.Minute {
			t.Errorf("not modified, for the %d. time: %+v", i+1, s)
		}
	}
	f.clock.advance(time.Minute)
	if f.Renew(t.Context()) {
		t.Error("what is not modified is newer")
	}
	f.wants(t, "not modified", a, 6)
	f.gives(second, "ETag", strings.Repeat("x", 600))
	f.clock.advance(10 * time.Minute)
	f.Refresh(t.Context())
	f.wants(t, "modified", b, 7)
	f.does(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-None-Match") != "" {
			t.Error("asked with an ETag that nobody would want back")
		}
		w.WriteHeader(http.StatusNotModified)
	})
	f.clock.advance(10 * time.Minute)
	f.Refresh(t.Context())
	f.wants(t, "not modified, and nobody asked", b, 8)
	if s := f.Status(); !strings.Contains(s.Err, "304") {
		t.Errorf("%+v", s)
	}
}

// Down for 25 hours: the set stays for 24, the provider is asked ever less, and is back at the next fetch.
func TestRemoteOutlivesAnOutageOfADay(t *testing.T) {
	f := newFixture(t)
	document, want := keySet(t, "a")
	f.gives(document, "ETag", `"1"`)
	f.Refresh(t.Context())
	f.hangsUp()
	for f.clock.now().Before(now.Add(25 * time.Hour)) {
		f.clock.advance(10 * time.Second)
		f.Refresh(t.Context())
		usable := f.clock.now().Before(now.Add(24 * time.Hour))
		if keysNow := len(f.Set().Keys()); usable != (keysNow == 1) || f.Status().Keys != keysNow {
			t.Fatalf("%d keys after %s", keysNow, f.clock.now().Sub(now))
		}
	}
	if n := f.asked.Load(); n < 290 || n > 620 {
		t.Errorf("the provider was asked %d times", n)
	}
	if s := f.Status(); !strings.Contains(s.Err, "more than 24 hours old") || !strings.Contains(f.log.String(), "level=ERROR msg=\"provider's keys are too old") {
		t.Errorf("%+v", s)
	}
	f.does(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) })
	if !f.Renew(t.Context()) {
		t.Error("the set that is back is no newer one")
	}
	f.wants(t, "back again", want, f.asked.Load())
	if s := f.Status(); s.Err != "" || !s.Failing.IsZero() || !s.FetchedAt.Equal(f.clock.now()) {
		t.Errorf("%+v", s)
	}
}

func TestRemoteRetriesEverLess(t *testing.T) {
	f := newFixture(t)
	f.refuses(http.StatusInternalServerError)
	var pauses []time.Duration
	for last := f.clock.now(); len(pauses) < 14; f.clock.advance(100 * time.Millisecond) {
		before := f.asked.Load()
		if f.Refresh(t.Context()); f.asked.Load() > before {
			pauses, last = append(pauses, f.clock.now().Sub(last)), f.clock.now()
		}
	}
	for i, got := range pauses[1:] { // the first needs no pause
		most := min(time.Second<<i, 5*time.Minute)
		if got < most/2 || got > most+100*time.Millisecond {
			t.Errorf("the pause after failure %d is %s, want %s to %s", i+1, got, most/2, most)
		}
	}
}

func TestRemoteLeavesAProviderAloneThatAsksForIt(t *testing.T) {
	for _, tt := range []struct {
		name, header string
		want         time.Duration
	}{
		{"seconds", "600", 10 * time.Minute},
		{"a date", now.Add(10 * time.Minute).UTC().Format(http.TimeFormat), 10 * time.Minute},
		{"a year", "31536000", time.Hour},
		{"a date in a year", now.AddDate(1, 0, 0).UTC().Format(http.TimeFormat), time.Hour},
		{"too many digits", "99999999999999999999", time.Hour},
	} {
		for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
			f := newFixture(t)
			f.refuses(status, "Retry-After", tt.header, "Date", now.UTC().Format(http.TimeFormat))
			f.Refresh(t.Context())
			f.clock.advance(tt.want - time.Second)
			f.Refresh(t.Context())
			f.Renew(t.Context())
			if s := f.Status(); f.asked.Load() != 1 || s.Suppressed != 1 {
				t.Errorf("%s, %d: asked %d times too early, %+v", tt.name, status, f.asked.Load()-1, s)
			}
			f.clock.advance(2 * time.Second)
			f.Refresh(t.Context())
			if f.asked.Load() != 2 {
				t.Errorf("%s, %d: not asked again", tt.name, status)
			}
		}
	}
	for _, header := range []string{"", "0", "-5", "soon", now.Add(-time.Hour).UTC().Format(http.TimeFormat)} {
		f := newFixture(t)
		f.refuses(http.StatusTooManyRequests, "Retry-After", header)
		f.Refresh(t.Context())
		f.clock.advance(time.Second)
		f.Refresh(t.Context())
		if f.asked.Load() != 2 {
			t.Errorf("Retry-After %q keeps it away", header)
		}
	}
}

// What the provider asked for is over when it answers.
func TestRenewAfterAnAnswerThatCameEarly(t *testing.T) {
	f := newFixture(t)
	f.refuses(http.StatusTooManyRequests, "Retry-After", "3600")
	f.Refresh(t.Context())
	document, _ := keySet(t, "a")
	f.gives(document)
	if _, err := f.Fetch(t.Context()); err != nil {
		t.Error(err)
	}
	if f.Renew(t.Context()); f.asked.Load() != 3 {
		t.Errorf("asked %d times", f.asked.Load())
	}
}

// A clock that was ahead, and is put right, must not keep the provider from being asked.
func TestRemoteBearsAClockThatIsPutBack(t *testing.T) {
	f := newFixture(t)
	document, want := keySet(t, "a")
	f.clock.advance(240 * time.Hour)
	f.gives(document)
	f.Renew(t.Context())
	f.clock.advance(-240 * time.Hour)
	f.Refresh(t.Context())
	f.wants(t, "in the background", want, 2)
	f.clock.advance(240 * time.Hour)
	f.refuses(http.StatusTooManyRequests, "Retry-After", "3600")
	f.Refresh(t.Context())
	f.clock.advance(-240 * time.Hour)
	f.gives(document)
	f.Renew(t.Context())
	if f.asked.Load() != 4 || f.Status().Err != "" {
		t.Errorf("by a token: %+v", f.Status())
	}
}

func TestRemoteForgetsARemovedKeyAtTheNextFetch(t *testing.T) {
	f := newFixture(t)
	document, both := keySet(t, "a", "b")
	f.gives(document)
	f.Refresh(t.Context())
	f.wants(t, "before", both, 1)
	only := document[:strings.Index(document, "},{")+1] + "]}"
	f.gives(only)
	set, err := f.Fetch(t.Context())
	if err != nil || set.Holds(both.Keys()[1]) {
		t.Errorf("%v, %v", set.Keys(), err)
	}
	f.wants(t, "after", parsed(t, only), 2)
	if len(f.Set().Find("b", keys.ES256)) > 0 {
		t.Error("a removed key is found")
	}
}
