package alert

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"bursar/app/db"
)

// Classes of answers, each with its own limit. Sign-in hashes passwords and exports write much: they are slow on
// purpose, and apart.
const (
	ClassWebhook = "webhook"
	ClassAdmin   = "admin"
	ClassAction  = "action"
	ClassAPI     = "api"
	ClassSlow    = "slow"
)

// buckets are the upper ends of the classes of times, in milliseconds; -1 is for more than the last.
var buckets = [...]int64{5, 10, 25, 50, 100, 250, 300, 500, 1000, 2500, 5000}

const (
	maxFailed  = 1000    // failed events kept in memory; with more, the number is what matters
	maxMinutes = 24 * 60 // minutes kept in memory while they cannot be stored
	keepCounts = 48 * time.Hour
	keepFailed = 7 * 24 * time.Hour
)

// Tally counts what comes to the server in memory, and stores it once a minute: where the file is the fault,
// what failed could not be written. The zero value is ready, and it is safe for concurrent use.
type Tally struct {
	mu         sync.Mutex
	deliveries map[time.Time]map[string]int64
	latency    map[time.Time]map[place]int64
	failed     map[string]failedDelivery
	since      time.Time // of what is not stored; zero: everything is
	skew       time.Duration
	skewAt     time.Time
}

type place struct {
	class string
	le    int64
}

type failedDelivery struct {
	kind        string
	times       int64
	first, last time.Time
}

// Delivery counts a request to the webhook by what became of it.
func (t *Tally) Delivery(outcome string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.deliveries == nil {
		t.deliveries = map[time.Time]map[string]int64{}
	}
	add(t.deliveries, outcome, 1)
}

// Failed remembers a signed event that was not taken.
func (t *Tally) Failed(id, kind string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failed == nil {
		t.failed = map[string]failedDelivery{}
	}
	now := time.Now()
	f, known := t.failed[id]
	if !known && len(t.failed) >= maxFailed {
		return
	}
	if !known {
		f = failedDelivery{kind: kind, first: now}
	}
	f.times, f.last = f.times+1, now
	t.failed[id] = f
}

// Took counts an answer of a class.
func (t *Tally) Took(class string, d time.Duration) {
	le := int64(-1)
	for _, b := range slices.Backward(buckets[:]) {
		if d <= time.Duration(b)*time.Millisecond {
			le = b
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.latency == nil {
		t.latency = map[time.Time]map[place]int64{}
	}
	add(t.latency, place{class, le}, 1)
}

// Signed remembers how far a sender's clock was from ours; the nearest within a minute counts, as the way takes
// its time too.
func (t *Tally) Signed(skew time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if now.Sub(t.skewAt) > time.Minute || skew.Abs() < t.skew.Abs() {
		t.skew, t.skewAt = skew, now
	}
}

// Skew is the last known difference of the clocks, and when it was known.
func (t *Tally) Skew() (ahead time.Duration, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.skew, t.skewAt
}

// UnstoredSince says since when counts could not be stored; zero: they are.
func (t *Tally) UnstoredSince() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.since
}

func add[K comparable](minutes map[time.Time]map[K]int64, k K, n int64) {
	minute := time.Now().UTC().Truncate(time.Minute)
	if minutes[minute] == nil {
		if len(minutes) >= maxMinutes {
			return
		}
		minutes[minute] = map[K]int64{}
	}
	minutes[minute][k] += n
}

// Flush stores the counts, and that this process is alive. On an error they stay in memory.
func (t *Tally) Flush(ctx context.Context, d *db.DB) error {
	t.mu.Lock()
	deliveries, latency, failed := t.deliveries, t.latency, t.failed
	t.deliveries, t.latency, t.failed = nil, nil, nil
	t.mu.Unlock()

	now := time.Now()
	err := d.Tx(ctx, func(q *db.Queries) error { return store(ctx, q, now, deliveries, latency, failed) })

	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		t.since = time.Time{}
		return nil
	}
	if t.since.IsZero() {
		t.since = now
	}
	t.deliveries = giveBack(deliveries, t.deliveries)
	t.latency = giveBack(latency, t.latency)
	for id, f := range t.failed {
		if old, known := failed[id]; known {
			f.first, f.times = old.first, f.times+old.times
		}
		if failed == nil {
			failed = map[string]failedDelivery{}
		}
		failed[id] = f
	}
	t.failed = failed
	return err
}

// giveBack puts what could not be stored together with what came since.
func giveBack[K comparable](old, fresh map[time.Time]map[K]int64) map[time.Time]map[K]int64 {
	if old == nil {
		return fresh
	}
	for minute, counts := range fresh {
		if old[minute] == nil {
			old[minute] = counts
			continue
		}
		for k, n := range counts {
			old[minute][k] += n
		}
	}
	return old
}

// aliveAt is the fact that says when a process was last alive.
const aliveAt = "alive_at"

func store(ctx context.Context, q *db.Queries, now time.Time, deliveries map[time.Time]map[string]int64, latency map[time.Time]map[place]int64, failed map[string]failedDelivery) error {
	for minute, counts := range deliveries {
		for _, outcome := range slices.Sorted(maps.Keys(counts)) {
			if err := q.AddDeliveries(ctx, db.At(minute), outcome, counts[outcome]); err != nil {
				return err
			}
		}
	}
	for minute, counts := range latency {
		for p, n := range counts {
			if err := q.AddLatency(ctx, db.AddLatencyParams{MinuteAt: db.At(minute), Class: p.class, LeMs: p.le, N: n}); err != nil {
				return err
			}
		}
	}
	for id, f := range failed {
		err := q.AddFailedDelivery(ctx, db.AddFailedDeliveryParams{EventID: id, Type: f.kind, Times: f.times, FirstAt: db.At(f.first), LastAt: db.At(f.last)})
		if err != nil {
			return err
		}
	}
	old := db.At(now.Add(-keepCounts))
	if err := q.PruneDeliveries(ctx, old); err != nil {
		return err
	}
	if err := q.PruneLatency(ctx, old); err != nil {
		return err
	}
	if err := q.PruneFailedDeliveries(ctx, db.At(now.Add(-keepFailed))); err != nil {
		return err
	}
	return setTime(ctx, q, aliveAt, now)
}
