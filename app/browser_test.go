package app_test

import (
	"context"
	"fmt"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser is a real Chromium. What goes wrong on a page, and every request to another host, fails the test.
type browser struct {
	t    *testing.T
	ctx  context.Context
	home string

	mu     sync.Mutex
	faults []string
}

func openBrowser(t *testing.T, home string) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("NOT RUN: the pages in a real browser; install chromium (apt-get install chromium)")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.WindowSize(1280, 900),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.UserDataDir(t.TempDir()))
	allocated, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocated)
	ctx, timeout := context.WithTimeout(ctx, 5*time.Minute)
	t.Cleanup(func() { timeout(); cancel(); stop() })
	b := &browser{t: t, ctx: ctx, home: home}
	chromedp.ListenTarget(ctx, b.watch)
	b.do("enable", network.Enable(), log.Enable(), runtime.Enable())
	return b
}

func (b *browser) watch(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, b.home) && !strings.HasPrefix(e.Request.URL, "data:") && !strings.HasPrefix(e.Request.URL, "about:") {
			b.faults = append(b.faults, "a request to another host: "+e.Request.URL)
		}
	case *runtime.EventExceptionThrown:
		b.faults = append(b.faults, "a script failed: "+e.ExceptionDetails.Error())
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError {
			b.faults = append(b.faults, fmt.Sprintf("the console says %s (%s)", e.Entry.Text, e.Entry.URL))
		}
	}
}

// do runs steps, and then looks at what went wrong on the way.
func (b *browser) do(what string, steps ...chromedp.Action) {
	b.t.Helper()
	if err := chromedp.Run(b.ctx, steps...); err != nil {
		b.t.Fatalf("%s: %v\n%s", what, err, b.text())
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, fault := range b.faults {
		b.t.Errorf("%s: %s", what, fault)
	}
	b.faults = nil
}

func (b *browser) text() (text string) {
	ctx, cancel := context.WithTimeout(b.ctx, 2*time.Second)
	defer cancel()
	if err := chromedp.Run(ctx, chromedp.Text("body", &text, chromedp.ByQuery)); err != nil {
		return err.Error()
	}
	return text
}

// open goes to a page and waits for its heading.
func (b *browser) open(path string) string {
	b.t.Helper()
	b.do("open "+path, chromedp.Navigate(b.home+path), chromedp.WaitVisible("main h1", chromedp.ByQuery))
	return b.text()
}

// press submits the form that a button belongs to, and waits for the page after.
func (b *browser) press(selector string) {
	b.t.Helper()
	b.do("press "+selector, chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := chromedp.RunResponse(ctx, chromedp.Click(selector, chromedp.ByQuery))
		return err
	}), chromedp.WaitVisible("main h1", chromedp.ByQuery))
}

func (b *browser) expect(what string, words ...string) {
	b.t.Helper()
	text := b.text()
	for _, w := range words {
		if !strings.Contains(text, w) {
			b.t.Errorf("%s: the page does not say %q:\n%s", what, w, text)
		}
	}
}

func (b *browser) eventually(what string, ok func(text string) bool) {
	b.t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(2 * time.Minute)
	for !ok(b.text()) {
		select {
		case <-tick.C:
		case <-deadline:
			b.t.Fatalf("not so after two minutes: %s\n%s", what, b.text())
		}
	}
}

// pages of the menu.
var pages = []string{"/admin", "/admin/customers", "/admin/tickets", "/admin/contacts", "/admin/events", "/admin/jobs",
	"/admin/reports", "/admin/outbox", "/admin/activity", "/admin/people", "/admin/settings"}

func TestTheFirstOwnerSignsUpLooksAroundAndSignsOut(t *testing.T) {
	t.Parallel()
	b := newBursar(t, "STRIPE_WEBHOOK_SECRET", secret)
	out := &printed{}
	home := b.start(out, "serve")
	link := regexp.MustCompile(`http\S+token=\S+`).FindString(out.String())
	u, err := url.Parse(link)
	if err != nil || link == "" {
		t.Fatalf("serve printed no link for the first owner:\n%s", out)
	}
	w := openBrowser(t, home)
	w.open(u.RequestURI())
	w.do("choose a password", chromedp.SendKeys("#email", "ada@example.com"), chromedp.SendKeys("#password", "correct horse battery"),
		chromedp.SendKeys("#again", "correct horse battery"))
	w.press("main form button.primary")
	w.expect("Today for the first time", "ada@example.com")
	for _, path := range pages {
		w.open(path)
	}
	w.open("/admin")
	w.press(".who form button")
	w.expect("signed out", "Sign in to Bursar")
	w.do("sign in", chromedp.SendKeys("#email", "ada@example.com"), chromedp.SendKeys("#password", "correct horse battery"))
	w.press("main form button.primary")
	w.expect("signed in again", "ada@example.com")
}

func TestTheDemoHealsALostWebhookInFrontOfYou(t *testing.T) {
	t.Parallel()
	b := newBursar(t)
	home := b.start(&printed{}, "demo", "--no-browser", "--addr", "127.0.0.1:0")
	w := openBrowser(t, home)
	if text := w.open("/admin"); !strings.Contains(text, "Demo") {
		t.Errorf("Today does not say that it is a demo:\n%s", text)
	}
	for _, path := range pages {
		w.open(path)
	}
	w.open("/admin/demo")
	w.press(`button[value="lose"]`)
	w.eventually("the story tells that it was found, mended and reported", func(text string) bool {
		return strings.Contains(text, "The comparison found it") && strings.Contains(text, "mended it") && strings.Contains(text, "Read the mail")
	})
	w.press(`#story a[href^="/admin/outbox/"]`)
	w.expect("the mail about it", "1 fixed")
	w.open("/admin/customers?q=ada")
	w.press(`button[value="support"]`)
	if text := w.open("/admin"); strings.Contains(text, "People") || strings.Contains(text, "Settings") {
		t.Errorf("the menu of support offers what only owners may open:\n%s", text)
	}
}
