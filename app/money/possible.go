package money

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"bursar/app/customer"
	"bursar/app/db"
)

// Thing is what an action is about: one of the three.
type Thing struct {
	Charge       *db.Charge
	Subscription *db.Subscription
	Invoice      *db.Invoice
}

// ID is its id in Stripe.
func (t Thing) ID() string {
	switch {
	case t.Charge != nil:
		return t.Charge.ID
	case t.Subscription != nil:
		return t.Subscription.ID
	case t.Invoice != nil:
		return t.Invoice.ID
	}
	return ""
}

func (t Thing) stripeCustomer() string {
	switch {
	case t.Charge != nil:
		return t.Charge.StripeCustomer
	case t.Subscription != nil:
		return t.Subscription.StripeCustomer
	}
	return t.Invoice.StripeCustomer
}

// Find gives the thing with an id that an action of this kind is about, among what is known of the customer.
func Find(f customer.Facts, kind Kind, id string) (Thing, error) {
	switch kind {
	case Refund, SendReceipt:
		payments := Payments(f)
		if i := slices.IndexFunc(payments, func(c db.Charge) bool { return c.ID == id }); i >= 0 {
			return Thing{Charge: &payments[i]}, nil
		}
	case PayInvoice, SendInvoice:
		if i := slices.IndexFunc(f.Invoices, func(i db.Invoice) bool { return i.ID == id }); i >= 0 {
			return Thing{Invoice: &f.Invoices[i]}, nil
		}
	default:
		if i := slices.IndexFunc(f.Subscriptions, func(s db.Subscription) bool { return s.ID == id }); i >= 0 {
			return Thing{Subscription: &f.Subscriptions[i]}, nil
		}
	}
	return Thing{}, refuse("%.40q is not one of this customer", id)
}

// Payments are the charges of a customer, oldest first. Of one that no reading has shown yet, its invoice tells
// what is needed; Stripe is asked about the charge itself before anything is done with it.
func Payments(f customer.Facts) []db.Charge {
	list := slices.Clone(f.Charges)
	for _, i := range f.Invoices {
		known := slices.ContainsFunc(list, func(c db.Charge) bool { return c.ID == i.Charge })
		if i.Charge == "" || i.Status != "paid" || i.AmountPaid <= 0 || known {
			continue
		}
		list = append(list, db.Charge{ID: i.Charge, StripeCustomer: i.StripeCustomer, CustomerID: i.CustomerID, Invoice: i.ID, PaymentIntent: i.PaymentIntent,
			Status: "succeeded", Amount: i.AmountPaid, Currency: i.Currency, CreatedAt: cmp.Or(i.PaidAt, i.CreatedAt)})
	}
	slices.SortStableFunc(list, func(a, b db.Charge) int { return a.CreatedAt.Compare(b.CreatedAt.Time) })
	return list
}

// Possible says why a kind of action cannot be done to a thing as it is now; nil if it can.
func Possible(f customer.Facts, kind Kind, t Thing) error {
	switch kind {
	case Refund:
		return refundable(f, *t.Charge)
	case SendReceipt:
		return receiptable(f, *t.Charge)
	case PayInvoice, SendInvoice:
		if s := t.Invoice.Status; s != "open" && s != "uncollectible" {
			return refuse("the invoice is %s", s)
		}
		return nil
	}
	return changeable(kind, *t.Subscription)
}

func refundable(f customer.Facts, c db.Charge) error {
	switch {
	case c.Status != "succeeded":
		return refuse("the payment did not succeed, so there is nothing to give back")
	case disputed(f, c):
		return refuse("the payment is disputed: the bank has taken the money or is about to, so a refund would pay twice; answer the dispute in Stripe")
	case Unrefunded(f, c) <= 0:
		return refuse("all of it was given back already")
	}
	return nil
}

// disputed says that a dispute of the charge is open or lost. Where the disputes themselves are not known,
// the charge says whether there ever was one.
func disputed(f customer.Facts, c db.Charge) bool {
	known := false
	for _, d := range f.Disputes {
		if d.Charge != c.ID && (d.PaymentIntent == "" || d.PaymentIntent != c.PaymentIntent) {
			continue
		}
		known = true
		if !slices.Contains([]string{"won", "warning_closed", "prevented"}, d.Status) {
			return true
		}
	}
	return c.Disputed && !known
}

// Unrefunded is what of a charge was not given back, as far as Stripe told: the smaller of what the charge and
// what its refunds say.
func Unrefunded(f customer.Facts, c db.Charge) int64 {
	back := int64(0)
	for _, r := range f.Refunds {
		if (r.Charge == c.ID || r.PaymentIntent != "" && r.PaymentIntent == c.PaymentIntent) && r.Status != "failed" && r.Status != "canceled" {
			back += r.Amount
		}
	}
	return c.Amount - max(back, c.AmountRefunded)
}

// Left is what of a charge can still be given back: without what was, and without what actions have given or
// are about to give back and Stripe has not told of yet.
func Left(ctx context.Context, q *db.Queries, f customer.Facts, c db.Charge) (int64, error) {
	taken, err := q.RefundedByActions(ctx, c.ID)
	if err != nil {
		return 0, fmt.Errorf("add up the refunds of %s: %w", c.ID, err)
	}
	open, err := q.OpenActionOn(ctx, c.ID)
	if err != nil {
		return 0, fmt.Errorf("read the actions on %s: %w", c.ID, err)
	}
	for _, a := range open {
		if Kind(a.Kind) == Refund {
			taken += a.Amount
		}
	}
	return max(Unrefunded(f, c)-taken, 0), nil
}

func receiptable(f customer.Facts, c db.Charge) error {
	switch {
	case c.Status != "succeeded":
		return refuse("the payment did not succeed, so there is no receipt")
	case Address(f, c.StripeCustomer) == "":
		return refuse("Stripe knows no e-mail address of this customer")
	}
	return nil
}

// Address is where Stripe would write to one of its customers.
func Address(f customer.Facts, stripeCustomer string) string {
	for _, c := range f.Stripe {
		if c.ID == stripeCustomer {
			return c.Email
		}
	}
	return ""
}

func changeable(kind Kind, s db.Subscription) error {
	ending := s.CancelAtPeriodEnd || !s.CancelAt.IsZero()
	living := slices.Contains([]string{"active", "trialing", "past_due"}, s.Status)
	switch {
	case s.Status == "canceled" || s.Status == "incomplete_expired":
		return refuse("the subscription has ended; a new one is made in Stripe")
	case kind == CancelNow:
		return nil
	case kind == Resume && s.PauseBehavior == "":
		return refuse("collection is not paused")
	case kind == Keep && !s.CancelAtPeriodEnd && ending:
		return refuse("its end is planned for a date of its own; that is taken back in Stripe")
	case kind == Keep && !ending:
		return refuse("it is not cancelled")
	case kind == Keep, kind == Resume:
		return nil
	case !living:
		return refuse("the subscription is %s", s.Status)
	case ending && kind != Pause:
		return refuse("it is cancelled for the end of the period; take that back first")
	case kind == Pause && s.PauseBehavior != "":
		return refuse("collection is paused already")
	}
	return nil
}

// After is the access of the customer once an action is done, as Bursar gives it.
func After(f customer.Facts, kind Kind, t Thing, now time.Time) customer.Access {
	f.Subscriptions = slices.Clone(f.Subscriptions)
	for i := range f.Subscriptions {
		s := &f.Subscriptions[i]
		switch {
		case t.Subscription != nil && s.ID == t.Subscription.ID:
			change(s, kind)
		case t.Invoice != nil && kind == PayInvoice && s.ID == t.Invoice.Subscription && (s.Status == "past_due" || s.Status == "unpaid" || s.Status == "incomplete"):
			s.Status = "active"
		}
	}
	return f.AccessAt(now)
}

func change(s *db.Subscription, kind Kind) {
	switch kind {
	case CancelNow:
		s.Status = "canceled"
	case CancelAtEnd:
		s.CancelAtPeriodEnd = true
	case Keep:
		s.CancelAtPeriodEnd, s.CancelAt = false, db.Time{}
	case Pause:
		s.PauseBehavior = "void"
	case Resume:
		s.PauseBehavior = ""
	}
}
