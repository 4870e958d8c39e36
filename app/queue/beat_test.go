package queue_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"bursar/app/db"
)

// newBeat is a schedule with a beat.
func newBeat(t *testing.T, d *db.DB, every time.Duration, zone string) *calendar {
	t.Helper()
	c := newCalendar(t, d, "", zone)
	c.Every = every
	return c
}

// inserted are the times at which the schedule inserted its jobs.
func (c *calendar) inserted(t *testing.T) (times []time.Time) {
	t.Helper()
	for _, job := range jobs(t, c.db) {
		times = append(times, job.CreatedAt.Time)
	}
	return times
}

// In the night of a change of the clocks a beat goes on as in any other: twelve in each hour that passes.
func TestABeatKeepsRealTime(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name     string
		from, to string // local
		hours    int
	}{
		{"an ordinary night", "2026-11-10 00:00", "2026-11-10 06:00", 6},
		{"the night in spring, an hour shorter", "2027-03-28 00:00", "2027-03-28 06:00", 5},
		{"the night in autumn, an hour longer", "2026-10-25 00:00", "2026-10-25 06:00", 7},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newBeat(t, newDB(t), 5*time.Minute, "Europe/Berlin")
				c.skipTo(t, row.from)
				c.tick(t) // seen for the first time
				for end := c.time(t, row.to); time.Now().Before(end); {
					time.Sleep(time.Minute)
					c.tick(t)
				}
				times := c.inserted(t)
				if len(times) != 12*row.hours {
					t.Fatalf("%d runs in %d hours, want 12 an hour", len(times), row.hours)
				}
				for i := 1; i < len(times); i++ {
					if gap := times[i].Sub(times[i-1]); gap != 5*time.Minute {
						t.Errorf("run %d came after %v", i, gap)
					}
				}
			})
		})
	}
}

func TestABeatThatWasMissedIsMadeUpOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newBeat(t, newDB(t), 5*time.Minute, "UTC")
		c.tick(t)
		time.Sleep(40 * 24 * time.Hour)
		c.tick(t)
		c.tick(t)
		if times := c.inserted(t); len(times) != 1 {
			t.Errorf("after 40 days it ran %d times, want once", len(times))
		}
		time.Sleep(5 * time.Minute)
		c.tick(t)
		if times := c.inserted(t); len(times) != 2 {
			t.Errorf("the beat after it: %d runs, want 2", len(times))
		}
	})
}

func TestAnOccasionThatIsNotDueIsLeftOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newBeat(t, newDB(t), 5*time.Minute, "UTC")
		begin := time.Now()
		c.Due = func(context.Context, *db.Queries) (bool, error) { return time.Since(begin) >= 20*time.Minute, nil }
		for range 31 {
			c.tick(t)
			time.Sleep(time.Minute)
		}
		var after []time.Duration
		for _, at := range c.inserted(t) {
			after = append(after, at.Sub(begin))
		}
		if want := []time.Duration{20 * time.Minute, 25 * time.Minute, 30 * time.Minute}; !slices.Equal(after, want) {
			t.Errorf("it ran after %v, want %v", after, want)
		}
		if err := c.Validate(); err != nil {
			t.Errorf("a beat needs no cron expression: %v", err)
		}
	})
}
