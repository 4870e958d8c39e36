package support

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"bursar/app/db"
)

// Builtin is the desk in Bursar's own file, for those who have no other.
type Builtin struct{ DB *db.DB }

var _ Desk = Builtin{}

// page is how many rows are read at a time.
const page = 500

// Open implements Desk. The reference is like T-42.
func (b Builtin) Open(ctx context.Context, t Ticket) (string, error) {
	var id int64
	err := b.DB.Tx(ctx, func(q *db.Queries) (err error) {
		id, _, err = Open(ctx, q, t)
		return err
	})
	return Reference(id), err
}

// Reference is how people call a ticket of the built-in desk.
func Reference(id int64) string { return fmt.Sprintf("T-%d", id) }

// Close implements Desk.
func (b Builtin) Close(ctx context.Context, cause, note string) error {
	err := b.DB.Tx(ctx, func(q *db.Queries) error {
		t, err := q.TicketByCause(ctx, cause)
		if errors.Is(err, db.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		_, err = Close(ctx, q, t.ID, "bursar", note)
		return err
	})
	if err != nil {
		return fmt.Errorf("close the ticket of %s: %w", cause, err)
	}
	return nil
}

// Note implements Desk.
func (b Builtin) Note(ctx context.Context, cause string, e Event) error {
	err := b.DB.Tx(ctx, func(q *db.Queries) error {
		t, err := q.TicketByCause(ctx, cause)
		if errors.Is(err, db.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		_, err = Note(ctx, q, t.ID, e.Key, "bursar", e.Text)
		return err
	})
	if err != nil {
		return fmt.Errorf("add to the ticket of %s: %w", cause, err)
	}
	return nil
}

// Tickets implements Desk.
func (b Builtin) Tickets(ctx context.Context) iter.Seq2[Status, error] {
	return func(yield func(Status, error) bool) {
		for after := int64(0); ; {
			rows, err := b.DB.Read().TicketPage(ctx, after, page)
			if err != nil {
				yield(Status{}, fmt.Errorf("read tickets: %w", err))
				return
			}
			for _, t := range rows {
				after = t.ID
				if !yield(Status{CustomerID: t.CustomerID.Int64, Cause: t.Cause, Open: t.Status == "open"}, nil) {
					return
				}
			}
			if len(rows) < page {
				return
			}
		}
	}
}
