// Package crm keeps the contacts of the CRM in step with the customers: one contact for each.
package crm

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"

	"bursar/app/db"
	"bursar/app/queue"
)

// Lifecycle stages of a contact.
const (
	Lead     = "lead" // signed up, and never subscribed to anything
	Trial    = "trial"
	Customer = "customer"
	PastDue  = "past_due"
	Churned  = "churned"
)

// Contact is what Bursar writes of a customer into a CRM. It owns these fields and touches no others.
type Contact struct {
	CustomerID    int64
	Name          string
	Email         string
	UserID        string // in the company's own product; several are separated by commas
	StripeIDs     string // cus_…; several are separated by commas
	Lifecycle     string
	Plan          string
	Status        string // of the subscription, in Stripe's word
	Access        string
	MRR           string // what comes in a month, like 49 or 8.25; "" nothing regular
	Currency      string // of MRR, like USD
	LastPaidAt    time.Time
	NextInvoiceAt time.Time
}

// Task asks somebody to do something about a customer. There is one for each Cause.
type Task struct {
	CustomerID int64
	Cause      string
	Title      string
}

// Note is a line in the contact's history. There is one for each Cause.
type Note struct {
	CustomerID int64
	Cause      string
	Text       string
}

// CRM is where the contacts live. Every write may be repeated, and then changes nothing more. Errors
// are made by queue.Unavailable, queue.Unauthorized or queue.Discard where that is known.
type CRM interface {
	// SaveContact creates or updates the one contact of a customer and returns its id there.
	SaveContact(ctx context.Context, c Contact) (remoteID string, err error)
	// AddTask opens a task, unless there is or was one for its cause.
	AddTask(ctx context.Context, t Task) error
	// FinishTask marks the task of a cause as done; none is no error.
	FinishTask(ctx context.Context, cause string) error
	// AddNote adds a note, unless there is one for its cause.
	AddNote(ctx context.Context, n Note) error
	// Contacts reads all contacts that Bursar wrote. It ends with an error if it could not read them all.
	Contacts(ctx context.Context) iter.Seq2[Contact, error]
}

// The jobs of this package, one for each effect, retried alone. Opening and closing a task are the
// same job with other args, so that the newer one wins and they never pass each other.
type (
	// SyncContact writes a contact.
	SyncContact struct{ Contact Contact }
	// SyncTask opens a task, or marks it as done.
	SyncTask struct {
		Task Task
		Done bool
	}
	// WriteNote adds a note.
	WriteNote struct{ Note Note }
)

func (SyncContact) Kind() string  { return "sync_contact" }
func (a SyncContact) Key() string { return strconv.FormatInt(a.Contact.CustomerID, 10) }
func (SyncTask) Kind() string     { return "sync_task" }
func (a SyncTask) Key() string    { return a.Task.Cause }
func (WriteNote) Kind() string    { return "write_note" }
func (a WriteNote) Key() string   { return a.Note.Cause }

// Handle registers the jobs of this package.
func Handle(w *queue.Worker, d *db.DB, c CRM) {
	o := queue.Options{System: "crm"}
	queue.Handle(w, o, func(ctx context.Context, a SyncContact) error { return saveContact(ctx, d, c, a.Contact) })
	queue.Handle(w, o, func(ctx context.Context, a SyncTask) error {
		if a.Done {
			return c.FinishTask(ctx, a.Task.Cause)
		}
		return c.AddTask(ctx, a.Task)
	})
	queue.Handle(w, o, func(ctx context.Context, a WriteNote) error { return c.AddNote(ctx, a.Note) })
}

// saveContact writes a contact and remembers its id over there. A customer who was joined with another in
// the meantime has no contact any more: the other's is written by a job of its own. One who was erased gets none.
func saveContact(ctx context.Context, d *db.DB, c CRM, contact Contact) error {
	one, err := d.Read().CustomerByID(ctx, contact.CustomerID)
	if errors.Is(err, db.ErrNoRows) || err == nil && !one.ErasedAt.IsZero() {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read customer %d: %w", contact.CustomerID, err)
	}
	remoteID, err := c.SaveContact(ctx, contact)
	if err != nil {
		return fmt.Errorf("write the contact of customer %d: %w", contact.CustomerID, err)
	}
	return d.Tx(ctx, func(q *db.Queries) error {
		_, err := q.InsertLink(ctx, db.InsertLinkParams{System: "crm", RemoteID: remoteID, CustomerID: contact.CustomerID, CreatedAt: db.Now()})
		return err
	})
}
