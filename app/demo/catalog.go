package demo

import (
	"strconv"
	"time"
)

// product is https://docs.stripe.com/api/products/object.
type product struct {
	id, name, description string
	metadata              map[string]string
	active                bool
	created               time.Time
}

func (p *product) ident() string { return p.id }

func (p *product) render() object {
	return object{
		"id": p.id, "object": "product", "active": p.active, "created": p.created.Unix(), "default_price": nil,
		"description": orNull(p.description), "features": []any{}, "images": []any{}, "livemode": false,
		"metadata": labels(p.metadata), "name": p.name, "package_dimensions": nil, "shippable": nil,
		"statement_descriptor": nil, "tax_code": nil, "unit_label": nil, "updated": p.created.Unix(), "url": nil,
	}
}

// price is https://docs.stripe.com/api/prices/object; always recurring, per unit.
type price struct {
	id                  string
	product             *product
	active              bool
	currency            string
	amount              int64  // minor units
	interval            string // day, week, month or year
	every               int    // intervals
	lookupKey, nickname string
	metadata            map[string]string
	created             time.Time
}

func (p *price) ident() string { return p.id }

func (p *price) render() object {
	return object{
		"id": p.id, "object": "price", "active": p.active, "billing_scheme": "per_unit", "created": p.created.Unix(),
		"currency": p.currency, "custom_unit_amount": nil, "livemode": false, "lookup_key": orNull(p.lookupKey),
		"metadata": labels(p.metadata), "nickname": orNull(p.nickname), "product": p.product.id,
		"recurring": object{
			"aggregate_usage": nil, "interval": p.interval, "interval_count": p.every, "usage_type": "licensed",
		},
		"tax_behavior": "unspecified", "tiers_mode": nil, "transform_quantity": nil, "type": "recurring",
		"unit_amount": p.amount, "unit_amount_decimal": strconv.FormatInt(p.amount, 10),
	}
}

// after is the end of the nth period since anchor. Months end on the anchor's day or, when
// they are too short, on their last day (https://docs.stripe.com/billing/subscriptions/billing-cycle).
func (p *price) after(anchor time.Time, n int) time.Time {
	n *= p.every
	switch p.interval {
	case "day":
		return anchor.AddDate(0, 0, n)
	case "week":
		return anchor.AddDate(0, 0, 7*n)
	case "year":
		n *= 12
	}
	end := anchor.AddDate(0, n, 0)
	if end.Day() != anchor.Day() {
		return end.AddDate(0, 0, -end.Day())
	}
	return end
}

// periodEnd is the first end of a period after t.
func (p *price) periodEnd(anchor, t time.Time) time.Time {
	n := 1
	for !p.after(anchor, n).After(t) {
		n++
	}
	return p.after(anchor, n)
}

func (s *Stripe) createProduct(c *call) (object, error) {
	if !c.has("name") {
		return nil, missingParam("name")
	}
	p := &product{name: c.text("name"), description: c.text("description"), metadata: c.metadata(nil), active: c.text("active") != "false"}
	p.id, p.created = s.id("prod_"), s.now
	s.products.add(p)
	s.emit("product.created", p, nil)
	return p.render(), nil
}

func (s *Stripe) getProduct(c *call) (object, error) {
	p, err := find(&s.products, "product", c.id())
	if err != nil {
		return nil, err
	}
	return p.render(), nil
}

func (s *Stripe) listProducts(c *call) (object, error) {
	ids := c.list("ids")
	return page(c, s.products.all, func(p *product) bool {
		return among(ids, p.id) && c.agrees("active", p.active) && c.createdWithin(p.created)
	})
}

func (s *Stripe) createPrice(c *call) (object, error) {
	for _, name := range []string{"currency", "product", "unit_amount", "recurring[interval]"} {
		if !c.has(name) {
			return nil, missingParam(name)
		}
	}
	prod, ok := s.products.byID[c.text("product")]
	if !ok {
		return nil, missing("product", c.text("product"), "product")
	}
	amount, err := c.number("unit_amount", 0)
	if err != nil {
		return nil, err
	}
	every, err := c.number("recurring[interval_count]", 1)
	if err != nil {
		return nil, err
	}
	p := &price{
		id: s.id("price_"), product: prod, active: true, currency: c.text("currency"), amount: amount,
		interval: c.text("recurring[interval]"), every: int(every), lookupKey: c.text("lookup_key"),
		nickname: c.text("nickname"), metadata: c.metadata(nil), created: s.now,
	}
	s.prices.add(p, prod.id)
	s.emit("price.created", p, nil)
	return p.render(), nil
}

func (s *Stripe) getPrice(c *call) (object, error) {
	p, err := find(&s.prices, "price", c.id())
	if err != nil {
		return nil, err
	}
	return p.render(), nil
}

func (s *Stripe) listPrices(c *call) (object, error) {
	keys := c.list("lookup_keys")
	return page(c, s.prices.all, func(p *price) bool {
		return c.agrees("active", p.active) && among(keys, p.lookupKey) && c.createdWithin(p.created) &&
			c.is("product", p.product.id) && c.is("currency", p.currency)
	})
}
