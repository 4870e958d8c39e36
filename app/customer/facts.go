// Package customer is the canonical record: who a customer is in every system, what they pay for, and
// whether they have access.
package customer

import (
	"context"
	"fmt"

	"bursar/app/db"
)

// Facts are everything stored about one customer. The record, the access and the rules of what
// follows from a change are pure functions of it and the time.
type Facts struct {
	Record        db.Customer
	Links         []db.Link
	Stripe        []db.StripeCustomer // several, if the same person bought twice
	Subscriptions []db.Subscription   // of all of those, oldest first
	Invoices      []db.Invoice        // the newest 100, oldest first
	Charges       []db.Charge         // the newest 100, oldest first
	Refunds       []db.Refund
	Disputes      []db.Dispute
	Checkouts     []db.Checkout
	Recent        []db.RecentEventsOfCustomerRow // newest first
	Failing       []db.Job                       // jobs about this customer that need another try or a person
}

const recentEvents = 5

// Load reads the facts of a customer; db.ErrNoRows if there is none with this id.
func Load(ctx context.Context, q *db.Queries, id int64) (f Facts, err error) {
	if f.Record, err = q.CustomerByID(ctx, id); err != nil {
		return f, fmt.Errorf("load customer %d: %w", id, err)
	}
	for _, read := range []func() error{
		func() (err error) { f.Links, err = q.LinksOfCustomer(ctx, id); return },
		func() (err error) { f.Stripe, err = q.StripeCustomersOf(ctx, id); return },
		func() (err error) { f.Subscriptions, err = q.SubscriptionsOf(ctx, id); return },
		func() (err error) { f.Invoices, err = q.InvoicesOf(ctx, id); return },
		func() (err error) { f.Charges, err = q.ChargesOf(ctx, id); return },
		func() (err error) { f.Refunds, err = q.RefundsOf(ctx, id); return },
		func() (err error) { f.Disputes, err = q.DisputesOf(ctx, id); return },
		func() (err error) { f.Checkouts, err = q.CheckoutsOf(ctx, id); return },
		func() (err error) { f.Recent, err = q.RecentEventsOfCustomer(ctx, id, recentEvents); return },
		func() (err error) { f.Failing, err = q.FailedJobsOfCustomer(ctx, id); return },
	} {
		if err := read(); err != nil {
			return f, fmt.Errorf("load customer %d: %w", id, err)
		}
	}
	return f, nil
}

// Linked are the customer's ids in a system: user, anonymous, stripe, crm or desk.
func (f Facts) Linked(system string) []string {
	var ids []string
	for _, l := range f.Links {
		if l.System == system {
			ids = append(ids, l.RemoteID)
		}
	}
	return ids
}
