package stripe

import "testing"

func TestDecodeSubscriptionPeriodEnd(t *testing.T) {
	t.Parallel()
	item := func(end any) object { return object{"current_period_end": end} }
	tests := []struct {
		name  string
		own   any
		items []any
		want  int64
	}{
		{"of the subscription until basil", 200, []any{item(nil)}, 200},
		{"of its item from basil on", nil, []any{item(100)}, 100},
		{"the earliest of several items", nil, []any{item(300), item(100), item(nil), item(200)}, 100},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := decodeSubscription(encode(t, fixture(t, "subscription", object{
				"current_period_end": tt.own, "items": object{"data": tt.items}})))
			if err != nil || !s.CurrentPeriodEnd.Equal(unix(tt.want)) {
				t.Errorf("period end %v, error %v, want %v", s.CurrentPeriodEnd, err, unix(tt.want))
			}
		})
	}
}

func TestDecodeSubscriptionProduct(t *testing.T) {
	t.Parallel()
	for name, product := range map[string]any{
		"by id":                "prod_1",
		"expanded":             object{"id": "prod_1", "object": "product", "name": "T-shirt"},
		"expanded and deleted": object{"id": "prod_1", "object": "product", "deleted": true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := decodeSubscription(encode(t, fixture(t, "subscription", object{"items": object{"data": []any{
				object{"quantity": 3, "price": object{"id": "price_1", "product": product, "unit_amount": 500}}}}})))
			if err != nil || s.Product != "prod_1" || s.Amount != 1500 || (s.ProductName != "") != (name == "expanded") {
				t.Errorf("subscription %+v, error %v", s, err)
			}
		})
	}
}

func TestDecodeInvoicePayments(t *testing.T) {
	t.Parallel()
	payment := func(status, intent string) object {
		return object{"status": status, "payment": object{"type": "payment_intent", "payment_intent": intent}}
	}
	tests := []struct {
		name     string
		payments []any
		want     string
	}{
		{"none", nil, ""},
		{"the paid one of several", []any{payment("canceled", "pi_1"), payment("paid", "pi_2")}, "pi_2"},
		{"the first where none is paid", []any{payment("open", "pi_1"), payment("open", "pi_2")}, "pi_1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := toBasil(fixture(t, "invoice", nil))
			o["payments"] = object{"object": "list", "data": tt.payments}
			invoice, _, err := decodeInvoice(encode(t, o))
			if err != nil || invoice.PaymentIntent != tt.want {
				t.Errorf("payment intent %q, error %v, want %q", invoice.PaymentIntent, err, tt.want)
			}
		})
	}
}
