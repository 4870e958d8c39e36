package app_test

import (
	"bytes"
	"context"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"bursar/app"
	"bursar/app/stripe"
)

func TestDemoRefusesWhatItMustNotTouch(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, setting, value, addr, want string
	}{
		{"a live key", "STRIPE_API_KEY", "sk_live_0123456789", "127.0.0.1:0", "STRIPE_API_KEY is a live key"},
		{"a restricted live key", "STRIPE_API_KEY", " rk_live_0123456789", "127.0.0.1:0", "STRIPE_API_KEY is a live key"},
		{"a live key for actions", "STRIPE_ACTIONS_KEY", "rk_live_0123456789", "127.0.0.1:0", "STRIPE_ACTIONS_KEY is a live key"},
		{"every address of the machine", "", "", "0.0.0.0:0", "not on this machine only"},
		{"every address, unsaid", "", "", ":8099", "not on this machine only"},
		{"an address of a network", "", "", "192.0.2.1:8099", "not on this machine only"},
		{"a name that may lead anywhere", "", "", "example.com:8099", "not on this machine only"},
		{"no port", "", "", "127.0.0.1", "not host:port"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			code, out, errs := newBursar(t, row.setting, row.value).run("demo", "--no-browser", "--addr", row.addr)
			if code == 0 || !strings.Contains(errs, row.want) || strings.Contains(out+errs, "0123456789") {
				t.Errorf("exit code %d, %s%s, want it refused with %q and without the key", code, out, errs, row.want)
			}
		})
	}
}

func TestTheDemoUsesTheEventsOfTheREADME(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range stripe.EventTypes() {
		if !bytes.Contains(readme, []byte("`"+kind+"`")) {
			t.Errorf("the demo sends %s, which the README does not tell people to send", kind)
		}
	}
}

// visitor is somebody with a browser in front of a demo that runs.
type visitor struct {
	*bursar
	browser *http.Client
	url     string
}

// visit runs bursar demo until the test ends, beside settings that it must not use.
func visit(t *testing.T) *visitor {
	t.Helper()
	var trespassed sync.Map
	elsewhere := func(name string) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				trespassed.Store(name, true)
				c.Close()
			}
		}()
		return l.Addr().String()
	}
	b := newBursar(t, "STRIPE_API_KEY", "sk_test_of_somebody", "STRIPE_API_BASE", "http://"+elsewhere("Stripe"),
		"SMTP_URL", "smtp://"+elsewhere("mail"), "BURSAR_MAIL_FROM", "bursar@example.com", "BURSAR_REPORT_TO", "boss@example.com")
	ctx, stop := context.WithCancel(context.Background())
	out, in := io.Pipe()
	var ended sync.WaitGroup
	ended.Go(func() {
		var errs bytes.Buffer
		if code := app.Run(ctx, []string{"demo", "--no-browser", "--addr", "127.0.0.1:0"}, b.environment(in, &errs)); code != 0 {
			t.Errorf("demo ended with %d\n%s", code, errs.String())
		}
		in.Close()
	})
	t.Cleanup(func() {
		stop()
		go io.Copy(io.Discard, out)
		ended.Wait()
		trespassed.Range(func(name, _ any) bool { t.Errorf("the demo talked to the real %s", name); return true })
		if _, err := os.Stat(b.settings["BURSAR_DB"]); err == nil {
			t.Error("the demo made the file of BURSAR_DB")
		}
	})
	text := make([]byte, 1024)
	n, err := out.Read(text)
	found := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).Find(text[:n])
	if err != nil || found == nil {
		t.Fatalf("the demo printed %q (%v), want its address", text[:n], err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{b, &http.Client{Jar: jar}, string(found)}
}

// page is the text of a page, or of the one that a form leads to.
func (v *visitor) page(path string, form url.Values) string {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), "GET", v.url+path, nil)
	if form != nil {
		r, err = http.NewRequestWithContext(v.t.Context(), "POST", v.url+path, strings.NewReader(form.Encode()))
	}
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	answer, err := v.browser.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return html.UnescapeString(string(body))
}

// press presses a button of the panel; the page must say this at once.
func (v *visitor) press(name, want string) {
	v.t.Helper()
	if text := v.page("/admin/demo", url.Values{"action": {name}}); !strings.Contains(text, want) {
		v.t.Errorf("%s: the page does not say %q", name, want)
	}
}

// sees waits for a page to say all of this.
func (v *visitor) sees(path string, want ...string) {
	v.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); ; <-tick.C {
		text, missing := v.page(path, nil), ""
		for _, w := range want {
			if !strings.Contains(text, w) {
				missing = w
			}
		}
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			v.t.Fatalf("%s does not say %q after 30 s:\n%s", path, missing, text)
		}
	}
}

// TestTheDemoShowsWhatItPromises presses the buttons in the order of a curious visitor.
func TestTheDemoShowsWhatItPromises(t *testing.T) {
	t.Parallel()
	v := visit(t)
	v.sees("/admin", "All 31 customers agree everywhere", "Payment failed", "Pedro Alvarez", "Payment disputed", "Olga Ivanova", "2 things need you")
	v.sees("/admin/customers", "山田 花子", "ops@quietworks.example", "שרה לוי", "Studio 🌵 Kaktus")

	v.press("buy", " bought ")
	v.sees("/admin/demo", "5 webhooks arrived", "access full", "says the same: customer")
	v.press("repeat", "three times")
	v.sees("/admin/demo", "5 webhooks arrived", "says the same: customer")
	v.press("fail", "the card was refused")
	v.sees("/admin/demo", "A ticket was opened")
	v.press("recover", "entered a good card")
	v.sees("/admin/demo", "was closed: its cause is gone")
	v.press("cancel", "at once")
	v.sees("/admin/demo", "access none", "says the same: churned")

	v.press("lose", "unknown here")
	v.sees("/admin/demo", "Every webhook about it got lost", "it begins by itself")
	v.press("compare", "It is 7:00")
	v.sees("/admin/demo", "The comparison found it", "asked Stripe about this customer", "access full", "Read the mail")
	v.press("edit", "promised by phone")
	v.press("compare", "It is 7:00")
	v.sees("/admin/demo", "found plan Enterprise (promised by phone)", "wrote into the CRM what is true", "Read the mail")

	v.press("crm-429", "The CRM refuses")
	v.sees("/admin/demo", "429 Too Many Requests", "still says plan", "The CRM answers again")
	v.sees("/admin", "The CRM does not answer")
	v.press("crm-ok", "It refuses every request") // the button's text once it is switched back
	v.press("stripe-down", "Stripe's API comes back")
	v.sees("/admin/demo", "made from the webhooks alone", "access full")
	v.press("stripe-up", "Stripe's API goes down")
}
