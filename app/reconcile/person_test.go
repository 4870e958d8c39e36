package reconcile_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bursar/app/db"
	"bursar/app/demo"
	"bursar/app/reconcile"
)

const (
	guestEvent = `{"id":"evt_guest","object":"event","type":"charge.succeeded","api_version":"2023-10-16","created":1,"livemode":false,
		"data":{"object":{"id":"ch_guest","object":"charge","customer":null,"payment_intent":"pi_guest"}}}`
	foreignEvent = `{"id":"evt_foreign","object":"event","type":"customer.updated","api_version":"2023-10-16","created":1,"livemode":false,
		"account":"acct_other","data":{"object":{"id":"cus_other","object":"customer"}}}`
)

// What no job can mend waits for a person: one open row each, however many nights, until it is gone.
func TestForAPerson(t *testing.T) {
	t.Parallel()
	for kind, row := range map[string]struct {
		do, undo func(c *company, p demo.Purchase)
	}{
		"unknown_price": {
			func(c *company, _ demo.Purchase) { c.namePlan("") },
			func(c *company, _ demo.Purchase) { c.namePlan("starter") },
		},
		"two_people": {
			func(c *company, p demo.Purchase) {
				c.buy(demo.BuyOptions{Email: "ben@example.com", UserID: "u2"})
				c.receive()
				check(c.t, c.Cancel(p.Subscription, true)) // not two that are paid at once
				c.buy(demo.BuyOptions{Customer: p.Customer, UserID: "u2"})
				c.receive()
			},
			func(c *company, _ demo.Purchase) { c.edit("UPDATE checkouts SET user_id = 'u1' WHERE customer_id = 1") },
		},
		"events_of_nobody": {
			func(c *company, _ demo.Purchase) { c.receiveEvent([]byte(guestEvent)); c.receive() },
			func(c *company, _ demo.Purchase) { c.edit("DELETE FROM events WHERE id = 'evt_guest'") },
		},
		"events_ignored": {
			func(c *company, _ demo.Purchase) { c.receiveEvent([]byte(foreignEvent)); c.receive() },
			func(c *company, _ demo.Purchase) { c.edit("DELETE FROM events WHERE id = 'evt_foreign'") },
		},
		"not_in_stripe": {
			func(c *company, _ demo.Purchase) {
				c.edit("INSERT INTO subscriptions SELECT 'sub_gone', stripe_customer, customer_id, 'active', price, product, plan, quantity, amount, currency, " +
					"interval, interval_count, 1, current_period_end_at, 0, 0, 0, 0, '', 0, created_at FROM subscriptions")
			},
			func(c *company, _ demo.Purchase) { c.edit("DELETE FROM subscriptions WHERE id = 'sub_gone'") },
		},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			c := newCompany(t, hourAgo())
			p := c.buy(demo.BuyOptions{Email: "ada@example.com", UserID: "u1"})
			c.receive()
			row.do(c, p)
			for seen := 1; seen <= 2; seen++ {
				_, report, _ := c.reconcile(reconcile.Reconcile{})
				if len(report.NeedsYou) != 1 || report.NeedsYou[0].Seen != seen || report.NeedsYou[0].What != reconcile.Label(kind) {
					t.Fatalf("run %d: needs you %v", seen, report.NeedsYou)
				}
			}
			row.undo(c, p)

			c.Down(true)
			run, _, m := c.reconcile(reconcile.Reconcile{})
			if run.State != "incomplete" || !strings.Contains(m.Subject, "INCOMPLETE") || !slices.Equal(c.open(), []string{kind}) {
				t.Errorf("a %s run (%q) left open %v", run.State, m.Subject, c.open())
			}
			c.Down(false)
			c.agree()
			if got := c.open(); len(got) != 0 {
				t.Errorf("a complete run left open %v", got)
			}
			if n := c.number("SELECT COUNT(*) FROM findings WHERE state = 'fixed' AND fixed_at > 0 AND kind = '" + kind + "'"); n != 1 {
				t.Errorf("%d findings are fixed", n)
			}
		})
	}
}

// namePlan names the plan of every subscription, and writes its name wherever it stands.
func (c *company) namePlan(name string) {
	c.t.Helper()
	c.edit("UPDATE subscriptions SET plan = ?", name)
	c.edit("UPDATE customers SET plan = COALESCE(NULLIF(?, ''), (SELECT price FROM subscriptions))", name)
	c.edit("UPDATE contacts SET plan = (SELECT plan FROM customers)")
}

// Without a key nothing of Stripe is seen, so what was found there stays.
func TestWithoutAKey(t *testing.T) {
	t.Parallel()
	c := newCompany(t, hourAgo())
	p := c.buy(demo.BuyOptions{Email: "ada@example.com"})
	c.receive()
	check(t, c.Cancel(p.Subscription, false))
	c.compare(reconcile.Reconcile{})
	c.Reconciler.Stripe = nil
	run, report, _ := c.reconcile(reconcile.Reconcile{})
	if want := "The one customer agrees here; Stripe itself was not compared (no STRIPE_API_KEY)."; report.Verdict() != want || run.Subscriptions != 1 {
		t.Errorf("the verdict is %q, want %q", report.Verdict(), want)
	}
	if got := c.open(); !slices.Equal(got, []string{"access_would_end"}) {
		t.Errorf("open findings: %v", got)
	}
}

// The money and the figures of a day, each from a table with real rows, and in one daily report only.
func TestCollect(t *testing.T) {
	t.Parallel()
	now := time.Now().Truncate(time.Second)
	c := newCompany(t, now.Add(-50*time.Hour))
	installed := now.Add(-10 * time.Hour)
	check(t, c.DB.Tx(t.Context(), func(q *db.Queries) error {
		return q.SetMeta(t.Context(), "installed_at", strconv.FormatInt(installed.UnixMilli(), 10))
	}))
	leaves := c.buy(demo.BuyOptions{Email: "leaves@example.com"})
	c.Advance(4 * time.Hour)
	c.buy(demo.BuyOptions{Email: "never@example.com", Card: demo.CardDeclines}) // expires 23 hours ago, and is neither new nor left
	c.Advance(26 * time.Hour)
	c.receive() // the day before
	c.Advance(19 * time.Hour)

	c.buy(demo.BuyOptions{Name: "New", Email: "new@example.com"})
	check(t, c.Cancel(leaves.Subscription, false))
	failing := c.buy(demo.BuyOptions{Email: "failing@example.com", Price: "team"})
	_, err := c.FailPayment(failing.Subscription)
	check(t, err)
	recovering := c.buy(demo.BuyOptions{Email: "recovering@example.com"})
	invoice, err := c.FailPayment(recovering.Subscription)
	check(t, err)
	check(t, c.RecoverPayment(invoice))
	refunded := c.buy(demo.BuyOptions{Email: "refunded@example.com"})
	_, err = c.Refund(refunded.Charge, 500)
	check(t, err)
	disputed := c.buy(demo.BuyOptions{Email: "disputed@example.com"})
	_, err = c.Dispute(disputed.Charge)
	check(t, err)
	c.insert(nobodys{})
	c.receiveEvent([]byte(foreignEvent))
	c.receive()

	_, r, _ := c.reconcile(reconcile.Reconcile{Day: "2026-03-04"})
	for what, list := range map[string][]reconcile.Payment{
		"failing@example.com 49.00 USD": r.FailedPayments, "recovering@example.com 19.00 USD": r.Recovered,
		"refunded@example.com 5.00 USD": r.Refunded, "disputed@example.com 19.00 USD": r.Disputed,
	} {
		if len(list) != 1 || list[0].Who+" "+list[0].Amount != what || list[0].CustomerID == 0 || list[0].Detail == "" {
			t.Errorf("want %s, got %+v", what, list)
		}
	}
	if r.Figures.New.N != 5 || r.Figures.Left.N != 1 {
		t.Errorf("%d new, %d left; want 5 and 1", r.Figures.New.N, r.Figures.Left.N)
	}
	if r.Figures.EventsStored != c.received+1 || r.Figures.EventsIgnored != 1 {
		t.Errorf("%d events, %d ignored; want %d and 1", r.Figures.EventsStored, r.Figures.EventsIgnored, c.received+1)
	}
	if hour := time.Hour; r.Figures.Activations != 5 || r.Figures.PaidToActiveP50 < hour-time.Minute || r.Figures.PaidToActiveP95 < r.Figures.PaidToActiveP50 || r.Figures.PaidToActiveP95 > hour+time.Minute {
		t.Errorf("%d activations, half within %s, 95 %% within %s; want 5 of about an hour", r.Figures.Activations, r.Figures.PaidToActiveP50, r.Figures.PaidToActiveP95)
	}
	if len(r.DeadJobs) != 1 || r.DeadJobs[0].Kind != "nobodys" || !strings.Contains(r.DeadJobs[0].Error, "no part of this Bursar") {
		t.Errorf("dead jobs: %+v", r.DeadJobs)
	}

	c.reconcile(reconcile.Reconcile{}) // by hand: the next daily report is not shorter for it
	_, next, _ := c.reconcile(reconcile.Reconcile{Day: "2026-03-05"})
	if len(next.FailedPayments)+len(next.Disputed) != 2 || len(next.Recovered)+len(next.Refunded)+next.Figures.New.N+next.Figures.Left.N != 0 {
		t.Errorf("the next day says again: %+v", next)
	}
	if first, err := c.DB.Read().RunByDay(t.Context(), "2026-03-04"); err != nil || !next.Since.Equal(first.StartedAt.Time) {
		t.Errorf("the next day begins at %s, want %s, %v", next.Since, first.StartedAt, err)
	}
}

// nobodys is a job that no part of this program does.
type nobodys struct{}

func (nobodys) Kind() string { return "nobodys" }
func (nobodys) Key() string  { return "1" }
