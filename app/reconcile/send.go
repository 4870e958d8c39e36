package reconcile

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"bursar/app/db"
	"bursar/app/mail"
	"bursar/app/queue"
)

const (
	repairPatience = 10 * time.Minute // how long a report waits for the repairs it would count as done
	repairPoll     = 2 * time.Second
	maxDeadJobs    = 100
)

// report mails what a run found, after its repairs are done or have had their time. A day has one report.
func (r *Reconciler) report(ctx context.Context, args SendReport) error {
	q := r.DB.Read()
	run, err := q.RunByID(ctx, args.Run)
	if err != nil {
		return fmt.Errorf("report of run %d: %w", args.Run, err)
	}
	// Counted before it is looked what was mended: a repair that ends in between is then mended, and not open.
	open, err := q.OpenRepairs(ctx, run.ID)
	if err == nil {
		err = r.DB.Tx(ctx, func(q *db.Queries) error { return q.FixRepaired(ctx, db.Now(), run.ID, run.StartedAt) })
	}
	if err != nil {
		return fmt.Errorf("report of run %d: %w", args.Run, err)
	}
	if open > 0 && time.Since(run.FinishedAt.Time) < repairPatience {
		return queue.Snooze(time.Now().Add(repairPoll), fmt.Errorf("%d repairs are under way", open))
	}
	if _, err := q.MailByKey(ctx, ReportKey(run)); err == nil {
		return nil // the links of the mail that is there stay good
	}
	report, err := r.Collect(ctx, run)
	if err != nil {
		return fmt.Errorf("report of run %d: %w", args.Run, err)
	}
	data, err := report.data() // without the links, which are for who gets the mail
	if err != nil {
		return fmt.Errorf("report of run %d: %w", args.Run, err)
	}
	links := decideLinks(&report)
	subject, text, html, err := r.Templates.Render("report", report)
	if err != nil {
		return fmt.Errorf("report of run %d: %w", args.Run, err)
	}
	m := mail.Message{Key: ReportKey(run), To: r.To, Subject: subject, Text: text, HTML: html, Data: data, News: true}
	return r.DB.Tx(ctx, func(q *db.Queries) error {
		for id, token := range links {
			hash := sha256.Sum256([]byte(token))
			if err := q.SetFindingLink(ctx, hash[:], db.At(time.Now().Add(linkLifetime)), id); err != nil {
				return fmt.Errorf("keep the link of finding %d: %w", id, err)
			}
		}
		if report.Spreadsheet {
			if err := q.SetMeta(ctx, metaSpreadsheet, m.Key); err != nil {
				return err
			}
		}
		return mail.Put(ctx, q, m, r.Send)
	})
}

const linkLifetime = 7 * 24 * time.Hour

// decideLinks gives each proposal of a mail a link of its own, which repairs once what it was made for.
func decideLinks(report *Report) map[int64]string {
	links := map[int64]string{}
	for i, f := range report.NeedsYou {
		if f.Proposal {
			links[f.ID] = rand.Text()
			report.NeedsYou[i].DecideURL = report.AdminURL + "/decide?token=" + links[f.ID]
		}
	}
	return links
}

// ReportKey is the key of a run's mail: one for each scheduled day, one for each run by hand.
func ReportKey(run db.Run) string {
	if run.Day != "" {
		return "report:" + run.Day
	}
	return fmt.Sprintf("report:run:%d", run.ID)
}

// data is the report as JSON. Names stand in it as they are, so that a person can be taken out of it.
func (r Report) data() (string, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(r)
	return strings.TrimSuffix(b.String(), "\n"), err
}

// ReadReport is the report of a run as it was mailed. Without one it is db.ErrNoRows.
func ReadReport(ctx context.Context, q *db.Queries, run db.Run) (Report, error) {
	var report Report
	m, err := q.MailByKey(ctx, ReportKey(run))
	if err != nil {
		return report, err
	}
	if err := json.Unmarshal([]byte(m.Data), &report); err != nil {
		return report, fmt.Errorf("read the report of run %d: %w", run.ID, err)
	}
	return report, nil
}
