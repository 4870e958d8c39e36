package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bursar/app/db"
	"bursar/app/queue"
	"bursar/app/reconcile"
)

// Score is what came of putting systems out of step.
type Score struct {
	Put          int
	Found        int
	CauseRight   int
	False        []string // found, and nobody did it
	Missed       []string
	CauseWrong   []string
	WrongRepairs []string // not repaired though a job should, or repaired though a person should be asked
	AccessTaken  []string // access that ended before a person was asked
	MoneyMoved   int      // calls to Stripe that change something
	LeftOver     []string // what a second run, after all repairs, still found
	Calls        int      // readings of the first run
}

// Add adds another score.
func (s *Score) Add(o Score) {
	s.Put, s.Found, s.CauseRight, s.MoneyMoved, s.Calls = s.Put+o.Put, s.Found+o.Found, s.CauseRight+o.CauseRight, s.MoneyMoved+o.MoneyMoved, s.Calls+o.Calls
	s.False, s.Missed, s.CauseWrong = append(s.False, o.False...), append(s.Missed, o.Missed...), append(s.CauseWrong, o.CauseWrong...)
	s.WrongRepairs, s.AccessTaken, s.LeftOver = append(s.WrongRepairs, o.WrongRepairs...), append(s.AccessTaken, o.AccessTaken...), append(s.LeftOver, o.LeftOver...)
}

// Clean says that everything was found, nothing was made up, and no repair was wrong. Causes are judged apart.
func (s *Score) Clean() bool {
	return s.Found == s.Put && len(s.False)+len(s.WrongRepairs)+len(s.AccessTaken)+len(s.LeftOver)+s.MoneyMoved == 0
}

// Measure puts the systems out of step, lets the reconciler find and repair, confirms what it proposes as a
// person would, dismisses the rest, and lets it look once more.
func (c *Company) Measure(ctx context.Context, drifts []Drift) (s Score, err error) {
	c.catchUp()
	var wanted []Expect
	for _, d := range drifts {
		e, err := d.Put(ctx, c)
		if err != nil {
			return s, err
		}
		wanted = append(wanted, e...)
	}
	s.Put = len(wanted)
	if err := c.Worker.WorkOff(ctx); err != nil { // nothing is under way when the reconciler looks
		return s, err
	}
	began := time.Now()
	before, err := c.access(ctx)
	if err != nil {
		return s, err
	}
	calls, writes := c.calls()
	run, err := c.reconcile(ctx)
	if err != nil {
		return s, err
	}
	s.Calls, s.MoneyMoved = less(c.calls, calls, writes)
	rows, err := c.DB.Read().FindingsOfRun(ctx, run.ID)
	if err != nil {
		return s, err
	}
	if run.State != "complete" {
		return s, fmt.Errorf("the run is %s: %s", run.State, run.Error)
	}
	s.judge(wanted, rows, began)
	after, err := c.access(ctx)
	if err != nil {
		return s, err
	}
	for id, level := range before {
		if gives(level) && !gives(after[id]) {
			s.AccessTaken = append(s.AccessTaken, fmt.Sprintf("customer %d: %s → %s", id, level, after[id]))
		}
	}
	if err := c.decide(ctx, rows); err != nil {
		return s, err
	}
	if run, err = c.reconcile(ctx); err != nil {
		return s, err
	}
	rows, err = c.DB.Read().FindingsOfRun(ctx, run.ID)
	for _, f := range rows {
		if f.State != "dismissed" {
			s.LeftOver = append(s.LeftOver, line(f))
		}
	}
	return s, err
}

// judge holds what was found against what was done.
func (s *Score) judge(wanted []Expect, rows []db.FindingsOfRunRow, began time.Time) {
	for _, e := range wanted {
		at := slices.IndexFunc(rows, func(f db.FindingsOfRunRow) bool { return f.Kind == e.Kind && f.Subject == e.Subject })
		if at < 0 {
			s.Missed = append(s.Missed, fmt.Sprintf("%s %s", e.Kind, e.Subject))
			continue
		}
		s.Found++
		f := rows[at]
		if f.Cause == e.Cause {
			s.CauseRight++
		} else {
			s.CauseWrong = append(s.CauseWrong, fmt.Sprintf("%s: %s, want %s (%s)", line(f), f.Cause, e.Cause, f.Evidence))
		}
		switch person := reconcile.KindOf(f.Kind).Person; {
		case person && f.State == "fixed":
			s.WrongRepairs = append(s.WrongRepairs, line(f)+" was repaired without a person")
		case !person && f.State != "fixed":
			s.WrongRepairs = append(s.WrongRepairs, line(f)+" was not repaired")
		}
	}
	for _, f := range rows {
		known := slices.ContainsFunc(wanted, func(e Expect) bool { return e.Kind == f.Kind && e.Subject == f.Subject })
		if !known && (f.State == "open" || !f.FirstAt.Before(began)) {
			s.False = append(s.False, line(f))
		}
	}
}

func line(f db.FindingsOfRunRow) string {
	return fmt.Sprintf("%s %s (expected %s, found %s)", f.Kind, f.Subject, f.Expected, f.Actual)
}

// decide confirms every proposal and dismisses what Bursar cannot do.
func (c *Company) decide(ctx context.Context, rows []db.FindingsOfRunRow) error {
	err := c.DB.Tx(ctx, func(q *db.Queries) error {
		for _, row := range rows {
			f, err := q.FindingByID(ctx, row.ID)
			if err != nil {
				return err
			}
			if f.State != "open" {
				continue
			}
			err = reconcile.Ask(ctx, q, f, owner, "in the laboratory")
			if errors.Is(err, reconcile.ErrNoWay) {
				_, err = q.DismissFinding(ctx, db.DismissFindingParams{Now: db.Now(), Who: owner, Why: "in the laboratory", ID: f.ID})
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.WorkOff(ctx)
}

// reconcile is a run with its repairs and its report.
func (c *Company) reconcile(ctx context.Context) (db.Run, error) {
	err := c.DB.Tx(ctx, func(q *db.Queries) error { return queue.Insert(ctx, q, reconcile.Reconcile{}) })
	if err != nil {
		return db.Run{}, err
	}
	if err := c.WorkOff(ctx); err != nil {
		return db.Run{}, err
	}
	return c.DB.Read().LastRun(ctx)
}

// catchUp moves Stripe's clock to a little behind the real one.
func (c *Company) catchUp() {
	if d := time.Until(c.Stripe.Now().Add(behind)); d < 0 {
		c.Stripe.Advance(-d)
	}
}

func (c *Company) access(ctx context.Context) (map[int64]string, error) {
	rows, err := c.Hands.QueryContext(ctx, "SELECT id, access FROM customers")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	levels := map[int64]string{}
	for rows.Next() {
		var id int64
		var level string
		if err := rows.Scan(&id, &level); err != nil {
			return nil, err
		}
		levels[id] = level
	}
	return levels, rows.Err()
}

func gives(level string) bool { return level == "full" || level == "grace" }

// calls are the requests to Stripe so far: those that read, and those that change something.
func (c *Company) calls() (reads, writes int) {
	for route, n := range c.Stripe.Calls() {
		if strings.HasPrefix(route, "GET ") {
			reads += n
		} else {
			writes += n
		}
	}
	return reads, writes
}

func less(calls func() (int, int), reads, writes int) (int, int) {
	r, w := calls()
	return r - reads, w - writes
}
