package app_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bursar/app/billing"
	"bursar/app/db"
	"bursar/app/db/dbtest"
	"bursar/app/demo"
	"bursar/app/queue"
)

// lost is the story of a machine that is lost after a backup was made, and replaced.
type lost struct {
	*company
	post              *postOffice
	old, fresh        *bursar
	home              string // of the old one
	keyFile, backup   string
	customers, causes []string // how they stand when it is lost
	mails             int
}

const (
	customerStates = "SELECT email || ' ' || access || ' ' || last_payment_status || ' ' || refunded_amount FROM customers WHERE email <> '' ORDER BY email"
	ticketStates   = "SELECT cause || ' ' || status FROM tickets ORDER BY cause"
)

// TestALostMachineIsReplacedFromAnEncryptedBackup is promise 13: the state converges to Stripe's, and nothing that was
// said or done before the machine was lost is said or done again.
func TestALostMachineIsReplacedFromAnEncryptedBackup(t *testing.T) {
	t.Parallel()
	l := &lost{company: newCompany(t), post: &postOffice{}, keyFile: filepath.Join(t.TempDir(), "backup.key"), backup: filepath.Join(t.TempDir(), "bursar.age")}
	l.old = newBursar(t, "STRIPE_WEBHOOK_SECRET", secret, "STRIPE_API_KEY", "rk_test_read", "STRIPE_ACTIONS_KEY", "rk_test_actions", "STRIPE_API_BASE", l.url,
		"SMTP_URL", l.post.open(t), "BURSAR_MAIL_FROM", "bursar@example.com", "BURSAR_REPORT_TO", "ada@example.com")
	l.old.settings["BURSAR_BACKUP_TO"] = strings.TrimPrefix(strings.TrimSpace(l.old.must("backup", "--new-key", l.keyFile)), "BURSAR_BACKUP_TO=")
	home, lose := l.old.launch(&printed{}, "serve")
	defer lose()
	l.home = home
	l.beforeTheCopy()
	l.copyWhileMuchWaits()
	l.afterTheCopy()
	lose()
	l.restore()
	l.compare()
}

// beforeTheCopy there are purchases, a payment that fails and its ticket, a report that is mailed.
func (l *lost) beforeTheCopy() {
	l.t.Helper()
	l.Endpoint(l.home+"/api/webhooks/stripe", secret)
	l.old.must("user", "add", "--role", "owner", "owner@example.com")
	l.old.must("apikey", "add", "shop")
	for _, name := range []string{"ann@x.com", "ben@x.com", "cay@x.com"} {
		l.buy(name)
	}
	_, err := l.FailPayment(l.ids["ben@x.com"])
	l.check(err)
	l.check(l.Deliver(l.t.Context()))
	l.old.eventually("the first customers are worked on", func() bool { return len(l.old.column("SELECT id FROM contacts")) == 3 && l.old.settled() })
	l.old.run("reconcile")
	l.old.eventually("the first report is mailed", func() bool { return len(l.post.got()) == 1 })
}

// copyWhileMuchWaits makes the copy while a mail and a refund wait, and events come.
func (l *lost) copyWhileMuchWaits() {
	l.t.Helper()
	l.post.setAway(true)
	l.old.run("reconcile")
	l.Down(true)
	l.old.askForRefund(l.company, "ann@x.com")
	writing, stop := context.WithCancel(l.t.Context())
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := 0; writing.Err() == nil; i++ {
			event := fmt.Appendf(nil, `{"id":"evt_load_%d","object":"event","type":"product.updated","api_version":"2023-10-16","created":%d,"livemode":false,
				"data":{"object":{"id":"prod_load","object":"product"}}}`, i, time.Now().Unix())
			r, _ := http.NewRequestWithContext(writing, "POST", l.home+"/api/webhooks/stripe", strings.NewReader(string(event)))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Stripe-Signature", demo.Sign(event, time.Now(), secret))
			if answer, err := http.DefaultClient.Do(r); err == nil {
				answer.Body.Close()
			}
		}
	})
	out := l.old.must("backup", l.backup)
	stop()
	writer.Wait()
	if !strings.Contains(out, "encrypted") {
		l.t.Errorf("backup says %s", out)
	}
	if got := l.old.column("SELECT state FROM actions"); !slices.Equal(got, []string{"approved"}) || len(l.old.column("SELECT id FROM mails WHERE state = 'waiting'")) == 0 {
		l.t.Fatalf("the copy was to be made while a refund and a mail wait: %q", got)
	}
}

// afterTheCopy both are done, another customer comes, one more ticket opens, and there is a refund in the dashboard.
func (l *lost) afterTheCopy() {
	l.t.Helper()
	l.post.setAway(false)
	l.Down(false)
	l.old.must(append([]string{"jobs", "retry"}, l.old.column("SELECT id FROM jobs WHERE state = 'retryable'")...)...)
	l.old.eventually("the refund is made", func() bool { return slices.Equal(l.old.column("SELECT state FROM actions"), []string{"done"}) })
	l.buy("dan@x.com")
	_, err := l.FailPayment(l.ids["cay@x.com"])
	l.check(err)
	_, err = l.Refund(l.charges["ben@x.com"], 300)
	l.check(err)
	l.check(l.Deliver(l.t.Context()))
	l.old.eventually("all is worked on", func() bool { return len(l.old.column("SELECT id FROM contacts")) == 4 && l.old.settled() })
	l.old.run("reconcile")
	l.old.eventually("three reports are mailed", func() bool { return len(l.post.got()) == 3 })
	l.customers, l.causes, l.mails = l.old.column(customerStates), l.old.column(ticketStates), len(l.post.got())
	if len(l.customers) != 4 || len(l.causes) != 2 || l.asked() != 1 {
		l.t.Fatalf("before it is lost: %q, %q, %d refunds", l.customers, l.causes, l.asked())
	}
}

// restore is on another machine, where there is nothing but the settings.
func (l *lost) restore() {
	l.t.Helper()
	l.fresh = newBursar(l.t)
	for name, value := range l.old.settings {
		l.fresh.settings[name] = value
	}
	l.fresh.settings["BURSAR_DB"] = filepath.Join(l.t.TempDir(), "data", "bursar.db")
	told := l.fresh.must("restore", l.backup, "--key", l.keyFile)
	for _, want := range []string{"3 customers, 3 contacts, 1 ticket", "mail that waited", "1 action with money", "second factors of then: owner@example.com",
		"API keys that open something: shop", "erase them again"} {
		if !strings.Contains(told, want) {
			l.t.Errorf("restore does not say %q:\n%s", want, told)
		}
	}
	l.Endpoint(l.fresh.serve()+"/api/webhooks/stripe", secret)
	l.fresh.eventually("the state is Stripe's again", func() bool { return slices.Equal(l.fresh.column(customerStates), l.customers) && l.fresh.settled() })
}

// compare holds the restored Bursar against the lost one.
func (l *lost) compare() {
	l.t.Helper()
	if got := l.fresh.column(ticketStates); !slices.Equal(got, l.causes) {
		l.t.Errorf("the tickets are %q, and were %q", got, l.causes)
	}
	if got := l.fresh.column("SELECT count(*) || ' of ' || count(DISTINCT customer_id) FROM contacts"); got[0] != "4 of 4" {
		l.t.Errorf("the contacts are %s", got[0])
	}
	if got := l.fresh.column("SELECT state || ': ' || outcome FROM actions"); !slices.Equal(got, []string{"done: the refund is made"}) || l.asked() != 1 {
		l.t.Errorf("the action is %q, and %d refunds were asked for", got, l.asked())
	}
	if got := l.post.got(); len(got) != l.mails {
		l.t.Errorf("mailed again: %q", got[l.mails:])
	}
	if got := l.fresh.column("SELECT missing FROM sweeps WHERE missing > 0"); len(got) > 0 {
		l.t.Errorf("what came back counts as missed: %q", got)
	}
	if id := l.fresh.column("SELECT id FROM customers WHERE email = 'dan@x.com' AND id > 10000"); len(id) != 1 {
		l.t.Error("the number that was given after the copy may be somebody else's now")
	}
	if code, out, errs := l.fresh.run("reconcile"); code != 0 {
		l.t.Errorf("reconcile: exit code %d\n%s%s", code, out, errs)
	}
	l.fresh.must("audit", "verify")
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
