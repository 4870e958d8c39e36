package privacy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bursar/app/db"
	"bursar/app/queue"
)

// keepRuns is how long the comparisons and what they found, once it is mended, are kept.
const keepRuns = 400 * 24 * time.Hour

// stretch is how many events are looked at in one transaction: everybody's writes wait for it.
const stretch = 2000

// Retention says how long things are kept. 0 is for ever.
type Retention struct {
	Payloads time.Duration // of events, as Stripe sent them
	Mails    time.Duration // in the outbox
}

// Retain is the job that throws away what has become old.
type Retain struct{}

// Kind is the job's name.
func (Retain) Kind() string { return "retain" }

// Key is the same for all: one is enough.
func (Retain) Key() string { return "old" }

// Handle registers Retain.
func Handle(w *queue.Worker, r Retention) {
	queue.Handle(w, queue.Options{Timeout: 10 * time.Minute}, func(ctx context.Context, _ Retain) error { return r.retain(ctx, w.DB, time.Now()) })
}

// retain throws away in steps of their own: one that fails keeps no other from its work.
func (r Retention) retain(ctx context.Context, d *db.DB, now time.Time) error {
	errs := []error{old(ctx, d, "findings", func(q *db.Queries) (int64, error) {
		before := db.At(now.Add(-keepRuns))
		repairs, err1 := q.PruneRepairs(ctx, before)
		findings, err2 := q.PruneFindings(ctx, before)
		runs, err3 := q.PruneRuns(ctx, before)
		return repairs + findings + runs, errors.Join(err1, err2, err3)
	})}
	if r.Mails > 0 {
		errs = append(errs, old(ctx, d, "mails", func(q *db.Queries) (int64, error) { return q.PruneMails(ctx, db.At(now.Add(-r.Mails))) }))
	}
	if r.Payloads > 0 {
		errs = append(errs, purgePayloads(ctx, d, now, db.At(now.Add(-r.Payloads))))
	}
	return errors.Join(errs...)
}

func old(ctx context.Context, d *db.DB, what string, prune func(*db.Queries) (int64, error)) error {
	err := d.Tx(ctx, func(q *db.Queries) error {
		_, err := prune(q)
		return err
	})
	if err != nil {
		return fmt.Errorf("throw away old %s: %w", what, err)
	}
	return nil
}

// purgePayloads throws away what Stripe sent before a time. The rows stay with their ids, by which a repetition is known,
// and with what the lists show. Payloads that a record may still be made from are kept, however old: without an API key, or
// while Stripe has not been asked since, the record of a customer is folded from the newest event of each kind about each
// object of theirs. PurgePayloads says which those are.
func purgePayloads(ctx context.Context, d *db.DB, now time.Time, before db.Time) error {
	last, err := d.Read().LastEventSeqBefore(ctx, before)
	if err != nil {
		return fmt.Errorf("look for old events: %w", err)
	}
	for after := int64(0); after < last; after += stretch {
		err := old(ctx, d, "payloads", func(q *db.Queries) (int64, error) {
			return q.PurgePayloads(ctx, db.PurgePayloadsParams{Now: db.At(now), After: after, Until: after + stretch, Before: before})
		})
		if err != nil {
			return err
		}
	}
	return nil
}
