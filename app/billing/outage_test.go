package billing_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bursar/app/billing"
	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/demo"
	"bursar/app/queue"
	"bursar/app/stripe"
)

// try does at once what waits for its next try, as a person may ask for.
func (f *file) try() {
	f.tb.Helper()
	waiting := slices.Concat(f.jobs("", queue.Retryable), f.jobs("", queue.Available))
	f.check(f.DB.Tx(f.tb.Context(), func(q *db.Queries) error {
		if _, err := q.CloseCircuit(context.Background(), "stripe", db.At(time.Now().Add(day))); err != nil {
			return err
		}
		for _, job := range waiting {
			if err := queue.Hurry(context.Background(), q, billing.SyncCustomer{StripeCustomer: job.Key}, time.Now()); err != nil {
				return err
			}
		}
		return nil
	}))
	f.workOff()
}

// TestWhileStripeDoesNotAnswer takes in the news of a purchase and a failed payment while every call fails.
func TestWhileStripeDoesNotAnswer(t *testing.T) {
	t.Parallel()
	for name, breaks := range map[string]func(*demo.Stripe){
		"no connection": func(s *demo.Stripe) { s.Down(true) },
		"500":           func(s *demo.Stripe) { s.Fail(demo.APIFault{Path: "/v1/", Kind: demo.ServerError, Count: 1000}) },
		"429": func(s *demo.Stripe) {
			s.Fail(demo.APIFault{Path: "/v1/", Kind: demo.RateLimited, RetryAfter: time.Minute, Count: 1000})
		},
		"200 with {}":        func(s *demo.Stripe) { s.Fail(demo.APIFault{Path: "/v1/", Kind: demo.Empty, Count: 1000}) },
		"half an answer":     func(s *demo.Stripe) { s.Fail(demo.APIFault{Path: "/v1/", Kind: demo.HalfBody, Count: 1000}) },
		"{} for its charges": func(s *demo.Stripe) { s.Fail(demo.APIFault{Path: "/v1/charges", Kind: demo.Empty, Count: 1000}) },
		"the key is revoked": func(s *demo.Stripe) { s.Revoke(apiKey) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStripe(1, 0)
			breaks(s)
			f := newFile(t, apiOf(t, s), plansOf(s))
			listening := newFile(t, nil, plansOf(s))
			seen := 0
			storyNamed("a failed payment").tell(t, s, func() {
				events := s.Events()[seen:]
				f.take(events...)
				listening.take(events...)
				seen += len(events)
			})
			if is := f.customer().Source; is != "events" {
				t.Errorf("source is %q, want events", is)
			}
			sameBooks(t, f.books(), listening.books())
			waiting := f.jobs("sync_customer", queue.Retryable)
			waiting = append(waiting, f.jobs("sync_customer", queue.Available)...)
			if len(waiting) != 1 || waiting[0].ScheduledAt.After(time.Now().Add(time.Hour)) {
				t.Errorf("jobs that wait for Stripe: %+v, want one that is due soon", waiting)
			}
			if dead := f.jobs("", queue.Discarded); len(dead) > 0 {
				t.Errorf("discarded: %+v", dead)
			}
		})
	}
}

func TestStripeIsBack(t *testing.T) {
	t.Parallel()
	s := newStripe(1, time.Minute)
	f := newFile(t, apiOf(t, s), plansOf(s))
	p, err := s.Buy(demo.BuyOptions{Email: "ada@example.com", Name: "Ada", UserID: "user_ada"})
	told(t, err)
	f.take(s.Events()...)
	before := f.customer()

	s.Down(true)
	seen := len(s.Events())
	s.Advance(2 * time.Minute) // an event after the last reading
	_, err = s.FailPayment(p.Subscription)
	told(t, err)
	f.take(s.Events()[seen:]...)
	during := f.customer()
	if during.Source != "events" || during.Access != customer.Grace || !during.AsOfAt.After(before.AsOfAt.Time) {
		t.Errorf("while it is down: %s, source %s, as of %s; before as of %s", during.Access, during.Source, during.AsOfAt, before.AsOfAt)
	}

	s.Down(false)
	f.try()
	if after := f.customer(); after.Source != "api" || after.Access != customer.Grace {
		t.Errorf("when it is back: %s, source %s", after.Access, after.Source)
	}
	if left := f.jobs("sync_customer", queue.Retryable); len(left) > 0 {
		t.Errorf("still to be tried: %+v", left)
	}
}

// TestOldNewsWhileStripeDoesNotAnswer replays everything, and the last thing again, after the API told more.
func TestOldNewsWhileStripeDoesNotAnswer(t *testing.T) {
	t.Parallel()
	s := newStripe(1, 29*day)
	p, err := s.Buy(demo.BuyOptions{Email: "old@example.com", Name: "Old", UserID: "user_ada"})
	told(t, err)
	invoice, err := s.FailPayment(p.Subscription)
	told(t, err)
	refund, err := s.Refund(p.Charge, 500)
	told(t, err)
	old := s.Events()
	told(t, s.RecoverPayment(invoice))
	told(t, s.FailRefund(refund))
	told(t, s.UpdateCustomer(p.Customer, "New", "new@example.com"))

	f := newFile(t, apiOf(t, s), plansOf(s))
	f.take(s.Events()[0])
	known := f.books()
	s.Down(true)
	f.take(old[1:]...)
	sameBooks(t, f.books(), known)
	if r := f.customer(); r.Source != "api" || r.Name != "New" || r.LastPaymentStatus != "paid" {
		t.Errorf("the record is %+v", r)
	}
	if tickets := f.tickets(1); len(tickets) > 0 {
		t.Errorf("tickets about the past: %q", tickets)
	}
}

// TestNewsSinceTheLastReading has events that know less than the API did.
func TestNewsSinceTheLastReading(t *testing.T) {
	t.Parallel()
	s := newStripe(1, time.Minute)
	p, err := s.Buy(demo.BuyOptions{Email: "old@example.com", Name: "Old", UserID: "user_ada"})
	told(t, err)
	_, err = s.Refund(p.Charge, 500)
	told(t, err)
	told(t, s.UpdateCustomer(p.Customer, "New", "new@example.com"))
	f := newFile(t, apiOf(t, s), plansOf(s))
	f.take(s.Events()[0])
	s.Down(true)
	s.Advance(2 * time.Minute)
	s.SetAPIVersion("2025-03-31.basil")
	seen := len(s.Events())

	t.Run("an invoice does not give back the name it was made out to", func(t *testing.T) {
		_, err := s.FailPayment(p.Subscription)
		told(t, err)
		body := strings.ReplaceAll(string(s.Events()[seen]), "new@example.com", "old@example.com")
		f.take([]byte(body))
		if r := f.customer(); r.Name != "New" || r.Email != "new@example.com" || r.Source != "events" {
			t.Errorf("it is %q, %q from %s", r.Name, r.Email, r.Source)
		}
	})
	t.Run("a dispute of a charge that only the API told of", func(t *testing.T) {
		dispute, err := s.Dispute(p.Charge)
		told(t, err)
		sent := s.Events()[seen:]
		f.take(sent[slices.Index(kindsOf(t, sent), "charge.dispute.created")])
		if r := f.customer(); r.OpenDisputes != 1 {
			t.Errorf("%d open disputes, want 1", r.OpenDisputes)
		}
		told(t, s.CloseDispute(dispute, true))
	})
	t.Run("a charge keeps its invoice, and so the invoice its refund", func(t *testing.T) {
		f.take(s.Events()[seen:]...)
		if charges := f.facts(1).Charges; charges[0].Invoice != p.Invoice {
			t.Errorf("the charge is of invoice %q, want %s", charges[0].Invoice, p.Invoice)
		}
	})
	t.Run("a deleted customer stays deleted", func(t *testing.T) {
		s.Down(false)
		told(t, s.DeleteCustomer(p.Customer))
		f.try()
		s.Down(true)
		s.Advance(time.Hour)
		if !f.customer().Deleted {
			t.Fatal("the customer is not deleted here")
		}
		seen = len(s.Events())
		_, err := s.Refund(p.Charge, 100)
		told(t, err)
		f.take(s.Events()[seen:]...)
		if r := f.customer(); !r.Deleted || r.Access != customer.None || r.Name != "New" || r.RefundedAmount != 600 {
			t.Errorf("the record is %+v", r)
		}
	})
}

func TestTimePassesWhileStripeDoesNotAnswer(t *testing.T) {
	t.Parallel()
	bought := storyNamed("a purchase")
	bought.ago = time.Minute // so that the reading is newer than every event
	s, sent := bought.sent(t)
	f := newFile(t, apiOf(t, s), plansOf(s))
	f.take(sent...)
	r := f.customer()
	f.check(f.DB.Tx(t.Context(), func(q *db.Queries) error {
		return q.UpdateCustomerIdentity(t.Context(), db.UpdateCustomerIdentityParams{ID: r.ID, Name: "stale", Now: db.Now()})
	}))
	s.Down(true)
	if err := f.SyncCustomer(t.Context(), eventOf(t, sent[0]).Customer); err == nil {
		t.Error("the sync says that it needs no other try")
	}
	if is := f.customer(); is.Name != r.Name || is.Access != r.Access {
		t.Errorf("the record is not in line with what is known: %+v", is)
	}
}

// TestASlowReadingIsOlder has a reading begin, a cancellation be read meanwhile, and then the first one end.
func TestASlowReadingIsOlder(t *testing.T) {
	t.Parallel()
	s, sent := storyNamed("a purchase").sent(t)
	last, goOn := make(chan struct{}), make(chan struct{})
	var held atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// What a reading asks for last; only the first is held.
		if r.URL.Path == "/v1/checkout/sessions" && held.CompareAndSwap(false, true) {
			close(last)
			<-goOn
		}
		s.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	f := newFile(t, stripe.New(apiKey, server.URL), plansOf(s))
	e := eventOf(t, sent[slices.Index(kindsOf(t, sent), "invoice.paid")])
	slow := make(chan error)
	go func() { slow <- f.SyncCustomer(t.Context(), e.Customer) }()
	<-last
	told(t, s.Cancel(e.Subscription, false))
	f.check(f.SyncCustomer(t.Context(), e.Customer))
	close(goOn)
	f.check(<-slow)
	if r := f.customer(); r.Status != "canceled" || r.Access != customer.None {
		t.Errorf("status %s, access %s: the older reading won", r.Status, r.Access)
	}
}

func TestARevokedKeyKeepsTheJobs(t *testing.T) {
	t.Parallel()
	s := newStripe(1, 0)
	_, err := s.Buy(demo.BuyOptions{Email: "ada@example.com"})
	told(t, err)
	f := newFile(t, apiOf(t, s), plansOf(s))
	s.Revoke(apiKey)
	for range 20 { // more than a job has attempts
		f.take(s.Events()...)
		f.try()
	}
	jobs := f.jobs("sync_customer", "")
	for _, j := range jobs {
		if j.State == queue.Discarded || j.Attempt > 0 {
			t.Errorf("job %d is %s after %d attempts", j.ID, j.State, j.Attempt)
		}
	}
	if len(jobs) == 0 {
		t.Error("there is no job")
	}
}

func TestACustomerWhomStripeDoesNotKnow(t *testing.T) {
	t.Parallel()
	s, other := newStripe(1, 0), newStripe(2, 0)
	_, err := s.Buy(demo.BuyOptions{Email: "ada@example.com"})
	told(t, err)
	f := newFile(t, apiOf(t, other), plansOf(s)) // the key is of another account
	f.take(s.Events()...)
	dead := f.jobs("sync_customer", queue.Discarded)
	if len(dead) != 1 || !strings.Contains(dead[0].Errors, "is STRIPE_API_KEY of the same account and mode as the events?") {
		t.Errorf("discarded: %+v", dead)
	}
	if r := f.customer(); r.Access != customer.Full || r.Source != "events" {
		t.Errorf("the record is %s from %q, want what the events say", r.Access, r.Source)
	}
}
