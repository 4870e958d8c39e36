package money

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bursar/app/auth"
	"bursar/app/billing"
	"bursar/app/db"
	"bursar/app/queue"
	"bursar/app/stripe"
)

const (
	// keyLifetime is how long after the first request a second one with the same key is sure to be answered
	// with the first one's result. Stripe keeps keys for at least 24 hours
	// (https://docs.stripe.com/api/idempotent_requests).
	keyLifetime = 23 * time.Hour

	// underWay is how long a request whose answer was lost may still be at work in Stripe. What is not there
	// by then was not done.
	underWay = 2 * time.Minute
)

// Run takes an action one step further: it searches Stripe for what the action wants, and only if it is not
// there, and may still be done, asks for it. It may run at any time and any number of times.
func (m *Money) Run(ctx context.Context, id int64) error {
	a, err := m.DB.Read().ActionByID(ctx, id)
	if err != nil {
		return fmt.Errorf("read action %d: %w", id, err)
	}
	if IsFinal(a.State) || a.State == Proposed {
		return nil
	}
	p, err := paramsOf(a)
	if err != nil {
		return queue.Discard(err)
	}
	if m.Stripe == nil {
		return fmt.Errorf("action %d: %w", id, ErrNoKey)
	}
	found, err := m.look(ctx, a, p)
	switch {
	case err != nil && a.SentAt.IsZero() && stripe.Refused(err):
		return m.settle(ctx, a, Failed, "", "Stripe was not asked: "+err.Error())
	case err != nil:
		return later(fmt.Errorf("look for action %d at Stripe: %w", id, err))
	case found.state != "":
		return m.settleFound(ctx, a, found)
	}
	err = m.DB.Tx(ctx, func(q *db.Queries) error { return q.LookedForAction(ctx, db.Now(), id) })
	if err != nil {
		return err
	}
	restored, err := db.ReadRestored(ctx, m.DB.Read())
	if err != nil {
		return err
	}
	if a.AskedAt.Before(restored.At) {
		return m.leave(ctx, a, found.refusal)
	}
	why, err := m.forbidden(ctx, a)
	if err != nil {
		return err
	}
	if why == "" {
		why = found.refusal
	}
	if why != "" {
		return m.drop(ctx, a, why)
	}
	m.step("looked")
	return m.send(ctx, a, p)
}

// drop ends an action that must not be done, or not any more: at once if Stripe was never asked, else when a
// request that might still be under way would show.
func (m *Money) drop(ctx context.Context, a db.Action, why string) error {
	if a.SentAt.IsZero() {
		return m.settle(ctx, a, Failed, "", "nothing was done: "+why)
	}
	if until := a.ResentAt.Add(underWay); time.Now().Before(until) {
		return queue.Snooze(until, fmt.Errorf("action %d is not asked for again (%s), but the last request may still be under way", a.ID, why))
	}
	return m.settle(ctx, a, Failed, "", "it is not at Stripe, and it was not asked for again: "+why)
}

// leave ends an action that is in a file restored from a backup, and that Stripe does not show. It may have been done
// after the copy was made, and undone again by somebody: it is never asked for once more.
func (m *Money) leave(ctx context.Context, a db.Action, refusal string) error {
	text := "Stripe does not show it, and it is not asked for again: a backup from before it was settled was restored"
	if refusal != "" {
		text += "; " + refusal
	}
	return m.settle(ctx, a, Failed, "", text)
}

// forbidden says why the people of an action may not have it done any more, "" if they may: roles, accounts
// and caps may have changed since it was asked for.
func (m *Money) forbidden(ctx context.Context, a db.Action) (string, error) {
	q := m.DB.Read()
	user, err := q.UserByID(ctx, a.AskedBy)
	if err != nil {
		return "", fmt.Errorf("read who asked for action %d: %w", a.ID, err)
	}
	role, kind := auth.Role(user.Role), Kind(a.Kind)
	switch {
	case !user.DisabledAt.IsZero():
		return "who asked for it was disabled", nil
	case !role.May(kind.Permission()):
		return "who asked for it is " + user.Role + " now, and may not", nil
	case !a.DecidedBy.Valid && a.Approval != "":
		return "a second person must approve it", nil
	case !a.DecidedBy.Valid:
		why, err := m.Approval(ctx, q, kind, user.ID, role, a.Amount, a.Currency, a.AskedAt.Time, a.ID)
		if why != "" {
			why = "a second person is needed by now: " + why
		}
		return why, err
	}
	second, err := q.UserByID(ctx, a.DecidedBy.Int64)
	switch {
	case err != nil:
		return "", fmt.Errorf("read who approved action %d: %w", a.ID, err)
	case second.ID == user.ID:
		return ErrOwn.Error(), nil
	case !second.DisabledAt.IsZero() || !auth.Role(second.Role).May(auth.Approve):
		return "who approved it may not any more", nil
	}
	return "", nil
}

// send asks Stripe, once. That it is about to is on disk before, and what came of it after.
func (m *Money) send(ctx context.Context, a db.Action, p Params) error {
	again := !a.SentAt.IsZero()
	n := int64(0)
	err := m.DB.Tx(ctx, func(q *db.Queries) (err error) {
		n, err = q.SendAction(ctx, db.Now(), a.ID)
		return err
	})
	if err != nil || n == 0 {
		return err
	}
	m.step("marked")
	answer, err := m.ask(ctx, a, p)
	m.step("answered")
	// What was asked of Stripe is written down even while the process stops.
	ctx = context.WithoutCancel(ctx)
	switch {
	case err == nil:
		return m.settleFound(ctx, a, answer)
	case errors.Is(err, stripe.ErrRateLimited):
		return later(fmt.Errorf("action %d: %w", a.ID, err))
	case stripe.Refused(err) && again:
		// The first request may have been done in the meantime, and be why this one is refused.
		if found, lookErr := m.look(ctx, a, p); lookErr != nil || found.state != "" {
			return errors.Join(later(lookErr), m.settleFound(ctx, a, found))
		}
		return m.settle(ctx, a, Failed, "", err.Error())
	case stripe.Refused(err):
		return m.settle(ctx, a, Failed, "", err.Error())
	case stripe.Broken(err) && Kind(a.Kind) != SendInvoice:
		return m.settleBroken(ctx, a, p, err)
	}
	if err := m.settle(ctx, a, Unknown, "", err.Error()); err != nil {
		return err
	}
	return later(fmt.Errorf("nobody knows yet what came of action %d: %w", a.ID, err))
}

// settleBroken ends an action at whose first request Stripe failed, as it says again. That request has ended, so
// what is not there once it had time to show was not done. A mailed invoice never shows: of it nobody knows.
func (m *Money) settleBroken(ctx context.Context, a db.Action, p Params, broken error) error {
	found, err := m.look(ctx, a, p)
	if err != nil || found.state != "" {
		return errors.Join(later(err), m.settleFound(ctx, a, found))
	}
	first := a.SentAt.Time
	if first.IsZero() { // the row is of an older copy of the file
		first = time.Now()
	}
	if until := first.Add(underWay); time.Now().Before(until) {
		if err := m.settle(ctx, a, Unknown, "", broken.Error()); err != nil {
			return err
		}
		return queue.Snooze(until, fmt.Errorf("Stripe failed at action %d, and what it did may not show yet: %w", a.ID, broken))
	}
	return m.settle(ctx, a, Failed, "", "Stripe failed at it and has done nothing: it is not there, and can be asked for again ("+broken.Error()+")")
}

func (m *Money) settleFound(ctx context.Context, a db.Action, f found) error {
	if f.state == "" {
		return nil
	}
	return m.settle(ctx, a, f.state, f.object, f.text)
}

// settle writes what came of an action, tells the audit, and has the customer read again.
func (m *Money) settle(ctx context.Context, a db.Action, state, object, text string) error {
	err := m.DB.Tx(ctx, func(q *db.Queries) error {
		at := db.Time{}
		if IsFinal(state) {
			at = db.Now()
		}
		n, err := q.SettleAction(ctx, db.SettleActionParams{State: state, StripeObject: object, Outcome: text, SettledAt: at, ID: a.ID})
		if err != nil || n == 0 || state == a.State { // it is unknown still
			return err
		}
		user, err := q.UserByID(ctx, a.AskedBy)
		if err != nil {
			return err
		}
		outcome := map[string]string{Done: auth.Done, Failed: auth.Failed, Unknown: auth.Unknown}[state]
		e := entry(a, user.Email, auth.Role(a.AskedRole), outcome)
		e.Reason, e.After = a.Reason, a.Says
		e.Detail += ": " + text
		if err := auth.Audit(ctx, q, e); err != nil {
			return err
		}
		if state == Done {
			line := fmt.Sprintf("%s (asked for by %s: %s)", a.Says, user.Email, a.Reason)
			if err := q.InsertTimeline(ctx, a.CustomerID, line, db.Now()); err != nil {
				return err
			}
		}
		if a.StripeCustomer == "" {
			return nil
		}
		return queue.Hurry(ctx, q, billing.SyncCustomer{StripeCustomer: a.StripeCustomer}, time.Now())
	})
	if err != nil {
		return fmt.Errorf("write that action %d is %s: %w", a.ID, state, err)
	}
	m.step("settled")
	return nil
}

// later says in the queue's terms when to try again.
func later(err error) error {
	var e *stripe.Error
	after := time.Duration(0)
	if errors.As(err, &e) {
		after = e.RetryAfter
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, stripe.ErrUnauthorized):
		return queue.Unauthorized(err)
	case errors.Is(err, stripe.ErrRateLimited), errors.Is(err, stripe.ErrUnavailable):
		return queue.Unavailable(err, after)
	}
	return err
}
