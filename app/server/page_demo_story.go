package server

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"bursar/app/auth"
	"bursar/app/billing"
	"bursar/app/crm"
	"bursar/app/db"
	"bursar/app/mail"
	"bursar/app/queue"
	"bursar/app/reconcile"
	"bursar/app/support"
)

// sinceDeed is from when on something can be due to a deed: Stripe's times are whole seconds, and its clock
// may have moved on before the deed was noted.
func sinceDeed(deed DemoDeed) db.Time { return db.At(deed.At.Add(-2 * time.Second)) }

// demoStep is a step of a story.
type demoStep struct {
	Tone string // good, warn, bad or ""
	Text string
	Link link
	At   db.Time // zero where it does not matter
}

// readStory tells what became of a deed, from what is stored.
func readStory(ctx context.Context, q *db.Queries, deed DemoDeed, role auth.Role) ([]demoStep, error) {
	t := &teller{q: q, deed: deed, role: role}
	t.add(demoStep{Text: deed.Text, At: db.At(deed.At)})
	var err error
	t.here, err = q.StripeCustomer(ctx, deed.Customer)
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return nil, err
	}
	for _, tell := range []func(context.Context) error{t.webhooks, t.waiting, t.finding, t.record, t.contact, t.tickets, t.mail} {
		if err := tell(ctx); err != nil {
			return nil, err
		}
	}
	return t.steps, nil
}

// teller puts the steps of a story together.
type teller struct {
	q     *db.Queries
	deed  DemoDeed
	role  auth.Role
	here  db.StripeCustomer // zero while Bursar does not know the customer
	found db.Finding        // zero while no comparison found anything
	steps []demoStep
}

func (t *teller) add(s demoStep) { t.steps = append(t.steps, s) }

func (t *teller) webhooks(ctx context.Context) error {
	if t.deed.ByHand {
		return nil
	}
	n, err := t.q.CountEventsSince(ctx, t.deed.Customer, sinceDeed(t.deed))
	switch {
	case t.deed.Lost:
		t.add(demoStep{Tone: "bad", Text: "Every webhook about it got lost. Nobody told Bursar."})
	case n == 0:
		t.add(demoStep{Text: "Stripe is sending the webhooks."})
	default:
		t.add(demoStep{Tone: "good", Text: fmt.Sprintf("%d webhooks arrived; each was checked and stored once.", n),
			Link: link{"See them", "/admin/events?customer=" + t.deed.Customer}})
	}
	return err
}

// waiting tells of jobs that did not work yet.
func (t *teller) waiting(ctx context.Context) error {
	keys, err := json.Marshal([]string{t.deed.Customer, fmt.Sprint(t.here.CustomerID)})
	if err != nil {
		return err
	}
	jobs, err := t.q.JobsOpenAbout(ctx, string(keys))
	for _, j := range jobs {
		if len(queue.Errors(j)) == 0 {
			continue
		}
		t.add(demoStep{Tone: "warn", Text: fmt.Sprintf("“%s” waits: %s. Bursar tries again by itself.", kindOf(j.Kind).Does, lastError(j)),
			Link: link{"See the job", fmt.Sprintf("/admin/jobs/%d", j.ID)}})
	}
	return err
}

// finding tells what a comparison found, and whether that is mended.
func (t *teller) finding(ctx context.Context) error {
	id := sql.NullInt64{Int64: t.here.CustomerID, Valid: t.here.CustomerID != 0}
	f, err := t.q.FindingAbout(ctx, id, t.deed.Customer, sinceDeed(t.deed))
	if errors.Is(err, db.ErrNoRows) {
		if t.deed.Lost || t.deed.ByHand {
			t.add(demoStep{Text: "The nightly comparison will find it. This one does not wait for the night: it begins by itself in a few seconds."})
		}
		return nil
	}
	if err != nil {
		return err
	}
	t.found = f
	t.add(demoStep{Tone: "warn", At: f.FirstAt, Text: fmt.Sprintf("The comparison found it: %s. Expected %s, found %s.", reconcile.Label(f.Kind),
		mail.Line(f.Expected, lineLength), mail.Line(f.Actual, lineLength)), Link: link{"See the comparison", fmt.Sprintf("/admin/reports/%d", f.RunID)}})
	if f.State == "fixed" {
		t.add(demoStep{Tone: "good", At: f.FixedAt, Text: "Bursar mended it without anybody: " + mended(f.JobKind) + "."})
	}
	return nil
}

// mended says in words what a repair did.
func mended(jobKind string) string {
	switch jobKind {
	case billing.SyncCustomer{}.Kind():
		return "it asked Stripe about this customer, and wrote down the answer"
	case crm.SyncContact{}.Kind():
		return "it wrote into the CRM what is true"
	}
	return "“" + kindOf(jobKind).Does + "”"
}

func (t *teller) record(ctx context.Context) error {
	if t.here.ID == "" || t.deed.ByHand {
		return nil
	}
	c, err := t.q.CustomerByID(ctx, t.here.CustomerID)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("Bursar's record: plan %s, access %s, as %s.", cmp.Or(c.Plan, "none"), c.Access, c.AccessReason)
	if c.Source == "events" {
		text += " It is made from the webhooks alone; Stripe itself has not confirmed it yet."
	}
	t.add(demoStep{Tone: tone(c.Access), Text: text, At: c.UpdatedAt, Link: link{"Open the customer", fmt.Sprintf("/admin/customers/%d", c.ID)}})
	return nil
}

func (t *teller) contact(ctx context.Context) error {
	if t.here.ID == "" {
		return nil
	}
	customer, err := t.q.CustomerByID(ctx, t.here.CustomerID)
	if err != nil {
		return err
	}
	c, err := t.q.ContactOf(ctx, t.here.CustomerID)
	if errors.Is(err, db.ErrNoRows) {
		t.add(demoStep{Tone: "warn", Text: "There is no contact in the CRM yet."})
		return nil
	}
	if err != nil {
		return err
	}
	step := demoStep{Tone: "good", Text: fmt.Sprintf("The contact in the CRM says the same: %s, plan %s.", c.Lifecycle, mail.Line(cmp.Or(c.Plan, "none"), maxName)), At: c.UpdatedAt}
	if c.Plan != customer.Plan || c.Status != customer.Status {
		step.Tone, step.Text = "warn", fmt.Sprintf("The contact in the CRM still says plan %s, status %s.", mail.Line(c.Plan, maxName), c.Status)
	}
	t.add(step)
	return nil
}

func (t *teller) tickets(ctx context.Context) error {
	if t.here.ID == "" {
		return nil
	}
	tickets, err := t.q.TicketsOf(ctx, sql.NullInt64{Int64: t.here.CustomerID, Valid: true})
	for _, ticket := range tickets {
		if ticket.UpdatedAt.Before(sinceDeed(t.deed).Time) {
			continue
		}
		text, at := "A ticket was opened for the people in support.", ticket.CreatedAt
		if ticket.Status == "closed" {
			text, at = "The ticket about it was closed: its cause is gone.", ticket.ClosedAt
		}
		t.add(demoStep{Tone: tone(ticket.Status), Text: text, At: at,
			Link: link{support.Reference(ticket.ID), fmt.Sprintf("/admin/tickets/%d", ticket.ID)}})
	}
	return err
}

// mail leads to the report that tells of the finding.
func (t *teller) mail(ctx context.Context) error {
	if t.found.ID == 0 {
		return nil
	}
	run, err := t.q.RunByID(ctx, t.found.RunID)
	if err != nil {
		return err
	}
	m, err := t.q.MailByKey(ctx, reconcile.ReportKey(run))
	if errors.Is(err, db.ErrNoRows) {
		t.add(demoStep{Text: "The report is written as soon as the repairs are done."})
		return nil
	}
	if err != nil {
		return err
	}
	step := demoStep{Tone: "good", At: db.At(m.CreatedAt.Truncate(time.Second)), Text: "The report tells of it: “" + m.Subject + "”"}
	if t.role.May(auth.ReadPayments) {
		step.Link = link{"Read the mail", fmt.Sprintf("/admin/outbox/%d", m.ID)}
	}
	t.add(step)
	return nil
}
