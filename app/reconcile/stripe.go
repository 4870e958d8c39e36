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

const (
	tries   = 3               // how often a run asks Stripe before it calls itself incomplete
	page    = 500             // how many rows of our own are read at a time
	settle  = 3 * time.Second // what is younger has its webhooks still under way
	maxAsks = 500             // how many that a list left out are asked for one by one
	maxHeld = 2000            // how many customers with subscriptions that differ are kept in memory
)

var syncKind = billing.SyncCustomer{}.Kind()

// compareStripe compares every customer and subscription of Stripe with here, what is here with Stripe, and
// what is new in Stripe with here.
func (c *comparison) compareStripe(ctx context.Context) error {
	c.reading = time.Now()
	listed := newIDSet()
	err := c.retrying(ctx, func(ctx context.Context) error { return c.compareSubscriptions(ctx, listed) })
	if err == nil {
		err = c.settleChanged(ctx)
	}
	if err != nil {
		return fmt.Errorf("Stripe's subscriptions could not be read whole: %w", err)
	}
	known := newIDSet()
	err = c.retrying(ctx, func(ctx context.Context) error { return c.compareStripeCustomers(ctx, known) })
	if err != nil {
		return fmt.Errorf("Stripe's customers could not be read whole: %w", err)
	}
	if err := c.compareUnlisted(ctx, known, listed); err != nil {
		return err
	}
	if err := c.lookAgain(ctx); err != nil {
		return err
	}
	return c.compareRecent(ctx)
}

// lookAgain compares once more what came into being while this run was reading: by now its webhooks have come,
// or they never will.
func (c *comparison) lookAgain(ctx context.Context) error {
	if len(c.later) == 0 {
		return nil
	}
	select {
	case <-time.After(settle):
	case <-ctx.Done():
		return ctx.Err()
	}
	c.patient = true
	for _, compare := range c.later {
		if err := compare(ctx); err != nil {
			return err
		}
	}
	return c.settleChanged(ctx)
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

// young says that something came into being while this run was reading.
func (c *comparison) young(created time.Time) bool {
	return !c.patient && created.After(c.reading.Add(-settle))
}

func (c *comparison) compareStripeCustomers(ctx context.Context, known *idSet) error {
	c.row.Customers = 0
	for s, err := range c.Stripe.Customers(ctx) {
		if err != nil {
			return err
		}
		c.row.Customers++
		known.add(s.ID)
		if err := c.progress(ctx); err != nil {
			return err
		}
		if err := c.compareStripeCustomer(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (c *comparison) compareStripeCustomer(ctx context.Context, s stripe.Customer) error {
	here, err := c.DB.Read().StripeCustomer(ctx, s.ID)
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return err
	}
	f, differs := diffCustomer(s, here)
	if !differs {
		return nil
	}
	if here.ID == "" {
		if erased, err := billing.IsErased(ctx, c.DB.Read(), s); err != nil || erased {
			return err
		}
	}
	if here.ID == "" && c.young(s.CreatedAt) {
		c.later = append(c.later, func(ctx context.Context) error { return c.compareStripeCustomer(ctx, s) })
		return nil
	}
	f.systems.Stripe = &Said{f.expected, time.Now()}
	if here.ID != "" {
		f.systems.Bursar = &Said{f.actual, here.AsOfAt.Time}
	}
	return c.add(ctx, f)
}

func diffCustomer(s stripe.Customer, here db.StripeCustomer) (finding, bool) {
	f := finding{kind: customerDiffers, subject: s.ID, customerID: here.CustomerID, job: billing.SyncCustomer{StripeCustomer: s.ID},
		stripeCustomer: s.ID, expected: nameAndEmail(s.Name, s.Email), actual: nameAndEmail(here.Name, here.Email)}
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

// compareUnlisted looks at what is here and was in no list. Lists leave out what was deleted and what belongs
// to a test clock, so Stripe is asked for each; what it says it does not have is a finding.
func (c *comparison) compareUnlisted(ctx context.Context, known, listed *idSet) error {
	asks := 0
	ask := func() error {
		if asks++; asks > maxAsks {
			return fmt.Errorf("more than %d of those known here are not in Stripe's lists, which is not believed: is STRIPE_API_KEY of the same account?", maxAsks)
		}
		return nil
	}
	for after := ""; ; {
		rows, err := c.DB.Read().StripeCustomerPage(ctx, after, page)
		if err != nil {
			return err
		}
		for _, r := range rows {
			after = r.ID
			if known.has(r.ID) {
				continue
			}
			if err := cmp.Or(ask(), c.askForCustomer(ctx, r)); err != nil {
				return fmt.Errorf("ask Stripe for %s: %w", r.ID, err)
			}
		}
		if len(rows) < page {
			break
		}
	}
	if err := c.compareLinks(ctx, known); err != nil {
		return err
	}
	for after := ""; ; {
		rows, err := c.DB.Read().LiveSubscriptions(ctx, after, page)
		if err != nil {
			return err
		}
		for _, here := range rows {
			after = here.ID
			if listed.has(here.ID) || !known.has(here.StripeCustomer) {
				continue
			}
			if err := cmp.Or(ask(), c.askForSubscription(ctx, here)); err != nil {
				return fmt.Errorf("ask Stripe again for %s: %w", here.ID, err)
			}
		}
		if len(rows) < page {
			return c.settleChanged(ctx)
		}
	}
}

// askForCustomer looks at a customer that Stripe's list left out.
func (c *comparison) askForCustomer(ctx context.Context, r db.StripeCustomerPageRow) error {
	var s stripe.Customer
	err := c.retrying(ctx, func(ctx context.Context) (err error) {
		s, err = c.Stripe.Customer(ctx, r.ID)
		return err
	})
	f := finding{subject: r.ID, customerID: r.CustomerID, stripeCustomer: r.ID, actual: "known here", job: billing.SyncCustomer{StripeCustomer: r.ID}}
	switch {
	case errors.Is(err, stripe.ErrNotFound):
		f.kind, f.expected, f.job = linkToNothing, "no such customer in Stripe", Forget{StripeCustomer: r.ID}
	case err != nil:
		return err
	case s.Deleted:
		f.kind, f.expected = customerDeleted, "deleted in Stripe"
		c.ends[r.ID] = true
	default: // of a test clock, or made while the list was read
		var state stripe.State
		err := c.retrying(ctx, func(ctx context.Context) (err error) {
			state, err = c.Stripe.State(ctx, r.ID, stripe.Parts{})
			return err
		})
		if err != nil {
			return err
		}
		if err := c.compareStripeCustomer(ctx, state.Customer); err != nil {
			return err
		}
		for _, s := range state.Subscriptions {
			if err := c.compareSubscription(ctx, s); err != nil {
				return err
			}
		}
		return nil
	}
	f.systems.Stripe = &Said{f.expected, time.Now()}
	return c.add(ctx, f)
}

// compareLinks looks at links to Stripe customers that were never read.
func (c *comparison) compareLinks(ctx context.Context, known *idSet) error {
	links, err := c.DB.Read().LinksToNothing(ctx)
	if err != nil {
		return err
	}
	for _, l := range links {
		if known.has(l.RemoteID) {
			continue // the list of customers has found it missing here, and a sync mends that
		}
		if err := c.askForCustomer(ctx, db.StripeCustomerPageRow{ID: l.RemoteID, CustomerID: l.CustomerID}); err != nil {
			return fmt.Errorf("ask Stripe for %s: %w", l.RemoteID, err)
		}
	}
	return nil
}

// askForSubscription looks at a subscription of a listed customer that Stripe's list left out.
func (c *comparison) askForSubscription(ctx context.Context, here db.Subscription) error {
	var state stripe.State
	err := c.retrying(ctx, func(ctx context.Context) (err error) {
		state, err = c.Stripe.State(ctx, here.StripeCustomer, stripe.Parts{})
		return err
	})
	if err != nil && !errors.Is(err, stripe.ErrNotFound) {
		return err
	}
	at := slices.IndexFunc(state.Subscriptions, func(s stripe.Subscription) bool { return s.ID == here.ID })
	if at >= 0 {
		return c.compareSubscription(ctx, state.Subscriptions[at])
	}
	return c.add(ctx, finding{kind: notInStripe, subject: here.ID, customerID: here.CustomerID, stripeCustomer: here.StripeCustomer,
		expected: "not listed", actual: here.Status, job: Forget{Subscription: here.ID}, systems: Systems{Stripe: &Said{"no such subscription", time.Now()}}})
}
