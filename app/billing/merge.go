package billing

import (
	"context"
	"fmt"
	"time"

	"bursar/app/automation"
	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/queue"
)

// Merge joins customer from into customer into, writes the record that follows and queues what follows from it. It
// returns the number of the merge, for Unmerge.
func (b *Billing) Merge(ctx context.Context, q *db.Queries, from, into int64, by, reason string) (id int64, err error) {
	err = b.Change(ctx, q, into, func() error {
		id, err = customer.Merge(ctx, q, from, into, by, reason)
		return err
	})
	if err != nil {
		return 0, err
	}
	first, second := fmt.Sprintf("%d+%d", from, into), fmt.Sprintf("%d+%d", into, from)
	return id, q.FixDuplicate(ctx, db.FixDuplicateParams{Now: db.Now(), By: by, Subject: first, Reversed: second})
}

// Unmerge takes the two customers of a merge apart, and writes both records. Its error wraps customer.ErrMerge where
// that is not possible, or not any more.
func (b *Billing) Unmerge(ctx context.Context, q *db.Queries, id int64, by string) error {
	m, err := q.MergeByID(ctx, id)
	if err == nil {
		err = customer.Separable(ctx, q, m)
	}
	if err != nil {
		return fmt.Errorf("merge %d: %w", id, err)
	}
	err = b.Change(ctx, q, m.IntoID, func() error { return customer.Unmerge(ctx, q, m, by) })
	if err != nil {
		return err
	}
	f, err := customer.Load(ctx, q, m.FromID)
	if err != nil {
		return err
	}
	now := time.Now()
	before := f.Record
	f.Record = f.RecordAt(now)
	if err := b.save(ctx, q, before, f, now); err != nil {
		return err
	}
	// The one that stayed wants the tickets and tasks of the other no more: whatever that does want is asked for
	// again, and the newer job wins. What stands already is left as it is.
	return follow(ctx, q, automation.Wanted{}, f, now)
}

// follow queues what leads from what was wanted to what is wanted now.
func follow(ctx context.Context, q *db.Queries, wanted automation.Wanted, f customer.Facts, now time.Time) error {
	for _, job := range automation.Effects(wanted, automation.Want(f, now), f) {
		if err := queue.Insert(ctx, q, job); err != nil {
			return err
		}
	}
	if at := automation.NextLook(f, now); !at.IsZero() && len(f.Stripe) > 0 {
		return queue.InsertAt(ctx, q, LookAgain{f.Stripe[len(f.Stripe)-1].ID}, at)
	}
	return nil
}
