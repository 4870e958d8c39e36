package billing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bursar/app/automation"
	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/stripe"
)

// SyncCustomer reads everything that Stripe says of one of its customers, writes it, and queues what follows
// from the change. It may run at any time and any number of times.
func (b *Billing) SyncCustomer(ctx context.Context, id string) error {
	seq, err := b.DB.Read().LastEventSeq(ctx)
	if err != nil {
		return fmt.Errorf("read customer %s: %w", id, err)
	}
	return b.sync(ctx, id, stripe.All, seq)
}

// syncNews is SyncCustomer for so much as the news can have changed.
func (b *Billing) syncNews(ctx context.Context, id string) error {
	seq, err := b.DB.Read().LastEventSeq(ctx) // before the news: what comes from now on is news to the next reading
	if err != nil {
		return fmt.Errorf("look for news of customer %s: %w", id, err)
	}
	parts, err := newsOf(ctx, b.DB.Read(), id)
	if err != nil {
		return fmt.Errorf("look for news of customer %s: %w", id, err)
	}
	return b.sync(ctx, id, parts, seq)
}

func (b *Billing) sync(ctx context.Context, id string, parts stripe.Parts, seq int64) error {
	state, retry, err := b.read(ctx, id, parts)
	if err != nil {
		return err
	}
	err = b.DB.Tx(ctx, func(q *db.Queries) error { return b.write(ctx, q, state, seq) })
	if err != nil {
		return fmt.Errorf("write customer %s: %w", id, err)
	}
	return retry
}

// errOvertaken is a reading of everything that is older than one of less, which has been written.
var errOvertaken = errors.New("a later reading was written first, and it did not read everything")

// write takes over a state. Events up to seq were stored when it began to be read; 0 if that is not known.
func (b *Billing) write(ctx context.Context, q *db.Queries, s stripe.State, seq int64) error {
	known, err := q.StripeCustomer(ctx, s.Customer.ID)
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return err
	}
	if s.AsOf.IsZero() { // neither Stripe nor an event says anything new, but time has passed
		if known.ID == "" {
			return nil
		}
		return b.Change(ctx, q, known.CustomerID, func() error { return nil })
	}
	// Also when they were erased while Stripe was being read.
	if erased, err := IsErased(ctx, q, s.Customer); err != nil || erased {
		return err
	}
	// Another reading may have begun later and been written earlier: the row must not go back.
	if s.Source == stripe.SourceAPI && s.AsOf.Before(known.ConfirmedAt.Time) {
		if whole(s) && known.WholeAt.Before(s.AsOf) {
			return errOvertaken
		}
		return nil
	}
	id, err := bind(ctx, q, s)
	if err != nil {
		return err
	}
	return b.Change(ctx, q, id, func() error { return b.mirror(ctx, q, id, s, seq) })
}

// bind finds or makes the canonical customer by the Stripe customer and by whatever user of the product
// the purchases name.
func bind(ctx context.Context, q *db.Queries, s stripe.State) (id int64, err error) {
	for _, user := range usersOf(s) {
		id, err = customer.Bind(ctx, q, s.Customer.ID, user)
		if err != nil && !errors.Is(err, customer.ErrTwoPeople) { // the reconciler shows those to a person
			return 0, err
		}
	}
	return id, nil
}

// usersOf are the users named by checkouts, then by metadata, each once; one blank if nobody is named.
func usersOf(s stripe.State) []string {
	var users []string
	add := func(user string) {
		if user != "" && !slices.Contains(users, user) {
			users = append(users, user)
		}
	}
	for _, c := range s.Checkouts {
		add(userOf(c))
	}
	for _, sub := range s.Subscriptions {
		add(sub.Metadata["user_id"])
	}
	add(s.Customer.Metadata["user_id"])
	if len(users) == 0 {
		return []string{""}
	}
	return users
}

func userOf(c stripe.Checkout) string {
	if c.ClientReferenceID != "" {
		return c.ClientReferenceID
	}
	return c.Metadata["user_id"]
}

// Change runs fn, which changes the stored facts of a customer, then brings the record in line and
// queues what follows from the change. All of it is in the transaction of q.
func (b *Billing) Change(ctx context.Context, q *db.Queries, id int64, fn func() error) error {
	before, err := customer.Load(ctx, q, id)
	if err != nil {
		return err
	}
	if err := fn(); err != nil {
		return err
	}
	after, err := customer.Load(ctx, q, id)
	if err != nil {
		return err
	}
	now := time.Now()
	after.Record = after.RecordAt(now)
	if err := b.save(ctx, q, before.Record, after, now); err != nil {
		return err
	}
	// What was wanted at the last sync is what has been queued: the clock alone may want more now.
	wanted := automation.Want(before, before.Record.SyncedAt.Time)
	if err := asWritten(ctx, q, id, &wanted); err != nil {
		return err
	}
	return follow(ctx, q, wanted, after, now)
}

// asWritten takes the ids of the contact as they were before from where it stands: whose purchase this is was bound
// already, so that the facts before have the new ids too.
func asWritten(ctx context.Context, q *db.Queries, id int64, wanted *automation.Wanted) error {
	row, err := q.ContactOf(ctx, id)
	switch {
	case errors.Is(err, db.ErrNoRows):
		wanted.Contact = nil
		return nil
	case err == nil && wanted.Contact != nil:
		wanted.Contact.UserID, wanted.Contact.StripeIDs = row.UserID, row.StripeIds
	}
	return err
}

func (b *Billing) save(ctx context.Context, q *db.Queries, before db.Customer, after customer.Facts, now time.Time) error {
	r := after.Record
	updated := before.UpdatedAt
	if line := describe(before, r); line != "" {
		updated = db.At(now)
		if err := q.InsertTimeline(ctx, r.ID, line, db.At(now)); err != nil {
			return err
		}
	}
	if r.Access == customer.Full || r.Access == customer.Grace {
		restored, err := db.ReadRestored(ctx, q)
		if err != nil {
			return err
		}
		lost := db.ActivateCheckoutsParams{CopyAt: db.At(restored.CopyAt), RestoredAt: db.At(restored.At), Now: now.UnixMilli(), CustomerID: r.ID}
		if err := q.ActivateCheckouts(ctx, lost); err != nil {
			return err
		}
	}
	return q.UpdateCustomer(ctx, db.UpdateCustomerParams{Name: r.Name, Email: r.Email, Plan: r.Plan, Status: r.Status,
		Access: r.Access, AccessReason: r.AccessReason, AccessUntilAt: r.AccessUntilAt, LastPaidAt: r.LastPaidAt,
		LastPaymentStatus: r.LastPaymentStatus, LastPaymentAmount: r.LastPaymentAmount, LastPaymentCurrency: r.LastPaymentCurrency,
		RefundedAmount: r.RefundedAmount, OpenDisputes: r.OpenDisputes, Deleted: r.Deleted, Source: r.Source, AsOfAt: r.AsOfAt,
		UpdatedAt: updated, SyncedAt: db.At(now), ID: r.ID})
}

// describe says in words what is different, "" if nothing a person would care for.
func describe(before, after db.Customer) string {
	var parts []string
	say := func(what, was, is string) {
		if was == is {
			return
		}
		if was == "" {
			parts = append(parts, what+" is "+is)
			return
		}
		if is == "" {
			is = "nothing"
		}
		parts = append(parts, what+": "+was+" → "+is)
	}
	say("plan", before.Plan, after.Plan)
	say("status", before.Status, after.Status)
	if before.Access != after.Access {
		parts = append(parts, fmt.Sprintf("access: %s → %s (%s)", before.Access, after.Access, after.AccessReason))
	}
	say("last payment", before.LastPaymentStatus, after.LastPaymentStatus)
	say("name", before.Name, after.Name)
	say("e-mail", before.Email, after.Email)
	if after.OpenDisputes != before.OpenDisputes {
		parts = append(parts, fmt.Sprintf("open disputes: %d → %d", before.OpenDisputes, after.OpenDisputes))
	}
	if after.RefundedAmount != before.RefundedAmount {
		parts = append(parts, "refunded: "+customer.FormatAmount(after.RefundedAmount, after.LastPaymentCurrency))
	}
	if after.Deleted && !before.Deleted {
		parts = append(parts, "deleted in Stripe")
	}
	if len(parts) == 0 {
		return ""
	}
	return strings.Join(parts, "; ")
}
