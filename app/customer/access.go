package customer

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"bursar/app/db"
)

// Levels of access.
const (
	Full    = "full"
	Grace   = "grace"   // a payment failed; access goes on for a while
	Pending = "pending" // paid or about to be, but Stripe has no subscription that grants yet
	None    = "none"
)

// GracePeriod is how long access goes on after a failed payment: Stripe's recommended retries take two
// weeks (https://docs.stripe.com/billing/revenue-recovery/smart-retries).
const GracePeriod = 14 * 24 * time.Hour

// Access is what a customer may use, and why.
type Access struct {
	Level  string
	Reason string    // a sentence for a person
	Until  time.Time // when the level changes by itself; zero if it does not
	// The subscription that counts, zero if there is none.
	Subscription db.Subscription
}

var rank = map[string]int{None: 0, Pending: 1, Grace: 2, Full: 3}

// AccessAt is the access at a time: the best that any subscription of any linked Stripe customer
// grants. A status this Bursar does not know keeps the level there was and never grants one
// (https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses).
func (f Facts) AccessAt(now time.Time) Access {
	best := Access{Level: None, Reason: "there is no subscription"}
	for i, s := range f.Subscriptions {
		a := f.accessBy(s, now)
		a.Subscription = s
		if i == 0 || cmp.Or(cmp.Compare(rank[a.Level], rank[best.Level]), s.CreatedAt.Compare(best.Subscription.CreatedAt.Time)) >= 0 {
			best = a
		}
	}
	if rank[best.Level] < rank[Pending] {
		if reason, ok := f.pendingCheckout(); ok {
			best.Level, best.Reason, best.Until = Pending, reason, time.Time{}
		}
	}
	return best
}

// accessBy is the access that one subscription grants.
func (f Facts) accessBy(s db.Subscription, now time.Time) Access {
	if f.isDeleted(s.StripeCustomer) {
		return Access{Level: None, Reason: "the customer was deleted in Stripe, which ends its subscriptions"}
	}
	switch s.Status {
	case "active", "trialing":
		return accessWhileLive(s, now)
	case "past_due":
		return f.accessPastDue(s, now)
	case "incomplete":
		return Access{Level: Pending, Reason: "the first payment is not complete"}
	case "incomplete_expired":
		return Access{Level: None, Reason: "the first payment never came"}
	case "unpaid":
		return Access{Level: None, Reason: "Stripe gave up collecting the payment"}
	case "paused":
		return Access{Level: None, Reason: "the trial ended without a payment method"}
	case "canceled":
		return Access{Level: None, Reason: "the subscription was cancelled"}
	}
	kept := f.Record.Access
	if kept == "" || kept == Pending {
		kept = None
	}
	return Access{Level: kept, Reason: fmt.Sprintf("Stripe says %q, which this Bursar does not know: access stays as it was", s.Status)}
}

func accessWhileLive(s db.Subscription, now time.Time) Access {
	a := Access{Level: Full, Reason: "the subscription is active"}
	if s.Status == "trialing" {
		a.Reason = "the trial is running"
		if now.Before(s.TrialEndAt.Time) {
			a.Until = s.TrialEndAt.Time
		}
	}
	if s.PauseBehavior != "" {
		a.Reason = "the subscription is active, collection is paused"
	}
	end := s.CancelAt.Time
	if end.IsZero() && s.CancelAtPeriodEnd {
		end = s.CurrentPeriodEndAt.Time
	}
	switch {
	case end.IsZero():
	case now.Before(end):
		a.Reason, a.Until = "cancelled, and paid until the end of the period", end
	default:
		return Access{Level: None, Reason: "the subscription was cancelled, and its last period is over"}
	}
	return a
}

// accessPastDue gives the grace period from the oldest failed invoice on. Where none is known there
// is nothing to count from, and nothing is taken away.
func (f Facts) accessPastDue(s db.Subscription, now time.Time) Access {
	a := Access{Level: Grace, Reason: "the last payment failed"}
	for _, i := range f.Invoices {
		if i.Subscription == s.ID && i.Failed {
			a.Until = i.CreatedAt.Add(GracePeriod)
			break // they are oldest first
		}
	}
	if !a.Until.IsZero() && !now.Before(a.Until) {
		return Access{Level: None, Reason: "a payment is more than 14 days overdue"}
	}
	return a
}

// pendingCheckout finds a completed checkout whose subscription has not shown up yet.
func (f Facts) pendingCheckout() (reason string, ok bool) {
	for _, c := range slices.Backward(f.Checkouts) {
		if c.Mode != "subscription" || c.Status != "complete" || c.PaymentFailed || f.isDeleted(c.StripeCustomer) || f.knows(c.Subscription) {
			continue
		}
		if c.PaymentStatus == "unpaid" {
			return "the payment is being processed", true
		}
		return "paid, and waiting for the subscription", true
	}
	return "", false
}

func (f Facts) isDeleted(stripeCustomer string) bool {
	return slices.ContainsFunc(f.Stripe, func(c db.StripeCustomer) bool { return c.ID == stripeCustomer && c.Deleted })
}

func (f Facts) knows(subscription string) bool {
	return slices.ContainsFunc(f.Subscriptions, func(s db.Subscription) bool { return s.ID == subscription })
}
