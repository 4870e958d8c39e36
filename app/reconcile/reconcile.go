// Package reconcile compares what Stripe, Bursar, the CRM and the desk say of every customer, queues the
// repairs that are safe, and mails a report of the rest. A run reads a system whole or says that it
// could not: nothing is called missing on the strength of half a list.
package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"bursar/app/billing"
	"bursar/app/crm"
	"bursar/app/db"
	"bursar/app/mail"
	"bursar/app/queue"
	"bursar/app/redact"
	"bursar/app/stripe"
	"bursar/app/support"
)

// Reconciler has what a run needs.
type Reconciler struct {
	DB         *db.DB
	Stripe     *stripe.Client // nil: no API key, Stripe itself is not compared
	CRM        crm.CRM
	Desk       support.Desk
	Policies   crm.Policies // of the contacts' fields: what may differ
	Connectors []string     // systems of other companies that are the CRM or the desk, like crm:hubspot
	Templates  *mail.Templates
	To         []string // who gets the report
	Send       bool     // there is SMTP; without it the report stays in the outbox
	URL        string   // of the admin pages
	Location   *time.Location
	Pause      time.Duration // before Stripe is asked again after an error; 0 is a second
	Billing    *billing.Billing
	Cap        int // how many repairs that take something away one run may do when asked to repair all

	MinutesPerAction int // what one thing done by itself saves; 0: the report says nothing of it

	mu sync.Mutex // held by the run under way
}

// The jobs of this package.
type (
	// Reconcile is one run.
	Reconcile struct {
		Day    string // local date it is scheduled for, "" when asked for by hand
		Late   bool
		Repair bool // a person asked to repair also what takes access away
	}
	// SendReport mails what a run found, once its repairs are done.
	SendReport struct{ Run int64 }
)

func (Reconcile) Kind() string { return "reconcile" }

// Key keeps the run that may take access away apart from those that may not.
func (a Reconcile) Key() string {
	if a.Repair {
		return "repair:" + a.Day
	}
	return "day:" + a.Day
}

func (SendReport) Kind() string  { return "send_report" }
func (a SendReport) Key() string { return fmt.Sprint(a.Run) }

const (
	runTimeout     = time.Hour
	compareTimeout = 50 * time.Minute // what has not been read by then makes the run incomplete
)

// Handle registers the jobs of this package.
func (r *Reconciler) Handle(w *queue.Worker) {
	queue.Handle(w, queue.Options{Timeout: runTimeout}, r.run)
	queue.Handle(w, queue.Options{}, r.report)
	queue.Handle(w, queue.Options{}, r.doRepair)
}

// run is one run from the first page to the queued repairs.
func (r *Reconciler) run(ctx context.Context, args Reconcile) error {
	if !r.mu.TryLock() {
		return queue.Snooze(time.Now().Add(5*time.Second), errors.New("another run is under way"))
	}
	defer r.mu.Unlock()
	c, err := r.begin(ctx, args)
	if err != nil || c == nil {
		return err
	}
	reading, cancel := context.WithTimeout(ctx, compareTimeout)
	defer cancel()
	err = errors.Join(c.compare(reading), c.flush(ctx), c.queueRepairs(ctx))
	if ctx.Err() != nil {
		return ctx.Err() // the process stops: the run starts again with the next
	}
	return c.finish(ctx, err)
}

// begin makes the row of the run; nil if the day has its run already.
func (r *Reconciler) begin(ctx context.Context, args Reconcile) (*comparison, error) {
	c := &comparison{Reconciler: r, repair: args.Repair, started: time.Now(), changed: map[string][]changed{}, ends: map[string]bool{}, covered: map[string]bool{}}
	err := r.DB.Tx(ctx, func(q *db.Queries) error {
		if err := q.FailStaleRuns(ctx, db.Now()); err != nil {
			return err
		}
		if args.Day != "" {
			row, err := q.RunByDay(ctx, args.Day)
			if err == nil && row.State != "running" {
				c = nil
				return nil
			}
			if err == nil {
				c.row = row
				return nil
			}
			if !errors.Is(err, db.ErrNoRows) {
				return err
			}
		}
		id, err := q.InsertRun(ctx, args.Day, args.Late, db.At(c.started))
		c.row = db.Run{ID: id, Day: args.Day, Late: args.Late}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("begin a reconcile run: %w", err)
	}
	return c, nil
}

// comparison is one run under way.
type comparison struct {
	*Reconciler
	repair   bool
	started  time.Time
	row      db.Run
	reading  time.Time                     // when the system that is being compared was begun to be read
	told     time.Time                     // when the row said last how far it is
	contacts *contacts                     // nil: not read whole
	tickets  *tickets                      // nil: not read whole
	changed  map[string][]changed          // subscriptions that differ, by Stripe customer, until all of a customer are known
	ends     map[string]bool               // Stripe customers whose next reading would take access away
	covered  map[string]bool               // Stripe customers of whom Stripe says something else: whether a job is queued that reads them again, or what is here is made up
	events   *eventIndex                   // Stripe's events, once a finding needs them
	later    []func(context.Context) error // looks at what was too young
	patient  bool                          // has waited for the webhooks of what was too young
	found    []finding                     // not stored yet
	repairs  int                           // queued so far
	unread   []string                      // systems that could not be read whole
}

// compare reads everything. What it found is kept even if it ends with an error.
func (c *comparison) compare(ctx context.Context) error {
	var contactsErr, ticketsErr, stripeErr error
	if c.contacts, contactsErr = c.readContacts(ctx); c.contacts != nil {
		defer c.contacts.close()
	}
	c.tickets, ticketsErr = c.readTickets(ctx)
	if c.Stripe != nil {
		c.row.StripeCompared = true
		stripeErr = c.compareStripe(ctx)
		if err := c.settleChanged(ctx); err != nil {
			stripeErr = errors.Join(stripeErr, err)
		}
	}
	for _, s := range []struct {
		name string
		err  error
	}{{"Stripe", stripeErr}, {"the CRM", contactsErr}, {"the support desk", ticketsErr}} {
		if s.err != nil {
			c.unread = append(c.unread, s.name)
		}
	}
	return errors.Join(stripeErr, c.compareHere(ctx), c.compareCustomers(ctx), contactsErr, ticketsErr)
}

// progress writes down how far the run is, once a second at most.
func (c *comparison) progress(ctx context.Context) error {
	if time.Since(c.told) < time.Second {
		return nil
	}
	c.told = time.Now()
	return c.DB.Tx(ctx, func(q *db.Queries) error {
		return q.UpdateRunProgress(ctx, db.UpdateRunProgressParams{Customers: c.row.Customers, Subscriptions: c.row.Subscriptions,
			Contacts: c.row.Contacts, Tickets: c.row.Tickets, ID: c.row.ID})
	})
}

// finish closes the run and queues its report.
func (c *comparison) finish(ctx context.Context, incomplete error) error {
	state, text := "complete", ""
	if incomplete != nil {
		state, text = "incomplete", redact.Redactor{}.Text(incomplete.Error())
	}
	err := c.DB.Tx(ctx, func(q *db.Queries) error {
		if state == "complete" {
			if err := c.fixUnseen(ctx, q); err != nil {
				return err
			}
			if c.repair {
				if err := c.repairAll(ctx, q); err != nil {
					return err
				}
			}
		}
		err := q.FinishRun(ctx, db.FinishRunParams{State: state, StripeCompared: c.row.StripeCompared, Customers: c.row.Customers,
			Subscriptions: c.row.Subscriptions, Contacts: c.row.Contacts, Tickets: c.row.Tickets, Error: text, Note: c.row.Note, Unread: strings.Join(c.unread, ", "), FinishedAt: db.Now(), ID: c.row.ID})
		if err != nil {
			return err
		}
		return queue.Insert(ctx, q, SendReport{c.row.ID})
	})
	if err != nil {
		return fmt.Errorf("finish reconcile run %d: %w", c.row.ID, err)
	}
	return nil
}

// fixUnseen closes what this run, having read everything, did not see any more. Without a key it has
// seen nothing of Stripe.
func (c *comparison) fixUnseen(ctx context.Context, q *db.Queries) error {
	blind := namesOf(recent)
	if !c.row.StripeCompared {
		blind = namesOf(recent, inStripe)
	}
	text, err := json.Marshal(blind)
	if err != nil {
		return err
	}
	return q.FixUnseen(ctx, db.Now(), c.row.ID, string(text))
}
