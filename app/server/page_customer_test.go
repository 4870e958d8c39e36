package server

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"bursar/app/auth"
	"bursar/app/db"
	"bursar/app/demo"
	"bursar/app/queue"
)

func TestACustomerThatIsNotThere(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	for _, id := range []string{"1", "0", "-1", "x", "99999999999999999999", "1%2F2", "%3Cscript%3Ealert(1)%3C%2Fscript%3E"} {
		status, body := a.get(auth.Support, "/admin/customers/"+id)
		if status != 404 || strings.Contains(body, "<script>alert") || !strings.Contains(strings.ToLower(body), "no customer with this number") {
			t.Errorf("customer %s: %d %s", id, status, body)
		}
		if status, body := a.post(auth.Support, "/admin/customers/"+id+"/sync", nil); status != 404 {
			t.Errorf("sync customer %s: %d %s", id, status, body)
		}
	}
}

func TestThePageOfACustomer(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	s := a.stripe()
	bought, id := a.buy(s, demo.BuyOptions{Email: "ada@example.com", Name: "Ada Lovelace", Price: "team", UserID: "u1"})
	s.Advance(time.Hour)
	_, err := s.Refund(bought.Charge, 1000)
	check(t, err)
	_, err = s.FailPayment(bought.Subscription)
	check(t, err)
	a.settle(s)
	text, body := a.open(auth.Support, customerPath(id))
	shows(t, "the page", text, "Ada Lovelace", "ada@example.com", "Access grace the last payment failed , until",
		"Stripe from events", "Status past_due past_due past_due –", "Open tickets 1 failed payment 1 is wanted – 1 open",
		"Read a customer from Stripe: done took", "Plan is team; status is active", "Stripe: checkout.session.completed",
		"T-1", "Payment failed: Ada Lovelace", "Payment of 49.00 USD failed", "Lifecycle past_due",
		"Refund", "succeeded −10.00 USD", "!Why they differ", "!differs")
	shows(t, "the page", body, `href="https://dashboard.stripe.com/test/customers/`+bought.Customer+`" rel="noreferrer"`,
		`href="https://dashboard.stripe.com/test/subscriptions/`+bought.Subscription+`"`, `action="/admin/customers/1/sync"`)
	if len(body) > 60_000 {
		t.Errorf("the page is %d bytes", len(body))
	}
}

func TestWhyTheSystemsDiffer(t *testing.T) {
	t.Parallel()
	const writing = `INSERT INTO jobs (kind, key, args, state, attempt, max_attempts, errors, created_at, scheduled_at, attempted_at, finalized_at) VALUES ('sync_contact', '1', '{}', `
	for _, row := range []struct {
		name string
		sql  []string
		want []string
	}{
		{"everything agrees", nil, []string{"!Why they differ", "!differs"}},
		{"the contact was edited by hand", []string{`UPDATE contacts SET plan = 'Gold'`},
			[]string{"Gold differs", "CRM: Bursar wrote it, and it was changed in the CRM by hand afterwards ( just now ). See the job Sync now reads Stripe again"}},
		{"the contact was edited long ago", []string{`UPDATE contacts SET plan = 'Gold'`, `DELETE FROM jobs`},
			[]string{"Gold differs", "CRM: Nothing is queued that would change it: it was edited by hand in the CRM"}},
		{"the contact was deleted", []string{`DELETE FROM contacts`},
			[]string{"no contact differs", "CRM: Bursar wrote it, and it was deleted in the CRM afterwards"}},
		{"the contact waits for its job", []string{`UPDATE contacts SET plan = 'Gold'`, writing + `'available', 0, 15, '[]', @now, @now + 600000, 0, 0)`},
			[]string{"CRM: A job that writes it waits for its turn ( in 10 minutes )."}},
		{"the contact's job fails", []string{`UPDATE contacts SET plan = 'Gold'`, writing + `'retryable', 3, 15, '[{"attempt":3,"error":"status 422"}]', @now, @now + 600000, 0, 0)`},
			[]string{"CRM: The job that writes it failed (attempt 3): status 422; it tries again ( in 10 minutes )."}},
		{"the contact's job gave up", []string{`UPDATE contacts SET plan = 'Gold'`, writing + `'discarded', 15, 15, '[{"attempt":15,"error":"status 422"}]', @now, @now, @now, @now + 1)`},
			[]string{"CRM: The job that writes it gave up after 15 attempts: status 422 ( just now )."}},
		{"the CRM is left alone", []string{`UPDATE contacts SET plan = 'Gold'`, writing + `'retryable', 3, 15, '[]', @now, @now, 0, 0)`, `INSERT INTO circuits VALUES ('crm', 5, 'status 503', @now, @now + 600000)`},
			[]string{"CRM: The system is left alone for a while: status 503 ( in 10 minutes )."}},
		{"a ticket is missing", []string{`UPDATE invoices SET failed = 1, status = 'open'`},
			[]string{"1 is wanted", "none differs", `Desk: The ticket "Payment failed: Ada <ada@example.com>" is missing and no job is queued that opens it`}},
		{"a ticket is open without a cause", []string{`INSERT INTO tickets (customer_id, cause, queue, priority, status, subject, created_at, updated_at) VALUES (1, 'dispute:dp_1', 'billing', 'urgent', 'open', 'Payment disputed', @now, @now)`},
			[]string{"1 open differs", "Desk: T-1 is open although its cause is gone, and no job is queued that closes it"}},
		{"a person's own ticket", []string{`INSERT INTO tickets (customer_id, cause, queue, priority, status, subject, created_at, updated_at) VALUES (1, 'page:1', 'general', 'normal', 'open', 'A question', @now, @now)`},
			[]string{"1 open", "!differs"}},
		{"the record is behind", []string{`UPDATE customers SET access = 'none', status = 'canceled'`},
			[]string{"canceled differs", "none differs", "Bursar: Time has passed since the record was written, and no job is queued that writes it again"}},
		{"the last check saw something else in Stripe", []string{`INSERT INTO runs (id, state, started_at) VALUES (1, 'complete', @now)`,
			`INSERT INTO findings (run_id, kind, subject, customer_id, expected, actual, repair, state, first_at, last_at) VALUES (1, 'subscription_differs', 'sub_1', 1, 'status canceled', 'status active', 'person', 'open', @now, @now)`},
			[]string{"active differs", "Stripe: The last check saw it differently in Stripe: it says status canceled, and here it was status active"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			a := newAdmin(t)
			a.buy(a.stripe(), demo.BuyOptions{Email: "ada@example.com", Name: "Ada", Price: "team"})
			a.execNow(row.sql...)
			text, _ := a.open(auth.Support, "/admin/customers/1")
			shows(t, "the page", text, row.want...)
		})
	}
}

func TestSyncNow(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	bought, _ := a.buy(a.stripe(), demo.BuyOptions{Email: "ada@example.com", Name: "Ada", Price: "team"})
	a.execNow(`UPDATE contacts SET plan = 'Gold'`, `UPDATE customers SET access = 'none'`)
	for range 2 {
		shows(t, "the page", words(a.submit(auth.Support, "/admin/customers/1/sync", nil)), "The stored events are being read again")
	}
	var waiting []string
	keys, err := json.Marshal([]string{"1", bought.Customer})
	check(t, err)
	open, err := a.DB.Read().JobsOpenAbout(t.Context(), string(keys))
	check(t, err)
	for _, j := range open {
		waiting = append(waiting, j.Kind+" "+j.Key)
	}
	slices.Sort(waiting)
	if want := []string{"sync_contact 1", "sync_customer " + bought.Customer}; !slices.Equal(waiting, want) {
		t.Errorf("two presses queued %v, want %v", waiting, want)
	}
	if rows := a.audits(2); len(rows) != 2 || rows[0] != "support@example.com customers.sync customer 1 done" || rows[1] != rows[0] {
		t.Errorf("the audit says %v", rows)
	}
	check(t, a.worker.WorkOff(t.Context()))
	text, _ := a.open(auth.Support, "/admin/customers/1")
	shows(t, "the page afterwards", text, "Access full", "!Gold", "!differs")
}

func TestNothingToSync(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	a.execNow(`INSERT INTO customers (id, name, created_at, updated_at) VALUES (1, 'Ada', @now, @now)`, `INSERT INTO links VALUES ('user', 'u1', 1, @now)`)
	text, body := a.open(auth.Support, "/admin/customers/1")
	shows(t, "the page", text, "nothing bought yet", "no contact differs", "No subscriptions", "No payments")
	shows(t, "the page", body, "!/sync")
	shows(t, "the answer", words(a.submit(auth.Support, "/admin/customers/1/sync", nil)), "There is nothing to read")
	if rows := a.audits(1); len(rows) != 0 {
		t.Errorf("the audit says %v", rows)
	}
}

func TestWhatHappenedGoesBackPageByPage(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	a.execNow(`INSERT INTO customers (id, name, created_at, updated_at) VALUES (1, 'Ada', @now, @now)`,
		`INSERT INTO links VALUES ('stripe', 'cus_1', 1, @now)`, `INSERT INTO stripe_customers VALUES ('cus_1', 1, 'Ada', '', 0, 'events', @now, 0, @now, 0, 0)`)
	const n = `WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 129) `
	a.execNow(n+`INSERT INTO events (id, type, livemode, customer, source, created_at, received_at, payload)
		SELECT 'evt_' || i, 'number.' || i || '.', 0, 'cus_1', 'webhook', 1700000000000 + i / 3 * 1000, @now, X'7b7d' FROM n`,
		n+`INSERT INTO timeline (customer_id, text, created_at) SELECT 1, 'line ' || i || '.', 1700000000000 + i * 400 FROM n`)
	a.execNow(`INSERT INTO jobs (kind, key, args, state, max_attempts, created_at, scheduled_at) VALUES ('sync_customer', 'cus_1', '{}', 'available', 15, @now, @now)`)
	entry := regexp.MustCompile(`(number\.\d+\.|Line \d+\.)`)
	older := regexp.MustCompile(`href="([^"]*)">Older`)
	seen, pages := map[string]int{}, 0
	for path := "/admin/customers/1"; path != ""; pages++ {
		text, body := a.open(auth.Support, path)
		for _, m := range entry.FindAllString(text, -1) {
			seen[m]++
		}
		if waits := strings.Contains(text, "Read a customer from Stripe: waiting"); waits != (pages == 0) {
			t.Errorf("page %d shows the waiting job: %t", pages, waits)
		}
		path = ""
		if m := older.FindStringSubmatch(body); m != nil {
			path = m[1]
		}
	}
	for what, n := range seen {
		if n != 1 {
			t.Errorf("%s is there %d times", what, n)
		}
	}
	if len(seen) != 260 || pages != 6 {
		t.Errorf("%d entries on %d pages", len(seen), pages)
	}
}

func TestEachStateOfAJobInTheStory(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	a.execNow(`INSERT INTO customers (id, name, created_at, updated_at) VALUES (1, 'Ada', @now, @now)`)
	for i, state := range []string{queue.Retryable, queue.Running, queue.Completed, queue.Discarded} {
		ended := "0"
		if i > 1 {
			ended = "@now + 2000"
		}
		a.execNow(fmt.Sprintf(`INSERT INTO jobs (kind, key, args, state, attempt, max_attempts, errors, created_at, scheduled_at, attempted_at, finalized_at)
			VALUES ('sync_contact', '1', '{}', '%s', 2, 15, '[{"attempt":1,"error":"status 503"}]', @now, @now + 60000, @now, %s)`, state, ended))
	}
	text, _ := a.open(auth.Support, "/admin/customers/1")
	shows(t, "the page", text, "Update the contact: trying again attempt 2: status 503", "Update the contact: at work",
		"Update the contact: done took 2.0 s, at attempt 2", "Update the contact: gave up status 503")
}

func TestHostileTextIsTextOnThePageOfACustomer(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	bought, _ := a.buy(a.stripe(), demo.BuyOptions{Email: "ada@example.com", Name: "Ada", Price: "team"})
	for _, set := range []string{`customers SET name = '%s', email = '%[1]s', plan = '%[1]s'`, `stripe_customers SET name = '%s'`, `subscriptions SET plan = '%s', interval = '%[1]s'`,
		`invoices SET error = '%s', number = '%[1]s', hosted_url = 'javascript:alert(1)'`, `timeline SET text = '%s'`, `contacts SET name = '%s', plan = '%[1]s'`, `events SET type = '%s'`} {
		a.execNow(fmt.Sprintf(`UPDATE `+set, hostile+strings.Repeat("x", 10_000)))
	}
	a.execNow(`INSERT INTO notes (customer_id, cause, text, created_at) VALUES (1, 'churned:1', '`+hostile+`', @now)`,
		`INSERT INTO tasks (customer_id, cause, title, created_at) VALUES (1, 'payment_failed:1', '`+hostile+`', @now)`)
	text, body := a.open(auth.Support, "/admin/customers/1")
	shows(t, "the page", text, "<script>alert(1)</script>{{.}}")
	shows(t, "the page", body, "!<script>alert", "!javascript:", "!\u202e", bought.Customer)
	if len(body) > 60_000 {
		t.Errorf("the page is %d bytes", len(body))
	}
}

func TestHowLateAnEventCame(t *testing.T) {
	t.Parallel()
	installed := time.UnixMilli(1_700_000_000_000)
	at := func(d time.Duration) db.Time { return db.At(installed.Add(d)) }
	for _, row := range []struct {
		name, source      string
		created, received time.Duration
		want              string
	}{
		{"at once", "webhook", time.Hour, time.Hour + time.Second, ""},
		{"late", "webhook", time.Hour, 3 * time.Hour, "later"},
		{"of the time before Bursar", "webhook", -900 * time.Hour, time.Hour, ""},
		{"found by the sweep", "sweep", time.Hour, 3 * time.Hour, "came by sweep"},
	} {
		e := eventEntry(db.EventsOfStripeCustomerBeforeRow{Type: "invoice.paid", Source: row.source, CreatedAt: at(row.created), ReceivedAt: at(row.received)}, installed)
		if (row.want == "") != (e.Note == "") || !strings.Contains(e.Note, row.want) {
			t.Errorf("%s: %q", row.name, e.Note)
		}
	}
}
