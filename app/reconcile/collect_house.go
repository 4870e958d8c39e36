package reconcile

import (
	"context"
	"errors"
	"time"

	"bursar/app/db"
)

// collectWeek counts the calendar week that ended, for the first daily report after it. What was late comes with the
// next report, so that no week is left out and none comes twice.
func (r *Reconciler) collectWeek(ctx context.Context, q *db.Queries, run db.Run, report *Report) error {
	day, err := time.ParseInLocation(time.DateOnly, run.Day, r.Location)
	if run.Day == "" || err != nil {
		return nil
	}
	monday := day.AddDate(0, 0, -(int(day.Weekday())+6)%7)
	previous, err := q.PreviousScheduledRun(ctx, run.ID)
	if errors.Is(err, db.ErrNoRows) || err == nil && previous.Day >= monday.Format(time.DateOnly) {
		return nil // there was none to count, or the week has its report
	}
	if err != nil {
		return err
	}
	w := Week{From: monday.AddDate(0, 0, -7), Until: monday}
	if w.This, err = r.figures(ctx, q, w.From, w.Until); err != nil {
		return err
	}
	w.Before, err = r.figures(ctx, q, monday.AddDate(0, 0, -14), w.From)
	report.Week = &w
	return err
}

// spreadsheetDays is how long every purchase must have given access in time before nobody needs to check by hand.
const spreadsheetDays = 7

// metaSpreadsheet is the key of the mail that said so.
const metaSpreadsheet = "spreadsheet_said"

// collectWatch counts the days since a purchase waited too long for access.
func collectWatch(ctx context.Context, q *db.Queries, run db.Run, report *Report) error {
	since, err := installedAt(ctx, q)
	if err != nil || since.IsZero() {
		return err
	}
	until := run.StartedAt.Time
	missed, err := q.LastMissedActivation(ctx, db.At(since), db.At(until.Add(-activationLimit)))
	if err != nil {
		return err
	}
	if missed > 0 {
		since = time.UnixMilli(missed)
	}
	took, err := q.ActivationsBetween(ctx, db.At(since.Add(time.Millisecond)), run.StartedAt)
	if err != nil {
		return err
	}
	report.DaysWithoutMiss, report.EverActivated = int(until.Sub(since)/(24*time.Hour)), len(took) > 0
	said, err := q.Meta(ctx, metaSpreadsheet)
	if errors.Is(err, db.ErrNoRows) {
		err = nil
	}
	report.Spreadsheet = report.EverActivated && report.DaysWithoutMiss >= spreadsheetDays && (said == "" || said == ReportKey(run))
	return err
}

// collectHouse tells how Bursar itself is.
func collectHouse(ctx context.Context, q *db.Queries, run db.Run, report *Report) error {
	waiting, err := q.CountWaitingJobs(ctx, run.StartedAt)
	if err != nil {
		return err
	}
	day := run.StartedAt.UTC()
	reads, err := q.CountStripeReads(ctx, day.AddDate(0, 0, -30).Format(time.DateOnly), day.Format(time.DateOnly))
	if err != nil {
		return err
	}
	backup, err := q.LastBackup(ctx)
	if err != nil {
		return err
	}
	if backup > 0 {
		report.Backup = time.UnixMilli(backup).In(report.Since.Location())
	}
	events, err := q.HasEvents(ctx)
	report.Waiting, report.StripeReads, report.Empty = int(waiting), int(reads), events == 0 && report.Customers == 0
	return err
}
