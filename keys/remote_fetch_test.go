package keys_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"rowpass/keys"
)

// What a provider may answer instead of a key set: each time the set of before stays, the reason is told, and there is one
// fetch until the pause is over.
func TestRemoteKeepsItsSetWhere(t *testing.T) {
	inside := newProvider(t) // where nobody should come
	inside.gives("{}")
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		says   string
	}{
		{"429", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) }, "429 Too Many Requests"},
		{"500", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, "500"},
		{"404 with a good set", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, setOf(half(t, ecJWK, nil)))
		}, "404"},
		{"203 with a good set, by a proxy", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNonAuthoritativeInfo)
			fmt.Fprint(w, setOf(half(t, ecJWK, nil)))
		}, "203"},
		{"an empty set", says(`{"keys":[]}`), "the key set is empty"},
		{"a set of nothing usable", says(setOf(`{"kty":"oct","k":"AA"}`, ecJWK)), "no key that verifies: of 2, the first was skipped because it is symmetric"},
		{"an empty answer", says(""), "no JSON object"},
		{"garbage", says("\x00\xff\x17garbage"), "no JSON object"},
		{"a page", says("<html><title>Sign in"), "web page"},
		{"JSON of another kind", says(`{"error":"rate_limited"}`), "no array keys"},
		{"half a set", says(`{"keys":[{"kty":"EC"`), "no JSON object"},
		{"10 MB", func(w http.ResponseWriter, _ *http.Request) {
			for range 10 << 10 {
				if _, err := w.Write(make([]byte, 1<<10)); err != nil {
					return
				}
			}
			t.Error("all of 10 MB was read")
		}, "more than 65536 bytes"},
		{"10 MB in 10 KB", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			z.Write(make([]byte, 10<<20))
			z.Close()
		}, "more than 65536 bytes"},
		{"a header of 1 MB", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Long", strings.Repeat("x", 1<<20)) }, "header"},
		{"a redirect to a private address", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, strings.Replace(inside.URL, "127.0.0.1", "localhost", 1)+"/jwks?a=b", http.StatusFound)
		}, `it redirects to "http://localhost:`},
		{"a redirect to itself", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/jwks", http.StatusPermanentRedirect)
		}, "not followed"},
		{"a redirect to nowhere", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusFound) }, "302"},
		{"a hangup", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
		{"a hangup in the middle", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"keys":[`)
		}, "EOF"},
		{"no HTTP", func(w http.ResponseWriter, _ *http.Request) {
			connection, _, _ := w.(http.Hijacker).Hijack()
			fmt.Fprint(connection, "SSH-2.0-OpenSSH_9.9 "+strings.Repeat("x", 2000)+"\r\n")
			connection.Close()
		}, "malformed HTTP"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			document, want := keySet(t, "a")
			f.gives(document)
			f.Refresh(t.Context())
			f.does(tt.answer)
			f.clock.advance(5 * time.Minute)
			for range 10 {
				f.Refresh(t.Context())
			}
			f.wants(t, "after it", want, 2)
			if s := f.Status(); !strings.Contains(s.Err, tt.says) || len(s.Err) > 300 || !s.Failing.Equal(f.clock.now()) || !s.FetchedAt.Equal(now) {
				t.Errorf("%+v, want %q", s, tt.says)
			}
			set, err := f.Fetch(t.Context())
			if err == nil || !strings.Contains(err.Error(), "fetching keys of provider acme: ") || !strings.Contains(err.Error(), tt.says) || len(set.Keys()) > 0 {
				t.Errorf("fetched: %d keys, %v", len(set.Keys()), err)
			}
			f.gives(document)
			f.clock.advance(time.Minute)
			f.Refresh(t.Context())
			f.wants(t, "mended", want, 4)
			if s := f.Status(); s.Err != "" || !s.Failing.IsZero() || !s.FetchedAt.Equal(f.clock.now()) {
				t.Errorf("mended: %+v", s)
			}
		})
	}
	if n := inside.asked.Load(); n != 0 {
		t.Errorf("the redirect was followed %d times", n)
	}
}

func says(document string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, document) }
}

// drip never ends an answer.
func drip(w http.ResponseWriter, r *http.Request) {
	for r.Context().Err() == nil {
		fmt.Fprint(w, " ")
		w.(http.Flusher).Flush()
		time.Sleep(10 * time.Millisecond)
	}
}

// The five seconds of a fetch are the one time here that is real: no clock that is passed in could end a connection.
func TestRemoteGivesUpASlowProvider(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	for _, answer := range []http.HandlerFunc{drip, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }} {
		f := newFixture(t)
		document, want := keySet(t, "a")
		f.gives(document)
		f.Refresh(t.Context())
		f.does(answer)
		f.clock.advance(5 * time.Minute)
		all.Go(func() {
			f.Refresh(t.Context())
			f.wants(t, "given up", want, 2)
			if s := f.Status(); !strings.Contains(s.Err, "no whole answer came within 5s") {
				t.Errorf("%+v", s)
			}
		})
	}
	all.Wait()
}

func TestRemoteFetchEndsWithItsContext(t *testing.T) {
	f := newFixture(t)
	f.does(drip)
	for name, ask := range map[string]func(context.Context) error{
		"Fetch":   func(ctx context.Context) error { _, err := f.Fetch(ctx); return err },
		"Refresh": func(ctx context.Context) error { f.Refresh(ctx); return ctx.Err() },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		asked := f.asked.Load()
		go func() {
			for f.asked.Load() == asked {
				time.Sleep(time.Millisecond)
			}
			cancel()
		}()
		if err := ask(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		if s := f.Status(); s.Err != "" || !s.Failing.IsZero() {
			t.Errorf("%s: that the caller went counts as the provider's failure: %+v", name, s)
		}
		before := f.asked.Load()
		if err := ask(ctx); !errors.Is(err, context.Canceled) || f.asked.Load() != before {
			t.Errorf("%s, when its context has ended: %v", name, err)
		}
	}
}

// Nobody waits any more, so nobody is asked.
func TestRenewNeedsSomebodyWhoWaits(t *testing.T) {
	f := newFixture(t)
	f.hangsUp()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		f.Renew(ctx)
	}
	f.wants(t, "given up before", keys.KeySet{}, 0)
}

// A hundred tokens with unknown kids cause one fetch in 30 seconds, however many come at once.
func TestRenewIsRare(t *testing.T) {
	f := newFixture(t)
	document, want := keySet(t, "a")
	f.gives(document)
	f.Refresh(t.Context())
	f.clock.advance(31 * time.Second)
	for round := range int64(3) {
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				if f.Renew(t.Context()) {
					t.Error("a set that is the same is newer")
				}
			})
		}
		all.Wait()
		f.wants(t, "a hundred kids", want, round+2)
		f.clock.advance(29 * time.Second)
		if f.Renew(t.Context()); f.asked.Load() != round+2 {
			t.Error("asked again within 30 s")
		}
		f.clock.advance(time.Second)
	}
	if s := f.Status(); s.Suppressed < 3 || s.Suppressed > 300 {
		t.Errorf("%d suppressed", s.Suppressed)
	}
}

// Many who come while a fetch is under way wait for it, and all see what it brought.
func TestRenewWaitsForTheOneThatIsUnderWay(t *testing.T) {
	f := newFixture(t)
	document, want := keySet(t, "a")
	goOn := make(chan struct{})
	f.does(func(w http.ResponseWriter, _ *http.Request) {
		<-goOn
		fmt.Fprint(w, document)
	})
	var all sync.WaitGroup
	waiting := make(chan struct{}, 50)
	for range 50 {
		all.Go(func() {
			waiting <- struct{}{}
			if !f.Renew(t.Context()) || len(f.Set().Keys()) != 1 {
				t.Error("one that waited has no newer set")
			}
		})
	}
	for range 50 {
		<-waiting
	}
	for f.asked.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if f.Renew(ctx) {
		t.Error("one whose context has ended waits")
	}
	ctx, cancel = context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if f.Renew(ctx) {
		t.Error("one whose context ends goes on waiting")
	}
	close(goOn)
	all.Wait()
	f.wants(t, "all", want, 1)
}

// The request that began a fetch is given up, and the fetch goes on for the others.
func TestRenewOutlivesTheRequestThatBeganIt(t *testing.T) {
	f := newFixture(t)
	document, want := keySet(t, "a")
	ctx, giveUp := context.WithCancel(t.Context())
	f.does(func(w http.ResponseWriter, _ *http.Request) {
		giveUp()
		fmt.Fprint(w, document)
	})
	f.Renew(ctx)
	f.wants(t, "given up", want, 1)
}

// With a provider that is down, strangers' tokens make no more of it than one fetch in 30 s beside the background's.
func TestRenewIsRareWhereTheProviderIsDown(t *testing.T) {
	f := newFixture(t)
	f.hangsUp()
	for range 360 {
		for range 3 {
			if f.Renew(t.Context()) {
				t.Error("there is nothing, and it is newer")
			}
		}
		f.clock.advance(10 * time.Second)
	}
	if s := f.Status(); f.asked.Load() != 120 || s.Fetches != 120 || s.Suppressed != 3*360-120 {
		t.Errorf("asked %d times in an hour: %+v", f.asked.Load(), s)
	}
}

// What Run and everything below it may still be doing.
func ours() string {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	var found []string
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if strings.Contains(stack, "rowpass/keys.(*Remote)") || strings.Contains(stack, "rowpass/keys.allowed") || strings.Contains(stack, "net/http.(*Transport)") || strings.Contains(stack, "net/http.(*persistConn)") {
			found = append(found, stack)
		}
	}
	return strings.Join(found, "\n\n")
}

func TestRunFetchesUntilItsContextEnds(t *testing.T) {
	f := newFixture(t)
	document, want := keySet(t, "a")
	f.gives(document, "Cache-Control", "max-age=60")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		f.Run(ctx)
		close(ended)
	}()
	for f.Status().Keys == 0 {
		time.Sleep(time.Millisecond)
	}
	f.wants(t, "at the start", want, 1)
	f.does(drip)
	f.clock.advance(time.Minute)
	for f.asked.Load() == 1 {
		time.Sleep(time.Millisecond)
	}
	stop() // in the middle of an answer
	<-ended
	f.wants(t, "at the end", want, 2)
	if s := f.Status(); s.Err != "" {
		t.Errorf("%+v", s)
	}
	leavesNothing(t)
}

func leavesNothing(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for ours() != "" {
		if time.Now().After(deadline) {
			t.Fatalf("left behind: %s", ours())
		}
		time.Sleep(time.Millisecond)
	}
}

// A dial that nobody waits for any more is one that net/http goes on with.
func TestRunEndsInTheMiddleOfADial(t *testing.T) {
	silent := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	defer silent.Close()
	f := newFixture(t, func(c *keys.RemoteConfig) { c.URL = "https://" + silent.Addr().String() })
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { f.Run(ctx) })
	defer must[net.Conn](t)(silent.Accept()).Close()
	stop()
	running.Wait()
	leavesNothing(t)
}

// The race detector looks on.
func TestRemoteIsForMany(t *testing.T) {
	f := newFixture(t)
	document, want := keySet(t, "a")
	f.gives(document)
	var all sync.WaitGroup
	for _, do := range []func(){
		func() { f.Refresh(t.Context()) }, func() { f.Renew(t.Context()) }, func() { f.Fetch(t.Context()) }, func() { f.Status() },
		func() { f.clock.advance(time.Minute) }, func() { f.Set().Find("a", keys.ES256) },
	} {
		all.Go(func() {
			for range 50 {
				do()
			}
		})
	}
	all.Wait()
	f.wants(t, "in the end", want, f.asked.Load())
}
