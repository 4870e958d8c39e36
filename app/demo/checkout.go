package demo

import (
	"strconv"
	"time"
)

// checkout is https://docs.stripe.com/api/checkout/sessions/object in subscription mode.
type checkout struct {
	id, status, paymentStatus string
	customer                  *customer // nil until known
	email, name               string
	reference                 string // client_reference_id
	price                     *price
	quantity                  int64
	trialDays                 int
	subscription, invoice     string
	successURL, cancelURL     string
	metadata, subMetadata     map[string]string
	created, expiresAt        time.Time
	delayed                   bool
}

func (cs *checkout) ident() string { return cs.id }

func (cs *checkout) render() object {
	var cus, details, url any
	if cs.customer != nil {
		cus = cs.customer.id
	}
	if cs.status == "complete" {
		details = object{
			"address": nil, "email": orNull(cs.email), "name": orNull(cs.name), "phone": nil, "tax_exempt": "none", "tax_ids": []any{},
		}
	}
	if cs.status == "open" {
		url = "https://checkout.stripe.com/c/pay/" + cs.id
	}
	total := cs.total()
	method := "card"
	if cs.delayed {
		method = "sepa_debit"
	}
	return object{
		"id": cs.id, "object": "checkout.session", "after_expiration": nil, "allow_promotion_codes": nil,
		"amount_subtotal": total, "amount_total": total,
		"automatic_tax":              object{"enabled": false, "liability": nil, "status": nil},
		"billing_address_collection": nil, "cancel_url": orNull(cs.cancelURL), "client_reference_id": orNull(cs.reference),
		"client_secret": nil, "consent": nil, "consent_collection": nil, "created": cs.created.Unix(),
		"currency": cs.price.currency, "currency_conversion": nil, "custom_fields": []any{},
		"custom_text": object{
			"after_submit": nil, "shipping_address": nil, "submit": nil, "terms_of_service_acceptance": nil,
		},
		"customer": cus, "customer_creation": "always", "customer_details": details, "customer_email": orNull(cs.email),
		"expires_at": cs.expiresAt.Unix(), "invoice": orNull(cs.invoice), "invoice_creation": nil, "livemode": false,
		"locale": nil, "metadata": labels(cs.metadata), "mode": "subscription", "payment_intent": nil,
		"payment_link": nil, "payment_method_collection": "always", "payment_method_configuration_details": nil,
		"payment_method_options": object{}, "payment_method_types": []any{method}, "payment_status": cs.paymentStatus,
		"phone_number_collection": object{"enabled": false}, "recovered_from": nil, "setup_intent": nil,
		"shipping_address_collection": nil, "shipping_cost": nil, "shipping_details": nil, "shipping_options": []any{},
		"status": cs.status, "submit_type": nil, "subscription": orNull(cs.subscription),
		"success_url":   orNull(cs.successURL),
		"total_details": object{"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0}, "ui_mode": "hosted", "url": url,
	}
}

func (cs *checkout) total() int64 {
	if cs.trialDays > 0 {
		return 0
	}
	return cs.price.amount * cs.quantity
}

// renderItems is the line_items list, shown only when expanded.
func (cs *checkout) renderItems() object {
	return object{
		"object": "list", "url": "/v1/checkout/sessions/" + cs.id + "/line_items", "has_more": false,
		"data": []any{object{
			"id": "li_" + cs.id[len(cs.id)-24:], "object": "item", "amount_discount": 0, "amount_subtotal": cs.total(),
			"amount_tax": 0, "amount_total": cs.total(), "currency": cs.price.currency,
			"description": cs.price.product.name, "price": cs.price.render(), "quantity": cs.quantity,
		}},
	}
}

// open stores a session; it expires after a day.
func (s *Stripe) open(cs *checkout) *checkout {
	cs.id, cs.status, cs.paymentStatus = s.id("cs_test_"), "open", "unpaid"
	cs.created, cs.expiresAt = s.now, s.now.Add(24*time.Hour)
	owner := ""
	if cs.customer != nil {
		owner = cs.customer.id
	}
	s.checkouts.add(cs, owner)
	s.at(cs.expiresAt, func() { s.expireCheckout(cs) })
	return cs
}

func (s *Stripe) expireCheckout(cs *checkout) {
	if cs.status == "open" {
		cs.status = "expired"
		s.emit("checkout.session.expired", cs, nil)
	}
}

// complete is the customer pressing "subscribe". A refused card leaves the session open
// and creates nothing, as the customer can try another one.
func (s *Stripe) complete(cs *checkout, card Card, testClock string) (*subscription, error) {
	if card == CardDeclines && cs.trialDays == 0 {
		return nil, declined
	}
	if cs.customer == nil {
		cs.customer = &customer{email: cs.email, name: cs.name, testClock: testClock, card: card}
		if card != CardNone {
			cs.customer.method = s.id("pm_")
		}
		s.newCustomer(cs.customer)
		s.checkouts.own(cs, cs.customer.id)
	}
	cs.customer.card = card
	sub := s.start(cs.customer, []*item{{id: s.id("si_"), price: cs.price, quantity: cs.quantity, created: s.now}}, cs.trialDays, cs.subMetadata)
	inv := s.invoices.byID[sub.latestInvoice]
	cs.status, cs.subscription, cs.invoice = "complete", sub.id, inv.id
	s.checkouts.own(cs, sub.id)
	switch {
	case cs.delayed && inv.intent != nil:
		s.debit(inv)
	case inv.due == 0:
		cs.paymentStatus = "no_payment_required"
		s.succeed(inv)
	default:
		cs.paymentStatus = "paid"
		s.succeed(inv)
	}
	s.emit("checkout.session.completed", cs, nil)
	return sub, nil
}

func (s *Stripe) createCheckout(c *call) (object, error) {
	if c.text("mode") != "subscription" {
		return nil, invalid("", "mode", "This simulation knows mode=subscription only.")
	}
	p, ok := s.prices.byID[c.text("line_items[0][price]")]
	if !ok {
		return nil, missing("price", c.text("line_items[0][price]"), "line_items[0][price]")
	}
	quantity, err := c.number("line_items[0][quantity]", 1)
	if err != nil {
		return nil, err
	}
	trial, err := c.number("subscription_data[trial_period_days]", 0)
	if err != nil {
		return nil, err
	}
	cs := &checkout{
		email: c.text("customer_email"), reference: c.text("client_reference_id"), price: p, quantity: quantity,
		trialDays: int(trial), successURL: c.text("success_url"), cancelURL: c.text("cancel_url"),
		metadata: c.metadata(nil), subMetadata: c.labels("subscription_data[metadata]", nil),
	}
	if id := c.text("customer"); id != "" {
		cus, err := s.livingCustomer(id, "customer")
		if err != nil {
			return nil, err
		}
		cs.customer, cs.email, cs.name = cus, cus.email, cus.name
	}
	return s.open(cs).render(), nil
}

func (s *Stripe) getCheckout(c *call) (object, error) {
	cs, err := find(&s.checkouts, "checkout.session", c.id())
	if err != nil {
		return nil, err
	}
	return cs.render(), nil
}

func (s *Stripe) getCheckoutItems(c *call) (object, error) {
	cs, err := find(&s.checkouts, "checkout.session", c.id())
	if err != nil {
		return nil, err
	}
	return cs.renderItems(), nil
}

func (s *Stripe) closeCheckout(c *call) (object, error) {
	cs, err := find(&s.checkouts, "checkout.session", c.id())
	if err != nil {
		return nil, err
	}
	if cs.status != "open" {
		return nil, invalid("", "", "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status of "+strconv.Quote(cs.status)+".")
	}
	s.expireCheckout(cs)
	return cs.render(), nil
}

func (s *Stripe) listCheckouts(c *call) (object, error) {
	return page(c, s.checkouts.of(c.first("customer", "subscription")), func(cs *checkout) bool {
		return (!c.has("customer") || cs.customer != nil && c.is("customer", cs.customer.id)) &&
			c.is("subscription", cs.subscription) && c.is("status", cs.status)
	})
}
