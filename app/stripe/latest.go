package stripe

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
)

// latest returns the snapshot that counts. Stripe promises no order of arrival and counts
// time in seconds, so this is a pure rule over the set:
//
//  1. deletion of a customer or subscription is final;
//  2. the greatest creation time of the event;
//  3. in one second, a .created event comes before the others;
//  4. an event whose previous_attributes are what another shows comes after that one;
//  5. the object furthest along its life; 6. the greatest event id.
func latest(history []snapshot) snapshot {
	newest := slices.MaxFunc(history, compareAge)
	var same []snapshot
	for _, s := range history {
		if compareAge(s, newest) == 0 {
			same = append(same, s)
		}
	}
	return slices.MaxFunc(unfollowed(same), func(a, b snapshot) int {
		return cmp.Or(
			cmp.Compare(a.progress, b.progress),
			cmp.Compare(a.count, b.count),
			cmp.Compare(a.event.ID, b.event.ID),
		)
	})
}

func compareAge(a, b snapshot) int {
	return cmp.Or(
		compareBool(a.terminal(), b.terminal()),
		a.event.CreatedAt.Compare(b.event.CreatedAt),
		-compareBool(a.creation(), b.creation()),
	)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

func (s snapshot) terminal() bool {
	return s.event.Type == "customer.deleted" || s.event.Type == "customer.subscription.deleted"
}

func (s snapshot) creation() bool { return strings.HasSuffix(s.event.Type, ".created") }

// unfollowed leaves out the snapshots that another one follows. Where they follow each
// other in a circle (a value changed there and back within a second) all are left in.
func unfollowed(history []snapshot) []snapshot {
	if len(history) == 1 {
		return history
	}
	var last []snapshot
	for _, s := range history {
		if !slices.ContainsFunc(history, func(other snapshot) bool { return other.follows(s) }) {
			last = append(last, s)
		}
	}
	if len(last) == 0 {
		return history
	}
	return last
}

// follows reports whether s changed what before shows. Only plain values are compared: of
// nested ones previous_attributes holds just the changed part.
func (s snapshot) follows(before snapshot) bool {
	if s.event.ID == before.event.ID {
		return false
	}
	var previous, shown map[string]json.RawMessage
	if json.Unmarshal(s.previous, &previous) != nil || json.Unmarshal(before.raw, &shown) != nil {
		return false // there are none
	}
	matched := false
	for key, value := range previous {
		if value[0] == '{' || value[0] == '[' {
			continue
		}
		if string(value) != string(shown[key]) {
			return false
		}
		matched = true
	}
	return matched
}

// identify returns which object it is and how far along its life it is. A status that is
// not in its list is new to us and counts as the earliest.
func identify(object any) (i identity, progress int, count int64) {
	switch o := object.(type) {
	case Customer:
		return identity{"customer", o.ID}, 0, 0
	case Subscription: // when nothing else tells, one that was past_due and active within a second is active
		return identity{"subscription", o.ID}, slices.Index([]string{"incomplete", "trialing", "past_due", "unpaid",
			"paused", "active", "incomplete_expired", "canceled"}, o.Status), 0
	case invoiceTo:
		return identity{"invoice", o.ID}, slices.Index([]string{"draft", "open", "uncollectible", "void", "paid"}, o.Status), o.Attempts
	case invoicePayment:
		return identity{"invoice payment", o.ID}, slices.Index([]string{"open", "canceled", "paid"}, o.Status), 0
	case Charge:
		return identity{"charge", o.ID}, slices.Index([]string{"pending", "failed", "succeeded"}, o.Status), o.AmountRefunded
	case Refund: // a refund that succeeded can still fail
		return identity{"refund", o.ID}, slices.Index([]string{"pending", "requires_action", "succeeded", "canceled", "failed"}, o.Status), 0
	case Dispute:
		return identity{"dispute", o.ID}, slices.Index([]string{"warning_needs_response", "warning_under_review", "needs_response",
			"under_review", "prevented", "warning_closed", "won", "lost"}, o.Status), 0
	case Checkout:
		return identity{"checkout", o.ID}, slices.Index([]string{"open", "expired", "complete"}, o.Status),
			int64(slices.Index([]string{"unpaid", "no_payment_required", "paid"}, o.PaymentStatus))
	}
	return identity{}, 0, 0
}
