package backup

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"bursar/app/alert"
	"bursar/app/auth"
	"bursar/app/billing"
	"bursar/app/db"
	"bursar/app/mail"
	"bursar/app/money"
	"bursar/app/queue"
	"bursar/app/reconcile"
)

// Stopped is what a restored file does not do again.
type Stopped struct {
	Mails      int64    // that waited to be sent
	Jobs       int64    // that tell people something
	Actions    int64    // with money: they are looked for at Stripe
	Connectors []string // that only observe now
}

// skippedNumbers is how many customers nobody can have got between a copy and its restoring.
const skippedNumbers = 10_000

// quiet stops what the file would send or do once more, in the transaction of q. What it had to do when the copy was
// made may have been done since.
func quiet(ctx context.Context, q *db.Queries, r db.Restored, file string) (s Stopped, err error) {
	why := fmt.Sprintf("a backup of %s was restored: it may have been done since", clock(r.CopyAt))
	if s.Mails, err = q.SupersedeWaitingMails(ctx, "not sent: "+why); err != nil {
		return s, fmt.Errorf("stop the mails: %w", err)
	}
	if s.Jobs, err = cancelJobs(ctx, q, r.At, why); err != nil {
		return s, fmt.Errorf("stop the jobs that tell people: %w", err)
	}
	now := db.At(r.At)
	if s.Connectors, err = q.ObserveConnectors(ctx, now); err != nil {
		return s, fmt.Errorf("let the connectors observe: %w", err)
	}
	if s.Actions, err = doubtActions(ctx, q, why); err != nil {
		return s, fmt.Errorf("have actions with money looked for: %w", err)
	}
	for _, end := range []func() error{
		func() error { return q.DropSchedules(ctx) },
		func() error { return q.FailRunningRuns(ctx, why, now) },
		func() error { return q.DropHeldNotices(ctx, now) },
		func() error { return q.EndSessions(ctx) },
		func() error { return q.EndLinks(ctx) },
		func() error { return q.EndFindingLinks(ctx) },
		func() error { return db.SkipNumbers(ctx, q, skippedNumbers) },
		func() error { return db.KeepRestored(ctx, q, r) },
		func() error { return queue.Insert(ctx, q, billing.Sweep{}) }, // what happened since comes back at once
		func() error { return alert.TriedBackup(ctx, q, r.CopyAt) },
		func() error { return auth.Audit(ctx, q, entry(r, file)) },
	} {
		if err := end(); err != nil {
			return s, fmt.Errorf("quiet the restored file: %w", err)
		}
	}
	return s, nil
}

// cancelJobs cancels the jobs that tell people something, and those that lead to it.
func cancelJobs(ctx context.Context, q *db.Queries, at time.Time, why string) (int64, error) {
	var kinds []string
	for _, job := range []queue.Args{mail.SendArgs{}, alert.SendSlack{}, reconcile.Reconcile{}, reconcile.SendReport{}} {
		kinds = append(kinds, job.Kind())
	}
	list, err := json.Marshal(kinds)
	if err != nil {
		return 0, err
	}
	return q.CancelJobsOf(ctx, db.CancelJobsOfParams{Now: db.At(at), At: at.UTC().Format(time.RFC3339), Why: why, Kinds: string(list)})
}

// doubtActions makes actions that are not settled unknown, and has them looked for. None is asked for again (money.Run).
func doubtActions(ctx context.Context, q *db.Queries, why string) (int64, error) {
	ids, err := q.DoubtActions(ctx, why)
	for _, id := range ids {
		if err == nil {
			err = queue.Insert(ctx, q, money.RunAction{Action: id})
		}
	}
	return int64(len(ids)), err
}

func entry(r db.Restored, file string) auth.Entry {
	e := auth.ByCommand("file.restore", file, "")
	e.Before = "last written " + clock(r.CopyAt)
	e.Detail = "entries of between the copy and its restoring are lost; number and hash in a report of that time do not fit this audit"
	return e
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
