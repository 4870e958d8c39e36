package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bursar/app/billing"
	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/stripe"
)

// changed is a subscription that Stripe says differently from here; here is zero where it is not known.
type changed struct {
	stripe stripe.Subscription
	here   db.Subscription
}

func (c *comparison) compareSubscriptions(ctx context.Context, listed *idSet) error {
	c.row.Subscriptions = 0
	clear(c.changed)
	for s, err := range c.Stripe.Subscriptions(ctx) {
		if err != nil {
			return err
		}
		c.row.Subscriptions++
		listed.add(s.ID)
		if err := c.progress(ctx); err != nil {
			return err
		}
		if err := c.compareSubscription(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// compareSubscription keeps a subscription that differs until all of its customer are known: whether access
// would end depends on all of them.
func (c *comparison) compareSubscription(ctx context.Context, s stripe.Subscription) error {
	here, err := c.DB.Read().SubscriptionByID(ctx, s.ID)
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return err
	}
	if _, expected, _ := diffSubscription(s, here); expected == "" {
		return nil
	}
	if here.ID == "" {
		if c.young(s.CreatedAt) {
			c.later = append(c.later, func(ctx context.Context) error { return c.compareSubscription(ctx, s) })
			return nil
		}
		_, err := c.DB.Read().StripeCustomer(ctx, s.Customer)
		if errors.Is(err, db.ErrNoRows) {
			return nil // its customer is missing, which says and mends it all
		}
		if err != nil {
			return err
		}
	}
	c.changed[s.Customer] = append(c.changed[s.Customer], changed{s, here})
	if len(c.changed) < maxHeld {
		return nil
	}
	return c.settleChanged(ctx) // what comes later of the same customer can only make a person look
}

// settleChanged makes findings of the subscriptions that differ, customer by customer.
func (c *comparison) settleChanged(ctx context.Context) error {
	for _, id := range slices.Sorted(keysOf(c.changed)) {
		if err := c.settleCustomer(ctx, id, c.changed[id]); err != nil {
			return err
		}
	}
	clear(c.changed)
	return nil
}

func keysOf[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func (c *comparison) settleCustomer(ctx context.Context, stripeID string, list []changed) error {
	known, err := c.DB.Read().StripeCustomer(ctx, stripeID)
	if errors.Is(err, db.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	facts, err := customer.Load(ctx, c.DB.Read(), known.CustomerID)
	if err != nil {
		return err
	}
	now := time.Now()
	is := facts.Record.Access
	will := after(facts, list).AccessAt(now).Level
	if (gives(is) || gives(facts.AccessAt(now).Level)) && !gives(will) {
		c.ends[stripeID] = true
	}
	for _, d := range list {
		kind, expected, actual := diffSubscription(d.stripe, d.here)
		switch {
		case kind == subscriptionEnded && c.ends[stripeID]:
			kind = accessWouldEnd
		case grants(d.stripe.Status) && customer.Less(is, will) && gives(will):
			kind = paidNotActive
		}
		plan := cmp.Or(d.stripe.Nickname, d.stripe.LookupKey, d.stripe.Price)
		if d.here.Price == d.stripe.Price { // Stripe's list does not carry the product's name
			plan = customer.PlanName(d.here)
		}
		f := finding{kind: kind, subject: d.stripe.ID, customerID: known.CustomerID, stripeCustomer: stripeID,
			expected: expected, actual: actual, job: billing.SyncCustomer{StripeCustomer: stripeID},
			systems: Systems{Stripe: &Said{describe(d.stripe.Status, plan, d.stripe.Quantity), now}}}
		if d.here.ID != "" {
			f.systems.Bursar = &Said{describe(d.here.Status, customer.PlanName(d.here), d.here.Quantity), known.AsOfAt.Time}
		} else {
			f.systems.Bursar = &Said{"not known", known.AsOfAt.Time}
		}
		if err := c.add(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

func describe(status, plan string, quantity int64) string {
	if quantity > 1 {
		plan = fmt.Sprintf("%s × %d", plan, quantity)
	}
	return plan + " " + status
}

// after are the facts once Stripe's word is taken over.
func after(f customer.Facts, list []changed) customer.Facts {
	f.Subscriptions = slices.Clone(f.Subscriptions)
	for _, d := range list {
		s := d.stripe
		row := d.here
		row.ID, row.StripeCustomer, row.Status, row.CreatedAt = s.ID, s.Customer, s.Status, db.At(s.CreatedAt)
		row.CancelAtPeriodEnd, row.CancelAt, row.CurrentPeriodEndAt = s.CancelAtPeriodEnd, db.At(s.CancelAt), db.At(s.CurrentPeriodEnd)
		row.TrialEndAt, row.PauseBehavior = db.At(s.TrialEnd), s.PauseBehavior
		at := slices.IndexFunc(f.Subscriptions, func(o db.Subscription) bool { return o.ID == s.ID })
		if at < 0 {
			f.Subscriptions = append(f.Subscriptions, row)
		} else {
			f.Subscriptions[at] = row
		}
	}
	return f
}

// diffSubscription compares what matters for access, plan and price; nothing expected means that they agree.
func diffSubscription(s stripe.Subscription, here db.Subscription) (kind, expected, actual string) {
	if here.ID == "" {
		return subscriptionMissing, s.Status, "not known"
	}
	say := func(as, what string, there, here any) {
		if there != here && expected == "" {
			kind, expected, actual = as, fmt.Sprintf("%s %v", what, there), fmt.Sprintf("%s %v", what, here)
		}
	}
	status := subscriptionDiffers
	if grants(here.Status) && !grants(s.Status) {
		status = subscriptionEnded
	}
	say(status, "status", s.Status, here.Status)
	say(planDiffers, "price", s.Price, here.Price)
	say(quantityDiffers, "quantity", s.Quantity, here.Quantity)
	say(amountDiffers, "amount", customer.FormatAmount(s.Amount, s.Currency), customer.FormatAmount(here.Amount, here.Currency))
	say(subscriptionDiffers, "cancel at period end", s.CancelAtPeriodEnd, here.CancelAtPeriodEnd)
	say(subscriptionDiffers, "cancel at", stamp(s.CancelAt), stamp(here.CancelAt.Time))
	say(subscriptionDiffers, "period end", stamp(s.CurrentPeriodEnd), stamp(here.CurrentPeriodEndAt.Time))
	say(subscriptionDiffers, "trial end", stamp(s.TrialEnd), stamp(here.TrialEndAt.Time))
	say(subscriptionDiffers, "paused collection", s.PauseBehavior, here.PauseBehavior)
	return kind, expected, actual
}

func grants(status string) bool {
	return slices.Contains([]string{"active", "trialing", "past_due"}, status)
}

// gives says that a level of access lets somebody in.
func gives(level string) bool { return level == customer.Full || level == customer.Grace }

func stamp(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}
