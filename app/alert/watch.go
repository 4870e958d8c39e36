package alert

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"bursar/app/db"
	"bursar/app/mail"
	"bursar/app/queue"
)

// Watch evaluates the rules once a minute and tells people. DB, Worker, Tally, Log, Templates and Location are
// needed; what is nil of the others is unknown, or not told that way.
type Watch struct {
	DB        *db.DB
	Worker    *queue.Worker
	Schedules *queue.Pulse
	Tally     *Tally
	Log       *slog.Logger
	Templates *mail.Templates
	Location  *time.Location
	URL       string   // public address
	To        []string // who gets the mails
	SMTP      *mail.SMTP
	Slack     *Slack
	Heartbeat *Heartbeat
	Stripe    bool // there is a key to ask Stripe with

	Drift      func(kind string) (label string, high bool) // what a kind of difference is, and whether it is about money or access
	Door       func(context.Context) error                 // sends a signed probe through the webhook's door
	Endpoint   func(context.Context) (Checked, error)      // what is wrong with the endpoint at Stripe
	AuditChain func(context.Context) (Checked, error)      // where the chain of the audit is broken

	evaluating sync.Mutex // one evaluation at a time
	began      bool
	doorAt     time.Time
	doorErr    error

	mu         sync.Mutex // of what the pages, the metrics and the heartbeat read
	down       outage
	measures   map[string]Measure
	rows       map[string]db.Alert
	roots      map[string]string
	at         time.Time // of the last evaluation
	alive      time.Time // the same, or when the first was begun
	catchUntil time.Time
}

// Checked is what a check found that is made elsewhere, and more rarely.
type Checked struct {
	At       time.Time // zero: it was not made yet
	NotKnown string    // why it could not be made
	Problem  string    // "" if all is well
	Level    Level     // of the problem; 0: the rule's
}

const (
	catchUpAfter   = 10 * time.Minute // a longer break leaves things to catch up with
	catchUpFor     = 15 * time.Minute
	measureTimeout = 30 * time.Second
)

// Run evaluates at once and then every minute, until ctx ends.
func (w *Watch) Run(ctx context.Context) error {
	w.mu.Lock()
	w.alive = time.Now()
	w.mu.Unlock()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := w.Evaluate(ctx); err != nil && ctx.Err() == nil {
			w.Log.Error("evaluate the alerts", "error", err) // the next look tries again
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Evaluate looks at every rule once, and stores what changed together with what people are told of it.
func (w *Watch) Evaluate(ctx context.Context) (err error) {
	w.evaluating.Lock()
	defer w.evaluating.Unlock()
	defer func() {
		if p := recover(); p != nil {
			w.Log.Error("the alerts panicked", "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, measureTimeout)
	defer cancel()
	now := time.Now()
	if err := w.begin(ctx, now); err != nil {
		return w.isDown(ctx, now, err)
	}
	if err := w.Tally.Flush(ctx, w.DB); err != nil {
		return w.isDown(ctx, now, err)
	}
	measures := w.measure(ctx, now)
	err = w.DB.Tx(ctx, func(q *db.Queries) error {
		if err := w.isUp(ctx, q, now); err != nil {
			return err
		}
		if err := w.apply(ctx, q, now, measures); err != nil {
			return err
		}
		return w.deliver(ctx, q, now)
	})
	if err != nil {
		return fmt.Errorf("store the alerts: %w", err)
	}
	w.setDown(outage{})
	return w.remember(ctx, now, measures)
}

// begin notices a long break before this process, or that a backup was restored: what piled up is no news.
func (w *Watch) begin(ctx context.Context, now time.Time) error {
	if w.began {
		return nil
	}
	alive, err := factTime(ctx, w.DB.Read(), aliveAt)
	if err != nil {
		return err
	}
	restored, err := db.ReadRestored(ctx, w.DB.Read())
	if err != nil {
		return err
	}
	if !alive.IsZero() && now.Sub(alive) > catchUpAfter || restored.At.After(alive) {
		w.mu.Lock()
		w.catchUntil = now.Add(catchUpFor)
		w.mu.Unlock()
	}
	w.began = true
	return nil
}

// measure asks every rule. One that fails is unknown, and keeps none of the others from being asked.
func (w *Watch) measure(ctx context.Context, now time.Time) map[string]Measure {
	l := &look{Watch: w, q: w.DB.Read(), now: now}
	measures := map[string]Measure{}
	for _, rule := range Rules() {
		m, err := rule.measure(ctx, l)
		if err != nil {
			w.Log.Error("measure", "alert", rule.Key, "error", err)
			m = notKnown("it could not be measured")
		}
		measures[rule.Key] = m
	}
	return measures
}

// apply takes every rule to its next state.
func (w *Watch) apply(ctx context.Context, q *db.Queries, now time.Time, measures map[string]Measure) error {
	rows, err := alertRows(ctx, q)
	if err != nil {
		return err
	}
	counts, err := q.CountFlips(ctx, db.At(now.Add(-flapWindow)))
	if err != nil {
		return err
	}
	flips := map[string]int64{}
	for _, c := range counts {
		flips[c.Key] = c.N
	}
	quiet := now.Before(w.CatchingUpUntil())
	for _, rule := range Rules() {
		was, known := rows[rule.Key]
		if !known {
			was = db.Alert{Key: rule.Key, State: Unknown, Version: 1, SinceAt: db.At(now), Causes: "[]"}
			if n, err := q.InsertAlert(ctx, rule.Key, was.State, was.SinceAt); err != nil || n == 0 {
				return err
			}
		}
		v := view{rule: rule, m: measures[rule.Key], now: now, quiet: quiet && rule.Age, root: rootOf(rule, rows), flips: flips[rule.Key]}
		after, tell := v.step(was)
		if rows[rule.Key] = after; after == was {
			continue
		}
		if err := v.save(ctx, q, was, after, tell, w.Slack != nil, known); err != nil {
			return err
		}
	}
	return nil
}

// rootOf is the rule that explains this one at present. One seen bad once is enough: it will be told first.
func rootOf(rule Rule, rows map[string]db.Alert) string {
	for _, root := range rule.Roots {
		if s := rows[root].State; s == Firing || s == Pending {
			return root
		}
	}
	return ""
}

// save stores a step. Where somebody else changed the row first, nothing follows: they said it.
func (v view) save(ctx context.Context, q *db.Queries, was, after db.Alert, tell string, slack, known bool) error {
	n, err := q.SaveAlert(ctx, db.SaveAlertParams{State: after.State, SinceAt: after.SinceAt, OpenedAt: after.OpenedAt, ToldAt: after.ToldAt,
		Level: after.Level, Size: after.Size, Causes: after.Causes, Reminders: after.Reminders, MutedUntilAt: after.MutedUntilAt,
		MutedBy: after.MutedBy, FlappingAt: after.FlappingAt, Key: after.Key, Was: was.State, Seen: was.Version})
	if err != nil || n == 0 {
		return err
	}
	if was.State != after.State && known {
		flip := db.InsertFlipParams{Key: after.Key, Was: was.State, State: after.State, Value: v.m.Value, CreatedAt: db.At(v.now)}
		if err := errors.Join(q.InsertFlip(ctx, flip), q.PruneFlips(ctx, after.Key)); err != nil {
			return err
		}
	}
	if tell == "" {
		return nil
	}
	notice := db.InsertNoticeParams{Key: after.Key, Kind: tell, Level: int64(v.level()), Value: v.m.Value, Cause: v.m.Cause,
		SinceAt: after.OpenedAt, CreatedAt: db.At(v.now)}
	if tell == resolved {
		notice.Level, notice.SinceAt, notice.Cause = max(was.Level, int64(Low)), was.OpenedAt, ""
	}
	if !slack || Level(notice.Level) == Low {
		notice.SlackedAt = notice.CreatedAt
	}
	return q.InsertNotice(ctx, notice)
}

// remember keeps what was seen for the pages and the metrics.
func (w *Watch) remember(ctx context.Context, now time.Time, measures map[string]Measure) error {
	rows, err := alertRows(ctx, w.DB.Read())
	if err != nil {
		return err
	}
	roots := map[string]string{}
	for _, rule := range Rules() {
		if root := rootOf(rule, rows); root != "" {
			roots[rule.Key] = root
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.measures, w.rows, w.roots, w.at, w.alive = measures, rows, roots, now, now
	return nil
}

func alertRows(ctx context.Context, q *db.Queries) (map[string]db.Alert, error) {
	list, err := q.ListAlerts(ctx)
	rows := map[string]db.Alert{}
	for _, a := range list {
		rows[a.Key] = a
	}
	return rows, err
}

// CatchingUpUntil is until when rules about age are quiet, because Bursar was away or a backup was restored; zero or past: they are not.
func (w *Watch) CatchingUpUntil() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.catchUntil
}

func setTime(ctx context.Context, q *db.Queries, name string, t time.Time) error {
	return q.KeepMeta(ctx, name, strconv.FormatInt(t.UnixMilli(), 10))
}

// factTime is a time that was stored as a fact, zero if none was.
func factTime(ctx context.Context, q *db.Queries, name string) (time.Time, error) {
	text, err := q.Meta(ctx, name)
	if errors.Is(err, db.ErrNoRows) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: %w", name, err)
	}
	return time.UnixMilli(ms), nil
}
