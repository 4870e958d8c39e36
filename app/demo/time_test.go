package demo

import (
	"testing"
	"time"

	stripe "github.com/stripe/stripe-go/v76"
)

const day = 24 * time.Hour

// TestAdvance lets time pass and looks at the subscription afterwards.
func TestAdvance(t *testing.T) {
	t.Parallel()
	rows := []struct {
		what     string
		buy      BuyOptions
		first    func(t *testing.T, s *Stripe, p Purchase)
		pass     time.Duration
		status   stripe.SubscriptionStatus
		end      string // of the present period
		invoices int
		newest   stripe.InvoiceStatus
	}{
		{"before the end of the month nothing happens", BuyOptions{}, nil, 27 * day, "active", "2026-02-28", 1, "paid"},
		{"a renewal is drafted an hour before it is collected", BuyOptions{}, nil, 28*day + time.Minute, "active", "2026-03-31", 2, "draft"},
		{"then it is paid", BuyOptions{}, nil, 28*day + 61*time.Minute, "active", "2026-03-31", 2, "paid"},
		{"a year has one renewal", BuyOptions{Price: "team_eur"}, nil, 366 * day, "active", "2028-01-31", 2, "paid"},
		{"a trial", BuyOptions{TrialDays: 14}, nil, 13 * day, "trialing", "2026-02-14", 1, "paid"},
		{"a trial that became a subscription", BuyOptions{TrialDays: 14}, nil, 15 * day, "active", "2026-03-14", 2, "paid"},
		{"a trial that ends with a bad card", BuyOptions{TrialDays: 14, Card: CardDeclines}, nil, 15 * day, "past_due", "2026-03-14", 2, "open"},
		{"a trial that ends without a card", BuyOptions{TrialDays: 14, Card: CardNone}, nil, 15 * day, "paused", "2026-02-14", 1, "paid"},
		{"a first payment that is late", BuyOptions{Card: CardDeclines}, nil, 22 * time.Hour, "incomplete", "2026-02-28", 1, "open"},
		{"a first payment that is too late", BuyOptions{Card: CardDeclines}, nil, 23 * time.Hour, "incomplete_expired", "2026-02-28", 1, "void"},
		{"a bank debit is waited for", BuyOptions{Async: true}, nil, 3 * day, "incomplete", "2026-02-28", 1, "open"},
		{"dunning goes on for two weeks", BuyOptions{}, failing, 14 * day, "past_due", "2026-02-28", 2, "open"},
		{"and ends with the subscription", BuyOptions{}, failing, 15 * day, "canceled", "2026-02-28", 2, "open"},
		{"or leaves it unpaid", BuyOptions{}, func(t *testing.T, s *Stripe, p Purchase) {
			s.SetAfterDunning("unpaid")
			failing(t, s, p)
		}, 15 * day, "unpaid", "2026-02-28", 2, "open"},
		{"the end after a cancellation", BuyOptions{}, func(t *testing.T, s *Stripe, p Purchase) {
			check(t, s.Cancel(p.Subscription, true))
		}, 28 * day, "canceled", "2026-02-28", 1, "paid"},
		{"collection paused as void", BuyOptions{}, paused("void"), 29 * day, "active", "2026-03-31", 2, "void"},
		{"collection paused as draft", BuyOptions{}, paused("keep_as_draft"), 29 * day, "active", "2026-03-31", 2, "draft"},
		{"collection paused as uncollectible", BuyOptions{}, paused("mark_uncollectible"), 29 * day, "active", "2026-03-31", 2, "uncollectible"},
	}
	for _, row := range rows {
		t.Run(row.what, func(t *testing.T) {
			t.Parallel()
			s := NewStripe(1, start())
			api := serve(t, s)
			p := must[Purchase](t)(s.Buy(row.buy))
			if row.first != nil {
				row.first(t, s, p)
			}
			s.Advance(row.pass)
			sub := must[*stripe.Subscription](t)(api.Subscriptions.Get(p.Subscription, &stripe.SubscriptionParams{Params: expanded("latest_invoice")}))
			invoices := all(t, api.Invoices.List(&stripe.InvoiceListParams{Customer: stripe.String(p.Customer)}))
			end := time.Unix(sub.CurrentPeriodEnd, 0).UTC().Format(time.DateOnly)
			if sub.Status != row.status || end != row.end || invoices != row.invoices || sub.LatestInvoice.Status != row.newest {
				t.Errorf("%s until %s with %d invoices, the newest %s", sub.Status, end, invoices, sub.LatestInvoice.Status)
			}
		})
	}
}

func failing(t *testing.T, s *Stripe, p Purchase) { must[string](t)(s.FailPayment(p.Subscription)) }

func paused(behavior string) func(*testing.T, *Stripe, Purchase) {
	return func(t *testing.T, s *Stripe, p Purchase) {
		check(t, s.PauseCollection(p.Subscription, behavior, time.Time{}))
	}
}

// TestPlanChange holds the preview, the invoice and the charge of a change together. Ten
// of 28 days are used: 18/28 of 19.00 come back, 18/28 of 49.00 are due.
func TestPlanChange(t *testing.T) {
	t.Parallel()
	rows := []struct {
		what, from, to      string
		total, due, balance int64
	}{
		{"a bigger plan costs the difference", "starter", "team", 3150 - 1221, 3150 - 1221, 0},
		{"a smaller plan leaves a credit", "team", "starter", 1221 - 3150, 0, 1221 - 3150},
	}
	for _, row := range rows {
		t.Run(row.what, func(t *testing.T) {
			t.Parallel()
			s := NewStripe(1, start())
			api := serve(t, s)
			p := must[Purchase](t)(s.Buy(BuyOptions{Price: row.from}))
			s.Advance(10 * day)
			sub := must[*stripe.Subscription](t)(api.Subscriptions.Get(p.Subscription, nil))
			price := stripe.String(s.Price(row.to))
			id := stripe.String(sub.Items.Data[0].ID)
			preview := must[*stripe.Invoice](t)(api.Invoices.Upcoming(&stripe.InvoiceUpcomingParams{
				Customer: stripe.String(p.Customer), Subscription: stripe.String(p.Subscription),
				SubscriptionItems:             []*stripe.SubscriptionItemsParams{{ID: id, Price: price}},
				SubscriptionProrationBehavior: stripe.String("always_invoice"),
			}))
			sub = must[*stripe.Subscription](t)(api.Subscriptions.Update(p.Subscription, &stripe.SubscriptionParams{
				Items:             []*stripe.SubscriptionItemsParams{{ID: id, Price: price}},
				ProrationBehavior: stripe.String("always_invoice"), Params: expanded("latest_invoice", "customer"),
			}))
			inv := sub.LatestInvoice
			if preview.Total != row.total || inv.Total != row.total || inv.AmountDue != row.due || !inv.Paid || sub.Customer.Balance != row.balance {
				t.Errorf("preview %d, total %d, due %d, balance %d", preview.Total, inv.Total, inv.AmountDue, sub.Customer.Balance)
			}
			if sub.Items.Data[0].Price.ID != *price {
				t.Errorf("price is still %s", sub.Items.Data[0].Price.ID)
			}
		})
	}
}
