package demo

import "time"

func (s *Stripe) getInvoice(c *call) (object, error) {
	inv, err := find(&s.invoices, "invoice", c.id())
	if err != nil {
		return nil, err
	}
	return inv.render(), nil
}

func (s *Stripe) getInvoiceLines(c *call) (object, error) {
	inv, err := find(&s.invoices, "invoice", c.id())
	if err != nil {
		return nil, err
	}
	return object{"object": "list", "url": c.URL.Path, "has_more": false, "data": inv.renderLines()}, nil
}

func (s *Stripe) listInvoices(c *call) (object, error) {
	return page(c, s.invoices.of(c.first("subscription", "customer")), func(inv *invoice) bool {
		return c.is("customer", inv.customer.id) && c.is("subscription", inv.subscription.id) &&
			c.is("status", inv.status) && c.createdWithin(inv.created)
	})
}

// unpaidInvoice finds an invoice that can still be paid, voided or given up.
func (s *Stripe) unpaidInvoice(c *call) (*invoice, error) {
	inv, err := find(&s.invoices, "invoice", c.id())
	switch {
	case err != nil:
		return nil, err
	case inv.status == "paid":
		return nil, invalid("invoice_already_paid", "", "Invoice is already paid")
	case inv.status == "void":
		return nil, invalid("", "", "You can only act on open or uncollectible invoices. This invoice's status is void.")
	}
	return inv, nil
}

func (s *Stripe) payInvoice(c *call) (object, error) {
	inv, err := s.unpaidInvoice(c)
	if err != nil {
		return nil, err
	}
	if c.has("payment_method") {
		inv.customer.method = c.text("payment_method")
		inv.customer.card = cardOf(inv.customer.method)
	}
	if inv.status == "draft" {
		s.finalize(inv)
	}
	if c.text("paid_out_of_band") == "true" {
		s.closeIntent(inv)
		inv.outOfBand = true
		s.markPaid(inv, 0)
		return inv.render(), nil
	}
	if err := s.attempt(inv); err != nil {
		return nil, err
	}
	return inv.render(), nil
}

func (s *Stripe) voidInvoice(c *call) (object, error) {
	inv, err := s.unpaidInvoice(c)
	if err != nil {
		return nil, err
	}
	s.void(inv)
	s.expire(inv.subscription) // when it was waiting for its first payment
	return inv.render(), nil
}

func (s *Stripe) writeOffInvoice(c *call) (object, error) {
	inv, err := s.unpaidInvoice(c)
	if err != nil {
		return nil, err
	}
	s.giveUp(inv)
	return inv.render(), nil
}

// getUpcoming previews the next invoice, with the changes that the call proposes
// (https://docs.stripe.com/api/invoices/upcoming). Nothing is stored.
func (s *Stripe) getUpcoming(c *call) (object, error) {
	sub, err := s.upcomingSubscription(c)
	if err != nil {
		return nil, err
	}
	swaps, err := s.swapsOf(c, sub, "subscription_items")
	if err != nil {
		return nil, err
	}
	when, err := c.moment("subscription_proration_date")
	if err != nil {
		return nil, err
	}
	if when.IsZero() {
		when = s.now
	}
	o := s.preview(sub, swaps, when, c.text("subscription_proration_behavior")).render()
	delete(o, "id") // an upcoming invoice has none
	o["lines"].(object)["url"] = "/v1/invoices/upcoming/lines"
	return o, nil
}

// upcomingSubscription is the one that is named, or the customer's first one.
func (s *Stripe) upcomingSubscription(c *call) (*subscription, error) {
	if id := c.text("subscription"); id != "" {
		sub, ok := s.subscriptions.byID[id]
		if !ok {
			return nil, missing("subscription", id, "subscription")
		}
		if !sub.over() && !sub.cancelAtPeriodEnd {
			return sub, nil
		}
	}
	for _, sub := range s.subscriptions.of(c.text("customer")) {
		if !c.has("subscription") && !sub.over() && !sub.cancelAtPeriodEnd {
			return sub, nil
		}
	}
	return nil, &apiError{status: 404, kind: "invalid_request_error", code: "invoice_upcoming_none",
		message: "No upcoming invoices for customer: '" + c.text("customer") + "'"}
}

// preview works on copies of the subscription and its items.
func (s *Stripe) preview(original *subscription, swaps []swap, when time.Time, behavior string) *invoice {
	sub := *original
	sub.items = nil
	for _, it := range original.items {
		clone := *it
		for i := range swaps {
			if swaps[i].item == it {
				swaps[i].item = &clone
			}
		}
		sub.items = append(sub.items, &clone)
	}
	sub.pending = append([]line(nil), original.pending...)
	end := sub.periodEnd
	fresh := newPeriod(swaps)
	if len(swaps) > 0 && behavior != "none" && sub.status != "trialing" {
		sub.pending = append(sub.pending, prorations(&sub, swaps, when, fresh)...)
	}
	if fresh {
		end = when // the old period ends here, and the new one is billed at once
		sub.anchor = when
	}
	for _, sw := range swaps {
		sw.item.price, sw.item.quantity = sw.price, sw.quantity
	}
	lines := sub.pending
	if len(swaps) == 0 || behavior != "always_invoice" || fresh {
		sub.periodStart, sub.periodEnd = end, sub.items[0].price.periodEnd(sub.anchor, end)
		if sub.status == "trialing" {
			sub.status = "active"
		}
		lines = append(lines, sub.lines()...)
	}
	inv := &invoice{status: "draft", reason: "upcoming", customer: sub.customer, subscription: &sub, lines: lines,
		created: end, periodStart: original.periodStart, periodEnd: end, nextAttempt: end.Add(time.Hour),
		starting: sub.customer.balance}
	for i := range inv.lines {
		inv.lines[i].id = "il_tmp_" + inv.lines[i].item
	}
	sum := inv.total() + inv.starting
	inv.due, inv.ending = max(sum, 0), min(sum, 0)
	return inv
}

// sendInvoice mails an invoice, which in test mode is an event and nothing else
// (https://docs.stripe.com/api/invoices/send).
func (s *Stripe) sendInvoice(c *call) (object, error) {
	inv, err := find(&s.invoices, "invoice", c.id())
	if err != nil {
		return nil, err
	}
	if inv.status == "void" {
		return nil, invalid("", "", "You can only send invoices that are open, paid or uncollectible. This invoice's status is void.")
	}
	if inv.status == "draft" {
		s.finalize(inv)
	}
	s.emit("invoice.sent", inv, nil)
	return inv.render(), nil
}

func (s *Stripe) getIntent(c *call) (object, error) {
	pi, err := find(&s.intents, "payment_intent", c.id())
	if err != nil {
		return nil, err
	}
	return pi.render(), nil
}

func (s *Stripe) listIntents(c *call) (object, error) {
	return page(c, s.intents.of(c.text("customer")), func(pi *intent) bool { return c.createdWithin(pi.created) })
}

func (s *Stripe) getCharge(c *call) (object, error) {
	ch, err := find(&s.charges, "charge", c.id())
	if err != nil {
		return nil, err
	}
	return ch.render(), nil
}

// updateCharge mails the receipt when its address is set
// (https://docs.stripe.com/api/charges/update#update_charge-receipt_email).
func (s *Stripe) updateCharge(c *call) (object, error) {
	ch, err := find(&s.charges, "charge", c.id())
	if err != nil {
		return nil, err
	}
	s.change(ch, "charge.updated", func() {
		c.set("receipt_email", &ch.receiptEmail)
		ch.metadata = c.metadata(ch.metadata)
	})
	return ch.render(), nil
}

func (s *Stripe) listCharges(c *call) (object, error) {
	return page(c, s.charges.of(c.first("payment_intent", "customer")), func(ch *charge) bool {
		return c.is("customer", ch.intent.customer.id) && c.is("payment_intent", ch.intent.id) && c.createdWithin(ch.created)
	})
}
