package connect

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"bursar/app/db"
	"bursar/app/queue"
)

// The modes of a connector.
const (
	Off     = "off"     // nothing is sent or read; what is kept stays in Bursar
	Observe = "observe" // what would be written is recorded, field by field, and not written
	Live    = "live"
)

const (
	watchFor   = 15 // minutes
	leastCalls = 100
	probeEvery = 30 * time.Second
)

// watch counts the calls to a vendor and those it failed, over the last minutes.
type watch struct {
	mu      sync.Mutex
	minutes [watchFor]struct{ at, calls, failed int64 } // at is the minute
	probed  time.Time
}

// count takes in one call. What the vendor refuses of one record is no failure of the vendor.
func (w *watch) count(err error) {
	if w == nil {
		return
	}
	var call *CallError
	failed := errors.As(err, &call) && !call.refused()
	w.mu.Lock()
	defer w.mu.Unlock()
	minute := time.Now().Unix() / 60
	m := &w.minutes[minute%watchFor]
	if m.at != minute {
		m.at, m.calls, m.failed = minute, 0, 0
	}
	m.calls++
	if failed {
		m.failed++
	}
}

// tooMany says that more than one in a hundred failed; a few calls say nothing, and have the circuit.
func (w *watch) tooMany() (calls, failed int64, is bool) {
	if w == nil {
		return 0, 0, false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	first := time.Now().Unix()/60 - watchFor
	for _, m := range w.minutes {
		if m.at > first {
			calls, failed = calls+m.calls, failed+m.failed
		}
	}
	return calls, failed, calls >= leastCalls && failed*100 > calls
}

// forget begins to count anew.
func (w *watch) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.minutes[:])
}

// mayProbe says that the last probe was long enough ago, and takes this one's turn.
func (w *watch) mayProbe() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if time.Since(w.probed) < probeEvery {
		return false
	}
	w.probed = time.Now()
	return true
}

// mode of the connector, as a person set it.
func (k *Keeper) mode(ctx context.Context) (string, error) {
	c, err := k.DB.Read().Connector(ctx, k.System)
	if err != nil {
		return "", fmt.Errorf("read the mode of %s: %w", k.System, err)
	}
	return c.Mode, nil
}

// ready says whether anything may be sent. When too much fails the jobs are held: their records stay as they are
// until a probe succeeds, and then go on by themselves.
func (k *Keeper) ready(ctx context.Context) error {
	c, err := k.DB.Read().Connector(ctx, k.System)
	if err != nil {
		return fmt.Errorf("read the state of %s: %w", k.System, err)
	}
	if c.CheckedAt.IsZero() {
		if err := k.prepare(ctx); err != nil {
			return err
		}
	}
	if c.HeldAt.IsZero() {
		calls, failed, is := k.watch.tooMany()
		if !is {
			return nil
		}
		c.HeldReason = fmt.Sprintf("%d of %d calls to %s failed within %d minutes", failed, calls, k.Vendor.Label, watchFor)
		err := k.DB.Tx(ctx, func(q *db.Queries) error { return q.HoldConnector(ctx, db.Now(), c.HeldReason, k.System) })
		if err != nil {
			return fmt.Errorf("hold %s: %w", k.System, err)
		}
	}
	return k.Probe(ctx, c.HeldReason)
}

// prepare makes what must be there before the first write.
func (k *Keeper) prepare(ctx context.Context) error {
	defer k.locks.lock("prepare")()
	c, err := k.DB.Read().Connector(ctx, k.System)
	if err != nil || !c.CheckedAt.IsZero() {
		return err
	}
	problem := ""
	err = k.Remote.Check(ctx, true)
	if err != nil {
		problem = Redact(err.Error())
	}
	saveErr := k.DB.Tx(ctx, func(q *db.Queries) error {
		if err != nil {
			return q.NoteConnector(ctx, problem, k.System)
		}
		return q.CheckConnector(ctx, db.Now(), "", k.System)
	})
	return errors.Join(outcome(err), saveErr)
}

// Probe asks a vendor that is held whether it is well again, and lets the jobs go on if so.
func (k *Keeper) Probe(ctx context.Context, why string) error {
	held := errors.New(why + "; what is to be written waits until it answers again")
	if !k.watch.mayProbe() {
		return queue.Unavailable(held, probeEvery)
	}
	if err := k.Remote.Check(ctx, true); err != nil {
		return queue.Unavailable(errors.Join(held, err), probeEvery)
	}
	k.watch.forget()
	if err := k.DB.Tx(ctx, func(q *db.Queries) error { return q.ResumeConnector(ctx, k.System) }); err != nil {
		return fmt.Errorf("resume %s: %w", k.System, err)
	}
	return nil
}
