package billing_test

import (
	"testing"
	"time"

	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/demo"
	"bursar/app/queue"
)

// TestABurstWhileASyncFails has twenty events of one customer come in while Stripe fails for this customer
// only, which is too little to open the circuit.
func TestABurstWhileASyncFails(t *testing.T) {
	t.Parallel()
	s := newStripe(1, time.Minute)
	p, err := s.Buy(demo.BuyOptions{Email: "ada@example.com", Name: "Ada"})
	told(t, err)
	for range 10 {
		told(t, s.UpdateCustomer(p.Customer, "Ada", "ada@example.com"))
	}
	told(t, s.Cancel(p.Subscription, false))
	s.Fail(demo.APIFault{Path: "/v1/charges", Kind: demo.HalfBody, Count: 1000})
	f := newFile(t, apiOf(t, s), plansOf(s))
	for _, body := range s.Events() {
		f.take(body)
	}
	jobs := f.jobs("sync_customer", "")
	if len(jobs) != 1 || jobs[0].State != queue.Retryable || jobs[0].Attempt > 2 {
		t.Errorf("the sync: %+v, want one that waits after its first attempts", jobs)
	}
	if r := f.customer(); r.Status != "canceled" || r.Access != customer.None {
		t.Errorf("the record is %s with access %s: the news were not taken over meanwhile", r.Status, r.Access)
	}
	f.check(f.DB.Tx(t.Context(), func(q *db.Queries) error {
		return queue.Insert(t.Context(), q, jobArgs{jobs[0].Key})
	}))
	if again := f.jobs("sync_customer", ""); !again[0].ScheduledAt.Equal(jobs[0].ScheduledAt.Time) {
		t.Errorf("another insert moved it from %s to %s", jobs[0].ScheduledAt, again[0].ScheduledAt)
	}
}

type jobArgs struct{ StripeCustomer string }

func (jobArgs) Kind() string  { return "sync_customer" }
func (a jobArgs) Key() string { return a.StripeCustomer }

// TestWhatMayEndAccess is the one rule: Stripe's own whole word about a customer, by whatever way it came.
func TestWhatMayEndAccess(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		happen func(f *file, s *demo.Stripe, p demo.Purchase, seen int)
		want   string
	}{
		{"the signed event of the cancellation, while Stripe does not answer", func(f *file, s *demo.Stripe, p demo.Purchase, seen int) {
			s.Advance(61 * time.Minute) // after the last reading
			told(f.tb, s.Cancel(p.Subscription, false))
			s.Down(true)
			f.take(s.Events()[seen:]...)
		}, customer.None},
		{"any event of the customer, when Stripe says it is over", func(f *file, s *demo.Stripe, p demo.Purchase, seen int) {
			told(f.tb, s.Cancel(p.Subscription, false))
			s.Advance(time.Minute)
			told(f.tb, s.UpdateCustomer(p.Customer, "Ada", "new@example.com"))
			events := s.Events()
			f.take(events[len(events)-1])
		}, customer.None},
		{"a reading that breaks off after the subscriptions", func(f *file, s *demo.Stripe, p demo.Purchase, seen int) {
			told(f.tb, s.Cancel(p.Subscription, false))
			s.Fail(demo.APIFault{Path: "/v1/checkout/sessions", Kind: demo.Empty, Count: 100})
			if err := f.SyncCustomer(f.tb.Context(), p.Customer); err == nil {
				f.tb.Error("it says that it was whole")
			}
		}, customer.Full},
		{"an empty answer for the subscriptions", func(f *file, s *demo.Stripe, p demo.Purchase, seen int) {
			s.Fail(demo.APIFault{Path: "/v1/subscriptions", Kind: demo.Empty, Count: 100})
			s.Advance(time.Minute)
			told(f.tb, s.UpdateCustomer(p.Customer, "Ada", "new@example.com"))
			f.take(s.Events()[seen:]...)
		}, customer.Full},
		{"a customer whom Stripe does not know", func(f *file, s *demo.Stripe, p demo.Purchase, seen int) {
			f.Stripe = apiOf(f.tb, newStripe(2, 0)) // the key of another account
			told(f.tb, s.UpdateCustomer(p.Customer, "Ada", "new@example.com"))
			f.take(s.Events()[seen:]...)
		}, customer.Full},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := newStripe(1, time.Hour)
			f := newFile(t, apiOf(t, s), plansOf(s))
			p, err := s.Buy(demo.BuyOptions{Email: "ada@example.com", Name: "Ada"})
			told(t, err)
			f.take(s.Events()...)
			if is := f.customer().Access; is != customer.Full {
				t.Fatalf("after the purchase access is %s", is)
			}
			row.happen(f, s, p, len(s.Events()))
			if is := f.customer().Access; is != row.want {
				t.Errorf("access is %s, want %s", is, row.want)
			}
		})
	}
}
