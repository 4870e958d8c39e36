package privacy_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bursar/app/auth"
	"bursar/app/billing"
	"bursar/app/crm"
	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/db/dbtest"
	"bursar/app/demo"
	"bursar/app/mail"
	"bursar/app/privacy"
	"bursar/app/queue"
	"bursar/app/reconcile"
	"bursar/app/stripe"
	"bursar/app/support"
)

// The person who is erased, and one who is not.
const (
	name, email   = "Ada Quillfeather", "ada.quillfeather@example.com"
	other, otherE = "Bob Keepersworth", "bob.keepersworth@example.com"
)

// company is a Bursar with two customers and everything that can be stored about them.
type company struct {
	*billing.Billing
	t        *testing.T
	path     string
	stripe   *demo.Stripe
	worker   *queue.Worker
	ada, bob int64
	purchase demo.Purchase
}

func newCompany(t *testing.T, api bool) *company {
	t.Helper()
	c := &company{t: t, path: filepath.Join(t.TempDir(), "bursar.db"), stripe: demo.NewStripe(7, time.Now().Add(-time.Hour))}
	d := dbtest.At(t, c.path)
	var client *stripe.Client
	if api {
		server := httptest.NewServer(c.stripe)
		t.Cleanup(server.Close)
		client = stripe.New("sk_test_bursar", server.URL)
	}
	c.Billing = &billing.Billing{DB: d, Stripe: client}
	c.worker = queue.NewWorker(d, slog.New(slog.DiscardHandler))
	c.Handle(c.worker)
	crm.Handle(c.worker, d, crm.Builtin{DB: d})
	support.Handle(c.worker, support.Builtin{DB: d})
	templates, err := mail.ParseTemplates(os.DirFS("../.."))
	check(t, err)
	(&reconcile.Reconciler{DB: d, Stripe: client, CRM: crm.Builtin{DB: d}, Desk: support.Builtin{DB: d}, Templates: templates, Location: time.UTC}).Handle(c.worker)
	c.fill()
	return c
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (c *company) fill() {
	c.t.Helper()
	var err error
	c.purchase, err = c.stripe.Buy(demo.BuyOptions{Email: email, Name: name, UserID: "user_ada_0001", Price: "team"})
	check(c.t, err)
	_, err = c.stripe.FailPayment(c.purchase.Subscription) // a ticket, and a line in the report
	check(c.t, err)
	dispute, err := c.stripe.Dispute(c.purchase.Charge) // an event without a customer
	check(c.t, err)
	check(c.t, c.stripe.CloseDispute(dispute, true))
	_, err = c.stripe.Buy(demo.BuyOptions{Email: otherE, Name: other, UserID: "user_bob_0001"})
	check(c.t, err)
	c.deliver(c.stripe.Events()...)
	c.ada, c.bob = c.customer("user_ada_0001"), c.customer("user_bob_0001")
	desk := support.Builtin{DB: c.DB}
	_, err = desk.Open(c.t.Context(), support.Ticket{Cause: "api:1", Queue: support.General, Priority: support.Normal, Subject: "I am " + name, Author: "customer",
		Body: "E-mail: " + email + "\n\nPlease call " + name})
	check(c.t, err)
	_, err = desk.Open(c.t.Context(), support.Ticket{CustomerID: c.bob, Cause: "api:2", Queue: support.General, Priority: support.Normal, Subject: "About a friend",
		Author: "customer", Body: "My friend " + strings.ToUpper(name) + " <" + email + "> told me"})
	check(c.t, err)
	c.do(func(q *db.Queries) error {
		return errors.Join(
			queue.Insert(c.t.Context(), q, reconcile.Reconcile{}),
			q.InsertTimeline(c.t.Context(), c.ada, "name is "+name, db.Now()),
			mail.Put(c.t.Context(), q, mail.Message{Key: "wrapped", To: []string{"owner@example.com"}, Subject: "Report", Text: "Failed: Ada\n   Quillfeather, and\n" + other,
				HTML: "<b>" + name + "</b> and " + other}, false))
	})
	c.workOff()
}

// deliver takes events in as webhooks.
func (c *company) deliver(bodies ...[]byte) {
	c.t.Helper()
	for _, body := range bodies {
		e, err := stripe.DecodeEvent(body)
		check(c.t, err)
		_, err = c.Receive(c.t.Context(), e, billing.Webhook)
		check(c.t, err)
	}
	c.workOff()
}

func (c *company) workOff() {
	c.t.Helper()
	check(c.t, c.worker.WorkOff(c.t.Context()))
}

func (c *company) do(fn func(q *db.Queries) error) {
	c.t.Helper()
	check(c.t, c.DB.Tx(c.t.Context(), fn))
}

func (c *company) customer(user string) int64 {
	c.t.Helper()
	id, err := c.DB.Read().LinkOf(c.t.Context(), "user", user)
	check(c.t, err)
	return id
}

func (c *company) erase(force bool) *privacy.Erased {
	c.t.Helper()
	e, err := privacy.Erase(c.t.Context(), c.DB, c.ada, force, func(q *db.Queries) error {
		return auth.Audit(c.t.Context(), q, auth.ByCommand("customers.erase", fmt.Sprintf("customer %d", c.ada), ""))
	})
	check(c.t, err)
	return e
}

// traces are the files that hold one of the texts.
func (c *company) traces(texts ...string) (found []string) {
	c.t.Helper()
	for _, file := range []string{c.path, c.path + "-wal"} {
		bytes, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			c.t.Fatal(err)
		}
		for _, text := range texts {
			if strings.Contains(strings.ToLower(string(bytes)), strings.ToLower(text)) {
				found = append(found, filepath.Base(file)+" holds "+text)
			}
		}
	}
	return found
}

func (c *company) count(query string, args ...any) (n int64) {
	c.t.Helper()
	raw, err := sql.Open("sqlite", c.path)
	check(c.t, err)
	defer raw.Close()
	check(c.t, raw.QueryRowContext(c.t.Context(), query, args...).Scan(&n))
	return n
}

func TestEverythingAboutAPersonIsExported(t *testing.T) {
	t.Parallel()
	c := newCompany(t, true)
	export, err := privacy.Read(t.Context(), c.DB.Read(), c.ada)
	check(t, err)
	text, err := json.Marshal(export)
	check(t, err)
	for _, table := range []string{"customers", "links", "stripe_customers", "subscriptions", "invoices", "charges", "disputes", "checkouts", "timeline", "contacts", "tasks",
		"tickets", "messages", "events", "jobs", "mails"} {
		if len(export.Tables[table]) == 0 {
			t.Errorf("nothing of the table %s", table)
		}
	}
	for _, want := range []string{name, email, "user_ada_0001", c.purchase.Customer, c.purchase.Subscription, c.purchase.Charge, "Please call", `"type":"charge.dispute.created"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is not in it", want)
		}
	}
	for _, others := range []string{other, otherE, "user_bob_0001", "owner@example.com"} {
		if strings.Contains(string(text), others) {
			t.Errorf("%s of somebody else is in it", others)
		}
	}
	if rows := c.count("SELECT COUNT(*) FROM events WHERE customer = ?", c.purchase.Customer); int64(len(export.Tables["events"])) < rows {
		t.Errorf("%d of at least %d events", len(export.Tables["events"]), rows)
	}
}

func TestAnErasedPersonIsGoneFromTheFile(t *testing.T) {
	t.Parallel()
	for _, api := range []bool{true, false} {
		c := newCompany(t, api)
		if len(c.traces(name, email)) == 0 {
			t.Fatal("the test would not find them if they were there")
		}
		customers, bobs := c.count("SELECT COUNT(*) FROM customers"), c.count("SELECT COUNT(*) FROM events WHERE customer <> ?", c.purchase.Customer)
		e := c.erase(true)
		if traces := c.traces(name, email, "Quillfeather", "user_ada_0001"); len(traces) > 0 || e.InFile {
			t.Errorf("left behind: %v", traces)
		}
		for _, table := range []string{"customers", "links", "events", "tickets", "messages", "contacts", "timeline", "invoices", "mails"} {
			if e.Rows[table] == 0 {
				t.Errorf("it does not say what became of %s: %v", table, e.Rows)
			}
		}
		if todo := strings.Join(e.Todo, "\n"); !strings.Contains(todo, c.purchase.Customer) || !strings.Contains(todo, "Backups") {
			t.Errorf("what is left to do: %s", todo)
		}
		if n := c.count("SELECT COUNT(*) FROM customers"); n != customers {
			t.Errorf("%d customers, there were %d: the number must stay", n, customers)
		}
		if n := c.count("SELECT COUNT(*) FROM events WHERE ignored = ? AND customer = '' AND id LIKE 'evt_%' AND created_at > 0 AND json_valid(CAST(payload AS TEXT))", billing.OfErased); n != e.Rows["events"] {
			t.Errorf("%d of %d events kept their ids and times", n, e.Rows["events"])
		}
		c.expectBob(bobs)
		if n := c.count("SELECT COUNT(*) FROM audit WHERE target = ?", fmt.Sprintf("customer %d", c.ada)); n != 1 {
			t.Errorf("%d rows of the audit", n)
		}
		_ = c.count("INSERT INTO customer_search (customer_search) VALUES ('integrity-check') RETURNING 1")
	}
}

// expectBob: the other is untouched, except for the words of the one who is gone.
func (c *company) expectBob(events int64) {
	c.t.Helper()
	facts, err := customer.Load(c.t.Context(), c.DB.Read(), c.bob)
	check(c.t, err)
	if facts.Record.Name != other || facts.Record.Access != customer.Full || len(facts.Links) < 2 {
		c.t.Errorf("the other customer is %+v", facts.Record)
	}
	if n := c.count("SELECT COUNT(*) FROM events WHERE customer <> '' AND ignored = ''"); n > events || n == 0 {
		c.t.Errorf("%d events of others, there were %d", n, events)
	}
	for query, want := range map[string]string{"SELECT COUNT(*) FROM messages WHERE body = 'My friend [erased] <[erased]> told me'": "a message of the other",
		"SELECT COUNT(*) FROM mails WHERE text LIKE 'Failed: [erased], and%Bob Keepersworth' AND html LIKE '%[erased]%Bob Keepersworth'": "a mail about both"} {
		if c.count(query) != 1 {
			c.t.Errorf("%s was not cleaned as it should be", want)
		}
	}
}

func TestAnErasedPersonDoesNotComeBack(t *testing.T) {
	t.Parallel()
	c := newCompany(t, true)
	guest := fmt.Appendf(nil, `{"id":"evt_guest","object":"event","type":"charge.succeeded","api_version":"2023-10-16","created":%d,"livemode":false,
		"data":{"object":{"id":"ch_guest","object":"charge","receipt_email":%q}}}`, time.Now().Add(-time.Hour).Unix(), email)
	old := c.stripe.Events()
	c.erase(true)
	check(t, c.stripe.UpdateCustomer(c.purchase.Customer, name, email))
	_, err := c.stripe.Refund(c.purchase.Charge, 100)
	check(t, err)

	c.deliver(old...)               // a replay
	c.deliver(c.stripe.Events()...) // webhooks of what Stripe still has
	c.deliver(guest)                // an older purchase without a customer
	c.do(func(q *db.Queries) error {
		return errors.Join(queue.Insert(t.Context(), q, billing.SyncCustomer{StripeCustomer: c.purchase.Customer}), // a sweep, or a button
			queue.Insert(t.Context(), q, reconcile.Reconcile{}))
	})
	c.workOff()
	c.workOff()

	if _, err := c.DB.Forget(t.Context()); err != nil { // the WAL is not looked at by accident
		t.Fatal(err)
	}
	if traces := c.traces(name, email); len(traces) > 0 {
		t.Errorf("back again: %v", traces)
	}
	if _, err := c.DB.Read().LinkOf(t.Context(), "stripe", c.purchase.Customer); !errors.Is(err, db.ErrNoRows) {
		t.Errorf("the Stripe customer is known again: %v", err)
	}
	if n := c.count("SELECT COUNT(*) FROM findings WHERE state = 'open' AND kind <> 'unknown_price' AND subject = ?", c.purchase.Customer); n != 0 {
		t.Error("the comparison misses them every night")
	}
}

func TestAnErasedPersonMayBuyAgain(t *testing.T) {
	t.Parallel()
	c := newCompany(t, true)
	c.erase(true)
	c.stripe.Advance(2 * time.Hour) // its clock began an hour ago
	_, err := c.stripe.Buy(demo.BuyOptions{Email: email, Name: name, UserID: "user_ada_0001"})
	check(t, err)
	c.deliver(c.stripe.Events()...)
	facts, err := customer.Load(t.Context(), c.DB.Read(), c.customer("user_ada_0001"))
	check(t, err)
	if facts.Record.ID == c.ada || facts.Record.Access != customer.Full || facts.Record.Email != email {
		t.Errorf("who paid has no access: %+v", facts.Record)
	}
}

func TestWhoseSubscriptionLivesIsNotErasedByMistake(t *testing.T) {
	t.Parallel()
	c := newCompany(t, false)
	_, err := privacy.Erase(t.Context(), c.DB, c.bob, false, func(*db.Queries) error { return nil })
	if !errors.Is(err, privacy.ErrLive) || len(c.traces(otherE)) == 0 {
		t.Errorf("%v", err)
	}
	boom := errors.New("boom")
	_, err = privacy.Erase(t.Context(), c.DB, c.bob, true, func(*db.Queries) error { return boom })
	if !errors.Is(err, boom) || c.count("SELECT COUNT(*) FROM links WHERE customer_id = ?", c.bob) == 0 || c.count("SELECT COUNT(*) FROM erased") != 0 {
		t.Errorf("without the audit something was erased: %v", err)
	}
	if _, err = privacy.Erase(t.Context(), c.DB, 999, true, func(*db.Queries) error { return nil }); !errors.Is(err, db.ErrNoRows) {
		t.Errorf("nobody: %v", err)
	}
}

func TestFindTellsPeopleApart(t *testing.T) {
	t.Parallel()
	c := newCompany(t, false)
	var twin int64
	c.do(func(q *db.Queries) (err error) {
		twin, err = q.InsertCustomer(t.Context(), "Twin", strings.ToUpper(otherE), db.Now())
		return errors.Join(err, customer.Link(t.Context(), q, twin, "user", fmt.Sprint(c.ada)))
	})
	for _, row := range []struct {
		name, who string
		want      int64
		err       error
	}{
		{"a user id", "user_ada_0001", c.ada, nil},
		{"an id in Stripe", c.purchase.Customer, c.ada, nil},
		{"an e-mail address in another case", strings.ToUpper(email), c.ada, nil},
		{"our number", fmt.Sprint(c.bob), c.bob, nil},
		{"our number and nothing else", fmt.Sprint("#", c.ada), c.ada, nil},
		{"an e-mail address of two", otherE, 0, privacy.ErrSeveral},
		{"our number, which is the user id of another", fmt.Sprint(c.ada), 0, privacy.ErrSeveral},
		{"nobody", "cus_nobody", 0, privacy.ErrNobody},
		{"nothing", "", 0, privacy.ErrNobody},
	} {
		got, err := privacy.Find(t.Context(), c.DB.Read(), row.who)
		if got != row.want || !errors.Is(err, row.err) {
			t.Errorf("%s: %d, %v", row.name, got, err)
		}
	}
	_, err := privacy.Find(t.Context(), c.DB.Read(), otherE)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("customer %d", c.bob)) || !strings.Contains(err.Error(), fmt.Sprintf("customer %d", twin)) {
		t.Errorf("it does not name them: %v", err)
	}
}

func TestReadmit(t *testing.T) {
	t.Parallel()
	c := newCompany(t, true)
	c.erase(true)
	c.do(func(q *db.Queries) error {
		for who, want := range map[string]bool{c.purchase.Customer: true, "cus_other": false, email: true} {
			if known, err := customer.Readmit(t.Context(), q, who); err != nil || known != want {
				t.Errorf("%s: %v, %v", who, known, err)
			}
		}
		return queue.Insert(context.Background(), q, billing.SyncCustomer{StripeCustomer: c.purchase.Customer})
	})
	c.workOff()
	if _, err := c.DB.Read().LinkOf(t.Context(), "stripe", c.purchase.Customer); err != nil {
		t.Errorf("not taken in again: %v", err)
	}
}
