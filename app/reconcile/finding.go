package reconcile

import (
	"context"
	"fmt"
	"time"

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
	ask        bool       // the job takes access away from many at once: it waits for a person to ask for it
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

// stripeKinds are found by looking at Stripe.
var stripeKinds = []string{customerMissing, customerDiffers, subscriptionMissing, subscriptionDiffers, accessWouldEnd, notInStripe}

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

const (
	flushAt  = 200             // findings share one transaction, and are kept in memory until then
	inFlight = 5 * time.Minute // a job that has been due for longer is stuck: what it would mend is a finding

	// Repairs begin two a second after the first few: a sync is six calls, and Stripe's limit, which the
	// client keeps to at 20 a second, must have room for who pays just now.
	repairBurst = 10
	repairEvery = 500 * time.Millisecond
)

// add keeps a finding, and stores those kept when they are many. What a job is about to mend by
// itself, or has mended since the reading began, is none.
func (c *comparison) add(ctx context.Context, f finding) error {
	if f.job != nil {
		now := time.Now()
		n, err := c.DB.Read().JobUnderWay(ctx, db.JobUnderWayParams{Kind: f.job.Kind(), Key: f.job.Key(),
			Now: db.At(now), StuckAt: db.At(now.Add(-inFlight)), Since: db.At(c.reading)})
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
			p := db.SaveFindingParams{RunID: c.row.ID, Kind: f.kind, Subject: f.subject, CustomerID: f.customerID,
				Expected: f.expected, Actual: f.actual, Repair: "person", Now: db.Now()}
			if f.job != nil {
				p.Repair, p.JobKind, p.JobKey = "job", f.job.Kind(), f.job.Key()
				if err := c.queueRepair(ctx, q, f.job); err != nil {
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

func (c *comparison) queueRepair(ctx context.Context, q *db.Queries, job queue.Args) error {
	c.repairs++
	wait := time.Duration(max(c.repairs-repairBurst, 0)) * repairEvery
	return queue.Hurry(ctx, q, job, time.Now().Add(wait))
}
