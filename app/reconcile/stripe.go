package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bursar/app/billing"
	"bursar/app/db"
	"bursar/app/stripe"
)

// tries is how often a run asks Stripe before it calls itself incomplete.
const tries = 3

// compareStripe compares every customer and subscription of Stripe with here, and every live
// subscription here with Stripe.
func (c *comparison) compareStripe(ctx context.Context) error {
	c.reading = time.Now()
	err := c.readStripe(ctx)
	return errors.Join(err, c.endAccess(ctx, err == nil))
}

// maxEnds is how many customers may lose their access in one run without a person. More cancellations that
// all went missing look like a key of the wrong account, or a mistake.
const maxEnds = 10

// endAccess deals with the subscriptions that Stripe says are over. Stripe has said so itself, so the sync
// that reads the customer again may take the access away, as it does after an event; what half a list says
// waits for a person.
func (c *comparison) endAccess(ctx context.Context, whole bool) error {
	customers := map[int64]bool{}
	for _, f := range c.ending {
		customers[f.customerID] = true
	}
	for _, f := range c.ending {
		f.ask = !whole || len(customers) > maxEnds
		if err := c.add(ctx, f); err != nil {
			return err
		}
	}
	c.ending = nil
	return nil
}

func (c *comparison) readStripe(ctx context.Context) error {
	if err := c.retrying(ctx, c.compareStripeCustomers); err != nil {
		return fmt.Errorf("Stripe's customers could not be read whole: %w", err)
	}
	seen := map[string]bool{}
	err := c.retrying(ctx, func(ctx context.Context) error { return c.compareSubscriptions(ctx, seen) })
	if err != nil {
		return fmt.Errorf("Stripe's subscriptions could not be read whole: %w", err)
	}
	return c.compareMissing(ctx, seen)
}

// retrying reads again what Stripe did not answer: a hiccup must not cost a night's run.
func (c *comparison) retrying(ctx context.Context, read func(context.Context) error) error {
	for try := 1; ; try++ {
		err := read(ctx)
		if err == nil || try == tries || !errors.Is(err, stripe.ErrUnavailable) && !errors.Is(err, stripe.ErrRateLimited) {
			return err
		}
		wait := time.Duration(try*try) * cmp.Or(c.Pause, time.Second)
		var e *stripe.Error
		if errors.As(err, &e) {
			wait = max(wait, min(e.RetryAfter, time.Minute))
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (c *comparison) compareStripeCustomers(ctx context.Context) error {
	c.row.Customers = 0
	for s, err := range c.Stripe.Customers(ctx) {
		if err != nil {
			return err
		}
		c.row.Customers++
		here, err := c.DB.Read().StripeCustomer(ctx, s.ID)
		if err != nil && !errors.Is(err, db.ErrNoRows) {
			return err
		}
		if f, differs := diffCustomer(s, here); differs {
			if err := c.add(ctx, f); err != nil {
				return err
			}
		}
	}
	return nil
}

func diffCustomer(s stripe.Customer, here db.StripeCustomer) (finding, bool) {
	f := finding{kind: customerDiffers, subject: s.ID, customerID: here.CustomerID, job: billing.SyncCustomer{StripeCustomer: s.ID},
		expected: nameAndEmail(s.Name, s.Email), actual: nameAndEmail(here.Name, here.Email)}
	switch {
	case here.ID == "":
		f.kind, f.actual = customerMissing, "not known"
	case here.Deleted:
		f.actual = "deleted"
	case s.Name != "" && s.Name != here.Name, s.Email != "" && s.Email != here.Email:
	default:
		return f, false
	}
	return f, true
}

func nameAndEmail(name, email string) string { return fmt.Sprintf("%s <%s>", name, email) }

func (c *comparison) compareSubscriptions(ctx context.Context, seen map[string]bool) error {
	c.row.Subscriptions = 0
	for s, err := range c.Stripe.Subscriptions(ctx) {
		if err != nil {
			return err
		}
		c.row.Subscriptions++
		seen[s.ID] = true
		if err := c.compareSubscription(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (c *comparison) compareSubscription(ctx context.Context, s stripe.Subscription) error {
	here, err := c.DB.Read().SubscriptionByID(ctx, s.ID)
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return err
	}
	f := diffSubscription(s, here)
	if f.kind == subscriptionMissing {
		_, err := c.DB.Read().StripeCustomer(ctx, s.Customer)
		if errors.Is(err, db.ErrNoRows) {
			return nil // its customer is missing, which says and mends it all
		}
		if err != nil {
			return err
		}
	}
	switch f.kind {
	case "":
		return nil
	case accessWouldEnd:
		if !slices.ContainsFunc(c.ending, func(e finding) bool { return e.subject == f.subject }) { // a list is read again after an error
			c.ending = append(c.ending, f)
		}
		return nil
	}
	return c.add(ctx, f)
}

// diffSubscription compares what matters for access, plan and price; no kind means that they agree.
func diffSubscription(s stripe.Subscription, here db.Subscription) finding {
	f := finding{kind: subscriptionDiffers, subject: s.ID, customerID: here.CustomerID, job: billing.SyncCustomer{StripeCustomer: s.Customer}}
	if here.ID == "" {
		f.kind, f.expected, f.actual = subscriptionMissing, s.Status, "not known"
		return f
	}
	say := func(what string, there, here any) {
		if there != here && f.expected == "" {
			f.expected, f.actual = fmt.Sprintf("%s %v", what, there), fmt.Sprintf("%s %v", what, here)
		}
	}
	say("status", s.Status, here.Status)
	say("price", s.Price, here.Price)
	say("quantity", s.Quantity, here.Quantity)
	say("cancel at period end", s.CancelAtPeriodEnd, here.CancelAtPeriodEnd)
	say("cancel at", stamp(s.CancelAt), stamp(here.CancelAt.Time))
	say("period end", stamp(s.CurrentPeriodEnd), stamp(here.CurrentPeriodEndAt.Time))
	say("paused collection", s.PauseBehavior, here.PauseBehavior)
	switch {
	case f.expected == "":
		f.kind = ""
	case grants(here.Status) && !grants(s.Status):
		f.kind = accessWouldEnd
	}
	return f
}

func grants(status string) bool {
	return slices.Contains([]string{"active", "trialing", "past_due"}, status)
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}

// compareMissing looks for live subscriptions here that Stripe's lists left out. Lists leave out what
// belongs to a test clock, so Stripe is asked again for each; what it still does not show is a person's.
func (c *comparison) compareMissing(ctx context.Context, seen map[string]bool) error {
	for after := ""; ; {
		rows, err := c.DB.Read().LiveSubscriptions(ctx, after, page)
		if err != nil {
			return err
		}
		for _, here := range rows {
			after = here.ID
			if seen[here.ID] {
				continue
			}
			if err := c.askAgain(ctx, here); err != nil {
				return fmt.Errorf("ask Stripe again for %s: %w", here.ID, err)
			}
		}
		if len(rows) < page {
			return nil
		}
	}
}

func (c *comparison) askAgain(ctx context.Context, here db.Subscription) error {
	var state stripe.State
	err := c.retrying(ctx, func(ctx context.Context) (err error) {
		state, err = c.Stripe.State(ctx, here.StripeCustomer)
		return err
	})
	if err != nil && !errors.Is(err, stripe.ErrNotFound) {
		return err
	}
	for _, s := range state.Subscriptions {
		if s.ID == here.ID {
			return c.compareSubscription(ctx, s)
		}
	}
	return c.add(ctx, finding{kind: notInStripe, subject: here.ID, customerID: here.CustomerID, expected: "not listed", actual: here.Status})
}

// page is how many rows of our own are read at a time.
const page = 500
