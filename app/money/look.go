package money

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/stripe"
)

// found is what Stripe shows of what an action wants.
type found struct {
	state   string // Done or Failed: it is there, and this became of it; "": it is not
	object  string // its id
	text    string
	refusal string // it is not there, and cannot be done as things are now
}

// look searches Stripe for what an action wants. It is found by its key in the metadata; what takes none is
// told by its state, which counts only if we asked for it.
func (m *Money) look(ctx context.Context, a db.Action, p Params) (found, error) {
	switch Kind(a.Kind) {
	case Refund:
		return m.lookRefund(ctx, a)
	case SendReceipt:
		_, action, err := m.Stripe.Charge(ctx, a.Target)
		if err == nil && action == a.Key {
			return receiptFound(a, p), nil
		}
		return found{}, err
	case PayInvoice, SendInvoice:
		return m.lookInvoice(ctx, a)
	}
	return m.lookSubscription(ctx, a, p)
}

func (m *Money) lookRefund(ctx context.Context, a db.Action) (found, error) {
	refunds, err := m.Stripe.RefundsOf(ctx, a.Target)
	if err != nil {
		return found{}, err
	}
	for _, r := range refunds {
		if r.Metadata[stripe.ActionID] == a.Key {
			return refundFound(r), nil
		}
	}
	if late, err := m.lateRefund(ctx, refunds); err != nil || late.refusal != "" {
		return late, err
	}
	c, _, err := m.Stripe.Charge(ctx, a.Target)
	if err != nil {
		return found{}, err
	}
	left := c.Amount - c.AmountRefunded
	switch {
	case c.Status != "succeeded":
		return found{refusal: "the payment is " + c.Status}, nil
	case c.Currency != a.Currency:
		return found{refusal: "the payment is in " + c.Currency}, nil
	case left < a.Amount:
		return found{refusal: fmt.Sprintf("only %s of the payment are left", customer.FormatAmount(left, c.Currency))}, nil
	case c.Disputed:
		return m.lookDispute(ctx, a, c)
	}
	return found{}, nil
}

// lateRefund refuses while there is a refund of an action that was given up, which nobody could know of: Stripe
// may still finish what it failed at (https://docs.stripe.com/error-low-level#server-errors). Once the record
// shows it, whoever asks has seen it.
func (m *Money) lateRefund(ctx context.Context, refunds []stripe.Refund) (found, error) {
	for _, r := range refunds {
		if r.Metadata[stripe.ActionID] == "" || refundFound(r).state == Failed {
			continue
		}
		id, err := m.DB.Read().FailedActionOfNewRefund(ctx, r.Metadata[stripe.ActionID], r.ID)
		switch {
		case errors.Is(err, db.ErrNoRows):
		case err != nil:
			return found{}, fmt.Errorf("look up the action of refund %s: %w", r.ID, err)
		default:
			return found{refusal: fmt.Sprintf("Stripe has made the refund of action %d after all (%s); look again before you ask", id, r.ID)}, nil
		}
	}
	return found{}, nil
}

// lookDispute tells a dispute that was won, after which Stripe refunds, from one that is open or lost: the
// charge says only that there was one.
func (m *Money) lookDispute(ctx context.Context, a db.Action, c stripe.Charge) (found, error) {
	facts, err := customer.Load(ctx, m.DB.Read(), a.CustomerID)
	if err != nil {
		return found{}, err
	}
	if disputed(facts, db.Charge{ID: c.ID, PaymentIntent: c.PaymentIntent, Disputed: true}) {
		return found{refusal: "the payment is disputed"}, nil
	}
	return found{}, nil
}

func refundFound(r stripe.Refund) found {
	f := found{state: Done, object: r.ID, text: "the refund is made"}
	switch r.Status {
	case "failed", "canceled":
		f.state, f.text = Failed, "Stripe made the refund, and it is "+r.Status+": the money is still here"
	case "pending", "requires_action":
		f.text = "the refund is made and " + r.Status + "; Stripe tells when the money has arrived"
	}
	return f
}

func (m *Money) lookInvoice(ctx context.Context, a db.Action) (found, error) {
	i, err := m.Stripe.Invoice(ctx, a.Target)
	sent := !a.SentAt.IsZero()
	switch {
	case err != nil:
		return found{}, err
	case Kind(a.Kind) == SendInvoice && sent && time.Since(a.SentAt.Time) > keyLifetime:
		return found{refusal: "Stripe does not tell whether the mail went out, and asking again could send a second one"}, nil
	case Kind(a.Kind) == PayInvoice && i.Status == "paid" && sent:
		return found{state: Done, object: i.ID, text: "the invoice is paid"}, nil
	case i.Status != "open" && i.Status != "uncollectible":
		return found{refusal: "the invoice is " + i.Status}, nil
	case Kind(a.Kind) == PayInvoice && i.AmountDue != a.Amount:
		return found{refusal: "the invoice is over " + customer.FormatAmount(i.AmountDue, i.Currency) + " by now"}, nil
	case Kind(a.Kind) == PayInvoice && sent && time.Since(a.SentAt.Time) > keyLifetime:
		return found{refusal: "it is not paid, and so long after the first try the card is not tried again"}, nil
	}
	return found{}, nil
}

func (m *Money) lookSubscription(ctx context.Context, a db.Action, p Params) (found, error) {
	s, err := m.Stripe.Subscription(ctx, a.Target)
	if err != nil {
		return found{}, err
	}
	reached := reached(Kind(a.Kind), p, s)
	switch {
	case s.Action == a.Key, reached && !a.SentAt.IsZero():
		return subscriptionFound(a, p, s.Subscription), nil
	case reached:
		return found{refusal: "it is so already"}, nil
	}
	if err := changeable(Kind(a.Kind), row(s.Subscription)); err != nil {
		return found{refusal: err.Error()}, nil
	}
	if Kind(a.Kind) == ChangePlan {
		return m.lookPlan(ctx, a, *p.Plan, s)
	}
	return found{}, nil
}

// lookPlan refuses a change that costs something else than what was shown.
func (m *Money) lookPlan(ctx context.Context, a db.Action, p Plan, s stripe.Subscribed) (found, error) {
	if len(s.Items) != 1 || s.Items[0].ID != p.Item || s.Items[0].Price != p.FromPrice || s.Items[0].Quantity != p.FromQuantity {
		return found{refusal: "the plan has changed since it was asked for"}, nil
	}
	preview, err := m.Stripe.PreviewChange(ctx, a.StripeCustomer, p.PlanChange)
	if stripe.Refused(err) {
		return found{refusal: err.Error()}, nil
	}
	if err != nil {
		return found{}, err
	}
	if !p.costs(preview) {
		now := p
		now.Prorated, now.Due = preview.Prorated, preview.AmountDue
		return found{refusal: fmt.Sprintf("it would cost something else by now than what was shown: %s instead of %s",
			customer.FormatAmount(now.Cost(), preview.Currency), customer.FormatAmount(p.Cost(), p.Currency))}, nil
	}
	return found{}, nil
}

// costs says that a preview shows what was shown before.
func (p Plan) costs(now stripe.Preview) bool {
	return now.Prorated == p.Prorated && (!p.AtOnce() || now.AmountDue == p.Due)
}

// reached says that a subscription is as the action wants it.
func reached(k Kind, p Params, s stripe.Subscribed) bool {
	switch k {
	case CancelNow:
		return s.Status == "canceled"
	case CancelAtEnd:
		return s.CancelAtPeriodEnd
	case Keep:
		return !s.CancelAtPeriodEnd && s.CancelAt.IsZero() && s.Status != "canceled"
	case Pause:
		return s.PauseBehavior == p.Behavior
	case Resume:
		return s.PauseBehavior == ""
	}
	return k == ChangePlan && len(s.Items) == 1 && s.Items[0].Price == p.Plan.Price && s.Items[0].Quantity == p.Plan.Quantity
}

func row(s stripe.Subscription) db.Subscription {
	return db.Subscription{ID: s.ID, Status: s.Status, Price: s.Price, Quantity: s.Quantity, CancelAtPeriodEnd: s.CancelAtPeriodEnd,
		CancelAt: db.At(s.CancelAt), PauseBehavior: s.PauseBehavior}
}

func subscriptionFound(a db.Action, p Params, s stripe.Subscription) found {
	f := found{state: Done, object: s.ID, text: "the subscription is " + condition(row(s))}
	if Kind(a.Kind) == ChangePlan {
		f.text = "the subscription is for " + p.Plan.To() + " now, and is " + condition(row(s))
	}
	return f
}

func receiptFound(a db.Action, p Params) found {
	return found{state: Done, object: a.Target,
		text: "Stripe was asked to mail the receipt to " + p.Email + "; it does not tell whether it arrived, and mails nothing in test mode"}
}
