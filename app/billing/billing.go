// Package billing is what money does to a customer: it stores Stripe's events, reads what Stripe says of
// a customer now, and writes that as the canonical record. An event is only a hint to look; whatever
// door it comes through (webhook, replay, reconcile), one path writes: SyncCustomer.
package billing

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"bursar/app/db"
	"bursar/app/queue"
	"bursar/app/stripe"
)

// Billing has what its jobs need.
type Billing struct {
	DB     *db.DB
	Stripe *stripe.Client    // nil: no API key, the stored events are all there is
	Live   bool              // mode of the API key, if there is one
	Plans  map[string]string // names of prices (price_…) and products (prod_…), may be empty
	URL    string            // public address of Bursar, where Stripe's webhooks should go

	mode atomic.Pointer[bool] // of this file, once it is known to be on disk; see fileMode
}

// The jobs of this package.
type (
	// SyncCustomer reads what Stripe says of one of its customers and writes it here.
	SyncCustomer struct{ StripeCustomer string }
	// FindCustomer finds the customer of an event whose object names none, as a refund's or a dispute's.
	FindCustomer struct{ Event string }
	// FoldCustomer takes new events into the record of a customer whose sync waits after an error of Stripe.
	FoldCustomer struct{ StripeCustomer string }
	// LookAgain waits for the time at which something about a customer changes without an event, and then
	// syncs it. If it were a SyncCustomer itself, one that waits for Stripe would wait that long as well.
	LookAgain struct{ StripeCustomer string }
)

func (SyncCustomer) Kind() string  { return "sync_customer" }
func (a SyncCustomer) Key() string { return a.StripeCustomer }
func (FindCustomer) Kind() string  { return "find_customer" }
func (a FindCustomer) Key() string { return a.Event }
func (FoldCustomer) Kind() string  { return "fold_customer" }
func (a FoldCustomer) Key() string { return a.StripeCustomer }
func (LookAgain) Kind() string     { return "look_again" }
func (a LookAgain) Key() string    { return a.StripeCustomer }

// system is the name of Stripe's circuit.
const system = "stripe"

// Handle registers the jobs of this package.
func (b *Billing) Handle(w *queue.Worker) {
	// Both have the stored events to work with while Stripe does not answer.
	o := queue.Options{System: system, WhileOpen: true}
	if b.Stripe == nil {
		o.System = ""
	}
	queue.Handle(w, o, func(ctx context.Context, a SyncCustomer) error { return b.syncNews(ctx, a.StripeCustomer) })
	b.handleSweeps(w)
	queue.Handle(w, o, func(ctx context.Context, a FindCustomer) error { return b.findCustomer(ctx, a.Event) })
	queue.Handle(w, queue.Options{}, func(ctx context.Context, a FoldCustomer) error { return b.foldCustomer(ctx, a.StripeCustomer) })
	queue.Handle(w, queue.Options{}, func(ctx context.Context, a LookAgain) error {
		return b.DB.Tx(ctx, func(q *db.Queries) error { return queue.Insert(ctx, q, SyncCustomer{a.StripeCustomer}) })
	})
}

// Source says how an event came.
type Source string

// The ways an event can come.
const (
	Webhook Source = "webhook"
	Replay  Source = "replay"
	Swept   Source = "sweep" // found in Stripe's own list
)

// Receipt says what became of an event.
type Receipt struct {
	Duplicate bool
	Ignored   string // why nothing follows from it, "" if something may
}

// Receive stores an event and the job that follows from it, and returns when both are on disk. A
// duplicate changes nothing. An error means that nothing was stored.
func (b *Billing) Receive(ctx context.Context, e stripe.Event, source Source) (Receipt, error) {
	live, err := b.fileMode(ctx)
	if err != nil {
		return Receipt{}, fmt.Errorf("store event %s: %w", e.ID, err)
	}
	var receipt Receipt
	err = b.DB.Tx(ctx, func(q *db.Queries) (err error) {
		receipt, err = b.store(ctx, q, e, source, live)
		return err
	})
	if err != nil {
		return Receipt{}, fmt.Errorf("store event %s: %w", e.ID, err)
	}
	return receipt, nil
}

func (b *Billing) store(ctx context.Context, q *db.Queries, e stripe.Event, source Source, live *bool) (r Receipt, err error) {
	if r.Ignored, err = ignore(ctx, q, e, live); err != nil {
		return r, err
	}
	erased, err := isErased(ctx, q, e)
	if err != nil {
		return r, err
	}
	if erased {
		e, r.Ignored = e.Bare(), OfErased
	}
	n, err := q.InsertEvent(ctx, db.InsertEventParams{ID: e.ID, Type: e.Type, ApiVersion: e.APIVersion, Account: e.Account, Livemode: e.Livemode,
		ObjectType: e.ObjectType, ObjectID: e.ObjectID, Customer: e.Customer, Charge: e.Charge, PaymentIntent: e.PaymentIntent, Invoice: e.Invoice,
		Source: string(source), Ignored: r.Ignored, CreatedAt: db.At(e.CreatedAt), ReceivedAt: db.Now(), Payload: e.Payload})
	if err != nil {
		return r, err
	}
	r.Duplicate = n == 0
	switch {
	case r.Duplicate || r.Ignored != "":
		return r, nil
	case e.Customer != "":
		return r, queueNews(ctx, q, e.Customer)
	case e.Charge != "" || e.PaymentIntent != "" || e.Invoice != "" || e.Thin && b.Stripe != nil:
		return r, queue.Insert(ctx, q, FindCustomer{e.ID})
	}
	return r, nil // a product, a payout: nothing about a customer
}

// queueNews queues what follows from an event of a customer. A sync that waits for Stripe after an error keeps
// its time, but what the event itself says is taken over at once.
func queueNews(ctx context.Context, q *db.Queries, customer string) error {
	held, err := queue.Join(ctx, q, SyncCustomer{customer})
	if err != nil || !held {
		return err
	}
	return queue.Insert(ctx, q, FoldCustomer{customer})
}

const metaLive = "livemode"

// fileMode is the mode of this file: the API key's, and without one that of the first event; nil while
// there is none. What is on disk never changes, so it is read once.
func (b *Billing) fileMode(ctx context.Context) (*bool, error) {
	if b.Stripe != nil {
		return &b.Live, nil
	}
	if live := b.mode.Load(); live != nil {
		return live, nil
	}
	text, err := b.DB.Read().Meta(ctx, metaLive)
	if errors.Is(err, db.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	live := text == "true"
	b.mode.Store(&live)
	return &live, nil
}

// ignore says why an event must not count: it is of a connected account, or not of the mode of the file.
// The first event of a file without a mode sets it.
func ignore(ctx context.Context, q *db.Queries, e stripe.Event, live *bool) (string, error) {
	if e.Account != "" {
		return "it belongs to the connected account " + e.Account, nil
	}
	if live == nil {
		if err := q.SetMeta(ctx, metaLive, strconv.FormatBool(e.Livemode)); err != nil {
			return "", err
		}
		text, err := q.Meta(ctx, metaLive) // another event may have been first
		if err != nil {
			return "", err
		}
		is := text == "true"
		live = &is
	}
	if e.Livemode != *live {
		return fmt.Sprintf("it is of %s mode and this file holds %s mode", mode(e.Livemode), mode(*live)), nil
	}
	return "", nil
}

func mode(live bool) string {
	if live {
		return "live"
	}
	return "test"
}

// findCustomer leads from an event without a customer to the sync of its customer. Where the stored
// events do not tell and there is no API, a later event of the customer takes it in.
func (b *Billing) findCustomer(ctx context.Context, id string) error {
	row, err := b.DB.Read().EventByID(ctx, id)
	if err != nil {
		return fmt.Errorf("read event %s: %w", id, err)
	}
	customer, err := b.DB.Read().CustomerOfObjects(ctx, row.Charge, row.Invoice, row.PaymentIntent)
	if errors.Is(err, db.ErrNoRows) && b.Stripe != nil {
		customer, err = b.askForCustomer(ctx, row)
	}
	if errors.Is(err, db.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find the customer of event %s: %w", id, err)
	}
	return b.DB.Tx(ctx, func(q *db.Queries) error {
		// Its customer was not told when it came: a reading may have begun since without knowing of it.
		return errors.Join(q.SetEventCustomer(ctx, customer, id), q.ReadWholeNext(ctx, customer), queueNews(ctx, q, customer))
	})
}

func (b *Billing) askForCustomer(ctx context.Context, row db.Event) (string, error) {
	until, reason, err := queue.OpenUntil(ctx, b.DB.Read(), system)
	if err != nil {
		return "", err
	}
	if !until.IsZero() {
		return "", queue.Snooze(until, errors.New(reason))
	}
	e, err := stripe.DecodeEvent(row.Payload)
	if err != nil {
		return "", queue.Discard(err)
	}
	customer, err := b.Stripe.CustomerOf(ctx, e)
	if errors.Is(err, stripe.ErrNotFound) {
		return "", db.ErrNoRows // a guest's payment
	}
	return customer, outcome(err)
}

// outcome says in the queue's terms what a Stripe error means for a job.
func outcome(err error) error {
	var e *stripe.Error
	after := time.Duration(0)
	if errors.As(err, &e) {
		after = e.RetryAfter
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, stripe.ErrUnauthorized):
		return queue.Unauthorized(err)
	case errors.Is(err, stripe.ErrRateLimited), errors.Is(err, stripe.ErrUnavailable):
		return queue.Unavailable(err, after)
	}
	return err
}
