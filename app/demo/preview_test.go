package demo

import (
	"testing"
	"time"

	stripe "github.com/stripe/stripe-go/v76"
)

// TestAPreviewIsWhatTheChangeCosts makes each change after its preview, with the same date, and adds up what
// was billed.
func TestAPreviewIsWhatTheChangeCosts(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, from, to, behavior string
		quantity                 int64
		trial                    int
		now                      bool // it is billed at once
	}{
		{"up, with the next invoice", "starter", "team", "create_prorations", 1, 0, false},
		{"up, now", "starter", "scale", "always_invoice", 1, 0, true},
		{"down, now", "scale", "starter", "always_invoice", 1, 0, true},
		{"more of it", "starter", "starter", "create_prorations", 3, 0, false},
		{"without settling", "starter", "team", "none", 1, 0, false},
		{"in a trial", "starter", "team", "create_prorations", 1, 14, false},
		{"to a year", "team_eur", "eur_month", "create_prorations", 1, 0, true},
		{"yen", "starter_jpy", "starter_jpy", "always_invoice", 2, 0, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := NewStripe(1, start())
			api := serve(t, s)
			s.mu.Lock()
			s.prices.add(&price{id: "price_eur_month", product: s.prices.all[3].product, active: true, currency: "eur", amount: 5000, interval: "month", every: 1, lookupKey: "eur_month", created: s.now})
			s.mu.Unlock()
			p := must[Purchase](t)(s.Buy(BuyOptions{Price: row.from, TrialDays: row.trial}))
			s.Advance(10*24*time.Hour + 7*time.Hour + 13*time.Second)
			if row.trial > 0 {
				s.Advance(-10 * 24 * time.Hour)
			}
			sub := must[*stripe.Subscription](t)(api.Subscriptions.Get(p.Subscription, nil))
			at := s.Now().Unix()
			preview := must[*stripe.Invoice](t)(api.Invoices.Upcoming(&stripe.InvoiceUpcomingParams{
				Customer: stripe.String(p.Customer), Subscription: stripe.String(p.Subscription),
				SubscriptionItems:             []*stripe.SubscriptionItemsParams{{ID: stripe.String(sub.Items.Data[0].ID), Price: stripe.String(s.Price(row.to)), Quantity: stripe.Int64(row.quantity)}},
				SubscriptionProrationBehavior: stripe.String(row.behavior), SubscriptionProrationDate: stripe.Int64(at),
			}))
			s.Advance(5 * time.Minute) // somebody reads it
			must[*stripe.Subscription](t)(api.Subscriptions.Update(p.Subscription, &stripe.SubscriptionParams{
				Items:             []*stripe.SubscriptionItemsParams{{ID: stripe.String(sub.Items.Data[0].ID), Price: stripe.String(s.Price(row.to)), Quantity: stripe.Int64(row.quantity)}},
				ProrationBehavior: stripe.String(row.behavior), ProrationDate: stripe.Int64(at),
			}))
			before := len(s.invoices.of(p.Subscription))
			if !row.now {
				s.Advance(40 * 24 * time.Hour)
			} else {
				before--
			}
			billed := s.invoices.of(p.Subscription)[before]
			if billed.total() != preview.Total || billed.due != preview.AmountDue {
				t.Errorf("billed %d (due %d), and the preview said %d (due %d)", billed.total(), billed.due, preview.Total, preview.AmountDue)
			}
		})
	}
}
