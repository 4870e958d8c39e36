package demo

import (
	"net/http"
	"time"
)

// intent is https://docs.stripe.com/api/payment_intents/object.
type intent struct {
	id, status, latestCharge, secret string
	customer                         *customer
	invoice                          *invoice
	amount                           int64
	currency                         string
	failed                           bool    // the last attempt was refused
	delayed                          bool    // a bank debit, which takes days
	underWay                         *charge // of that debit, until it ends
	created, canceledAt              time.Time
	metadata                         map[string]string
}

func (pi *intent) ident() string { return pi.id }

func (pi *intent) render() object {
	var lastError any
	if pi.failed {
		lastError = object{
			"type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds",
			"message": declined.message, "charge": orNull(pi.latestCharge), "doc_url": docURL("card_declined"),
		}
	}
	var received int64
	if pi.status == "succeeded" {
		received = pi.amount
	}
	return object{
		"id": pi.id, "object": "payment_intent", "amount": pi.amount, "amount_capturable": 0,
		"amount_details": object{"tip": object{}}, "amount_received": received, "application": nil,
		"application_fee_amount": nil, "automatic_payment_methods": nil, "canceled_at": unix(pi.canceledAt),
		"cancellation_reason": nil, "capture_method": "automatic", "client_secret": pi.id + "_secret_" + pi.secret,
		"confirmation_method": "automatic", "created": pi.created.Unix(), "currency": pi.currency,
		"customer": orNull(pi.customer.id), "description": "Subscription creation", "invoice": orNull(pi.invoice.id),
		"last_payment_error": lastError, "latest_charge": orNull(pi.latestCharge), "livemode": false,
		"metadata": labels(pi.metadata), "next_action": nil, "on_behalf_of": nil,
		"payment_method": orNull(pi.customer.method), "payment_method_configuration_details": nil,
		"payment_method_options": object{}, "payment_method_types": []any{pi.methodType()}, "processing": nil,
		"receipt_email": nil, "review": nil, "setup_future_usage": "off_session", "shipping": nil,
		"statement_descriptor": nil, "statement_descriptor_suffix": nil, "status": pi.status, "transfer_data": nil,
		"transfer_group": nil,
	}
}

func (pi *intent) methodType() string {
	if pi.delayed {
		return "sepa_debit"
	}
	return "card"
}

// charge is https://docs.stripe.com/api/charges/object.
type charge struct {
	id, status                string
	intent                    *intent
	amount, refunded          int64
	disputed, disputeOpen     bool
	created                   time.Time
	metadata                  map[string]string
	transaction, email, owner string
	receiptEmail              string // where the receipt went
}

func (ch *charge) ident() string { return ch.id }

func (ch *charge) render() object {
	pi, ok, failed := ch.intent, ch.status == "succeeded", ch.status == "failed"
	var failure, message, transaction any
	outcome := object{
		"network_status": "approved_by_network", "reason": nil, "risk_level": "normal", "risk_score": 12,
		"seller_message": "Payment complete.", "type": "authorized",
	}
	var captured int64
	if !failed {
		captured = ch.amount
	}
	if ok {
		transaction = ch.transaction
	}
	if failed {
		failure, message = "card_declined", declined.message
		outcome["network_status"], outcome["reason"] = "declined_by_network", "insufficient_funds"
		outcome["seller_message"] = "The bank returned the decline code `insufficient_funds`."
		outcome["type"] = "issuer_declined"
	}
	details := object{"type": "card", "card": object{
		"amount_authorized": captured, "brand": "visa",
		"checks":  object{"address_line1_check": nil, "address_postal_code_check": nil, "cvc_check": "pass"},
		"country": "US", "exp_month": 12, "exp_year": 2034, "fingerprint": "r40d4vOgg3VecDJF", "funding": "credit",
		"installments": nil, "last4": "4242", "mandate": nil, "network": "visa", "three_d_secure": nil, "wallet": nil,
	}}
	if pi.delayed {
		details = object{"type": "sepa_debit", "sepa_debit": object{
			"bank_code": "37040044", "branch_code": "", "country": "DE", "fingerprint": "FD81kbVPe7M05BMj",
			"last4": "3000", "mandate": nil,
		}}
	}
	return object{
		"id": ch.id, "object": "charge", "amount": ch.amount, "amount_captured": captured,
		"amount_refunded": ch.refunded, "application": nil, "application_fee": nil, "application_fee_amount": nil,
		"balance_transaction": transaction, "billing_details": object{
			"address": object{"city": nil, "country": nil, "line1": nil, "line2": nil, "postal_code": nil, "state": nil},
			"email":   orNull(ch.email), "name": orNull(ch.owner), "phone": nil,
		},
		"calculated_statement_descriptor": "DEMO", "captured": !failed, "created": ch.created.Unix(), "currency": pi.currency,
		"customer": orNull(pi.customer.id), "description": "Subscription creation", "disputed": ch.disputed,
		"failure_balance_transaction": nil, "failure_code": failure, "failure_message": message,
		"fraud_details": object{}, "invoice": orNull(pi.invoice.id), "livemode": false, "metadata": labels(ch.metadata),
		"on_behalf_of": nil, "outcome": outcome, "paid": ok, "payment_intent": pi.id,
		"payment_method": orNull(pi.customer.method), "payment_method_details": details, "receipt_email": orNull(ch.receiptEmail),
		"receipt_number": nil, "receipt_url": "https://pay.stripe.com/receipts/" + ch.id,
		"refunded": ok && ch.refunded == ch.amount, "review": nil, "shipping": nil, "source_transfer": nil,
		"statement_descriptor": nil, "statement_descriptor_suffix": nil, "status": ch.status, "transfer_data": nil,
		"transfer_group": nil,
	}
}

func (s *Stripe) newIntent(inv *invoice) *intent {
	pi := &intent{
		id: s.id("pi_"), status: "requires_payment_method", secret: s.id(""), customer: inv.customer, invoice: inv,
		amount: inv.due, currency: inv.lines[0].price.currency, created: s.now,
	}
	s.intents.add(pi, pi.customer.id)
	return pi
}

// closeIntent cancels the payment of an invoice that is no longer to be paid.
func (s *Stripe) closeIntent(inv *invoice) {
	if pi := inv.intent; pi != nil && pi.status != "succeeded" && pi.status != "canceled" {
		pi.status, pi.canceledAt = "canceled", s.now
		s.emit("payment_intent.canceled", pi, nil)
	}
}

// processing is true while a delayed payment of the invoice is under way.
func (s *Stripe) processing(inv *invoice) bool {
	return inv.intent != nil && inv.intent.status == "processing"
}

// attempt tries to pay an open invoice with the customer's card. A refusal is booked,
// announced and retried later, and returned as Stripe's 402.
func (s *Stripe) attempt(inv *invoice) error {
	if inv.due > 0 && inv.customer.card != CardOK {
		return s.refuse(inv)
	}
	s.succeed(inv)
	return nil
}

// debit begins a payment by bank debit, which succeed or refuse ends days later. Until then the invoice is open
// and attempted (https://docs.stripe.com/billing/subscriptions/sepa-debit).
func (s *Stripe) debit(inv *invoice) {
	pi := inv.intent
	pi.delayed, pi.status, pi.underWay = true, "processing", s.newCharge(pi, "pending")
	s.emit("charge.pending", pi.underWay, nil)
	s.emit("payment_intent.processing", pi, nil)
	s.change(inv, "invoice.updated", func() {
		inv.attempts++
		inv.nextAttempt = time.Time{}
	})
}

// end gives the charge of a payment its last status: that of a debit under way, or else a new one. A debit was
// counted as an attempt when it began.
func (s *Stripe) end(pi *intent, status string) (ch *charge, attempts int) {
	if ch = pi.underWay; ch != nil {
		ch.status, pi.underWay = status, nil
		return ch, 0
	}
	return s.newCharge(pi, status), 1
}

// succeed books the payment of an invoice.
func (s *Stripe) succeed(inv *invoice) {
	attempts := 0
	if pi := inv.intent; pi != nil {
		var ch *charge
		ch, attempts = s.end(pi, "succeeded")
		pi.status, pi.failed = "succeeded", false
		s.emit("charge.succeeded", ch, nil)
		s.emit("payment_intent.succeeded", pi, nil)
	}
	s.markPaid(inv, attempts)
}

// markPaid closes an invoice for which nothing is owed any more, after so many attempts more.
func (s *Stripe) markPaid(inv *invoice, attempts int) {
	s.change(inv, "invoice.updated", func() {
		inv.attempts += attempts
		inv.status, inv.paid, inv.paidAt = "paid", inv.due, s.now
		inv.autoAdvance, inv.nextAttempt = false, time.Time{}
	})
	s.settle(inv)
	s.emit("invoice.paid", inv, nil)
	s.emit("invoice.payment_succeeded", inv, nil)
	s.setDelinquent(inv.customer, false)
}

// refuse books a failed payment and plans what follows.
func (s *Stripe) refuse(inv *invoice) error {
	pi, sub := inv.intent, inv.subscription
	ch, attempts := s.end(pi, "failed")
	pi.status, pi.failed = "requires_payment_method", true
	s.emit("charge.failed", ch, nil)
	s.emit("payment_intent.payment_failed", pi, nil)
	s.change(inv, "invoice.updated", func() {
		inv.attempts += attempts
		s.planRetry(inv)
	})
	s.emit("invoice.payment_failed", inv, nil)
	s.setDelinquent(inv.customer, true)
	switch {
	case sub.status == "active" || sub.status == "trialing":
		s.change(sub, "customer.subscription.updated", func() { sub.status = "past_due" })
	case sub.status == "past_due" && inv.nextAttempt.IsZero():
		s.endDunning(sub)
	}
	refusal := *declined
	refusal.charge, refusal.intent = ch.id, pi.id
	return &refusal
}

// retryDays are the days between the attempts of dunning, four in all
// (https://docs.stripe.com/billing/revenue-recovery/smart-retries).
func retryDays() []int { return []int{3, 5, 7} }

// planRetry sets the next attempt. The first invoice of a subscription is not retried.
func (s *Stripe) planRetry(inv *invoice) {
	inv.nextAttempt = time.Time{}
	days := retryDays()
	if inv.reason == "subscription_create" || inv.attempts > len(days) || !inv.autoAdvance {
		return
	}
	due := s.now.AddDate(0, 0, days[inv.attempts-1])
	inv.nextAttempt = due
	s.at(due, func() {
		if inv.status == "open" && inv.nextAttempt.Equal(due) {
			_ = s.attempt(inv) // a refusal is booked there
		}
	})
}

// endDunning does what the account is set to do when every retry has failed.
func (s *Stripe) endDunning(sub *subscription) {
	switch s.afterDunning {
	case "canceled":
		s.endSubscription(sub, "payment_failed")
	case "unpaid":
		s.change(sub, "customer.subscription.updated", func() { sub.status = "unpaid" })
	}
}

func (s *Stripe) newCharge(pi *intent, status string) *charge {
	ch := &charge{
		id: s.id("ch_"), status: status, intent: pi, amount: pi.amount, created: s.now, transaction: s.id("txn_"),
		email: pi.customer.email, owner: pi.customer.name,
	}
	pi.latestCharge = ch.id
	s.charges.add(ch, pi.customer.id, pi.id)
	return ch
}

func (s *Stripe) setDelinquent(c *customer, is bool) {
	if c.delinquent != is {
		s.change(c, "customer.updated", func() { c.delinquent = is })
	}
}

// declined is the answer for a card without funds (https://docs.stripe.com/declines/codes).
var declined = &apiError{
	status: http.StatusPaymentRequired, kind: "card_error", code: "card_declined",
	decline: "insufficient_funds", message: "Your card has insufficient funds.",
}
