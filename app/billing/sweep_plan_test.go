package billing

import (
	"testing"
	"time"

	"bursar/app/db"
)

// month is thirty days of five-minute beats, the last of many: trouble says whether a sweep at a time finds
// events that a webhook should have brought, or fails, and how many pages it reads.
func month(t *testing.T, days int, trouble func(at time.Time) (missing, incomplete bool, pages int64)) (reads, longest int64) {
	t.Helper()
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	h := sweepHistory{installed: begin}
	perDay := map[int]int64{} // reads of sweeps by day
	day := func(at time.Time) int { return int(at.Sub(begin) / (24 * time.Hour)) }
	window := func(at time.Time) (n int64) {
		for d := day(at); d > day(at)-30; d-- {
			n += perDay[d]
		}
		return n
	}
	complete := begin
	for at := begin; at.Before(begin.Add(time.Duration(days) * 24 * time.Hour)); at = at.Add(SweepBeat) {
		h.reads = window(at)
		p := h.plan(at)
		if !p.due {
			continue
		}
		missing, incomplete, pages := trouble(at)
		perDay[day(at)] += pages
		h.last = db.Sweep{ID: 1, State: "complete", StartedAt: db.At(at)}
		if incomplete {
			h.last.State = "incomplete"
			continue
		}
		longest = max(longest, int64(at.Sub(complete)/time.Minute))
		complete = at
		if p.undelivered {
			perDay[day(at)]++
			h.undelivered = at
		}
		if missing {
			h.missing = at
		}
		h.complete = h.last
		h.complete.MarkAt = db.At(at)
	}
	most := int64(0)
	for d := 29; d < days; d++ {
		most = max(most, window(begin.Add(time.Duration(d)*24*time.Hour)))
	}
	return most, longest
}

// The budget: whatever happens, what Bursar asks of its own accord stays below what it allows itself, for a
// company of a thousand customers and twelve hundred subscriptions.
func TestTheBudgetOfThirtyDays(t *testing.T) {
	t.Parallel()
	const (
		watch   = 30 * 24
		compare = 30 * (10 + 12 + 14 + 14 + 3) // pages of customers, subscriptions, five weeks' invoices and payments, and the rest, each night
	)
	for _, row := range []struct {
		name    string
		trouble func(at time.Time) (missing, incomplete bool, pages int64)
		atMost  int64 // requests of sweeps
		minutes int64 // between two complete sweeps
	}{
		{"webhooks arrive", func(time.Time) (bool, bool, int64) { return false, false, 1 }, 30 * (96 + 24), 15},
		{"webhooks arrive, and there is much to list", func(time.Time) (bool, bool, int64) { return false, false, 2 }, 30 * (192 + 24), 15},
		{"no webhook arrives", func(time.Time) (bool, bool, int64) { return true, false, 1 }, 7400, 15},
		{"one in a day is lost", func(at time.Time) (bool, bool, int64) { return at.Hour() == 9 && at.Minute() < 15, false, 1 }, 30 * (96 + 24 + 16), 15},
		{"every other one fails", func(at time.Time) (bool, bool, int64) { return false, at.Minute()%10 == 0, 1 }, 7400, 30},
		{"Stripe is away for a day each week", func(at time.Time) (bool, bool, int64) { return false, at.Weekday() == time.Sunday, 1 }, 30*(96+24) + 5*288, 24*60 + 15},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			sweeps, longest := month(t, 120, row.trouble)
			t.Logf("sweeps %d, watch %d, comparisons %d: %d requests in 30 days", sweeps, watch, compare, sweeps+watch+compare)
			if sweeps > row.atMost || sweeps+watch+compare > ReadsAllowed {
				t.Errorf("sweeps make %d requests, want at most %d, and %d in all, of %d", sweeps, row.atMost, sweeps+watch+compare, ReadsAllowed)
			}
			if longest > row.minutes {
				t.Errorf("%d minutes passed between two complete sweeps, want at most %d", longest, row.minutes)
			}
		})
	}
}

func TestThePlanOfASweep(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) db.Time { return db.At(now.Add(-d)) }
	done := func(d, mark time.Duration) db.Sweep {
		return db.Sweep{ID: 1, State: "complete", StartedAt: ago(d), MarkAt: ago(mark)}
	}
	failed := done(5*time.Minute, 0)
	failed.State = "incomplete"
	for _, row := range []struct {
		name  string
		h     sweepHistory
		due   bool
		since time.Duration // ago
		gap   bool
	}{
		{"the first", sweepHistory{installed: now.Add(-time.Hour)}, true, 75 * time.Minute, false},
		{"the first, long after the installation", sweepHistory{installed: now.Add(-99 * 24 * time.Hour)}, true, 30 * 24 * time.Hour, false},
		{"ten minutes after a good one", sweepHistory{last: done(10*time.Minute, 0), complete: done(10*time.Minute, time.Hour)}, false, 75 * time.Minute, false},
		{"fifteen minutes after a good one", sweepHistory{last: done(15*time.Minute, 0), complete: done(15*time.Minute, time.Hour)}, true, 75 * time.Minute, false},
		{"five minutes after one that failed", sweepHistory{last: failed, complete: done(time.Hour, 2*time.Hour)}, true, 135 * time.Minute, false},
		{"five minutes after one that found something missing", sweepHistory{last: done(5*time.Minute, 0), complete: done(5*time.Minute, 0), missing: now.Add(-5 * time.Minute)}, true, 15 * time.Minute, false},
		{"the same, with the month's quick ones used up", sweepHistory{last: done(5*time.Minute, 0), complete: done(5*time.Minute, 0), missing: now.Add(-5 * time.Minute), reads: quickReads}, false, 15 * time.Minute, false},
		{"an hour and more after it", sweepHistory{last: done(5*time.Minute, 0), complete: done(5*time.Minute, 0), missing: now.Add(-61 * time.Minute)}, false, 15 * time.Minute, false},
		{"after 28 days", sweepHistory{last: done(28*24*time.Hour, 0), complete: done(28*24*time.Hour, 28*24*time.Hour)}, true, 28*24*time.Hour + 15*time.Minute, false},
		{"after more than 29 days", sweepHistory{last: done(30*24*time.Hour, 0), complete: done(30*24*time.Hour, 30*24*time.Hour)}, true, 30*24*time.Hour + 15*time.Minute, true},
		{"a quiet account: no event for two months, swept just now", sweepHistory{last: done(15*time.Minute, 0), complete: done(15*time.Minute, 60*24*time.Hour)}, true, 60*24*time.Hour + 15*time.Minute, false},
		{"the clock was ahead", sweepHistory{last: done(-time.Hour, 0), complete: done(-time.Hour, 0)}, true, 15 * time.Minute, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			p := row.h.plan(now)
			if p.due != row.due || now.Sub(p.since) != row.since || p.gap.IsZero() == row.gap {
				t.Errorf("due %v, since %v ago, gap %v; want %v, %v, %v", p.due, now.Sub(p.since), p.gap, row.due, row.since, row.gap)
			}
		})
	}
}
