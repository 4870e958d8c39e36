package reconcile_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"bursar/app/db"
	"bursar/app/demo"
	"bursar/app/reconcile"
)

func TestAllAgree(t *testing.T) {
	t.Parallel()
	c := newCompany(t, hourAgo())
	c.buy(demo.BuyOptions{Email: "ada@example.com", Name: "Ada"})
	c.buy(demo.BuyOptions{Email: "ben@example.com", TrialDays: 14})
	failing := c.buy(demo.BuyOptions{Email: "cleo@example.com"})
	_, err := c.FailPayment(failing.Subscription)
	check(t, err)
	left := c.buy(demo.BuyOptions{Email: "dora@example.com"})
	check(t, c.Cancel(left.Subscription, false))
	deleted := c.buy(demo.BuyOptions{Email: "eve@example.com"})
	check(t, c.DeleteCustomer(deleted.Customer))
	c.buy(demo.BuyOptions{Email: "fay@example.com", TestClock: "clock_1"}) // Stripe's lists leave it out
	c.receive()

	run, report, m := c.reconcile(reconcile.Reconcile{})
	if run.State != "complete" || !run.StripeCompared || run.Error != "" {
		t.Errorf("the run is %s, error %q", run.State, run.Error)
	}
	if want := "All 4 customers agree everywhere."; report.Verdict() != want {
		t.Errorf("the verdict is %q, want %q; found %v %v", report.Verdict(), want, report.Fixed, report.NeedsYou)
	}
	if run.Customers != 4 || run.Contacts != 6 || run.Tickets != 1 {
		t.Errorf("compared %d customers, %d contacts, %d tickets", run.Customers, run.Contacts, run.Tickets)
	}
	if m.State != "kept" || m.Recipients != "ada@example.com" || !strings.Contains(m.Text, "Compared: 4 customers, ") {
		t.Errorf("the mail is %s to %s:\n%s", m.State, m.Recipients, m.Text)
	}
}

// Canceled subscriptions are compared too, and lists have many pages.
func TestManyAgree(t *testing.T) {
	t.Parallel()
	c := newCompany(t, hourAgo())
	_, err := c.Populate(105)
	check(t, err)
	c.adopt()
	before := c.Calls()
	run, report, _ := c.reconcile(reconcile.Reconcile{})
	if want := "All 105 customers agree everywhere."; report.Verdict() != want || run.Subscriptions != 105 {
		t.Errorf("%s (%d subscriptions) %v", report.Verdict(), run.Subscriptions, report.Fixed)
	}
	for _, route := range []string{"GET /v1/customers", "GET /v1/subscriptions"} {
		if n := c.Calls()[route] - before[route]; n != 2 {
			t.Errorf("%d calls of %s for two pages", n, route)
		}
	}
	c.edit("UPDATE subscriptions SET status = 'active' WHERE id = (SELECT id FROM subscriptions WHERE status = 'canceled' LIMIT 1)")
	c.compare(reconcile.Reconcile{})
	if got := c.open(); !slices.Contains(got, "access_would_end") {
		t.Errorf("a canceled subscription that is active here is not found: %v", got)
	}
}

func TestLostPurchase(t *testing.T) {
	t.Parallel()
	c := newCompany(t, hourAgo())
	c.buy(demo.BuyOptions{Email: "ada@example.com", Name: "Ada", UserID: "u1"})
	c.lose()
	_, report, m := c.reconcile(reconcile.Reconcile{Day: "2026-03-04"})
	if want := "1 customer checked: 1 fixed, nothing needs you."; report.Verdict() != want {
		t.Errorf("the verdict is %q, want %q", report.Verdict(), want)
	}
	if !strings.Contains(m.Text, "Ada <ada@example.com>") || !strings.Contains(m.Text, "/admin/customers/1") {
		t.Errorf("the mail does not say who it was:\n%s", m.Text)
	}
	if n := c.number("SELECT COUNT(*) FROM customers JOIN contacts ON contacts.customer_id = customers.id WHERE customers.access = 'full' AND lifecycle = 'customer'"); n != 1 {
		t.Errorf("%d customers have access and a contact", n)
	}
	c.agree()
}

func TestLostCancellationWaitsForAPerson(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(c *company, p demo.Purchase) error{
		"canceled":         func(c *company, p demo.Purchase) error { return c.Cancel(p.Subscription, false) },
		"customer deleted": func(c *company, p demo.Purchase) error { return c.DeleteCustomer(p.Customer) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCompany(t, hourAgo())
			p := c.buy(demo.BuyOptions{Email: "ada@example.com"})
			c.receive()
			check(t, lose(c, p))
			c.lose()

			for range 2 {
				_, report, _ := c.reconcile(reconcile.Reconcile{})
				if len(report.NeedsYou) != 1 || len(report.Fixed) != 0 {
					t.Fatalf("needs you: %v, fixed: %v", report.NeedsYou, report.Fixed)
				}
				if n := c.number("SELECT COUNT(*) FROM customers WHERE access = 'full'"); n != 1 {
					t.Fatal("access was taken away without being asked")
				}
			}
			if n := c.number("SELECT seen FROM findings WHERE state = 'open'"); n != 2 {
				t.Errorf("two runs saw the finding, it counts %d", n)
			}
			_, report, _ := c.reconcile(reconcile.Reconcile{Repair: true})
			if len(report.NeedsYou) != 0 || len(report.Fixed) != 1 {
				t.Errorf("needs you %v, fixed %v", report.NeedsYou, report.Fixed)
			}
			if n := c.number("SELECT COUNT(*) FROM customers JOIN contacts ON contacts.customer_id = customers.id WHERE customers.access = 'none' AND lifecycle = 'churned'"); n != 1 {
				t.Error("the customer still has access, or the contact did not churn")
			}
			c.agree()
		})
	}
}

func TestManyLostCancellationsAtOnceWaitForAPerson(t *testing.T) {
	t.Parallel()
	const many = 11
	c := newCompany(t, hourAgo())
	var bought []demo.Purchase
	for i := range many {
		bought = append(bought, c.buy(demo.BuyOptions{Email: fmt.Sprintf("p%d@example.com", i)}))
	}
	c.receive()
	for _, p := range bought {
		check(t, c.Cancel(p.Subscription, false))
	}
	c.lose()
	for range 2 {
		_, report, _ := c.reconcile(reconcile.Reconcile{})
		if len(report.NeedsYou) != many || len(report.Fixed) != 0 {
			t.Fatalf("needs you: %v, fixed: %v", report.NeedsYou, report.Fixed)
		}
		if n := c.number("SELECT COUNT(*) FROM customers WHERE access = 'full'"); n != many {
			t.Fatal("access was taken away without being asked")
		}
	}
	if n := c.number("SELECT COUNT(*) FROM findings WHERE kind = 'access_would_end' AND state = 'open' AND seen = 2"); n != many {
		t.Errorf("two runs saw %d of the findings, want %d", n, many)
	}
	run := c.compare(reconcile.Reconcile{Repair: true})
	if n := c.number("SELECT COUNT(*) FROM customers WHERE access = 'full'"); n != many || !strings.Contains(run.Note, "BURSAR_REPAIR_CAP") {
		t.Errorf("%d customers have access, want %d: so many are too many to be right; the run says %q", n, many, run.Note)
	}
	c.Reconciler.Cap = many
	_, report, _ := c.reconcile(reconcile.Reconcile{Repair: true})
	if n := c.number("SELECT COUNT(*) FROM customers WHERE access = 'none'"); n != many || len(report.Fixed) != many {
		t.Errorf("%d customers lost their access, want all %d; fixed %v", n, many, report.Fixed)
	}
}

// What is seen in half a list takes nothing away, although it was seen clearly.
func TestHalfAListTakesNoAccess(t *testing.T) {
	t.Parallel()
	c := newCompany(t, hourAgo())
	for i := range 3 {
		c.buy(demo.BuyOptions{Email: fmt.Sprintf("stays%d@example.com", i)})
	}
	p := c.buy(demo.BuyOptions{Email: "ada@example.com"}) // newest, so on the first page
	c.receive()
	check(t, c.Cancel(p.Subscription, false))
	c.lose()
	c.onCall(func(w http.ResponseWriter, r *http.Request) bool {
		if !smallPages(r) || r.URL.Path != "/v1/subscriptions" || !r.URL.Query().Has("starting_after") {
			return false
		}
		w.WriteHeader(http.StatusInternalServerError)
		return true
	})
	run, report, _ := c.reconcile(reconcile.Reconcile{})
	if run.State != "incomplete" || len(report.NeedsYou) != 1 {
		t.Errorf("the run is %s, needs you %v", run.State, report.NeedsYou)
	}
	if n := c.number("SELECT COUNT(*) FROM customers WHERE access = 'full'"); n != 4 {
		t.Errorf("%d customers have access, want all 4", n)
	}
}

// Each is found once, healed once, and then there is nothing more to find.
func TestRepairs(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		do   func(c *company, p demo.Purchase)
		want []string
	}{
		{"the contact was edited", func(c *company, _ demo.Purchase) {
			c.edit("UPDATE contacts SET plan = 'gold', email = 'old@example.com'")
		},
			[]string{"contact_differs"}},
		{"the contact was deleted", func(c *company, _ demo.Purchase) { c.edit("DELETE FROM contacts") }, []string{"contact_missing"}},
		{"the ticket was deleted", func(c *company, p demo.Purchase) {
			_, err := c.FailPayment(p.Subscription)
			check(c.t, err)
			c.receive()
			c.edit("DELETE FROM messages")
			c.edit("DELETE FROM tickets")
		}, []string{"ticket_missing"}},
		{"the ticket is open although it was paid", func(c *company, p demo.Purchase) {
			invoice, err := c.FailPayment(p.Subscription)
			check(c.t, err)
			check(c.t, c.RecoverPayment(invoice))
			c.receive()
			c.edit("UPDATE tickets SET status = 'open', closed_at = 0")
			c.edit("INSERT INTO tickets (customer_id, cause, queue, priority, status, subject, created_at, updated_at) " +
				"SELECT id, 'payment_failed:in_1', 'billing', 'normal', 'open', '', 1, 1 FROM customers")
		}, []string{"ticket_left_open"}},
		{"a payment failed and nobody heard", func(c *company, p demo.Purchase) {
			_, err := c.FailPayment(p.Subscription)
			check(c.t, err)
		}, []string{"subscription_differs"}},
		{"the name changed", func(c *company, p demo.Purchase) {
			check(c.t, c.UpdateCustomer(p.Customer, "Ada King", "king@example.com"))
		}, []string{"customer_differs"}},
		{"the plan changed", func(c *company, p demo.Purchase) { check(c.t, c.ChangePlan(p.Subscription, "team")) }, []string{"plan_differs"}},
		{"it will end", func(c *company, p demo.Purchase) { check(c.t, c.Cancel(p.Subscription, true)) }, []string{"subscription_differs"}},
		{"collection was paused", func(c *company, p demo.Purchase) {
			check(c.t, c.PauseCollection(p.Subscription, "void", time.Time{}))
		}, []string{"subscription_differs"}},
		{"they tried once more", func(c *company, p demo.Purchase) {
			check(c.t, c.Cancel(p.Subscription, true))
			c.receive()
			_, err := c.Resubscribe(p.Customer, "team")
			check(c.t, err)
		}, []string{"subscription_missing"}},
		{"they came back", func(c *company, p demo.Purchase) {
			check(c.t, c.Cancel(p.Subscription, false))
			c.receive()
			_, err := c.Resubscribe(p.Customer, "team")
			check(c.t, err)
		}, []string{"paid_not_active"}},
		{"the plan of the record was edited", func(c *company, _ demo.Purchase) { c.edit("UPDATE customers SET plan = 'gold'") },
			[]string{"record_stale"}},
		{"the access of the record was edited", func(c *company, _ demo.Purchase) { c.edit("UPDATE customers SET access = 'none'") },
			[]string{"paid_not_active"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := newCompany(t, hourAgo())
			p := c.buy(demo.BuyOptions{Email: "ada@example.com", Name: "Ada"})
			c.receive()
			row.do(c, p)
			c.lose()

			run, report, _ := c.reconcile(reconcile.Reconcile{})
			rows, err := c.DB.Read().FindingsOfRun(t.Context(), run.ID)
			check(t, err)
			var kinds []string
			for _, f := range rows {
				kinds = append(kinds, f.Kind)
			}
			kinds = slices.Compact(kinds)
			if !slices.Equal(kinds, row.want) || len(report.Fixed) != len(rows) || len(report.NeedsYou) != 0 {
				t.Errorf("found %v, want %v; fixed %v, needs you %v", kinds, row.want, report.Fixed, report.NeedsYou)
			}
			if n := c.number("SELECT COUNT(*) FROM contacts"); n != 1 {
				t.Errorf("%d contacts", n)
			}
			if n := c.number("SELECT COUNT(*) FROM (SELECT cause FROM tickets GROUP BY cause HAVING COUNT(*) > 1)"); n != 0 {
				t.Errorf("%d causes have two tickets", n)
			}
			c.agree()
		})
	}
}

// What a job is about to mend, or has just mended, is not a difference. What a job fails to mend is.
func TestInFlight(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, row := range []struct {
		name      string
		state     string
		scheduled time.Time
		finalized time.Time
		found     bool
	}{
		{"a job is due", "available", now, time.Time{}, false},
		{"a job is at work", "running", now, time.Time{}, false},
		{"a job ended after the reading began", "completed", now, now.Add(time.Hour), false},
		{"a job ended before", "completed", now, now.Add(-time.Minute), true},
		{"a job failed and tries again", "retryable", now.Add(time.Hour), time.Time{}, true},
		{"a job has been held for ten minutes", "available", now.Add(-10 * time.Minute), time.Time{}, true},
		{"a job was given up", "discarded", now, now, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := newCompany(t, hourAgo())
			c.buy(demo.BuyOptions{Email: "ada@example.com"})
			c.receive()
			check(t, c.DB.Tx(t.Context(), func(q *db.Queries) error { // nobody does these jobs
				return q.SaveCircuit(t.Context(), db.SaveCircuitParams{System: "crm", Failures: 9, UntilAt: db.At(now.Add(time.Hour))})
			}))
			c.edit("UPDATE contacts SET plan = 'gold'")
			late := time.Since(now) // other tests came first
			c.edit("UPDATE jobs SET state = ?, scheduled_at = ?, finalized_at = ? WHERE kind = 'sync_contact'",
				row.state, row.scheduled.Add(late).UnixMilli(), max(row.finalized.Add(late).UnixMilli(), 0))
			c.compare(reconcile.Reconcile{})
			if got := len(c.open()) == 1; got != row.found {
				t.Errorf("open findings: %v", c.open())
			}
		})
	}
}

func TestAFindingStaysOpenWhileItsJobIsAtWork(t *testing.T) {
	t.Parallel()
	c := newCompany(t, hourAgo())
	c.buy(demo.BuyOptions{Email: "ada@example.com"})
	c.receive()
	check(t, c.DB.Tx(t.Context(), func(q *db.Queries) error {
		return q.SaveCircuit(t.Context(), db.SaveCircuitParams{System: "crm", Failures: 9, UntilAt: db.At(time.Now().Add(time.Hour))})
	}))
	c.edit("UPDATE contacts SET plan = 'gold'")
	c.compare(reconcile.Reconcile{})
	c.edit("UPDATE jobs SET state = 'running' WHERE kind = 'sync_contact' AND state = 'available'")
	c.compare(reconcile.Reconcile{})
	if got := c.open(); !slices.Equal(got, []string{"contact_differs"}) {
		t.Errorf("open findings: %v", got)
	}
}

func TestAFailedRepairNeedsAPerson(t *testing.T) {
	t.Parallel()
	c := newCompany(t, hourAgo())
	c.buy(demo.BuyOptions{Email: "ada@example.com"})
	c.receive()
	c.edit("UPDATE contacts SET plan = 'gold'")
	c.edit("CREATE TRIGGER broken BEFORE UPDATE ON contacts BEGIN SELECT RAISE(ABORT, 'the CRM is broken'); END")
	_, report, _ := c.reconcile(reconcile.Reconcile{})
	if len(report.NeedsYou) != 1 || len(report.Fixed) != 0 || report.Repairing != 0 {
		t.Errorf("needs you %v, fixed %v, %d being repaired", report.NeedsYou, report.Fixed, report.Repairing)
	}
	c.edit("DROP TRIGGER broken")
	_, report, _ = c.reconcile(reconcile.Reconcile{})
	if len(report.NeedsYou) != 0 || len(report.Fixed) != 1 || report.Fixed[0].Seen != 2 {
		t.Errorf("after the CRM was mended: needs you %v, fixed %v", report.NeedsYou, report.Fixed)
	}
}

// A first run against an account with customers takes them in, at a pace that leaves room for webhooks.
func TestBackfill(t *testing.T) {
	t.Parallel()
	c := newCompany(t, hourAgo())
	_, err := c.Populate(13)
	check(t, err)
	// Repairs after the first ten are due half a second apart, and here an hour later.
	c.edit("CREATE TRIGGER slow AFTER INSERT ON jobs WHEN new.kind = 'sync_customer' AND new.scheduled_at > new.created_at + 400 " +
		"BEGIN UPDATE jobs SET scheduled_at = scheduled_at + 3600000 WHERE id = new.id; END")
	run := c.compare(reconcile.Reconcile{})
	c.edit("UPDATE runs SET finished_at = ?", time.Now().Add(-time.Hour).UnixMilli()) // the report has waited long enough
	c.insert(reconcile.SendReport{Run: run.ID})
	check(t, c.Worker.WorkOff(t.Context()))
	m, err := c.DB.Read().MailByKey(t.Context(), reconcile.ReportKey(run))
	check(t, err)
	if want := "Bursar: 13 checked, 10 fixed, 3 being repaired ("; !strings.Contains(m.Subject, want) {
		t.Errorf("the subject is %q, want %q", m.Subject, want)
	}
	if n := c.number("SELECT COUNT(*) FROM findings"); n != 13 {
		t.Errorf("%d findings", n)
	}

	c.edit("UPDATE jobs SET scheduled_at = 0 WHERE kind = 'sync_customer' AND state = 'available' AND created_at > ?", run.StartedAt.UnixMilli())
	check(t, c.Worker.WorkOff(t.Context()))
	c.agree()
	if n := c.number("SELECT COUNT(*) FROM contacts"); n != 13 {
		t.Errorf("%d contacts", n)
	}
}
