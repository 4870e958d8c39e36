package stripe

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"
)

// State reads everything about one customer: all subscriptions, the newest 100 invoices and
// charges with their refunds and disputes, the newest 20 checkout sessions. It is ErrNotFound
// when Stripe never had the customer; of a deleted one it returns what Stripe still tells.
// It takes five requests, one more for product names and for each disputed charge.
func (c *Client) State(ctx context.Context, customerID string) (State, error) {
	if customerID == "" {
		return State{}, &Error{Kind: ErrNotFound, Message: "no customer id"}
	}
	state := State{Source: SourceAPI, AsOf: time.Now().UTC()}
	raw, err := c.get(ctx, "/v1/customers/"+url.PathEscape(customerID), nil)
	if err != nil {
		return State{}, fmt.Errorf("reading a Stripe customer: %w", err)
	}
	if state.Customer, err = decodeCustomer(raw); err != nil {
		return State{}, unreadable(err)
	}
	steps := []func(context.Context, *State) error{
		c.readSubscriptions, c.readProductNames, c.readInvoices, c.readCharges, c.readDisputes, c.readCheckouts,
	}
	for _, step := range steps {
		err := step(ctx, &state)
		if state.Customer.Deleted && errors.Is(err, ErrNotFound) {
			continue // some lists know a deleted customer no more
		}
		if err != nil {
			return State{}, fmt.Errorf("reading a Stripe customer: %w", err)
		}
	}
	state.sort()
	state.link()
	state.forgiveDebits(nil)
	return state, nil
}

func (c *Client) readSubscriptions(ctx context.Context, s *State) error {
	query := url.Values{"customer": {s.Customer.ID}, "status": {"all"}}
	if s.Customer.Deleted {
		query.Set("status", "canceled") // the only way to list those of a deleted customer
	}
	for subscription, err := range decoded(c.list(ctx, "/v1/subscriptions", query), decodeSubscription) {
		if err != nil {
			return err
		}
		s.Subscriptions = append(s.Subscriptions, subscription)
	}
	return nil
}

// readProductNames asks for the products by id: in a list of subscriptions they are five levels
// deep, and Stripe expands four. Deleted products, and those the key may not read, stay unnamed.
func (c *Client) readProductNames(ctx context.Context, s *State) error {
	var ids []string
	for _, subscription := range s.Subscriptions {
		if subscription.Product != "" && !slices.Contains(ids, subscription.Product) {
			ids = append(ids, subscription.Product)
		}
	}
	names := map[string]string{}
	for some := range slices.Chunk(ids, 100) {
		products, err := c.page(ctx, "/v1/products", url.Values{"ids[]": some, "limit": {pageSize}})
		if errors.Is(err, ErrUnauthorized) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, raw := range products.Data {
			product, err := decode[wireProduct](raw, "product")
			if err != nil {
				return incomplete("%v", err)
			}
			names[product.ID] = product.Name
		}
	}
	for i := range s.Subscriptions {
		s.Subscriptions[i].ProductName = names[s.Subscriptions[i].Product]
	}
	return nil
}

func (c *Client) readInvoices(ctx context.Context, s *State) error {
	invoices, err := c.page(ctx, "/v1/invoices", url.Values{"customer": {s.Customer.ID}, "limit": {pageSize}})
	if err != nil {
		return err
	}
	for _, raw := range invoices.Data {
		invoice, _, err := decodeInvoice(raw)
		if err != nil {
			return incomplete("%v", err)
		}
		s.Invoices = append(s.Invoices, invoice)
	}
	return nil
}

func (c *Client) readCharges(ctx context.Context, s *State) error {
	charges, err := c.page(ctx, "/v1/charges", url.Values{
		"customer": {s.Customer.ID}, "limit": {pageSize}, "expand[]": {"data.refunds"},
	})
	if err != nil {
		return err
	}
	for _, raw := range charges.Data {
		charge, refunds, more, err := decodeCharge(raw)
		if err != nil {
			return incomplete("%v", err)
		}
		if more {
			if refunds, err = c.refundsOf(ctx, charge.ID); err != nil {
				return err
			}
		}
		s.Charges = append(s.Charges, charge)
		s.Refunds = append(s.Refunds, refunds...)
	}
	return nil
}

// refundsOf reads the refunds of a charge that has more than are shown with it.
func (c *Client) refundsOf(ctx context.Context, charge string) ([]Refund, error) {
	var refunds []Refund
	for refund, err := range decoded(c.list(ctx, "/v1/refunds", url.Values{"charge": {charge}}), decodeRefund) {
		if err != nil {
			return nil, err
		}
		refunds = append(refunds, refund)
	}
	return refunds, nil
}

func (c *Client) readDisputes(ctx context.Context, s *State) error {
	for _, charge := range s.Charges {
		if !charge.Disputed {
			continue
		}
		disputes := decoded(c.list(ctx, "/v1/disputes", url.Values{"charge": {charge.ID}}), decodeDispute)
		for dispute, err := range disputes {
			if err != nil {
				return err
			}
			s.Disputes = append(s.Disputes, dispute)
		}
	}
	return nil
}

func (c *Client) readCheckouts(ctx context.Context, s *State) error {
	sessions, err := c.page(ctx, "/v1/checkout/sessions", url.Values{"customer": {s.Customer.ID}, "limit": {"20"}})
	if err != nil {
		return err
	}
	for _, raw := range sessions.Data {
		checkout, err := decodeCheckout(raw)
		if err != nil {
			return incomplete("%v", err)
		}
		s.Checkouts = append(s.Checkouts, checkout)
	}
	return nil
}
