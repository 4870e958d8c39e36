package reconcile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"bursar/app/automation"
	"bursar/app/billing"
	"bursar/app/crm"
	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/support"
)

// compareHere looks for what cannot be right whatever the others say.
func (c *comparison) compareHere(ctx context.Context) error {
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
		found = append(found, finding{kind: unknownPrice, subject: p.Price, customerID: p.CustomerID,
			expected: "a plan name", actual: fmt.Sprintf("none, for %d live subscriptions", p.N)})
	}
	for _, p := range people {
		found = append(found, finding{kind: twoPeople, subject: p.ID, customerID: p.CustomerID,
			expected: fmt.Sprintf("customer %d", p.CustomerID), actual: fmt.Sprintf("user %s is customer %d", p.UserID, p.UserCustomerID)})
	}
	if nobody > 0 {
		found = append(found, finding{kind: eventsOfNobody, subject: "events", expected: "a customer", actual: fmt.Sprintf("%d events without one", nobody)})
	}
	for _, i := range ignored {
		found = append(found, finding{kind: eventsIgnored, subject: i.Ignored, expected: "none", actual: fmt.Sprintf("%d in 24 hours", i.N)})
	}
	for _, f := range found {
		if err := c.add(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// compareDesks compares what the rules want of the CRM and the desk with what stands there.
func (c *comparison) compareDesks(ctx context.Context) error {
	c.reading = time.Now()
	contacts := map[int64]crm.Contact{}
	for contact, err := range c.CRM.Contacts(ctx) {
		if err != nil {
			return fmt.Errorf("the contacts could not be read whole: %w", err)
		}
		contacts[contact.CustomerID] = contact
	}
	tickets := map[string]support.Status{}
	for t, err := range c.Desk.Tickets(ctx) {
		if err != nil {
			return fmt.Errorf("the tickets could not be read whole: %w", err)
		}
		tickets[t.Cause] = t
	}
	c.row.Contacts, c.row.Tickets = int64(len(contacts)), int64(len(tickets))
	if c.Stripe == nil {
		c.row.Customers, c.row.Subscriptions = 0, 0
	}
	for after := int64(0); ; {
		rows, err := c.DB.Read().CustomerPage(ctx, after, page)
		if err != nil {
			return err
		}
		for _, r := range rows {
			after = r.ID
			if err := c.compareCustomer(ctx, r.ID, contacts, tickets); err != nil {
				return err
			}
		}
		if len(rows) < page {
			return c.closeLeftOpen(ctx, tickets)
		}
	}
}

// compareCustomer compares one customer; wanted tickets are struck from the map.
func (c *comparison) compareCustomer(ctx context.Context, id int64, contacts map[int64]crm.Contact, tickets map[string]support.Status) error {
	f, err := customer.Load(ctx, c.DB.Read(), id)
	if errors.Is(err, db.ErrNoRows) {
		return nil // merged a moment ago
	}
	if err != nil {
		return err
	}
	if c.Stripe == nil {
		c.row.Customers++
		c.row.Subscriptions += int64(len(f.Subscriptions))
	}
	now := time.Now()
	follows := f.RecordAt(now)
	if expected, actual := standing(follows), standing(f.Record); expected != actual && len(f.Stripe) > 0 {
		err := c.add(ctx, finding{kind: recordStale, subject: fmt.Sprint(id), customerID: id, expected: expected, actual: actual,
			job: billing.SyncCustomer{StripeCustomer: f.Stripe[0].ID}})
		if err != nil {
			return err
		}
	}
	f.Record = follows
	want := automation.Want(f, now)
	if want.Contact != nil {
		if err := c.compareContact(ctx, *want.Contact, contacts); err != nil {
			return err
		}
	}
	for _, t := range want.Tickets {
		_, exists := tickets[t.Cause]
		delete(tickets, t.Cause)
		if exists {
			continue
		}
		err := c.add(ctx, finding{kind: ticketMissing, subject: t.Cause, customerID: id, expected: t.Subject, actual: "no ticket", job: support.SyncTicket{Ticket: t}})
		if err != nil {
			return err
		}
	}
	return nil
}

// standing is what a customer gets, in words.
func standing(r db.Customer) string {
	return fmt.Sprintf("access %s, plan %q, status %q", r.Access, r.Plan, r.Status)
}

func (c *comparison) compareContact(ctx context.Context, want crm.Contact, contacts map[int64]crm.Contact) error {
	f := finding{kind: contactDiffers, subject: fmt.Sprint(want.CustomerID), customerID: want.CustomerID, job: crm.SyncContact{Contact: want}}
	is, ok := contacts[want.CustomerID]
	switch {
	case !ok:
		f.kind, f.expected, f.actual = contactMissing, want.Email, "no contact"
	case is == want:
		return nil
	default:
		f.expected, f.actual = diffContact(want, is)
	}
	return c.add(ctx, f)
}

func diffContact(want, is crm.Contact) (expected, actual string) {
	var e, a []string
	say := func(what, want, is string) {
		if want != is {
			e, a = append(e, what+" "+want), append(a, what+" "+is)
		}
	}
	say("name", want.Name, is.Name)
	say("e-mail", want.Email, is.Email)
	say("lifecycle", want.Lifecycle, is.Lifecycle)
	say("plan", want.Plan, is.Plan)
	say("status", want.Status, is.Status)
	say("last paid", stamp(want.LastPaidAt), stamp(is.LastPaidAt))
	return strings.Join(e, ", "), strings.Join(a, ", ")
}

// closeLeftOpen closes what is still open although no rule wants it.
func (c *comparison) closeLeftOpen(ctx context.Context, tickets map[string]support.Status) error {
	for cause, t := range tickets {
		if !t.Open || !automation.Owns(cause) || t.CustomerID == 0 {
			continue
		}
		f, err := customer.Load(ctx, c.DB.Read(), t.CustomerID)
		if errors.Is(err, db.ErrNoRows) {
			continue // merged a moment ago
		}
		if err != nil {
			return err
		}
		err = c.add(ctx, finding{kind: ticketLeftOpen, subject: cause, customerID: t.CustomerID, expected: "closed", actual: "open", job: automation.Close(f, cause)})
		if err != nil {
			return err
		}
	}
	return nil
}
