package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"bursar/app/billing"
	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/stripe"
)

const (
	firstLook = 35 * 24 * time.Hour // how far a first run looks back for payments
	overlap   = 72 * time.Hour      // how far before the last whole run the next one begins: a state may change late
	maxWhole  = 5000                // customers; with more a night looks at what is new only
)

// compareRecent compares what is new in Stripe with here: invoices, refunds, disputes, checkouts and payments.
// It looks back five weeks, or with many customers to the last run that read everything, so that a night costs
// few calls; what it found earlier and is still open is seen again.
func (c *comparison) compareRecent(ctx context.Context) error {
	since := c.started.Add(-firstLook)
	last, err := c.DB.Read().PreviousStripeRun(ctx, c.row.ID)
	if err == nil && c.row.Customers > maxWhole && last.StartedAt.Add(-overlap).After(since) {
		since = last.StartedAt.Add(-overlap)
	}
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return err
	}
	for _, list := range []struct {
		what string
		read func(context.Context) error
	}{
		{"invoices", func(ctx context.Context) error { return each(ctx, c.Stripe.Invoices(ctx, since), c.compareInvoice) }},
		{"refunds", func(ctx context.Context) error { return each(ctx, c.Stripe.Refunds(ctx, since), c.compareRefund) }},
		{"disputes", func(ctx context.Context) error { return each(ctx, c.Stripe.Disputes(ctx, since), c.compareDispute) }},
		{"checkouts", func(ctx context.Context) error { return each(ctx, c.Stripe.Checkouts(ctx, since), c.compareCheckout) }},
		{"payments", func(ctx context.Context) error { return each(ctx, c.Stripe.Charges(ctx, since), c.compareCharge) }},
	} {
		if err := c.retrying(ctx, list.read); err != nil {
			return fmt.Errorf("Stripe's %s could not be read whole: %w", list.what, err)
		}
	}
	names, err := json.Marshal(namesOf(recent))
	if err != nil {
		return err
	}
	if err := c.flush(ctx); err != nil {
		return err
	}
	return c.DB.Tx(ctx, func(q *db.Queries) error { return q.CarryFindings(ctx, c.row.ID, db.Now(), string(names)) })
}

func each[T any](ctx context.Context, list iter.Seq2[T, error], compare func(context.Context, T) error) error {
	for item, err := range list {
		if err == nil {
			err = compare(ctx, item)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// owner is our customer of a Stripe customer, 0 if it is not known: then that is what is found.
func (c *comparison) owner(ctx context.Context, stripeID string) (int64, error) {
	known, err := c.DB.Read().StripeCustomer(ctx, stripeID)
	if errors.Is(err, db.ErrNoRows) {
		return 0, nil
	}
	return known.CustomerID, err
}

// money makes a finding about a payment of a Stripe customer; nothing where that is not known here, or where
// something was found already that is mended by the same reading.
func (c *comparison) money(ctx context.Context, kind, subject, stripeID, expected, actual string) error {
	owner, err := c.owner(ctx, stripeID)
	if _, covered := c.covered[stripeID]; err != nil || owner == 0 || covered && !c.ends[stripeID] {
		return err
	}
	now := time.Now()
	return c.add(ctx, finding{kind: kind, subject: subject, customerID: owner, stripeCustomer: stripeID, expected: expected, actual: actual,
		job: billing.SyncCustomer{StripeCustomer: stripeID}, systems: Systems{Stripe: &Said{expected, now}, Bursar: &Said{actual, now}}})
}

// compareInvoice compares what was paid or failed; drafts and what was never tried are no difference yet.
func (c *comparison) compareInvoice(ctx context.Context, s stripe.Invoice) error {
	if s.Customer == "" || c.young(s.CreatedAt) {
		return nil
	}
	here, err := c.DB.Read().InvoiceByID(ctx, s.ID)
	if errors.Is(err, db.ErrNoRows) {
		if s.Status == "paid" && s.AmountPaid > 0 || s.Failed {
			return c.money(ctx, invoiceMissing, s.ID, s.Customer, invoiceState(s.Status, s.Failed, s.AmountPaid, s.AmountDue, s.Currency), "not known")
		}
		return nil
	}
	if err != nil {
		return err
	}
	if s.Failed && !here.Failed && here.Charge != "" {
		charge, err := c.DB.Read().ChargeByID(ctx, here.Charge)
		if err != nil && !errors.Is(err, db.ErrNoRows) {
			return err
		}
		s.Failed = charge.Status != "pending" // the list of invoices does not tell a bank debit that is under way
	}
	expected := invoiceState(s.Status, s.Failed, s.AmountPaid, s.AmountDue, s.Currency)
	actual := invoiceState(here.Status, here.Failed, here.AmountPaid, here.AmountDue, here.Currency)
	untried := s.Status == "open" && !s.Failed && here.Status == "draft"
	if expected == actual || untried || s.Status == "draft" {
		return nil
	}
	return c.money(ctx, invoiceDiffers, s.ID, s.Customer, expected, actual)
}

func invoiceState(status string, failed bool, paid, due int64, currency string) string {
	amount := customer.FormatAmount(due, currency)
	if status == "paid" {
		amount = customer.FormatAmount(paid, currency)
	}
	if failed {
		status = "failed"
	}
	return status + ", " + amount
}

func (c *comparison) compareRefund(ctx context.Context, s stripe.Refund) error {
	if c.young(s.CreatedAt) {
		return nil
	}
	expected := s.Status + ", " + customer.FormatAmount(s.Amount, s.Currency)
	here, err := c.DB.Read().RefundByID(ctx, s.ID)
	if err == nil {
		actual := here.Status + ", " + customer.FormatAmount(here.Amount, here.Currency)
		if actual == expected {
			return nil
		}
		return c.money(ctx, refundDiffers, s.ID, here.StripeCustomer, expected, actual)
	}
	if !errors.Is(err, db.ErrNoRows) {
		return err
	}
	owner, err := c.ofCharge(ctx, s.Charge)
	if err != nil || owner == "" {
		return err
	}
	return c.money(ctx, refundMissing, s.ID, owner, expected, "not known")
}

func (c *comparison) compareDispute(ctx context.Context, s stripe.Dispute) error {
	if c.young(s.CreatedAt) {
		return nil
	}
	expected := s.Status + ", " + customer.FormatAmount(s.Amount, s.Currency)
	here, err := c.DB.Read().DisputeByID(ctx, s.ID)
	if err == nil {
		actual := here.Status + ", " + customer.FormatAmount(here.Amount, here.Currency)
		if actual == expected {
			return nil
		}
		return c.money(ctx, disputeDiffers, s.ID, here.StripeCustomer, expected, actual)
	}
	if !errors.Is(err, db.ErrNoRows) {
		return err
	}
	owner, err := c.ofCharge(ctx, s.Charge)
	if err != nil || owner == "" {
		return err
	}
	return c.money(ctx, disputeMissing, s.ID, owner, expected, "not known")
}

// ofCharge is the Stripe customer of a charge, as far as it is known here or Stripe told of it in this run.
func (c *comparison) ofCharge(ctx context.Context, id string) (string, error) {
	here, err := c.DB.Read().ChargeByID(ctx, id)
	if !errors.Is(err, db.ErrNoRows) {
		return here.StripeCustomer, err
	}
	var owner string
	err = c.retrying(ctx, func(ctx context.Context) (err error) {
		owner, err = c.Stripe.CustomerOf(ctx, stripe.Event{Charge: id})
		return err
	})
	if errors.Is(err, stripe.ErrNotFound) {
		return "", nil // a guest's
	}
	return owner, err
}

func (c *comparison) compareCheckout(ctx context.Context, s stripe.Checkout) error {
	if s.Status != "complete" || c.young(s.CreatedAt) {
		return nil
	}
	expected := s.PaymentStatus + ", " + customer.FormatAmount(s.Amount, s.Currency)
	if s.Customer == "" {
		if s.Mode == "setup" {
			return nil
		}
		who := s.Email
		if who == "" {
			who = "an unknown buyer"
		}
		return c.add(ctx, finding{kind: checkoutOfNobody, subject: s.ID, expected: "a customer", actual: who + " bought without one, " + expected,
			systems: Systems{Stripe: &Said{expected, time.Now()}},
			reason:  reason{cause: AsInStripe, evidence: "Stripe itself has no customer for it", at: s.CreatedAt}})
	}
	_, err := c.DB.Read().CheckoutByID(ctx, s.ID)
	if !errors.Is(err, db.ErrNoRows) {
		return err
	}
	return c.money(ctx, checkoutMissing, s.ID, s.Customer, expected, "not known")
}

// compareCharge looks for payments without a customer. What an event has told of is counted with the events.
func (c *comparison) compareCharge(ctx context.Context, s stripe.Charge) error {
	if s.Customer != "" || s.Status != "succeeded" || c.young(s.CreatedAt) {
		return nil
	}
	n, err := c.DB.Read().CountEventsOfCharge(ctx, s.ID, s.PaymentIntent)
	if err != nil || n > 0 {
		return err
	}
	amount := customer.FormatAmount(s.Amount, s.Currency)
	return c.add(ctx, finding{kind: paymentOfNobody, subject: s.ID, expected: "a customer", actual: amount + " without one",
		systems: Systems{Stripe: &Said{"succeeded, " + amount, time.Now()}},
		reason:  reason{cause: AsInStripe, evidence: "Stripe itself has no customer for it, as with payments of guests", at: s.CreatedAt}})
}
