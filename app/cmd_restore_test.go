package app_test

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"bursar/app/auth"
	"bursar/app/billing"
	"bursar/app/db"
	"bursar/app/db/dbtest"
	"bursar/app/demo"
	"bursar/app/money"
	"bursar/app/queue"
	"bursar/app/stripe"
)

// postOffice is a mail server that keeps the subjects of what it takes, and may be away.
type postOffice struct {
	mu    sync.Mutex
	away  bool
	mails []string
}

func (p *postOffice) open(t *testing.T) (setting string) {
	t.Helper()
	srv := gosmtp.NewServer(gosmtp.BackendFunc(func(*gosmtp.Conn) (gosmtp.Session, error) { return p, nil }))
	srv.ErrorLog = log.New(io.Discard, "", 0)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	return "smtp://" + l.Addr().String() + "?tls=off"
}

func (p *postOffice) setAway(is bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = is
}

func (p *postOffice) got() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.mails)
}

func (p *postOffice) Mail(string, *gosmtp.MailOptions) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away {
		return &gosmtp.SMTPError{Code: 451, Message: "later"}
	}
	return nil
}
func (p *postOffice) Rcpt(string, *gosmtp.RcptOptions) error { return nil }
func (p *postOffice) Reset()                                 {}
func (p *postOffice) Logout() error                          { return nil }
func (p *postOffice) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	_, subject, _ := strings.Cut(string(text), "Subject: ")
	subject, _, _ = strings.Cut(subject, "\r\n")
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mails = append(p.mails, subject)
	return err
}

// company is a shop on the simulated Stripe, whose refunds are counted as they are asked for.
type company struct {
	*demo.Stripe
	t       *testing.T
	url     string
	mu      sync.Mutex
	refunds int
	ids     map[string]string // of subscriptions, by e-mail
	charges map[string]string
}

func newCompany(t *testing.T) *company {
	c := &company{Stripe: demo.NewStripe(11, time.Now()), t: t, ids: map[string]string{}, charges: map[string]string{}}
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.Path == "/v1/refunds" {
			c.mu.Lock()
			c.refunds++
			c.mu.Unlock()
		}
		c.ServeHTTP(w, r)
	}))
	t.Cleanup(api.Close)
	c.url = api.URL
	return c
}

func (c *company) buy(email string) {
	c.t.Helper()
	p, err := c.Buy(demo.BuyOptions{Email: email, Name: email, UserID: "user_" + email})
	c.check(err)
	c.ids[email], c.charges[email] = p.Subscription, p.Charge
}

func (c *company) check(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *company) asked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refunds
}

// column is what a query finds in the file, in order.
func (b *bursar) column(query string) (list []string) {
	b.t.Helper()
	file, err := sql.Open("sqlite", "file:"+b.settings["BURSAR_DB"]+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		b.t.Fatal(err)
	}
	defer file.Close()
	rows, err := file.QueryContext(b.t.Context(), query)
	if err != nil {
		b.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var value string
		if err := rows.Scan(&value); err != nil {
			b.t.Fatal(err)
		}
		list = append(list, value)
	}
	return list
}

func (b *bursar) settled() bool {
	return len(b.column("SELECT kind FROM jobs WHERE state IN ('available', 'running', 'retryable') AND scheduled_at <= unixepoch('subsec') * 1000 AND kind <> 'follow_connectors'")) == 0
}

// askForRefund is what the page of a customer does.
func (b *bursar) askForRefund(c *company, email string) {
	b.t.Helper()
	d := dbtest.At(b.t, b.settings["BURSAR_DB"])
	ctx := b.t.Context()
	owner, err := d.Read().UserByEmail(ctx, "owner@example.com")
	c.check(err)
	charge := c.charges[email]
	caps, err := money.ParseCaps(money.DefaultCaps)
	c.check(err)
	id, err := strconv.ParseInt(b.column("SELECT customer_id FROM charges WHERE id = '" + charge + "'")[0], 10, 64)
	c.check(err)
	m := &money.Money{DB: d, Caps: caps, Stripe: stripe.NewActions(b.settings["STRIPE_ACTIONS_KEY"], c.url)}
	_, _, err = m.Ask(ctx, money.Request{Kind: money.Refund, Customer: id, Target: charge, Amount: 500, Reason: "asked for", Token: "form " + email,
		User: auth.User{ID: owner.ID, Email: owner.Email, Role: auth.Owner}})
	c.check(err)
	c.check(d.Close())
}

// TestALostMachineIsReplacedFromAnEncryptedBackup is promise 13: the state converges to Stripe's, and nothing that was
// said or done before the machine was lost is said or done again.
func TestALostMachineIsReplacedFromAnEncryptedBackup(t *testing.T) {
	t.Parallel()
	c, post := newCompany(t), &postOffice{}
	old := newBursar(t, "STRIPE_WEBHOOK_SECRET", secret, "STRIPE_API_KEY", "rk_test_read", "STRIPE_ACTIONS_KEY", "rk_test_actions", "STRIPE_API_BASE", c.url,
		"SMTP_URL", post.open(t), "BURSAR_MAIL_FROM", "bursar@example.com", "BURSAR_REPORT_TO", "ada@example.com")
	keyFile := filepath.Join(t.TempDir(), "backup.key")
	old.settings["BURSAR_BACKUP_TO"] = strings.TrimPrefix(strings.TrimSpace(old.must("backup", "--new-key", keyFile)), "BURSAR_BACKUP_TO=")
	home, lose := old.launch(&printed{}, "serve")
	defer lose()
	c.Endpoint(home+"/api/webhooks/stripe", secret)
	old.must("user", "add", "--role", "owner", "owner@example.com")
	old.must("apikey", "add", "shop")

	// Before the copy: purchases, a payment that fails and its ticket, a report that is mailed.
	for _, name := range []string{"ann@x.com", "ben@x.com", "cay@x.com"} {
		c.buy(name)
	}
	_, err := c.FailPayment(c.ids["ben@x.com"])
	c.check(err)
	c.check(c.Deliver(t.Context()))
	old.eventually("the first customers are worked on", func() bool { return len(old.column("SELECT id FROM contacts")) == 3 && old.settled() })
	old.run("reconcile")
	old.eventually("the first report is mailed", func() bool { return len(post.got()) == 1 })

	// The copy is made while a mail and a refund wait, and events come.
	post.setAway(true)
	old.run("reconcile")
	c.Down(true)
	old.askForRefund(c, "ann@x.com")
	writing, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	writers.Go(func() {
		for i := 0; writing.Err() == nil; i++ {
			event := fmt.Appendf(nil, `{"id":"evt_load_%d","object":"event","type":"customer.updated","api_version":"2023-10-16","created":%d,"livemode":false,"data":{"object":{"id":"cus_load","object":"customer"}}}`, i, time.Now().Unix())
			r, _ := http.NewRequestWithContext(writing, "POST", home+"/api/webhooks/stripe", strings.NewReader(string(event)))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Stripe-Signature", demo.Sign(event, time.Now(), secret))
			if answer, err := http.DefaultClient.Do(r); err == nil {
				answer.Body.Close()
			}
		}
	})
	backup := filepath.Join(t.TempDir(), "bursar.age")
	out := old.must("backup", backup)
	stop()
	writers.Wait()
	if !strings.Contains(out, "encrypted") {
		t.Errorf("backup says %s", out)
	}
	if got := old.column("SELECT state FROM actions"); !slices.Equal(got, []string{"approved"}) || len(old.column("SELECT id FROM mails WHERE state = 'waiting'")) == 0 {
		t.Fatalf("the copy was to be made while a refund and a mail wait: %q", got)
	}

	// After the copy: both are done, another customer comes, a ticket closes and one opens, a refund in the dashboard.
	post.setAway(false)
	c.Down(false)
	old.must(append([]string{"jobs", "retry"}, old.column("SELECT id FROM jobs WHERE state = 'retryable'")...)...)
	old.eventually("the refund is made", func() bool { return slices.Equal(old.column("SELECT state FROM actions"), []string{"done"}) })
	c.buy("dan@x.com")
	_, err = c.FailPayment(c.ids["cay@x.com"])
	c.check(err)
	_, err = c.Stripe.Refund(c.charges["ben@x.com"], 300)
	c.check(err)
	c.check(c.Deliver(t.Context()))
	old.eventually("all is worked on", func() bool { return len(old.column("SELECT id FROM contacts")) == 4 && old.settled() })
	old.run("reconcile")
	old.eventually("three reports are mailed", func() bool { return len(post.got()) == 3 })
	state := "SELECT email || ' ' || access || ' ' || last_payment_status || ' ' || refunded_amount FROM customers WHERE email <> '' ORDER BY email"
	tickets := "SELECT cause || ' ' || status FROM tickets ORDER BY cause"
	wantState, wantTickets, wantRefunds, wantMails := old.column(state), old.column(tickets), c.asked(), post.got()
	lose()
	if len(wantState) != 4 || len(wantTickets) != 2 || wantRefunds != 1 {
		t.Fatalf("before it was lost: %q, %q, %d refunds", wantState, wantTickets, wantRefunds)
	}

	// Another machine.
	fresh := newBursar(t)
	for name, value := range old.settings {
		if name != "BURSAR_DB" {
			fresh.settings[name] = value
		}
	}
	fresh.settings["BURSAR_DB"] = filepath.Join(t.TempDir(), "data", "bursar.db")
	told := fresh.must("restore", backup, "--key", keyFile)
	for _, want := range []string{"3 customers, 3 contacts, 1 ticket", "mail that waited", "1 action with money", "second factors of then: owner@example.com", "API keys that open something: shop", "erase them again"} {
		if !strings.Contains(told, want) {
			t.Errorf("restore does not say %q:\n%s", want, told)
		}
	}
	home, end := fresh.launch(&printed{}, "serve")
	defer end()
	c.Endpoint(home+"/api/webhooks/stripe", secret)
	fresh.eventually("the state is Stripe's again", func() bool { return slices.Equal(fresh.column(state), wantState) && fresh.settled() })
	if got := fresh.column(tickets); !slices.Equal(got, wantTickets) {
		t.Errorf("the tickets are %q, and were %q", got, wantTickets)
	}
	if got := fresh.column("SELECT count(*) || ' of ' || count(DISTINCT customer_id) FROM contacts"); got[0] != "4 of 4" {
		t.Errorf("the contacts are %s", got[0])
	}
	if got := fresh.column("SELECT state || ': ' || outcome FROM actions"); !slices.Equal(got, []string{"done: the refund is made"}) || c.asked() != wantRefunds {
		t.Errorf("the action is %q, and %d refunds were asked for", got, c.asked())
	}
	if got := post.got(); len(got) != len(wantMails) {
		t.Errorf("mailed again: %q", got[len(wantMails):])
	}
	if got := fresh.column("SELECT missing FROM sweeps WHERE missing > 0"); len(got) > 0 {
		t.Errorf("what came back counts as missed: %q", got)
	}
	if id := fresh.column("SELECT id FROM customers WHERE email = 'dan@x.com'"); len(id) != 1 || len(id[0]) < 5 {
		t.Errorf("the number that was given after the copy may be somebody else's now: %q", id)
	}
	if code, out, errs := fresh.run("reconcile"); code != 0 {
		t.Errorf("reconcile: exit code %d\n%s%s", code, out, errs)
	}
	fresh.must("audit", "verify")
	page := (&canaryVisitor{t: t, home: home, client: &http.Client{}}).ask("GET", "/api/health", http.Header{})
	if !strings.Contains(page, `"status"`) {
		t.Errorf("health: %s", page)
	}
}

func TestRestoreOnTheCommandLine(t *testing.T) {
	t.Parallel()
	b := newBursar(t, "STRIPE_WEBHOOK_SECRET", secret)
	b.must("replay", eventsFile(t))
	copyOf := filepath.Join(t.TempDir(), "copy.db")
	b.must("backup", copyOf)
	if out := b.must("restore", "--check", copyOf); !strings.Contains(out, "can be restored") || !strings.Contains(out, "2 customers") {
		t.Errorf("--check says %s", out)
	}
	if got := b.column("SELECT value FROM meta WHERE name = 'backup_tried_at'"); len(got) != 1 {
		t.Error("nobody is told that the backup was proven")
	}
	elsewhere := newBursar(t)
	elsewhere.settings["BURSAR_DB"] = filepath.Join(t.TempDir(), "none", "bursar.db")
	elsewhere.must("restore", "--check", copyOf)
	if _, err := os.Stat(filepath.Dir(elsewhere.settings["BURSAR_DB"])); err == nil {
		t.Error("--check made a folder on another machine")
	}
	for _, row := range []struct {
		args []string
		want string
	}{
		{[]string{"restore", copyOf}, "there is a file already; --replace sets it aside"},
		{[]string{"restore", "/nowhere"}, "there is a file already"},
		{[]string{"restore", "--replace", "/nowhere"}, "/nowhere"},
		{[]string{"restore", "--replace", b.settings["BURSAR_DB"]}, "not a backup of it"},
		{[]string{"restore", "--key", copyOf, copyOf}, "is not a file with a secret key"},
		{[]string{"backup", "--new-key", copyOf}, "file exists"},
	} {
		if code, out, errs := b.run(row.args...); code != 1 || !strings.Contains(errs, row.want) {
			t.Errorf("bursar %s: exit code %d, %s%s", strings.Join(row.args, " "), code, out, errs)
		}
	}
	b.serve()
	if code, _, errs := b.run("restore", "--replace", copyOf); code != 1 || !strings.Contains(errs, "another bursar serve is using this file") {
		t.Errorf("under a running serve: exit code %d, %s", code, errs)
	}
	wrong := newBursar(t, "BURSAR_BACKUP_TO", "AGE-SECRET-KEY-1QQPQYPQYPQYPQ")
	if code, _, errs := wrong.run("backup", copyOf+"2"); code != 1 || !strings.Contains(errs, "BURSAR_BACKUP_TO: this is the secret key") || strings.Contains(errs, "QYPQYP") {
		t.Errorf("a wrong setting: exit code %d, %s", code, errs)
	}
}

// TestACopyOlderThanStripesListLeadsToAFullReading: what happened in between is in no list any more.
func TestACopyOlderThanStripesListLeadsToAFullReading(t *testing.T) {
	t.Parallel()
	c := newCompany(t)
	b := newBursar(t, "STRIPE_WEBHOOK_SECRET", secret, "STRIPE_API_KEY", "rk_test_read", "STRIPE_API_BASE", c.url)
	c.buy("ann@x.com")
	d := dbtest.At(t, b.settings["BURSAR_DB"])
	c.check(d.Tx(t.Context(), func(q *db.Queries) error { return queue.Insert(t.Context(), q, billing.Sweep{}) }))
	c.check(d.Close())
	_, stop := b.launch(&printed{}, "serve")
	b.eventually("a sweep ran", func() bool { return len(b.column("SELECT id FROM sweeps WHERE state = 'complete'")) > 0 && b.settled() })
	stop()
	d = dbtest.At(t, b.settings["BURSAR_DB"])
	c.check(d.Tx(t.Context(), func(q *db.Queries) error {
		_, err := q.Change(t.Context(), "UPDATE sweeps SET mark_at = mark_at - 3456000000, started_at = started_at - 3456000000") // 40 days
		return err
	}))
	copyOf := filepath.Join(t.TempDir(), "copy.db")
	c.check(d.Backup(t.Context(), copyOf))
	c.check(d.Close())
	b.must("restore", "--replace", copyOf)
	b.serve()
	b.eventually("all is read anew", func() bool { return len(b.column("SELECT id FROM backfills WHERE state = 'complete'")) == 1 })
}
