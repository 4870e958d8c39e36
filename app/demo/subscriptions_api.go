package demo

import (
	"fmt"
	"time"
)

func (s *Stripe) createSubscription(c *call) (object, error) {
	cus, err := s.livingCustomer(c.text("customer"), "customer")
	if err != nil {
		return nil, err
	}
	items, err := s.itemsOf(c)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return nil, missingParam("items")
	}
	trial, err := c.number("trial_period_days", 0)
	if err != nil {
		return nil, err
	}
	if c.has("default_payment_method") {
		cus.method = c.text("default_payment_method")
		cus.card = cardOf(cus.method)
	}
	if cus.card == CardNone && trial == 0 && c.text("payment_behavior") != "default_incomplete" {
		return nil, invalid("resource_missing", "", "This customer has no attached payment source or default payment method.")
	}
	sub := s.start(cus, items, int(trial), c.metadata(nil))
	sub.description = c.text("description")
	inv := s.invoices.byID[sub.latestInvoice]
	if inv.due == 0 || c.text("payment_behavior") != "default_incomplete" {
		_ = s.attempt(inv) // a refusal leaves it incomplete, which is the answer
	}
	return sub.render(), nil
}

// itemsOf reads items[0][price], items[0][quantity] …
func (s *Stripe) itemsOf(c *call) ([]*item, error) {
	var items []*item
	for i := 0; c.has(fmt.Sprintf("items[%d][price]", i)); i++ {
		name := fmt.Sprintf("items[%d]", i)
		p, ok := s.prices.byID[c.text(name+"[price]")]
		if !ok {
			return nil, missing("price", c.text(name+"[price]"), name+"[price]")
		}
		quantity, err := c.number(name+"[quantity]", 1)
		if err != nil {
			return nil, err
		}
		items = append(items, &item{id: s.id("si_"), price: p, quantity: quantity, created: s.now})
	}
	return items, nil
}

func (s *Stripe) getSubscription(c *call) (object, error) {
	sub, err := find(&s.subscriptions, "subscription", c.id())
	if err != nil {
		return nil, err
	}
	return sub.render(), nil
}

// listSubscriptions leaves out canceled ones unless status says otherwise, those of a test
// clock unless they are asked for, and those of deleted customers unless status is canceled.
func (s *Stripe) listSubscriptions(c *call) (object, error) {
	status, clock := c.text("status"), c.text("test_clock")
	return page(c, s.subscriptions.of(c.text("customer")), func(sub *subscription) bool {
		var right bool
		switch status {
		case "all":
			right = !sub.customer.deleted // those are among the canceled ones only
		case "":
			right = !sub.over()
		case "ended":
			right = sub.over()
		default:
			right = sub.status == status
		}
		mine := c.has("customer") || sub.customer.testClock == clock
		if sub.customer.deleted && status != "canceled" {
			return false
		}
		return right && mine && c.is("price", sub.items[0].price.id) && c.createdWithin(sub.created)
	})
}

// livingSubscription finds one that has not ended; Stripe answers 404 for the others.
func (s *Stripe) livingSubscription(c *call) (*subscription, error) {
	sub, err := find(&s.subscriptions, "subscription", c.id())
	if err == nil && sub.over() {
		err = missing("subscription", c.id(), "id")
	}
	return sub, err
}

// updateSubscription checks everything before it changes anything.
func (s *Stripe) updateSubscription(c *call) (object, error) {
	sub, err := s.livingSubscription(c)
	if err != nil {
		return nil, err
	}
	var edits []func()
	for _, read := range []func(*call, *subscription) (func(), error){
		s.editCancel, s.editTrial, s.editPause, s.editItems, s.editRest,
	} {
		edit, err := read(c, sub)
		if err != nil {
			return nil, err
		}
		edits = append(edits, edit)
	}
	period := sub.periodStart
	var inv *invoice
	s.change(sub, "customer.subscription.updated", func() {
		for _, edit := range edits {
			edit()
		}
		if c.text("proration_behavior") == "always_invoice" || !sub.periodStart.Equal(period) {
			inv = s.billPending(sub)
		}
	})
	if inv != nil {
		_ = s.attempt(inv) // a refusal leaves the subscription past due
	}
	return sub.render(), nil
}

func nothing() {}

func (s *Stripe) editCancel(c *call, sub *subscription) (func(), error) {
	if c.has("cancel_at") {
		at, err := c.moment("cancel_at")
		return func() { s.cancelLater(sub, at, false) }, err
	}
	if !c.has("cancel_at_period_end") {
		return nothing, nil
	}
	end, err := c.truth("cancel_at_period_end")
	at := time.Time{}
	if end {
		at = sub.periodEnd
	}
	return func() { s.cancelLater(sub, at, end) }, err
}

// cancelLater sets, or with the zero time lifts, a planned cancellation.
func (s *Stripe) cancelLater(sub *subscription, at time.Time, periodEnd bool) {
	sub.cancelAt, sub.cancelAtPeriodEnd = at, periodEnd
	if at.IsZero() {
		sub.canceledAt, sub.reason = time.Time{}, ""
		return
	}
	sub.canceledAt, sub.reason = s.now, "cancellation_requested"
	if !periodEnd {
		s.at(at, func() {
			if !sub.over() && sub.cancelAt.Equal(at) {
				s.endSubscription(sub, sub.reason)
			}
		})
	}
}

func (s *Stripe) editTrial(c *call, sub *subscription) (func(), error) {
	if !c.has("trial_end") {
		return nothing, nil
	}
	end := s.now
	if c.text("trial_end") != "now" {
		var err error
		if end, err = c.moment("trial_end"); err != nil {
			return nil, err
		}
	}
	return func() {
		sub.trialEnd, sub.anchor, sub.periodEnd = end, end, end
		if end.After(s.now) {
			sub.status = "trialing"
		}
		s.watchPeriod(sub)
	}, nil
}

func (s *Stripe) editPause(c *call, sub *subscription) (func(), error) {
	if c.has("pause_collection") && c.text("pause_collection") == "" {
		return func() { sub.pause, sub.resumesAt = "", time.Time{} }, nil
	}
	behavior := c.text("pause_collection[behavior]")
	if !c.has("pause_collection[behavior]") {
		return nothing, nil
	}
	if !among([]string{"keep_as_draft", "mark_uncollectible", "void"}, behavior) {
		return nil, invalid("parameter_invalid", "pause_collection[behavior]", "Invalid pause_collection[behavior]: must be one of keep_as_draft, mark_uncollectible, or void")
	}
	at, err := c.moment("pause_collection[resumes_at]")
	return func() { s.pauseCollection(sub, behavior, at) }, err
}

// pauseCollection stops collecting; with a time it starts again by itself.
func (s *Stripe) pauseCollection(sub *subscription, behavior string, resumesAt time.Time) {
	sub.pause, sub.resumesAt = behavior, resumesAt
	if resumesAt.IsZero() {
		return
	}
	s.at(resumesAt, func() {
		if !sub.over() && sub.resumesAt.Equal(resumesAt) {
			s.change(sub, "customer.subscription.updated", func() { sub.pause, sub.resumesAt = "", time.Time{} })
		}
	})
}

func (s *Stripe) editRest(c *call, sub *subscription) (func(), error) {
	return func() {
		c.set("description", &sub.description)
		c.set("cancellation_details[comment]", &sub.comment)
		c.set("cancellation_details[feedback]", &sub.feedback)
		sub.metadata = c.metadata(sub.metadata)
		if c.has("default_payment_method") {
			sub.customer.method = c.text("default_payment_method")
			sub.customer.card = cardOf(sub.customer.method)
		}
	}, nil
}

func (s *Stripe) cancelSubscription(c *call) (object, error) {
	sub, err := s.livingSubscription(c)
	if err != nil {
		return nil, err
	}
	c.set("cancellation_details[comment]", &sub.comment)
	c.set("cancellation_details[feedback]", &sub.feedback)
	s.endSubscription(sub, "cancellation_requested")
	return sub.render(), nil
}

// resumeSubscription ends the pause that a trial without a card led to.
func (s *Stripe) resumeSubscription(c *call) (object, error) {
	sub, err := s.livingSubscription(c)
	if err != nil {
		return nil, err
	}
	if sub.status != "paused" {
		return nil, invalid("", "", "You can only resume a subscription that is paused.")
	}
	s.change(sub, "customer.subscription.resumed", func() { sub.status, sub.anchor = "active", s.now })
	inv := s.renew(sub, s.now)
	s.finalize(inv)
	_ = s.attempt(inv) // a refusal leaves the subscription past due
	return sub.render(), nil
}
