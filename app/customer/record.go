package customer

import (
	"slices"
	"time"

	"bursar/app/db"
)

// RecordAt is the canonical record that follows from the facts at a time.
func (f Facts) RecordAt(now time.Time) db.Customer {
	r := f.Record
	f.identify(&r)
	access := f.AccessAt(now)
	r.Plan = PlanName(access.Subscription)
	r.Status = access.Subscription.Status
	r.Access, r.AccessReason, r.AccessUntilAt = access.Level, access.Reason, db.At(access.Until)

	last, paidAt := f.lastPayment()
	r.LastPaidAt = paidAt
	r.LastPaymentStatus, r.LastPaymentAmount, r.LastPaymentCurrency = last.status, last.amount, last.currency
	r.RefundedAmount = f.refunded(last.currency)
	r.OpenDisputes = int64(len(f.OpenDisputes()))
	return r
}

// identify takes name and e-mail from the newest Stripe customer that has them, and says how well the
// record is founded: as well as the worst of its readings.
func (f Facts) identify(r *db.Customer) {
	if len(f.Stripe) == 0 {
		return
	}
	r.Deleted, r.Source, r.AsOfAt = true, "api", f.Stripe[0].AsOfAt
	for _, c := range f.Stripe {
		if c.Source != "api" {
			r.Source = c.Source
		}
		if c.AsOfAt.Before(r.AsOfAt.Time) {
			r.AsOfAt = c.AsOfAt
		}
		r.Deleted = r.Deleted && c.Deleted
		if c.Name != "" {
			r.Name = c.Name
		}
		if c.Email != "" {
			r.Email = c.Email
		}
	}
}

// PlanName is the name of what is subscribed to; the bare price where nobody gave it a name.
func PlanName(s db.Subscription) string {
	if s.Plan != "" {
		return s.Plan
	}
	return s.Price
}

type payment struct {
	status   string
	amount   int64
	currency string
	at       time.Time
}

// lastPayment is the newest invoice or one-time checkout that was paid or failed, and when money came
// in last. Invoices over nothing, as at the start of a trial, are no payments.
func (f Facts) lastPayment() (last payment, paidAt db.Time) {
	consider := func(p payment) {
		if !p.at.Before(last.at) {
			last = p
		}
	}
	for _, i := range f.Invoices {
		switch {
		case i.Status == "paid" && i.AmountPaid > 0:
			consider(payment{f.afterwards(i.Charge, i.PaymentIntent, i.ID, i.AmountPaid), i.AmountPaid, i.Currency, i.CreatedAt.Time})
			if i.PaidAt.After(paidAt.Time) {
				paidAt = i.PaidAt
			}
		case i.Failed:
			consider(payment{"failed", i.AmountDue, i.Currency, i.CreatedAt.Time})
		}
	}
	for _, c := range f.Checkouts {
		if c.Mode != "payment" || c.PaymentStatus != "paid" || c.Amount == 0 {
			continue
		}
		consider(payment{"paid", c.Amount, c.Currency, c.CreatedAt.Time})
		if c.CreatedAt.After(paidAt.Time) {
			paidAt = c.CreatedAt
		}
	}
	return last, paidAt
}

// afterwards is what became of a paid invoice: still paid, refunded or disputed. What a lost dispute took
// back was not paid.
func (f Facts) afterwards(charge, intent, invoice string, amount int64) string {
	same := func(c, pi string) bool { return c != "" && c == charge || pi != "" && pi == intent }
	for _, d := range f.Disputes {
		if (isOpen(d) || d.Status == "lost") && same(d.Charge, d.PaymentIntent) {
			return "disputed"
		}
	}
	back := int64(0)
	for _, r := range f.refundedCharges() {
		if same(r.charge, r.intent) || r.invoice != "" && r.invoice == invoice {
			back += r.amount
		}
	}
	switch {
	case back == 0:
		return "paid"
	case back < amount:
		return "partially_refunded"
	}
	return "refunded"
}

type refunded struct {
	charge, intent, invoice, currency string
	amount                            int64
}

// refundedCharges is how much of each charge went back. A charge says so itself, but its stored state may
// be older than a refund that failed afterwards: the refunds decide where they account for all of it.
func (f Facts) refundedCharges() []refunded {
	var list []refunded
	seen := map[string]bool{}
	for _, c := range f.Charges {
		seen[c.ID], seen[c.PaymentIntent] = true, true
		list = append(list, refunded{c.ID, c.PaymentIntent, c.Invoice, c.Currency, f.refundedOf(c)})
	}
	for _, r := range f.Refunds { // of charges that are not stored
		if !seen[r.Charge] && !seen[r.PaymentIntent] && (r.Status == "succeeded" || r.Status == "pending") {
			list = append(list, refunded{r.Charge, r.PaymentIntent, "", r.Currency, r.Amount})
		}
	}
	return slices.DeleteFunc(list, func(r refunded) bool { return r.amount == 0 })
}

func (f Facts) refundedOf(c db.Charge) int64 {
	known, standing := int64(0), int64(0)
	for _, r := range f.Refunds {
		if r.Charge != c.ID && (r.PaymentIntent == "" || r.PaymentIntent != c.PaymentIntent) {
			continue
		}
		known += r.Amount
		if r.Status == "succeeded" || r.Status == "pending" {
			standing += r.Amount
		}
	}
	if known >= c.AmountRefunded {
		return standing
	}
	return c.AmountRefunded
}

func (f Facts) refunded(currency string) (sum int64) {
	for _, r := range f.refundedCharges() {
		if r.currency == currency {
			sum += r.amount
		}
	}
	return sum
}

// OpenDisputes are those that are not decided yet.
func (f Facts) OpenDisputes() []db.Dispute {
	return slices.DeleteFunc(slices.Clone(f.Disputes), func(d db.Dispute) bool { return !isOpen(d) })
}

// isOpen goes by https://docs.stripe.com/api/disputes/object#dispute_object-status; a status it does not
// list is one to look at.
func isOpen(d db.Dispute) bool {
	return !slices.Contains([]string{"won", "lost", "warning_closed", "prevented"}, d.Status)
}
