package demo

import (
	"fmt"
	"time"
)

// refund is https://docs.stripe.com/api/refunds/object.
type refund struct {
	id, status, reason, failure string
	charge                      *charge
	amount                      int64
	created                     time.Time
	metadata                    map[string]string
	transaction                 string
}

func (re *refund) ident() string { return re.id }

func (re *refund) render() object {
	o := object{
		"id": re.id, "object": "refund", "amount": re.amount, "balance_transaction": re.transaction,
		"charge": re.charge.id, "created": re.created.Unix(), "currency": re.charge.intent.currency,
		"destination_details": object{"type": "card", "card": object{
			"type": "refund", "reference_status": "pending", "reference_type": "acquirer_reference_number",
		}},
		"metadata": labels(re.metadata), "payment_intent": re.charge.intent.id, "reason": orNull(re.reason),
		"receipt_number": nil, "source_transfer_reversal": nil, "status": re.status, "transfer_reversal": nil,
	}
	if re.failure != "" {
		o["failure_reason"] = re.failure
	}
	return o
}

// newRefund pays amount back, or all that is left when amount is 0. A charge that is
// disputed or fully refunded is refused with Stripe's error.
func (s *Stripe) newRefund(ch *charge, amount int64, reason string, metadata map[string]string) (*refund, error) {
	left := ch.amount - ch.refunded
	switch {
	case ch.status != "succeeded":
		return nil, invalid("charge_not_refundable", "", "This charge did not succeed: "+ch.id)
	case ch.disputeOpen:
		return nil, invalid("charge_disputed", "", "Charge "+ch.id+" has been charged back; cannot issue a refund.")
	case left == 0:
		return nil, invalid("charge_already_refunded", "", "Charge "+ch.id+" has already been refunded.")
	case amount < 0:
		return nil, invalid("parameter_invalid_integer", "amount", "This value must be greater than or equal to 1.")
	case amount > left:
		return nil, invalid("", "amount", fmt.Sprintf("Refund amount (%d) is greater than unrefunded amount on charge (%d)", amount, left))
	case amount == 0:
		amount = left
	}
	re := &refund{
		id: s.id("re_"), status: "succeeded", reason: reason, charge: ch, amount: amount, created: s.now,
		metadata: metadata, transaction: s.id("txn_"),
	}
	s.refunds.add(re, ch.id, ch.intent.id)
	s.emit("refund.created", re, nil)
	s.change(ch, "charge.refunded", func() { ch.refunded += amount })
	return re, nil
}

// failRefund is the bank sending the money back, which can happen days after a success
// (https://docs.stripe.com/refunds#failed-refunds).
func (s *Stripe) failRefund(re *refund) error {
	if re.status == "failed" {
		return fmt.Errorf("refund %s has failed already", re.id)
	}
	re.charge.refunded -= re.amount
	s.changeRefund(re, func() { re.status, re.failure = "failed", "lost_or_stolen_card" })
	s.emit("refund.failed", re, nil)
	return nil
}

// changeRefund announces a change under both of its names.
func (s *Stripe) changeRefund(re *refund, mutate func()) {
	before := re.render()
	mutate()
	s.emit("refund.updated", re, before)
	s.emit("charge.refund.updated", re, before)
}

func (s *Stripe) createRefund(c *call) (object, error) {
	ch, err := s.chargeToRefund(c)
	if err != nil {
		return nil, err
	}
	amount, err := c.number("amount", 0)
	if err != nil {
		return nil, err
	}
	if c.has("amount") && amount < 1 {
		return nil, invalid("parameter_invalid_integer", "amount", "This value must be greater than or equal to 1.")
	}
	re, err := s.newRefund(ch, amount, c.text("reason"), c.metadata(nil))
	if err != nil {
		return nil, err
	}
	return re.render(), nil
}

// chargeToRefund finds the charge by its id or by its payment intent.
func (s *Stripe) chargeToRefund(c *call) (*charge, error) {
	id := c.text("charge")
	if id == "" {
		pi, ok := s.intents.byID[c.text("payment_intent")]
		switch {
		case !c.has("payment_intent"):
			return nil, invalid("parameter_missing", "", "One of the following params should be provided for this request: payment_intent or charge.")
		case !ok:
			return nil, missing("payment_intent", c.text("payment_intent"), "payment_intent")
		}
		id = pi.latestCharge
	}
	ch, ok := s.charges.byID[id]
	if !ok {
		return nil, missing("charge", id, "charge")
	}
	return ch, nil
}

func (s *Stripe) getRefund(c *call) (object, error) {
	re, err := find(&s.refunds, "refund", c.id())
	if err != nil {
		return nil, err
	}
	return re.render(), nil
}

func (s *Stripe) updateRefund(c *call) (object, error) {
	re, err := find(&s.refunds, "refund", c.id())
	if err != nil {
		return nil, err
	}
	s.changeRefund(re, func() { re.metadata = c.metadata(re.metadata) })
	return re.render(), nil
}

func (s *Stripe) listRefunds(c *call) (object, error) {
	return page(c, s.refunds.of(c.first("charge", "payment_intent")), func(re *refund) bool {
		return c.is("charge", re.charge.id) && c.is("payment_intent", re.charge.intent.id) && c.createdWithin(re.created)
	})
}

// dispute is https://docs.stripe.com/api/disputes/object.
type dispute struct {
	id, status string
	charge     *charge
	created    time.Time
	metadata   map[string]string
}

func (d *dispute) ident() string { return d.id }

func (d *dispute) render() object {
	evidence := object{}
	for _, name := range evidenceNames() {
		evidence[name] = nil
	}
	return object{
		"id": d.id, "object": "dispute", "amount": d.charge.amount, "balance_transactions": []any{},
		"charge": d.charge.id, "created": d.created.Unix(), "currency": d.charge.intent.currency, "evidence": evidence,
		"evidence_details": object{
			"due_by": d.created.AddDate(0, 0, 7).Unix(), "has_evidence": false, "past_due": false, "submission_count": 0,
		},
		"is_charge_refundable": false, "livemode": false, "metadata": labels(d.metadata),
		"payment_intent":         d.charge.intent.id,
		"payment_method_details": object{"type": "card", "card": object{"brand": "visa", "network_reason_code": "10.4"}},
		"reason":                 "fraudulent", "status": d.status,
	}
}

func evidenceNames() []string {
	return []string{
		"access_activity_log", "billing_address", "cancellation_policy", "cancellation_policy_disclosure",
		"cancellation_rebuttal", "customer_communication", "customer_email_address", "customer_name",
		"customer_purchase_ip", "customer_signature", "duplicate_charge_documentation", "duplicate_charge_explanation",
		"duplicate_charge_id", "product_description", "receipt", "refund_policy", "refund_policy_disclosure",
		"refund_refusal_explanation", "service_date", "service_documentation", "shipping_address", "shipping_carrier",
		"shipping_date", "shipping_documentation", "shipping_tracking_number", "uncategorized_file", "uncategorized_text",
	}
}

func (s *Stripe) getDispute(c *call) (object, error) {
	d, err := find(&s.disputes, "dispute", c.id())
	if err != nil {
		return nil, err
	}
	return d.render(), nil
}

func (s *Stripe) listDisputes(c *call) (object, error) {
	return page(c, s.disputes.of(c.first("charge", "payment_intent")), func(d *dispute) bool {
		return c.is("charge", d.charge.id) && c.is("payment_intent", d.charge.intent.id) && c.createdWithin(d.created)
	})
}
