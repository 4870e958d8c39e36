package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"bursar/app"
	"bursar/app/demo"
)

const secret = "whsec_test_0123456789abcdef"

// bursar is a data folder with settings, and runs commands on it.
type bursar struct {
	t        testing.TB
	settings map[string]string
	named    bool // its public address is http://localhost and the port
}

func newBursar(t testing.TB, settings ...string) *bursar {
	b := &bursar{t: t, settings: map[string]string{"BURSAR_DB": filepath.Join(t.TempDir(), "bursar.db")}}
	for i := 0; i < len(settings); i += 2 {
		b.settings[settings[i]] = settings[i+1]
	}
	return b
}

func (b *bursar) environment(out, errs io.Writer) app.Environment {
	return app.Environment{Files: os.DirFS(".."), Getenv: func(name string) string { return b.settings[name] }, Stdout: out, Stderr: errs}
}

func (b *bursar) run(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = app.Run(b.t.Context(), args, b.environment(&out, &errs))
	return code, out.String(), errs.String()
}

// must runs a command that has to work.
func (b *bursar) must(args ...string) string {
	b.t.Helper()
	code, out, errs := b.run(args...)
	if code != 0 {
		b.t.Fatalf("bursar %s: exit code %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

// serve runs bursar serve until the test ends and returns its address.
func (b *bursar) serve() string {
	b.t.Helper()
	return b.start(&printed{}, "serve")
}

// start runs a command that serves pages until the test ends, and returns the address it prints.
func (b *bursar) start(out *printed, args ...string) string {
	b.t.Helper()
	home, stop := b.launch(out, args...)
	b.t.Cleanup(stop)
	return home
}

// launch is start for who stops it earlier.
func (b *bursar) launch(out *printed, args ...string) (home string, stop func()) {
	b.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	b.settings["BURSAR_ADDR"] = l.Addr().String() // a free one
	if b.named {
		b.settings["BURSAR_URL"] = strings.Replace("http://"+l.Addr().String(), "127.0.0.1", "localhost", 1)
	}
	l.Close()
	ctx, cancel := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	ended.Go(func() {
		if code := app.Run(ctx, args, b.environment(out, out)); code != 0 {
			b.t.Errorf("bursar %s ended with %d\n%s", args[0], code, out)
		}
	})
	stop = func() { cancel(); ended.Wait() }
	b.eventually(args[0]+" answers", func() bool {
		home = regexp.MustCompile(`http://127\.0\.0\.1:[1-9]\d*`).FindString(out.String())
		if home == "" {
			return false
		}
		answer, err := http.Get(home + "/api/health")
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
	return home, stop
}

// printed is what a command has printed so far.
type printed struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *printed) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

func (b *bursar) eventually(what string, ok func() bool) {
	b.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(2 * time.Minute)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			b.t.Fatalf("not so after two minutes: %s\n%s", what, b.must("jobs"))
		}
	}
}

type customers struct {
	Customers []struct {
		ID     int64  `json:"id"`
		Access string `json:"access"`
		Plan   string `json:"plan"`
		Source string `json:"source"`
		Links  map[string][]string
	} `json:"customers"`
}

func (b *bursar) customers(url, key, query string) customers {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), "GET", url+"/api/v1/customers?"+query, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	var list customers
	if err := json.NewDecoder(answer.Body).Decode(&list); err != nil || answer.StatusCode != http.StatusOK {
		b.t.Fatalf("%s: %s, %v", query, answer.Status, err)
	}
	return list
}

func TestASigningSecretAloneGivesACustomerAContactAndAReport(t *testing.T) {
	t.Parallel()
	b := newBursar(t, "STRIPE_WEBHOOK_SECRET", secret)
	url := b.serve()
	company := demo.NewStripe(1, time.Now())
	if _, err := company.Buy(demo.BuyOptions{Email: "ada@example.com", Name: "Ada", UserID: "user_1"}); err != nil {
		t.Fatal(err)
	}
	for _, event := range company.Events() {
		postEvent(t, url, event)
	}
	key := strings.TrimSpace(b.must("apikey", "add", "test"))
	b.eventually("the customer has access and a contact", func() bool {
		list := b.customers(url, key, "user_id=user_1").Customers
		return len(list) == 1 && list[0].Access == "full" && list[0].Source == "events" && len(list[0].Links["crm"]) == 1
	})
	if out := b.must("reconcile"); !strings.Contains(out, "The one customer agrees here; Stripe itself was not compared") {
		t.Errorf("the report says:\n%s", out)
	}
	if out := b.must("mail", "list"); strings.Count(out, "kept") != 1 {
		t.Errorf("the outbox holds:\n%s", out)
	}
}

func TestWebhooksLostDoubledAndReorderedEndInAgreement(t *testing.T) {
	t.Parallel()
	company := demo.NewStripe(2, time.Now())
	api := httptest.NewServer(company)
	t.Cleanup(api.Close)
	b := newBursar(t, "STRIPE_WEBHOOK_SECRET", secret, "STRIPE_API_KEY", "rk_test_1", "STRIPE_API_BASE", api.URL)
	url := b.serve()
	company.Endpoint(url+"/api/webhooks/stripe", secret)
	company.Repeat(3)
	company.Reorder(7)
	for i := range 5 {
		if i == 3 {
			company.Lose(1000) // the last two are not heard of
		}
		if _, err := company.Buy(demo.BuyOptions{Email: fmt.Sprintf("p%d@example.com", i), Name: fmt.Sprint("P", i), UserID: fmt.Sprint("user_", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := company.Deliver(t.Context()); err != nil {
		t.Fatal(err)
	}
	key := strings.TrimSpace(b.must("apikey", "add", "test"))
	b.eventually("those heard of have access", func() bool {
		for i := range 3 {
			list := b.customers(url, key, fmt.Sprint("user_id=user_", i)).Customers
			if len(list) != 1 || list[0].Access != "full" || list[0].Source != "api" {
				return false
			}
		}
		return true
	})
	if code, out, errs := b.run("reconcile"); code != 3 || !strings.Contains(out, "fixed") {
		t.Fatalf("the first comparison: exit code %d\n%s%s", code, out, errs)
	}
	b.eventually("everybody has access and a contact", func() bool { // the contact is a job of its own after the repair
		for i := range 5 {
			list := b.customers(url, key, fmt.Sprint("user_id=user_", i)).Customers
			if len(list) != 1 || list[0].Access != "full" || len(list[0].Links["crm"]) != 1 {
				return false
			}
		}
		return true
	})
	if code, out, errs := b.run("reconcile"); code != 0 {
		t.Errorf("the second comparison: exit code %d\n%s%s", code, out, errs)
	}
}

func TestServeRefusesToStart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		settings []string
		want     []string
	}{
		"without a signing secret": {nil, []string{"STRIPE_WEBHOOK_SECRET is not set", "Developers, Webhooks", "stripe listen"}},
		"with an empty one":        {[]string{"STRIPE_WEBHOOK_SECRET", " , "}, []string{"STRIPE_WEBHOOK_SECRET is not set"}},
		"with several mistakes, all named": {[]string{"STRIPE_WEBHOOK_SECRET", "sk_live_x", "STRIPE_API_KEY", "pk_live_secretsecret", "BURSAR_TIMEZONE", "Mars",
			"BURSAR_REPORT_AT", "never", "BURSAR_PLANS", "Team", "BURSAR_ADDR", "x", "BURSAR_REPORT_TO", "me", "SMTP_URL", "http://x", "BURSAR_CRM", "hubspot"},
			[]string{"STRIPE_WEBHOOK_SECRET: it is not a signing secret", "publishable", "BURSAR_TIMEZONE", "BURSAR_REPORT_AT", "BURSAR_PLANS", "BURSAR_ADDR",
				"BURSAR_REPORT_TO", "SMTP_URL", "BURSAR_CRM"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBursar(t, c.settings...)
			code, out, errs := b.run("serve")
			if code != 1 || out != "" {
				t.Errorf("exit code %d, printed %q", code, out)
			}
			for _, want := range c.want {
				if !strings.Contains(errs, want) {
					t.Errorf("it does not say %q:\n%s", want, errs)
				}
			}
			for _, hidden := range []string{"sk_live_x", "secretsecret"} {
				if strings.Contains(errs, hidden) {
					t.Errorf("it repeats a secret:\n%s", errs)
				}
			}
		})
	}
}

func TestASecondServeOnTheSameFileIsRefused(t *testing.T) {
	t.Parallel()
	b := newBursar(t, "STRIPE_WEBHOOK_SECRET", secret)
	b.serve()
	b.settings["BURSAR_ADDR"] = "127.0.0.1:0"
	if code, _, errs := b.run("serve"); code != 1 || !strings.Contains(errs, "another bursar serve is using this file") {
		t.Errorf("exit code %d, said %s", code, errs)
	}
}

// eventsFile writes the events of some purchases as JSON lines.
func eventsFile(t *testing.T, more ...string) string {
	t.Helper()
	company := demo.NewStripe(3, time.Now())
	for i := range 2 {
		if _, err := company.Buy(demo.BuyOptions{Email: fmt.Sprintf("p%d@example.com", i), Name: fmt.Sprint("P", i)}); err != nil {
			t.Fatal(err)
		}
	}
	var lines []string
	for _, event := range company.Events() {
		lines = append(lines, string(event))
	}
	path := filepath.Join(t.TempDir(), "events.jsonl")
	if err := os.WriteFile(path, []byte(strings.Join(append(lines, more...), "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

type replayed struct {
	New, Duplicates, Ignored int
	Unreadable               []string
	Changes                  []struct{ Text string }
	Jobs                     []struct{ Kind, State string }
}

func (b *bursar) replay(args ...string) (r replayed) {
	b.t.Helper()
	if err := json.Unmarshal([]byte(b.must(append([]string{"replay", "--json"}, args...)...)), &r); err != nil {
		b.t.Fatal(err)
	}
	return r
}

func TestReplayTakesAFileInOnceAndRehearsesWithoutATrace(t *testing.T) {
	t.Parallel()
	b := newBursar(t)
	file := eventsFile(t)
	rehearsal := b.replay("--dry-run", file)
	if rehearsal.New == 0 || len(rehearsal.Changes) == 0 {
		t.Fatalf("the rehearsal says %+v", rehearsal)
	}
	if out := b.must("events"); out != "none\n" {
		t.Errorf("the rehearsal left events behind:\n%s", out)
	}
	first := b.replay(file)
	if first.New != rehearsal.New || len(first.Changes) == 0 {
		t.Errorf("the replay did %+v, its rehearsal %+v", first, rehearsal)
	}
	for _, j := range first.Jobs {
		if j.State != "completed" {
			t.Errorf("job %+v is not done", j)
		}
	}
	again := b.replay(file)
	if again.New != 0 || again.Duplicates != first.New || len(again.Changes) != 0 || len(again.Jobs) != 0 {
		t.Errorf("a second replay did %+v", again)
	}
}

func TestReplayNamesWhatItCouldNotRead(t *testing.T) {
	t.Parallel()
	b := newBursar(t)
	code, out, errs := b.run("replay", eventsFile(t, `{"id":"evt_1"}`))
	if code != 1 || !strings.Contains(out, "1 unreadable") || !strings.Contains(errs, "1 entries") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	if out := b.must("events"); !strings.Contains(out, "invoice.paid") {
		t.Errorf("the readable events were not taken in:\n%s", out)
	}
}

func TestCommandsLookAndHelp(t *testing.T) {
	t.Parallel()
	b := newBursar(t)
	b.replay(eventsFile(t))
	b.must("reconcile")
	copyTo := filepath.Join(t.TempDir(), "copy.db")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"jobs"}, "sync_customer"},
		{[]string{"jobs", "list", "--state", "completed", "--kind", "sync_contact"}, "sync_contact"},
		{[]string{"jobs", "list", "--state", "discarded"}, "none"},
		{[]string{"jobs", "list", "--json"}, `"Kind": "sync_customer"`},
		{[]string{"jobs", "show", "1"}, "attempt 1 of 15"},
		{[]string{"events", "list", "--type", "invoice.paid"}, "invoice.paid"},
		{[]string{"mail", "show", "1"}, "Subject: Bursar"},
		{[]string{"mail", "show", "1", "--html"}, "<html"},
		{[]string{"user", "add", "--role", "owner", "ada@example.com"}, "/admin/sign-in?token="},
		{[]string{"apikey", "add", "website"}, "bsk_"},
		{[]string{"backup", copyTo}, "checked copy"},
		{[]string{"version"}, "bursar "},
		{[]string{"--help"}, "STRIPE_WEBHOOK_SECRET"},
		{[]string{"reconcile", "--help"}, "Exit code 0"},
	} {
		if out := b.must(c.args...); !strings.Contains(out, c.want) {
			t.Errorf("bursar %s does not say %q:\n%s", strings.Join(c.args, " "), c.want, out)
		}
	}
}

func TestCommandsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	b := newBursar(t)
	b.must("jobs")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"jobs", "show", "7"}, "there is no job 7"},
		{[]string{"jobs", "retry"}, "--discarded"},
		{[]string{"events", "show", "evt_x"}, "not stored"},
		{[]string{"mail", "show", "7"}, "no mail 7"},
		{[]string{"user", "add", "--role", "king", "a@b.c"}, "role"},
		{[]string{"user", "add", "--role", "owner", "nobody"}, "e-mail"},
		{[]string{"replay", "/nowhere"}, "nowhere"},
		{[]string{"backup", b.settings["BURSAR_DB"]}, "does not overwrite"},
		{[]string{"bakcup"}, "bakcup"},
	} {
		code, out, errs := b.run(c.args...)
		if code == 0 || !strings.Contains(out+errs, c.want) {
			t.Errorf("bursar %s: exit code %d, says\n%s%s", strings.Join(c.args, " "), code, out, errs)
		}
	}
}
