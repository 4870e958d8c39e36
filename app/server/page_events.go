package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"bursar/app/auth"
	"bursar/app/billing"
	"bursar/app/db"
	"bursar/app/mail"
	"bursar/app/queue"
)

// eventsPageData is the list of stored events.
type eventsPageData struct {
	page
	pager
	Type, Customer string // the filter
	Ignored        bool
	Events         []eventRow
	Searched       bool // the filter was held against a stretch of the events only
}

// eventRow is an event in a list.
type eventRow struct {
	db.EventsPageRow
	Who        link
	DelayWords string
}

// eventsPage answers GET /admin/events.
func (s *Server) eventsPage(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	d := eventsPageData{page: s.page(w, r, "Events"), Type: strings.TrimSpace(query.Get("type")),
		Customer: strings.TrimSpace(query.Get("customer")), Ignored: query.Get("ignored") != ""}
	if strings.HasPrefix(d.Customer, "evt_") { // pasted into the wrong field
		http.Redirect(w, r, "/admin/events/"+url.PathEscape(d.Customer), http.StatusSeeOther)
		return nil
	}
	events, floor, err := listEvents(r.Context(), s.DB.Read(), d, cursorOf(r))
	if err != nil {
		return fmt.Errorf("list the events: %w", err)
	}
	events, next := cut(events, func(e db.EventsPageRow) int64 { return e.Seq })
	d.pager, d.Searched = pagerOf(r, further(next, floor)), next == "" && floor > 1
	for _, e := range events {
		row := eventRow{EventsPageRow: e, DelayWords: delayWords(delay(e.CreatedAt, e.ReceivedAt))}
		if e.Customer != "" {
			if row.Who, err = stripeLink(r.Context(), s.DB.Read(), e.Customer); err != nil {
				return err
			}
		}
		d.Events = append(d.Events, row)
	}
	return s.render(w, http.StatusOK, "events", d)
}

// listEvents reads one page of the events, and where it stopped to search.
func listEvents(ctx context.Context, q *db.Queries, d eventsPageData, before int64) ([]db.EventsPageRow, int64, error) {
	ignored := int64(0)
	if d.Ignored {
		ignored = 1
	}
	if d.Customer != "" {
		rows, err := q.EventsPageOfCustomer(ctx, db.EventsPageOfCustomerParams{Customer: d.Customer, Before: before,
			Type: d.Type, OnlyIgnored: ignored, N: listSize + 1})
		events := make([]db.EventsPageRow, len(rows))
		for i, row := range rows {
			events[i] = db.EventsPageRow(row)
		}
		return events, 0, err
	}
	last, err := q.LastEventSeq(ctx)
	if err != nil {
		return nil, 0, err
	}
	floor := floorOf(d.Ignored || d.Type != "", before, last)
	events, err := q.EventsPage(ctx, db.EventsPageParams{Before: before, Since: floor, Type: d.Type, OnlyIgnored: ignored, N: listSize + 1})
	return events, floor, err
}

// delay is how long an event was on its way. Stripe counts in seconds.
func delay(created, received db.Time) time.Duration {
	return max(received.Sub(created.Time), 0).Round(time.Second)
}

// delayWords says how long an event was on its way.
func delayWords(d time.Duration) string {
	switch {
	case d < 2*time.Second:
		return "a moment"
	case d < 2*time.Minute:
		return fmt.Sprintf("%d seconds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d hours", int(d.Hours()))
	default:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	}
}

const (
	followsJobs  = 10 * time.Minute // jobs that ended within this time of an event are shown with it
	followsLines = time.Minute
	maxPayload   = 64 << 10 // bytes of a payload on its page
)

// eventPageData is one event and what it led to.
type eventPageData struct {
	page
	Event      db.Event
	DelayWords string
	Who        link
	Payload    string // it holds payment details: "" for who may not read them
	Jobs       []jobRow
	Lines      []db.Timeline
	Replays    string // what a replay does; "" if nothing follows from the event
	MayAct     bool
	Finished   bool // it is so old that the jobs it led to are cleared away
}

// eventPage answers GET /admin/events/{id}.
func (s *Server) eventPage(w http.ResponseWriter, r *http.Request) error {
	ctx, q := r.Context(), s.DB.Read()
	e, err := q.EventByID(ctx, r.PathValue("id"))
	if err != nil {
		return found(err, "no event with this id was received here")
	}
	d := eventPageData{page: s.page(w, r, mail.Line(e.Type, maxName)), Event: e, DelayWords: delayWords(delay(e.CreatedAt, e.ReceivedAt)),
		MayAct: userOf(r).Role.May(auth.ReplayEvents), Finished: time.Since(e.ReceivedAt.Time) > 7*24*time.Hour}
	if userOf(r).Role.May(auth.ReadPayments) {
		d.Payload = indentJSON(e.Payload, maxPayload)
	}
	if job := replayOf(e); job != nil {
		d.Replays = kindOf(job.Kind()).Does
	}
	if e.Customer != "" {
		if d.Who, err = stripeLink(ctx, q, e.Customer); err != nil {
			return err
		}
	}
	customer, err := q.LinkOf(ctx, "stripe", e.Customer)
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return fmt.Errorf("look up %s: %w", e.Customer, err)
	}
	jobs, err := q.JobsAfterEvent(ctx, db.JobsAfterEventParams{Since: e.ReceivedAt, Until: db.At(e.ReceivedAt.Add(followsJobs)),
		StripeCustomer: e.Customer, Event: e.ID, CustomerID: customer})
	if err != nil {
		return fmt.Errorf("read the jobs after event %s: %w", e.ID, err)
	}
	if d.Jobs, err = s.jobRows(r, jobs); err != nil {
		return err
	}
	if d.Lines, err = q.TimelineBetween(ctx, customer, e.ReceivedAt, db.At(e.ReceivedAt.Add(followsLines))); err != nil {
		return fmt.Errorf("read the timeline after event %s: %w", e.ID, err)
	}
	return s.render(w, http.StatusOK, "event", d)
}

// replayOf is the job that looks again at what an event is about, nil if nothing follows from it.
func replayOf(e db.Event) queue.Args {
	switch {
	case e.Ignored != "":
		return nil
	case e.Customer != "":
		return billing.SyncCustomer{StripeCustomer: e.Customer}
	case e.Charge != "" || e.PaymentIntent != "" || e.Invoice != "" || e.ApiVersion == "": // a thin event has no version
		return billing.FindCustomer{Event: e.ID}
	}
	return nil
}

// replayEvent answers POST /admin/events/{id}/replay.
func (s *Server) replayEvent(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	e, err := s.DB.Read().EventByID(ctx, r.PathValue("id"))
	if err != nil {
		return found(err, "no event with this id was received here")
	}
	back := "/admin/events/" + url.PathEscape(e.ID)
	job := replayOf(e)
	if job == nil {
		return s.seeOther(w, r, back, notice{Text: "There is nothing to replay: nothing follows from this event.", Bad: true})
	}
	err = s.DB.Tx(ctx, func(q *db.Queries) error {
		return errors.Join(queue.Hurry(ctx, q, job, time.Now()), s.audit(ctx, q, r, "events.replay", e.ID, job.Kind()+" "+job.Key()))
	})
	if err != nil {
		return notStored(fmt.Errorf("replay event %s: %w", e.ID, err))
	}
	return s.seeOther(w, r, back, notice{Text: "The customer is being looked at again. Nothing is doubled: what is right already stays as it is."})
}
