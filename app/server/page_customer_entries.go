package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"bursar/app/automation"
	"bursar/app/db"
	"bursar/app/mail"
	"bursar/app/queue"
)

// entry is one line of what happened to a customer.
type entry struct {
	At   time.Time
	Tone string // good, warn, bad or ""
	Text string
	Note string
	Path string // where there is more about it
}

// readEntries merges the events, the jobs and the changes of the record before a time in unix
// milliseconds, newest first.
func (p *customerPageData) readEntries(ctx context.Context, q *db.Queries, r *http.Request) error {
	before := cursorOf(r)
	p.Earlier = before != math.MaxInt64
	until := db.At(time.UnixMilli(min(before, farFuture)))
	installed, err := installedAt(ctx, q)
	if err != nil {
		return err
	}
	var entries []entry
	for _, c := range p.Facts.Stripe {
		events, err := q.EventsOfStripeCustomerBefore(ctx, c.ID, until, listSize+1)
		if err != nil {
			return err
		}
		for _, e := range events {
			entries = append(entries, eventEntry(e, installed))
		}
	}
	lines, err := q.TimelineBefore(ctx, p.Record.ID, until, listSize+1)
	if err != nil {
		return err
	}
	for _, l := range lines {
		entries = append(entries, entry{At: l.CreatedAt.Time, Text: mail.UpperFirst(mail.Line(l.Text, lineLength)), Tone: "good"})
	}
	keys := p.keys()
	done, err := q.JobsDoneAbout(ctx, keys, until, listSize+1)
	if err != nil {
		return err
	}
	for _, j := range done {
		entries = append(entries, jobEntry(j))
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return b.At.Compare(a.At) })
	var next string
	p.Entries, next = cutEntries(entries)
	p.pager = pagerOf(r, next)
	if p.Earlier {
		return nil
	}
	open, err := q.JobsOpenAbout(ctx, keys)
	for _, j := range open {
		p.Entries = slices.Insert(p.Entries, 0, jobEntry(j))
	}
	return err
}

// farFuture is a time that fits a column.
var farFuture = time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()

// cutEntries leaves one page, and all of the millisecond that it ends in: the next begins before that.
func cutEntries(entries []entry) ([]entry, string) {
	n := listSize
	for n < len(entries) && entries[n].At.Equal(entries[n-1].At) {
		n++
	}
	if n >= len(entries) {
		return entries, ""
	}
	return entries[:n], strconv.FormatInt(entries[n-1].At.UnixMilli(), 10)
}

// keys are what jobs about this customer are about, as a JSON list: its Stripe customers, itself, and the
// causes of its tickets, tasks and notes.
func (p *customerPageData) keys() string {
	keys := append([]string{strconv.FormatInt(p.Record.ID, 10)}, p.Facts.Linked("stripe")...)
	want := automation.Want(p.Facts, time.Now())
	for _, t := range want.Tickets {
		keys = append(keys, t.Cause)
	}
	for _, t := range p.Tickets {
		keys = append(keys, t.Cause)
	}
	for _, t := range p.Tasks {
		keys = append(keys, t.Cause)
	}
	for _, n := range p.Notes {
		keys = append(keys, n.Cause)
	}
	slices.Sort(keys)
	b, _ := json.Marshal(slices.Compact(keys)) // strings only
	return string(b)
}

// readWork reads what explains a difference.
func readWork(ctx context.Context, q *db.Queries, keys string) (w automation.Work, err error) {
	if w.Jobs, err = q.JobsOpenAbout(ctx, keys); err != nil {
		return w, err
	}
	done, err := q.JobsDoneAbout(ctx, keys, db.At(time.UnixMilli(farFuture)), listSize)
	if err != nil {
		return w, err
	}
	w.Jobs = append(w.Jobs, done...)
	w.Circuits, err = q.OpenCircuits(ctx, db.Now())
	return w, err
}

// installedAt is when this Bursar was set up: what is older did not wait for it. The zero time if it is not known.
func installedAt(ctx context.Context, q *db.Queries) (time.Time, error) {
	text, err := q.Meta(ctx, "installed_at")
	if errors.Is(err, db.ErrNoRows) {
		return time.Time{}, nil
	}
	ms, parseErr := strconv.ParseInt(text, 10, 64)
	if err := errors.Join(err, parseErr); err != nil {
		return time.Time{}, fmt.Errorf("read when this Bursar was set up: %w", err)
	}
	return time.UnixMilli(ms), nil
}

func eventEntry(e db.EventsOfStripeCustomerBeforeRow, installed time.Time) entry {
	line := entry{At: e.CreatedAt.Time, Text: "Stripe: " + mail.Line(e.Type, maxName), Path: "/admin/events/" + e.ID}
	switch late := delay(e.CreatedAt, e.ReceivedAt); {
	case e.Ignored != "":
		line.Tone, line.Note = "warn", "ignored: "+mail.Line(e.Ignored, lineLength)
	case e.Source != "webhook":
		line.Note = "came by " + e.Source
	case late > time.Minute && e.CreatedAt.After(installed):
		line.Tone, line.Note = "warn", "arrived "+delayWords(late)+" later"
	}
	return line
}

func jobEntry(j db.Job) entry {
	line := entry{At: j.FinalizedAt.Time, Text: kindOf(j.Kind).Does + ": " + stateWords(j.State), Path: fmt.Sprintf("/admin/jobs/%d", j.ID)}
	switch j.State {
	case queue.Completed:
		line.Tone, line.Note = "good", "took "+spell(j.FinalizedAt.Sub(j.AttemptedAt.Time))
		if j.Attempt > 1 {
			line.Note += fmt.Sprintf(", at attempt %d", j.Attempt)
		}
	case queue.Discarded:
		line.Tone, line.Note = "bad", lastError(j)
	case queue.Retryable:
		line.Tone, line.Note, line.At = "warn", fmt.Sprintf("attempt %d: %s", j.Attempt, lastError(j)), j.ScheduledAt.Time
	case queue.Running:
		line.At = j.AttemptedAt.Time
	case queue.Available:
		line.At = j.ScheduledAt.Time
	}
	return line
}
