package stripe

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-mock/embedded"
	"github.com/stripe/stripe-mock/server"
)

func list(elements ...object) object {
	return object{"object": "list", "has_more": false, "data": append([]object{}, elements...)}
}

func TestStateReads(t *testing.T) {
	t.Parallel()
	answers := map[string]object{
		"/v1/customers/cus_1": fixture(t, "customer", object{"id": "cus_1", "name": "Ada", "email": "ada@example.com", "test_clock": "clock_1"}),
		"/v1/subscriptions": list(
			fixture(t, "subscription", object{"id": "sub_2", "customer": "cus_1", "created": t0 + 9}),
			fixture(t, "subscription", object{"id": "sub_1", "customer": "cus_1", "created": t0, "pause_collection": object{"behavior": "void", "resumes_at": t0}}),
		),
		"/v1/products": list(fixture(t, "product", nil)),
		"/v1/invoices": list(fixture(t, "invoice", object{"id": "in_1", "customer": "cus_1", "status": "open",
			"attempted": true, "attempt_count": 2, "charge": "ch_1"})),
		"/v1/charges": list(fixture(t, "charge", object{"id": "ch_1", "customer": "cus_1", "disputed": true,
			"status": "failed", "failure_message": "Your card was declined.",
			"refunds": object{"has_more": true, "data": []any{}}})),
		"/v1/refunds":           list(fixture(t, "refund", object{"id": "re_1", "charge": "ch_1", "metadata": object{"action": "7"}})),
		"/v1/disputes":          list(fixture(t, "dispute", object{"id": "dp_1", "charge": "ch_1"})),
		"/v1/checkout/sessions": list(fixture(t, "checkout.session", object{"id": "cs_1", "customer": "cus_1", "status": "complete"})),
	}
	client := serve(t, serveObjects(t, answers))
	before := time.Now()
	s, err := client.State(t.Context(), "cus_1", All)
	if err != nil {
		t.Fatal(err)
	}
	if s.Source != SourceAPI || s.AsOf.Before(before) || s.AsOf.After(time.Now()) {
		t.Errorf("source %s as of %v", s.Source, s.AsOf)
	}
	if s.Customer.Name != "Ada" || s.Customer.TestClock != "clock_1" {
		t.Errorf("customer %+v", s.Customer)
	}
	if len(s.Subscriptions) != 2 || s.Subscriptions[0].ID != "sub_1" || s.Subscriptions[0].ProductName != "T-shirt" ||
		s.Subscriptions[0].PauseBehavior != "void" || s.Subscriptions[1].PauseBehavior != "" {
		t.Errorf("subscriptions %+v", s.Subscriptions)
	}
	if len(s.Invoices) != 1 || !s.Invoices[0].Failed || s.Invoices[0].Error != "Your card was declined." {
		t.Errorf("invoices %+v", s.Invoices)
	}
	if len(s.Charges) != 1 || s.Charges[0].Invoice != "in_1" {
		t.Errorf("charges %+v", s.Charges)
	}
	if len(s.Refunds) != 1 || s.Refunds[0].Metadata["action"] != "7" {
		t.Errorf("refunds %+v", s.Refunds)
	}
	if len(s.Disputes) != 1 || s.Disputes[0].EvidenceDueAt.IsZero() {
		t.Errorf("disputes %+v", s.Disputes)
	}
	if len(s.Checkouts) != 1 || !s.Checkouts[0].CompletedAt.Equal(s.Checkouts[0].CreatedAt) || s.Checkouts[0].Email != "example@example.com" {
		t.Errorf("checkouts %+v", s.Checkouts)
	}
}

func TestABankDebitUnderWayHasNotFailed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		charge   string
		attempts int
		failed   bool
	}{
		"the first one is under way":            {"pending", 1, false},
		"the first one came back":               {"failed", 1, true},
		"one failed, and the next is under way": {"pending", 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := serve(t, serveObjects(t, map[string]object{
				"/v1/customers/cus_1": fixture(t, "customer", object{"id": "cus_1"}),
				"/v1/subscriptions":   list(fixture(t, "subscription", object{"id": "sub_1", "customer": "cus_1"})),
				"/v1/products":        list(),
				"/v1/invoices": list(fixture(t, "invoice", object{"id": "in_1", "customer": "cus_1", "status": "open", "attempted": true,
					"attempt_count": c.attempts, "charge": "ch_1"})),
				"/v1/charges":           list(fixture(t, "charge", object{"id": "ch_1", "customer": "cus_1", "status": c.charge})),
				"/v1/checkout/sessions": list(),
			})).State(t.Context(), "cus_1", All)
			if err != nil {
				t.Fatal(err)
			}
			if s.Invoices[0].Failed != c.failed {
				t.Errorf("failed is %v, want %v", s.Invoices[0].Failed, c.failed)
			}
		})
	}
}

func TestStateIsTheSameFromEvents(t *testing.T) {
	t.Parallel()
	customer := fixture(t, "customer", object{"id": "cus_1", "name": "Ada", "metadata": object{"plan": "pro"}})
	sub := fixture(t, "subscription", object{"id": "sub_1", "customer": "cus_1"})
	invoice := fixture(t, "invoice", object{"id": "in_1", "customer": "cus_1", "subscription": "sub_1", "charge": "ch_1",
		"payment_intent": "pi_1", "status": "paid", "amount_paid": 1000, "attempted": true, "attempt_count": 1})
	charge := fixture(t, "charge", object{"id": "ch_1", "customer": "cus_1", "payment_intent": "pi_1", "disputed": true, "amount_refunded": 40})
	refund := fixture(t, "refund", object{"id": "re_1", "charge": "ch_1", "amount": 40})
	dispute := fixture(t, "dispute", object{"id": "dp_1", "charge": "ch_1"})
	checkout := fixture(t, "checkout.session", object{"id": "cs_1", "customer": "cus_1", "status": "complete", "amount_total": 1000})

	withRefund := fixture(t, "charge", charge)
	withRefund["refunds"] = list(refund)
	fromAPI, err := serve(t, serveObjects(t, map[string]object{
		"/v1/customers/cus_1": customer, "/v1/subscriptions": list(sub), "/v1/products": list(), "/v1/invoices": list(invoice),
		"/v1/charges": list(withRefund), "/v1/disputes": list(dispute), "/v1/checkout/sessions": list(checkout),
	})).State(t.Context(), "cus_1", All)
	if err != nil {
		t.Fatal(err)
	}
	const created = 1234567890 // of the fixtures, so that the checkout was completed when it was made
	fromEvents := Fold([]Event{
		event(t, "evt_1", "customer.updated", created, customer, nil),
		event(t, "evt_2", "customer.subscription.updated", created, toBasil(sub), nil),
		event(t, "evt_3", "invoice.paid", created, toBasil(invoice), nil),
		event(t, "evt_4", "invoice_payment.paid", created, object{"id": "inpay_1", "object": "invoice_payment", "invoice": "in_1",
			"status": "paid", "payment": object{"payment_intent": "pi_1"}}, nil),
		event(t, "evt_5", "charge.refunded", created, toBasil(charge), nil),
		event(t, "evt_6", "refund.created", created, refund, nil),
		event(t, "evt_7", "charge.dispute.created", created, dispute, nil),
		event(t, "evt_8", "checkout.session.completed", created, checkout, nil),
	})
	fromEvents.Source, fromEvents.AsOf, fromEvents.Parts = fromAPI.Source, fromAPI.AsOf, fromAPI.Parts
	if !equal(fromEvents, fromAPI) {
		t.Errorf("events %+v\nAPI    %+v", fromEvents, fromAPI)
	}
}

// A reading of the newest alone is one request, whole or not at all like any other, and asks for more only
// where an invoice that was wanted is not the newest.
func TestStateOfTheNewestAlone(t *testing.T) {
	t.Parallel()
	charge := fixture(t, "charge", object{"id": "ch_2", "customer": "cus_1", "invoice": "in_2", "refunds": list(fixture(t, "refund", object{"id": "re_1", "charge": "ch_2"}))})
	newest := fixture(t, "invoice", object{"id": "in_2", "customer": "cus_1", "subscription": "sub_1", "status": "paid", "charge": charge})
	o := &objects{objects: map[string]string{}}
	for path, body := range map[string]object{
		"/v1/subscriptions": list(fixture(t, "subscription", object{"id": "sub_1", "latest_invoice": newest,
			"customer": fixture(t, "customer", object{"id": "cus_1", "name": "Ada"})})),
		"/v1/products": list(fixture(t, "product", nil)),
		"/v1/invoices": list(fixture(t, "invoice", object{"id": "in_1"}), fixture(t, "invoice", object{"id": "in_2", "charge": "ch_2"})),
		"/v1/charges":  list(charge, fixture(t, "charge", object{"id": "ch_1", "invoice": "in_1"})),
	} {
		o.objects[path] = string(encode(t, body))
	}
	client := serve(t, o.ServeHTTP)
	for _, row := range []struct {
		name    string
		parts   Parts
		asked   string
		charges int
	}{
		{"the first", Parts{}, "subscriptions products", 1},
		{"names are known for a day", Parts{Invoices: []string{"in_2"}}, "subscriptions", 1},
		{"another invoice", Parts{Invoices: []string{"in_2", "in_1"}}, "subscriptions invoices charges", 2},
		{"payments", Parts{Payments: true}, "subscriptions invoices charges", 2},
		{"names again", Parts{Names: true}, "subscriptions products", 1},
	} {
		o.asked = nil
		s, err := client.State(t.Context(), "cus_1", row.parts)
		if err != nil || s.Customer.Name != "Ada" || len(s.Subscriptions) != 1 || s.Subscriptions[0].ProductName != "T-shirt" {
			t.Errorf("%s: %+v, %v", row.name, s, err)
		}
		if len(s.Charges) != row.charges || len(s.Invoices) != row.charges || len(s.Refunds) != 1 || s.Invoices[len(s.Invoices)-1].Charge != "ch_2" {
			t.Errorf("%s: invoices %+v, charges %+v, refunds %+v", row.name, s.Invoices, s.Charges, s.Refunds)
		}
		if asked := strings.ReplaceAll(strings.Join(o.asked, " "), "/v1/", ""); asked != row.asked {
			t.Errorf("%s: asked for %s, want %s", row.name, asked, row.asked)
		}
		if whole := strings.Contains(row.asked, "charges"); s.Parts.Payments != whole {
			t.Errorf("%s: says that payments were read: %t", row.name, s.Parts.Payments)
		}
	}
}

// serveObjects answers with objects by path, like the type objects.
func serveObjects(t *testing.T, answers map[string]object) http.HandlerFunc {
	t.Helper()
	o := &objects{objects: map[string]string{}}
	for path, body := range answers {
		o.objects[path] = string(encode(t, body))
	}
	return o.ServeHTTP
}

func TestStateOfDeletedCustomer(t *testing.T) {
	t.Parallel()
	stripe := serveObjects(t, map[string]object{
		"/v1/customers/cus_1": {"id": "cus_1", "object": "customer", "deleted": true},
		"/v1/subscriptions":   list(fixture(t, "subscription", object{"customer": "cus_1", "status": "canceled"})),
		"/v1/products":        list(),
		// its invoices, charges and checkouts are 404
	})
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/subscriptions" && r.URL.Query().Get("status") != "canceled" {
			answer(200, `{"object":"list","data":[]}`)(w, r)
			return
		}
		stripe(w, r)
	})
	s, err := client.State(t.Context(), "cus_1", All)
	if err != nil {
		t.Fatal(err)
	}
	if !s.Customer.Deleted || len(s.Subscriptions) != 1 || s.Subscriptions[0].ProductName != "" {
		t.Errorf("state %+v", s)
	}
}

func TestStateOfLivingCustomerNeedsItsLists(t *testing.T) {
	t.Parallel()
	client := serve(t, serveObjects(t, map[string]object{"/v1/customers/cus_1": {"id": "cus_1", "object": "customer"}}))
	if s, err := client.State(t.Context(), "cus_1", All); err == nil {
		t.Errorf("state %+v from lists that are 404", s)
	}
}

func TestStateWithoutPermissionForProducts(t *testing.T) {
	t.Parallel()
	stripe := serveObjects(t, map[string]object{
		"/v1/customers/cus_1": {"id": "cus_1", "object": "customer"},
		"/v1/subscriptions":   list(fixture(t, "subscription", nil)),
		"/v1/invoices":        list(), "/v1/charges": list(), "/v1/checkout/sessions": list(),
	})
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/products" {
			answer(403, `{"error":{"type":"invalid_request_error","message":"No"}}`)(w, r)
			return
		}
		stripe(w, r)
	})
	if s, err := client.State(t.Context(), "cus_1", All); err != nil || s.Subscriptions[0].ProductName != "" {
		t.Errorf("state %+v, error %v", s, err)
	}
}

func TestStateIsWholeOrAnError(t *testing.T) {
	t.Parallel()
	whole := map[string]object{
		"/v1/customers/cus_1": {"id": "cus_1", "object": "customer"},
		"/v1/subscriptions":   list(fixture(t, "subscription", nil)),
		"/v1/products":        list(),
		"/v1/invoices":        list(),
		"/v1/charges": list(fixture(t, "charge", object{"disputed": true,
			"refunds": object{"has_more": true, "data": []any{}}})),
		"/v1/refunds":           list(),
		"/v1/disputes":          list(),
		"/v1/checkout/sessions": list(),
	}
	if _, err := serve(t, serveObjects(t, whole)).State(t.Context(), "cus_1", All); err != nil {
		t.Fatal(err)
	}
	for path := range whole {
		for name, broken := range map[string]object{"{}": {}, "a list of {}": list(object{})} {
			t.Run(path+" is "+name, func(t *testing.T) {
				t.Parallel()
				good := serveObjects(t, whole)
				bad := serveObjects(t, map[string]object{path: broken})
				client := serve(t, func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == path {
						bad(w, r)
						return
					}
					good(w, r)
				})
				if s, err := client.State(t.Context(), "cus_1", All); !errors.Is(err, ErrUnavailable) || !equal(s, State{}) {
					t.Errorf("state %+v, error %v, want ErrUnavailable", s, err)
				}
			})
		}
	}
}

// TestStripeMock sends every request of the client to Stripe's own mock, which refuses
// parameters and expansions that version 2023-10-16 does not have.
func TestStripeMock(t *testing.T) {
	t.Parallel()
	spec, err := server.LoadSpec(embedded.OpenAPISpec, "")
	if err != nil {
		t.Fatal(err)
	}
	fixtures, err := server.LoadFixtures(embedded.OpenAPIFixtures, "")
	if err != nil {
		t.Fatal(err)
	}
	stub, err := server.NewStubServer(fixtures, spec, true, false)
	if err != nil {
		t.Fatal(err)
	}
	mock := httptest.NewServer(http.HandlerFunc(stub.HandleRequest))
	t.Cleanup(mock.Close)
	client, ctx := New("sk_test_123", mock.URL), t.Context()

	if s, err := client.State(ctx, "cus_1", All); err != nil || s.Customer.ID == "" || len(s.Subscriptions) == 0 || len(s.Charges) == 0 {
		t.Errorf("state %+v, %v", s, err)
	}
	if s, err := client.State(ctx, "cus_1", Parts{}); err != nil || s.Customer.ID == "" || len(s.Invoices) != 1 || len(s.Charges) != 1 {
		t.Errorf("the newest alone are %+v, %v", s, err)
	}
	if _, err := client.refundsOf(ctx, "ch_1"); err != nil {
		t.Error(err)
	}
	if err := client.readDisputes(ctx, &State{Charges: []Charge{{ID: "ch_1", Disputed: true}}}); err != nil {
		t.Error(err)
	}
	if id, err := client.Account(ctx); id == "" || err != nil {
		t.Errorf("account %q, %v", id, err)
	}
	for customer, err := range client.Customers(ctx) {
		if customer.ID == "" || err != nil {
			t.Errorf("customer %+v, %v", customer, err)
		}
	}
	for subscription, err := range client.Subscriptions(ctx) {
		if subscription.ID == "" || err != nil {
			t.Errorf("subscription %+v, %v", subscription, err)
		}
	}
	for ev, err := range client.Events(ctx, EventQuery{}) {
		if ev.ID == "" || err != nil {
			t.Errorf("event %+v, %v", ev, err)
		}
	}
	for _, ev := range []Event{
		{Invoice: "in_1"}, {Subscription: "sub_1"}, {Charge: "ch_1"}, {PaymentIntent: "pi_1"},
		{Thin: true, ObjectType: "refund", ObjectID: "re_1"},
		{Thin: true, ObjectType: "dispute", ObjectID: "dp_1"},
		{Thin: true, ObjectType: "checkout.session", ObjectID: "cs_1"},
	} {
		// Stripe's example charge, payment intent and session are those of a guest.
		if _, err := client.CustomerOf(ctx, ev); err != nil && !errors.Is(err, ErrNotFound) {
			t.Errorf("%+v: %v", ev, err)
		}
	}
	if id, err := client.CustomerOf(ctx, Event{Invoice: "in_1"}); id == "" || err != nil {
		t.Errorf("customer of an invoice: %q, %v", id, err)
	}
}
