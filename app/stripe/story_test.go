package stripe

import (
	"encoding/json"
	"maps"
	"reflect"
	"sync"
	"testing"

	"github.com/stripe/stripe-mock/embedded"
)

// object is a Stripe object as JSON.
type object = map[string]any

// fixtures are Stripe's own example objects, in version 2023-10-16.
var fixtures = sync.OnceValue(func() map[string]json.RawMessage {
	var file struct{ Resources map[string]json.RawMessage }
	if err := json.Unmarshal(embedded.OpenAPIFixtures, &file); err != nil {
		panic(err)
	}
	return file.Resources
})

// fixture returns a copy of Stripe's example with some fields changed.
func fixture(tb testing.TB, name string, changes object) object {
	tb.Helper()
	var o object
	if err := json.Unmarshal(fixtures()[name], &o); err != nil {
		tb.Fatalf("fixture %s: %v", name, err)
	}
	maps.Copy(o, changes)
	return o
}

// event makes a stored event; previous is its previous_attributes or nil.
func event(tb testing.TB, id, eventType string, created int64, o, previous object) Event {
	tb.Helper()
	data := object{"object": o}
	if previous != nil {
		data["previous_attributes"] = previous
	}
	ev, err := DecodeEvent(encode(tb, object{
		"id": id, "object": "event", "type": eventType, "created": created, "api_version": "2023-10-16",
		"livemode": false, "pending_webhooks": 1, "request": object{"id": nil, "idempotency_key": nil}, "data": data,
	}))
	if err != nil {
		tb.Fatal(err)
	}
	return ev
}

func encode(tb testing.TB, v any) json.RawMessage {
	tb.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}

// toBasil moves the fields of an object to where basil (2025-03-31) and later have them.
func toBasil(o object) object {
	o = maps.Clone(o)
	switch o["object"] {
	case "subscription":
		items := o["items"].(object)["data"].([]any)
		for _, item := range items {
			item.(object)["current_period_start"] = o["current_period_start"]
			item.(object)["current_period_end"] = o["current_period_end"]
		}
		remove(o, "current_period_start", "current_period_end", "discount")
		o["billing_mode"] = object{"type": "flexible"}
	case "invoice":
		o["parent"] = object{"type": "subscription_details", "subscription_details": object{"subscription": o["subscription"]}}
		remove(o, "subscription", "subscription_details", "paid", "paid_out_of_band", "charge", "payment_intent", "discount", "tax")
	case "charge":
		remove(o, "invoice")
	}
	return o
}

func remove(o object, keys ...string) {
	for _, key := range keys {
		delete(o, key)
	}
}

func equal(a, b any) bool { return reflect.DeepEqual(a, b) }

func decodeJSON(tb testing.TB, raw []byte, v any) {
	tb.Helper()
	if err := json.Unmarshal(raw, v); err != nil {
		tb.Fatal(err)
	}
}
