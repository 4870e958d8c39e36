package reconcile

import (
	"context"
	"fmt"

	"bursar/app/db"
	"bursar/app/queue"
)

// finding is one thing that two systems say differently.
type finding struct {
	kind       string
	subject    string // the id of what differs
	customerID int64
	expected   string // by the system that is right
	actual     string
	job        queue.Args // what mends it; nil: a person must
	ask        bool       // the job takes something away: it waits for a person to ask for it
}

// Kinds of findings. Each has a sentence in Label.
const (
	customerMissing     = "customer_missing"
	customerDiffers     = "customer_differs"
	subscriptionMissing = "subscription_missing"
	subscriptionDiffers = "subscription_differs"
	accessWouldEnd      = "access_would_end"
	notInStripe         = "not_in_stripe"
	recordStale         = "record_stale"
	contactMissing      = "contact_missing"
	contactDiffers      = "contact_differs"
	ticketMissing       = "ticket_missing"
	ticketLeftOpen      = "ticket_left_open"
	unknownPrice        = "unknown_price"
	twoPeople           = "two_people"
	eventsOfNobody      = "events_of_nobody"
	eventsIgnored       = "events_ignored"
)

var labels = map[string]string{
	customerMissing:     "a Stripe customer was not known here",
	customerDiffers:     "name, e-mail or deletion differ from Stripe",
	subscriptionMissing: "a Stripe subscription was not known here",
	subscriptionDiffers: "a subscription differs from Stripe",
	accessWouldEnd:      "Stripe says the subscription is over, and there is access here",
	notInStripe:         "Stripe does not list this subscription",
	recordStale:         "the record is behind what is stored",
	contactMissing:      "the contact is missing in the CRM",
	contactDiffers:      "the contact in the CRM differs",
	ticketMissing:       "a ticket is missing",
	ticketLeftOpen:      "a ticket is open although its cause is gone",
	unknownPrice:        "a price has no plan name (set BURSAR_PLANS)",
	twoPeople:           "a purchase names the user of another customer",
	eventsOfNobody:      "payments belong to nobody known",
	eventsIgnored:       "events were ignored",
}

// Label says in words what a kind of finding is.
func Label(kind string) string { return labels[kind] }

// flushAt bounds how many findings share one transaction, and what a run keeps in memory.
const flushAt = 200

// add keeps a finding, and stores those kept when they are many. What a job is about to mend by
// itself is none.
func (c *comparison) add(ctx context.Context, f finding) error {
	if f.job != nil {
		n, err := c.DB.Read().JobUnderWay(ctx, f.job.Kind(), f.job.Key(), db.Now())
		if err != nil || n > 0 {
			return err
		}
	}
	if f.ask && !c.repair {
		f.job = nil
	}
	c.found = append(c.found, f)
	if len(c.found) < flushAt {
		return nil
	}
	return c.flush(ctx)
}

// flush stores the findings together with the jobs that mend them.
func (c *comparison) flush(ctx context.Context) error {
	err := c.DB.Tx(ctx, func(q *db.Queries) error {
		for _, f := range c.found {
			p := db.SaveFindingParams{RunID: c.row.ID, Kind: f.kind, Subject: f.subject, CustomerID: db.ID(f.customerID),
				Expected: f.expected, Actual: f.actual, Repair: "person", Now: db.Now()}
			if f.job != nil {
				p.Repair, p.JobKind, p.JobKey = "job", f.job.Kind(), f.job.Key()
				if err := queue.Insert(ctx, q, f.job); err != nil {
					return err
				}
			}
			if err := q.SaveFinding(ctx, p); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store findings: %w", err)
	}
	c.found = c.found[:0]
	return nil
}
