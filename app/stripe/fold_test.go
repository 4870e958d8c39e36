package stripe

import (
	"fmt"
	"testing"
	"time"
)

const t0 = 1700000000

func unix(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }

// story is a list of events, spaced by some seconds from t0 on. With 0 all are of one second.
type story func(tb testing.TB, spacing int64) []Event

// churn: a customer checks out, pays, plans to leave and is gone.
func churn(tb testing.TB, spacing int64) []Event {
	sub := func(changes object) object {
		o := fixture(tb, "subscription", object{"id": "sub_1", "customer": "cus_1", "status": "active",
			"created": t0, "current_period_end": t0 + 2_592_000, "cancel_at": nil, "canceled_at": nil, "ended_at": nil, "trial_end": nil})
		for key, value := range changes {
			o[key] = value
		}
		return o
	}
	gone := object{"status": "canceled", "cancel_at_period_end": true, "canceled_at": t0 + 60, "ended_at": t0 + 90}
	return []Event{
		event(tb, "evt_9", "customer.subscription.created", t0, sub(object{"status": "incomplete"}), nil),
		event(tb, "evt_8", "customer.subscription.updated", t0+spacing, sub(nil), object{"status": "incomplete"}),
		event(tb, "evt_7", "invoice.paid", t0+2*spacing, fixture(tb, "invoice", object{"id": "in_1", "customer": "cus_1",
			"subscription": "sub_1", "charge": "ch_1", "payment_intent": "pi_1", "status": "paid", "paid": true,
			"amount_due": 2000, "amount_paid": 2000, "attempted": true, "attempt_count": 1, "next_payment_attempt": nil, "created": t0,
			"customer_name": "Ada of the invoice", "customer_email": "invoice@example.com"}), nil),
		event(tb, "evt_6", "checkout.session.completed", t0+3*spacing, fixture(tb, "checkout.session", object{"id": "cs_1",
			"customer": "cus_1", "status": "complete", "payment_status": "paid", "mode": "subscription", "subscription": "sub_1",
			"client_reference_id": "user-7", "customer_details": object{"email": "ada@example.com", "name": "Ada"}, "created": t0 - 60}), nil),
		event(tb, "evt_5", "customer.subscription.deleted", t0+4*spacing, sub(gone), nil),
	}
}

// recovery: a renewal fails and is paid in the end.
func recovery(tb testing.TB, spacing int64) []Event {
	sub := func(status string) object {
		return fixture(tb, "subscription", object{"id": "sub_1", "customer": "cus_1", "status": status, "created": t0})
	}
	invoice := func(changes object) object {
		o := fixture(tb, "invoice", object{"id": "in_1", "customer": "cus_1", "attempted": true, "status": "open", "created": t0})
		for key, value := range changes {
			o[key] = value
		}
		return o
	}
	return []Event{
		event(tb, "evt_1", "customer.subscription.created", t0, sub("active"), nil),
		event(tb, "evt_5", "invoice.payment_failed", t0+spacing, invoice(object{"attempt_count": 1}), nil),
		event(tb, "evt_4", "customer.subscription.updated", t0+2*spacing, sub("past_due"), object{"status": "active"}),
		event(tb, "evt_3", "invoice.paid", t0+3*spacing, invoice(object{"attempt_count": 2, "status": "paid", "amount_paid": 1000}), nil),
		event(tb, "evt_2", "customer.subscription.updated", t0+4*spacing, sub("active"), object{"status": "past_due"}),
	}
}

// refunding: a charge is refunded in two parts; the second one fails after it had succeeded.
func refunding(tb testing.TB, spacing int64) []Event {
	charge := func(refunded int) object {
		return fixture(tb, "charge", object{"id": "ch_1", "customer": "cus_1", "amount": 1000, "amount_refunded": refunded, "created": t0})
	}
	refund := func(status string) object {
		return fixture(tb, "refund", object{"id": "re_1", "charge": "ch_1", "status": status, "created": t0})
	}
	return []Event{
		event(tb, "evt_3", "charge.succeeded", t0, charge(0), nil),
		event(tb, "evt_5", "refund.created", t0+spacing, refund("pending"), nil),
		event(tb, "evt_4", "charge.refund.updated", t0+2*spacing, refund("succeeded"), object{"status": "pending"}),
		event(tb, "evt_1", "charge.refunded", t0+3*spacing, charge(400), object{"amount_refunded": 0}),
		event(tb, "evt_2", "refund.failed", t0+4*spacing, refund("failed"), nil),
	}
}

func TestFoldOrderDoesNotMatter(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		story story
		check func(State) error
	}{
		{"a customer who left", churn, func(s State) error {
			sub, invoice, checkout := s.Subscriptions[0], s.Invoices[0], s.Checkouts[0]
			if sub.Status != "canceled" || sub.Amount != 2000 || sub.Interval != "month" || !sub.EndedAt.Equal(unix(t0+90)) {
				return fmt.Errorf("subscription %+v", sub)
			}
			if invoice.Status != "paid" || invoice.Subscription != "sub_1" || invoice.Charge != "ch_1" || invoice.Failed {
				return fmt.Errorf("invoice %+v", invoice)
			}
			if checkout.ClientReferenceID != "user-7" || checkout.PaymentFailed {
				return fmt.Errorf("checkout %+v", checkout)
			}
			if s.Customer.ID != "cus_1" || s.Customer.Name != "Ada" || s.Customer.Email != "ada@example.com" {
				return fmt.Errorf("customer %+v", s.Customer)
			}
			return nil
		}},
		{"a payment that failed and was made good", recovery, func(s State) error {
			if s.Subscriptions[0].Status != "active" || s.Invoices[0].Status != "paid" || s.Invoices[0].Failed {
				return fmt.Errorf("subscription %+v, invoice %+v", s.Subscriptions[0], s.Invoices[0])
			}
			return nil
		}},
		{"a refund", refunding, func(s State) error {
			if s.Charges[0].AmountRefunded != 400 || s.Refunds[0].Status != "failed" {
				return fmt.Errorf("charge %+v, refund %+v", s.Charges[0], s.Refunds[0])
			}
			return nil
		}},
	}
	for _, tt := range tests {
		for _, spacing := range []int64{0, 1, 10} {
			t.Run(fmt.Sprintf("%s, %d s apart", tt.name, spacing), func(t *testing.T) {
				t.Parallel()
				events := tt.story(t, spacing)
				want := Fold(events)
				if err := tt.check(want); err != nil {
					t.Fatal(err)
				}
				if !want.AsOf.Equal(unix(t0+4*spacing)) || want.Source != SourceEvents || want.Skipped != 0 {
					t.Errorf("as of %v from %s, %d skipped", want.AsOf, want.Source, want.Skipped)
				}
				permute(events, func(events []Event) {
					if got := Fold(events); !equal(got, want) {
						t.Fatalf("got  %+v\nwant %+v\norder %v", got, want, types(events))
					}
				})
				if got := Fold(append(events, events...)); !equal(got, want) {
					t.Errorf("every event twice: got %+v\nwant %+v", got, want)
				}
			})
		}
	}
}

// permute calls visit with every order of events.
func permute(events []Event, visit func([]Event)) {
	var from func(int)
	from = func(i int) {
		if i == len(events) {
			visit(events)
			return
		}
		for j := i; j < len(events); j++ {
			events[i], events[j] = events[j], events[i]
			from(i + 1)
			events[i], events[j] = events[j], events[i]
		}
	}
	from(0)
}

func types(events []Event) []string {
	var all []string
	for _, ev := range events {
		all = append(all, ev.Type)
	}
	return all
}

func TestFoldAfterEachPrefix(t *testing.T) {
	t.Parallel()
	events := recovery(t, 10)
	failed := Fold(events[:3])
	if invoice := failed.Invoices[0]; !invoice.Failed || invoice.Attempts != 1 {
		t.Errorf("after the failure: %+v", invoice)
	}
	if got := failed.Subscriptions[0].Status; got != "past_due" {
		t.Errorf("after the failure: %s", got)
	}
}

func TestFoldSameInOldAndNewVersions(t *testing.T) {
	t.Parallel()
	for name, story := range map[string]story{"churn": churn, "recovery": recovery, "refunding": refunding} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			old, basil := story(t, 10), basilStory(t, story(t, 10))
			if got, want := Fold(basil), Fold(old); !equal(got, want) {
				t.Errorf("basil      %+v\n2023-10-16 %+v", got, want)
			}
		})
	}
}

// basilStory tells a story as an endpoint of a version from basil on would receive it.
func basilStory(t *testing.T, events []Event) []Event {
	var told []Event
	for _, ev := range events {
		var payload struct {
			Data struct {
				Object   object
				Previous object `json:"previous_attributes"`
			}
		}
		decodeJSON(t, ev.Payload, &payload)
		o := payload.Data.Object
		told = append(told, event(t, ev.ID, ev.Type, ev.CreatedAt.Unix(), toBasil(o), payload.Data.Previous))
		if ev.Type == "invoice.paid" && o["payment_intent"] != nil {
			told = append(told, event(t, ev.ID+"p", "invoice_payment.paid", ev.CreatedAt.Unix(), object{
				"id": "inpay_1", "object": "invoice_payment", "invoice": o["id"], "status": "paid", "created": t0,
				"payment": object{"type": "payment_intent", "payment_intent": o["payment_intent"], "charge": o["charge"]},
			}, nil))
		}
	}
	return told
}

func TestFoldDetails(t *testing.T) {
	t.Parallel()
	customer := func(id, eventType string, created int64, changes object) Event {
		changes["id"] = "cus_1"
		return event(t, id, eventType, created, fixture(t, "customer", changes), nil)
	}
	sub := func(id, eventType string, created int64, changes, previous object) Event {
		changes["id"], changes["customer"] = "sub_1", "cus_1"
		return event(t, id, eventType, created, fixture(t, "subscription", changes), previous)
	}
	checkout := func(id, eventType, status string) Event {
		return event(t, id, eventType, t0+5, fixture(t, "checkout.session", object{
			"id": "cs_1", "customer": "cus_1", "status": "complete", "payment_status": status}), nil)
	}
	tests := []struct {
		name   string
		events []Event
		check  func(State) bool
	}{
		{"no events", nil, func(s State) bool { return equal(s, State{Source: SourceEvents}) }},
		{"a deleted customer keeps the last known name", []Event{
			customer("evt_1", "customer.created", t0, object{"name": "Ada", "email": "old@example.com"}),
			customer("evt_2", "customer.updated", t0+1, object{"name": "Ada", "email": "new@example.com"}),
			event(t, "evt_3", "customer.deleted", t0+2, object{"id": "cus_1", "object": "customer", "deleted": true}, nil),
		}, func(s State) bool {
			return s.Customer.Deleted && s.Customer.Name == "Ada" && s.Customer.Email == "new@example.com"
		}},
		{"deletion is final whatever comes later", []Event{
			customer("evt_1", "customer.deleted", t0, object{}),
			customer("evt_2", "customer.updated", t0+9, object{}),
			sub("evt_3", "customer.subscription.deleted", t0, object{"status": "canceled"}, nil),
			sub("evt_4", "customer.subscription.updated", t0+9, object{"status": "active"}, nil),
		}, func(s State) bool { return s.Customer.Deleted && s.Subscriptions[0].Status == "canceled" }},
		{"an emptied e-mail stays empty", []Event{
			customer("evt_1", "customer.created", t0, object{"email": "ada@example.com"}),
			customer("evt_2", "customer.updated", t0+1, object{"email": nil}),
			checkout("evt_3", "checkout.session.completed", "paid"),
		}, func(s State) bool { return s.Customer.Email == "" }},
		{"the later snapshot wins", []Event{
			sub("evt_9", "customer.subscription.updated", t0, object{"status": "active"}, nil),
			sub("evt_1", "customer.subscription.updated", t0+1, object{"status": "past_due"}, nil),
		}, func(s State) bool { return s.Subscriptions[0].Status == "past_due" }},
		{"in one second the creation comes first", []Event{
			sub("evt_9", "customer.subscription.created", t0, object{"status": "active"}, nil),
			sub("evt_1", "customer.subscription.updated", t0, object{"status": "past_due"}, nil),
		}, func(s State) bool { return s.Subscriptions[0].Status == "past_due" }},
		{"two changes in one second follow their previous values", []Event{
			sub("evt_9", "customer.subscription.updated", t0, object{"status": "active"}, object{"status": "trialing"}),
			sub("evt_1", "customer.subscription.updated", t0, object{"status": "past_due"}, object{"status": "active"}),
		}, func(s State) bool { return s.Subscriptions[0].Status == "past_due" }},
		{"changes of other values in one second do too", []Event{
			sub("evt_9", "customer.subscription.updated", t0, object{"cancel_at_period_end": true, "cancel_at": nil},
				object{"cancel_at_period_end": false}),
			sub("evt_1", "customer.subscription.updated", t0, object{"cancel_at_period_end": true, "cancel_at": t0 + 99},
				object{"cancel_at": nil, "items": object{"data": []any{}}}),
		}, func(s State) bool { return s.Subscriptions[0].CancelAt.Equal(unix(t0 + 99)) }},
		{"changes there and back in one second are settled by status", []Event{
			sub("evt_1", "customer.subscription.updated", t0, object{"status": "active"}, object{"status": "past_due"}),
			sub("evt_2", "customer.subscription.updated", t0, object{"status": "past_due"}, object{"status": "active"}),
		}, func(s State) bool { return s.Subscriptions[0].Status == "active" }},
		{"equal snapshots in one second are settled by event id", []Event{
			sub("evt_2", "customer.subscription.updated", t0, object{"metadata": object{"n": "2"}}, nil),
			sub("evt_1", "customer.subscription.updated", t0, object{"metadata": object{"n": "1"}}, nil),
		}, func(s State) bool { return s.Subscriptions[0].Metadata["n"] == "2" }},
		{"an open invoice with the failure of its event only", []Event{
			event(t, "evt_1", "invoice.payment_failed", t0, fixture(t, "invoice", object{"id": "in_1", "customer": "cus_1", "status": "open"}), nil),
		}, func(s State) bool { return s.Invoices[0].Failed }},
		{"a delayed payment that fails", []Event{
			checkout("evt_1", "checkout.session.async_payment_failed", "unpaid"),
			checkout("evt_2", "checkout.session.completed", "unpaid"),
		}, func(s State) bool {
			return s.Checkouts[0].PaymentFailed && s.Checkouts[0].CompletedAt.Equal(unix(t0+5))
		}},
		{"a delayed payment that succeeds", []Event{
			checkout("evt_1", "checkout.session.async_payment_succeeded", "paid"),
			checkout("evt_2", "checkout.session.completed", "unpaid"),
		}, func(s State) bool { return s.Checkouts[0].PaymentStatus == "paid" && !s.Checkouts[0].PaymentFailed }},
		{"a delayed payment that fails and is paid after all", []Event{
			checkout("evt_1", "checkout.session.async_payment_failed", "unpaid"),
			checkout("evt_2", "checkout.session.async_payment_succeeded", "paid"),
		}, func(s State) bool { return !s.Checkouts[0].PaymentFailed }},
		{"of the payments of an invoice the paid one counts", []Event{
			event(t, "evt_1", "invoice.paid", t0, toBasil(fixture(t, "invoice", object{"id": "in_1", "customer": "cus_1"})), nil),
			event(t, "evt_2", "invoice_payment.paid", t0, object{"id": "inpay_1", "object": "invoice_payment", "invoice": "in_1",
				"status": "paid", "payment": object{"payment_intent": "pi_paid"}, "created": t0}, nil),
			event(t, "evt_3", "invoice_payment.created", t0+1, object{"id": "inpay_2", "object": "invoice_payment", "invoice": "in_1",
				"status": "open", "payment": object{"payment_intent": "pi_open"}, "created": t0 + 1}, nil),
		}, func(s State) bool { return s.Invoices[0].PaymentIntent == "pi_paid" }},
		{"other customers, unknown objects and thin events are left out", []Event{
			customer("evt_1", "customer.created", t0, object{"name": "Ada"}),
			sub("evt_2", "customer.subscription.created", t0, object{}, nil),
			event(t, "evt_3", "customer.created", t0+9, fixture(t, "customer", object{"id": "cus_2"}), nil),
			event(t, "evt_4", "price.created", t0+9, fixture(t, "price", nil), nil),
			{ID: "evt_5", Type: "v1.customer.updated", Customer: "cus_1", Thin: true, CreatedAt: unix(t0 + 9)},
		}, func(s State) bool {
			return s.Customer.Name == "Ada" && len(s.Subscriptions) == 1 && s.AsOf.Equal(unix(t0)) && s.Skipped == 0
		}},
		{"an object that cannot be read is skipped and counted", []Event{
			sub("evt_1", "customer.subscription.created", t0, object{"status": "active"}, nil),
			sub("evt_2", "customer.subscription.updated", t0+1, object{"status": 7}, nil),
		}, func(s State) bool {
			return s.Subscriptions[0].Status == "active" && s.Skipped == 1 && s.AsOf.Equal(unix(t0))
		}},
		{"a dispute marks its charge", []Event{
			event(t, "evt_1", "charge.succeeded", t0, fixture(t, "charge", object{"id": "ch_1", "customer": "cus_1"}), nil),
			event(t, "evt_2", "charge.dispute.created", t0, fixture(t, "dispute", object{"charge": "ch_1", "status": "needs_response"}), nil),
			event(t, "evt_3", "charge.dispute.closed", t0, fixture(t, "dispute", object{"charge": "ch_1", "status": "lost"}), nil),
		}, func(s State) bool { return s.Charges[0].Disputed && s.Disputes[0].Status == "lost" }},
		{"refunds inside a charge", []Event{
			event(t, "evt_1", "charge.refunded", t0, fixture(t, "charge", object{"id": "ch_1", "customer": "cus_1",
				"refunds": object{"data": []any{fixture(t, "refund", object{"id": "re_1", "charge": "ch_1"})}}}), nil),
		}, func(s State) bool { return len(s.Charges) == 1 && s.Refunds[0].ID == "re_1" }},
		{"a failed charge tells why its invoice is open", []Event{
			event(t, "evt_1", "invoice.payment_failed", t0, fixture(t, "invoice", object{"id": "in_1", "customer": "cus_1",
				"status": "open", "payment_intent": "pi_1"}), nil),
			event(t, "evt_2", "charge.failed", t0, fixture(t, "charge", object{"id": "ch_1", "customer": "cus_1",
				"payment_intent": "pi_1", "status": "failed", "failure_message": "Your card was declined."}), nil),
		}, func(s State) bool {
			return s.Invoices[0].Failed && s.Invoices[0].Error == "Your card was declined." &&
				s.Invoices[0].Charge == "ch_1" && s.Charges[0].Invoice == "in_1"
		}},
		{"a contact from the invoice alone", []Event{
			event(t, "evt_1", "invoice.paid", t0, fixture(t, "invoice", object{"id": "in_1", "customer": "cus_1",
				"customer_name": "Ada", "customer_email": "ada@example.com"}), nil),
		}, func(s State) bool { return s.Customer.Name == "Ada" && s.Customer.Email == "ada@example.com" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			permute(tt.events, func(events []Event) {
				if s := Fold(events); !tt.check(s) {
					t.Fatalf("state %+v\norder %v", s, types(events))
				}
			})
		})
	}
}
