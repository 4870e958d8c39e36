package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"bursar/app/auth"
	"bursar/app/crm"
	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/queue"
	"bursar/app/stripe"
	"bursar/app/support"
)

// Errors of asking for a repair or taking one back.
var (
	ErrGone    = errors.New("the difference is gone, or changed since you looked")
	ErrPending = errors.New("its repair was asked for already")
	ErrNoWay   = errors.New("nothing here can do this; a person must, in the other system")
)

// Bursar is who did something that no person asked for on the pages.
const Bursar = "bursar"

type (
	// RepairFinding does what a person asked for. It looks again before it does it.
	RepairFinding struct{ Repair int64 }
	// Forget lets go of what Stripe does not have: a subscription, or the link to a customer. It is done by a
	// RepairFinding only.
	Forget struct{ Subscription, StripeCustomer string }
)

func (RepairFinding) Kind() string  { return "repair_finding" }
func (a RepairFinding) Key() string { return fmt.Sprint(a.Repair) }
func (Forget) Kind() string         { return "forget" }
func (a Forget) Key() string        { return a.Subscription + a.StripeCustomer }

// Ask asks for the repair of a finding in the transaction of q. who may do so was checked by the caller, and
// is checked again when it runs.
func Ask(ctx context.Context, q *db.Queries, f db.Finding, who, why string) error {
	switch {
	case f.State != "open":
		return ErrGone
	case f.JobKind == "":
		return ErrNoWay
	}
	id, err := q.InsertRepair(ctx, db.InsertRepairParams{FindingID: f.ID, AskedBy: who, Reason: why, Before: f.Systems, Now: db.Now()})
	if errors.Is(err, db.ErrNoRows) {
		return ErrPending
	}
	if err != nil {
		return fmt.Errorf("ask for the repair of finding %d: %w", f.ID, err)
	}
	return queue.Insert(ctx, q, RepairFinding{id})
}

// doRepair does what was asked for, unless it may not be done any more.
func (r *Reconciler) doRepair(ctx context.Context, a RepairFinding) error {
	q := r.DB.Read()
	repair, err := q.RepairByID(ctx, a.Repair)
	if err != nil {
		return fmt.Errorf("repair %d: %w", a.Repair, err)
	}
	if repair.State != "asked" {
		return nil
	}
	f, err := q.FindingByID(ctx, repair.FindingID)
	if err != nil {
		return fmt.Errorf("repair %d: %w", a.Repair, err)
	}
	role, err := mayRepair(ctx, q, repair.AskedBy)
	if err == nil && f.State != "open" {
		err = ErrGone
	}
	if err != nil {
		return r.endRepair(ctx, repair, f, role, err)
	}
	if err := r.execute(ctx, f); err != nil {
		var refused *refusal
		if errors.As(err, &refused) {
			return r.endRepair(ctx, repair, f, role, err)
		}
		return fmt.Errorf("repair %d of finding %d: %w", a.Repair, f.ID, err)
	}
	return r.endRepair(ctx, repair, f, role, nil)
}

// mayRepair checks that who asked may still ask.
func mayRepair(ctx context.Context, q *db.Queries, who string) (auth.Role, error) {
	if who == Bursar {
		return "", nil
	}
	user, err := q.UserByEmail(ctx, who)
	if err != nil {
		return "", fmt.Errorf("look up %s: %w", who, err)
	}
	if role := auth.Role(user.Role); !user.DisabledAt.IsZero() || !role.May(auth.Repair) {
		return role, &refusal{who + " may not repair any more"}
	}
	return auth.Role(user.Role), nil
}

// refusal ends a repair: trying again does not help.
type refusal struct{ text string }

func (r *refusal) Error() string { return r.text }

// execute does the job of a finding.
func (r *Reconciler) execute(ctx context.Context, f db.Finding) error {
	switch f.JobKind {
	case syncKind:
		return r.Billing.SyncCustomer(ctx, f.JobKey)
	case Forget{}.Kind():
		var a Forget
		if err := json.Unmarshal([]byte(f.JobArgs), &a); err != nil {
			return queue.Discard(err)
		}
		return r.forget(ctx, a)
	case crm.SyncContact{}.Kind():
		var a crm.SyncContact
		if err := json.Unmarshal([]byte(f.JobArgs), &a); err != nil {
			return queue.Discard(err)
		}
		_, err := r.CRM.SaveContact(ctx, a.Contact)
		return err
	case support.SyncTicket{}.Kind():
		var a support.SyncTicket
		if err := json.Unmarshal([]byte(f.JobArgs), &a); err != nil {
			return queue.Discard(err)
		}
		if a.Closed {
			return r.Desk.Close(ctx, a.Ticket.Cause, a.Note)
		}
		_, err := r.Desk.Open(ctx, a.Ticket)
		return err
	}
	return &refusal{"this version of Bursar does not know how to do it"}
}

// forget lets go of something after asking Stripe once more whether it has it.
func (r *Reconciler) forget(ctx context.Context, a Forget) error {
	if r.Stripe == nil {
		return &refusal{"without STRIPE_API_KEY Stripe cannot be asked again"}
	}
	q := r.DB.Read()
	if a.Subscription != "" {
		here, err := q.SubscriptionByID(ctx, a.Subscription)
		if errors.Is(err, db.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		state, err := r.Stripe.State(ctx, here.StripeCustomer, stripe.Parts{})
		if err != nil && !errors.Is(err, stripe.ErrNotFound) {
			return queue.Unavailable(err, 0)
		}
		for _, s := range state.Subscriptions {
			if s.ID == a.Subscription {
				return &refusal{"Stripe has the subscription after all"}
			}
		}
		return r.change(ctx, here.CustomerID, func(q *db.Queries) error { return q.DeleteSubscription(ctx, a.Subscription) })
	}
	if _, err := r.Stripe.Customer(ctx, a.StripeCustomer); err == nil {
		return &refusal{"Stripe has the customer after all"}
	} else if !errors.Is(err, stripe.ErrNotFound) {
		return queue.Unavailable(err, 0)
	}
	id, err := q.LinkOf(ctx, "stripe", a.StripeCustomer)
	if errors.Is(err, db.ErrNoRows) {
		known, err := q.StripeCustomer(ctx, a.StripeCustomer)
		if errors.Is(err, db.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		id = known.CustomerID
	} else if err != nil {
		return err
	}
	return r.change(ctx, id, func(q *db.Queries) error {
		return errors.Join(q.MarkStripeCustomerDeleted(ctx, a.StripeCustomer), q.DeleteLink(ctx, "stripe", a.StripeCustomer))
	})
}

// change changes the facts of a customer and what follows from them.
func (r *Reconciler) change(ctx context.Context, id int64, fn func(*db.Queries) error) error {
	return r.DB.Tx(ctx, func(q *db.Queries) error {
		return r.Billing.Change(ctx, q, id, func() error { return fn(q) })
	})
}

// endRepair writes down what became of a repair, beside what stood there before.
func (r *Reconciler) endRepair(ctx context.Context, repair db.Repair, f db.Finding, role auth.Role, failed error) error {
	after := ""
	if f.CustomerID.Valid {
		facts, err := customer.Load(ctx, r.DB.Read(), f.CustomerID.Int64)
		if err != nil && !errors.Is(err, db.ErrNoRows) {
			return err
		}
		if err == nil {
			after = standing(facts.Record) + "; " + subscriptions(facts.Subscriptions)
		}
	}
	p := db.FinishRepairParams{State: "done", After: after, FinishedAt: db.Now(), ID: repair.ID}
	entry := auth.Entry{Actor: repair.AskedBy, Role: role, Action: "findings.repair", Target: fmt.Sprintf("finding %d", f.ID), Outcome: auth.Done,
		Reason: repair.Reason, Before: f.Actual, After: after, Detail: f.Kind + " " + f.Subject}
	if failed != nil {
		p.State, p.Error, entry.Outcome, entry.Detail = "failed", failed.Error(), auth.Failed, failed.Error()
	}
	err := r.DB.Tx(ctx, func(q *db.Queries) error {
		if failed == nil {
			now := db.Now()
			err := errors.Join(q.FixFinding(ctx, now, repair.AskedBy, f.ID), q.FixSameJob(ctx, db.FixSameJobParams{Now: now, FixedBy: repair.AskedBy,
				JobKind: f.JobKind, JobKey: f.JobKey, RunID: f.RunID}))
			if err != nil {
				return err
			}
		}
		return errors.Join(q.FinishRepair(ctx, p), auth.Audit(ctx, q, entry))
	})
	if err != nil {
		return fmt.Errorf("end repair %d: %w", repair.ID, err)
	}
	return nil
}

// PutBack takes back the repair of a fixed finding in the transaction of q: what stood there before is written
// again, and the finding is dismissed, so that it stays.
func PutBack(ctx context.Context, q *db.Queries, f db.Finding, who string) error {
	if f.State != "fixed" {
		return ErrGone
	}
	if f.Before == "" {
		return ErrNoWay
	}
	n, err := q.DismissFinding(ctx, db.DismissFindingParams{Now: db.Now(), Who: who, Why: "put back as it was", ID: f.ID})
	if err != nil {
		return fmt.Errorf("put back finding %d: %w", f.ID, err)
	}
	if n == 0 {
		return ErrGone
	}
	return queue.Insert(ctx, q, storedJob{f.JobKind, f.JobKey, json.RawMessage(f.Before)})
}

// repairAll asks for every repair that a run proposes, as --repair does. More than the cap are too many to
// be right: then none is asked for.
func (c *comparison) repairAll(ctx context.Context, q *db.Queries) error {
	n, err := q.CountProposals(ctx, c.row.ID)
	if err != nil || n == 0 {
		return err
	}
	if n > int64(c.Cap) {
		c.row.Note = fmt.Sprintf("%d repairs that take something away are more than %d (BURSAR_REPAIR_CAP): none was done. Confirm them one by one on the page of this report.", n, c.Cap)
		return nil
	}
	list, err := q.ProposalsOfRun(ctx, c.row.ID, n)
	if err != nil {
		return err
	}
	for _, f := range list {
		if err := Ask(ctx, q, f, Bursar, "bursar reconcile --repair"); err != nil && !errors.Is(err, ErrPending) {
			return err
		}
		err := auth.Audit(ctx, q, auth.Entry{Actor: Bursar, Action: "findings.repair", Target: fmt.Sprintf("finding %d", f.ID), Outcome: auth.Asked,
			Reason: "bursar reconcile --repair", Before: f.Actual, Detail: f.Kind + " " + f.Subject})
		if err != nil {
			return err
		}
	}
	return nil
}
