package demo

import (
	"fmt"
	"time"
)

// Refund pays amount (minor units; 0 is all that is left) of a charge back and returns the
// refund's id.
func (s *Stripe) Refund(chargeID string, amount int64) (refundID string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch, err := find(&s.charges, "charge", chargeID)
	if err != nil {
		return "", err
	}
	re, err := s.newRefund(ch, amount, "requested_by_customer", nil)
	if err != nil {
		return "", err
	}
	return re.id, nil
}

// FailRefund is the bank refusing a refund that had succeeded; the money comes back.
func (s *Stripe) FailRefund(refundID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	re, err := find(&s.refunds, "refund", refundID)
	if err != nil {
		return err
	}
	return s.failRefund(re)
}

// Dispute is a customer's bank taking a charge back; it returns the dispute's id.
func (s *Stripe) Dispute(chargeID string) (disputeID string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ch, err := find(&s.charges, "charge", chargeID)
	if err != nil {
		return "", err
	}
	if ch.disputed || ch.status != "succeeded" {
		return "", fmt.Errorf("charge %s cannot be disputed", chargeID)
	}
	d := &dispute{id: s.id("dp_"), status: "needs_response", charge: ch, created: s.now}
	s.disputes.add(d, ch.id, ch.intent.id)
	s.emit("charge.dispute.created", d, nil)
	s.change(ch, "charge.updated", func() { ch.disputed, ch.disputeOpen = true, true })
	s.emit("charge.dispute.funds_withdrawn", d, nil)
	return d.id, nil
}

// CloseDispute decides a dispute. A charge that was won can be refunded again.
func (s *Stripe) CloseDispute(disputeID string, won bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, err := find(&s.disputes, "dispute", disputeID)
	if err != nil {
		return err
	}
	if d.status == "won" || d.status == "lost" {
		return fmt.Errorf("dispute %s is %s already", disputeID, d.status)
	}
	s.change(d, "charge.dispute.closed", func() {
		d.status = "lost"
		if won {
			d.status, d.charge.disputeOpen = "won", false
		}
	})
	if won {
		s.emit("charge.dispute.funds_reinstated", d, nil)
	}
	return nil
}

// DeleteCustomer deletes a customer for good; what they subscribe to is canceled.
func (s *Stripe) DeleteCustomer(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	cus, err := s.livingCustomer(id, "id")
	if err == nil {
		s.removeCustomer(cus)
	}
	return err
}

// UpdateCustomer sets name and e-mail address.
func (s *Stripe) UpdateCustomer(id, name, email string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	cus, err := s.livingCustomer(id, "id")
	if err == nil {
		s.change(cus, "customer.updated", func() { cus.name, cus.email = name, email })
	}
	return err
}

// PauseCollection stops collecting (behavior is keep_as_draft, mark_uncollectible or
// void), until resumesAt or for ever when that is the zero time. With "" it starts again.
func (s *Stripe) PauseCollection(subscriptionID, behavior string, resumesAt time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub, err := s.runningSubscription(subscriptionID)
	if err == nil {
		s.change(sub, "customer.subscription.updated", func() { s.pauseCollection(sub, behavior, resumesAt) })
	}
	return err
}

// SetAfterDunning says what becomes of a subscription when its last retry has failed:
// canceled (the default), unpaid or past_due
// (https://docs.stripe.com/billing/revenue-recovery/smart-retries).
func (s *Stripe) SetAfterDunning(status string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.afterDunning = status
}

// Populate makes n customers with one subscription each, at once and without events:
// of a hundred about 80 active, 4 about to end, 5 in trial, 5 past due, 3 canceled, 2 with
// paused collection and 1 that was refunded in part.
func (s *Stripe) Populate(n int) ([]Purchase, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quiet = true
	defer func() { s.quiet = false }()
	present := s.now
	defer func() { s.now = present }()
	plans := []string{"starter", "starter", "team", "team", "scale"}
	out := make([]Purchase, 0, n)
	for i := range n {
		// Nobody's first month is over, so that no renewal is overdue.
		s.now = present.Add(-27 * 24 * time.Hour * time.Duration(n-i) / time.Duration(n)).Truncate(time.Second)
		o := BuyOptions{
			Email: fmt.Sprintf("user%d@example.com", i), Name: fmt.Sprintf("User %d", i), Price: plans[i%len(plans)],
			UserID: fmt.Sprintf("user_%d", i),
		}
		if i%100 < 5 {
			o.TrialDays = 31
		}
		p, err := s.buy(o)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	s.now = present
	for i, p := range out {
		s.age(i%100, s.subscriptions.byID[p.Subscription])
	}
	return out, nil
}

// age gives a populated subscription the state that its number stands for.
func (s *Stripe) age(nr int, sub *subscription) {
	switch {
	case nr < 5: // in trial
	case nr < 10:
		s.failPayment(sub)
	case nr < 14:
		s.cancelLater(sub, sub.periodEnd, true)
	case nr < 17:
		s.endSubscription(sub, "cancellation_requested")
	case nr < 19:
		s.pauseCollection(sub, "void", time.Time{})
	case nr < 20:
		ch := s.charges.byID[s.invoices.byID[sub.latestInvoice].intent.latestCharge]
		ch.refunded = 100
		re := &refund{id: s.id("re_"), status: "succeeded", charge: ch, amount: 100, created: s.now, transaction: s.id("txn_")}
		s.refunds.add(re, ch.id, ch.intent.id)
	}
}
