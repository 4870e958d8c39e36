package billing_test

import (
	"testing"
	"time"

	"bursar/app/crm"
	"bursar/app/customer"
	"bursar/app/demo"
)

const day = 24 * time.Hour

// story is something that happens to one customer.
type story struct {
	name string
	ago  time.Duration // when it begins
	buy  demo.BuyOptions
	// then tells how it goes on. news is called where the webhooks arrive.
	then func(t testing.TB, s *demo.Stripe, p demo.Purchase, news func())
	want outcome
}

// outcome is the end of a story.
type outcome struct {
	access, status, plan string
	payment              string // status of the last payment
	amount, refunded     int64
	disputes             int64
	lifecycle            string   // of the contact, "" for none
	tickets, tasks       []string // their causes without the id, and their state
}

func stories() []story {
	ada := demo.BuyOptions{Email: "ada@example.com", Name: "Ada Lovelace", UserID: "user_ada"}
	trial, debit := ada, ada
	trial.TrialDays, debit.Async = 14, true
	broke := trial
	broke.Card = demo.CardNone
	yen := ada
	yen.Price = "starter_jpy"
	paid := outcome{access: customer.Full, status: "active", plan: "Starter", payment: "paid", amount: 1900, lifecycle: crm.Customer}
	failedOpen, failedClosed := []string{"payment_failed open"}, []string{"payment_failed closed"}
	taskOpen, taskDone := []string{"payment_failed open"}, []string{"payment_failed done"}

	with := func(o outcome, change func(*outcome)) outcome { change(&o); return o }
	return []story{
		{"a purchase", 0, ada, nil, paid},
		{"a purchase in a currency without minor units", 0, yen, nil, with(paid, func(o *outcome) { o.amount = 2800 })},
		{"a trial", 0, trial, nil, outcome{access: customer.Full, status: "trialing", plan: "Starter", lifecycle: crm.Trial}},
		{"a trial that ends with a payment", 16 * day, trial, func(_ testing.TB, s *demo.Stripe, _ demo.Purchase, news func()) {
			news()
			s.Advance(15 * day)
		}, paid},
		{"a trial that ends without a payment method", 16 * day, broke, func(_ testing.TB, s *demo.Stripe, _ demo.Purchase, news func()) {
			news()
			s.Advance(15 * day)
		}, outcome{access: customer.None, status: "paused", plan: "Starter", lifecycle: crm.Customer}},
		{"a bank debit under way", 0, debit, nil, outcome{access: customer.Pending, status: "incomplete", plan: "Starter", lifecycle: crm.Lead}},
		{"a bank debit that arrives", 0, debit, func(t testing.TB, s *demo.Stripe, p demo.Purchase, news func()) {
			news()
			told(t, s.CompleteAsync(p.Checkout, true))
		}, paid},
		{"a bank debit that fails", 0, debit, func(t testing.TB, s *demo.Stripe, p demo.Purchase, news func()) {
			news()
			told(t, s.CompleteAsync(p.Checkout, false))
		}, outcome{access: customer.Pending, status: "incomplete", plan: "Starter", payment: "failed", amount: 1900, lifecycle: crm.Lead, tickets: failedOpen, tasks: taskOpen}},
		{"a bank debit that fails, and nobody comes back", 2 * day, debit, func(t testing.TB, s *demo.Stripe, p demo.Purchase, news func()) {
			news()
			told(t, s.CompleteAsync(p.Checkout, false))
			news()
			s.Advance(day)
		}, outcome{access: customer.None, status: "incomplete_expired", plan: "Starter", lifecycle: crm.Lead, tickets: failedClosed, tasks: taskDone}},
		{"a failed payment", 0, ada, failed, with(paid, func(o *outcome) {
			o.access, o.status, o.payment, o.lifecycle, o.tickets, o.tasks = customer.Grace, "past_due", "failed", crm.PastDue, failedOpen, taskOpen
		})},
		{"a failed payment that is tried again", 4 * day, ada, func(t testing.TB, s *demo.Stripe, p demo.Purchase, news func()) {
			failed(t, s, p, news)
			news()
			s.Advance(3*day + time.Hour)
		}, with(paid, func(o *outcome) {
			o.access, o.status, o.payment, o.lifecycle, o.tickets, o.tasks = customer.Grace, "past_due", "failed", crm.PastDue, failedOpen, taskOpen
		})},
		{"a failed payment that recovers", 0, ada, func(t testing.TB, s *demo.Stripe, p demo.Purchase, news func()) {
			news()
			s.Advance(time.Second)
			invoice, err := s.FailPayment(p.Subscription)
			told(t, err)
			news()
			told(t, s.RecoverPayment(invoice))
		}, with(paid, func(o *outcome) { o.tickets, o.tasks = failedClosed, taskDone })},
		{"a failed payment that is never paid", 17 * day, ada, func(t testing.TB, s *demo.Stripe, p demo.Purchase, news func()) {
			failed(t, s, p, news)
			for range 16 {
				news()
				s.Advance(day)
			}
		}, with(paid, func(o *outcome) {
			o.access, o.status, o.payment, o.lifecycle, o.tickets, o.tasks = customer.None, "canceled", "failed", crm.Churned, failedOpen, taskOpen
		})},
		{"a cancellation at once", 0, ada, func(t testing.TB, s *demo.Stripe, p demo.Purchase, news func()) {
			news()
			told(t, s.Cancel(p.Subscription, false))
		}, with(paid, func(o *outcome) { o.access, o.status, o.lifecycle = customer.None, "canceled", crm.Churned })},
		{"a cancellation at the end of the period", 0, ada, func(t testing.TB, s *demo.Stripe, p demo.Purchase, news func()) {
			news()
			told(t, s.Cancel(p.Subscription, true))
		}, paid},
		{"a cancellation that is taken back", 0, ada, func(t testing.TB, s *demo.Stripe, p demo.Purchase, news func()) {
			told(t, s.Cancel(p.Subscription, true))
			news()
			told(t, s.Keep(p.Subscription))
		}, paid},
		{"a cancellation whose period is over", 40 * day, ada, func(t testing.TB, s *demo.Stripe, p demo.Purchase, news func()) {
			told(t, s.Cancel(p.Subscription, true))
			news()
			s.Advance(35 * day)
		}, with(paid, func(o *outcome) { o.access, o.status, o.lifecycle = customer.None, "canceled", crm.Churned })},
		{"a customer who comes back", 0, ada, func(t testing.TB, s *demo.Stripe, p demo.Purchase, news func()) {
			news()
			told(t, s.Cancel(p.Subscription, false))
			news()
			s.Advance(time.Second)
			_, err := s.Resubscribe(p.Customer, "team")
			told(t, err)
		}, with(paid, func(o *outcome) { o.plan, o.amount = "Team", 4900 })},
		{"a change of plan", 0, ada, func(t testing.TB, s *demo.Stripe, p demo.Purchase, news func()) {
			news()
			s.Advance(time.Second)
			told(t, s.ChangePlan(p.Subscription, "team"))
		}, with(paid, func(o *outcome) { o.plan, o.amount = "Team", 3000 })},
		{"a full refund", 0, ada, func(t testing.TB, s *demo.Stripe, p demo.Purchase, news func()) {
			news()
			_, err := s.Refund(p.Charge, 0)
			told(t, err)
		}, with(paid, func(o *outcome) { o.payment, o.refunded = "refunded", 1900 })},
		{"several refunds", 0, ada, func(t testing.TB, s *demo.Stripe, p demo.Purchase, news func()) {
			for _, amount := range []int64{500, 250} {
				news()
				_, err := s.Refund(p.Charge, amount)
				told(t, err)
			}
		}, with(paid, func(o *outcome) { o.payment, o.refunded = "partially_refunded", 750 })},
		{"a refund that fails afterwards", 0, ada, func(t testing.TB, s *demo.Stripe, p demo.Purchase, news func()) {
			refund, err := s.Refund(p.Charge, 500)
			told(t, err)
			news()
			told(t, s.FailRefund(refund))
		}, paid},
		{"one refund that fails of two", 0, ada, func(t testing.TB, s *demo.Stripe, p demo.Purchase, news func()) {
			_, err := s.Refund(p.Charge, 250)
			told(t, err)
			refund, err := s.Refund(p.Charge, 500)
			told(t, err)
			news()
			told(t, s.FailRefund(refund))
		}, with(paid, func(o *outcome) { o.payment, o.refunded = "partially_refunded", 250 })},
		{"a dispute", 0, ada, disputed, with(paid, func(o *outcome) { o.payment, o.disputes, o.tickets = "disputed", 1, []string{"dispute open"} })},
		{"a dispute that is won", 0, ada, func(t testing.TB, s *demo.Stripe, p demo.Purchase, news func()) { decided(t, s, p, news, true) },
			with(paid, func(o *outcome) { o.tickets = []string{"dispute closed"} })},
		{"a dispute that is lost", 0, ada, func(t testing.TB, s *demo.Stripe, p demo.Purchase, news func()) { decided(t, s, p, news, false) },
			with(paid, func(o *outcome) { o.payment, o.tickets = "disputed", []string{"dispute closed"} })},
		{"a customer who is deleted", 0, ada, func(t testing.TB, s *demo.Stripe, p demo.Purchase, news func()) {
			news()
			told(t, s.DeleteCustomer(p.Customer))
		}, with(paid, func(o *outcome) { o.access, o.status, o.lifecycle = customer.None, "canceled", crm.Churned })},
		{"a paused collection", 0, ada, func(t testing.TB, s *demo.Stripe, p demo.Purchase, news func()) {
			news()
			told(t, s.PauseCollection(p.Subscription, "void", s.Now().Add(60*day)))
		}, paid},
		{"a first payment that fails", 0, demo.BuyOptions{Email: "ada@example.com", Name: "Ada Lovelace", Card: demo.CardDeclines}, nil,
			outcome{access: customer.Pending, status: "incomplete", plan: "Starter", payment: "failed", amount: 1900, tickets: failedOpen, tasks: taskOpen}},
	}
}

func failed(t testing.TB, s *demo.Stripe, p demo.Purchase, news func()) {
	news()
	s.Advance(time.Second) // the invoice is newer than the one before
	_, err := s.FailPayment(p.Subscription)
	told(t, err)
}

func disputed(t testing.TB, s *demo.Stripe, p demo.Purchase, news func()) {
	news()
	_, err := s.Dispute(p.Charge)
	told(t, err)
}

func decided(t testing.TB, s *demo.Stripe, p demo.Purchase, news func(), won bool) {
	news()
	dispute, err := s.Dispute(p.Charge)
	told(t, err)
	news()
	told(t, s.CloseDispute(dispute, won))
}

// tell plays a story to its end.
func (st story) tell(t testing.TB, s *demo.Stripe, news func()) {
	t.Helper()
	p, err := s.Buy(st.buy)
	told(t, err)
	if st.then != nil {
		st.then(t, s, p, news)
	}
	news()
}
