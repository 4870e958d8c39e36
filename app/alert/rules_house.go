package alert

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"bursar/app/db"
	"bursar/app/mail"
)

const (
	backupLimit = 7 * 24 * time.Hour
	triedLimit  = 90 * 24 * time.Hour
	skewLimit   = time.Minute
	skewFresh   = time.Hour // how long a comparison of clocks says something
	minFree     = 10        // percent
	maxWAL      = 256 << 20 // bytes
	reportMade  = 90 * time.Minute
	reportSent  = 30 * time.Minute
)

// Facts: when a copy was last written and checked, and when one was last restored, for good or to prove that it can be.
const (
	backupAt = "backup_at"
	triedAt  = "backup_tried_at"
)

// houseRules are about what has to be in order, day by day.
func houseRules() []Rule {
	return []Rule{
		{Key: "report", Name: "The morning report", Title: "The morning report is late", Level: High, Link: "/admin/reports", Roots: []string{database, "connector_mail"},
			What:  "The report of the last day it was due: whether it was made, and whether the mail server took it.",
			Limit: "not made 90 minutes after its comparison began, not sent 30 minutes after it was made, or refused", Step: "Open the reports and the outbox.", Age: true, measure: measureReport},
		{Key: "backup", Name: "Backups", Title: "There is no fresh backup", Level: Low, Link: "/admin/settings",
			What:  "The time since bursar backup last wrote a copy and checked it, and since bursar restore, with --check or without, last restored one; from the installation on where there was none.",
			Limit: "7 days without a copy, or 90 days without one that was restored", Step: "Run bursar backup FILE, best every night, and bursar restore --check FILE now and then.", measure: measureBackup},
		{Key: "audit", Name: "The chain of the audit", Title: "The audit has been tampered with", Level: Critical, Link: "/admin/activity",
			What: "Whether each row of the audit still follows from the one before.", Limit: "one does not", Step: "Keep the file as it is, and compare it with a backup.", measure: measureAudit},
		{Key: "clock", Name: "This machine's clock", Title: "This machine's clock is wrong", Level: High, Link: "/admin/alerts/clock",
			What:  "The difference between this clock and the time in Stripe's signatures, the smallest within a minute.",
			Limit: "60 seconds; beyond 300 seconds every event is rejected", Step: "Switch on time synchronisation (NTP).", measure: measureClock},
		{Key: "disk", Name: "Free space", Title: "The disk is nearly full", Level: High, Link: "/admin/alerts/disk",
			What: "Free space on the disk of BURSAR_DB.", Limit: "less than 10 %", Step: "Free some space, or move the file to a larger disk.", measure: measureDisk},
		{Key: "wal", Name: "Write-ahead log", Title: "The write-ahead log is not folded into the file", Level: Low, Link: "/admin/alerts/wal",
			What: "The size of the -wal file beside BURSAR_DB. It grows while somebody reads without end.", Limit: "256 MB", Step: "Look for a program that has the file open, and stop it.", measure: measureWAL},
	}
}

func measureReport(ctx context.Context, l *look) (Measure, error) {
	row, err := l.q.ScheduleByName(ctx, "report")
	if err != nil {
		return notKnown("it is not planned"), ignoreNoRows(err)
	}
	if late := l.now.Sub(row.NextAt.Time); late > 15*time.Minute {
		return Measure{Verdict: Bad, Value: "due for " + spell(late), Cause: "Its schedule has not ticked."}, nil
	}
	if row.LastDay == "" {
		return notKnown("none was due yet"), nil
	}
	run, err := l.q.DueReport(ctx, row.LastDay)
	if errors.Is(err, db.ErrNoRows) {
		job, err := l.q.JobByKindAndKey(ctx, "reconcile", "day:"+row.LastDay)
		if err != nil {
			return notKnown("the comparison of " + row.LastDay + " is not known"), ignoreNoRows(err)
		}
		return reportAge(l, "the comparison of "+row.LastDay+" has not begun", l.now.Sub(job.CreatedAt.Time), reportMade, ""), nil
	}
	if err != nil {
		return Measure{}, err
	}
	made := time.UnixMilli(run.MailedMs)
	switch run.Mail {
	case "":
		return reportAge(l, "the report of "+row.LastDay+" is not made", l.now.Sub(run.StartedAt.Time), reportMade, ""), nil
	case mail.Waiting:
		return reportAge(l, "the report of "+row.LastDay+" is not sent", l.now.Sub(made), reportSent, run.Error), nil
	case mail.Failed:
		return Measure{Verdict: Bad, Value: "the mail server refused the report of " + row.LastDay, Cause: failure(run.Error), Number: 1}, nil
	case mail.Superseded:
		return Measure{Verdict: Fine, Value: "the report of " + row.LastDay + " got old and is not sent: " + mail.Line(run.Error, 200)}, nil
	case mail.Kept:
		return Measure{Verdict: Fine, Value: "the report of " + row.LastDay + " is in the outbox: mail is not set up"}, nil
	}
	return Measure{Verdict: Fine, Value: "the report of " + row.LastDay + " is sent"}, nil
}

func reportAge(_ *look, what string, age, limit time.Duration, err string) Measure {
	m := Measure{Verdict: Fine, Value: what + " yet, for " + spell(max(age, 0))}
	if age > limit {
		m.Verdict, m.Cause, m.Number = Bad, failure(err), 1
	}
	return m
}

// BackedUp notes that a copy was written and checked, for the rule about backups.
func BackedUp(ctx context.Context, d *db.DB) error {
	return d.Tx(ctx, func(q *db.Queries) error { return setTime(ctx, q, backupAt, time.Now()) })
}

// TriedBackup notes that a backup, of what was written until then, was restored or could be, for the rule about backups.
func TriedBackup(ctx context.Context, q *db.Queries, until time.Time) error {
	last, err := factTime(ctx, q, backupAt)
	if err == nil && until.After(last) { // a copy does not know of itself
		err = setTime(ctx, q, backupAt, until)
	}
	return errors.Join(err, setTime(ctx, q, triedAt, time.Now()))
}

func measureBackup(ctx context.Context, l *look) (Measure, error) {
	installed, err := factTime(ctx, l.q, "installed_at")
	if err != nil {
		return Measure{}, err
	}
	m := Measure{Verdict: Fine}
	for _, what := range []struct {
		fact, last, none, bad string
		limit                 time.Duration
	}{
		{backupAt, "the last one ", "none since the installation ", "There is no fresh copy.", backupLimit},
		{triedAt, "; one restored, or proven to be restorable, ", "; none proven to be restorable since the installation ", "Nobody has tried whether a backup can be restored.", triedLimit},
	} {
		from, value := installed, what.none
		last, err := factTime(ctx, l.q, what.fact)
		if err != nil {
			return Measure{}, err
		}
		if !last.IsZero() {
			from, value = last, what.last
		}
		if from.IsZero() {
			return notKnown("no backup is known"), nil
		}
		age := l.now.Sub(from)
		m.Value += value + spell(max(age, 0)) + " ago"
		if what.fact == backupAt {
			m.Number = age.Seconds()
		}
		if age > what.limit {
			m.Verdict, m.Causes = Bad, append(m.Causes, what.fact)
			m.Cause = strings.TrimSpace(m.Cause + " " + what.bad)
		}
	}
	return m, nil
}

func measureAudit(ctx context.Context, l *look) (Measure, error) {
	if l.AuditChain == nil {
		return notKnown("it is not checked"), nil
	}
	c, err := l.AuditChain(ctx)
	return l.checked(c, "the chain is broken", "the chain holds"), err
}

func measureClock(_ context.Context, l *look) (Measure, error) {
	skew, at := l.Tally.Skew()
	if at.IsZero() || l.now.Sub(at) > skewFresh {
		return notKnown("nothing signed came from Stripe in the last hour"), nil
	}
	// A delivery is always signed before it comes: a second or two behind is the way, not the clock.
	m := Measure{Verdict: Fine, Value: fmt.Sprintf("%.0f s", skew.Abs().Seconds()), Number: skew.Seconds()}
	if skew.Abs() > skewLimit {
		m.Verdict, m.Cause = Bad, "This clock is "+spell(skew.Abs())+" ahead of Stripe's."
		if skew < 0 {
			m.Cause = "This clock is " + spell(skew.Abs()) + " behind Stripe's."
		}
	}
	return m, nil
}

func measureDisk(_ context.Context, l *look) (Measure, error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(l.DB.Path()), &fs); err != nil {
		return Measure{}, err
	}
	if fs.Blocks == 0 {
		return notKnown("the system does not say"), nil
	}
	free := float64(fs.Bavail) / float64(fs.Blocks)
	m := Measure{Verdict: Fine, Value: fmt.Sprintf("%.0f %% free, %s", 100*free, bytesIn(uint64(fs.Bavail)*uint64(fs.Bsize))), Number: free}
	if 100*free < minFree {
		m.Verdict = Bad
	}
	if free < 0.02 {
		m.Level = Critical
	}
	return m, nil
}

func measureWAL(_ context.Context, l *look) (Measure, error) {
	info, err := os.Stat(l.DB.Path() + "-wal")
	if errors.Is(err, os.ErrNotExist) {
		return Measure{Verdict: Fine, Value: "empty"}, nil
	}
	if err != nil {
		return Measure{}, err
	}
	m := Measure{Verdict: Fine, Value: bytesIn(uint64(info.Size())), Number: float64(info.Size())}
	if info.Size() > maxWAL {
		m.Verdict = Bad
	}
	return m, nil
}

func bytesIn(n uint64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.0f MB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.0f kB", float64(n)/(1<<10))
}

func ignoreNoRows(err error) error {
	if errors.Is(err, db.ErrNoRows) {
		return nil
	}
	return err
}
