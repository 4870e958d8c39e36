// Package support keeps the desk in step with what happened to a customer: one ticket for each cause,
// opened with what support needs to know, and closed when the cause is gone.
package support

import (
	"context"
	"iter"

	"bursar/app/queue"
)

// Queues of the desk.
const (
	Billing    = "billing"
	Onboarding = "onboarding"
	Product    = "product"
	General    = "general"
)

// Queues are all of them.
var Queues = [...]string{Billing, Onboarding, Product, General}

// Priorities of a ticket.
const (
	Normal = "normal"
	Urgent = "urgent"
)

// Ticket is a ticket to open. There is one for each Cause, for ever: what was closed by a person is
// not opened again.
type Ticket struct {
	CustomerID int64 // 0: somebody Bursar does not know
	Cause      string
	Queue      string
	Priority   string
	Subject    string
	Author     string // bursar or customer
	Body       string
	Events     []Event // what happened later, oldest first
}

// Event is something that happened to the cause of a ticket after it was opened. There is one for each Key.
type Event struct{ Key, Text string }

// Status is a ticket as it stands on the desk.
type Status struct {
	CustomerID int64
	Cause      string
	Open       bool
}

// Desk is where the tickets live. Every write may be repeated, and then changes nothing more. Errors
// are made by queue.Unavailable, queue.Unauthorized or queue.Discard where that is known.
type Desk interface {
	// Open opens the ticket of a cause, unless there is or was one, and returns its reference either way.
	Open(ctx context.Context, t Ticket) (reference string, err error)
	// Close adds a note to the ticket of a cause and closes it; none, or a closed one, is no error.
	Close(ctx context.Context, cause, note string) error
	// Note adds an event to the ticket of a cause, unless it is there; no ticket is no error.
	Note(ctx context.Context, cause string, e Event) error
	// Tickets reads the status of all tickets Bursar opened. It ends with an error if it could not read them all.
	Tickets(ctx context.Context) iter.Seq2[Status, error]
}

// SyncTicket is the job of this package: it opens the ticket of a cause, or closes it with a note. Both
// are the same job with other args, so that the newer one wins and they never pass each other.
type SyncTicket struct {
	Ticket Ticket
	Closed bool
	Note   string
}

// NoteTicket is the job that adds an event to a ticket.
type NoteTicket struct {
	Ticket Ticket // its cause and customer
	Event  Event
}

func (NoteTicket) Kind() string  { return "note_ticket" }
func (a NoteTicket) Key() string { return a.Ticket.Cause + "/" + a.Event.Key }

func (SyncTicket) Kind() string  { return "sync_ticket" }
func (a SyncTicket) Key() string { return a.Ticket.Cause }

// Handle registers the jobs of this package.
func Handle(w *queue.Worker, d Desk) {
	queue.Handle(w, queue.Options{System: "desk"}, func(ctx context.Context, a SyncTicket) error {
		if a.Closed {
			return d.Close(ctx, a.Ticket.Cause, a.Note)
		}
		_, err := d.Open(ctx, a.Ticket)
		return err
	})
	queue.Handle(w, queue.Options{System: "desk"}, func(ctx context.Context, a NoteTicket) error { return d.Note(ctx, a.Ticket.Cause, a.Event) })
}
