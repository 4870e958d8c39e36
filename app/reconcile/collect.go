package reconcile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"bursar/app/auth"
	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/mail"
	"bursar/app/queue"
)

// Collect gathers what the report of a run says.
func (r *Reconciler) Collect(ctx context.Context, run db.Run) (Report, error) {
	q := r.DB.Read()
	since, err := r.since(ctx, run)
	if err != nil {
		return Report{}, err
	}
	day := run.Day
	if day == "" {
		day = run.StartedAt.In(r.Location).Format(time.DateOnly)
	}
	report := Report{Day: day, Note: run.Note, Late: run.Late, ByHand: run.Day == "", Timezone: r.Location.String(), AdminURL: r.URL + "/admin",
		Began: run.StartedAt.In(r.Location), Incomplete: run.Error, Unread: UnreadOf(run), StripeCompared: run.StripeCompared, Customers: int(run.Customers), Subscriptions: int(run.Subscriptions),
		Contacts: int(run.Contacts), Tickets: int(run.Tickets), Since: since.In(r.Location), MinutesPerAction: r.MinutesPerAction}
	if report.Figures, err = r.figures(ctx, q, since, run.StartedAt.Time); err != nil {
		return report, err
	}
	return report, errors.Join(
		r.collectFindings(ctx, q, run, &report),
		r.collectSweeps(ctx, q, since, time.Now(), &report),
		r.collectMoney(ctx, q, db.At(since), run.StartedAt, &report),
		r.collectWeek(ctx, q, run, &report),
		collectWatch(ctx, q, run, &report),
		collectHouse(ctx, q, run, &report),
		collectAudit(ctx, q, &report),
	)
}

// since is when the previous scheduled run began, so that each thing is in one daily report; a day
// before this run where there is none.
func (r *Reconciler) since(ctx context.Context, run db.Run) (time.Time, error) {
	previous, err := r.DB.Read().PreviousScheduledRun(ctx, run.ID)
	if err == nil {
		return previous.StartedAt.Time, nil
	}
	if !errors.Is(err, db.ErrNoRows) {
		return time.Time{}, err
	}
	return run.StartedAt.Add(-24 * time.Hour), nil
}

func (r *Reconciler) collectFindings(ctx context.Context, q *db.Queries, run db.Run, report *Report) error {
	rows, err := q.FindingsOfRun(ctx, run.ID)
	if err != nil {
		return err
	}
	for _, f := range rows {
		line := Finding{What: Label(f.Kind), Who: who(f.CustomerName, f.CustomerEmail), CustomerID: f.KnownID,
			Detail: fmt.Sprintf("expected %s, found %s", f.Expected, f.Actual), Since: f.FirstAt.In(r.Location), Seen: int(f.Seen)}
		line.Cause, line.Does = mail.Line(f.Evidence, maxText), KindOf(f.Kind).Does
		line.ID, line.Kind, line.High = f.ID, f.Kind, KindOf(f.Kind).High
		line.Systems, line.Proposal = ReadSystems(db.Finding{Systems: f.Systems}), f.State == "open" && f.Repair == "person" && f.JobKind != ""
		switch {
		case f.State == "dismissed":
			report.Dismissed++
			continue
		case f.State == "fixed":
			report.Fixed = append(report.Fixed, line)
		case f.UnderWay > 0:
			report.Repairing++
		default:
			line.DecideURL = fmt.Sprintf("%s/findings/%d", report.AdminURL, f.ID)
			report.NeedsYou = append(report.NeedsYou, line)
		}
	}
	dead, err := q.DiscardedJobs(ctx, maxDeadJobs)
	for _, j := range dead {
		d := DeadJob{ID: j.ID, Kind: j.Kind, Key: j.Key}
		if errs := queue.Errors(j); len(errs) > 0 {
			d.Error = errs[len(errs)-1].Error
		}
		report.DeadJobs = append(report.DeadJobs, d)
	}
	return err
}

func (r *Reconciler) collectMoney(ctx context.Context, q *db.Queries, since, until db.Time, report *Report) error {
	failed, err := q.FailedInvoices(ctx)
	if err != nil {
		return err
	}
	for _, i := range failed {
		report.Unpaid.add(1, i.AmountDue, i.Currency)
		report.FailedPayments = append(report.FailedPayments, Payment{who(i.CustomerName, i.CustomerEmail),
			customer.FormatAmount(i.AmountDue, i.Currency), r.failedText(i), i.CustomerID})
	}
	recovered, err := q.RecoveredInvoices(ctx, since, until)
	if err != nil {
		return err
	}
	for _, i := range recovered {
		report.Recovered = append(report.Recovered, Payment{who(i.CustomerName, i.CustomerEmail),
			customer.FormatAmount(i.AmountPaid, i.Currency), fmt.Sprintf("paid at attempt %d, invoice %s", i.Attempts, i.ID), i.CustomerID})
	}
	refunds, err := q.RefundsBetween(ctx, since, until)
	if err != nil {
		return err
	}
	for _, f := range refunds {
		report.Refunded = append(report.Refunded, Payment{who(f.CustomerName, f.CustomerEmail),
			customer.FormatAmount(f.Amount, f.Currency), f.Status, f.CustomerID})
	}
	disputes, err := q.OpenDisputes(ctx)
	for _, d := range disputes {
		report.OpenDisputes.add(1, d.Amount, d.Currency)
		text := "reason: " + d.Reason
		if !d.EvidenceDueAt.IsZero() {
			text += "; evidence is due by " + d.EvidenceDueAt.In(r.Location).Format("Mon 2 Jan 15:04")
		}
		report.Disputed = append(report.Disputed, Payment{who(d.CustomerName, d.CustomerEmail),
			customer.FormatAmount(d.Amount, d.Currency), text, d.CustomerID})
	}
	return err
}

// failedText says why a payment failed, and what Stripe does next.
func (r *Reconciler) failedText(i db.FailedInvoicesRow) string {
	text := fmt.Sprintf("attempt %d failed", i.Attempts)
	if i.Error != "" {
		text += ": " + strings.TrimSuffix(mail.Line(i.Error, maxText), ".")
	}
	if i.NextAttemptAt.IsZero() { // there is none, or it is not known
		return text
	}
	return text + "; Stripe tries again on " + i.NextAttemptAt.In(r.Location).Format("Mon 2 Jan")
}

// collectAudit tells of the last nightly check. The number of entries and the last hash, kept in somebody's
// mailbox, are what bursar audit verify --anchor takes. Those of mails that a restored backup knows nothing of do
// not fit any more, which is said for a week.
func collectAudit(ctx context.Context, q *db.Queries, report *Report) error {
	check, err := auth.LastAuditCheck(ctx, q)
	restored, restoredErr := db.ReadRestored(ctx, q)
	switch {
	case check.Broken != "":
		report.Audit, report.AuditBroken = check.Broken, true
	case check.Rows > 0:
		report.Audit = fmt.Sprintf("%s, verified, last hash %.16s…", count(int(check.Rows), "entry", "entries"), check.LastHash)
	}
	if !restored.At.IsZero() && time.Since(restored.At) < restoredNews {
		const at = "2 January 15:04 UTC"
		report.Audit = strings.TrimPrefix(fmt.Sprintf("%s; a backup of %s was restored on %s, so the numbers and hashes in mails of between do not fit",
			report.Audit, restored.CopyAt.UTC().Format(at), restored.At.UTC().Format(at)), "; ")
	}
	return errors.Join(err, restoredErr)
}

// restoredNews is for how long a report says that a backup was restored.
const restoredNews = 7 * 24 * time.Hour

func who(name, email string) string {
	if name != "" && email != "" {
		return name + " <" + email + ">"
	}
	return name + email
}

// UnreadOf are the systems that a run could not read whole, none if that is not known.
func UnreadOf(run db.Run) []string {
	if run.Unread == "" {
		return nil
	}
	return strings.Split(run.Unread, ", ")
}
