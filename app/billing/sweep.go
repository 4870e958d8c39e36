package billing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"bursar/app/db"
	"bursar/app/queue"
	"bursar/app/stripe"
)

// Sweep reads Stripe's own list of events and takes in what no webhook brought. How far the events are
// known moves on only after all of the list was read.
type Sweep struct{}

func (Sweep) Kind() string { return "sweep" }

// Key is the same for all: two sweeps at once would find the same.
func (Sweep) Key() string { return "events" }

const (
	sweepTimeout = 10 * time.Minute
	sweepKept    = 35 * 24 * time.Hour
	sweepBatch   = 100

	// enRoute is how young an event may be whose webhook is merely on its way.
	enRoute = 2 * time.Minute
)

// sweep is one pass. Only a key that Stripe refuses is an error for the queue, which then leaves Stripe
// alone; anything else is in the row of the pass, and the next beat tries again.
func (b *Billing) sweep(ctx context.Context, _ Sweep) error {
	if b.Stripe == nil {
		return nil
	}
	now := time.Now()
	h, err := readHistory(ctx, b.DB.Read(), now)
	if err != nil {
		return fmt.Errorf("plan the sweep: %w", err)
	}
	restored, err := db.ReadRestored(ctx, b.DB.Read())
	if err != nil {
		return fmt.Errorf("plan the sweep: %w", err)
	}
	p := &pass{Billing: b, client: b.Stripe.For(forSweep), plan: h.plan(now), mark: h.complete.MarkAt.Time, began: now, restored: restored.At}
	failed := p.read(ctx)
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err() // the process stops: what was stored stays, and the mark where it was
	}
	store := context.WithoutCancel(ctx) // a pass that took too long is recorded too
	if err := p.finish(store, failed); err != nil {
		return err
	}
	var e *stripe.Error
	if errors.As(failed, &e) && e.Status == http.StatusUnauthorized {
		return queue.Unauthorized(failed)
	}
	return nil
}

// pass is one sweep under way.
type pass struct {
	*Billing
	client *stripe.Client
	plan   sweepPlan
	began  time.Time
	mark   time.Time // creation of the newest event listed, now or earlier

	restored time.Time // when a backup was: what came before may have been delivered, and got lost with the file

	listed, found, missing int64
	late                   time.Duration
	batch                  []stripe.Event
}

// read lists what is new, and from time to time what Stripe could not deliver.
func (p *pass) read(ctx context.Context) error {
	if err := p.list(ctx, stripe.EventQuery{Since: p.plan.since}); err != nil {
		return err
	}
	if !p.plan.undelivered {
		return nil
	}
	since := p.plan.since.Add(-undeliveredBack)
	if p.began.Sub(since) > eventsKept {
		since = p.began.Add(-eventsKept)
	}
	return p.list(ctx, stripe.EventQuery{Since: since, Undelivered: true})
}

func (p *pass) list(ctx context.Context, query stripe.EventQuery) error {
	for e, err := range p.client.Events(ctx, query) {
		if err != nil {
			return err
		}
		p.listed++
		if e.CreatedAt.After(p.mark) {
			p.mark = e.CreatedAt
		}
		// What the endpoint is not meant to send says nothing about a customer, and is not missed.
		if stripe.Wanted(e.Type) || e.Type == stripe.OptionalEvent {
			p.batch = append(p.batch, e)
		}
		if len(p.batch) == sweepBatch {
			if err := p.take(ctx); err != nil {
				return err
			}
		}
	}
	return p.take(ctx)
}

// take stores those of a batch that are not here, by the path of every event.
func (p *pass) take(ctx context.Context) error {
	unknown, err := p.unknown(ctx)
	if err != nil {
		return fmt.Errorf("look for stored events: %w", err)
	}
	for _, e := range unknown {
		r, err := p.Receive(ctx, e, Swept)
		if err != nil {
			return err
		}
		if r.Duplicate {
			continue
		}
		p.found++
		if age := p.began.Sub(e.CreatedAt); age > enRoute && r.Ignored == "" && stripe.Wanted(e.Type) && e.CreatedAt.After(p.restored) {
			p.missing++
			p.late = max(p.late, age)
		}
	}
	p.batch = p.batch[:0]
	return nil
}

// unknown are the events of the batch that are not stored, oldest first.
func (p *pass) unknown(ctx context.Context) (unknown []stripe.Event, err error) {
	ids := []string{}
	for _, e := range p.batch {
		ids = append(ids, e.ID)
	}
	text, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	rows, err := p.DB.Read().KnownEvents(ctx, string(text))
	known := map[string]bool{}
	for _, id := range rows {
		known[id] = true
	}
	for i := len(p.batch) - 1; i >= 0; i-- {
		if e := p.batch[i]; !known[e.ID] {
			known[e.ID] = true
			unknown = append(unknown, e)
		}
	}
	return unknown, err
}

// finish writes the row of the pass. After a gap everything is read anew, because what happened in it is in
// no list any more.
func (p *pass) finish(ctx context.Context, failed error) error {
	row := db.InsertSweepParams{State: "complete", Undelivered: p.plan.undelivered, SinceAt: db.At(p.plan.since), MarkAt: db.At(p.mark),
		GapAt: db.At(p.plan.gap), Listed: p.listed, Found: p.found, Missing: p.missing, LateMs: p.late.Milliseconds(),
		StartedAt: db.At(p.began), FinishedAt: db.Now()}
	if failed != nil {
		row.State, row.Error = "incomplete", failed.Error()
	}
	err := p.DB.Tx(ctx, func(q *db.Queries) error {
		if row.State == "complete" && !p.plan.gap.IsZero() {
			reason := fmt.Sprintf("Bursar did not read Stripe's events from %s on, and Stripe lists them for 30 days",
				p.plan.gap.UTC().Format("2 January 2006 15:04 UTC"))
			if err := StartBackfill(ctx, q, reason); err != nil {
				return err
			}
		}
		if err := q.InsertSweep(ctx, row); err != nil {
			return err
		}
		return q.PruneSweeps(ctx, db.At(p.began.Add(-sweepKept)))
	})
	if err != nil {
		return fmt.Errorf("store the sweep: %w", err)
	}
	return nil
}

// SweepStatus is what the sweeps say of the webhooks.
type SweepStatus struct {
	Last       db.Sweep // the newest, zero if there was none
	Complete   db.Sweep // the newest complete one
	Missing    int64    // events of the last 24 hours that no webhook brought
	Late       time.Duration
	MissingAt  time.Time // when the newest of them were found
	LastBy     time.Time // when a webhook brought the newest event; zero: not among the newest thousands
	Overdue    bool      // the last complete one is longer ago than it may be
	Configured bool      // there is an API key
}

// Silent says that Stripe has news and no webhook brings any.
func (s SweepStatus) Silent() bool {
	return s.Missing > 0 && s.LastBy.Before(s.MissingAt.Add(-sweepRest))
}

// overdueAfter is three times the longest rest: one pass that fails is no news.
const overdueAfter = 3 * sweepRest

// SweepStatus reads how the sweeps went.
func (b *Billing) SweepStatus(ctx context.Context, q *db.Queries) (s SweepStatus, err error) {
	now := time.Now()
	s.Configured = b.Stripe != nil
	h, err := readHistory(ctx, q, now)
	if err != nil {
		return s, fmt.Errorf("read the sweeps: %w", err)
	}
	s.Last, s.Complete, s.MissingAt = h.last, h.complete, h.missing
	since, err := q.SweptSince(ctx, db.At(now.Add(-24*time.Hour)))
	if err != nil {
		return s, fmt.Errorf("count what the sweeps found: %w", err)
	}
	s.Missing, s.Late = since.Missing, time.Duration(since.LateMs)*time.Millisecond
	last, err := q.LastWebhook(ctx)
	if missingIsFine(&err) != nil {
		return s, fmt.Errorf("look for the last webhook: %w", err)
	}
	s.LastBy = last.Time
	s.Overdue = s.Configured && s.Last.ID != 0 && now.Sub(s.Complete.StartedAt.Time) > overdueAfter
	return s, nil
}
