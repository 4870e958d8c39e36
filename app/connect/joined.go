package connect

import (
	"context"
	"errors"
	"fmt"

	"bursar/app/db"
)

// inherit lets a contact that was never written go on with that of a customer who was joined with this one: a second
// one would be a double. It returns the rows that other contacts of the same customer have.
func (k *Keeper) inherit(ctx context.Context, ref *db.ExternalRef) ([]db.ExternalRef, error) {
	if ref.Kind != string(Contact) || ref.CustomerID == 0 {
		return nil, nil
	}
	others, err := k.DB.Read().JoinedContacts(ctx, k.System, ref.CustomerID, ref.Key)
	if err != nil {
		return nil, fmt.Errorf("read the contacts of customer %d: %w", ref.CustomerID, err)
	}
	if len(others) > 0 && ref.RemoteID == "" {
		ref.RemoteID, ref.LinkedAt = others[0].RemoteID, others[0].LinkedAt
	}
	return others, nil
}

// askAbout keeps in sight that the customer whose contact is id has others as well, until somebody has merged them
// over there: Bursar deletes nothing.
func (k *Keeper) askAbout(ctx context.Context, others []db.ExternalRef, id string) error {
	for _, other := range others {
		if other.RemoteID == id {
			continue // it is this one now
		}
		found, err := k.Remote.Read(ctx, Contact, other.RemoteID)
		if err != nil {
			return fmt.Errorf("read contact %s: %w", other.RemoteID, err)
		}
		if found == nil || found.ID == id {
			drop := db.DropInheritedParams{System: k.System, CustomerID: other.CustomerID, RemoteID: other.RemoteID}
			err = k.DB.Tx(ctx, func(q *db.Queries) error { return q.DropInherited(ctx, drop) })
		} else {
			other.State = asking
			other.Problem = fmt.Sprintf("two customers were joined here, and each has a contact in %s: merge contact %s into %s there", k.Vendor.Label, other.RemoteID, id)
			err = k.saveRef(ctx, other)
		}
		if err != nil {
			return fmt.Errorf("keep what is known of contact %s: %w", other.RemoteID, err)
		}
	}
	return nil
}

// erased says that a person was erased here. Of somebody whom another company still knows, nothing is taken in again.
func erased(ctx context.Context, q *db.Queries, customerID int64) (bool, error) {
	c, err := q.CustomerByID(ctx, customerID)
	if errors.Is(err, db.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read customer %d: %w", customerID, err)
	}
	return !c.ErasedAt.IsZero(), nil
}
