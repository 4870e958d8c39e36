package money

import (
	"context"
	"fmt"
	"slices"
	"time"

	"bursar/app/db"
	"bursar/app/stripe"
)

// previewLifetime is how old the preview may be that somebody agrees to: prorations go by the second.
const previewLifetime = time.Hour

// Plans are the prices a subscription can be changed to, the present one first.
func (m *Money) Plans(ctx context.Context, s db.Subscription) ([]stripe.Price, error) {
	if m.Stripe == nil {
		return nil, ErrNoKey
	}
	prices, err := m.Stripe.Prices(ctx, s.Currency)
	if err != nil {
		return nil, fmt.Errorf("list the prices: %w", err)
	}
	slices.SortStableFunc(prices, func(a, b stripe.Price) int {
		switch {
		case a.ID == s.Price:
			return -1
		case b.ID == s.Price:
			return 1
		}
		return int(a.Amount - b.Amount)
	})
	return prices, nil
}

// Preview asks Stripe what a change to one of Plans at a time would cost. Nothing is changed. A Refusal says why
// it cannot be done.
func (m *Money) Preview(ctx context.Context, s db.Subscription, price stripe.Price, quantity int64, proration string, at time.Time) (Plan, stripe.Preview, error) {
	var preview stripe.Preview
	switch since := time.Since(at); {
	case m.Stripe == nil:
		return Plan{}, preview, ErrNoKey
	case !slices.Contains(Prorations(), proration):
		return Plan{}, preview, refuse("choose how the difference is settled")
	case quantity < 1 || quantity > 1_000_000:
		return Plan{}, preview, refuse("the quantity must be at least 1")
	case price.ID == "":
		return Plan{}, preview, refuse("choose a plan")
	case since > previewLifetime || since < -time.Minute:
		return Plan{}, preview, refuse("the preview is too old; look again")
	}
	now, err := m.Stripe.Subscription(ctx, s.ID)
	if err != nil {
		return Plan{}, preview, fmt.Errorf("read the subscription: %w", err)
	}
	if err := changeable(ChangePlan, row(now.Subscription)); err != nil {
		return Plan{}, preview, err
	}
	if len(now.Items) != 1 {
		return Plan{}, preview, refuse("the subscription has %d items; change it in Stripe", len(now.Items))
	}
	item := now.Items[0]
	if item.Price == price.ID && item.Quantity == quantity {
		return Plan{}, preview, refuse("this is what is subscribed to already")
	}
	p := Plan{FromPrice: item.Price, FromQuantity: item.Quantity,
		NewPeriod:  now.Status != "trialing" && (item.Interval != price.Interval || item.IntervalCount != price.IntervalCount),
		PlanChange: stripe.PlanChange{Subscription: s.ID, Item: item.ID, Price: price.ID, Quantity: quantity, Proration: proration, ProrationAt: at.Truncate(time.Second).UTC()}}
	preview, err = m.Stripe.PreviewChange(ctx, s.StripeCustomer, p.PlanChange)
	if err != nil {
		return Plan{}, preview, fmt.Errorf("preview the change: %w", err)
	}
	p.Prorated, p.Due, p.Currency = preview.Prorated, preview.AmountDue, preview.Currency
	return p, preview, nil
}
