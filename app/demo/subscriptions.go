package demo

import (
	"time"
)

// subscription is https://docs.stripe.com/api/subscriptions/object.
type subscription struct {
	id                                      string
	customer                                *customer
	items                                   []*item
	status                                  string
	created, periodStart, periodEnd, anchor time.Time
	trialStart, trialEnd                    time.Time
	cancelAt, canceledAt, endedAt           time.Time
	cancelAtPeriodEnd                       bool
	reason, comment, feedback               string // of the cancellation
	pause                                   string // behavior of a paused collection
	resumesAt                               time.Time
	latestInvoice                           string
	pending                                 []line // prorations for the next invoice
	description                             string
	metadata                                map[string]string
}

// item is https://docs.stripe.com/api/subscription_items/object.
type item struct {
	id       string
	price    *price
	quantity int64
	created  time.Time
}

func (sub *subscription) ident() string { return sub.id }

// over is true in the two states that never change again.
func (sub *subscription) over() bool {
	return sub.status == "canceled" || sub.status == "incomplete_expired"
}

func (sub *subscription) render() object {
	url := "/v1/subscription_items?subscription=" + sub.id
	items := make([]any, 0, len(sub.items))
	for _, it := range sub.items {
		items = append(items, object{
			"id": it.id, "object": "subscription_item", "billing_thresholds": nil, "created": it.created.Unix(),
			"metadata": object{}, "price": it.price.render(), "quantity": it.quantity, "subscription": sub.id,
			"tax_rates": []any{},
		})
	}
	var pause any
	if sub.pause != "" {
		pause = object{"behavior": sub.pause, "resumes_at": unix(sub.resumesAt)}
	}
	return object{
		"id": sub.id, "object": "subscription", "application": nil, "application_fee_percent": nil,
		"automatic_tax":        object{"enabled": false, "liability": nil},
		"billing_cycle_anchor": sub.anchor.Unix(), "billing_cycle_anchor_config": nil, "billing_thresholds": nil,
		"cancel_at": unix(sub.cancelAt), "cancel_at_period_end": sub.cancelAtPeriodEnd, "canceled_at": unix(sub.canceledAt),
		"cancellation_details": object{
			"comment": orNull(sub.comment), "feedback": orNull(sub.feedback), "reason": orNull(sub.reason),
		},
		"collection_method": "charge_automatically", "created": sub.created.Unix(), "currency": sub.items[0].price.currency,
		"current_period_end": sub.periodEnd.Unix(), "current_period_start": sub.periodStart.Unix(),
		"customer": sub.customer.id, "days_until_due": nil, "default_payment_method": orNull(sub.customer.method),
		"default_source": nil, "default_tax_rates": []any{}, "description": orNull(sub.description), "discount": nil,
		"ended_at": unix(sub.endedAt), "items": object{"object": "list", "url": url, "has_more": false, "data": items},
		"latest_invoice": orNull(sub.latestInvoice), "livemode": false, "metadata": labels(sub.metadata),
		"next_pending_invoice_item_invoice": nil, "on_behalf_of": nil, "pause_collection": pause,
		"payment_settings": object{
			"payment_method_options": nil, "payment_method_types": nil, "save_default_payment_method": "off",
		},
		"pending_invoice_item_interval": nil, "pending_setup_intent": nil, "pending_update": nil, "schedule": nil,
		"start_date": sub.created.Unix(), "status": sub.status, "test_clock": orNull(sub.customer.testClock),
		"transfer_data": nil, "trial_end": unix(sub.trialEnd), "trial_start": unix(sub.trialStart),
		"trial_settings": object{"end_behavior": object{"missing_payment_method": "pause"}},
	}
}

// start opens a subscription: in trial, or incomplete until its first invoice is paid.
// The first invoice is finalized but not yet collected.
func (s *Stripe) start(cus *customer, items []*item, trialDays int, metadata map[string]string) *subscription {
	sub := &subscription{
		id: s.id("sub_"), customer: cus, items: items, status: "incomplete", created: s.now, anchor: s.now,
		periodStart: s.now, metadata: metadata,
	}
	sub.periodEnd = items[0].price.periodEnd(sub.anchor, s.now)
	if trialDays > 0 {
		sub.status, sub.trialStart = "trialing", s.now
		sub.trialEnd = s.now.AddDate(0, 0, trialDays)
		sub.anchor, sub.periodEnd = sub.trialEnd, sub.trialEnd
		s.at(sub.trialEnd.AddDate(0, 0, -3), func() { s.announceTrialEnd(sub) })
	}
	if cus.currency == "" {
		cus.currency = items[0].price.currency
	}
	s.subscriptions.add(sub, cus.id)
	s.emit("customer.subscription.created", sub, nil)
	inv := s.newInvoice(sub, "subscription_create", sub.lines())
	sub.latestInvoice = inv.id
	s.finalize(inv)
	s.watchPeriod(sub)
	if sub.status == "incomplete" {
		s.expireAfterADay(sub)
	}
	return sub
}

// expireAfterADay puts the end of an incomplete subscription on the agenda, 23 hours after
// its creation or now if that has passed.
func (s *Stripe) expireAfterADay(sub *subscription) {
	s.at(sub.created.Add(23*time.Hour), func() { s.expire(sub) })
}

// expire ends a subscription whose first payment did not arrive. A payment that is still
// under way (a bank debit) is waited for.
func (s *Stripe) expire(sub *subscription) {
	inv := s.invoices.byID[sub.latestInvoice]
	if sub.status != "incomplete" || s.processing(inv) {
		return
	}
	if inv.status == "open" {
		s.void(inv)
	}
	s.change(sub, "customer.subscription.updated", func() {
		sub.status, sub.endedAt = "incomplete_expired", s.now
	})
}

func (s *Stripe) announceTrialEnd(sub *subscription) {
	if sub.status == "trialing" {
		s.emit("customer.subscription.trial_will_end", sub, nil)
	}
}

// watchPeriod puts the end of the present period on the agenda.
func (s *Stripe) watchPeriod(sub *subscription) {
	end := sub.periodEnd
	s.at(end, func() {
		switch {
		case sub.over() || !sub.periodEnd.Equal(end) || sub.status == "paused" || sub.status == "incomplete":
		case sub.cancelAtPeriodEnd:
			s.endSubscription(sub, sub.reason)
		case sub.status == "trialing" && sub.customer.card == CardNone:
			s.change(sub, "customer.subscription.paused", func() { sub.status = "paused" })
		default:
			inv := s.renew(sub, end)
			s.at(s.now.Add(time.Hour), func() { s.collect(inv) })
		}
	})
}

// renew begins a new period at the time from and drafts its invoice, which Stripe
// collects about an hour later.
func (s *Stripe) renew(sub *subscription, from time.Time) *invoice {
	p := sub.items[0].price
	var inv *invoice
	s.change(sub, "customer.subscription.updated", func() {
		if sub.status == "trialing" {
			sub.status = "active"
		}
		sub.periodStart, sub.periodEnd = from, p.periodEnd(sub.anchor, from)
		inv = s.newInvoice(sub, "subscription_cycle", append(sub.pending, sub.lines()...))
		sub.pending, sub.latestInvoice = nil, inv.id
	})
	s.watchPeriod(sub)
	return inv
}

// endSubscription cancels at once. Open invoices stay open but are no longer retried.
func (s *Stripe) endSubscription(sub *subscription, reason string) {
	sub.status, sub.endedAt, sub.reason = "canceled", s.now, reason
	if sub.canceledAt.IsZero() {
		sub.canceledAt = s.now
	}
	for _, inv := range s.invoices.of(sub.id) {
		if inv.status == "open" || inv.status == "draft" {
			inv.autoAdvance, inv.nextAttempt = false, time.Time{}
		}
	}
	s.emit("customer.subscription.deleted", sub, nil)
}

// lines are the invoice lines of the present period.
func (sub *subscription) lines() []line {
	var out []line
	for _, it := range sub.items {
		l := line{price: it.price, quantity: it.quantity, amount: it.price.amount * it.quantity, item: it.id,
			start: sub.periodStart, end: sub.periodEnd, description: it.price.product.name}
		if sub.status == "trialing" {
			l.amount, l.description = 0, "Trial period for "+it.price.product.name
		}
		out = append(out, l)
	}
	return out
}
