package reconcile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"bursar/app/automation"
	"bursar/app/billing"
	"bursar/app/customer"
	"bursar/app/db"
)

// compareHere looks for what cannot be right whatever the others say.
func (c *comparison) compareHere(ctx context.Context) error {
	c.reading = time.Now()
	q := c.DB.Read()
	prices, err := q.UnknownPrices(ctx)
	if err != nil {
		return err
	}
	people, err := q.TwoPeople(ctx)
	if err != nil {
		return err
	}
	nobody, err := q.CountEventsOfNobody(ctx)
	if err != nil {
		return err
	}
	ignored, err := q.CountIgnoredSince(ctx, db.At(c.started.Add(-24*time.Hour)))
	if err != nil {
		return err
	}
	var found []finding
	for _, p := range prices {
		found = append(found, finding{kind: unknownPrice, subject: p.Price, customerID: p.CustomerID, expected: "a plan name", actual: "none",
			reason: reason{cause: Unnamed, evidence: fmt.Sprintf("Neither BURSAR_PLANS nor Stripe's product names it; %s", liveOnes(p.N))}})
	}
	for _, p := range people {
		found = append(found, finding{kind: twoPeople, subject: p.ID, customerID: p.CustomerID,
			expected: fmt.Sprintf("customer %d", p.CustomerID), actual: fmt.Sprintf("user %s is customer %d", p.UserID, p.UserCustomerID),
			reason: reason{cause: AsInStripe, evidence: "The checkout names this user, and Stripe's customer of it is another's here"}})
	}
	if nobody > 0 {
		found = append(found, finding{kind: eventsOfNobody, subject: "events", expected: "a customer", actual: fmt.Sprintf("%d events without one", nobody),
			reason: reason{cause: AsInStripe, evidence: "Their objects name no customer, as payments of guests do"}})
	}
	for _, i := range ignored {
		found = append(found, finding{kind: eventsIgnored, subject: i.Ignored, expected: "none", actual: "events that nothing follows from",
			reason: reason{cause: Ignored, evidence: fmt.Sprintf("%d in 24 hours: %s", i.N, i.Ignored)}})
	}
	for _, f := range found {
		if err := c.add(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

func liveOnes(n int64) string {
	if n == 1 {
		return "one live subscription has it"
	}
	return fmt.Sprintf("%d live subscriptions have it", n)
}

// compareCustomers walks everybody known here, and compares them with themselves, the CRM and the desk.
func (c *comparison) compareCustomers(ctx context.Context) error {
	c.reading = time.Now()
	if c.Stripe == nil {
		c.row.Customers, c.row.Subscriptions = 0, 0
	}
	alike := newAlike()
	for after := int64(0); ; {
		rows, err := c.DB.Read().CustomerPage(ctx, after, page)
		if err != nil {
			return err
		}
		facts, err := customer.LoadRange(ctx, c.DB.Read(), rows)
		if err != nil {
			return err
		}
		for _, f := range facts {
			after = f.Record.ID
			alike.add(f.Record)
			if err := c.compareCustomer(ctx, f); err != nil {
				return err
			}
		}
		if len(rows) < page {
			break
		}
		if err := c.progress(ctx); err != nil {
			return err
		}
	}
	return errors.Join(c.contactsOfNobody(ctx), c.closeLeftOpen(ctx), c.compareAlike(ctx, alike))
}

// compareCustomer compares one customer; tickets that are wanted are struck from the open ones.
func (c *comparison) compareCustomer(ctx context.Context, f customer.Facts) error {
	if c.Stripe == nil {
		c.row.Customers++
		c.row.Subscriptions += int64(len(f.Subscriptions))
	}
	now := time.Now()
	follows := f.RecordAt(now)
	covered, waits := c.isCovered(f.Stripe)
	if covered && waits {
		return c.compareWaiting(ctx, f)
	}
	if covered { // once Stripe has been read again the rest follows, or is seen by the next run
		if c.contacts != nil {
			if err := c.contactsBefore(ctx, f.Record.ID); err != nil {
				return err
			}
		}
		return c.DB.Tx(ctx, func(q *db.Queries) error {
			return q.KeepFindings(ctx, c.row.ID, db.ID(f.Record.ID), "[]")
		})
	}
	if err := c.compareRecord(ctx, f, follows); err != nil {
		return err
	}
	f.Record = follows
	if err := c.compareMoney(ctx, f); err != nil {
		return err
	}
	return c.compareOthers(ctx, f, now)
}

// compareWaiting compares the CRM and the desk with the record as it is, while a person has not decided whether
// it follows Stripe: that may take long, and must not hide what is wrong there.
func (c *comparison) compareWaiting(ctx context.Context, f customer.Facts) error {
	err := c.DB.Tx(ctx, func(q *db.Queries) error {
		return q.KeepFindings(ctx, c.row.ID, db.ID(f.Record.ID), elsewhere)
	})
	if err != nil {
		return err
	}
	return c.compareOthers(ctx, f, time.Now())
}

// elsewhere are the kinds that compareOthers and closeLeftOpen look for, as JSON.
const elsewhere = `["contact_missing", "contact_differs", "contact_doubled", "contact_unwanted", "ticket_missing", "ticket_left_open"]`

// compareOthers compares the CRM and the desk with what the rules want for a customer.
func (c *comparison) compareOthers(ctx context.Context, f customer.Facts, now time.Time) error {
	want := automation.Want(f, now)
	if c.contacts != nil {
		if err := c.compareContact(ctx, f, want.Contact); err != nil {
			return err
		}
	}
	if c.tickets != nil {
		return c.compareTickets(ctx, f.Record.ID, want.Tickets)
	}
	return nil
}

// compareRecord compares the record with what follows from the facts.
func (c *comparison) compareRecord(ctx context.Context, f customer.Facts, follows db.Customer) error {
	expected, actual := standing(follows), standing(f.Record)
	if expected == actual || len(f.Stripe) == 0 {
		return nil
	}
	newest := f.Stripe[len(f.Stripe)-1].ID
	d := finding{kind: recordStale, subject: fmt.Sprint(f.Record.ID), customerID: f.Record.ID, stripeCustomer: newest, expected: expected, actual: actual,
		job: billing.SyncCustomer{StripeCustomer: newest}}
	switch is, will := f.Record.Access, follows.Access; {
	case gives(is) && !gives(will):
		look := billing.LookAgain{StripeCustomer: newest}
		if under, err := c.underWay(ctx, look.Kind(), look.Key(), c.reading.Add(-inFlight)); err != nil || under {
			return err // the time has just come, and that is being done
		}
		d.kind = activeNotPaid
		for _, s := range f.Stripe {
			c.ends[s.ID] = true
		}
	case customer.Less(is, will) && gives(will):
		d.kind = paidNotActive
	}
	var err error
	if d.reason, err = c.whyRecord(ctx, &d); err != nil {
		return err
	}
	return c.add(ctx, d)
}

// compareMoney looks for customers who pay twice, and for those who got their money back and stayed.
func (c *comparison) compareMoney(ctx context.Context, f customer.Facts) error {
	var paying []string
	for _, s := range f.Subscriptions {
		if (s.Status == "active" || s.Status == "past_due") && s.Amount > 0 && !s.CancelAtPeriodEnd && s.CancelAt.IsZero() && s.PauseBehavior == "" {
			paying = append(paying, fmt.Sprintf("%s (%s)", s.ID, customer.PlanName(s)))
		}
	}
	id := fmt.Sprint(f.Record.ID)
	if len(paying) > 1 {
		newest := f.Subscriptions[len(f.Subscriptions)-1]
		err := c.add(ctx, finding{kind: twoSubscriptions, subject: id, customerID: f.Record.ID, expected: "one that is paid", actual: strings.Join(paying, " and "),
			reason: reason{cause: AsInStripe, evidence: "Both were bought in Stripe", at: newest.CreatedAt.Time}})
		if err != nil {
			return err
		}
	}
	if f.Record.LastPaymentStatus == "refunded" && gives(f.Record.Access) {
		amount := customer.FormatAmount(f.Record.LastPaymentAmount, f.Record.LastPaymentCurrency)
		why := reason{cause: AsInStripe, evidence: "A refund does not end a subscription in Stripe"}
		if n := len(f.Refunds); n > 0 {
			why.at = f.Refunds[n-1].CreatedAt.Time
		}
		return c.add(ctx, finding{kind: refundKeptAccess, subject: id, customerID: f.Record.ID, expected: "no access, or a payment",
			actual: "access " + f.Record.Access + ", and " + amount + " went back", reason: why})
	}
	return nil
}

// isCovered says that Stripe was found to say something else of a customer, so that what is stored is not the last
// word, and whether all of that waits for a person.
func (c *comparison) isCovered(list []db.StripeCustomer) (covered, waits bool) {
	waits = true
	for _, s := range list {
		queued, found := c.covered[s.ID]
		covered = covered || found
		waits = waits && (!queued || c.ends[s.ID])
	}
	return covered, waits
}
