package billing

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"bursar/app/automation"
	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/queue"
)

// Joined is what became of joining two customers, or of taking them apart.
type Joined struct {
	ID            int64 // of the merge
	From, Into    int64
	Before, After string // both records in words, for the audit
}

// Merge joins customer from into customer into, writes the record that follows and queues what follows from it. Its
// error wraps customer.ErrMerge where that is not possible.
func (b *Billing) Merge(ctx context.Context, q *db.Queries, from, into int64, by, reason string) (done Joined, err error) {
	done = Joined{From: from, Into: into}
	if done.Before, err = inWords(ctx, q, into, from); err != nil {
		return done, err
	}
	err = b.Change(ctx, q, into, func() error {
		done.ID, err = customer.Merge(ctx, q, from, into, by, reason)
		return err
	})
	if err != nil {
		return done, err
	}
	first, second := fmt.Sprintf("%d+%d", from, into), fmt.Sprintf("%d+%d", into, from)
	if err := q.FixDuplicate(ctx, db.FixDuplicateParams{Now: db.Now(), By: by, Subject: first, Reversed: second}); err != nil {
		return done, err
	}
	done.After, err = inWords(ctx, q, into)
	return done, err
}

// inWords says how customers stand, in a line each. Those that are not there are for the caller to find out.
func inWords(ctx context.Context, q *db.Queries, ids ...int64) (string, error) {
	var lines []string
	for _, id := range ids {
		f, err := customer.Load(ctx, q, id)
		if errors.Is(err, db.ErrNoRows) {
			return "", fmt.Errorf("%w: there is no customer %d; it may have been joined with another", customer.ErrMerge, id)
		}
		if err != nil {
			return "", err
		}
		lines = append(lines, f.Summary())
	}
	return strings.Join(lines, "\n"), nil
}

// Unmerge takes the two customers of a merge apart, and writes both records. Its error wraps customer.ErrMerge where
// that is not possible, or not any more.
func (b *Billing) Unmerge(ctx context.Context, q *db.Queries, id int64, by string) (done Joined, err error) {
	m, err := q.MergeByID(ctx, id)
	if err == nil {
		err = customer.Separable(ctx, q, m)
	}
	if err != nil {
		return done, fmt.Errorf("merge %d: %w", id, err)
	}
	done = Joined{ID: id, From: m.FromID, Into: m.IntoID}
	if done.Before, err = inWords(ctx, q, m.IntoID); err != nil {
		return done, err
	}
	err = b.Change(ctx, q, m.IntoID, func() error { return customer.Unmerge(ctx, q, m, by) })
	if err != nil {
		return done, err
	}
	if err := b.restored(ctx, q, m.FromID); err != nil {
		return done, err
	}
	done.After, err = inWords(ctx, q, m.IntoID, m.FromID)
	return done, err
}

// restored brings the record of a customer who is back in line.
func (b *Billing) restored(ctx context.Context, q *db.Queries, id int64) error {
	f, err := customer.Load(ctx, q, id)
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
