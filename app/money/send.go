package money

import (
	"context"

	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/stripe"
)

// ask makes the one request of an action, and says what Stripe answered.
func (m *Money) ask(ctx context.Context, a db.Action, p Params) (found, error) {
	switch Kind(a.Kind) {
	case Refund:
		r, err := m.Stripe.Refund(ctx, a.Key, a.Target, a.Amount)
		return refundFound(r), err
	case PayInvoice:
		i, err := m.Stripe.PayInvoice(ctx, a.Key, a.Target)
		if err == nil && i.Status != "paid" {
			err = &stripe.Error{Kind: stripe.ErrUnavailable, Message: "the invoice is " + i.Status + " after the request to collect it"}
		}
		return found{state: Done, object: i.ID, text: "paid: " + customer.FormatAmount(i.AmountPaid, i.Currency)}, err
	case SendInvoice:
		i, err := m.Stripe.SendInvoice(ctx, a.Key, a.Target)
		return found{state: Done, object: i.ID,
			text: "Stripe was asked to mail the invoice to the customer; it does not tell whether it arrived, and mails nothing in test mode"}, err
	case SendReceipt:
		_, err := m.Stripe.SendReceipt(ctx, a.Key, a.Target, p.Email)
		return receiptFound(a, p), err
	}
	s, err := m.askSubscription(ctx, a, p)
	return subscriptionFound(a, p, s), err
}

func (m *Money) askSubscription(ctx context.Context, a db.Action, p Params) (stripe.Subscription, error) {
	switch Kind(a.Kind) {
	case ChangePlan:
		return m.Stripe.ChangePlan(ctx, a.Key, p.Plan.PlanChange)
	case CancelNow:
		return m.Stripe.CancelNow(ctx, a.Key, a.Target)
	case CancelAtEnd:
		return m.Stripe.CancelAtPeriodEnd(ctx, a.Key, a.Target, true)
	case Keep:
		return m.Stripe.CancelAtPeriodEnd(ctx, a.Key, a.Target, false)
	case Pause:
		return m.Stripe.PauseCollection(ctx, a.Key, a.Target, p.Behavior)
	}
	return m.Stripe.ResumeCollection(ctx, a.Key, a.Target)
}
