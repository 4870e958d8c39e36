package demo

import "slices"

// basil is the first API version with the newer shape
// (https://docs.stripe.com/changelog/basil).
const basil = "2025-03-31"

// dahlia is the first one in which an account can stand in the place of a customer.
const dahlia = "2026-03-25"

func newShape(v string) bool { return v >= basil }

// inVersion is a copy of an object of version 2023-10-16 in the shape of v. The versions
// before basil have the same fields.
func inVersion(v string, o object) object {
	if !newShape(v) {
		return o
	}
	return clone(o, func(inner object) {
		switch inner["object"] {
		case "subscription":
			moveSubscription(inner)
		case "invoice":
			moveInvoice(inner)
		case "line_item":
			moveLine(inner)
		case "charge", "payment_intent":
			delete(inner, "invoice")
		case "checkout.session":
			drop(inner, "shipping_details")
			inner["collected_information"] = nil
		}
		if _, has := inner["customer"]; has && v >= dahlia {
			inner["customer_account"] = nil
		}
	}).(object)
}

// clone copies a value deeply and lets move change each object of the copy, the inner
// ones first.
func clone(value any, move func(object)) any {
	switch v := value.(type) {
	case object:
		out := make(object, len(v))
		for name, inner := range v {
			out[name] = clone(inner, move)
		}
		move(out)
		return out
	case []any:
		out := slices.Clone(v)
		for i := range out {
			out[i] = clone(out[i], move)
		}
		return out
	}
	return value
}

func drop(o object, names ...string) {
	for _, name := range names {
		delete(o, name)
	}
}

// moveSubscription puts the period where it is since basil: on each item.
func moveSubscription(o object) {
	for _, it := range o["items"].(object)["data"].([]any) {
		it.(object)["current_period_start"] = o["current_period_start"]
		it.(object)["current_period_end"] = o["current_period_end"]
	}
	drop(o, "current_period_start", "current_period_end", "discount")
	o["discounts"] = []any{}
	o["billing_mode"] = object{"type": "classic"}
}

// moveInvoice puts the subscription into parent; the payments moved to objects of their own.
func moveInvoice(o object) {
	o["parent"] = object{
		"type": "subscription_details", "quote_details": nil, "subscription_details": object{
			"metadata": o["subscription_details"].(object)["metadata"], "subscription": o["subscription"],
		},
	}
	drop(o, "subscription", "subscription_details", "quote", "paid", "paid_out_of_band", "charge", "payment_intent",
		"application_fee_amount", "transfer_data", "discount", "tax", "total_tax_amounts")
	o["total_taxes"] = []any{}
	o["confirmation_secret"] = nil
	o["amount_overpaid"] = 0
}

// moveLine puts the price into pricing and the subscription into parent.
func moveLine(o object) {
	price, details := o["price"].(object), "subscription_item_details"
	if o["type"] == "invoiceitem" {
		details = "invoice_item_details"
	}
	o["pricing"] = object{
		"type": "price_details", "unit_amount_decimal": price["unit_amount_decimal"],
		"price_details": object{"price": price["id"], "product": price["product"]},
	}
	parent := object{"type": details, "invoice_item_details": nil, "subscription_item_details": nil}
	parent[details] = object{
		"invoice_item": o["invoice_item"], "proration": o["proration"], "proration_details": o["proration_details"],
		"subscription": o["subscription"], "subscription_item": o["subscription_item"],
	}
	o["parent"] = parent
	o["taxes"] = []any{}
	drop(o, "price", "plan", "type", "subscription_item", "invoice_item", "proration", "proration_details", "tax_amounts",
		"tax_rates", "amount_excluding_tax", "unit_amount_excluding_tax")
}

// invoicePayment is https://docs.stripe.com/api/invoice-payment/object, which exists since
// basil and in events only.
type invoicePayment struct {
	invoice *invoice
	id      string
}

func (p *invoicePayment) ident() string { return p.id }

func (p *invoicePayment) render() object {
	inv := p.invoice
	return object{
		"id": p.id, "object": "invoice_payment", "amount_paid": inv.paid, "amount_requested": inv.due,
		"created": inv.created.Unix(), "currency": inv.lines[0].price.currency, "invoice": inv.id, "is_default": true,
		"livemode": false, "payment": object{"type": "payment_intent", "payment_intent": inv.intent.id},
		"status": inv.status, "status_transitions": object{"canceled_at": nil, "paid_at": unix(inv.paidAt)},
	}
}
