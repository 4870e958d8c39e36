package stripe

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestDecodeEventRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, body string }{
		{"nothing", ""},
		{"null", "null"},
		{"an empty object", "{}"},
		{"an array", "[]"},
		{"a string", `"evt_1"`},
		{"text", "hello"},
		{"a form", "id=evt_1&type=invoice.paid"},
		{"half an event", `{"id":"evt_1","type":"invoice.paid","data":{"obj`},
		{"two events", `{"id":"evt_1","type":"invoice.paid"}{"id":"evt_2","type":"invoice.paid"}`},
		{"20,000 levels", `{"id":"evt_1","type":"a","data":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + "}"},
		{"20,000 levels in a reference", `{"id":"evt_1","type":"a","data":{"object":{"customer":` +
			strings.Repeat(`{"id":`, 20_000) + "1" + strings.Repeat("}", 20_000) + "}}}"},
		{"invalid UTF-8", "{\"id\":\"evt_1\",\"type\":\"invoice.paid\xff\"}"},
		{"no id", `{"type":"invoice.paid"}`},
		{"null id", `{"id":null,"type":"invoice.paid"}`},
		{"number id", `{"id":5,"type":"invoice.paid"}`},
		{"id of another object", `{"id":"in_1","type":"invoice.paid"}`},
		{"bare prefix as id", `{"id":"evt_","type":"invoice.paid"}`},
		{"path in the id", `{"id":"evt_../x","type":"invoice.paid"}`},
		{"line break in the id", `{"id":"evt_1\n","type":"invoice.paid"}`},
		{"id over 200 characters", `{"id":"evt_` + strings.Repeat("1", 197) + `","type":"invoice.paid"}`},
		{"later ID without a value", `{"id":"evt_1","ID":"","type":"invoice.paid"}`},
		{"no type", `{"id":"evt_1"}`},
		{"type over 200 characters", `{"id":"evt_1","type":"` + strings.Repeat("a", 201) + `"}`},
		{"time that is none", `{"id":"evt_1","type":"invoice.paid","created":"yesterday"}`},
		{"time with a fraction", `{"id":"evt_1","type":"invoice.paid","created":1.5}`},
		{"time before 1970", `{"id":"evt_1","type":"invoice.paid","created":-1}`},
		{"time after the year 9999", `{"id":"evt_1","type":"invoice.paid","created":253402300800}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if ev, err := DecodeEvent([]byte(tt.body)); !errors.Is(err, ErrBody) {
				t.Errorf("event %+v, error %v, want ErrBody", ev, err)
			}
		})
	}
}

func TestDecodeEventReads(t *testing.T) {
	t.Parallel()
	const head = `"id":"evt_1","type":"t","created":1700000000`
	at := time.Unix(1700000000, 0).UTC()
	tests := []struct {
		name, body string
		want       Event
	}{
		{
			"an object that names its customer",
			`{` + head + `,"api_version":"2023-10-16","account":"acct_1","livemode":true,
			"data":{"object":{"id":"sub_1","object":"subscription","customer":"cus_1"}}}`,
			Event{APIVersion: "2023-10-16", Account: "acct_1", Livemode: true, ObjectID: "sub_1", ObjectType: "subscription", Customer: "cus_1"},
		},
		{
			"a customer",
			`{` + head + `,"data":{"object":{"id":"cus_1","object":"customer","customer":"cus_2"}}}`,
			Event{ObjectID: "cus_1", ObjectType: "customer", Customer: "cus_1"},
		},
		{
			"an expanded customer",
			`{` + head + `,"data":{"object":{"id":"ch_1","object":"charge","customer":{"id":"cus_1"},"invoice":{"id":"in_1"},"payment_intent":"pi_1"}}}`,
			Event{ObjectID: "ch_1", ObjectType: "charge", Customer: "cus_1", Invoice: "in_1", PaymentIntent: "pi_1"},
		},
		{
			"a customer_account instead of a customer",
			`{` + head + `,"data":{"object":{"id":"in_1","object":"invoice","customer":null,"customer_account":"acct_9","subscription":"sub_1"}}}`,
			Event{ObjectID: "in_1", ObjectType: "invoice", Customer: "acct_9", Subscription: "sub_1"},
		},
		{
			"an invoice since basil",
			`{` + head + `,"data":{"object":{"id":"in_1","object":"invoice","customer":"cus_1","parent":{"subscription_details":{"subscription":"sub_1"}}}}}`,
			Event{ObjectID: "in_1", ObjectType: "invoice", Customer: "cus_1", Subscription: "sub_1"},
		},
		{
			"a refund",
			`{` + head + `,"data":{"object":{"id":"re_1","object":"refund","charge":"ch_1","payment_intent":"pi_1"}}}`,
			Event{ObjectID: "re_1", ObjectType: "refund", Charge: "ch_1", PaymentIntent: "pi_1"},
		},
		{
			"an invoice_payment",
			`{` + head + `,"data":{"object":{"id":"inpay_1","object":"invoice_payment","invoice":"in_1","payment":{"type":"payment_intent","payment_intent":"pi_1"}}}}`,
			Event{ObjectID: "inpay_1", ObjectType: "invoice_payment", Invoice: "in_1", PaymentIntent: "pi_1"},
		},
		{
			"a thin event of a subscription",
			`{"id":"evt_1","type":"t","object":"v2.core.event","created":"2023-11-14T22:13:20.000Z","context":"acct_1",
			"related_object":{"id":"sub_1","type":"subscription","url":"/v1/subscriptions/sub_1"}}`,
			Event{Account: "acct_1", ObjectID: "sub_1", ObjectType: "subscription", Thin: true},
		},
		{
			"a thin event of a customer",
			`{"id":"evt_1","type":"t","created":"2023-11-14T23:13:20+01:00","related_object":{"id":"cus_1","type":"customer"}}`,
			Event{ObjectID: "cus_1", ObjectType: "customer", Customer: "cus_1", Thin: true},
		},
		{
			"fields of unexpected types, which stay empty",
			`{` + head + `,"account":5,"data":{"object":{"id":7,"object":"new","customer":true,"charge":[1],"invoice":{"id":{}},"parent":"x","payment":[]}}}`,
			Event{ObjectType: "new"},
		},
		{
			"an object without an id",
			`{` + head + `,"data":{"object":{"object":"balance"}}}`,
			Event{ObjectType: "balance"},
		},
		{
			"the last of duplicate keys in any case",
			`{"ID":"evt_0",` + head + `,"data":{"object":{"id":"sub_0","object":"subscription"}},"DATA":{"OBJECT":{"Id":"sub_1"}}}`,
			Event{ObjectID: "sub_1", ObjectType: "subscription"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := DecodeEvent([]byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			want := tt.want
			want.ID, want.Type, want.CreatedAt = "evt_1", "t", at
			if string(got.Payload) != tt.body {
				t.Errorf("payload is %s", got.Payload)
			}
			if got.Payload = nil; !equal(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func FuzzDecodeEvent(f *testing.F) {
	for _, seed := range []string{
		`null`, `{}`, `[]`, `{"id":"evt_1","type":"t"}`,
		`{"id":"evt_1","type":"t","created":1700000000,"data":{"object":{"id":"cus_1","object":"customer"}}}`,
		`{"id":"evt_1","type":"t","created":"2023-11-14T22:13:20Z","related_object":{"id":"sub_1","type":"subscription"}}`,
		`{"id":"evt_1","ID":null,"type":"t","data":null,"DATA":{"object":null}}`,
		`{"id":"evt_1","type":"t","data":{"object":{"customer":{"id":{"id":[]}},"payment":{"charge":null}}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Add(updatedBody(f))
	f.Fuzz(func(t *testing.T, body []byte) {
		ev, err := DecodeEvent(body)
		if err != nil {
			if !errors.Is(err, ErrBody) {
				t.Errorf("error %v is not ErrBody", err)
			}
			return
		}
		if !validEventID(ev.ID) || ev.Type == "" || ev.CreatedAt.Year() > 9999 {
			t.Errorf("accepted %+v", ev)
		}
		Fold([]Event{ev, ev})
	})
}

// updatedBody is a realistic customer.subscription.updated of 3 kB.
func updatedBody(tb testing.TB) []byte {
	ev := event(tb, "evt_1OPouqJN5vQBdWEx", "customer.subscription.updated", 1700000000,
		fixture(tb, "subscription", object{"customer": "cus_1", "metadata": object{"note": strings.Repeat("n", 600)}}),
		object{"status": "trialing"})
	return ev.Payload
}

func BenchmarkDecodeEvent(b *testing.B) {
	body := updatedBody(b)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeEvent(body); err != nil {
			b.Fatal(err)
		}
	}
}
