package reconcile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"bursar/app/automation"
	"bursar/app/crm"
	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/support"
)

// compareContact compares the contact of a customer with what the rules want; nil is none.
func (c *comparison) compareContact(ctx context.Context, facts customer.Facts, want *crm.Contact) error {
	id := facts.Record.ID
	if err := c.contactsBefore(ctx, id); err != nil {
		return err
	}
	list, err := c.contacts.of(id)
	if err != nil {
		return err
	}
	f := finding{kind: contactDiffers, subject: fmt.Sprint(id), customerID: id, since: c.contacts.at}
	if len(list) > 1 {
		double := f
		double.kind, double.expected, double.actual = contactDoubled, "one contact", fmt.Sprintf("%d contacts", len(list))
		double.reason = reason{cause: Unknown, evidence: "Somebody, or another program, made the second"}
		if err := c.add(ctx, double); err != nil {
			return err
		}
	}
	switch {
	case want == nil && len(list) == 0:
		return nil
	case want == nil:
		f.kind, f.expected, f.actual = contactUnwanted, "no contact", strings.TrimSpace(list[0].Lifecycle+" "+list[0].Email)
		f.reason = reason{cause: EditedThere, evidence: "No subscription here leads to a contact"}
		return c.add(ctx, f)
	}
	f.job = crm.SyncContact{Contact: *want}
	switch {
	case len(list) == 0:
		f.kind, f.expected, f.actual = contactMissing, want.Email, "no contact"
	default:
		changes := c.Policies.Changes(list[0].Fields(), want.Fields())
		if len(changes) == 0 {
			return nil
		}
		f.expected, f.actual = inWords(changes)
		f.before = crm.SyncContact{Contact: list[0]}
	}
	f.systems.Bursar, f.systems.CRM = &Said{f.expected, time.Now()}, &Said{f.actual, c.contacts.at}
	return c.add(ctx, f)
}

// inWords are the values that should stand there, and those that do.
func inWords(changes []crm.Change) (expected, actual string) {
	var e, a []string
	for _, c := range changes {
		e, a = append(e, crm.Label(c.Field)+" "+c.New), append(a, crm.Label(c.Field)+" "+c.Old)
	}
	return strings.Join(e, ", "), strings.Join(a, ", ")
}

// contactsOfNobody are those left behind the last customer.
func (c *comparison) contactsOfNobody(ctx context.Context) error {
	if c.contacts == nil {
		return nil
	}
	return c.contactsBefore(ctx, 1<<63-1)
}

func (c *comparison) contactsBefore(ctx context.Context, customer int64) error {
	for _, id := range c.contacts.before(customer) {
		if err := c.contactOfNobody(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

func (c *comparison) contactOfNobody(ctx context.Context, id int64) error {
	if _, err := c.DB.Read().CustomerByID(ctx, id); !errors.Is(err, db.ErrNoRows) {
		return err // they came while this run was reading
	}
	list, err := c.contacts.of(id)
	if err != nil || len(list) == 0 {
		return err
	}
	text := nameAndEmail(list[0].Name, list[0].Email)
	return c.add(ctx, finding{kind: contactOfNobody, subject: fmt.Sprint(id), expected: "a customer here", actual: text,
		systems: Systems{Bursar: &Said{"no such customer", time.Now()}, CRM: &Said{text, c.contacts.at}},
		reason:  reason{cause: EditedThere, evidence: fmt.Sprintf("The contact names customer %d, which is not here: it was written by hand, or left behind", id)}})
}

// compareTickets looks for tickets that are wanted and were never opened.
func (c *comparison) compareTickets(ctx context.Context, id int64, wanted []support.Ticket) error {
	for _, t := range wanted {
		delete(c.tickets.open, t.Cause)
		if c.tickets.causes.has(t.Cause) {
			continue
		}
		whole, err := c.wantedTicket(ctx, id, t)
		if err != nil {
			return err
		}
		err = c.add(ctx, finding{kind: ticketMissing, subject: t.Cause, customerID: id, since: c.tickets.at, expected: t.Subject, actual: "no ticket",
			job: support.SyncTicket{Ticket: whole}, systems: Systems{Desk: &Said{"no ticket", c.tickets.at}}})
		if err != nil {
			return err
		}
	}
	return nil
}

// wantedTicket is a ticket with everything that support wants to know in it.
func (c *comparison) wantedTicket(ctx context.Context, id int64, t support.Ticket) (support.Ticket, error) {
	f, err := customer.Load(ctx, c.DB.Read(), id)
	if err != nil {
		return t, err
	}
	now := time.Now()
	f.Record = f.RecordAt(now)
	for _, whole := range automation.Want(f, now).Tickets {
		if whole.Cause == t.Cause {
			return whole, nil
		}
	}
	return t, nil
}

// closeLeftOpen finds what is still open although no rule wants it.
func (c *comparison) closeLeftOpen(ctx context.Context) error {
	if c.tickets == nil {
		return nil
	}
	for cause, t := range c.tickets.open {
		d := finding{kind: ticketLeftOpen, subject: cause, customerID: t.CustomerID, since: c.tickets.at, expected: "closed", actual: "open",
			systems: Systems{Desk: &Said{"open", c.tickets.at}}}
		f, err := customer.Load(ctx, c.DB.Read(), t.CustomerID)
		switch {
		case errors.Is(err, db.ErrNoRows):
			d.kind, d.customerID, d.expected = ticketOfNobody, 0, "a customer here"
			d.job = support.SyncTicket{Ticket: support.Ticket{Cause: cause}, Closed: true, Note: "Its customer is not known here."}
			d.reason = reason{cause: EditedThere, evidence: "The ticket names no customer that is known here: it was changed by hand, or left behind"}
		case err != nil:
			return err
		default:
			if covered, waits := c.isCovered(f.Stripe); covered && !waits || wants(f, cause) {
				continue // it came while this run was reading, or Stripe says something new of its customer
			}
			d.job = automation.Close(f, cause)
		}
		if err := c.add(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

func wants(f customer.Facts, cause string) bool {
	now := time.Now()
	f.Record = f.RecordAt(now)
	for _, t := range automation.Want(f, now).Tickets {
		if t.Cause == cause {
			return true
		}
	}
	return false
}
