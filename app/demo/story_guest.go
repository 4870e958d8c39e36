package demo

// Quiet makes everything from now on happen without an event, as some changes in Stripe do, until Quiet(false).
func (s *Stripe) Quiet(is bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quiet = is
}

// PayAsGuest is a payment in US cents by somebody who gets no customer.
func (s *Stripe) PayAsGuest(amount int64) (chargeID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	pi := &intent{id: s.id("pi_"), status: "succeeded", secret: s.id(""), customer: &customer{}, invoice: &invoice{}, amount: amount, currency: "usd", created: s.now}
	ch := &charge{id: s.id("ch_"), status: "succeeded", intent: pi, amount: amount, created: s.now, transaction: s.id("txn_")}
	pi.latestCharge = ch.id
	s.intents.add(pi)
	s.charges.add(ch, pi.id)
	s.emit("charge.succeeded", ch, nil)
	return ch.id
}

// BuyAsGuest is a Checkout that was completed without a customer.
func (s *Stripe) BuyAsGuest(email string) (checkoutID string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.priceOf("starter")
	if err != nil {
		return "", err
	}
	cs := s.open(&checkout{email: email, price: p, quantity: 1})
	cs.status, cs.paymentStatus = "complete", "paid"
	s.emit("checkout.session.completed", cs, nil)
	return cs.id, nil
}
