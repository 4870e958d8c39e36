package customer

import (
	"context"
	"fmt"

	"bursar/app/db"
)

// LoadRange reads the facts of customers whose rows were read in the order of their ids, without their recent
// events and failing jobs: nine queries for all of them, where Load would take ten for each.
func LoadRange(ctx context.Context, q *db.Queries, rows []db.Customer) ([]Facts, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	facts := make([]Facts, len(rows))
	at := make(map[int64]*Facts, len(rows))
	for i, r := range rows {
		facts[i].Record = r
		at[r.ID] = &facts[i]
	}
	first, last := rows[0].ID, rows[len(rows)-1].ID
	for _, read := range []func() error{
		func() error {
			return spread(at, func(f *Facts) *[]db.StripeCustomer { return &f.Stripe },
				func(r db.StripeCustomer) int64 { return r.CustomerID })(q.FactsStripe(ctx, first, last))
		},
		func() error {
			return spread(at, func(f *Facts) *[]db.Link { return &f.Links }, func(r db.Link) int64 { return r.CustomerID })(q.FactsLinks(ctx, first, last))
		},
		func() error {
			return spread(at, func(f *Facts) *[]db.Subscription { return &f.Subscriptions },
				func(r db.Subscription) int64 { return r.CustomerID })(q.FactsSubscriptions(ctx, first, last))
		},
		func() error {
			return spread(at, func(f *Facts) *[]db.Invoice { return &f.Invoices }, func(r db.Invoice) int64 { return r.CustomerID })(q.FactsInvoices(ctx, first, last))
		},
		func() error {
			return spread(at, func(f *Facts) *[]db.Charge { return &f.Charges }, func(r db.Charge) int64 { return r.CustomerID })(q.FactsCharges(ctx, first, last))
		},
		func() error {
			return spread(at, func(f *Facts) *[]db.Refund { return &f.Refunds }, func(r db.Refund) int64 { return r.CustomerID })(q.FactsRefunds(ctx, first, last))
		},
		func() error {
			return spread(at, func(f *Facts) *[]db.Dispute { return &f.Disputes }, func(r db.Dispute) int64 { return r.CustomerID })(q.FactsDisputes(ctx, first, last))
		},
		func() error {
			return spread(at, func(f *Facts) *[]db.Checkout { return &f.Checkouts }, func(r db.Checkout) int64 { return r.CustomerID })(q.FactsCheckouts(ctx, first, last))
		},
	} {
		if err := read(); err != nil {
			return nil, fmt.Errorf("load customers %d to %d: %w", first, last, err)
		}
	}
	for i := range facts {
		facts[i].Invoices = newest(facts[i].Invoices)
		facts[i].Charges = newest(facts[i].Charges)
	}
	return facts, nil
}

// spread gives each row to the facts of its customer.
func spread[T any](at map[int64]*Facts, list func(*Facts) *[]T, of func(T) int64) func([]T, error) error {
	return func(rows []T, err error) error {
		for _, r := range rows {
			if f := at[of(r)]; f != nil {
				l := list(f)
				*l = append(*l, r)
			}
		}
		return err
	}
}

// keptPayments is how many invoices and charges of a customer count, as in Load.
const keptPayments = 100

func newest[T any](list []T) []T { return list[max(len(list)-keptPayments, 0):] }

// Less says that one level of access gives less than another.
func Less(level, than string) bool { return rank[level] < rank[than] }
