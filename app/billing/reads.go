package billing

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bursar/app/db"
)

// What requests to Stripe are for.
const (
	forSweep    = "sweep"
	forWatch    = "watch"
	forBackfill = "backfill"
	ForSync     = "sync"
	ForCompare  = "compare"
)

// readsWindow is the time over which requests are counted.
const readsWindow = 30 * 24 * time.Hour

// SaveReads stores how often Stripe was asked since it was last called.
func (b *Billing) SaveReads(ctx context.Context) error {
	if b.Stripe == nil {
		return nil
	}
	taken := b.Stripe.TakeReads()
	if len(taken) == 0 {
		return nil
	}
	day := time.Now().UTC().Format(time.DateOnly)
	err := b.DB.Tx(ctx, func(q *db.Queries) error {
		for purpose, n := range taken {
			if err := q.AddStripeReads(ctx, day, purpose, n); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Stripe.PutReads(taken)
		return fmt.Errorf("store how often Stripe was asked: %w", err)
	}
	return nil
}

// Reads are the requests to Stripe in 30 days, by what they were for.
type Reads map[string]int64

// ReadsOf reads them; those of the last minutes may not be counted yet.
func ReadsOf(ctx context.Context, q *db.Queries, now time.Time) (Reads, error) {
	rows, err := q.StripeReads(ctx, now.UTC().Add(24*time.Hour-readsWindow).Format(time.DateOnly))
	if err != nil {
		return nil, fmt.Errorf("count the requests to Stripe: %w", err)
	}
	reads := Reads{}
	for _, row := range rows {
		reads[row.Purpose] = row.N
	}
	return reads, nil
}

// Own are those that Bursar makes of its own accord, which ReadsAllowed bounds.
func (r Reads) Own() int64 { return r[forSweep] + r[forWatch] + r[ForCompare] }

// Asked are those that followed from events and people.
func (r Reads) Asked() (n int64) {
	for _, each := range r {
		n += each
	}
	return n - r.Own()
}

// saving runs fn and then stores what it asked, whatever came of it.
func (b *Billing) saving(ctx context.Context, fn func() error) error {
	err := fn()
	return errors.Join(err, b.SaveReads(context.WithoutCancel(ctx)))
}
