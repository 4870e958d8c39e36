package billing

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bursar/app/db"
	"bursar/app/queue"
	"bursar/app/stripe"
)

// read gives the present state of a Stripe customer: from the API if there is one that answers, else
// folded from the stored events. retry says that the state is the best there is for now and the job
// must come again to confirm it.
func (b *Billing) read(ctx context.Context, id string, parts stripe.Parts) (state stripe.State, retry, err error) {
	if b.Stripe == nil {
		state, err = fold(ctx, b.DB.Read(), id)
		return state, nil, err
	}
	until, reason, err := queue.OpenUntil(ctx, b.DB.Read(), system)
	if err != nil {
		return state, nil, err
	}
	if until.IsZero() {
		state, err = b.Stripe.State(ctx, id, parts)
		if err == nil {
			return state, nil, nil
		}
		retry = fmt.Errorf("read customer %s from Stripe: %w", id, outcome(err))
		if errors.Is(err, stripe.ErrNotFound) {
			retry = queue.Discard(fmt.Errorf("%w; is STRIPE_API_KEY of the same account and mode as the events?", retry))
		}
	} else {
		retry = queue.Snooze(until, errors.New(reason))
	}
	state, err = fold(ctx, b.DB.Read(), id)
	return state, retry, err
}

// foldCustomer writes what the stored events say. It reads them in the transaction that writes: a sync of
// the same customer may be under way, and its newer reading must not be overwritten.
func (b *Billing) foldCustomer(ctx context.Context, id string) error {
	err := b.DB.Tx(ctx, func(q *db.Queries) error {
		state, err := fold(ctx, q, id)
		if err != nil {
			return err
		}
		return b.write(ctx, q, state, 0)
	})
	if err != nil {
		return fmt.Errorf("write customer %s from its events: %w", id, err)
	}
	return nil
}

// fold reads the state from the stored events. What the API said before stands: then only events
// since that reading count.
func fold(ctx context.Context, q *db.Queries, id string) (stripe.State, error) {
	known, err := q.StripeCustomer(ctx, id)
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return stripe.State{}, fmt.Errorf("fold the events of %s: %w", id, err)
	}
	since := db.At(known.ConfirmedAt.Truncate(time.Second)) // events are created in whole seconds
	rows, err := q.EventsOfCustomer(ctx, id, since)
	if err != nil {
		return stripe.State{}, fmt.Errorf("fold the events of %s: %w", id, err)
	}
	events := make([]stripe.Event, 0, len(rows))
	for _, row := range rows {
		e, err := stripe.DecodeEvent(row.Payload)
		if err != nil {
			return stripe.State{}, fmt.Errorf("read the stored event %s: %w", row.ID, err)
		}
		events = append(events, e)
	}
	state := stripe.Fold(events)
	if state.Customer.ID == "" {
		state.Customer.ID = id
	}
	if state.Customer.CreatedAt.IsZero() && !known.ConfirmedAt.IsZero() {
		state.Customer.Name, state.Customer.Email = "", "" // guessed from an invoice or checkout: the API knows better
	}
	return state, nil
}
