package billing_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"bursar/app/demo"
)

// TestWhatNewsLeadTo has something happen to a customer who was read before, and wants the lists that are asked
// for beside the subscriptions.
func TestWhatNewsLeadTo(t *testing.T) {
	t.Parallel()
	const payments = "invoices charges"
	for _, row := range []struct {
		name   string
		happen func(s *demo.Stripe, p demo.Purchase) error
		kinds  string // of the webhooks that arrive
		asks   string
	}{
		{"another address", func(s *demo.Stripe, p demo.Purchase) error {
			return s.UpdateCustomer(p.Customer, "Ada", "new@example.com")
		},
			"customer.updated", ""},
		{"a cancellation", func(s *demo.Stripe, p demo.Purchase) error { return s.Cancel(p.Subscription, false) },
			"customer.subscription.deleted", ""},
		{"a renewal", func(s *demo.Stripe, _ demo.Purchase) error { s.Advance(31*day + 2*time.Hour); return nil },
			"customer.subscription.updated invoice.paid", ""},
		{"a renewal that fails", func(s *demo.Stripe, p demo.Purchase) error { _, err := s.FailPayment(p.Subscription); return err },
			"customer.subscription.updated invoice.payment_failed", ""},
		{"an older invoice that is paid after the next", func(s *demo.Stripe, p demo.Purchase) error {
			invoice, err := s.FailPayment(p.Subscription)
			if err == nil {
				s.Advance(time.Hour)
				_, err = s.FailPayment(p.Subscription)
			}
			if err == nil {
				err = s.RecoverPayment(invoice)
			}
			return err
		}, "invoice.paid", payments},
		{"a second purchase", func(s *demo.Stripe, p demo.Purchase) error { _, err := s.Resubscribe(p.Customer, "team"); return err },
			"customer.subscription.created invoice.paid checkout.session.completed", "products checkout/sessions"},
		{"a refund", func(s *demo.Stripe, p demo.Purchase) error { _, err := s.Refund(p.Charge, 100); return err },
			"charge.refunded", payments + " checkout/sessions"},
		{"a refund whose event names no customer", func(s *demo.Stripe, p demo.Purchase) error { _, err := s.Refund(p.Charge, 100); return err },
			"refund.created", payments + " checkout/sessions"},
		{"a dispute", func(s *demo.Stripe, p demo.Purchase) error { _, err := s.Dispute(p.Charge); return err },
			"charge.dispute.created", payments + " disputes checkout/sessions"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			g, f := newGate(t, 40*day)
			p, err := g.Buy(demo.BuyOptions{Email: "ada@example.com", UserID: "user_ada"})
			told(t, err)
			f.take(g.Events()...)
			seen := len(g.Events())
			told(t, row.happen(g.Stripe, p))
			g.takeAsked("")
			kinds := strings.Fields(row.kinds)
			for _, body := range g.Events()[seen:] {
				if slices.Contains(kinds, eventOf(t, body).Type) {
					f.receive(body)
				}
			}
			f.workOff()
			if asked := g.lists(); asked != strings.TrimSpace("subscriptions "+row.asks) {
				t.Errorf("asked for %s, want subscriptions %s", asked, row.asks)
			}
			f.check(f.SyncCustomer(t.Context(), p.Customer)) // nobody knows of news
			if asked := g.lists(); !strings.HasPrefix(asked, "subscriptions products "+payments) || !strings.HasSuffix(asked, "checkout/sessions") {
				t.Errorf("without news asked for %s, want everything", asked)
			}
		})
	}
}

// lists are the lists that were asked for, in their order.
func (g *gate) lists() string {
	var lists []string
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, u := range g.asked {
		lists = append(lists, strings.TrimPrefix(u.Path, "/v1/"))
	}
	g.asked = nil
	return strings.Join(lists, " ")
}

// TestALongReadingIsOvertaken has a reading of everything begin, news be read meanwhile, and then the first end:
// it says so, so that it is done again, where it would have read more.
func TestALongReadingIsOvertaken(t *testing.T) {
	t.Parallel()
	g, f := newGate(t, 40*day)
	p, err := g.Buy(demo.BuyOptions{Email: "ada@example.com"})
	told(t, err)
	g.Advance(32 * day) // and a renewal: the charge is not the newest
	f.take(g.Events()...)
	_, err = g.Refund(p.Charge, 100) // no webhook tells of it
	told(t, err)
	told(t, g.UpdateCustomer(p.Customer, "Ada", "new@example.com"))
	last, goOn := make(chan struct{}), make(chan struct{})
	g.intercept = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/v1/checkout/sessions" {
			close(last)
			<-goOn
		}
		return false
	}
	long := make(chan error)
	go func() { long <- f.SyncCustomer(t.Context(), p.Customer) }()
	<-last
	f.take(g.Events()[len(g.Events())-1])
	close(goOn)
	if err := <-long; err == nil || !strings.Contains(err.Error(), "a later reading was written first") {
		t.Errorf("the long reading ends with %v", err)
	}
	if r := f.customer(); r.Email != "new@example.com" || r.RefundedAmount != 0 {
		t.Errorf("the record is %+v", r)
	}
}
