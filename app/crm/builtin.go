package crm

import (
	"context"
	"fmt"
	"iter"
	"strconv"

	"bursar/app/db"
)

// Builtin is the CRM in Bursar's own file, for those who have no other.
type Builtin struct{ DB *db.DB }

var _ CRM = Builtin{}

// page is how many rows are read at a time.
const page = 500

// SaveContact implements CRM.
func (b Builtin) SaveContact(ctx context.Context, c Contact) (string, error) {
	var id int64
	err := b.DB.Tx(ctx, func(q *db.Queries) (err error) {
		id, err = Store(ctx, q, c)
		return err
	})
	return strconv.FormatInt(id, 10), err
}

// Store writes a contact into the built-in CRM, in the transaction of q.
func Store(ctx context.Context, q *db.Queries, c Contact) (id int64, err error) {
	return q.SaveContact(ctx, db.SaveContactParams{CustomerID: c.CustomerID, Name: c.Name, Email: c.Email, UserID: c.UserID,
		StripeIds: c.StripeIDs, Lifecycle: c.Lifecycle, Plan: c.Plan, Status: c.Status, Access: c.Access, Mrr: c.MRR, Currency: c.Currency,
		LastPaidAt: db.At(c.LastPaidAt), NextInvoiceAt: db.At(c.NextInvoiceAt), Now: db.Now()})
}

// Stored is a row of the built-in CRM as a contact.
func Stored(r db.Contact) Contact {
	return Contact{CustomerID: r.CustomerID, Name: r.Name, Email: r.Email, UserID: r.UserID, StripeIDs: r.StripeIds, Lifecycle: r.Lifecycle,
		Plan: r.Plan, Status: r.Status, Access: r.Access, MRR: r.Mrr, Currency: r.Currency, LastPaidAt: r.LastPaidAt.Time, NextInvoiceAt: r.NextInvoiceAt.Time}
}

// AddTask implements CRM.
func (b Builtin) AddTask(ctx context.Context, t Task) error {
	return b.DB.Tx(ctx, func(q *db.Queries) error {
		return q.InsertTask(ctx, db.InsertTaskParams{CustomerID: t.CustomerID, Cause: t.Cause, Title: t.Title, CreatedAt: db.Now()})
	})
}

// FinishTask implements CRM.
func (b Builtin) FinishTask(ctx context.Context, cause string) error {
	return b.DB.Tx(ctx, func(q *db.Queries) error { return q.FinishTask(ctx, db.Now(), cause) })
}

// AddNote implements CRM.
func (b Builtin) AddNote(ctx context.Context, n Note) error {
	return b.DB.Tx(ctx, func(q *db.Queries) error {
		return q.InsertNote(ctx, db.InsertNoteParams{CustomerID: n.CustomerID, Cause: n.Cause, Text: n.Text, CreatedAt: db.Now()})
	})
}

// Contacts implements CRM.
func (b Builtin) Contacts(ctx context.Context) iter.Seq2[Contact, error] {
	return func(yield func(Contact, error) bool) {
		for after := int64(0); ; {
			rows, err := b.DB.Read().ContactPage(ctx, after, page)
			if err != nil {
				yield(Contact{}, fmt.Errorf("read contacts: %w", err))
				return
			}
			for _, r := range rows {
				after = r.ID
				if !yield(Stored(r), nil) {
					return
				}
			}
			if len(rows) < page {
				return
			}
		}
	}
}
