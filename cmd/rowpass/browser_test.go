package main

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// browser is a Chromium with one page, which can reach nothing but the address that it was opened for.
type browser struct {
	t   testing.TB
	ctx context.Context
	*happenings
}

// happenings are what the page did.
type happenings struct {
	mu       sync.Mutex // guards all below
	messages []string   // in the console, but for refused requests
	refused  []string   // requests, as the console tells them
	foreign  []string   // addresses elsewhere that the page asked for
}

// needChromium skips the test where there is none, unless ROWPASS_TEST_BROWSER says that there has to be one.
func needChromium(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("ROWPASS_TEST_BROWSER") != "" {
		t.Fatal("no Chromium: apt-get install chromium")
	}
	t.Skip("the playground is played by Chromium, which is not here: apt-get install chromium")
	return ""
}

// openBrowser opens a page at address, whose host alone can be reached.
func openBrowser(t testing.TB, address string) *browser {
	t.Helper()
	host, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(needChromium(t)), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND , EXCLUDE "+host.Hostname()), chromedp.Flag("hide-scrollbars", true))
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(end)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	b := &browser{t, ctx, &happenings{}}
	b.watch(host.Host)
	b.look("light", 1280, 900)
	b.do(chromedp.Navigate(address))
	return b
}

// in is the same page in a part of the test.
func (b *browser) in(t testing.TB) *browser { return &browser{t, b.ctx, b.happenings} }

// watch notes what the page says in the console, and what it asks for elsewhere.
func (b *browser) watch(host string) {
	console, requests := chromedp.Console(b.ctx), chromedp.Events(b.ctx, network.RequestWillBeSent)
	_, err := chromedp.Call(b.ctx, network.Enable, network.EnableParams{})
	if err != nil {
		b.t.Fatal(err)
	}
	go func() {
		for m, err := range console {
			if err != nil {
				return
			}
			b.note(&b.messages, &b.refused, m.Source == "network" && strings.Contains(m.Text, "status of 40"), m.String()+" "+m.URL)
		}
	}()
	go func() {
		for r, err := range requests {
			if err != nil {
				return
			}
			if asked, err := url.Parse(r.Request.URL); err != nil || asked.Scheme != "data" && asked.Host != host {
				b.note(&b.foreign, nil, false, r.Request.URL)
			}
		}
	}()
}

func (b *browser) note(to, otherwise *[]string, other bool, text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if other {
		to = otherwise
	}
	*to = append(*to, text)
}

// noted is a copy of one of the lists.
func (b *browser) noted(list *[]string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string{}, *list...)
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// look sets the colours that the system asks for, and the window's size.
func (b *browser) look(scheme string, width, height int64) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(width, height))
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *browser) click(selector string) {
	b.t.Helper()
	b.do(chromedp.Click(chromedp.CSS(selector)))
}

// evaluated is what an expression comes to on the page; a promise is waited for.
func evaluated[T any](b *browser, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// text is what stands in an element.
func (b *browser) text(selector string) string {
	b.t.Helper()
	return evaluated[string](b, `document.querySelector(`+quoteJS(selector)+`)?.textContent ?? ""`)
}

func quoteJS(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`).Replace(s) + "'"
}

// until waits for an expression to hold on the page.
func (b *browser) until(what, expression string) {
	b.t.Helper()
	until(b.t, what, func() bool { return evaluated[bool](b, expression) })
}

// picture is the window as a PNG.
func (b *browser) picture() []byte {
	b.t.Helper()
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	return png
}
