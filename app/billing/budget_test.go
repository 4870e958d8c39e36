package billing_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"bursar/app/billing"
	"bursar/app/demo"
	"bursar/app/stripe"
)

// month is thirty days of a company, a tenth of one with a thousand customers: everybody renews, eight of a
// hundred payments fail at first, some customers leave and some come, some want their money back.
func month(t *testing.T, s *demo.Stripe, hour func()) {
	t.Helper()
	past, err := s.Populate(100)
	told(t, err)
	hour()
	var failed []string
	for h := range 30 * 24 {
		s.Advance(time.Hour)
		p := past[20+h/10%80] // of those who are neither in trial nor about to end
		switch h % 240 {
		case 10, 80, 150: // nine fail, of whom six pay a day later
			invoice, err := s.FailPayment(p.Subscription)
			told(t, err)
			failed = append(failed, invoice)
		case 34, 104:
			told(t, s.RecoverPayment(failed[len(failed)-1]))
		case 40, 120:
			_, err := s.Buy(demo.BuyOptions{Email: fmt.Sprintf("new%d@example.com", h), Price: "team", UserID: fmt.Sprintf("user_new%d", h)})
			told(t, err)
		case 60:
			told(t, s.Cancel(p.Subscription, false))
		case 200:
			told(t, s.Cancel(p.Subscription, true))
		case 210:
			_, err := s.Refund(p.Charge, 500)
			told(t, err)
		case 230:
			_, err := s.Dispute(p.Charge)
			told(t, err)
		}
		hour()
	}
}

// TestTheBudgetOfAMonthWithItsEvents counts every request that the events of a month lead to, each arriving
// and being worked on by itself, so that none spares another its reading. What Bursar asks of its own accord
// comes on top, as TestTheBudgetOfThirtyDays counts it.
func TestTheBudgetOfAMonthWithItsEvents(t *testing.T) {
	t.Parallel()
	const (
		own       = 30*(96+24) + 720 + 1590 // requests of sweeps, of the watch and of comparisons
		lookAgain = 6                       // requests of one
		scale     = 10
	)
	s := newStripe(1, 30*day+time.Hour)
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		s.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	client := stripe.New(apiKey, server.URL)
	client.Pace(100_000)
	f := newFile(t, client, nil)
	seen, events := 0, 0
	month(t, s, func() {
		if seen == 0 && events == 0 {
			f.startBackfill()
			f.workOff()
			asked.Store(0) // the first reading is before the month
		}
		for _, body := range s.EventsFrom(seen) {
			seen++
			if stripe.Wanted(eventOf(t, body).Type) {
				events++
				f.take(body)
			}
		}
	})
	later := int64(len(f.jobs(billing.LookAgain{}.Kind(), ""))) * lookAgain
	total := own + scale*(asked.Load()+later)
	t.Logf("%d events of %d customers: %d requests, %d for what time changes; %d in the month of a company ten times as large",
		events, len(f.customers()), asked.Load(), later, total)
	if events < 250 || total > billing.ReadsAllowed {
		t.Errorf("%d events, and %d requests in a month, want at most %d", events, total, billing.ReadsAllowed)
	}
	f.agrees(t, s)
}

// agrees compares everything that Stripe has with what is here: what was not asked for must not be missing.
func (f *file) agrees(t *testing.T, s *demo.Stripe) {
	t.Helper()
	fresh := newFile(t, apiOf(t, s), nil)
	fresh.Stripe.Pace(100_000)
	fresh.startBackfill()
	fresh.workOff()
	is, want := f.mirror(), fresh.mirror()
	for id, there := range want {
		if here := is[id]; here != there {
			t.Errorf("%s is %q here, and %q at Stripe", id, here, there)
		}
	}
	if len(want) < 300 || len(is) != len(want) {
		t.Errorf("%d things are here, and %d at Stripe", len(is), len(want))
	}
}

// mirror is everything of Stripe's that is here, in a line each.
func (f *file) mirror() map[string]string {
	all := map[string]string{}
	for _, row := range f.customers() {
		facts := f.facts(row.ID)
		all[facts.Stripe[0].ID] = fmt.Sprint(row.Name, row.Email, row.Access, row.Plan, row.LastPaymentStatus, row.RefundedAmount, row.OpenDisputes)
		for _, o := range facts.Subscriptions {
			all[o.ID] = fmt.Sprint(o.Status, o.Plan, o.CurrentPeriodEndAt, o.CancelAtPeriodEnd)
		}
		for _, o := range facts.Invoices {
			all[o.ID] = fmt.Sprint(o.Status, o.Charge, o.AmountPaid, o.Attempts, o.Failed, o.Error)
		}
		for _, o := range facts.Charges {
			all[o.ID] = fmt.Sprint(o.Status, o.Invoice, o.Amount, o.AmountRefunded, o.Disputed)
		}
		for _, o := range facts.Refunds {
			all[o.ID] = fmt.Sprint(o.Status, o.Amount)
		}
		for _, o := range facts.Disputes {
			all[o.ID] = fmt.Sprint(o.Status, o.Amount)
		}
		for _, o := range facts.Checkouts {
			all[o.ID] = fmt.Sprint(o.Status, o.PaymentStatus, o.UserID)
		}
	}
	return all
}
