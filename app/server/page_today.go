package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"bursar/app/db"
	"bursar/app/reconcile"
)

// todayPageData is the first page: does anything need a person?
type todayPageData struct {
	page
	Tone    string // of the verdict: good, attention or incomplete
	Verdict string
	New     bool // nothing has arrived yet
	Cards   []card
	More    int // cards left out
	Figures figures
	Event   db.Time // when the last event came
	Pulse   string  // good, or warn after a day without any
	Queue   db.QueueDepthRow
	Oldest  string // how long the oldest due job waits
	Run     db.Run // the last check, zero if there was none
	Report  string // its verdict, as it was mailed

	Restored db.Restored // zero: not lately
}

// maxCards is how many things a person can take in at once.
const maxCards = 12

// quietAfter is how long Stripe may say nothing before the pulse is a warning.
const quietAfter = 24 * time.Hour

func (s *Server) todayPage(w http.ResponseWriter, r *http.Request) error {
	ctx, q := r.Context(), s.DB.Read()
	p := todayPageData{page: s.page(w, r, "Today")}
	var err error
	if p.Figures, err = s.figures.get(ctx, q); err != nil {
		return err
	}
	for _, read := range []func(context.Context, *db.Queries) error{p.readPulse, p.readRun} {
		if err := read(ctx, q); err != nil {
			return fmt.Errorf("today: %w", err)
		}
	}
	if p.Restored, err = s.restoredLately(ctx); err != nil {
		return err
	}
	cards, err := s.readCards(ctx, q, p.User.Role)
	if err != nil {
		return fmt.Errorf("today: %w", err)
	}
	p.New = p.Figures.Customers == 0 && p.Event.IsZero()
	p.judge(cards)
	p.Cards = cards
	if p.More = len(cards) - maxCards; p.More > 0 {
		p.Cards = cards[:maxCards]
	}
	return s.render(w, http.StatusOK, "today", p)
}

// restoredNews is for how long the pages say that a backup was restored.
const restoredNews = 24 * time.Hour

// restoredLately is the backup that is still news, else zero.
func (s *Server) restoredLately(ctx context.Context) (db.Restored, error) {
	r, err := db.ReadRestored(ctx, s.DB.Read())
	if err != nil || time.Since(r.At) > restoredNews {
		return db.Restored{}, err
	}
	return r, nil
}

// readPulse reads the last event and the queue.
func (p *todayPageData) readPulse(ctx context.Context, q *db.Queries) (err error) {
	p.Event, err = q.LastEvent(ctx)
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return err
	}
	p.Pulse = "good"
	if p.Now.Sub(p.Event.Time) > quietAfter {
		p.Pulse = "warn"
	}
	p.Queue, err = q.QueueDepth(ctx, db.At(p.Now))
	p.Oldest = spell(waited(p.Queue))
	return err
}

// readRun reads the last check and what its report said.
func (p *todayPageData) readRun(ctx context.Context, q *db.Queries) (err error) {
	p.Run, err = q.LastRun(ctx)
	if errors.Is(err, db.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	mail, err := q.MailByKey(ctx, reconcile.ReportKey(p.Run))
	if errors.Is(err, db.ErrNoRows) {
		return nil // the repairs are still under way
	}
	if err != nil {
		return err
	}
	p.Report = mail.Subject
	if report, err := reconcile.ReadReport(ctx, q, p.Run); err == nil {
		p.Report = report.Verdict()
	}
	return nil
}

// judge says the whole page in a sentence, in the words of the report.
func (p *todayPageData) judge(cards []card) {
	var r reconcile.Report
	for _, c := range cards {
		if c.job {
			r.DeadJobs = append(r.DeadJobs, make([]reconcile.DeadJob, c.n)...)
		} else {
			r.NeedsYou = append(r.NeedsYou, make([]reconcile.Finding, c.n)...)
		}
	}
	switch {
	case p.Run.ID == 0 && len(cards) == 0:
		p.Tone, p.Verdict = "good", "Nothing needs you."
	case p.Run.ID == 0:
		p.Tone, p.Verdict = "attention", fmt.Sprintf("%d things need you.", len(r.NeedsYou)+len(r.DeadJobs))
		if len(cards) == 1 && cards[0].n == 1 {
			p.Verdict = "One thing needs you."
		}
	default:
		r.StripeCompared, r.Customers = p.Run.StripeCompared, int(p.Run.Customers)
		if p.Run.State == "incomplete" {
			r.Incomplete, r.Unread = p.Run.Error, reconcile.UnreadOf(p.Run)
		}
		p.Tone, p.Verdict = r.Tone(), r.Verdict()
	}
}
