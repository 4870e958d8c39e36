package demo

import (
	"fmt"
	"math/big"
	"slices"
	"time"
)

// swap is one item and what it becomes when the plan changes
// (https://docs.stripe.com/billing/subscriptions/prorations).
type swap struct {
	item     *item
	price    *price
	quantity int64
}

// editItems reads the changes to the items of a subscription and their proration.
func (s *Stripe) editItems(c *call, sub *subscription) (func(), error) {
	swaps, err := s.swapsOf(c, sub, "items")
	if err != nil || len(swaps) == 0 {
		return nothing, err
	}
	when, err := c.moment("proration_date")
	if err != nil {
		return nil, err
	}
	if when.IsZero() {
		when = s.now
	}
	behavior := c.text("proration_behavior")
	if behavior != "" && !slices.Contains([]string{"create_prorations", "always_invoice", "none"}, behavior) {
		return nil, invalid("parameter_invalid", "proration_behavior", "Invalid proration_behavior: must be one of create_prorations, always_invoice, or none")
	}
	return func() { s.swapItems(sub, swaps, when, behavior != "none") }, nil
}

// swapsOf reads name[0][id], name[0][price] and name[0][quantity]. Without an id the only
// item is meant: adding further items is not simulated.
func (s *Stripe) swapsOf(c *call, sub *subscription, name string) ([]swap, error) {
	var out []swap
	for i := 0; ; i++ {
		prefix := fmt.Sprintf("%s[%d]", name, i)
		if !c.has(prefix+"[id]") && !c.has(prefix+"[price]") {
			return out, nil
		}
		sw, err := s.swapOf(c, sub, prefix)
		if err != nil {
			return nil, err
		}
		out = append(out, sw)
	}
}

func (s *Stripe) swapOf(c *call, sub *subscription, prefix string) (swap, error) {
	at := 0
	if id := c.text(prefix + "[id]"); id != "" {
		if at = slices.IndexFunc(sub.items, func(it *item) bool { return it.id == id }); at < 0 {
			return swap{}, missing("subscription_item", id, prefix+"[id]")
		}
	}
	sw := swap{item: sub.items[at], price: sub.items[at].price}
	if id := c.text(prefix + "[price]"); id != "" {
		p, ok := s.prices.byID[id]
		if !ok {
			return swap{}, missing("price", id, prefix+"[price]")
		}
		sw.price = p
	}
	if sw.price.currency != sw.item.price.currency {
		return swap{}, invalid("", prefix+"[price]", fmt.Sprintf("The price specified supports currencies of `%s`. This doesn't match the expected currency: `%s`.", sw.price.currency, sw.item.price.currency))
	}
	quantity, err := c.number(prefix+"[quantity]", sw.item.quantity)
	sw.quantity = quantity
	return sw, err
}

// swapItems changes the items. The unused part of the old and the rest of the new price
// wait for the next invoice. A new interval begins a new period today.
func (s *Stripe) swapItems(sub *subscription, swaps []swap, when time.Time, prorate bool) {
	fresh := newPeriod(swaps)
	if prorate && sub.status != "trialing" {
		sub.pending = append(sub.pending, prorations(sub, swaps, when, fresh)...)
	}
	for _, sw := range swaps {
		sw.item.price, sw.item.quantity = sw.price, sw.quantity
	}
	if fresh && sub.status != "trialing" {
		sub.anchor, sub.periodStart = when, when
		sub.periodEnd = sub.items[0].price.periodEnd(when, when)
		sub.pending = append(sub.pending, sub.lines()...)
		s.watchPeriod(sub)
	}
}

// newPeriod says that a price of another interval begins a new period.
func newPeriod(swaps []swap) bool {
	return slices.ContainsFunc(swaps, func(sw swap) bool {
		return sw.price.interval != sw.item.price.interval || sw.price.every != sw.item.price.every
	})
}

// prorations are the lines for the rest of the present period.
func prorations(sub *subscription, swaps []swap, when time.Time, onlyCredit bool) []line {
	var out []line
	for _, sw := range swaps {
		old := sw.item
		l := line{price: old.price, quantity: old.quantity, item: old.id, start: when, end: sub.periodEnd, proration: true}
		l.amount = -share(old.price.amount*old.quantity, sub, when)
		l.description = "Unused time on " + old.price.product.name + " after " + when.Format("02 Jan 2006")
		out = append(out, l)
		if onlyCredit {
			continue
		}
		l.price, l.quantity = sw.price, sw.quantity
		l.amount = share(sw.price.amount*sw.quantity, sub, when)
		l.description = "Remaining time on " + sw.price.product.name + " after " + when.Format("02 Jan 2006")
		out = append(out, l)
	}
	return out
}

// share is the part of amount for the time from when to the end of the period, to the
// second, rounded half up.
func share(amount int64, sub *subscription, when time.Time) int64 {
	whole := sub.periodEnd.Unix() - sub.periodStart.Unix()
	rest := min(max(sub.periodEnd.Unix()-when.Unix(), 0), whole)
	part := new(big.Int).Mul(big.NewInt(2*amount), big.NewInt(rest))
	part.Add(part, big.NewInt(whole)).Div(part, big.NewInt(2*whole))
	return part.Int64()
}

// billPending makes an invoice of what waits for the next one; nil when nothing does.
func (s *Stripe) billPending(sub *subscription) *invoice {
	if len(sub.pending) == 0 {
		return nil
	}
	inv := s.newInvoice(sub, "subscription_update", sub.pending)
	sub.pending, sub.latestInvoice = nil, inv.id
	s.finalize(inv)
	return inv
}
