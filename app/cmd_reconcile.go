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
	meter := newMeter(env.Stderr)
	err = a.workAside(ctx, func(ctx context.Context) error {
		run, err = a.reconcileNow(ctx, c.Repair, meter)
		return err
	})
	meter.end()
	if err != nil {
		return err
	}
	report, err := reconcile.ReadReport(ctx, a.DB.Read(), run)
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
func (a *App) reconcileNow(ctx context.Context, repair bool, meter *meter) (run db.Run, err error) {
	asked := db.Now()
	err = a.DB.Tx(ctx, func(q *db.Queries) error {
		what := ""
		if repair {
			what = "--repair: also what takes something away"
		}
		return errors.Join(queue.Insert(ctx, q, reconcile.Reconcile{Repair: repair}),
			auth.Audit(ctx, q, auth.ByCommand("reports.compare", "all systems", what)))
	})
	if err != nil {
		return run, err
	}
	q := a.DB.Read()
	last, err := q.LastRun(ctx)
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return run, err
	}
	err = await(ctx, func() (bool, error) {
		run, err = q.LastRunByHand(ctx, asked)
		if errors.Is(err, db.ErrNoRows) {
			now, err := q.RunUnderWay(ctx, asked)
			if err == nil {
				meter.show(now, last)
			}
			if errors.Is(err, db.ErrNoRows) {
				err = nil
			}
			return false, err
		}
		return err == nil, err
	})
	if err != nil {
		return run, err
	}
	meter.say("Compared. The repairs are under way.")
	return run, await(ctx, func() (bool, error) {
		_, err := q.MailByKey(ctx, reconcile.ReportKey(run))
		if errors.Is(err, db.ErrNoRows) {
			return false, nil
		}
		return err == nil, err
	})
}
