package automation

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"bursar/app/crm"
	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/queue"
	"bursar/app/support"
)

// Work is what is known of the work about a customer.
type Work struct {
	Jobs     []db.Job     // newest first
	Circuits []db.Circuit // open ones
}

// Reason says why a system differs.
type Reason struct {
	System string // stripe, bursar, crm or desk
	Text   string
	At     time.Time // when what the text tells of was, or will be; zero if it tells of no time
	JobID  int64     // 0: no job has to do with it
}

// Explain says why the systems differ, from what is stored: the jobs, the findings of the last check and
// which systems are left alone.
func Explain(rows []Comparison, f customer.Facts, s Standing, w Work, now time.Time) []Reason {
	var reasons []Reason
	for _, finding := range s.Findings {
		if stripeFindings[finding.Kind] != nil && finding.LastAt.After(f.Record.AsOfAt.Time) {
			reasons = append(reasons, Reason{System: "stripe", At: finding.LastAt.Time,
				Text: fmt.Sprintf("The last check saw it differently in Stripe: it says %s, and here it was %s", finding.Expected, finding.Actual)})
		}
	}
	differs := func(cell func(Comparison) Cell) bool {
		return slices.ContainsFunc(rows, func(c Comparison) bool { return cell(c).Differs })
	}
	if differs(func(c Comparison) Cell { return c.Bursar }) {
		reasons = append(reasons, w.whyRecord())
	}
	if differs(func(c Comparison) Cell { return c.CRM }) {
		reasons = append(reasons, w.whyContact(f, s, now))
	}
	if differs(func(c Comparison) Cell { return c.Desk }) {
		reasons = append(reasons, w.whyTickets(f, s, now)...)
	}
	return reasons
}

func (w Work) whyRecord() Reason {
	if r, ok := w.pending("bursar", "stripe", func(j db.Job) bool { return j.Kind == "sync_customer" }); ok {
		return r
	}
	return Reason{System: "bursar", Text: "Time has passed since the record was written, and no job is queued that writes it again"}
}

func (w Work) whyContact(f customer.Facts, s Standing, now time.Time) Reason {
	id := strconv.FormatInt(f.Record.ID, 10)
	about := func(j db.Job) bool { return j.Kind == "sync_contact" && j.Key == id }
	if r, ok := w.pending("crm", "crm", about); ok {
		return r
	}
	if r, ok := w.pending("crm", "stripe", func(j db.Job) bool { return j.Kind == "sync_customer" }); ok && s.Contact == nil {
		return r
	}
	f.Record = f.RecordAt(now)
	want := Want(f, now).Contact
	n := slices.IndexFunc(w.Jobs, func(j db.Job) bool { return about(j) && j.State == queue.Completed })
	switch {
	case n >= 0 && want != nil && writes(w.Jobs[n], *want):
		r := Reason{System: "crm", Text: "Bursar wrote it, and it was changed in the CRM by hand afterwards", At: w.Jobs[n].FinalizedAt.Time, JobID: w.Jobs[n].ID}
		if s.Contact == nil {
			r.Text = "Bursar wrote it, and it was deleted in the CRM afterwards"
		}
		return r
	case s.Contact == nil:
		return Reason{System: "crm", Text: "No job has written the contact: the event that would lead to it has not arrived"}
	}
	return Reason{System: "crm", Text: "Nothing is queued that would change it: it was edited by hand in the CRM"}
}

// writes says that a job wrote a contact.
func writes(j db.Job, want crm.Contact) bool {
	var args crm.SyncContact
	return json.Unmarshal([]byte(j.Args), &args) == nil && args.Contact == want
}

// whyTickets explains each ticket that is missing, or open without a cause.
func (w Work) whyTickets(f customer.Facts, s Standing, now time.Time) (reasons []Reason) {
	f.Record = f.RecordAt(now)
	wanted := Want(f, now).Tickets
	explain := func(cause, otherwise string) {
		r, ok := w.pending("desk", "desk", func(j db.Job) bool { return j.Kind == "sync_ticket" && j.Key == cause })
		if !ok {
			r = Reason{System: "desk", Text: otherwise}
		}
		reasons = append(reasons, r)
	}
	for _, t := range wanted {
		if !slices.ContainsFunc(s.Tickets, func(on db.Ticket) bool { return on.Cause == t.Cause }) {
			explain(t.Cause, fmt.Sprintf("The ticket %q is missing and no job is queued that opens it: the event that would lead to it has not arrived", t.Subject))
		}
	}
	for _, t := range s.Tickets {
		if t.Status == "open" && Owns(t.Cause) && !hasTicket(wanted, t.Cause) {
			explain(t.Cause, fmt.Sprintf("%s is open although its cause is gone, and no job is queued that closes it", support.Reference(t.ID)))
		}
	}
	return reasons
}

// pending explains a difference by a job that has not done its work yet. system is what differs, asks is
// the one that the job must talk to.
func (w Work) pending(system, asks string, about func(db.Job) bool) (Reason, bool) {
	n := slices.IndexFunc(w.Jobs, func(j db.Job) bool { return about(j) && j.State != queue.Cancelled })
	if n < 0 {
		return Reason{}, false
	}
	j := w.Jobs[n]
	r := Reason{System: system, JobID: j.ID}
	text := "no error was kept"
	if errs := queue.Errors(j); len(errs) > 0 {
		text = errs[len(errs)-1].Error
	}
	circuit := slices.IndexFunc(w.Circuits, func(c db.Circuit) bool { return c.System == asks })
	switch {
	case j.State == queue.Running:
		r.Text, r.At = "A job is writing it at this moment", j.AttemptedAt.Time
	case j.State == queue.Discarded:
		r.Text, r.At = fmt.Sprintf("The job that writes it gave up after %d attempts: %s", j.Attempt, text), j.FinalizedAt.Time
	case j.State == queue.Completed:
		return Reason{}, false
	case circuit >= 0:
		r.Text, r.At = "The system is left alone for a while: "+strings.TrimRight(w.Circuits[circuit].Reason, "."), w.Circuits[circuit].UntilAt.Time
	case j.State == queue.Retryable:
		r.Text, r.At = fmt.Sprintf("The job that writes it failed (attempt %d): %s; it tries again", j.Attempt, text), j.ScheduledAt.Time
	default:
		r.Text, r.At = "A job that writes it waits for its turn", j.ScheduledAt.Time
	}
	return r, true
}
