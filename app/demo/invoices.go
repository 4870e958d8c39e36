package demo

import (
	"fmt"
	"strconv"
	"time"
)

// invoice is https://docs.stripe.com/api/invoices/object.
type invoice struct {
	id, number, status, reason            string
	customer                              *customer
	subscription                          *subscription
	lines                                 []line
	due, paid, starting, ending           int64
	attempts                              int
	autoAdvance, outOfBand                bool
	intent                                *intent
	periodStart, periodEnd                time.Time
	created, nextAttempt                  time.Time
	finalizedAt, paidAt, voidedAt, lostAt time.Time
	metadata                              map[string]string
}

// line is https://docs.stripe.com/api/invoices/line_item.
type line struct {
	id, description, item string
	price                 *price
	quantity, amount      int64
	start, end            time.Time
	proration             bool
}

func (inv *invoice) ident() string { return inv.id }

func (inv *invoice) total() int64 {
	var sum int64
	for _, l := range inv.lines {
		sum += l.amount
	}
	return sum
}

func (inv *invoice) render() object {
	total, c := inv.total(), inv.customer
	var charge, intent, ending, hosted, pdf any
	if inv.intent != nil {
		intent, charge = inv.intent.id, orNull(inv.intent.latestCharge)
	}
	if !inv.finalizedAt.IsZero() {
		ending = inv.ending
		hosted = "https://invoice.stripe.com/i/acct_demo/test_" + inv.id
		pdf = "https://pay.stripe.com/invoice/acct_demo/test_" + inv.id + "/pdf"
	}
	return object{
		"id": inv.id, "object": "invoice", "account_country": "US", "account_name": "Demo", "account_tax_ids": nil,
		"amount_due": inv.due, "amount_paid": inv.paid, "amount_remaining": inv.due - inv.paid, "amount_shipping": 0,
		"application": nil, "application_fee_amount": nil, "attempt_count": inv.attempts, "attempted": inv.attempts > 0,
		"auto_advance":   inv.autoAdvance,
		"automatic_tax":  object{"enabled": false, "liability": nil, "status": nil},
		"billing_reason": inv.reason, "charge": charge, "collection_method": "charge_automatically",
		"created": inv.created.Unix(), "currency": inv.lines[0].price.currency, "custom_fields": nil, "customer": c.id,
		"customer_address": nil, "customer_email": orNull(c.email), "customer_name": orNull(c.name),
		"customer_phone": orNull(c.phone), "customer_shipping": nil, "customer_tax_exempt": "none",
		"customer_tax_ids": []any{}, "default_payment_method": nil, "default_source": nil, "default_tax_rates": []any{},
		"description": nil, "discount": nil, "discounts": []any{}, "due_date": nil, "effective_at": unix(inv.finalizedAt),
		"ending_balance": ending, "footer": nil, "from_invoice": nil, "hosted_invoice_url": hosted, "invoice_pdf": pdf,
		"issuer": object{"type": "self"}, "last_finalization_error": nil, "latest_revision": nil,
		"lines": object{
			"object": "list", "url": "/v1/invoices/" + inv.id + "/lines", "has_more": false, "data": inv.renderLines(),
		},
		"livemode": false, "metadata": labels(inv.metadata), "next_payment_attempt": unix(inv.nextAttempt),
		"number": orNull(inv.number), "on_behalf_of": nil, "paid": inv.status == "paid", "paid_out_of_band": inv.outOfBand,
		"payment_intent": intent, "payment_settings": object{
			"default_mandate": nil, "payment_method_options": nil, "payment_method_types": nil,
		},
		"period_end": inv.periodEnd.Unix(), "period_start": inv.periodStart.Unix(), "post_payment_credit_notes_amount": 0,
		"pre_payment_credit_notes_amount": 0, "quote": nil, "receipt_number": nil, "rendering": nil,
		"shipping_cost": nil, "shipping_details": nil, "starting_balance": inv.starting, "statement_descriptor": nil,
		"status": inv.status, "status_transitions": object{
			"finalized_at": unix(inv.finalizedAt), "marked_uncollectible_at": unix(inv.lostAt),
			"paid_at": unix(inv.paidAt), "voided_at": unix(inv.voidedAt),
		},
		"subscription": inv.subscription.id, "subscription_details": object{"metadata": labels(inv.subscription.metadata)},
		"subtotal": total, "subtotal_excluding_tax": total, "tax": nil, "test_clock": orNull(c.testClock), "total": total,
		"total_discount_amounts": []any{}, "total_excluding_tax": total, "total_tax_amounts": []any{},
		"transfer_data": nil, "webhooks_delivered_at": unix(inv.created),
	}
}

func (inv *invoice) renderLines() []any {
	out := make([]any, 0, len(inv.lines))
	for _, l := range inv.lines {
		kind := "subscription"
		var extra any
		if l.proration {
			kind, extra = "invoiceitem", "ii_"+l.id[3:]
		}
		row := object{
			"id": l.id, "object": "line_item", "amount": l.amount, "amount_excluding_tax": l.amount,
			"currency": l.price.currency, "description": l.description, "discount_amounts": []any{}, "discountable": !l.proration,
			"discounts": []any{}, "invoice": orNull(inv.id), "livemode": false, "metadata": labels(inv.subscription.metadata),
			"period": object{"start": l.start.Unix(), "end": l.end.Unix()}, "price": l.price.render(),
			"proration": l.proration, "proration_details": object{"credited_items": nil}, "quantity": l.quantity,
			"subscription": inv.subscription.id, "subscription_item": l.item, "tax_amounts": []any{}, "tax_rates": []any{},
			"type": kind, "unit_amount_excluding_tax": strconv.FormatInt(l.price.amount, 10),
		}
		if extra != nil {
			row["invoice_item"] = extra
		}
		out = append(out, row)
	}
	return out
}

// newInvoice drafts an invoice of a subscription.
func (s *Stripe) newInvoice(sub *subscription, reason string, lines []line) *invoice {
	inv := &invoice{
		id: s.id("in_"), status: "draft", reason: reason, customer: sub.customer, subscription: sub, lines: lines,
		autoAdvance: true, created: s.now, periodStart: sub.periodStart, periodEnd: sub.periodEnd,
	}
	if reason == "subscription_cycle" {
		inv.nextAttempt = s.now.Add(time.Hour)
	}
	for i := range inv.lines {
		if inv.lines[i].id == "" {
			inv.lines[i].id = s.id("il_")
		}
	}
	inv.due = max(inv.total(), 0)
	s.invoices.add(inv, sub.customer.id, sub.id)
	s.emit("invoice.created", inv, nil)
	return inv
}

// finalize settles the amount with the customer's balance and opens the payment.
func (s *Stripe) finalize(inv *invoice) {
	c := inv.customer
	s.numbered++
	inv.number = fmt.Sprintf("%s-%04d", c.prefix, s.numbered)
	inv.status, inv.finalizedAt, inv.starting = "open", s.now, c.balance
	sum := inv.total() + c.balance
	inv.due, inv.ending = max(sum, 0), min(sum, 0)
	c.balance = inv.ending
	if inv.due > 0 {
		inv.intent = s.newIntent(inv)
	}
	s.emit("invoice.finalized", inv, nil)
	if inv.intent != nil {
		s.emit("payment_intent.created", inv.intent, nil)
	}
}

// collect ends the draft of a renewal: it is finalized and paid, or kept back while
// collection is paused (https://docs.stripe.com/billing/subscriptions/pause-payment).
func (s *Stripe) collect(inv *invoice) {
	sub := inv.subscription
	if inv.status != "draft" || sub.over() || sub.status == "unpaid" {
		inv.autoAdvance, inv.nextAttempt = false, time.Time{}
		return
	}
	if sub.pause == "keep_as_draft" {
		s.change(inv, "invoice.updated", func() { inv.autoAdvance, inv.nextAttempt = false, time.Time{} })
		return
	}
	s.finalize(inv)
	switch sub.pause {
	case "void":
		s.void(inv)
	case "mark_uncollectible":
		s.giveUp(inv)
	default:
		_ = s.attempt(inv) // what a refused card leads to is done there
	}
}

// void makes an invoice worthless.
func (s *Stripe) void(inv *invoice) {
	s.closeIntent(inv)
	inv.status, inv.voidedAt, inv.autoAdvance, inv.nextAttempt = "void", s.now, false, time.Time{}
	s.emit("invoice.voided", inv, nil)
	s.settle(inv)
}

// giveUp marks an invoice as uncollectible; it can still be paid.
func (s *Stripe) giveUp(inv *invoice) {
	inv.status, inv.lostAt, inv.autoAdvance, inv.nextAttempt = "uncollectible", s.now, false, time.Time{}
	s.emit("invoice.marked_uncollectible", inv, nil)
	s.settle(inv)
}

// settle makes the subscription active again when nothing is left to pay.
func (s *Stripe) settle(inv *invoice) {
	sub := inv.subscription
	owes := sub.status == "past_due" || sub.status == "unpaid" || sub.status == "incomplete" && inv.status == "paid"
	if !owes || sub.latestInvoice != inv.id {
		return
	}
	s.change(sub, "customer.subscription.updated", func() { sub.status = "active" })
}
