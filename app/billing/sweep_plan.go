package billing

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"bursar/app/db"
)

const (
	// SweepBeat is how often it is asked whether a sweep is due, and how often one runs while webhooks are missing.
	SweepBeat = 5 * time.Minute

	sweepRest   = 15 * time.Minute // between two sweeps while webhooks arrive
	sweepSlack  = time.Minute      // a tick and the queue may make a run this much later than its beat
	troubledFor = time.Hour        // how long after a missing event the sweep stays quick

	// Stripe's list is read again from a while before the newest event that was seen: one may show up in it
	// a little late.
	sweepOverlap = 15 * time.Minute

	undeliveredEvery = time.Hour
	undeliveredBack  = 24 * time.Hour // how far before the newest event undelivered ones are asked for

	eventsKept = 30 * 24 * time.Hour // how long Stripe lists an event: https://docs.stripe.com/api/events
	gapAfter   = 29 * 24 * time.Hour // without a complete sweep for so long, events may be gone for good

	// ReadsAllowed is how many requests in 30 days Bursar makes of its own accord: sweeps, the watch over the
	// endpoint, the nightly comparison. What follows from an event or from a person is not in it; a company of a
	// thousand customers stays below it with its events as well.
	ReadsAllowed = 10_000

	// quickReads is how many requests of sweeps in 30 days leave room for quick ones.
	quickReads = 6_000
)

// sweepHistory is what the next sweep is planned from.
type sweepHistory struct {
	last        db.Sweep  // zero: there was none
	complete    db.Sweep  // the newest complete one
	undelivered time.Time // when undelivered events were asked for last, and all were read
	missing     time.Time // when a sweep found events that a webhook should have brought
	installed   time.Time
	reads       int64 // requests of sweeps in 30 days
}

// sweepPlan is what the next sweep does.
type sweepPlan struct {
	due         bool
	since       time.Time
	undelivered bool      // it asks for undelivered events as well
	gap         time.Time // the last complete sweep, if Stripe's list does not reach back so far; else zero
}

// plan plans the next sweep. A call costs one of the reads Bursar allows itself, so it asks seldom while
// webhooks arrive, and often while they do not.
func (h sweepHistory) plan(now time.Time) sweepPlan {
	p := sweepPlan{
		due:         now.Sub(h.last.StartedAt.Time) >= h.rest(now)-sweepSlack || now.Before(h.last.StartedAt.Time),
		undelivered: now.Sub(h.undelivered) >= undeliveredEvery-sweepSlack || now.Before(h.undelivered),
		since:       h.complete.MarkAt.Add(-sweepOverlap),
	}
	if h.complete.MarkAt.IsZero() { // from when Bursar was there; what was before is for the backfill
		p.since = h.installed.Add(-sweepOverlap)
		if oldest := now.Add(-eventsKept); p.since.Before(oldest) {
			p.since = oldest
		}
	}
	if h.complete.ID != 0 && now.Sub(h.complete.StartedAt.Time) > gapAfter {
		p.gap = h.complete.StartedAt.Time
	}
	return p
}

// rest is the time between two sweeps.
func (h sweepHistory) rest(now time.Time) time.Duration {
	troubled := h.last.State == "incomplete" || now.Sub(h.missing) < troubledFor
	if troubled && h.reads < quickReads {
		return SweepBeat
	}
	return sweepRest
}

// SweepDue says whether a sweep is due.
func (b *Billing) SweepDue(ctx context.Context, q *db.Queries) (bool, error) {
	if b.Stripe == nil {
		return false, nil
	}
	h, err := readHistory(ctx, q, time.Now())
	if err != nil {
		return false, fmt.Errorf("plan the sweep: %w", err)
	}
	return h.plan(time.Now()).due, nil
}

func readHistory(ctx context.Context, q *db.Queries, now time.Time) (h sweepHistory, err error) {
	if h.last, err = q.LastSweep(ctx); missingIsFine(&err) != nil {
		return h, err
	}
	if h.complete, err = q.LastCompleteSweep(ctx, false); missingIsFine(&err) != nil {
		return h, err
	}
	undelivered, err := q.LastCompleteSweep(ctx, true)
	if missingIsFine(&err) != nil {
		return h, err
	}
	missing, err := q.LastMissingSweep(ctx)
	if missingIsFine(&err) != nil {
		return h, err
	}
	h.undelivered, h.missing = undelivered.StartedAt.Time, missing.Time
	if h.installed, err = installedAt(ctx, q); err != nil {
		return h, err
	}
	reads, err := ReadsOf(ctx, q, now)
	h.reads = reads[forSweep]
	return h, err
}

// missingIsFine forgets an error that only says that there is no row.
func missingIsFine(err *error) error {
	if errors.Is(*err, db.ErrNoRows) {
		*err = nil
	}
	return *err
}

// installedAt is when Bursar first opened this file; the zero time where that is not known.
func installedAt(ctx context.Context, q *db.Queries) (time.Time, error) {
	text, err := q.Meta(ctx, "installed_at")
	if missingIsFine(&err) != nil || text == "" {
		return time.Time{}, err
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("installed_at: %w", err)
	}
	return time.UnixMilli(ms), nil
}
