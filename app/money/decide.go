package money

import (
	"context"
	"errors"
	"fmt"

	"bursar/app/auth"
	"bursar/app/db"
	"bursar/app/queue"
)

// ErrOwn is the answer to somebody who wants to approve what they asked for themselves.
var ErrOwn = errors.New("nobody approves what they asked for; a second person must")

// Decide approves an action that waits for a second person, or declines it. Who asked may decline it, and not
// approve it. It returns the action as it is now; a Refusal if somebody decided already.
func (m *Money) Decide(ctx context.Context, id int64, approve bool, by auth.User, address, reason string) (a db.Action, err error) {
	own := false
	err = m.DB.Tx(ctx, func(q *db.Queries) error {
		user, err := q.UserByID(ctx, by.ID)
		if err != nil {
			return err
		}
		if !user.DisabledAt.IsZero() || !auth.Role(user.Role).May(auth.Approve) {
			return ErrForbidden
		}
		if a, err = q.ActionByID(ctx, id); err != nil {
			return err
		}
		e := entry(a, user.Email, auth.Role(user.Role), auth.Done)
		e.Address, e.Reason, e.After = address, reason, a.Says
		if own = approve && a.AskedBy == user.ID; own {
			e.Action, e.Outcome = "money.approve", auth.Denied
			return auth.Audit(ctx, q, e)
		}
		return decide(ctx, q, &a, approve, user, e)
	})
	if err != nil {
		return a, fmt.Errorf("decide about action %d: %w", id, err)
	}
	if own {
		return a, ErrOwn
	}
	return a, nil
}

func decide(ctx context.Context, q *db.Queries, a *db.Action, approve bool, user db.User, e auth.Entry) error {
	params := db.DecideActionParams{State: Approved, DecidedBy: db.ID(user.ID), DecidedAt: db.Now(), ID: a.ID}
	e.Action = "money.approve"
	if !approve {
		params.State, params.Outcome, params.SettledAt = Declined, "declined by "+user.Email, db.Now()
		e.Action = "money.decline"
	}
	n, err := q.DecideAction(ctx, params)
	if err != nil {
		return err
	}
	if n == 0 {
		return refuse("this action is %s; there is nothing to decide any more", a.State)
	}
	if err := auth.Audit(ctx, q, e); err != nil {
		return err
	}
	if approve {
		if err := queue.Insert(ctx, q, RunAction{a.ID}); err != nil {
			return err
		}
	}
	*a, err = q.ActionByID(ctx, a.ID)
	return err
}
