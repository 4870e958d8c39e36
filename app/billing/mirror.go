package billing

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"bursar/app/db"
	"bursar/app/stripe"
)

// mirror writes a reading of Stripe into the mirror tables.
func (b *Billing) mirror(ctx context.Context, q *db.Queries, id int64, s stripe.State, seq int64) error {
	cus := s.Customer.ID
	var confirmed, wholeAt db.Time
	if s.Source == stripe.SourceAPI {
		confirmed = db.At(s.AsOf)
	} else {
		seq = 0 // the news still wait to be confirmed
	}
	if whole(s) {
		wholeAt = confirmed
	}
	err := q.SaveStripeCustomer(ctx, db.SaveStripeCustomerParams{ID: cus, CustomerID: id, Name: s.Customer.Name, Email: s.Customer.Email,
		Deleted: s.Customer.Deleted, Source: string(s.Source), AsOfAt: db.At(s.AsOf), ConfirmedAt: confirmed, CreatedAt: db.At(s.Customer.CreatedAt),
		WholeAt: wholeAt, ReadSeq: seq})
	if err != nil {
		return fmt.Errorf("save %s: %w", cus, err)
	}
	return errors.Join(
		each(s.Subscriptions, func(o stripe.Subscription) error { return b.saveSubscription(ctx, q, id, cus, o) }),
		each(s.Invoices, func(o stripe.Invoice) error { return saveInvoice(ctx, q, id, cus, o) }),
		each(s.Charges, func(o stripe.Charge) error { return saveCharge(ctx, q, id, cus, o) }),
		each(s.Refunds, func(o stripe.Refund) error { return saveRefund(ctx, q, id, cus, o) }),
		each(s.Disputes, func(o stripe.Dispute) error { return saveDispute(ctx, q, id, cus, o) }),
		each(s.Checkouts, func(o stripe.Checkout) error { return saveCheckout(ctx, q, id, cus, o) }),
	)
}

func each[T any](list []T, save func(T) error) error {
	for _, o := range list {
		if err := save(o); err != nil {
			return fmt.Errorf("save a %T: %w", o, err)
		}
	}
	return nil
}

func (b *Billing) saveSubscription(ctx context.Context, q *db.Queries, id int64, cus string, o stripe.Subscription) error {
	plan, err := b.planName(ctx, q, o)
	if err != nil {
		return err
	}
	return q.SaveSubscription(ctx, db.SaveSubscriptionParams{ID: o.ID, StripeCustomer: cus, CustomerID: id, Status: o.Status, Price: o.Price,
		Product: o.Product, Plan: plan, Quantity: o.Quantity, Amount: o.Amount, Currency: o.Currency, Interval: o.Interval,
		IntervalCount: o.IntervalCount, CancelAtPeriodEnd: o.CancelAtPeriodEnd, CurrentPeriodEndAt: db.At(o.CurrentPeriodEnd),
		CancelAt: db.At(o.CancelAt), CanceledAt: db.At(o.CanceledAt), EndedAt: db.At(o.EndedAt), TrialEndAt: db.At(o.TrialEnd),
		PauseBehavior: o.PauseBehavior, PauseResumesAt: db.At(o.PauseResumesAt), CreatedAt: db.At(o.CreatedAt)})
}

// planName is the name the settings give a price or product, else Stripe's own. "" means that nobody
// named it, which the reconciler reports.
func (b *Billing) planName(ctx context.Context, q *db.Queries, o stripe.Subscription) (string, error) {
	name := cmp.Or(b.Plans[o.Price], b.Plans[o.Product], o.ProductName)
	if name != "" {
		return name, nil
	}
	// Events do not carry the product's name, but the API may have told it before.
	name, err := q.PlanOfPrice(ctx, o.Price)
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return "", err
	}
	return cmp.Or(name, o.Nickname, o.LookupKey), nil
}

func saveInvoice(ctx context.Context, q *db.Queries, id int64, cus string, o stripe.Invoice) error {
	return q.SaveInvoice(ctx, db.SaveInvoiceParams{ID: o.ID, StripeCustomer: cus, CustomerID: id, Subscription: o.Subscription, Charge: o.Charge,
		PaymentIntent: o.PaymentIntent, Number: o.Number, Status: o.Status, BillingReason: o.BillingReason, AmountDue: o.AmountDue,
		AmountPaid: o.AmountPaid, Currency: o.Currency, Attempts: o.Attempts, Failed: o.Failed, Error: o.Error, HostedURL: o.HostedURL,
		NextAttemptAt: db.At(o.NextAttemptAt), PaidAt: db.At(o.PaidAt), CreatedAt: db.At(o.CreatedAt)})
}

func saveCharge(ctx context.Context, q *db.Queries, id int64, cus string, o stripe.Charge) error {
	return q.SaveCharge(ctx, db.SaveChargeParams{ID: o.ID, StripeCustomer: cus, CustomerID: id, Invoice: o.Invoice, PaymentIntent: o.PaymentIntent,
		Status: o.Status, Amount: o.Amount, AmountRefunded: o.AmountRefunded, Currency: o.Currency, Disputed: o.Disputed,
		FailureCode: o.FailureCode, FailureMessage: o.FailureMessage, ReceiptURL: o.ReceiptURL, CreatedAt: db.At(o.CreatedAt)})
}

func saveRefund(ctx context.Context, q *db.Queries, id int64, cus string, o stripe.Refund) error {
	return q.SaveRefund(ctx, db.SaveRefundParams{ID: o.ID, StripeCustomer: cus, CustomerID: id, Charge: o.Charge, PaymentIntent: o.PaymentIntent,
		Status: o.Status, Amount: o.Amount, Currency: o.Currency, Reason: o.Reason, CreatedAt: db.At(o.CreatedAt)})
}

func saveDispute(ctx context.Context, q *db.Queries, id int64, cus string, o stripe.Dispute) error {
	return q.SaveDispute(ctx, db.SaveDisputeParams{ID: o.ID, StripeCustomer: cus, CustomerID: id, Charge: o.Charge, PaymentIntent: o.PaymentIntent,
		Status: o.Status, Reason: o.Reason, Amount: o.Amount, Currency: o.Currency, EvidenceDueAt: db.At(o.EvidenceDueAt), CreatedAt: db.At(o.CreatedAt)})
}

func saveCheckout(ctx context.Context, q *db.Queries, id int64, cus string, o stripe.Checkout) error {
	// The session does not say when it was completed, only the event does. Without it what is left is when
	// the buyer opened the session.
	completed, err := q.CheckoutCompletedAt(ctx, o.ID)
	if errors.Is(err, db.ErrNoRows) {
		completed, err = db.At(o.CompletedAt), nil
	}
	if err != nil {
		return err
	}
	return q.SaveCheckout(ctx, db.SaveCheckoutParams{ID: o.ID, StripeCustomer: cus, CustomerID: id, UserID: userOf(o), Mode: o.Mode, Status: o.Status,
		PaymentStatus: o.PaymentStatus, PaymentFailed: o.PaymentFailed, Subscription: o.Subscription, Amount: o.Amount, Currency: o.Currency,
		CompletedAt: completed, CreatedAt: db.At(o.CreatedAt)})
}
