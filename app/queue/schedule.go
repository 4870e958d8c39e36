package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/go-co-op/gocron/v2"
	"github.com/robfig/cron/v3"

	"bursar/app/db"
)

const (
	tickInterval = 20 * time.Second
	lateAfter    = 15 * time.Minute // how long after its time a run still counts as on time
)

// Schedule inserts a job by the calendar, at most once on each local day, or else with an even beat.
type Schedule struct {
	Name     string
	Spec     string        // five-field cron expression; "" where there is a beat
	Every    time.Duration // the beat: counted in real time, so a change of the clocks neither doubles nor drops one
	Location *time.Location
	Job      func(Run) Args
	Due      func(ctx context.Context, q *db.Queries) (bool, error) // false leaves an occasion out; nil leaves out none
}

// Run is one occasion of a schedule.
type Run struct {
	Day  string // local date, YYYY-MM-DD
	Late bool   // the process was not there at the time
}

// RunSchedules ticks each schedule at once and then every few seconds, until ctx ends. Each tick marks pulse.
func RunSchedules(ctx context.Context, d *db.DB, log *slog.Logger, pulse *Pulse, schedules []Schedule) error {
	scheduler, err := gocron.NewScheduler()
	if err != nil {
		return fmt.Errorf("start the schedules: %w", err)
	}
	for _, s := range schedules {
		tick := func() {
			pulse.Mark()
			if err := s.Tick(ctx, d); err != nil && ctx.Err() == nil {
				log.Error("tick", "error", err) // the next tick tries again
			}
		}
		_, err := scheduler.NewJob(gocron.DurationJob(tickInterval), gocron.NewTask(tick), gocron.WithName(s.Name),
			gocron.WithSingletonMode(gocron.LimitModeReschedule), gocron.WithStartAt(gocron.WithStartImmediately()))
		if err != nil {
			return errors.Join(fmt.Errorf("start schedule %s: %w", s.Name, err), scheduler.Shutdown())
		}
	}
	scheduler.Start()
	<-ctx.Done()
	if err := scheduler.Shutdown(); err != nil {
		return fmt.Errorf("stop the schedules: %w", err)
	}
	return nil
}

// Validate says what is wrong with the cron expression.
func (s Schedule) Validate() error {
	_, err := s.next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	return err
}

// Tick inserts the job if its time has come. Times that passed while no process ran are made up once,
// for the last of them, and marked late. A tick more or less changes nothing.
func (s Schedule) Tick(ctx context.Context, d *db.DB) error {
	// Reading first keeps an idle process from writing.
	run, save, err := s.plan(ctx, d.Read())
	if err == nil && save != nil {
		err = d.Tx(ctx, func(q *db.Queries) error {
			if run, save, err = s.plan(ctx, q); err != nil || save == nil { // another tick was first
				return err
			}
			if run != nil {
				if err := Insert(ctx, q, s.Job(*run)); err != nil {
					return err
				}
			}
			return q.SaveSchedule(ctx, *save)
		})
	}
	if err != nil {
		return fmt.Errorf("schedule %s: %w", s.Name, err)
	}
	return nil
}

// plan is what a tick has to do now: the run that is due, and the row to save; nil for nothing.
func (s Schedule) plan(ctx context.Context, q *db.Queries) (*Run, *db.SaveScheduleParams, error) {
	row, err := q.ScheduleByName(ctx, s.Name)
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return nil, nil, err
	}
	now := time.Now()
	next, err := s.next(now)
	if err != nil {
		return nil, nil, err
	}
	save := &db.SaveScheduleParams{Name: s.Name, Spec: s.spec(), Timezone: s.Location.String(), NextAt: db.At(next), LastDay: row.LastDay}
	if row.Spec != save.Spec || row.Timezone != save.Timezone {
		return nil, save, nil // new, or changed
	}
	if now.Before(row.NextAt.Time) {
		if row.NextAt.After(next) {
			return nil, save, nil // the clock was ahead when it was computed
		}
		return nil, nil, nil
	}
	missed, err := s.last(row.NextAt.Time, now)
	if err != nil {
		return nil, nil, err
	}
	run := &Run{Day: missed.In(s.Location).Format(time.DateOnly), Late: now.Sub(missed) > lateAfter}
	if s.Every == 0 && run.Day == row.LastDay {
		return nil, save, nil
	}
	if s.Due != nil {
		if due, err := s.Due(ctx, q); err != nil || !due {
			return nil, save, err
		}
	}
	save.LastDay = run.Day
	return run, save, nil
}

// spec is how the row of the schedule says when it comes.
func (s Schedule) spec() string {
	if s.Every > 0 {
		return "every " + s.Every.String()
	}
	return s.Spec
}

// last is the last time up to now, given an earlier one.
func (s Schedule) last(t, now time.Time) (time.Time, error) {
	for {
		next, err := s.next(t)
		if err != nil || next.After(now) {
			return t, err
		}
		t = next
	}
}

// longestChange is more than any zone's clocks are ever put forward or back.
const longestChange = 3 * time.Hour

// next is the first time after t. A beat is counted from midnight UTC, so that a restart does not shift it. The expression is computed on the wall clock, as if it were UTC, and
// then placed in the time zone: a time that the spring change skips comes as much later, one that the
// autumn change repeats comes once, and no day is left out.
func (s Schedule) next(t time.Time) (time.Time, error) {
	if s.Every > 0 {
		return t.Truncate(s.Every).Add(s.Every), nil
	}
	if strings.Contains(s.Spec, "TZ=") || strings.HasPrefix(s.Spec, "@every") {
		return time.Time{}, fmt.Errorf("%q: use five fields like \"0 7 * * *\"; the time zone is BURSAR_TIMEZONE", s.Spec)
	}
	spec, err := cron.ParseStandard(s.Spec)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is not a cron expression like \"0 7 * * *\" (Sunday is 0): %w", s.Spec, err)
	}
	// Around a change a later time may have an earlier wall time.
	wall := onWall(t.In(s.Location), time.UTC).Add(-longestChange)
	for {
		wall = spec.Next(wall)
		if wall.IsZero() {
			return time.Time{}, fmt.Errorf("%q never comes", s.Spec)
		}
		next := onWall(wall, s.Location)
		if early := wall.Sub(onWall(next, time.UTC)); early > 0 {
			next = next.Add(early) // skipped, and placed before the gap: perhaps on the day before
		}
		if next.After(t) {
			return next, nil
		}
	}
}

// onWall is the time at which the clocks of loc show what t shows.
func onWall(t time.Time, loc *time.Location) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, loc)
}
