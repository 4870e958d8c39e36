package stripe

import (
	"context"
	"iter"
	"net/url"
	"strconv"
	"time"
)

// Customer reads one customer, also a deleted one or one of a test clock. It is ErrNotFound when Stripe
// never had it. It takes one request.
func (c *Client) Customer(ctx context.Context, id string) (Customer, error) {
	if id == "" {
		return Customer{}, &Error{Kind: ErrNotFound, Message: "no customer id"}
	}
	raw, err := c.get(ctx, "/v1/customers/"+url.PathEscape(id), nil)
	if err != nil {
		return Customer{}, err
	}
	customer, err := decodeCustomer(raw)
	if err != nil {
		return Customer{}, unreadable(err)
	}
	return customer, nil
}

// Invoices lists the invoices created since then, newest first. Like the lists below it is complete unless
// it yields an error, which ends it.
func (c *Client) Invoices(ctx context.Context, since time.Time) iter.Seq2[Invoice, error] {
	return listOf(ctx, c, "/v1/invoices", createdSince(since), "invoice", (*wireInvoice).invoice)
}

// Charges lists the charges created since then, newest first, without their refunds.
func (c *Client) Charges(ctx context.Context, since time.Time) iter.Seq2[Charge, error] {
	return listOf(ctx, c, "/v1/charges", createdSince(since), "charge", (*wireCharge).charge)
}

// Refunds lists the refunds created since then, newest first.
func (c *Client) Refunds(ctx context.Context, since time.Time) iter.Seq2[Refund, error] {
	return listOf(ctx, c, "/v1/refunds", createdSince(since), "refund", (*wireRefund).refund)
}

// Disputes lists the disputes created since then, newest first.
func (c *Client) Disputes(ctx context.Context, since time.Time) iter.Seq2[Dispute, error] {
	return listOf(ctx, c, "/v1/disputes", createdSince(since), "dispute", (*wireDispute).dispute)
}

// Checkouts lists the checkout sessions created since then, newest first.
func (c *Client) Checkouts(ctx context.Context, since time.Time) iter.Seq2[Checkout, error] {
	return func(yield func(Checkout, error) bool) {
		// This list cannot be asked for a time in every version, but it is newest first.
		for checkout, err := range listOf(ctx, c, "/v1/checkout/sessions", url.Values{}, "checkout.session", (*wireCheckout).checkout) {
			if err == nil && checkout.CreatedAt.Before(since) || !yield(checkout, err) {
				return
			}
		}
	}
}

func createdSince(t time.Time) url.Values {
	return url.Values{"created[gte]": {strconv.FormatInt(t.Unix(), 10)}}
}
