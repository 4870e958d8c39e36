package app

import (
	"context"
	"errors"
	"log/slog"

	"bursar/app/auth"
	"bursar/app/db"
	"bursar/app/queue"
	"bursar/app/reconcile"
)

type reconcileCmd struct {
	Repair bool `help:"Do also what takes something away: all that is proposed, up to BURSAR_REPAIR_CAP."`
	JSON   bool `name:"json" help:"Print the report as JSON."`
}

func (reconcileCmd) Help() string {
	return `Exit code 0: all agree. 3: something differed (repaired or not; the report says). 4: not everything could be read. 1: an error.
It works beside a running serve, which then does the work.`
}

func (c reconcileCmd) Run(ctx context.Context, env *Environment) error {
	a, err := env.open(ctx, slog.LevelError)
	if err != nil {
		return err
	}
	defer a.Close()
	var run db.Run
	err = a.workAside(ctx, func(ctx context.Context) error {
		run, err = a.reconcileNow(ctx, c.Repair)
		return err
	})
	if err != nil {
		return err
	}
	report, err := a.Reconciler.Collect(ctx, run)
	if err != nil {
		return err
	}
	if c.JSON {
		err = env.json(report)
	} else {
		m, readErr := a.DB.Read().MailByKey(ctx, reconcile.ReportKey(run))
		env.printf("%s\n", m.Text)
		err = readErr
	}
	switch {
	case err != nil:
		return err
	case report.Incomplete != "":
		return exit(exitIncomplete)
	case len(report.Fixed)+len(report.NeedsYou)+report.Repairing > 0:
		return exit(exitDrift)
	}
	return nil
}

// reconcileNow queues a run and waits for it and its report.
func (a *App) reconcileNow(ctx context.Context, repair bool) (run db.Run, err error) {
	asked := db.Now()
	err = a.DB.Tx(ctx, func(q *db.Queries) error {
		what := ""
		if repair {
			what = "--repair: also what takes access away"
		}
		return errors.Join(queue.Insert(ctx, q, reconcile.Reconcile{Repair: repair}),
			auth.Audit(ctx, q, auth.ByCommand("reports.compare", "all systems", what)))
	})
	if err != nil {
		return run, err
	}
	q := a.DB.Read()
	err = await(ctx, func() (bool, error) {
		run, err = q.LastRunByHand(ctx, asked)
		if errors.Is(err, db.ErrNoRows) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		return run, err
	}
	return run, await(ctx, func() (bool, error) {
		_, err := q.MailByKey(ctx, reconcile.ReportKey(run))
		if errors.Is(err, db.ErrNoRows) {
			return false, nil
		}
		return err == nil, err
	})
}
