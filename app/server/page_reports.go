package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"bursar/app/auth"
	"bursar/app/db"
	"bursar/app/mail"
	"bursar/app/queue"
	"bursar/app/reconcile"
)

// reportsPageData is the list of comparisons.
type reportsPageData struct {
	page
	pager
	Runs     []db.RunsPageRow
	Underway bool // one is at work, or about to be
	MayAct   bool
}

// reportsPage answers GET /admin/reports.
func (s *Server) reportsPage(w http.ResponseWriter, r *http.Request) error {
	ctx, q := r.Context(), s.DB.Read()
	runs, err := q.RunsPage(ctx, cursorOf(r), listSize+1)
	if err != nil {
		return fmt.Errorf("list the reports: %w", err)
	}
	runs, next := cut(runs, func(run db.RunsPageRow) int64 { return run.ID })
	d := reportsPageData{page: s.page(w, r, "Reports"), pager: pagerOf(r, next), Runs: runs, MayAct: userOf(r).Role.May(auth.Compare)}
	if d.Underway, err = comparing(ctx, q); err != nil {
		return err
	}
	return s.render(w, http.StatusOK, "reports", d)
}

// comparing says that somebody asked for a comparison that is not done.
func comparing(ctx context.Context, q *db.Queries) (bool, error) {
	job := reconcile.Reconcile{}
	_, err := q.WaitingJob(ctx, job.Kind(), job.Key())
	if err == nil {
		return true, nil
	}
	if !errors.Is(err, db.ErrNoRows) {
		return false, fmt.Errorf("look for a comparison: %w", err)
	}
	n, err := q.CountRunningOf(ctx, job.Kind(), job.Key())
	return n > 0, err
}

// reconcileNow answers POST /admin/reports. Two people who ask at the same time get one comparison.
func (s *Server) reconcileNow(w http.ResponseWriter, r *http.Request) error {
	ctx, underway := r.Context(), false
	err := s.DB.Tx(ctx, func(q *db.Queries) (err error) {
		if underway, err = comparing(ctx, q); err != nil || underway {
			return err
		}
		if err := queue.Insert(ctx, q, reconcile.Reconcile{}); err != nil {
			return err
		}
		return s.audit(ctx, q, r, "reports.compare", "all systems", "")
	})
	if err != nil {
		return notStored(fmt.Errorf("ask for a comparison: %w", err))
	}
	done := notice{Text: "The comparison has begun. Its line appears below; the mail follows once the repairs are done."}
	if underway {
		done = notice{Text: "A comparison is under way already. Wait for it to end; there is no need for a second one."}
	}
	return s.seeOther(w, r, "/admin/reports", done)
}

// reportPageData is one comparison.
type reportPageData struct {
	page
	Run       db.Run
	Took      string // how long it read
	Verdict   string
	Tone      string // good, attention or incomplete
	NeedsYou  []findingRow
	Repaired  []findingRow // and what is being repaired
	Dismissed []findingRow
	Figures   []reconcile.Table // as they were mailed, for who may read payments
	Mail      *db.Mail          // as sent; nil while there is none, or for who may not read mails
	MayRead   bool
}

// findingRow is a difference in words.
type findingRow struct {
	db.FindingsOfRunRow
	What  string
	Cause string
	High  bool // money or access is, or may be, wrong
	Cells []saidCell
	Who   link
	State string // fixed, under way, dismissed or open
	Where link   // more about it, where there is a page
}

// reportPage answers GET /admin/reports/{id}.
func (s *Server) reportPage(w http.ResponseWriter, r *http.Request) error {
	const missing = "there is no such report"
	ctx, q := r.Context(), s.DB.Read()
	id, err := pathID(r, missing)
	if err != nil {
		return err
	}
	run, err := q.RunByID(ctx, id)
	if err != nil {
		return found(err, missing)
	}
	rows, err := q.FindingsOfRun(ctx, id)
	if err != nil {
		return fmt.Errorf("read the findings of run %d: %w", id, err)
	}
	d := reportPageData{page: s.page(w, r, "Report of "+s.dayOf(run)), Run: run, MayRead: userOf(r).Role.May(auth.ReadPayments)}
	if !run.FinishedAt.IsZero() {
		d.Took = delayWords(run.FinishedAt.Sub(run.StartedAt.Time))
	}
	for _, f := range rows {
		d.add(f)
	}
	d.Verdict, d.Tone = verdict(run, len(d.NeedsYou), len(d.Repaired))
	if d.MayRead {
		m, err := q.MailByKey(ctx, reconcile.ReportKey(run))
		if err != nil && !errors.Is(err, db.ErrNoRows) {
			return fmt.Errorf("read the mail of run %d: %w", id, err)
		}
		if err == nil {
			d.Mail = &m
			if report, err := reconcile.ReadReport(ctx, q, run); err == nil { // else it is of another version, or a person was taken out of it
				d.Figures = report.Tables()
			}
		}
	}
	return s.render(w, http.StatusOK, "report", d)
}

// dayOf is the day of a run in words.
func (s *Server) dayOf(run db.Run) string {
	if day, err := time.Parse(time.DateOnly, run.Day); err == nil {
		return day.Format("Mon 2 Jan 2006")
	}
	return run.StartedAt.In(s.Location).Format("Mon 2 Jan 2006, 15:04")
}

func (d *reportPageData) add(f db.FindingsOfRunRow) {
	row := findingRow{FindingsOfRunRow: f, What: mail.UpperFirst(reconcile.Label(f.Kind)), State: "open", Where: findingPage(f), High: reconcile.KindOf(f.Kind).High,
		Cause: mail.Line(f.Evidence, 300), Cells: cellsOf(db.Finding{Systems: f.Systems})}
	row.Expected, row.Actual = mail.Line(f.Expected, 300), mail.Line(f.Actual, 300)
	if row.What == "" { // of another version of Bursar
		row.What = f.Kind
	}
	if f.KnownID != 0 {
		row.Who = nameLink(f.CustomerName, f.CustomerEmail, f.KnownID)
	}
	switch {
	case f.State == "fixed":
		row.State = "fixed"
	case f.State == "dismissed":
		row.State = "dismissed"
		d.Dismissed = append(d.Dismissed, row)
		return
	case f.UnderWay > 0:
		row.State = "under way"
	default:
		d.NeedsYou = append(d.NeedsYou, row)
		return
	}
	d.Repaired = append(d.Repaired, row)
}

// findingPage is where to look at a finding that is not about one customer.
func findingPage(f db.FindingsOfRunRow) link {
	switch f.Kind {
	case "events_of_nobody":
		return link{"Events", "/admin/events"}
	case "events_ignored":
		return link{"Ignored events", "/admin/events?ignored=1"}
	}
	return link{}
}

// verdict is a run in one sentence, and its tone.
func verdict(run db.Run, open, repaired int) (text, tone string) {
	where := "everywhere"
	if !run.StripeCompared {
		where = "here; Stripe itself was not compared, as there is no API key"
	}
	switch {
	case run.State == "running":
		return "Comparing now.", "incomplete"
	case run.State == "failed":
		return "This comparison did not come to its end.", "attention"
	case run.State == "incomplete":
		return "Not everything could be read, so nothing is called missing.", "incomplete"
	case open > 0:
		return plural(open, "difference needs you.", "differences need you."), "attention"
	case repaired > 0:
		return plural(repaired, "difference was found and repaired; nothing needs you.", "differences were found and repaired; nothing needs you."), "good"
	case run.Customers == 0:
		return "There were no customers yet.", "good"
	}
	return fmt.Sprintf("All customers agree %s.", where), "good"
}
