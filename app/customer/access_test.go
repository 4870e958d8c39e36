package customer_test

import (
	"testing"
	"time"

	"bursar/app/customer"
	"bursar/app/db"
)

const day = 24 * time.Hour

var now = time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)

func in(d time.Duration) db.Time { return db.At(now.Add(d)) }

// sub is a subscription that began so long ago.
func sub(id, status string, ago time.Duration, changes ...func(*db.Subscription)) db.Subscription {
	s := db.Subscription{ID: id, StripeCustomer: "cus_1", Status: status, Price: "price_1", Plan: "Starter", CreatedAt: in(-ago)}
	for _, change := range changes {
		change(&s)
	}
	return s
}

func endsAt(d time.Duration) func(*db.Subscription) {
	return func(s *db.Subscription) { s.CancelAtPeriodEnd, s.CurrentPeriodEndAt = true, in(d) }
}

// unpaid is a failed invoice of sub_1 that was made so long ago.
func unpaid(id string, ago time.Duration) db.Invoice {
	return db.Invoice{ID: id, Subscription: "sub_1", Status: "open", Failed: true, CreatedAt: in(-ago)}
}

func checkout(paymentStatus string, changes ...func(*db.Checkout)) db.Checkout {
	c := db.Checkout{ID: "cs_1", StripeCustomer: "cus_1", Mode: "subscription", Status: "complete", PaymentStatus: paymentStatus, Subscription: "sub_new"}
	for _, change := range changes {
		change(&c)
	}
	return c
}

func TestAccess(t *testing.T) {
	t.Parallel()
	one := func(s db.Subscription) customer.Facts { return customer.Facts{Subscriptions: []db.Subscription{s}} }
	checkouts := func(c ...db.Checkout) customer.Facts { return customer.Facts{Checkouts: c} }
	pastDue := func(invoices ...db.Invoice) customer.Facts {
		return customer.Facts{Subscriptions: []db.Subscription{sub("sub_1", "past_due", 60*day)}, Invoices: invoices}
	}
	for _, row := range []struct {
		name  string
		facts customer.Facts
		level string
		until time.Time
		by    string // the subscription that counts
	}{
		{"nothing", customer.Facts{}, customer.None, time.Time{}, ""},
		{"trialing", one(sub("sub_1", "trialing", day, func(s *db.Subscription) { s.TrialEndAt = in(day) })), customer.Full, now.Add(day), "sub_1"},
		{"trialing, and the end is past", one(sub("sub_1", "trialing", day, func(s *db.Subscription) { s.TrialEndAt = in(-day) })), customer.Full, time.Time{}, "sub_1"},
		{"active", one(sub("sub_1", "active", day)), customer.Full, time.Time{}, "sub_1"},
		{"active, and the period is over", one(sub("sub_1", "active", day, func(s *db.Subscription) { s.CurrentPeriodEndAt = in(-day) })), customer.Full, time.Time{}, "sub_1"},
		{"cancelled at the period's end, before it", one(sub("sub_1", "active", day, endsAt(time.Millisecond))), customer.Full, now.Add(time.Millisecond), "sub_1"},
		{"cancelled at the period's end, at it", one(sub("sub_1", "active", day, endsAt(0))), customer.None, time.Time{}, "sub_1"},
		{"cancelled at the period's end, after it", one(sub("sub_1", "active", day, endsAt(-day))), customer.None, time.Time{}, "sub_1"},
		{"cancelled at the period's end, which nobody told", one(sub("sub_1", "active", day, func(s *db.Subscription) { s.CancelAtPeriodEnd = true })), customer.Full, time.Time{}, "sub_1"},
		{"cancelled at a date before the period's end", one(sub("sub_1", "active", day, endsAt(9*day), func(s *db.Subscription) { s.CancelAt = in(day) })), customer.Full, now.Add(day), "sub_1"},
		{"trialing, and cancelled at the trial's end", one(sub("sub_1", "trialing", day, endsAt(day))), customer.Full, now.Add(day), "sub_1"},
		{"past due, within the grace period", pastDue(unpaid("in_1", 13*day)), customer.Grace, now.Add(day), "sub_1"},
		{"past due, at its end", pastDue(unpaid("in_1", 14*day)), customer.None, time.Time{}, "sub_1"},
		{"past due, over", pastDue(unpaid("in_1", 20*day)), customer.None, time.Time{}, "sub_1"},
		{"past due, the oldest of two failures counts", pastDue(unpaid("in_1", 20*day), unpaid("in_2", day)), customer.None, time.Time{}, "sub_1"},
		{"past due, no failed invoice is known", pastDue(), customer.Grace, time.Time{}, "sub_1"},
		{"past due, only another subscription's is known", pastDue(db.Invoice{Subscription: "sub_2", Failed: true, CreatedAt: in(-99 * day)}), customer.Grace, time.Time{}, "sub_1"},
		{"unpaid", one(sub("sub_1", "unpaid", day)), customer.None, time.Time{}, "sub_1"},
		{"paused: the trial ended without a payment method", one(sub("sub_1", "paused", day)), customer.None, time.Time{}, "sub_1"},
		{"incomplete", one(sub("sub_1", "incomplete", 0)), customer.Pending, time.Time{}, "sub_1"},
		{"incomplete, expired", one(sub("sub_1", "incomplete_expired", day)), customer.None, time.Time{}, "sub_1"},
		{"cancelled", one(sub("sub_1", "canceled", day)), customer.None, time.Time{}, "sub_1"},
		{"collection is paused", one(sub("sub_1", "active", day, func(s *db.Subscription) { s.PauseBehavior, s.PauseResumesAt = "void", in(day) })), customer.Full, time.Time{}, "sub_1"},
		{"an unknown status keeps full access", customer.Facts{Record: db.Customer{Access: customer.Full}, Subscriptions: []db.Subscription{sub("sub_1", "frozen", day)}}, customer.Full, time.Time{}, "sub_1"},
		{"an unknown status keeps grace", customer.Facts{Record: db.Customer{Access: customer.Grace}, Subscriptions: []db.Subscription{sub("sub_1", "frozen", day)}}, customer.Grace, time.Time{}, "sub_1"},
		{"an unknown status keeps none", customer.Facts{Record: db.Customer{Access: customer.None}, Subscriptions: []db.Subscription{sub("sub_1", "frozen", day)}}, customer.None, time.Time{}, "sub_1"},
		{"an unknown status grants nothing to somebody new", one(sub("sub_1", "frozen", day)), customer.None, time.Time{}, "sub_1"},
		{"an unknown status is not what was paid for", customer.Facts{Record: db.Customer{Access: customer.Pending}, Subscriptions: []db.Subscription{sub("sub_1", "frozen", day)}}, customer.None, time.Time{}, "sub_1"},
		{"two subscriptions, the newer one cancelled", customer.Facts{Subscriptions: []db.Subscription{sub("sub_1", "active", 9*day), sub("sub_2", "canceled", day)}}, customer.Full, time.Time{}, "sub_1"},
		{"two subscriptions, the older one cancelled", customer.Facts{Subscriptions: []db.Subscription{sub("sub_1", "canceled", 9*day), sub("sub_2", "active", day)}}, customer.Full, time.Time{}, "sub_2"},
		{"two active ones: the newer counts", customer.Facts{Subscriptions: []db.Subscription{sub("sub_1", "active", 9*day), sub("sub_2", "active", day)}}, customer.Full, time.Time{}, "sub_2"},
		{"two that ended: the newer counts", customer.Facts{Subscriptions: []db.Subscription{sub("sub_1", "canceled", 9*day), sub("sub_2", "unpaid", day)}}, customer.None, time.Time{}, "sub_2"},
		{"an active one beats one past due", customer.Facts{Subscriptions: []db.Subscription{sub("sub_1", "active", 9*day), sub("sub_2", "past_due", day)}}, customer.Full, time.Time{}, "sub_1"},
		{"two Stripe customers, one of them pays", customer.Facts{
			Stripe:        []db.StripeCustomer{{ID: "cus_1"}, {ID: "cus_2"}},
			Subscriptions: []db.Subscription{sub("sub_1", "active", 9*day), sub("sub_2", "canceled", day, func(s *db.Subscription) { s.StripeCustomer = "cus_2" })}}, customer.Full, time.Time{}, "sub_1"},
		{"a deleted customer", customer.Facts{Stripe: []db.StripeCustomer{{ID: "cus_1", Deleted: true}}, Subscriptions: []db.Subscription{sub("sub_1", "active", day)}}, customer.None, time.Time{}, "sub_1"},
		{"a deleted customer, and another who pays", customer.Facts{
			Stripe:        []db.StripeCustomer{{ID: "cus_1", Deleted: true}, {ID: "cus_2"}},
			Subscriptions: []db.Subscription{sub("sub_2", "active", 9*day, func(s *db.Subscription) { s.StripeCustomer = "cus_2" }), sub("sub_1", "active", day)}}, customer.Full, time.Time{}, "sub_2"},
		{"a paid checkout, and no subscription yet", checkouts(checkout("paid")), customer.Pending, time.Time{}, ""},
		{"a free checkout, and no subscription yet", checkouts(checkout("no_payment_required")), customer.Pending, time.Time{}, ""},
		{"a bank debit under way", checkouts(checkout("unpaid")), customer.Pending, time.Time{}, ""},
		{"a bank debit that failed", checkouts(checkout("unpaid", func(c *db.Checkout) { c.PaymentFailed = true })), customer.None, time.Time{}, ""},
		{"a checkout that is still open", checkouts(checkout("unpaid", func(c *db.Checkout) { c.Status = "open" })), customer.None, time.Time{}, ""},
		{"a checkout that expired", checkouts(checkout("unpaid", func(c *db.Checkout) { c.Status = "expired" })), customer.None, time.Time{}, ""},
		{"a checkout of a single payment", checkouts(checkout("paid", func(c *db.Checkout) { c.Mode = "payment" })), customer.None, time.Time{}, ""},
		{"a paid checkout of a deleted customer", customer.Facts{Stripe: []db.StripeCustomer{{ID: "cus_1", Deleted: true}}, Checkouts: []db.Checkout{checkout("paid")}}, customer.None, time.Time{}, ""},
		{"a checkout whose subscription ended", customer.Facts{Checkouts: []db.Checkout{checkout("paid")}, Subscriptions: []db.Subscription{sub("sub_new", "canceled", day)}}, customer.None, time.Time{}, "sub_new"},
		{"somebody who left pays again", customer.Facts{Checkouts: []db.Checkout{checkout("paid")}, Subscriptions: []db.Subscription{sub("sub_1", "canceled", day)}}, customer.Pending, time.Time{}, "sub_1"},
		{"somebody who is active buys another one", customer.Facts{Checkouts: []db.Checkout{checkout("paid")}, Subscriptions: []db.Subscription{sub("sub_1", "active", day)}}, customer.Full, time.Time{}, "sub_1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			a := row.facts.AccessAt(now)
			if a.Level != row.level || !a.Until.Equal(row.until) || a.Subscription.ID != row.by {
				t.Errorf("%s until %s by %q, want %s until %s by %q", a.Level, a.Until, a.Subscription.ID, row.level, row.until, row.by)
			}
			if a.Reason == "" {
				t.Error("there is no reason")
			}
			if r := row.facts.RecordAt(now); r.Access != a.Level || r.AccessReason != a.Reason || r.Status != a.Subscription.Status {
				t.Errorf("the record says %s (%s), status %s", r.Access, r.AccessReason, r.Status)
			}
		})
	}
}
