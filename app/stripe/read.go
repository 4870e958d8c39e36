package stripe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"time"
)

// Parts says what of a customer to read beside themselves and their subscriptions, each with its newest
// invoice, the charge of that and its refunds: the one request that is always made.
type Parts struct {
	Payments  bool     // the newest 100 invoices and charges with their refunds and disputes
	Checkouts bool     // the newest 20 checkout sessions
	Names     bool     // the names of products also where they were asked for within a day
	Invoices  []string // which must be among what is read: Payments is read as well if one is not the newest
}

// All is everything.
var All = Parts{Payments: true, Checkouts: true, Names: true}

// State reads a customer, all their subscriptions, and so much of the rest. It is ErrNotFound when
// Stripe never had the customer; of a deleted one it returns what Stripe still tells. It takes one
// request, one more for a customer without subscriptions, for product names, for checkouts and for
// each disputed charge, and two for payments.
func (c *Client) State(ctx context.Context, customerID string, parts Parts) (State, error) {
	if customerID == "" {
		return State{}, &Error{Kind: ErrNotFound, Message: "no customer id"}
	}
	state := State{Source: SourceAPI, AsOf: time.Now().UTC(), Parts: parts}
	steps := []func(context.Context, *State) error{c.readNames, c.readPayments, c.readDisputes, c.readCheckouts}
	err := c.readCustomer(ctx, customerID, &state)
	for len(steps) > 0 && err == nil {
		err = steps[0](ctx, &state)
		if state.Customer.Deleted && errors.Is(err, ErrNotFound) {
			err = nil // some lists know a deleted customer no more
		}
		steps = steps[1:]
	}
	if err != nil {
		return State{}, fmt.Errorf("reading a Stripe customer: %w", err)
	}
	state.sort()
	state.link()
	state.forgiveDebits(nil)
	return state, nil
}

// readCustomer reads the subscriptions, which show their customer. One that has none is asked for, and so
// is one whom the list does not know.
func (c *Client) readCustomer(ctx context.Context, id string, s *State) error {
	err := c.readSubscriptions(ctx, id, "all", s)
	unknown := err == nil || errors.Is(err, ErrNotFound) || errors.Is(err, ErrRefused)
	if s.Customer.ID != "" || !unknown {
		return err
	}
	customer, missing := c.Customer(ctx, id)
	if missing != nil {
		return missing
	}
	s.Customer = customer
	if customer.Deleted { // those of a deleted customer are in this list only
		err = c.readSubscriptions(ctx, id, "canceled", s)
	}
	return err
}

func (c *Client) readSubscriptions(ctx context.Context, customer, status string, s *State) error {
	query := url.Values{"customer": {customer}, "status": {status}, "expand[]": {"data.customer"}}
	if !s.Parts.Payments {
		query.Add("expand[]", "data.latest_invoice.charge.refunds")
	}
	for w, err := range elements[wireRaw](ctx, c, "/v1/subscriptions", query, "subscription") {
		if err == nil {
			err = c.readSubscription(ctx, w.raw, s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// wireAround is what a subscription shows when it is asked to.
type wireAround struct {
	Customer expanded `json:"customer"`
	Invoice  expanded `json:"latest_invoice"`
}

// expanded is an object that may be there in full: nil where there is none, or its id alone.
type expanded json.RawMessage

func (e *expanded) UnmarshalJSON(raw []byte) error {
	if raw[0] == '{' {
		*e = slices.Clone(raw)
	}
	return nil
}

func (c *Client) readSubscription(ctx context.Context, raw json.RawMessage, s *State) error {
	subscription, err := decodeSubscription(raw)
	if err != nil {
		return incomplete("%v", err)
	}
	s.Subscriptions = append(s.Subscriptions, subscription)
	var around wireAround
	if err := json.Unmarshal(raw, &around); err != nil {
		return incomplete("%v", err)
	}
	if around.Customer != nil {
		if s.Customer, err = decodeCustomer(json.RawMessage(around.Customer)); err != nil {
			return incomplete("%v", err)
		}
	}
	if around.Invoice != nil {
		return c.takeInvoice(ctx, json.RawMessage(around.Invoice), s)
	}
	return nil
}

// takeInvoice takes an invoice and, if it is there in full, its charge.
func (c *Client) takeInvoice(ctx context.Context, raw json.RawMessage, s *State) error {
	invoice, _, err := decodeInvoice(raw)
	if err != nil {
		return incomplete("%v", err)
	}
	s.Invoices = append(s.Invoices, invoice)
	var paid struct {
		Charge expanded `json:"charge"`
	}
	if err := json.Unmarshal(raw, &paid); err != nil || paid.Charge == nil {
		return err
	}
	charge, err := decode[wireCharge](json.RawMessage(paid.Charge), "charge")
	if err != nil {
		return incomplete("%v", err)
	}
	return c.takeCharge(ctx, &charge, s)
}

// takeCharge takes a charge and its refunds, which are asked for where there are more than it shows.
func (c *Client) takeCharge(ctx context.Context, charge *wireCharge, s *State) error {
	refunds, err := charge.refunds()
	if err != nil {
		return incomplete("%v", err)
	}
	if charge.Refunds.HasMore {
		if refunds, err = c.refundsOf(ctx, charge.ID); err != nil {
			return err
		}
	}
	s.Charges = append(s.Charges, charge.charge())
	s.Refunds = append(s.Refunds, refunds...)
	return nil
}

// readPayments reads invoices and charges, unless the newest are all that was wanted.
func (c *Client) readPayments(ctx context.Context, s *State) error {
	for _, id := range s.Parts.Invoices {
		is := func(i Invoice) bool { return i.ID == id }
		s.Parts.Payments = s.Parts.Payments || !slices.ContainsFunc(s.Invoices, is)
	}
	if !s.Parts.Payments {
		return nil
	}
	s.Invoices, s.Charges, s.Refunds = nil, nil, nil
	if err := c.readInvoices(ctx, s); err != nil {
		return err
	}
	return c.readCharges(ctx, s)
}

func (c *Client) readInvoices(ctx context.Context, s *State) error {
	query := url.Values{"customer": {s.Customer.ID}, "limit": {pageSize}}
	invoices, err := pageOf[wireInvoice](ctx, c, "/v1/invoices", query, "invoice")
	if err != nil {
		return err
	}
	for i := range invoices.Data {
		s.Invoices = append(s.Invoices, invoices.Data[i].invoice())
	}
	return nil
}

func (c *Client) readCharges(ctx context.Context, s *State) error {
	query := url.Values{"customer": {s.Customer.ID}, "limit": {pageSize}, "expand[]": {"data.refunds"}}
	charges, err := pageOf[wireCharge](ctx, c, "/v1/charges", query, "charge")
	if err != nil {
		return err
	}
	for i := range charges.Data {
		if err := c.takeCharge(ctx, &charges.Data[i], s); err != nil {
			return err
		}
	}
	return nil
}

// refundsOf reads the refunds of a charge that has more than are shown with it.
func (c *Client) refundsOf(ctx context.Context, charge string) ([]Refund, error) {
	return gather(listOf(ctx, c, "/v1/refunds", url.Values{"charge": {charge}}, "refund", (*wireRefund).refund))
}

func (c *Client) readDisputes(ctx context.Context, s *State) error {
	for _, charge := range s.Charges {
		if !charge.Disputed {
			continue
		}
		disputes, err := gather(listOf(ctx, c, "/v1/disputes", url.Values{"charge": {charge.ID}}, "dispute", (*wireDispute).dispute))
		if err != nil {
			return err
		}
		s.Disputes = append(s.Disputes, disputes...)
	}
	return nil
}

// gather is the whole of a list, or its error.
func gather[T any](list iter.Seq2[T, error]) (all []T, err error) {
	for object, err := range list {
		if err != nil {
			return nil, err
		}
		all = append(all, object)
	}
	return all, nil
}

func (c *Client) readCheckouts(ctx context.Context, s *State) error {
	if !s.Parts.Checkouts {
		return nil
	}
	query := url.Values{"customer": {s.Customer.ID}, "limit": {"20"}}
	sessions, err := pageOf[wireCheckout](ctx, c, "/v1/checkout/sessions", query, "checkout.session")
	if err != nil {
		return err
	}
	for i := range sessions.Data {
		s.Checkouts = append(s.Checkouts, sessions.Data[i].checkout())
	}
	return nil
}
