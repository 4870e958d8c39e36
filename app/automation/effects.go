package automation

import (
	"slices"
	"strings"

	"bursar/app/crm"
	"bursar/app/customer"
	"bursar/app/queue"
	"bursar/app/support"
)

// Effects are the jobs that lead from what was wanted to what is wanted now. f are the facts after the
// change.
func Effects(before, after Wanted, f customer.Facts) []queue.Args {
	var jobs []queue.Args
	if after.Contact != nil && (before.Contact == nil || *before.Contact != *after.Contact) {
		jobs = append(jobs, crm.SyncContact{Contact: *after.Contact})
	}
	for _, t := range after.Tickets {
		n := slices.IndexFunc(before.Tickets, func(b support.Ticket) bool { return b.Cause == t.Cause })
		if n < 0 {
			jobs = append(jobs, support.SyncTicket{Ticket: t})
			continue // its text has what happened so far
		}
		for _, e := range t.Events {
			if !slices.ContainsFunc(before.Tickets[n].Events, func(b support.Event) bool { return b.Key == e.Key }) {
				jobs = append(jobs, support.NoteTicket{Ticket: support.Ticket{CustomerID: t.CustomerID, Cause: t.Cause}, Event: e})
			}
		}
	}
	for _, t := range before.Tickets {
		if !hasTicket(after.Tickets, t.Cause) {
			jobs = append(jobs, Close(f, t.Cause))
		}
	}
	for _, t := range after.Tasks {
		if !slices.Contains(causes(before.Tasks), t.Cause) {
			jobs = append(jobs, crm.SyncTask{Task: t})
		}
	}
	for _, t := range before.Tasks {
		if !slices.Contains(causes(after.Tasks), t.Cause) {
			jobs = append(jobs, crm.SyncTask{Task: t, Done: true})
		}
	}
	for _, n := range after.Notes {
		if !slices.ContainsFunc(before.Notes, func(b crm.Note) bool { return b.Cause == n.Cause }) {
			jobs = append(jobs, crm.WriteNote{Note: n})
		}
	}
	return jobs
}

// Close is the job that closes the ticket of a cause that is gone.
func Close(f customer.Facts, cause string) queue.Args {
	return support.SyncTicket{Ticket: support.Ticket{CustomerID: f.Record.ID, Cause: cause}, Closed: true, Note: closingNote(f, cause)}
}

// Owns says that a ticket's cause is one of these rules', not a person's question.
func Owns(cause string) bool {
	kind, _, _ := strings.Cut(cause, ":")
	return slices.Contains([]string{"payment_failed", "dispute", "not_active"}, kind)
}

func hasTicket(list []support.Ticket, cause string) bool {
	return slices.ContainsFunc(list, func(t support.Ticket) bool { return t.Cause == cause })
}

func causes(tasks []crm.Task) (list []string) {
	for _, t := range tasks {
		list = append(list, t.Cause)
	}
	return list
}
