package money

import (
	"cmp"
	"fmt"

	"bursar/app/customer"
	"bursar/app/db"
)

// Currency is the one the thing is counted in.
func (t Thing) Currency() string {
	switch {
	case t.Charge != nil:
		return t.Charge.Currency
	case t.Subscription != nil:
		return t.Subscription.Currency
	case t.Invoice != nil:
		return t.Invoice.Currency
	}
	return ""
}

// Behaviors are what can become of the invoices while collection is paused; the first is the usual one
// (https://docs.stripe.com/billing/subscriptions/pause-payment).
func Behaviors() []string { return []string{"void", "keep_as_draft", "mark_uncollectible"} }

// BehaviorWords says what a behavior means.
func BehaviorWords(behavior string) string {
	switch behavior {
	case "void":
		return "invoices are voided: nothing is owed for the time"
	case "keep_as_draft":
		return "invoices stay drafts: they can be collected later"
	case "mark_uncollectible":
		return "invoices are written off: they can still be paid"
	}
	return behavior
}

// Prorations are the ways to settle a change of plan; the first is the usual one.
func Prorations() []string { return []string{"create_prorations", "always_invoice", "none"} }

// ProrationWords says what a way means.
func ProrationWords(behavior string) string {
	switch behavior {
	case "create_prorations":
		return "settle the difference with the next invoice"
	case "always_invoice":
		return "settle the difference now"
	case "none":
		return "do not settle it: the new price counts from the next period on"
	}
	return behavior
}

// To is what is changed to.
func (p Plan) To() string { return times(cmp.Or(p.Name, p.Price), p.Quantity) }

func times(name string, quantity int64) string {
	if quantity == 1 {
		return name
	}
	return fmt.Sprintf("%s × %d", name, quantity)
}

// AtOnce says that Stripe makes an invoice with the change. Else what it costs waits for the next one.
func (p Plan) AtOnce() bool { return p.Proration == "always_invoice" || p.NewPeriod }

// Cost is what a change of plan charges or, below nothing, credits: what is due at once, or the difference for
// the rest of the period.
func (p Plan) Cost() int64 {
	if p.AtOnce() && p.Due > 0 {
		return p.Due
	}
	return p.Prorated
}

// settles says how the change is settled, and what that comes to.
func (p Plan) settles() string {
	words := ProrationWords(p.Proration)
	if p.NewPeriod {
		words = "begin a new period now"
	}
	switch cost := p.Cost(); {
	case cost > 0:
		words += ": " + customer.FormatAmount(cost, p.Currency)
	case cost < 0:
		words += ": a credit of " + customer.FormatAmount(-cost, p.Currency)
	}
	return words
}

// Label is a kind on a button.
func (k Kind) Label() string {
	switch k {
	case Refund:
		return "Refund"
	case ChangePlan:
		return "Change plan"
	case CancelNow:
		return "Cancel now"
	case CancelAtEnd:
		return "Cancel at period end"
	case Keep:
		return "Undo the cancellation"
	case Pause:
		return "Pause collection"
	case Resume:
		return "Resume collection"
	case PayInvoice:
		return "Collect now"
	case SendInvoice:
		return "Mail the invoice"
	case SendReceipt:
		return "Mail the receipt"
	}
	return string(k)
}

// Says is an action in a few words.
func Says(k Kind, t Thing, amount int64, p Params) string {
	switch k {
	case Refund:
		whole := ""
		if amount == t.Charge.Amount {
			whole = ", all of it"
		}
		return fmt.Sprintf("refund %s of the payment of %s%s", customer.FormatAmount(amount, t.Charge.Currency), customer.FormatAmount(t.Charge.Amount, t.Charge.Currency), whole)
	case ChangePlan:
		return fmt.Sprintf("change %s to %s; %s", times(cmp.Or(p.Plan.FromName, p.Plan.FromPrice), p.Plan.FromQuantity), p.Plan.To(), p.Plan.settles())
	case CancelNow:
		return "cancel " + planOf(t) + " now"
	case CancelAtEnd:
		return "cancel " + planOf(t) + " at the end of its period"
	case Keep:
		return "keep " + planOf(t) + " after all"
	case Pause:
		return "pause the collection for " + planOf(t) + "; " + BehaviorWords(p.Behavior)
	case Resume:
		return "resume the collection for " + planOf(t)
	case PayInvoice:
		return "collect " + customer.FormatAmount(t.Invoice.AmountDue, t.Invoice.Currency) + " of invoice " + number(t)
	case SendInvoice:
		return "mail invoice " + number(t)
	case SendReceipt:
		return "mail the receipt of the payment of " + customer.FormatAmount(t.Charge.Amount, t.Charge.Currency)
	}
	return string(k)
}

func planOf(t Thing) string { return customer.PlanName(*t.Subscription) }

func number(t Thing) string {
	if t.Invoice.Number == "" {
		return t.Invoice.ID
	}
	return t.Invoice.Number
}

// Before is a thing as it is, for the audit.
func Before(f customer.Facts, t Thing) string {
	switch {
	case t.Charge != nil:
		return fmt.Sprintf("payment %s, %s given back", customer.FormatAmount(t.Charge.Amount, t.Charge.Currency), customer.FormatAmount(t.Charge.Amount-Unrefunded(f, *t.Charge), t.Charge.Currency))
	case t.Invoice != nil:
		return fmt.Sprintf("invoice %s, %s", t.Invoice.Status, customer.FormatAmount(t.Invoice.AmountDue, t.Invoice.Currency))
	}
	s := *t.Subscription
	return times(customer.PlanName(s), s.Quantity) + ", " + condition(s)
}

// condition is how a subscription is, in words.
func condition(s db.Subscription) string {
	words := s.Status
	if s.CancelAtPeriodEnd {
		words += ", cancelled for the end of the period"
	}
	if s.PauseBehavior != "" {
		words += ", with its collection paused"
	}
	return words
}
