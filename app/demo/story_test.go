package demo

import (
	"slices"
	"testing"
	"time"

	stripe "github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/webhook"
)

// must is for calls that cannot fail in a test.
func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// purchased are the events of a purchase by somebody new.
func purchased() []string {
	return []string{
		"customer.created", "customer.subscription.created", "invoice.created", "invoice.finalized", "payment_intent.created",
		"charge.succeeded", "payment_intent.succeeded", "invoice.updated", "customer.subscription.updated", "invoice.paid",
		"invoice.payment_succeeded", "checkout.session.completed",
	}
}

// refused are the events of a renewal with a bad card.
func refused() []string {
	return []string{
		"invoice.created", "customer.subscription.updated", "invoice.finalized", "payment_intent.created", "charge.failed",
		"payment_intent.payment_failed", "invoice.updated", "invoice.payment_failed", "customer.updated",
		"customer.subscription.updated",
	}
}

func debited() []string {
	return []string{
		"invoice.created", "customer.subscription.updated", "invoice.finalized", "payment_intent.created", "charge.pending",
		"payment_intent.processing", "invoice.updated",
	}
}

// TestStories tells each story and compares the events with Stripe's. Each is read the
// strict way: with its signature and its API version checked by stripe-go.
func TestStories(t *testing.T) {
	t.Parallel()
	day := 24 * time.Hour
	rows := []struct {
		story string
		buy   BuyOptions
		tell  func(t *testing.T, s *Stripe, p Purchase)
		want  []string
	}{
		{"a purchase", BuyOptions{}, nil, purchased()},
		{"a trial", BuyOptions{TrialDays: 14}, nil, []string{
			"customer.created", "customer.subscription.created", "invoice.created", "invoice.finalized", "invoice.updated",
			"invoice.paid", "invoice.payment_succeeded", "checkout.session.completed",
		}},
		{"a refused card", BuyOptions{Card: CardDeclines}, nil, []string{
			"customer.created", "customer.subscription.created", "invoice.created", "invoice.finalized", "payment_intent.created",
			"charge.failed", "payment_intent.payment_failed", "invoice.updated", "invoice.payment_failed", "customer.updated",
		}},
		{"a bank debit that arrives", BuyOptions{Async: true}, func(t *testing.T, s *Stripe, p Purchase) {
			s.Advance(3 * day)
			check(t, s.CompleteAsync(p.Checkout, true))
		}, []string{
			"customer.created", "customer.subscription.created", "invoice.created", "invoice.finalized", "payment_intent.created",
			"charge.pending", "payment_intent.processing", "invoice.updated", "checkout.session.completed",
			"charge.succeeded", "payment_intent.succeeded", "invoice.updated", "customer.subscription.updated", "invoice.paid",
			"invoice.payment_succeeded", "checkout.session.async_payment_succeeded",
		}},
		{"a bank debit that does not arrive", BuyOptions{Async: true}, func(t *testing.T, s *Stripe, p Purchase) {
			s.Advance(3 * day)
			check(t, s.CompleteAsync(p.Checkout, false))
		}, []string{
			"customer.created", "customer.subscription.created", "invoice.created", "invoice.finalized", "payment_intent.created",
			"charge.pending", "payment_intent.processing", "invoice.updated", "checkout.session.completed",
			"charge.failed", "payment_intent.payment_failed", "invoice.updated", "invoice.payment_failed", "customer.updated",
			"checkout.session.async_payment_failed", "payment_intent.canceled", "invoice.voided", "customer.subscription.updated",
		}},
		{"a renewal by bank debit that arrives", BuyOptions{}, func(t *testing.T, s *Stripe, p Purchase) {
			check(t, s.EndDebit(must[string](t)(s.DebitPayment(p.Subscription)), true))
		}, slices.Concat(purchased(), debited(), []string{
			"charge.succeeded", "payment_intent.succeeded", "invoice.updated", "invoice.paid", "invoice.payment_succeeded",
		})},
		{"a renewal by bank debit that does not arrive", BuyOptions{}, func(t *testing.T, s *Stripe, p Purchase) {
			check(t, s.EndDebit(must[string](t)(s.DebitPayment(p.Subscription)), false))
		}, slices.Concat(purchased(), debited(), []string{
			"charge.failed", "payment_intent.payment_failed", "invoice.updated", "invoice.payment_failed", "customer.updated",
			"customer.subscription.updated",
		})},
		{"a failed renewal that recovers", BuyOptions{}, func(t *testing.T, s *Stripe, p Purchase) {
			check(t, s.RecoverPayment(must[string](t)(s.FailPayment(p.Subscription))))
		}, slices.Concat(purchased(), refused(), []string{
			"charge.succeeded", "payment_intent.succeeded", "invoice.updated", "customer.subscription.updated", "invoice.paid",
			"invoice.payment_succeeded", "customer.updated",
		})},
		{"a failed renewal that fails again", BuyOptions{}, func(t *testing.T, s *Stripe, p Purchase) {
			check(t, s.RetryPayment(must[string](t)(s.FailPayment(p.Subscription))))
		}, slices.Concat(purchased(), refused(), []string{
			"charge.failed", "payment_intent.payment_failed", "invoice.updated", "invoice.payment_failed",
		})},
		{"leaving at once", BuyOptions{}, func(t *testing.T, s *Stripe, p Purchase) {
			check(t, s.Cancel(p.Subscription, false))
		}, append(purchased(), "customer.subscription.deleted")},
		{"leaving at the end of the month", BuyOptions{}, func(t *testing.T, s *Stripe, p Purchase) {
			check(t, s.Cancel(p.Subscription, true))
			s.Advance(32 * day)
		}, append(purchased(), "customer.subscription.updated", "customer.subscription.deleted")},
		{"leaving and staying after all", BuyOptions{}, func(t *testing.T, s *Stripe, p Purchase) {
			check(t, s.Cancel(p.Subscription, true))
			check(t, s.Keep(p.Subscription))
		}, append(purchased(), "customer.subscription.updated", "customer.subscription.updated")},
		{"coming back", BuyOptions{}, func(t *testing.T, s *Stripe, p Purchase) {
			check(t, s.Cancel(p.Subscription, false))
			must[Purchase](t)(s.Resubscribe(p.Customer, "team"))
		}, slices.Concat(purchased(), []string{"customer.subscription.deleted"}, purchased()[1:])},
		{"a bigger plan", BuyOptions{}, func(t *testing.T, s *Stripe, p Purchase) {
			s.Advance(10 * day)
			check(t, s.ChangePlan(p.Subscription, "team"))
		}, append(purchased(), "invoice.created", "invoice.finalized", "payment_intent.created", "customer.subscription.updated",
			"charge.succeeded", "payment_intent.succeeded", "invoice.updated", "invoice.paid", "invoice.payment_succeeded")},
		{"a refund that fails later", BuyOptions{}, func(t *testing.T, s *Stripe, p Purchase) {
			check(t, s.FailRefund(must[string](t)(s.Refund(p.Charge, 500))))
		}, append(purchased(), "refund.created", "charge.refunded", "refund.updated", "charge.refund.updated", "refund.failed")},
		{"a dispute that is won", BuyOptions{}, func(t *testing.T, s *Stripe, p Purchase) {
			check(t, s.CloseDispute(must[string](t)(s.Dispute(p.Charge)), true))
		}, append(purchased(), "charge.dispute.created", "charge.updated", "charge.dispute.funds_withdrawn",
			"charge.dispute.closed", "charge.dispute.funds_reinstated")},
		{"a deleted customer", BuyOptions{}, func(t *testing.T, s *Stripe, p Purchase) {
			check(t, s.DeleteCustomer(p.Customer))
		}, append(purchased(), "customer.subscription.deleted", "customer.deleted")},
		{"a new name", BuyOptions{}, func(t *testing.T, s *Stripe, p Purchase) {
			check(t, s.UpdateCustomer(p.Customer, "Ann B", "ann@b.example"))
		}, append(purchased(), "customer.updated")},
		{"a pause", BuyOptions{}, func(t *testing.T, s *Stripe, p Purchase) {
			check(t, s.PauseCollection(p.Subscription, "void", s.Now().Add(5*day)))
			s.Advance(6 * day)
		}, append(purchased(), "customer.subscription.updated", "customer.subscription.updated")},
	}
	for _, row := range rows {
		t.Run(row.story, func(t *testing.T) {
			t.Parallel()
			s := NewStripe(1, start())
			row.buy.Email, row.buy.Name = "ann@example.com", "Ann"
			p := must[Purchase](t)(s.Buy(row.buy))
			if row.tell != nil {
				row.tell(t, s, p)
			}
			if got := kinds(t, s.Events()); !slices.Equal(got, row.want) {
				t.Errorf("events\n got %v\nwant %v", got, row.want)
			}
		})
	}
}

// kinds reads the types of events and checks their signatures and API versions.
func kinds(t *testing.T, bodies [][]byte) []string {
	t.Helper()
	var out []string
	for _, body := range bodies {
		out = append(out, string(opened(t, body).Type))
	}
	return out
}

func opened(t *testing.T, body []byte) stripe.Event {
	t.Helper()
	e, err := webhook.ConstructEvent(body, Sign(body, time.Now(), "whsec_test"), "whsec_test")
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// last is the newest event of a type.
func last(t *testing.T, s *Stripe, kind string) stripe.Event {
	t.Helper()
	for _, body := range slices.Backward(s.Events()) {
		if e := opened(t, body); string(e.Type) == kind {
			return e
		}
	}
	t.Fatalf("there is no %s", kind)
	return stripe.Event{}
}

func TestUpdatedEventsSayWhatChanged(t *testing.T) {
	t.Parallel()
	s := NewStripe(1, start())
	p := must[Purchase](t)(s.Buy(BuyOptions{Email: "ann@example.com"}))
	must[string](t)(s.FailPayment(p.Subscription))
	e := last(t, s, "customer.subscription.updated")
	if got := e.Data.PreviousAttributes; len(got) != 1 || got["status"] != "active" {
		t.Errorf("previous attributes %v, want only the status", got)
	}
	if e.GetObjectValue("status") != "past_due" {
		t.Errorf("status %v", e.GetObjectValue("status"))
	}
}

func TestSameSeedSameEvents(t *testing.T) {
	t.Parallel()
	tell := func() [][]byte {
		s := NewStripe(7, start())
		p := must[Purchase](t)(s.Buy(BuyOptions{Email: "ann@example.com"}))
		must[string](t)(s.Refund(p.Charge, 0))
		return s.Events()
	}
	if a, b := tell(), tell(); !slices.EqualFunc(a, b, slices.Equal[[]byte]) {
		t.Error("two accounts with one seed differ")
	}
}
