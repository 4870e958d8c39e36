package billing

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/queue"
	"bursar/app/stripe"
)

// Backfill reads every customer and subscription that Stripe has, and then each customer as a sync does.
// Where it is stands in the file, so that it goes on where it stopped. It works in slices, and queues itself
// until it is done.
type Backfill struct{}

func (Backfill) Kind() string { return "backfill" }

// Key is the same for all: there is one backfill at a time.
func (Backfill) Key() string { return "stripe" }

// backfillSlice is how long one job works on it. A slice that fails is tried again without those before it.
const backfillSlice = 20 * time.Second

// States of a backfill, in their order: which list is being read, then the customers one by one.
const (
	readingCustomers     = "customers"
	readingSubscriptions = "subscriptions"
	readingDeleted       = "deleted" // subscriptions of deleted customers, which the other list leaves out
	readingRecords       = "records"
	backfillComplete     = "complete"
	backfillIncomplete   = "incomplete" // all was read, and not all of it could be stored
)

// StartBackfill begins a backfill in the transaction of q, unless one is under way, and lets it be worked on.
func StartBackfill(ctx context.Context, q *db.Queries, reason string) error {
	if err := q.InsertBackfill(ctx, reason, db.Now()); err != nil {
		return fmt.Errorf("begin a backfill: %w", err)
	}
	return queue.Hurry(ctx, q, Backfill{}, time.Now())
}

// backfill works on the backfill that is under way for one slice.
func (b *Billing) backfill(ctx context.Context, _ Backfill) error {
	row, err := b.DB.Read().OpenBackfill(ctx)
	if errors.Is(err, db.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the backfill: %w", err)
	}
	if b.Stripe == nil {
		return queue.Discard(errors.New("a backfill needs STRIPE_API_KEY"))
	}
	f := &filling{Billing: b, client: b.Stripe.For(forBackfill), row: row, seen: map[string]bool{}}
	for began := time.Now(); f.row.FinishedAt.IsZero() && time.Since(began) < backfillSlice; {
		if err := f.step(ctx); err != nil {
			return f.failed(ctx, err)
		}
	}
	if f.row.FinishedAt.IsZero() {
		return b.DB.Tx(ctx, func(q *db.Queries) error { return queue.Insert(ctx, q, Backfill{}) })
	}
	return nil
}

// filling is a backfill being worked on.
type filling struct {
	*Billing
	client *stripe.Client
	row    db.Backfill
	seen   map[string]bool // cursors of this slice
}

// failed keeps the reason where people look, and lets the queue try again from where it stopped.
func (f *filling) failed(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	store := context.WithoutCancel(ctx)
	f.row.Error = err.Error()
	return errors.Join(outcome(err), f.DB.Tx(store, func(q *db.Queries) error { return f.save(store, q) }))
}

func (f *filling) save(ctx context.Context, q *db.Queries) error {
	return q.SaveBackfill(ctx, db.SaveBackfillParams{State: f.row.State, Cursor: f.row.Cursor, Error: f.row.Error,
		UpdatedAt: db.Now(), FinishedAt: f.row.FinishedAt, ID: f.row.ID})
}

// step reads one page, or a few customers.
func (f *filling) step(ctx context.Context) error {
	switch f.row.State {
	case readingCustomers:
		list, more, err := f.client.CustomersAfter(ctx, f.row.Cursor)
		if err != nil {
			return err
		}
		return f.page(ctx, itemsOfCustomers(list), cursorOf(list, more, func(c stripe.Customer) string { return c.ID }), readingSubscriptions)
	case readingSubscriptions:
		return f.subscriptions(ctx, "all", readingDeleted)
	case readingDeleted:
		return f.subscriptions(ctx, "canceled", readingRecords)
	case readingRecords:
		return f.records(ctx)
	}
	return queue.Discard(fmt.Errorf("the backfill is at %q, which this Bursar does not know", f.row.State))
}

func (f *filling) subscriptions(ctx context.Context, status, next string) error {
	list, more, err := f.client.SubscriptionsAfter(ctx, status, f.row.Cursor)
	if err != nil {
		return err
	}
	return f.page(ctx, itemsOfSubscriptions(list), cursorOf(list, more, func(s stripe.Subscription) string { return s.ID }), next)
}

// cursorOf is where the next page begins, "" after the last one.
func cursorOf[T any](list []T, more bool, id func(T) string) string {
	if !more {
		return ""
	}
	return id(list[len(list)-1])
}

// item is something that Stripe listed.
type item struct{ kind, id, customer string }

func itemsOfCustomers(list []stripe.Customer) (items []item) {
	for _, c := range list {
		items = append(items, item{"customer", c.ID, c.ID})
	}
	return items
}

// itemsOfSubscriptions are the subscriptions and their customers, which the list of customers may leave out.
func itemsOfSubscriptions(list []stripe.Subscription) (items []item) {
	for _, s := range list {
		if s.TestClock == "" { // lists of everything leave test clocks out; where one shows up it is nobody's purchase
			items = append(items, item{"subscription", s.ID, s.Customer}, item{"customer", s.Customer, s.Customer})
		}
	}
	return items
}

// page stores a page and where the next one begins, in one transaction: a kill repeats a page, and skips none.
func (f *filling) page(ctx context.Context, items []item, cursor, next string) error {
	row := f.row
	row.Error, row.Cursor = "", cursor
	if cursor == "" {
		row.State = next
	} else if f.seen[cursor] {
		return fmt.Errorf("%w: the list of %s goes round in a circle", stripe.ErrUnavailable, row.State)
	}
	f.seen[cursor] = true
	return f.commit(ctx, row, func(q *db.Queries) error {
		for _, i := range items {
			erased, err := customer.ErasedAt(ctx, q, customer.StripeName, i.customer)
			if err != nil {
				return err
			}
			if !erased.IsZero() {
				continue // Stripe still has them; here they are not taken in again
			}
			err = q.ListBackfillItem(ctx, db.ListBackfillItemParams{BackfillID: row.ID, Kind: i.kind, ID: i.id, Customer: i.customer})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// commit runs fn and stores the row in one transaction. f.row is the new one only if that is on disk.
func (f *filling) commit(ctx context.Context, row db.Backfill, fn func(q *db.Queries) error) error {
	before := f.row
	f.row = row
	err := f.DB.Tx(ctx, func(q *db.Queries) error { return errors.Join(fn(q), f.save(ctx, q)) })
	if err != nil {
		f.row = before
		return fmt.Errorf("store the backfill: %w", err)
	}
	return nil
}

// records reads the next few customers, or ends the backfill when there are none left.
func (f *filling) records(ctx context.Context) error {
	ids, err := f.DB.Read().NextBackfillItems(ctx, f.row.ID, 10)
	if err != nil {
		return fmt.Errorf("read the backfill: %w", err)
	}
	for _, id := range ids {
		if err := f.record(ctx, id); err != nil {
			return err
		}
	}
	if len(ids) == 0 {
		return f.finish(ctx)
	}
	return nil
}

// record reads one customer, unless a sync has read everything since the backfill began.
func (f *filling) record(ctx context.Context, id string) error {
	known, err := f.DB.Read().StripeCustomer(ctx, id)
	if missingIsFine(&err) != nil {
		return fmt.Errorf("read customer %s: %w", id, err)
	}
	refused, write := "", func(*db.Queries) error { return nil }
	if !known.WholeAt.After(f.row.StartedAt.Time) {
		state, err := f.client.State(ctx, id, stripe.Parts{Payments: true, Checkouts: true})
		switch {
		case errors.Is(err, stripe.ErrNotFound):
			refused = err.Error()
		case err != nil:
			return fmt.Errorf("read customer %s from Stripe: %w", id, err)
		default:
			write = func(q *db.Queries) error { return f.write(ctx, q, state, 0) }
		}
	}
	row := f.row
	row.Error = ""
	return f.commit(ctx, row, func(q *db.Queries) error {
		done := db.DoneBackfillItemParams{DoneAt: db.Now(), Error: refused, BackfillID: row.ID, ID: id}
		return errors.Join(write(q), q.DoneBackfillItem(ctx, done))
	})
}

// finish counts what Stripe listed against what is stored. Only if all of it is, the backfill is complete.
func (f *filling) finish(ctx context.Context) error {
	p, err := progressOf(ctx, f.DB.Read(), f.row)
	if err != nil {
		return err
	}
	row := f.row
	row.State, row.FinishedAt, row.Error = backfillComplete, db.Now(), ""
	if p.StoredCustomers < p.Customers || p.StoredSubscriptions < p.Subscriptions {
		row.State = backfillIncomplete
		row.Error = fmt.Sprintf("of %d customers and %d subscriptions that Stripe listed, %d and %d are stored",
			p.Customers, p.Subscriptions, p.StoredCustomers, p.StoredSubscriptions)
	}
	return f.commit(ctx, row, func(q *db.Queries) error { return q.PruneBackfillItems(ctx, row.ID) })
}

// Progress is how far a backfill is.
type Progress struct {
	db.Backfill
	Customers, Subscriptions             int64 // listed so far
	Done                                 int64 // customers read
	Refused                              int64 // of those, how many Stripe does not show
	StoredCustomers, StoredSubscriptions int64 // of those listed
}

// Listing says that how much there is to do is not known yet.
func (p Progress) Listing() bool {
	return p.State == readingCustomers || p.State == readingSubscriptions || p.State == readingDeleted
}

// Underway says that it is neither complete nor given up.
func (p Progress) Underway() bool { return p.ID != 0 && p.FinishedAt.IsZero() }

// Percent is how much of it is done, 0 while that is not known.
func (p Progress) Percent() int64 {
	if p.Listing() || p.Customers == 0 {
		return 0
	}
	return 100 * p.Done / p.Customers
}

// LastBackfill is the newest backfill; its ID is 0 if there was none.
func LastBackfill(ctx context.Context, q *db.Queries) (Progress, error) {
	row, err := q.LastBackfill(ctx)
	if missingIsFine(&err) != nil || row.ID == 0 {
		return Progress{}, err
	}
	return progressOf(ctx, q, row)
}

func progressOf(ctx context.Context, q *db.Queries, row db.Backfill) (Progress, error) {
	p := Progress{Backfill: row}
	listed, err := q.CountBackfill(ctx, row.ID)
	if err != nil {
		return p, fmt.Errorf("count the backfill: %w", err)
	}
	stored, err := q.CountBackfillStored(ctx, row.ID)
	if err != nil {
		return p, fmt.Errorf("count the backfill: %w", err)
	}
	p.Customers, p.Subscriptions, p.Done, p.Refused = listed.Customers, listed.Subscriptions, listed.CustomersDone, listed.Refused
	p.StoredCustomers, p.StoredSubscriptions = stored.Customers, stored.Subscriptions
	return p, nil
}
