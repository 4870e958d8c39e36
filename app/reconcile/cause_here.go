package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"bursar/app/connect"
	"bursar/app/crm"
	"bursar/app/db"
	"bursar/app/stripe"
	"bursar/app/support"
)

// editedHere says that the stored events, which only Stripe can make, say what Stripe says: then what differs
// was changed here. It knows of subscriptions, names and invoices.
func (c *comparison) editedHere(ctx context.Context, f *finding) (bool, error) {
	rows, err := c.DB.Read().EventsOfCustomer(ctx, f.stripeCustomer, db.Time{})
	if err != nil {
		return false, err
	}
	events := make([]stripe.Event, 0, len(rows))
	for _, row := range rows {
		e, err := stripe.DecodeEvent(row.Payload)
		if err != nil {
			return false, nil // thinned out: it tells nothing any more
		}
		events = append(events, e)
	}
	told := stripe.Fold(events)
	switch f.kind {
	case customerDiffers:
		return nameAndEmail(told.Customer.Name, told.Customer.Email) == f.expected, nil
	case customerMissing:
		return told.Customer.ID == f.subject, nil
	case linkToNothing, notInStripe:
		return !slices.ContainsFunc(told.Subscriptions, func(s stripe.Subscription) bool { return s.ID == f.subject }) &&
			!(f.kind == linkToNothing && len(events) > 0), nil
	case invoiceMissing, invoiceDiffers:
		return slices.ContainsFunc(told.Invoices, func(i stripe.Invoice) bool {
			return i.ID == f.subject && invoiceState(i.Status, i.Failed, i.AmountPaid, i.AmountDue, i.Currency) == f.expected
		}), nil
	case refundMissing, refundDiffers:
		return slices.ContainsFunc(told.Refunds, func(r stripe.Refund) bool { return r.ID == f.subject }), nil
	case disputeMissing, disputeDiffers:
		return slices.ContainsFunc(told.Disputes, func(d stripe.Dispute) bool { return d.ID == f.subject }), nil
	case checkoutMissing:
		return slices.ContainsFunc(told.Checkouts, func(o stripe.Checkout) bool { return o.ID == f.subject }), nil
	}
	at := slices.IndexFunc(told.Subscriptions, func(s stripe.Subscription) bool { return s.ID == f.subject })
	if at < 0 {
		return false, nil
	}
	here, err := c.DB.Read().SubscriptionByID(ctx, f.subject)
	if errors.Is(err, db.ErrNoRows) {
		return true, nil // its events were worked on, and it is gone
	}
	_, expected, _ := diffSubscription(told.Subscriptions[at], here)
	return expected == f.expected, err
}

// whyRecord explains a record that does not follow from the facts.
func (c *comparison) whyRecord(ctx context.Context, f *finding) (reason, error) {
	jobs, err := c.jobsAbout(ctx, syncKind, f.stripeCustomer)
	if err != nil {
		return reason{}, err
	}
	if r, ok, err := c.ofJob(ctx, jobs, "stripe"); ok || err != nil {
		return r, err
	}
	record, err := c.DB.Read().CustomerByID(ctx, f.customerID)
	if err != nil {
		return reason{}, err
	}
	if until := record.AccessUntilAt.Time; !until.IsZero() && until.Before(time.Now()) {
		return reason{TimePassed, "The time has come at which access changes, and no job wrote it", until, 0}, nil
	}
	return reason{EditedHere, "Nothing that is stored leads to it: the record was changed in Bursar's own file", record.SyncedAt.Time, 0}, nil
}

// whyContact explains a contact that is missing or differs.
func (c *comparison) whyContact(ctx context.Context, f *finding) (reason, error) {
	jobs, err := c.jobsAbout(ctx, crm.SyncContact{}.Kind(), f.subject)
	if err != nil {
		return reason{}, err
	}
	if r, ok, err := c.ofConnector(ctx, connect.AreaCRM, jobs); ok || err != nil {
		return r, err
	}
	links, err := c.DB.Read().LinksOfCustomer(ctx, f.customerID)
	if err != nil {
		return reason{}, err
	}
	linked := slices.ContainsFunc(links, func(l db.Link) bool { return l.System == "crm" })
	r := reason{cause: EditedThere, evidence: "Bursar wrote it, and it was changed in the CRM by hand afterwards"}
	if len(jobs) > 0 {
		r.at, r.evidenceJob = jobs[0].FinalizedAt.Time, jobs[0].ID
	}
	switch {
	case f.kind == contactDiffers:
	case linked || len(jobs) > 0:
		r.cause, r.evidence = DeletedThere, "Bursar wrote it, and it was deleted in the CRM afterwards"
	default:
		r.cause, r.evidence = NeverWritten, "No job has written the contact"
	}
	return r, nil
}

// whyTicket explains a ticket that is missing, or open without a cause.
func (c *comparison) whyTicket(ctx context.Context, f *finding) (reason, error) {
	jobs, err := c.jobsAbout(ctx, support.SyncTicket{}.Kind(), f.subject)
	if err != nil {
		return reason{}, err
	}
	if r, ok, err := c.ofConnector(ctx, connect.AreaDesk, jobs); ok || err != nil {
		return r, err
	}
	if len(jobs) == 0 {
		if f.kind == ticketLeftOpen {
			return reason{cause: EditedThere, evidence: "Bursar never opened it: it was made on the desk by hand"}, nil
		}
		return reason{cause: NeverWritten, evidence: "No job has opened the ticket"}, nil
	}
	r := reason{DeletedThere, "Bursar opened it, and it was deleted on the desk afterwards", jobs[0].FinalizedAt.Time, jobs[0].ID}
	if f.kind != ticketLeftOpen {
		return r, nil
	}
	var args support.SyncTicket
	if json.Unmarshal([]byte(jobs[0].Args), &args) == nil && args.Closed {
		r.cause, r.evidence = EditedThere, "Bursar closed it, and it was opened again on the desk by hand"
		return r, nil
	}
	r.cause, r.evidence = NeverWritten, "Its cause went away, and no job was made that closes it"
	return r, nil
}
