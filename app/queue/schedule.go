package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"bursar/app/db"
)

// lateAfter is how long after its time a run still counts as on time.
const lateAfter = 15 * time.Minute

// Schedule inserts a job by the calendar, at most once on each local day.
type Schedule struct {
	Name     string
	Spec     string // five-field cron expression
	Location *time.Location
	Job      func(Run) Args
}

// Run is one occasion of a schedule.
type Run struct {
	Day  string // local date, YYYY-MM-DD
	Late bool   // the process was not there at the time
}

// Validate says what is wrong with the cron expression.
func (s Schedule) Validate() error {
	_, err := s.next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	return err
}

// next is the first time after t. The expression is computed on the wall clock, as if it were UTC, and
// then placed in the time zone: a time that the spring change skips comes an hour off, one that the
// autumn change repeats comes once, and no day is left out.
func (s Schedule) next(t time.Time) (time.Time, error) {
	if strings.Contains(s.Spec, "TZ=") || strings.HasPrefix(s.Spec, "@every") {
		return time.Time{}, fmt.Errorf("%q: use five fields like \"0 7 * * *\"; the time zone is BURSAR_TIMEZONE", s.Spec)
	}
	spec, err := cron.ParseStandard(s.Spec)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is not a cron expression like \"0 7 * * *\" (Sunday is 0): %w", s.Spec, err)
	}
	wall := onWall(t.In(s.Location), time.UTC)
	for {
		wall = spec.Next(wall)
		if wall.IsZero() {
			return time.Time{}, fmt.Errorf("%q never comes", s.Spec)
		}
		// In the repeated hour the same wall time may lie behind t.
		if next := onWall(wall, s.Location); next.After(t) {
			return next, nil
		}
	}
}

func onWall(t time.Time, loc *time.Location) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, loc)
}

// Tick inserts the job if its time has come. A time that passed while no process ran is made up once,
// and marked late. Call it every few seconds; a tick more or less changes nothing.
func (s Schedule) Tick(ctx context.Context, d *db.DB) error {
	// Reading first keeps an idle process from writing.
	row, err := d.Read().ScheduleByName(ctx, s.Name)
	known := err == nil && row.Spec == s.Spec && row.Timezone == s.Location.String()
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return fmt.Errorf("schedule %s: %w", s.Name, err)
	}
	now := time.Now()
	if known && now.Before(row.NextAt.Time) {
		return nil
	}
	next, err := s.next(now)
	if err != nil {
		return fmt.Errorf("schedule %s: %w", s.Name, err)
	}
	day := row.NextAt.In(s.Location).Format(time.DateOnly)
	due := known && day != row.LastDay
	save := db.SaveScheduleParams{Name: s.Name, Spec: s.Spec, Timezone: s.Location.String(), NextAt: db.At(next), LastDay: row.LastDay}
	if due {
		save.LastDay = day
	}
	return d.Tx(ctx, func(q *db.Queries) error {
		if due {
			if err := Insert(ctx, q, s.Job(Run{Day: day, Late: now.Sub(row.NextAt.Time) > lateAfter})); err != nil {
				return err
			}
		}
		return q.SaveSchedule(ctx, save)
	})
}
