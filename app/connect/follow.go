package connect

import (
	"context"
	"fmt"
	"time"

	"bursar/app/db"
	"bursar/app/queue"
	"bursar/app/support"
)

// The jobs of all connectors.
type (
	// Follow looks after the connectors once a minute: one that is held is probed, and what changed on a desk is read.
	Follow struct{}
	// FollowTicket reads one ticket, of which a webhook told.
	FollowTicket struct{ ID string }
	// CatchUp writes what a connector observed, now that it is live.
	CatchUp struct{ System string }
)

func (Follow) Kind() string        { return "follow_connectors" }
func (Follow) Key() string         { return "all" }
func (FollowTicket) Kind() string  { return "follow_ticket" }
func (a FollowTicket) Key() string { return a.ID }
func (CatchUp) Kind() string       { return "catch_up" }
func (a CatchUp) Key() string      { return a.System }

// HandleFollow registers the jobs of the connectors.
func HandleFollow(w *queue.Worker, keepers []*Keeper, desk support.Desk) {
	there, _ := desk.(*Desk)
	queue.Handle(w, queue.Options{}, func(ctx context.Context, _ Follow) error { return follow(ctx, keepers, there) })
	queue.Handle(w, queue.Options{System: "desk"}, func(ctx context.Context, a FollowTicket) error {
		if there == nil {
			return nil
		}
		return there.PullTicket(ctx, a.ID)
	})
	queue.Handle(w, queue.Options{}, func(ctx context.Context, a CatchUp) error {
		for _, k := range keepers {
			if k.System == a.System {
				return k.catchUp(ctx)
			}
		}
		return nil
	})
}

// keepWrites is how long the list of writes goes back.
const keepWrites = 30 * 24 * time.Hour

// follow looks after each connector. What fails is on its page, and is tried again in a minute: a retry would come later.
func follow(ctx context.Context, keepers []*Keeper, desk *Desk) error {
	if now := time.Now(); len(keepers) > 0 && now.Minute() == 0 { // what this hour misses, the next one gets
		err := keepers[0].DB.Tx(ctx, func(q *db.Queries) error {
			_, err := q.PruneExternalWrites(ctx, db.At(now.Add(-keepWrites)))
			return err
		})
		if err != nil {
			return fmt.Errorf("forget old writes: %w", err)
		}
	}
	for _, k := range keepers {
		c, err := k.DB.Read().Connector(ctx, k.System)
		if err != nil {
			return fmt.Errorf("read the state of %s: %w", k.System, err)
		}
		if c.Mode == Off {
			continue
		}
		problem := ""
		err = k.look(ctx, c)
		if err == nil && desk != nil && desk.Keeper == k {
			err = desk.Pull(ctx)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			problem = Redact(err.Error())
		}
		err = k.DB.Tx(ctx, func(q *db.Queries) error {
			if problem != "" || c.Mode == Observe { // going live checks again
				return q.NoteConnector(ctx, problem, k.System)
			}
			return q.CheckConnector(ctx, db.Now(), "", k.System)
		})
		if err != nil {
			return fmt.Errorf("keep the state of %s: %w", k.System, err)
		}
	}
	return nil
}

// look checks a connector that never was, or is held, or had a problem.
func (k *Keeper) look(ctx context.Context, c db.Connector) error {
	switch {
	case !c.HeldAt.IsZero():
		return k.Probe(ctx, c.HeldReason)
	case c.Mode == Live && c.CheckedAt.IsZero():
		return k.prepare(ctx)
	case c.CheckedAt.IsZero() || c.Problem != "":
		return k.Remote.Check(ctx, c.Mode == Live)
	}
	return nil
}
