package money

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"bursar/app/customer"
	"bursar/app/db"
)

// Consequences says in sentences what an action will do, and what it will not, before it is asked for. day
// writes a date.
func Consequences(f customer.Facts, k Kind, t Thing, amount int64, p Params, day func(time.Time) string) (will, wont []string) {
	switch k {
	case Refund:
		return refundConsequences(f, *t.Charge, amount, day)
	case PayInvoice:
		return []string{
			fmt.Sprintf("Stripe tries at once to collect %s for invoice %s with the payment method of the customer.", customer.FormatAmount(t.Invoice.AmountDue, t.Invoice.Currency), number(t)),
			"If the bank declines, nothing is paid and everything stays as it is.",
		}, []string{"No mail is sent by Bursar; Stripe sends what it is set to send."}
	case SendInvoice:
		return []string{"Stripe mails invoice " + number(t) + " with a link to pay it to " + Address(f, t.Invoice.StripeCustomer) + ". Stripe may refuse where invoices are collected automatically."},
			[]string{"Nothing is collected.", "Stripe does not tell whether the mail arrives, and mails nothing in test mode."}
	case SendReceipt:
		return []string{fmt.Sprintf("Stripe mails the receipt of the payment of %s on %s to %s: Bursar sets the address for the receipt of that payment, which makes Stripe send it.",
				customer.FormatAmount(t.Charge.Amount, t.Charge.Currency), day(t.Charge.CreatedAt.Time), Address(f, t.Charge.StripeCustomer))},
			[]string{"No money moves.", "Stripe does not tell whether the mail arrives, and mails nothing in test mode."}
	}
	return subscriptionConsequences(k, *t.Subscription, p, day)
}

func refundConsequences(f customer.Facts, c db.Charge, amount int64, day func(time.Time) string) (will, wont []string) {
	will = []string{
		fmt.Sprintf("%s of the payment of %s on %s go back to where it came from. A card shows it in 5 to 10 days.", customer.FormatAmount(amount, c.Currency),
			customer.FormatAmount(c.Amount, c.Currency), day(c.CreatedAt.Time)),
		"It cannot be taken back, and Stripe keeps its fees for the payment.",
	}
	for _, s := range living(f) {
		wont = append(wont, fmt.Sprintf("The subscription %s is not cancelled: it goes on, and the next payment is due on %s. To end it too, cancel it afterwards.",
			customer.PlanName(s), day(s.CurrentPeriodEndAt.Time)))
	}
	return will, wont
}

// living are the subscriptions that go on by themselves.
func living(f customer.Facts) (list []db.Subscription) {
	for _, s := range f.Subscriptions {
		if changeable(CancelAtEnd, s) == nil {
			list = append(list, s)
		}
	}
	return list
}

func subscriptionConsequences(k Kind, s db.Subscription, p Params, day func(time.Time) string) (will, wont []string) {
	plan, end := customer.PlanName(s), day(s.CurrentPeriodEndAt.Time)
	switch k {
	case ChangePlan:
		if p.Plan == nil {
			return nil, nil
		}
		will = []string{fmt.Sprintf("The subscription changes at once from %s to %s.", times(cmp.Or(p.Plan.FromName, p.Plan.FromPrice), p.Plan.FromQuantity), p.Plan.To())}
		if p.Plan.NewPeriod {
			will = append(will, "It is for another interval, so a new period begins with the change.")
		}
		will = append(will, costs(*p.Plan))
		return will, []string{"It is not changed if Stripe would charge something else by then than this preview says."}
	case CancelNow:
		return []string{plan + " ends at once. It cannot be taken back: the customer would have to subscribe again."},
			[]string{"Nothing is given back for the time until " + end + ", and no last invoice is made. A refund is an action of its own."}
	case CancelAtEnd:
		return []string{plan + " goes on until " + end + " and ends then. No further payment is collected."},
			[]string{"Nothing is given back.", "Until " + end + " it can be undone on this page."}
	case Keep:
		return []string{plan + " does not end on " + end + ": it goes on, and the next payment is collected then."}, nil
	case Pause:
		return []string{"No payment is collected for " + plan + " until somebody resumes it.", "Meanwhile " + BehaviorWords(p.Behavior) + "."},
			[]string{"The subscription does not end, and access stays as it is."}
	case Resume:
		return []string{"Payments for " + plan + " are collected again, beginning with the next invoice, on " + end + "."}, []string{"Invoices of the time in between stay as they are."}
	}
	return nil, nil
}

// costs says what Stripe does about the rest of the period.
func costs(p Plan) string {
	amount := customer.FormatAmount(max(p.Prorated, -p.Prorated), p.Currency)
	switch {
	case p.AtOnce() && p.Due > 0:
		return "An invoice of " + customer.FormatAmount(p.Due, p.Currency) + " is made at once, and collected with the payment method of the customer."
	case p.Proration == "none" || p.Prorated == 0:
		return "Nothing is charged or credited for the rest of this period."
	case p.Prorated < 0:
		return "The difference for the rest of this period, " + amount + ", is credited to the customer for the next invoices. No money goes back."
	}
	return "The difference for the rest of this period, " + amount + ", is added to the next invoice."
}

// Next is an action to offer after another: a refund does not cancel, and a cancellation does not refund.
type Next struct {
	Kind   Kind
	Target string
	Text   string
}

// NextSteps are what may be wanted after an action that is done or was not. They are only offered.
func NextSteps(f customer.Facts, a db.Action) (steps []Next) {
	if a.State == Failed {
		if t, err := Find(f, Kind(a.Kind), a.Target); err == nil && Possible(f, Kind(a.Kind), t) == nil {
			steps = append(steps, Next{Kind(a.Kind), a.Target, "If it is still wanted, it can be asked for again."})
		}
		return steps
	}
	switch Kind(a.Kind) {
	case Refund:
		for _, s := range living(f) {
			steps = append(steps, Next{CancelAtEnd, s.ID, customer.PlanName(s) + " goes on."}, Next{CancelNow, s.ID, ""})
		}
	case CancelAtEnd:
		if s, err := Find(f, Keep, a.Target); err == nil && Possible(f, Keep, s) == nil {
			steps = append(steps, Next{Keep, a.Target, "It can be undone until the period ends."})
		}
		return append(steps, lastPayment(f, a)...)
	case CancelNow:
		return lastPayment(f, a)
	case Pause:
		if s, err := Find(f, Resume, a.Target); err == nil && Possible(f, Resume, s) == nil {
			steps = append(steps, Next{Resume, a.Target, "Collection stays paused until somebody resumes it."})
		}
	}
	return steps
}

// lastPayment offers to give the newest payment of a Stripe customer back.
func lastPayment(f customer.Facts, a db.Action) []Next {
	for _, c := range slices.Backward(Payments(f)) {
		if c.StripeCustomer == a.StripeCustomer && refundable(f, c) == nil {
			return []Next{{Refund, c.ID, fmt.Sprintf("Nothing of the last payment, %s, was given back by this.", customer.FormatAmount(c.Amount, c.Currency))}}
		}
	}
	return nil
}
