package stripe

import (
	"cmp"
	"slices"
	"time"
)

// sort puts every list into the order of creation, so that the same facts give the same State.
func (s *State) sort() {
	slices.SortFunc(s.Subscriptions, func(a, b Subscription) int {
		return oldestFirst(a.CreatedAt, b.CreatedAt, a.ID, b.ID)
	})
	slices.SortFunc(s.Invoices, func(a, b Invoice) int {
		return oldestFirst(a.CreatedAt, b.CreatedAt, a.ID, b.ID)
	})
	slices.SortFunc(s.Charges, func(a, b Charge) int {
		return oldestFirst(a.CreatedAt, b.CreatedAt, a.ID, b.ID)
	})
	slices.SortFunc(s.Refunds, func(a, b Refund) int {
		return oldestFirst(a.CreatedAt, b.CreatedAt, a.ID, b.ID)
	})
	slices.SortFunc(s.Disputes, func(a, b Dispute) int {
		return oldestFirst(a.CreatedAt, b.CreatedAt, a.ID, b.ID)
	})
	slices.SortFunc(s.Checkouts, func(a, b Checkout) int {
		return oldestFirst(a.CreatedAt, b.CreatedAt, a.ID, b.ID)
	})
}

func oldestFirst(a, b time.Time, idA, idB string) int {
	return cmp.Or(a.Compare(b), cmp.Compare(idA, idB))
}

// linkPayments fills in what pays an invoice, which from basil on only its payments tell.
// A paid one is preferred to an open one, then the newest.
func (s *State) linkPayments(payments []invoicePayment) {
	slices.SortFunc(payments, func(a, b invoicePayment) int {
		return cmp.Or(
			compareBool(b.Status == "paid", a.Status == "paid"),
			oldestFirst(time.Time(b.Created), time.Time(a.Created), b.ID, a.ID),
		)
	})
	for i := range s.Invoices {
		invoice := &s.Invoices[i]
		for _, p := range payments {
			if string(p.Invoice) == invoice.ID && invoice.PaymentIntent == "" && invoice.Charge == "" {
				invoice.PaymentIntent = string(p.Payment.PaymentIntent)
				invoice.Charge = string(p.Payment.Charge)
			}
		}
	}
}

// link joins invoices, charges and disputes both ways where a version of the API names only
// one of them. The lists are sorted: of several charges of one payment the newest counts.
func (s *State) link() {
	for i := range s.Charges {
		charge := &s.Charges[i]
		for j := range s.Invoices {
			if invoice := &s.Invoices[j]; invoice.paidBy(charge) {
				charge.Invoice = invoice.ID
				invoice.Charge = charge.ID
				invoice.PaymentIntent = first(invoice.PaymentIntent, charge.PaymentIntent)
				if invoice.Failed {
					invoice.Error = charge.FailureMessage
				}
			}
		}
		charge.Disputed = charge.Disputed || slices.ContainsFunc(s.Disputes, func(d Dispute) bool {
			return d.Charge == charge.ID
		})
	}
}

// paidBy reports whether charge was made, or tried, for the invoice.
func (i *Invoice) paidBy(charge *Charge) bool {
	return charge.Invoice == i.ID || charge.ID == i.Charge ||
		charge.PaymentIntent != "" && charge.PaymentIntent == i.PaymentIntent
}

// forgiveDebits tells a first payment by bank debit that is under way from one that failed: for days its invoice
// is open and attempted as well (https://docs.stripe.com/billing/subscriptions/sepa-debit). told are the invoices
// of which an event said that they failed: their charge may be one that was pending and has failed since.
func (s *State) forgiveDebits(told map[string]bool) {
	for i := range s.Invoices {
		invoice := &s.Invoices[i]
		underWay := func(c Charge) bool { return c.Status == "pending" && invoice.paidBy(&c) }
		if invoice.Attempts <= 1 && !told[invoice.ID] && slices.ContainsFunc(s.Charges, underWay) {
			invoice.Failed = false
		}
	}
}
