package demo

import (
	"fmt"
	"time"
)

// BuyOptions say who buys what, and how. The zero value is somebody buying starter.
type BuyOptions struct {
	Customer  string // cus_… of somebody who bought before; "" for somebody new
	Email     string
	Name      string
	Price     string            // price_… or a lookup key of NewStripe; "" is starter
	Quantity  int64             // 0 is 1
	UserID    string            // client_reference_id: who this is in the company's own product
	Metadata  map[string]string // of the session and the subscription
	TrialDays int
	Async     bool // a bank debit: see CompleteAsync
	Card      Card
	TestClock string // clock_… for a customer whom list calls leave out
}

// Purchase names what a purchase made. Charge and PaymentIntent are "" when nothing was
// charged (a trial), Charge also while a bank debit is under way.
type Purchase struct {
	Customer, Subscription, Checkout, Invoice, PaymentIntent, Charge string
}

// Buy is a customer going through Checkout. With CardDeclines the customer gives up at
// Checkout and a subscription made through the API takes its place, which stays incomplete
// and expires after 23 hours; Checkout is then "".
func (s *Stripe) Buy(o BuyOptions) (Purchase, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buy(o)
}

func (s *Stripe) buy(o BuyOptions) (Purchase, error) {
	p, err := s.priceOf(o.Price)
	if err != nil {
		return Purchase{}, err
	}
	cs := &checkout{
		email: o.Email, name: o.Name, reference: o.UserID, price: p, quantity: max(o.Quantity, 1), trialDays: o.TrialDays,
		successURL: "https://example.com/thanks", cancelURL: "https://example.com/pricing", metadata: o.Metadata,
		subMetadata: o.Metadata, delayed: o.Async,
	}
	if o.Customer != "" {
		cus, err := s.livingCustomer(o.Customer, "customer")
		if err != nil {
			return Purchase{}, err
		}
		cs.customer, cs.email, cs.name = cus, cus.email, cus.name
	}
	if o.Card == CardDeclines && o.TrialDays == 0 {
		return s.buyIncomplete(cs, o.TestClock), nil
	}
	sub, err := s.complete(s.open(cs), o.Card, o.TestClock)
	if err != nil {
		return Purchase{}, err
	}
	out := s.purchase(sub)
	out.Checkout = cs.id
	return out, nil
}

func (s *Stripe) buyIncomplete(cs *checkout, testClock string) Purchase {
	cus := cs.customer
	if cus == nil {
		cus = s.newCustomer(&customer{email: cs.email, name: cs.name, testClock: testClock, method: s.id("pm_")})
	}
	cus.card = CardDeclines
	items := []*item{{id: s.id("si_"), price: cs.price, quantity: cs.quantity, created: s.now}}
	sub := s.start(cus, items, 0, cs.subMetadata)
	_ = s.refuse(s.invoices.byID[sub.latestInvoice]) // the refusal is the story
	return s.purchase(sub)
}

// priceOf finds a price by its id or its lookup key.
func (s *Stripe) priceOf(name string) (*price, error) {
	if name == "" {
		name = "starter"
	}
	for _, p := range s.prices.all {
		if p.id == name || p.lookupKey == name {
			return p, nil
		}
	}
	return nil, fmt.Errorf("no such price: %q", name)
}

func (s *Stripe) purchase(sub *subscription) Purchase {
	inv := s.invoices.byID[sub.latestInvoice]
	out := Purchase{Customer: sub.customer.id, Subscription: sub.id, Invoice: inv.id}
	if inv.intent != nil {
		out.PaymentIntent, out.Charge = inv.intent.id, inv.intent.latestCharge
	}
	return out
}

// Price is the id of the price with a lookup key; "" when there is none.
func (s *Stripe) Price(lookupKey string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.prices.all {
		if p.lookupKey == lookupKey {
			return p.id
		}
	}
	return ""
}

// CompleteAsync ends the wait for the bank debit of a Checkout session.
func (s *Stripe) CompleteAsync(checkoutID string, ok bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	cs, err := find(&s.checkouts, "checkout.session", checkoutID)
	if err != nil {
		return err
	}
	inv := s.invoices.byID[cs.invoice]
	if inv == nil || !s.processing(inv) {
		return fmt.Errorf("checkout %s does not wait for a payment", checkoutID)
	}
	if !ok {
		_ = s.refuse(inv) // the refusal is the story
		s.emit("checkout.session.async_payment_failed", cs, nil)
		s.expireAfterADay(inv.subscription)
		s.catchUp(s.now)
		return nil
	}
	s.succeed(inv)
	cs.paymentStatus = "paid"
	s.emit("checkout.session.async_payment_succeeded", cs, nil)
	return nil
}

// DebitPayment renews a subscription now, ahead of its time, by a bank debit, and returns the invoice. EndDebit
// ends it.
func (s *Stripe) DebitPayment(subscriptionID string) (invoiceID string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub, err := s.runningSubscription(subscriptionID)
	if err != nil {
		return "", err
	}
	sub.anchor = s.now
	inv := s.renew(sub, s.now)
	s.finalize(inv)
	s.debit(inv)
	return inv.id, nil
}

// EndDebit is the bank's answer to a debit.
func (s *Stripe) EndDebit(invoiceID string, ok bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	inv, err := s.openInvoice(invoiceID)
	switch {
	case err != nil:
		return err
	case !s.processing(inv):
		return fmt.Errorf("no debit of invoice %s is under way", invoiceID)
	case ok:
		s.succeed(inv)
	default:
		_ = s.refuse(inv) // the refusal is the story
	}
	return nil
}

// FailPayment renews a subscription now, ahead of its time, with a card that is refused,
// and returns the invoice. The card stays bad until RecoverPayment.
func (s *Stripe) FailPayment(subscriptionID string) (invoiceID string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub, err := s.runningSubscription(subscriptionID)
	if err != nil {
		return "", err
	}
	return s.failPayment(sub).id, nil
}

func (s *Stripe) failPayment(sub *subscription) *invoice {
	sub.customer.card = CardDeclines
	sub.anchor = s.now
	inv := s.renew(sub, s.now)
	s.finalize(inv)
	_ = s.attempt(inv) // the refusal is the story
	return inv
}

// runningSubscription finds a subscription that has not ended.
func (s *Stripe) runningSubscription(id string) (*subscription, error) {
	sub, err := find(&s.subscriptions, "subscription", id)
	if err == nil && sub.over() {
		err = fmt.Errorf("subscription %s has ended", id)
	}
	return sub, err
}

// RetryPayment tries to collect an open invoice again, and is refused again. After the
// fourth attempt the subscription is canceled.
func (s *Stripe) RetryPayment(invoiceID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	inv, err := s.openInvoice(invoiceID)
	if err == nil {
		inv.customer.card = CardDeclines
		_ = s.attempt(inv) // the refusal is the story
	}
	return err
}

// RecoverPayment is the customer entering a good card: the invoice is paid and the
// subscription active again.
func (s *Stripe) RecoverPayment(invoiceID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	inv, err := s.openInvoice(invoiceID)
	if err == nil {
		inv.customer.card = CardOK
		s.succeed(inv)
	}
	return err
}

func (s *Stripe) openInvoice(id string) (*invoice, error) {
	inv, err := find(&s.invoices, "invoice", id)
	if err == nil && inv.status != "open" {
		err = fmt.Errorf("invoice %s is %s, not open", id, inv.status)
	}
	return inv, err
}

// Cancel ends a subscription at once or with the present period.
func (s *Stripe) Cancel(subscriptionID string, atPeriodEnd bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub, err := s.runningSubscription(subscriptionID)
	switch {
	case err != nil:
		return err
	case atPeriodEnd:
		s.change(sub, "customer.subscription.updated", func() { s.cancelLater(sub, sub.periodEnd, true) })
	default:
		s.endSubscription(sub, "cancellation_requested")
	}
	return nil
}

// Keep takes back a Cancel at the period's end.
func (s *Stripe) Keep(subscriptionID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub, err := s.runningSubscription(subscriptionID)
	if err == nil {
		s.change(sub, "customer.subscription.updated", func() { s.cancelLater(sub, time.Time{}, false) })
	}
	return err
}

// Resubscribe is a customer who left, or wants one more, buying again: a new subscription
// of the same customer.
func (s *Stripe) Resubscribe(customerID, price string) (Purchase, error) {
	return s.Buy(BuyOptions{Customer: customerID, Price: price})
}

// ChangePlan moves a subscription to another price (id or lookup key) and bills the
// difference for the rest of the period at once.
func (s *Stripe) ChangePlan(subscriptionID, price string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub, err := s.runningSubscription(subscriptionID)
	if err != nil {
		return err
	}
	p, err := s.priceOf(price)
	if err != nil {
		return err
	}
	it := sub.items[0]
	if p.currency != it.price.currency {
		return fmt.Errorf("subscription %s is in %s and cannot change to %s", sub.id, it.price.currency, p.currency)
	}
	var inv *invoice
	s.change(sub, "customer.subscription.updated", func() {
		s.swapItems(sub, []swap{{item: it, price: p, quantity: it.quantity}}, s.now, true)
		inv = s.billPending(sub)
	})
	if inv != nil {
		_ = s.attempt(inv) // a refusal leaves the subscription past due
	}
	return nil
}
