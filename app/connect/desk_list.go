package connect

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"

	"bursar/app/db"
	"bursar/app/support"
)

// Tickets implements support.Desk.
func (d *Desk) Tickets(ctx context.Context) iter.Seq2[support.Status, error] {
	return func(yield func(support.Status, error) bool) {
		mode, err := d.mode(ctx)
		if err != nil {
			yield(support.Status{}, err)
			return
		}
		if mode != Live {
			d.Builtin.Tickets(ctx)(yield)
			return
		}
		seen := map[string]bool{}
		for found, err := range d.Remote.List(ctx, Ticket, time.Time{}) {
			if err != nil {
				yield(support.Status{}, fmt.Errorf("list the tickets in %s: %w", d.Vendor.Label, err))
				return
			}
			if found.Key == "" || seen[found.Key] {
				continue
			}
			t, err := d.Keeper.DB.Read().TicketByCause(ctx, found.Key)
			if errors.Is(err, db.ErrNoRows) {
				continue // of another Bursar
			}
			if err == nil {
				seen[found.Key] = true
				err = d.pull(ctx, t, found)
			}
			if err != nil {
				yield(support.Status{}, err)
				return
			}
			if !yield(support.Status{CustomerID: t.CustomerID.Int64, Cause: t.Cause, Open: found.Fields[State] == Open}, nil) {
				return
			}
		}
		d.notListed(ctx, seen, yield)
	}
}

// notListed gives the tickets that were not to be written, as they stand here, and those that are there by their id
// though a list that lags left them out.
func (d *Desk) notListed(ctx context.Context, seen map[string]bool, yield func(support.Status, error) bool) {
	for t, err := range d.Builtin.Tickets(ctx) {
		if err == nil && seen[t.Cause] {
			continue
		}
		if err == nil {
			var ref db.ExternalRef
			ref, err = d.Keeper.DB.Read().ExternalRef(ctx, d.System, string(Ticket), t.Cause)
			if errors.Is(err, db.ErrNoRows) {
				continue
			}
			if err == nil && ref.State != observed && ref.State != skipped {
				var found *Found
				found, err = d.leftOut(ctx, ref)
				if err == nil && found == nil {
					continue
				}
				if err == nil {
					t.Open = found.Fields[State] == Open
				}
			}
		}
		if !yield(t, err) || err != nil {
			return
		}
	}
}

// pull takes in how a ticket stands there.
func (d *Desk) pull(ctx context.Context, t db.Ticket, found Found) error {
	defer d.locks.lock("whole " + t.Cause)()
	row, err := d.Keeper.DB.Read().DeskTicket(ctx, t.ID)
	if errors.Is(err, db.ErrNoRows) {
		return nil // not pushed to the end yet
	}
	if err != nil {
		return fmt.Errorf("read how %s stood: %w", t.Cause, err)
	}
	switch {
	case found.ID != row.RemoteID: // a copy with the same key, or what ours became
		again, err := d.Remote.Read(ctx, Ticket, row.RemoteID)
		if err != nil {
			return outcome(err)
		}
		if again != nil {
			found = *again
		}
	case found.At.Before(row.AsOfAt.Time): // it may have been pushed since it was listed
		again, err := d.Remote.Read(ctx, Ticket, found.ID)
		if err != nil || again == nil {
			return outcome(err)
		}
		found = *again
	}
	if t, err = d.Keeper.DB.Read().TicketByCause(ctx, t.Cause); err != nil {
		return fmt.Errorf("read the ticket of %s: %w", t.Cause, err)
	}
	there := found.Fields[State]
	if t.Status != row.Agreed && there == row.Agreed {
		return nil // a change from here is on its way
	}
	return d.take(ctx, row, found, there)
}

// Pull takes in what changed at the vendor since the last Pull. The cursor goes on only when all was read.
func (d *Desk) Pull(ctx context.Context) error {
	c, err := d.Keeper.DB.Read().Connector(ctx, d.System)
	if err != nil || c.Mode != Live {
		return err
	}
	since := time.Time{}
	if ms, err := strconv.ParseInt(c.Cursor, 10, 64); err == nil {
		since = time.UnixMilli(ms).Add(-overlap)
	}
	begun := time.Now()
	for found, err := range d.Remote.List(ctx, Ticket, since) {
		if err == nil {
			err = d.changed(ctx, found)
		}
		if err != nil {
			return fmt.Errorf("list what changed in %s: %w", d.Vendor.Label, outcome(err))
		}
	}
	cursor := strconv.FormatInt(begun.UnixMilli(), 10)
	return d.Keeper.DB.Tx(ctx, func(q *db.Queries) error { return q.SetConnectorCursor(ctx, cursor, d.System) })
}

// overlap is more than the clocks and the lists of the vendors are behind.
const overlap = 2 * time.Minute

// PullTicket takes in how one ticket stands, of which a webhook told. The webhook itself is not believed: it may be
// late, and out of order.
func (d *Desk) PullTicket(ctx context.Context, id string) error {
	if mode, err := d.mode(ctx); err != nil || mode != Live {
		return err
	}
	found, err := d.Remote.Read(ctx, Ticket, id)
	if err != nil {
		return outcome(fmt.Errorf("read ticket %s: %w", id, err))
	}
	if found == nil {
		return nil
	}
	return d.changed(ctx, *found)
}

func (d *Desk) changed(ctx context.Context, found Found) error {
	if found.Key == "" {
		return nil
	}
	t, err := d.Keeper.DB.Read().TicketByCause(ctx, found.Key)
	if errors.Is(err, db.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the ticket of %s: %w", found.Key, err)
	}
	return d.pull(ctx, t, found)
}
