package customer_test

import (
	"testing"
	"time"

	"bursar/app/customer"
	"bursar/app/db"
)

func paid(id string, ago time.Duration, amount int64) db.Invoice {
	return db.Invoice{ID: id, Charge: "ch_" + id, PaymentIntent: "pi_" + id, Status: "paid", AmountDue: amount, AmountPaid: amount, Currency: "usd",
		CreatedAt: in(-ago), PaidAt: in(-ago)}
}

// chargeOf is the charge of a paid invoice, of which Stripe says that so much went back.
func chargeOf(i db.Invoice, refunded int64) db.Charge {
	return db.Charge{ID: i.Charge, PaymentIntent: i.PaymentIntent, Invoice: i.ID, Status: "succeeded", Amount: i.AmountPaid, AmountRefunded: refunded, Currency: i.Currency}
}

func refund(id, status string, amount int64, of db.Invoice) db.Refund {
	return db.Refund{ID: id, Charge: of.Charge, PaymentIntent: of.PaymentIntent, Status: status, Amount: amount, Currency: of.Currency}
}

func TestLastPayment(t *testing.T) {
	t.Parallel()
	first, second := paid("in_1", 40*day, 1900), paid("in_2", 10*day, 4900)
	failed := db.Invoice{ID: "in_3", Status: "open", Failed: true, AmountDue: 9900, Currency: "usd", CreatedAt: in(-day)}
	yen := paid("in_4", day, 2800)
	yen.Currency = "jpy"
	invoices := func(i ...db.Invoice) customer.Facts { return customer.Facts{Invoices: i} }
	of := func(refunded int64, refunds ...db.Refund) customer.Facts {
		return customer.Facts{Invoices: []db.Invoice{first, second}, Charges: []db.Charge{chargeOf(first, 0), chargeOf(second, refunded)}, Refunds: refunds}
	}
	disputed := func(status string) customer.Facts {
		f := of(0)
		f.Disputes = []db.Dispute{{ID: "dp_1", Charge: second.Charge, Status: status}}
		return f
	}
	type payment struct {
		status   string
		amount   int64
		currency string
		refunded int64
		paidAt   db.Time
	}
	last := func(status string, refunded int64) payment {
		return payment{status, 4900, "usd", refunded, second.PaidAt}
	}
	for _, row := range []struct {
		name  string
		facts customer.Facts
		want  payment
	}{
		{"no payment", customer.Facts{}, payment{}},
		{"the newest", invoices(first, second), last("paid", 0)},
		{"a failed one after it", invoices(first, second, failed), payment{"failed", 9900, "usd", 0, second.PaidAt}},
		{"a failed one that was given up", invoices(second, db.Invoice{ID: "in_3", Status: "uncollectible", AmountDue: 9900, CreatedAt: in(0)}), last("paid", 0)},
		{"an invoice over nothing is no payment", invoices(second, db.Invoice{ID: "in_3", Status: "paid", CreatedAt: in(0), PaidAt: in(0)}), last("paid", 0)},
		{"a currency without minor units", invoices(first, yen), payment{"paid", 2800, "jpy", 0, yen.PaidAt}},
		{"refunds are those in the currency of the last payment", customer.Facts{Invoices: []db.Invoice{first, yen},
			Charges: []db.Charge{chargeOf(first, 1900), chargeOf(yen, 800)}}, payment{"partially_refunded", 2800, "jpy", 800, yen.PaidAt}},
		{"a single payment at checkout", customer.Facts{Invoices: []db.Invoice{first}, Checkouts: []db.Checkout{{Mode: "payment", PaymentStatus: "paid", Amount: 500, Currency: "eur", CreatedAt: in(-day)}}},
			payment{"paid", 500, "eur", 0, in(-day)}},
		{"a checkout of a subscription counts by its invoice", customer.Facts{Invoices: []db.Invoice{first}, Checkouts: []db.Checkout{{Mode: "subscription", PaymentStatus: "paid", Amount: 1900, CreatedAt: in(0)}}},
			payment{"paid", 1900, "usd", 0, first.PaidAt}},
		{"refunded, says the charge", of(4900), last("refunded", 4900)},
		{"refunded in part, says the charge", of(1), last("partially_refunded", 1)},
		{"refunded, says the refund alone", of(0, refund("re_1", "succeeded", 4900, second)), last("refunded", 4900)},
		{"a refund under way", of(0, refund("re_1", "pending", 100, second)), last("partially_refunded", 100)},
		{"both say the same", of(4900, refund("re_1", "succeeded", 4900, second)), last("refunded", 4900)},
		{"several refunds", of(300, refund("re_1", "succeeded", 100, second), refund("re_2", "succeeded", 200, second)), last("partially_refunded", 300)},
		{"one of several is not known", of(300, refund("re_1", "succeeded", 100, second)), last("partially_refunded", 300)},
		{"a refund that failed, and the charge does not know yet", of(4900, refund("re_1", "failed", 4900, second)), last("paid", 0)},
		{"a refund that failed, and the charge knows", of(0, refund("re_1", "failed", 4900, second)), last("paid", 0)},
		{"a refund that was cancelled", of(0, refund("re_1", "canceled", 4900, second)), last("paid", 0)},
		{"one of two failed", of(300, refund("re_1", "succeeded", 100, second), refund("re_2", "failed", 200, second)), last("partially_refunded", 100)},
		{"a refund of an earlier payment", customer.Facts{Invoices: []db.Invoice{first, second}, Charges: []db.Charge{chargeOf(first, 1900), chargeOf(second, 0)}}, last("paid", 1900)},
		{"a refund whose charge is not stored", customer.Facts{Invoices: []db.Invoice{second}, Refunds: []db.Refund{refund("re_1", "succeeded", 100, second)}}, last("partially_refunded", 100)},
		{"the charge names no invoice, the payment does", customer.Facts{Invoices: []db.Invoice{{ID: "in_2", PaymentIntent: "pi_in_2", Status: "paid", AmountPaid: 4900, Currency: "usd", PaidAt: second.PaidAt}},
			Charges: []db.Charge{{ID: "ch_in_2", PaymentIntent: "pi_in_2", AmountRefunded: 4900, Currency: "usd"}}}, last("refunded", 4900)},
		{"two payments that name no charge are not one", customer.Facts{Invoices: []db.Invoice{{ID: "in_2", Status: "paid", AmountPaid: 4900, Currency: "usd", PaidAt: second.PaidAt}},
			Charges: []db.Charge{{ID: "ch_9", AmountRefunded: 4900, Currency: "usd"}}}, last("paid", 4900)},
		{"disputed", disputed("needs_response"), last("disputed", 0)},
		{"an inquiry", disputed("warning_under_review"), last("disputed", 0)},
		{"a dispute of a kind that is new", disputed("arbitration"), last("disputed", 0)},
		{"a dispute that was won", disputed("won"), last("paid", 0)},
		{"a dispute that was prevented", disputed("prevented"), last("paid", 0)},
		{"an inquiry that was closed", disputed("warning_closed"), last("paid", 0)},
		{"a dispute that was lost", disputed("lost"), last("disputed", 0)},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			r := row.facts.RecordAt(now)
			got := payment{r.LastPaymentStatus, r.LastPaymentAmount, r.LastPaymentCurrency, r.RefundedAmount, r.LastPaidAt}
			if got != row.want {
				t.Errorf("got %+v, want %+v", got, row.want)
			}
			if open := int64(len(row.facts.OpenDisputes())); r.OpenDisputes != open {
				t.Errorf("%d open disputes, want %d", r.OpenDisputes, open)
			}
		})
	}
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	known := db.Customer{Name: "Known", Email: "known@example.com"}
	stripe := func(source, name, email string, ago time.Duration) db.StripeCustomer {
		return db.StripeCustomer{Name: name, Email: email, Source: source, AsOfAt: in(-ago)}
	}
	deleted := stripe("api", "", "", 0)
	deleted.Deleted = true
	for _, row := range []struct {
		name   string
		stripe []db.StripeCustomer
		want   db.Customer
	}{
		{"a user who bought nothing", nil, known},
		{"what Stripe says", []db.StripeCustomer{stripe("api", "Ada", "ada@example.com", 0)}, db.Customer{Name: "Ada", Email: "ada@example.com", Source: "api", AsOfAt: in(0)}},
		{"blanks wipe nothing", []db.StripeCustomer{stripe("api", "", "", 0)}, db.Customer{Name: "Known", Email: "known@example.com", Source: "api", AsOfAt: in(0)}},
		{"the newest of several that says it", []db.StripeCustomer{stripe("api", "Old", "old@example.com", 0), stripe("api", "", "new@example.com", 0)},
			db.Customer{Name: "Old", Email: "new@example.com", Source: "api", AsOfAt: in(0)}},
		{"as well founded as the worst reading", []db.StripeCustomer{stripe("api", "A", "a@example.com", 0), stripe("events", "A", "a@example.com", day), stripe("api", "A", "a@example.com", 0)},
			db.Customer{Name: "A", Email: "a@example.com", Source: "events", AsOfAt: in(-day)}},
		{"one of two is deleted", []db.StripeCustomer{deleted, stripe("api", "A", "a@example.com", 0)}, db.Customer{Name: "A", Email: "a@example.com", Source: "api", AsOfAt: in(0)}},
		{"all are deleted", []db.StripeCustomer{deleted}, db.Customer{Name: "Known", Email: "known@example.com", Source: "api", AsOfAt: in(0), Deleted: true}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			r := customer.Facts{Record: known, Stripe: row.stripe}.RecordAt(now)
			got := db.Customer{Name: r.Name, Email: r.Email, Source: r.Source, AsOfAt: r.AsOfAt, Deleted: r.Deleted}
			if got != row.want {
				t.Errorf("got %+v, want %+v", got, row.want)
			}
		})
	}
}
