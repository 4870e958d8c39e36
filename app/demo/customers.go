package demo

import (
	"maps"
	"strings"
	"time"
)

// Card is what a customer pays with.
type Card string

// The cards of the simulation.
const (
	CardOK       Card = ""         // every payment succeeds
	CardDeclines Card = "declines" // every payment fails with insufficient_funds
	CardNone     Card = "none"     // no payment method; only for trials
)

// customer is https://docs.stripe.com/api/customers/object.
type customer struct {
	id, email, name, phone, description string
	metadata                            map[string]string
	currency                            string
	balance                             int64 // negative: credit for the next invoice
	delinquent, deleted                 bool
	card                                Card
	method                              string // pm_…
	testClock                           string
	prefix                              string // of invoice numbers
	created                             time.Time
}

func (c *customer) ident() string { return c.id }

func (c *customer) render() object {
	if c.deleted {
		return object{"id": c.id, "object": "customer", "deleted": true}
	}
	return object{
		"id": c.id, "object": "customer", "address": nil, "balance": c.balance, "created": c.created.Unix(),
		"currency": orNull(c.currency), "default_source": nil, "delinquent": c.delinquent,
		"description": orNull(c.description), "discount": nil, "email": orNull(c.email),
		"invoice_prefix": c.prefix, "invoice_settings": object{
			"custom_fields": nil, "default_payment_method": orNull(c.method), "footer": nil, "rendering_options": nil,
		},
		"livemode": false, "metadata": labels(c.metadata), "name": orNull(c.name), "next_invoice_sequence": 1,
		"phone": orNull(c.phone), "preferred_locales": []any{}, "shipping": nil, "tax_exempt": "none",
		"test_clock": orNull(c.testClock),
	}
}

// newCustomer stores a customer and announces it.
func (s *Stripe) newCustomer(c *customer) *customer {
	c.id, c.created = s.id("cus_"), s.now
	c.prefix = strings.ToUpper(c.id[len(c.id)-8:])
	s.customers.add(c, c.testClock)
	s.emit("customer.created", c, nil)
	return c
}

func (s *Stripe) createCustomer(c *call) (object, error) {
	cus := &customer{testClock: c.text("test_clock")}
	if err := c.setCustomer(cus); err != nil {
		return nil, err
	}
	if c.text("payment_method") == "" && cus.method == "" {
		cus.card = CardNone
	}
	return s.newCustomer(cus).render(), nil
}

// setCustomer takes over what the call says about a customer, or changes nothing and says
// what is wrong.
func (c *call) setCustomer(cus *customer) error {
	balance, err := c.number("balance", cus.balance)
	if err != nil {
		return err
	}
	cus.balance = balance
	c.set("email", &cus.email)
	c.set("name", &cus.name)
	c.set("phone", &cus.phone)
	c.set("description", &cus.description)
	cus.metadata = c.metadata(cus.metadata)
	for _, name := range []string{"payment_method", "invoice_settings[default_payment_method]"} {
		if c.has(name) {
			cus.method = c.text(name)
			cus.card = cardOf(cus.method)
		}
	}
	return nil
}

// cardOf tells the test payment methods apart by their names, for example
// pm_card_visa and pm_card_chargeDeclined (https://docs.stripe.com/testing).
func cardOf(method string) Card {
	switch {
	case method == "":
		return CardNone
	case strings.Contains(method, "Declined"), strings.Contains(method, "Fail"):
		return CardDeclines
	}
	return CardOK
}

func (s *Stripe) getCustomer(c *call) (object, error) {
	cus, err := find(&s.customers, "customer", c.id())
	if err != nil {
		return nil, err
	}
	return cus.render(), nil
}

func (s *Stripe) updateCustomer(c *call) (object, error) {
	cus, err := s.livingCustomer(c.id(), "id")
	if err != nil {
		return nil, err
	}
	s.change(cus, "customer.updated", func() { err = c.setCustomer(cus) })
	return cus.render(), err
}

// livingCustomer finds a customer that was not deleted.
func (s *Stripe) livingCustomer(id, param string) (*customer, error) {
	cus, err := find(&s.customers, "customer", id)
	if err != nil {
		return nil, missing("customer", id, param)
	}
	if cus.deleted {
		return nil, missing("customer", id, param)
	}
	return cus, nil
}

func (s *Stripe) deleteCustomer(c *call) (object, error) {
	cus, err := s.livingCustomer(c.id(), "id")
	if err != nil {
		return nil, err
	}
	s.removeCustomer(cus)
	return cus.render(), nil
}

// removeCustomer cancels the subscriptions and deletes the customer for good.
func (s *Stripe) removeCustomer(cus *customer) {
	for _, sub := range s.subscriptions.of(cus.id) {
		if !sub.over() {
			s.endSubscription(sub, "cancellation_requested")
		}
	}
	s.emit("customer.deleted", cus, nil)
	cus.deleted = true
}

// listCustomers leaves out deleted customers, and those of a test clock unless asked.
func (s *Stripe) listCustomers(c *call) (object, error) {
	email, clock := c.text("email"), c.text("test_clock")
	return page(c, s.customers.of(clock), func(cus *customer) bool {
		return !cus.deleted && cus.testClock == clock && (email == "" || cus.email == email) &&
			c.createdWithin(cus.created)
	})
}

func cloneLabels(m map[string]string) map[string]string {
	out := maps.Clone(m)
	if out == nil {
		out = map[string]string{}
	}
	return out
}
