package money

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"bursar/app/auth"
	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/queue"
)

// Request is what somebody asks for.
type Request struct {
	Kind     Kind
	Customer int64
	Target   string
	Amount   int64 // of a refund
	Params   Params
	Reason   string
	Token    string    // of the form: the same one twice is one action
	Seen     int64     // the newest action on the target when the form was shown
	User     auth.User // who asks
	Address  string    // where from
}

const (
	maxReason = 500 // characters
	maxToken  = 100
)

// Errors of Ask besides a Refusal.
var (
	ErrForbidden = errors.New("this role may not do that")
	ErrNoKey     = errors.New("STRIPE_ACTIONS_KEY is not set")
)

// Ask stores what somebody asks for, with its row of the audit and, unless a second person must approve it,
// the job that does it. isNew is false if the same form asked before. A Refusal says why it cannot be done;
// then nothing is stored.
func (m *Money) Ask(ctx context.Context, r Request) (a db.Action, isNew bool, err error) {
	if m.Stripe == nil {
		return a, false, ErrNoKey
	}
	r.Reason = strings.TrimSpace(r.Reason)
	if err := r.check(); err != nil {
		return a, false, err
	}
	err = m.DB.Tx(ctx, func(q *db.Queries) error {
		a, err = q.ActionByToken(ctx, r.Token)
		if err == nil {
			return r.sameAs(a)
		}
		if !errors.Is(err, db.ErrNoRows) {
			return err
		}
		a, err = m.store(ctx, q, r)
		isNew = err == nil
		return err
	})
	if err != nil {
		return db.Action{}, false, fmt.Errorf("ask for %s of %s: %w", r.Kind, r.Target, err)
	}
	m.step("asked")
	return a, isNew, nil
}

func (r Request) check() error {
	switch {
	case !slices.Contains(Kinds(), r.Kind):
		return refuse("there is no such action")
	case r.Reason == "":
		return refuse("give a reason: it is kept with the action")
	case utf8.RuneCountInString(r.Reason) > maxReason || !utf8.ValidString(r.Reason) || strings.ContainsFunc(r.Reason, func(c rune) bool { return unicode.IsControl(c) && c != '\n' && c != '\r' }):
		return refuse("the reason must be at most %d characters of plain text", maxReason)
	case r.Token == "" || len(r.Token) > maxToken:
		return refuse("open the page again and send the form from there")
	}
	return nil
}

// sameAs refuses a token that was used for something else.
func (r Request) sameAs(a db.Action) error {
	if a.AskedBy != r.User.ID || a.Kind != string(r.Kind) || a.Target != r.Target {
		return refuse("this form was used for something else already; open the page again")
	}
	return nil
}

// store checks everything again in the transaction that stores: two people who ask at once come one after
// the other.
func (m *Money) store(ctx context.Context, q *db.Queries, r Request) (a db.Action, err error) {
	user, err := q.UserByID(ctx, r.User.ID)
	if err != nil {
		return a, err
	}
	role := auth.Role(user.Role)
	if !user.DisabledAt.IsZero() || !role.May(r.Kind.Permission()) {
		return a, ErrForbidden
	}
	facts, err := customer.Load(ctx, q, r.Customer)
	if err != nil {
		return a, err
	}
	thing, err := Find(facts, r.Kind, r.Target)
	if err == nil {
		err = Possible(facts, r.Kind, thing)
	}
	if err == nil {
		err = r.checkOthers(ctx, q)
	}
	if err != nil {
		return a, err
	}
	if r.Amount, err = amountOf(ctx, q, facts, r, thing); err != nil {
		return a, err
	}
	approval, err := m.Approval(ctx, q, r.Kind, user.ID, role, r.Amount, thing.Currency(), time.Now(), math.MaxInt64)
	if err != nil {
		return a, err
	}
	return insert(ctx, q, r, facts, thing, user, approval)
}

// checkOthers refuses to act on what somebody else is acting on, or has since the form was shown.
func (r Request) checkOthers(ctx context.Context, q *db.Queries) error {
	open, err := q.OpenActionOn(ctx, r.Target)
	if err != nil {
		return err
	}
	if len(open) > 0 {
		return refuse("action %d on the same thing is not settled yet: %s", open[0].ID, open[0].Says)
	}
	last, err := q.LastActionOf(ctx, r.Target)
	if err != nil {
		return err
	}
	if last > r.Seen {
		return refuse("somebody acted on this since the page was shown (action %d); look again before you go on", last)
	}
	return nil
}

// amountOf is what the row says about money, checked where the person chose it.
func amountOf(ctx context.Context, q *db.Queries, f customer.Facts, r Request, t Thing) (int64, error) {
	switch r.Kind {
	case Refund:
		left, err := Left(ctx, q, f, *t.Charge)
		switch {
		case err != nil:
			return 0, err
		case r.Amount <= 0:
			return 0, refuse("the amount must be more than nothing")
		case r.Amount > left:
			return 0, refuse("%s is more than the %s that is left of this payment", customer.FormatAmount(r.Amount, t.Charge.Currency), customer.FormatAmount(left, t.Charge.Currency))
		}
		return r.Amount, nil
	case PayInvoice:
		return t.Invoice.AmountDue, nil
	case ChangePlan:
		if r.Params.Plan == nil || r.Params.Plan.FromPrice != t.Subscription.Price || r.Params.Plan.Subscription != t.Subscription.ID {
			return 0, refuse("the plan has changed since the page was shown; look again")
		}
		return r.Params.Plan.Cost(), nil
	case Pause:
		if !slices.Contains(Behaviors(), r.Params.Behavior) {
			return 0, refuse("choose what becomes of the invoices meanwhile")
		}
	}
	return 0, nil
}

func insert(ctx context.Context, q *db.Queries, r Request, f customer.Facts, t Thing, user db.User, approval string) (a db.Action, err error) {
	if r.Kind == SendReceipt {
		r.Params.Email = Address(f, t.Charge.StripeCustomer)
	}
	params, err := json.Marshal(r.Params)
	if err != nil {
		return a, err
	}
	state := Approved
	if approval != "" {
		state = Proposed
	}
	a, err = q.InsertAction(ctx, db.InsertActionParams{Kind: string(r.Kind), CustomerID: r.Customer, StripeCustomer: t.stripeCustomer(), Target: r.Target,
		Amount: r.Amount, Currency: t.Currency(), Params: string(params), Says: Says(r.Kind, t, r.Amount, r.Params), Reason: r.Reason,
		AskedBy: user.ID, AskedRole: user.Role, AskedAt: db.Now(), FormToken: r.Token, Key: "bursar-" + rand.Text(), Approval: approval, State: state})
	if err != nil {
		return a, err
	}
	e := entry(a, user.Email, auth.Role(user.Role), auth.Asked)
	e.Address, e.Reason, e.Before, e.After = r.Address, r.Reason, Before(f, t), a.Says
	if err := auth.Audit(ctx, q, e); err != nil || state == Proposed {
		return a, err
	}
	return a, queue.Insert(ctx, q, RunAction{a.ID})
}
