package reconcile

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"bursar/app/auth"
	"bursar/app/customer"
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
	report, err := r.Collect(ctx, run)
	if err != nil {
		return fmt.Errorf("report of run %d: %w", args.Run, err)
	}
	if _, err := q.MailByKey(ctx, ReportKey(run)); err == nil {
		return nil // the links of the mail that is there stay good
	}
	links := decideLinks(&report)
	subject, text, html, err := r.Templates.Render("report", report)
	if err != nil {
		return fmt.Errorf("report of run %d: %w", args.Run, err)
	}
	m := mail.Message{Key: ReportKey(run), To: r.To, Subject: subject, Text: text, HTML: html}
	return r.DB.Tx(ctx, func(q *db.Queries) error {
		for id, token := range links {
			hash := sha256.Sum256([]byte(token))
			if err := q.SetFindingLink(ctx, hash[:], db.At(time.Now().Add(linkLifetime)), id); err != nil {
				return fmt.Errorf("keep the link of finding %d: %w", id, err)
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
		Incomplete: run.Error, StripeCompared: run.StripeCompared, Customers: int(run.Customers), Subscriptions: int(run.Subscriptions),
		Contacts: int(run.Contacts), Tickets: int(run.Tickets), Since: since.In(r.Location)}
	return report, errors.Join(
		r.collectFindings(ctx, q, run, &report),
		r.collectSweeps(ctx, q, since, time.Now(), &report),
		collectMoney(ctx, q, db.At(since), run.StartedAt, &report),
		collectFigures(ctx, q, db.At(since), run.StartedAt, &report),
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
		line.Cause = mail.Line(f.Evidence, maxText)
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

func collectMoney(ctx context.Context, q *db.Queries, since, until db.Time, report *Report) error {
	failed, err := q.FailedInvoices(ctx)
	if err != nil {
		return err
	}
	for _, i := range failed {
		report.FailedPayments = append(report.FailedPayments, Payment{who(i.CustomerName, i.CustomerEmail),
			customer.FormatAmount(i.AmountDue, i.Currency), fmt.Sprintf("invoice %s, attempt %d", i.ID, i.Attempts), i.CustomerID})
	}
	recovered, err := q.RecoveredInvoices(ctx, since, until)
	if err != nil {
		return err
	}
	for _, i := range recovered {
		report.Recovered = append(report.Recovered, Payment{who(i.CustomerName, i.CustomerEmail),
			customer.FormatAmount(i.AmountPaid, i.Currency), fmt.Sprintf("invoice %s, attempt %d", i.ID, i.Attempts), i.CustomerID})
	}
	refunds, err := q.RefundsBetween(ctx, since, until)
	if err != nil {
		return err
	}
	for _, r := range refunds {
		report.Refunded = append(report.Refunded, Payment{who(r.CustomerName, r.CustomerEmail),
			customer.FormatAmount(r.Amount, r.Currency), r.Status, r.CustomerID})
	}
	disputes, err := q.OpenDisputes(ctx)
	for _, d := range disputes {
		report.Disputed = append(report.Disputed, Payment{who(d.CustomerName, d.CustomerEmail),
			customer.FormatAmount(d.Amount, d.Currency), "reason: " + d.Reason, d.CustomerID})
	}
	return err
}

func collectFigures(ctx context.Context, q *db.Queries, since, until db.Time, report *Report) error {
	fresh, err := q.CountNewCustomers(ctx, since, until)
	if err != nil {
		return err
	}
	churned, err := q.CountChurned(ctx, since, until)
	if err != nil {
		return err
	}
	events, err := q.CountEvents(ctx, since)
	if err != nil {
		return err
	}
	took, err := q.Activations(ctx, since)
	if err != nil {
		return err
	}
	report.NewCustomers, report.Churned = int(fresh), int(churned)
	report.EventsStored, report.EventsIgnored = int(events.Total), int(events.IgnoredTotal)
	report.Activations = len(took)
	report.PaidToActiveP50, report.PaidToActiveP95 = percentile(took, 50), percentile(took, 95)
	return nil
}

// collectAudit tells of the last nightly check. The number of entries and the last hash, kept in somebody's
// mailbox, are what bursar audit verify --anchor takes.
func collectAudit(ctx context.Context, q *db.Queries, report *Report) error {
	check, err := auth.LastAuditCheck(ctx, q)
	switch {
	case check.Broken != "":
		report.Audit, report.AuditBroken = check.Broken, true
	case check.Rows > 0:
		report.Audit = fmt.Sprintf("%s, verified, last hash %.16s…", count(int(check.Rows), "entry", "entries"), check.LastHash)
	}
	return err
}

// percentile of sorted milliseconds, by nearest rank.
func percentile(sorted []int64, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return time.Duration(sorted[(len(sorted)*p+99)/100-1]) * time.Millisecond
}

func who(name, email string) string {
	if name != "" && email != "" {
		return name + " <" + email + ">"
	}
	return name + email
}
