package queue_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata" // the machine that runs the tests may have none

	"bursar/app/db"
	"bursar/app/queue"
)

// report is a job of its own for each run, so that a run too many can be seen.
type report struct {
	queue.Run
	Number int
}

func (report) Kind() string  { return "report" }
func (a report) Key() string { return fmt.Sprint(a.Number) }

// calendar is a schedule, and what it has run.
type calendar struct {
	queue.Schedule
	db *db.DB
}

func newCalendar(t *testing.T, d *db.DB, spec, zone string) *calendar {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	number := 0
	return &calendar{db: d, Schedule: queue.Schedule{Name: "report", Spec: spec, Location: loc, Job: func(r queue.Run) queue.Args {
		mu.Lock()
		defer mu.Unlock()
		number++
		return report{r, number}
	}}}
}

func (c *calendar) tick(t *testing.T) {
	t.Helper()
	if err := c.Tick(t.Context(), c.db); err != nil {
		t.Error(err)
	}
}

// tickUntil moves the clock to a local time, with a tick every half hour on the way.
func (c *calendar) tickUntil(t *testing.T, local string) {
	t.Helper()
	for end := c.time(t, local); time.Now().Before(end); {
		time.Sleep(min(30*time.Minute, time.Until(end)))
		c.tick(t)
	}
}

// skipTo moves the clock to a local time while nothing ticks.
func (c *calendar) skipTo(t *testing.T, local string) {
	t.Helper()
	time.Sleep(time.Until(c.time(t, local)))
}

func (c *calendar) time(t *testing.T, local string) time.Time {
	t.Helper()
	at, err := time.ParseInLocation("2006-01-02 15:04", local, c.Location)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// runs are the runs so far, each as its day, the time of its job, and whether it is late.
func (c *calendar) runs(t *testing.T) (runs []string) {
	t.Helper()
	for _, job := range jobs(t, c.db) {
		text := job.ScheduledAt.In(c.Location).Format("15:04 MST")
		if strings.Contains(job.Args, `"Late":true`) {
			text += " late"
		}
		_, day, _ := strings.Cut(job.Args, `"Day":"`)
		runs = append(runs, day[:len(time.DateOnly)]+" at "+text)
	}
	return runs
}

func (c *calendar) want(t *testing.T, want ...string) {
	t.Helper()
	if got := c.runs(t); !slices.Equal(got, want) {
		t.Errorf("the runs are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func (c *calendar) next(t *testing.T) string {
	t.Helper()
	row, err := c.db.Read().ScheduleByName(t.Context(), c.Name)
	if err != nil {
		t.Fatal(err)
	}
	return row.NextAt.In(c.Location).Format("2006-01-02 15:04")
}

func TestAScheduleRunsOnceOnEachLocalDay(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, spec, zone, from, to, want string }{
		{"an ordinary week end", "0 7 * * 1-5", "Europe/Berlin", "2026-06-04 12:00", "2026-06-09 12:00",
			"2026-06-05 at 07:00 CEST, 2026-06-08 at 07:00 CEST, 2026-06-09 at 07:00 CEST"},
		{"a time that comes twice in autumn", "30 2 * * *", "Europe/Berlin", "2026-10-23 12:00", "2026-10-27 12:00",
			"2026-10-24 at 02:30 CEST, 2026-10-25 at 02:30 CET, 2026-10-26 at 02:30 CET, 2026-10-27 at 02:30 CET"},
		{"a time that spring skips", "30 2 * * *", "Europe/Berlin", "2027-03-26 12:00", "2027-03-30 12:00",
			"2027-03-27 at 02:30 CET, 2027-03-28 at 03:30 CEST, 2027-03-29 at 02:30 CEST, 2027-03-30 at 02:30 CEST"},
		{"west of Greenwich: twice in autumn", "30 1 * * *", "America/New_York", "2026-10-31 12:00", "2026-11-02 12:00",
			"2026-11-01 at 01:30 EDT, 2026-11-02 at 01:30 EST"},
		{"west of Greenwich: skipped in spring", "30 2 * * *", "America/New_York", "2027-03-13 12:00", "2027-03-15 12:00",
			"2027-03-14 at 03:30 EDT, 2027-03-15 at 02:30 EDT"},
		{"where spring skips midnight", "30 0 * * *", "America/Havana", "2027-03-12 12:00", "2027-03-15 12:00",
			"2027-03-13 at 00:30 CST, 2027-03-14 at 01:30 CDT, 2027-03-15 at 00:30 CDT"},
		{"several times a day: the first", "0 7,12,18 * * *", "UTC", "2026-06-01 08:00", "2026-06-03 20:00",
			"2026-06-01 at 12:00 UTC, 2026-06-02 at 07:00 UTC, 2026-06-03 at 07:00 UTC"},
		{"the 31st: not in April", "0 7 31 * *", "Europe/Berlin", "2027-03-30 12:00", "2027-05-02 12:00", "2027-03-31 at 07:00 CEST"},
		{"the first day of a month", "0 7 1 * *", "Europe/Berlin", "2027-02-27 12:00", "2027-03-02 12:00", "2027-03-01 at 07:00 CET"},
		{"over a leap day", "0 7 * * *", "Europe/Berlin", "2028-02-27 12:00", "2028-03-01 12:00",
			"2028-02-28 at 07:00 CET, 2028-02-29 at 07:00 CET, 2028-03-01 at 07:00 CET"},
		{"only on leap days", "0 7 29 2 *", "Europe/Berlin", "2028-02-20 12:00", "2028-03-02 12:00", "2028-02-29 at 07:00 CET"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCalendar(t, newDB(t), row.spec, row.zone)
				c.skipTo(t, row.from)
				c.tick(t)
				c.tickUntil(t, row.to)
				c.want(t, strings.Split(row.want, ", ")...)
			})
		})
	}
}

func TestAScheduleSeenForTheFirstTimeWaitsForItsNextTime(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, spec, now, next string }{
		{"before today's time", "0 7 * * *", "2026-06-01 06:59", "2026-06-01 07:00"},
		{"at today's time", "0 7 * * *", "2026-06-01 07:00", "2026-06-02 07:00"},
		{"after today's time", "0 7 * * *", "2026-06-01 07:01", "2026-06-02 07:00"},
		{"just before a time that spring has moved", "30 2 * * *", "2027-03-28 03:10", "2027-03-28 03:30"},
		{"two years before a leap day", "0 7 29 2 *", "2026-03-01 07:00", "2028-02-29 07:00"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCalendar(t, newDB(t), row.spec, "Europe/Berlin")
				c.skipTo(t, row.now)
				c.tick(t)
				c.want(t)
				if got := c.next(t); got != row.next {
					t.Errorf("its next time is %s, want %s", got, row.next)
				}
			})
		})
	}
}

func TestARunThatWasMissedIsMadeUpOnce(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, back, want, next string }{
		{"back within minutes: on time", "2026-06-02 07:15", "2026-06-02 at 07:15 CEST", "2026-06-03 07:00"},
		{"back later that day: late", "2026-06-02 07:16", "2026-06-02 at 07:16 CEST late", "2026-06-03 07:00"},
		{"back after days: the last of them, late", "2026-06-05 12:00", "2026-06-05 at 12:00 CEST late", "2026-06-06 07:00"},
		{"back after days, before today's: yesterday's, and today's is to come", "2026-06-05 06:00", "2026-06-04 at 06:00 CEST late", "2026-06-05 07:00"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCalendar(t, newDB(t), "0 7 * * *", "Europe/Berlin")
				c.skipTo(t, "2026-06-01 12:00")
				c.tick(t)
				c.skipTo(t, row.back)
				for range 3 {
					c.tick(t)
				}
				c.want(t, row.want)
				if got := c.next(t); got != row.next {
					t.Errorf("its next time is %s, want %s", got, row.next)
				}
			})
		})
	}
}

func TestAChangedScheduleIsComputedAnew(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, spec, zone, next, want string }{
		{"later today, after today's run: not twice on one day", "0 9 * * *", "Europe/Berlin", "2026-06-02 09:00", "2026-06-02 at 07:00 CEST, 2026-06-03 at 09:00 CEST"},
		{"earlier: from tomorrow", "0 6 * * *", "Europe/Berlin", "2026-06-03 06:00", "2026-06-02 at 07:00 CEST, 2026-06-03 at 06:00 CEST"},
		{"another time zone: not twice on one day", "0 7 * * *", "America/New_York", "2026-06-02 07:00", "2026-06-02 at 01:00 EDT, 2026-06-03 at 07:00 EDT"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDB(t)
				before := newCalendar(t, d, "0 7 * * *", "Europe/Berlin")
				before.skipTo(t, "2026-06-01 12:00")
				before.tick(t)
				before.tickUntil(t, "2026-06-02 08:00")

				after := newCalendar(t, d, row.spec, row.zone)
				after.tick(t)
				if got := after.next(t); got != row.next {
					t.Errorf("its next time is %s, want %s", got, row.next)
				}
				job := after.Job
				after.Job = func(r queue.Run) queue.Args { job(r); return job(r) } // a key of its own
				after.tickUntil(t, "2026-06-03 12:00")
				after.want(t, strings.Split(row.want, ", ")...)
			})
		})
	}
}

func TestAClockThatWasAheadDoesNotSilenceASchedule(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCalendar(t, newDB(t), "0 7 * * *", "UTC")
		c.skipTo(t, "2026-06-01 12:00")
		c.tick(t)
		tx(t, c.db, func(q *db.Queries) error { // as a tick 400 days later leaves it
			return q.SaveSchedule(t.Context(), db.SaveScheduleParams{Name: c.Name, Spec: c.Spec, Timezone: "UTC",
				NextAt: db.At(c.time(t, "2027-07-07 07:00")), LastDay: "2027-07-06"})
		})
		c.tickUntil(t, "2026-06-03 12:00")
		c.want(t, "2026-06-02 at 07:00 UTC", "2026-06-03 at 07:00 UTC")
	})
}

func TestTicksAtOnceInsertOneJob(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCalendar(t, newDB(t), "0 7 * * *", "UTC")
		c.skipTo(t, "2026-06-01 12:00")
		c.tick(t)
		c.skipTo(t, "2026-06-02 07:00")
		var ticks sync.WaitGroup
		for range 20 {
			ticks.Go(func() { c.tick(t) })
		}
		ticks.Wait()
		c.want(t, "2026-06-02 at 07:00 UTC")
	})
}

func TestValidateSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for spec, want := range map[string]string{
		"0 7 * * *":                     "",
		"0 7 29 2 *":                    "",
		"*/15 8-18 * * mon,3":           "",
		"@daily":                        "",
		"":                              "is not a cron expression",
		" ":                             "expected exactly 5 fields",
		"7":                             "expected exactly 5 fields",
		"0 0 7 * * *":                   "expected exactly 5 fields",
		"garbage":                       "is not a cron expression",
		"a b c d e":                     "failed to parse int from a",
		"60 7 * * *":                    "above maximum",
		"0 7 * * 7":                     "Sunday is 0",
		"0 7 31-1 * *":                  "beyond end of range",
		"*/0 7 * * *":                   "step of range",
		", , , , ,":                     "never comes",
		"0 0 31 2 *":                    "never comes",
		"TZ=":                           "BURSAR_TIMEZONE",
		"TZ=UTC":                        "BURSAR_TIMEZONE",
		"CRON_TZ=x 0 7 * * *":           "BURSAR_TIMEZONE",
		" TZ=UTC 0 7 * * *":             "BURSAR_TIMEZONE",
		"@every 5m":                     "BURSAR_TIMEZONE",
		"@every":                        "BURSAR_TIMEZONE",
		"@reboot":                       "is not a cron expression",
		"0 7 * * *\x00":                 "failed to parse int",
		"-1 7 * * *":                    "failed to parse int",
		"99999999999 7 * * *":           "maximum",
		"*/9223372036854775807 7 * * *": "",
	} {
		err := queue.Schedule{Spec: spec, Location: time.UTC}.Validate()
		if (err != nil) != (want != "") || err != nil && (!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), fmt.Sprintf("%q", spec))) {
			t.Errorf("%q: %v, want an error that quotes it and says %q", spec, err, want)
		}
	}
}

func FuzzValidateDoesNotPanic(f *testing.F) {
	for _, spec := range []string{"0 7 * * *", "TZ=", "CRON_TZ=x 0", "@every 5m", "*/0 1-2/3 ? * SUN", ", , , , ,"} {
		f.Add(spec)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		_ = queue.Schedule{Spec: spec, Location: time.UTC}.Validate()
	})
}

func TestRunSchedulesTicksUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDB(t)
		c := newCalendar(t, d, "5 0 * * *", "UTC")
		bad := c.Schedule
		bad.Name, bad.Spec = "bad", "0 0 31 2 *"
		var pulse queue.Pulse
		log := &bytes.Buffer{}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- queue.RunSchedules(ctx, d, slog.New(slog.NewTextHandler(log, nil)), &pulse, []queue.Schedule{c.Schedule, bad})
		}()

		time.Sleep(time.Second)
		if got := c.next(t); got != "2000-01-01 00:05" {
			t.Errorf("after a second the next time is %s: it does not tick at once", got)
		}
		time.Sleep(5 * time.Minute)
		c.want(t, "2000-01-01 at 00:05 UTC")

		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if n := strings.Count(log.String(), "never comes"); n != 16 { // at once, and every 20 s for five minutes
			t.Errorf("the error of the bad schedule is logged %d times, want with every tick, 16: %s", n, log)
		}
		if n := strings.Count(log.String(), "\n"); n != 16 {
			t.Errorf("something else is logged: %s", log)
		}
	})
}
