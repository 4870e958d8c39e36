package support

import (
	"context"
	"errors"
	"fmt"

	"bursar/app/db"
)

// What is done to a ticket of the built-in desk, by Bursar or by a person, in the transaction of q. The
// author is bursar, customer, or the e-mail address of who does it.

// Open opens the ticket of a cause. Where there is or was one, isNew is false and it stays as it is.
func Open(ctx context.Context, q *db.Queries, t Ticket) (id int64, isNew bool, err error) {
	id, err = q.InsertTicket(ctx, db.InsertTicketParams{CustomerID: db.ID(t.CustomerID), Cause: t.Cause, Queue: t.Queue,
		Priority: t.Priority, Subject: t.Subject, Now: db.Now()})
	if errors.Is(err, db.ErrNoRows) {
		existing, err := q.TicketByCause(ctx, t.Cause)
		if err != nil {
			return 0, false, fmt.Errorf("look for the ticket of %s: %w", t.Cause, err)
		}
		return existing.ID, false, nil
	}
	if err == nil {
		_, err = write(ctx, q, id, "opened", t.Author, t.Body)
	}
	if err != nil {
		return 0, false, fmt.Errorf("open the ticket of %s: %w", t.Cause, err)
	}
	return id, true, nil
}

// Note adds a message. A second one with the same key is false and changes nothing.
func Note(ctx context.Context, q *db.Queries, id int64, key, author, text string) (bool, error) {
	isNew, err := write(ctx, q, id, "note:"+key, author, text)
	if err != nil || !isNew {
		return false, err
	}
	return true, q.TouchTicket(ctx, db.Now(), id)
}

// Close closes a ticket with a last message. It is false if the ticket was closed before.
func Close(ctx context.Context, q *db.Queries, id int64, author, note string) (bool, error) {
	now := db.Now()
	n, err := q.CloseTicket(ctx, now, id)
	if err != nil || n == 0 {
		return false, err
	}
	// The time is in the key because a ticket that was reopened is closed again.
	return write(ctx, q, id, fmt.Sprintf("closed:%d", now.UnixMilli()), author, note)
}

// Reopen takes a Close back. It is false if the ticket is open. Bursar opens none again that was closed,
// but closes this one once its cause is gone.
func Reopen(ctx context.Context, q *db.Queries, id int64, author string) (bool, error) {
	now := db.Now()
	n, err := q.ReopenTicket(ctx, now, id)
	if err != nil || n == 0 {
		return false, err
	}
	return write(ctx, q, id, fmt.Sprintf("reopened:%d", now.UnixMilli()), author, "Opened again.")
}

// write adds a message, unless the ticket has one with this key.
func write(ctx context.Context, q *db.Queries, id int64, key, author, text string) (bool, error) {
	n, err := q.InsertMessage(ctx, db.InsertMessageParams{TicketID: id, Key: key, Author: author, Body: text, CreatedAt: db.Now()})
	return n > 0, err
}
