package customer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"bursar/app/db"
)

// ErrMerge is wrapped where two customers cannot be joined, or not taken apart; its text says why, for people.
var ErrMerge = errors.New("this cannot be done")

// Merge moves everything of customer from to customer into, and removes the first. What moved is kept for Unmerge. by
// is who asked for it, "" if a purchase named the same user. What follows for the record of into is for the caller to
// do (billing.Merge).
func Merge(ctx context.Context, q *db.Queries, from, into int64, by, reason string) (id int64, err error) {
	gone, stays, err := pair(ctx, q, from, into)
	if err != nil {
		return 0, err
	}
	contact, err := contactOf(ctx, q, from)
	if err != nil {
		return 0, err
	}
	rows, err := q.RowsOfCustomer(ctx, from)
	if err != nil {
		return 0, fmt.Errorf("list what customer %d has: %w", from, err)
	}
	moved := map[string][]string{}
	for _, r := range rows {
		moved[r.Kind] = append(moved[r.Kind], r.RowKey)
	}
	id, err = q.InsertMerge(ctx, db.InsertMergeParams{FromID: from, IntoID: into, FromRecord: text(gone), IntoRecord: text(stays),
		Contact: text(contact), Moved: text(moved), Reason: reason, MergedBy: by, CreatedAt: db.Now()})
	if err != nil {
		return 0, fmt.Errorf("keep what moves from customer %d to %d: %w", from, into, err)
	}
	if err := move(ctx, q, from, into); err != nil {
		return 0, fmt.Errorf("merge customer %d into %d: %w", from, into, err)
	}
	// A subscription in a state this Bursar does not know keeps the access there was: the better of the two.
	if rank[gone.Access] > rank[stays.Access] {
		stays.Access = gone.Access
		if err := q.UpdateCustomer(ctx, params(stays)); err != nil {
			return 0, fmt.Errorf("keep the access of customer %d: %w", from, err)
		}
	}
	return id, q.InsertTimeline(ctx, into, fmt.Sprintf("Joined with customer %d: %s.", from, strings.TrimRight(reason, ".")), db.Now())
}

// pair reads two customers that are to be joined.
func pair(ctx context.Context, q *db.Queries, from, into int64) (gone, stays db.Customer, err error) {
	if from == into {
		return gone, stays, fmt.Errorf("%w: customer %d is one customer already", ErrMerge, from)
	}
	for id, c := range map[int64]*db.Customer{from: &gone, into: &stays} {
		*c, err = q.CustomerByID(ctx, id)
		switch {
		case errors.Is(err, db.ErrNoRows):
			return gone, stays, fmt.Errorf("%w: there is no customer %d; it may have been joined with another", ErrMerge, id)
		case err != nil:
			return gone, stays, fmt.Errorf("read customer %d: %w", id, err)
		case !c.ErasedAt.IsZero():
			return gone, stays, fmt.Errorf("%w: customer %d was erased", ErrMerge, id)
		}
	}
	return gone, stays, nil
}

// contactOf is the contact of a customer, nil if there is none.
func contactOf(ctx context.Context, q *db.Queries, id int64) (*db.Contact, error) {
	c, err := q.ContactOf(ctx, id)
	if errors.Is(err, db.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the contact of customer %d: %w", id, err)
	}
	return &c, nil
}

func move(ctx context.Context, q *db.Queries, from, into int64) error {
	return inTurn(
		func() error { return q.MoveLinks(ctx, into, from) },
		func() error { return q.MoveStripeCustomers(ctx, into, from) },
		func() error { return q.MoveSubscriptions(ctx, into, from) },
		func() error { return q.MoveInvoices(ctx, into, from) },
		func() error { return q.MoveCharges(ctx, into, from) },
		func() error { return q.MoveRefunds(ctx, into, from) },
		func() error { return q.MoveDisputes(ctx, into, from) },
		func() error { return q.MoveCheckouts(ctx, into, from) },
		func() error { return q.MoveTimeline(ctx, into, from) },
		func() error { return q.MoveTickets(ctx, db.ID(into), db.ID(from)) },
		func() error { return q.MoveTasks(ctx, into, from) },
		func() error { return q.MoveNotes(ctx, into, from) },
		func() error { return q.MoveFindings(ctx, db.ID(into), db.ID(from)) },
		func() error { return q.MoveActions(ctx, into, from) },
		func() error { return q.MoveExternalRefs(ctx, into, from) },
		func() error { return q.MoveExternalWrites(ctx, into, from) },
		func() error { return q.MoveJobs(ctx, into, from) },
		func() error { return q.MoveContact(ctx, into, from) },
		func() error { return q.DeleteContactOf(ctx, from) },
		func() error { return q.DeleteCustomer(ctx, from) },
	)
}

// Lasting is the customer that a number leads to: itself, or the one it was joined with. db.ErrNoRows if there is none.
func Lasting(ctx context.Context, q *db.Queries, id int64) (int64, error) {
	for {
		_, err := q.CustomerByID(ctx, id)
		if !errors.Is(err, db.ErrNoRows) {
			return id, err
		}
		if id, err = q.MergedInto(ctx, id); err != nil { // each goes to one that stayed longer: there is no circle
			return 0, err
		}
	}
}

// Separable says why a merge cannot be taken back, nil if it can.
func Separable(ctx context.Context, q *db.Queries, m db.Merge) error {
	if !m.UnmergedAt.IsZero() {
		return fmt.Errorf("%w: customers %d and %d were taken apart already", ErrMerge, m.FromID, m.IntoID)
	}
	if m.MergedBy == "" {
		return fmt.Errorf("%w: a purchase names the same user of the product, and the next reading of Stripe would join customers %d and %d again", ErrMerge, m.FromID, m.IntoID)
	}
	_, err := q.CustomerByID(ctx, m.IntoID)
	if errors.Is(err, db.ErrNoRows) {
		return fmt.Errorf("%w: customer %d was joined with another in the meantime; take those apart first", ErrMerge, m.IntoID)
	}
	return err
}

// Unmerge takes two customers apart: what moved goes back, each under its number. What came since goes back as well if
// it is of a Stripe customer, or of a user, that goes back; the rest stays. m is Separable. What follows for both records is for the
// caller to do (billing.Unmerge).
func Unmerge(ctx context.Context, q *db.Queries, m db.Merge, by string) error {
	var gone, stays db.Customer
	var contact *db.Contact
	var moved map[string][]string
	if err := errors.Join(json.Unmarshal([]byte(m.FromRecord), &gone), json.Unmarshal([]byte(m.IntoRecord), &stays),
		json.Unmarshal([]byte(m.Contact), &contact), json.Unmarshal([]byte(m.Moved), &moved)); err != nil {
		return fmt.Errorf("read what merge %d moved: %w", m.ID, err)
	}
	if err := inTurn(
		func() error {
			return q.RestoreCustomer(ctx, db.RestoreCustomerParams{ID: gone.ID, Name: gone.Name, Email: gone.Email, CreatedAt: gone.CreatedAt, UpdatedAt: gone.UpdatedAt})
		},
		func() error { return q.UpdateCustomer(ctx, params(gone)) },
		func() error { return q.UpdateCustomer(ctx, params(stays)) },
		func() error { return moveBack(ctx, q, m, moved) },
		func() error { return giveContactBack(ctx, q, m, stays.ID, contact) },
	); err != nil {
		return fmt.Errorf("take customer %d out of %d: %w", m.FromID, m.IntoID, err)
	}
	if _, err := q.EndMerge(ctx, by, db.Now(), m.ID); err != nil {
		return fmt.Errorf("end merge %d: %w", m.ID, err)
	}
	return errors.Join(
		q.InsertTimeline(ctx, m.FromID, fmt.Sprintf("Taken apart from customer %d again.", m.IntoID), db.Now()),
		q.InsertTimeline(ctx, m.IntoID, fmt.Sprintf("Taken apart from customer %d again.", m.FromID), db.Now()))
}

// moveBack moves the links first: they tell of the rest to whom it belongs.
func moveBack(ctx context.Context, q *db.Queries, m db.Merge, moved map[string][]string) error {
	to, from := m.FromID, m.IntoID
	keys := func(table string) string { return text(append([]string{}, moved[table]...)) }
	objects := ""
	return inTurn(
		func() error { return q.MoveLinksBack(ctx, to, from, keys("links")) },
		func() error { return q.MoveNewLinksBack(ctx, to, from, m.CreatedAt) },
		func() error { return q.MoveStripeCustomersBack(ctx, to, from, keys("stripe_customers")) },
		func() error { return q.MoveSubscriptionsBack(ctx, to, from, keys("subscriptions")) },
		func() error { return q.MoveInvoicesBack(ctx, to, from, keys("invoices")) },
		func() error { return q.MoveChargesBack(ctx, to, from, keys("charges")) },
		func() error { return q.MoveRefundsBack(ctx, to, from, keys("refunds")) },
		func() error { return q.MoveDisputesBack(ctx, to, from, keys("disputes")) },
		func() error { return q.MoveCheckoutsBack(ctx, to, from, keys("checkouts")) },
		func() error { return q.MoveActionsBack(ctx, to, from, keys("actions")) },
		func() error { return q.MoveTimelineBack(ctx, to, from, keys("timeline")) },
		func() error { return q.MoveFindingsBack(ctx, db.ID(to), db.ID(from), keys("findings")) },
		func() error { return q.MoveExternalRefsBack(ctx, to, from, keys("external_refs")) },
		func() error { return q.MoveExternalWritesBack(ctx, to, from, keys("external_writes")) },
		func() error {
			ids, err := q.ObjectsOfCustomer(ctx, to)
			objects = text(append([]string{}, ids...))
			return err
		},
		func() error {
			return q.MoveTicketsBack(ctx, db.MoveTicketsBackParams{ToID: db.ID(to), FromID: db.ID(from), Keys: keys("tickets"), Objects: objects})
		},
		func() error {
			return q.MoveTasksBack(ctx, db.MoveTasksBackParams{ToID: to, FromID: from, Keys: keys("tasks"), Objects: objects})
		},
		func() error {
			return q.MoveNotesBack(ctx, db.MoveNotesBackParams{ToID: to, FromID: from, Keys: keys("notes"), Objects: objects})
		},
		func() error {
			return q.MoveJobsBack(ctx, db.MoveJobsBackParams{ToID: to, FromID: from, Keys: keys("jobs"), Objects: objects})
		},
	)
}

// giveContactBack gives back the contact that moved along, or the one that went because the other had one.
func giveContactBack(ctx context.Context, q *db.Queries, m db.Merge, stays int64, contact *db.Contact) error {
	if contact == nil {
		return nil
	}
	there, err := contactOf(ctx, q, stays)
	if err != nil {
		return err
	}
	if there != nil && there.ID == contact.ID { // the other gets one of its own, if it needs one
		if err := q.DeleteContactOf(ctx, stays); err != nil {
			return err
		}
	}
	return q.RestoreContact(ctx, db.RestoreContactParams(*contact))
}

func inTurn(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// text is a value as JSON; only what always has a form there is given to it.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("customer: %T has no JSON: %v", v, err)) // rows, lists and maps of strings
	}
	return string(b)
}

// params are the columns of a record that change.
func params(r db.Customer) db.UpdateCustomerParams {
	return db.UpdateCustomerParams{Name: r.Name, Email: r.Email, Plan: r.Plan, Status: r.Status, Access: r.Access, AccessReason: r.AccessReason,
		AccessUntilAt: r.AccessUntilAt, LastPaidAt: r.LastPaidAt, LastPaymentStatus: r.LastPaymentStatus, LastPaymentAmount: r.LastPaymentAmount,
		LastPaymentCurrency: r.LastPaymentCurrency, RefundedAmount: r.RefundedAmount, OpenDisputes: r.OpenDisputes, Deleted: r.Deleted,
		Source: r.Source, AsOfAt: r.AsOfAt, UpdatedAt: r.UpdatedAt, SyncedAt: r.SyncedAt, ID: r.ID}
}
