package connect

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"bursar/app/crm"
	"bursar/app/db"
)

// Contacts implements crm.CRM. What was only observed stands as if it had been written: it is no difference.
func (c *CRM) Contacts(ctx context.Context) iter.Seq2[crm.Contact, error] {
	return func(yield func(crm.Contact, error) bool) {
		mode, err := c.mode(ctx)
		if err != nil {
			yield(crm.Contact{}, err)
			return
		}
		if mode != Live {
			c.Builtin.Contacts(ctx)(yield)
			return
		}
		begun, seen := time.Now(), map[int64]bool{}
		for found, err := range c.Remote.List(ctx, Contact, time.Time{}) {
			if err != nil {
				yield(crm.Contact{}, fmt.Errorf("list the contacts in %s: %w", c.Vendor.Label, err))
				return
			}
			id, err := c.customerOf(ctx, found.Key)
			if err != nil {
				yield(crm.Contact{}, err)
				return
			}
			if id == 0 {
				continue
			}
			contact := crm.ContactOf(id, found.Fields)
			if !seen[id] { // a second one is for the caller to see
				if err := c.remember(ctx, &contact); err != nil {
					yield(crm.Contact{}, err)
					return
				}
			}
			seen[id] = true
			if !yield(contact, nil) {
				return
			}
		}
		c.notListed(ctx, begun, seen, yield)
	}
}

// remember keeps here what stands over there. Of somebody who was erased here it keeps nothing, and leaves nothing
// in contact: what is still over there is seen, and not who it is.
func (c *CRM) remember(ctx context.Context, contact *crm.Contact) error {
	q := c.Keeper.DB.Read()
	row, err := q.ContactOf(ctx, contact.CustomerID)
	if err == nil && crm.Stored(row) == *contact {
		return nil
	}
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return fmt.Errorf("read the contact of customer %d: %w", contact.CustomerID, err)
	}
	one, err := q.CustomerByID(ctx, contact.CustomerID)
	switch {
	case errors.Is(err, db.ErrNoRows): // written by hand
	case err != nil:
		return fmt.Errorf("read customer %d: %w", contact.CustomerID, err)
	case !one.ErasedAt.IsZero():
		*contact = crm.Contact{CustomerID: contact.CustomerID, Lifecycle: "somebody who was erased here"}
	default:
		if _, err := c.Builtin.SaveContact(ctx, *contact); err != nil {
			return fmt.Errorf("keep the contact of customer %d as it stands: %w", contact.CustomerID, err)
		}
	}
	return nil
}

// notListed gives the contacts that are here only: those that were not to be written stand, one that is there by its
// id was left out by a list that lags, and the others are gone.
func (c *CRM) notListed(ctx context.Context, begun time.Time, seen map[int64]bool, yield func(crm.Contact, error) bool) {
	for contact, err := range c.Builtin.Contacts(ctx) {
		if err != nil {
			yield(crm.Contact{}, err)
			return
		}
		if seen[contact.CustomerID] {
			continue
		}
		ref, err := c.Keeper.DB.Read().ExternalRef(ctx, c.System, string(Contact), c.key(contact.CustomerID))
		if err == nil && (ref.State == observed || ref.State == skipped) {
			if !yield(contact, nil) {
				return
			}
			continue
		}
		var found *Found
		if err == nil {
			found, err = c.leftOut(ctx, ref)
		}
		if found != nil {
			contact = crm.ContactOf(contact.CustomerID, found.Fields)
			if err := c.remember(ctx, &contact); !yield(contact, err) || err != nil {
				return
			}
			continue
		}
		if err == nil || errors.Is(err, db.ErrNoRows) {
			err = c.Keeper.DB.Tx(ctx, func(q *db.Queries) error { return q.DeleteGoneContact(ctx, contact.CustomerID, db.At(begun)) })
		}
		if err != nil {
			yield(crm.Contact{}, fmt.Errorf("forget the contact of customer %d: %w", contact.CustomerID, err))
			return
		}
	}
}

// leftOut reads a record that a list did not have, by its id: an index may lag. Nil if it is gone, or another's by now.
func (k *Keeper) leftOut(ctx context.Context, ref db.ExternalRef) (*Found, error) {
	if ref.State != linked || ref.RemoteID == "" {
		return nil, nil
	}
	found, err := k.Remote.Read(ctx, Kind(ref.Kind), ref.RemoteID)
	if err != nil {
		return nil, fmt.Errorf("read %s %s, which is not in the list: %w", ref.Kind, ref.RemoteID, err)
	}
	if found == nil || found.Key != ref.Key {
		return nil, nil
	}
	return found, nil
}
