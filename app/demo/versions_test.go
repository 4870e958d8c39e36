package demo

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestPayloadShapes looks at where each version keeps what moved.
func TestPayloadShapes(t *testing.T) {
	t.Parallel()
	rows := []struct {
		version, kind string
		has, lacks    []string // paths in data.object
	}{
		{"2023-10-16", "customer.subscription.updated", []string{"current_period_end", "discount"}, []string{"billing_mode"}},
		{"2024-09-30.acacia", "customer.subscription.updated", []string{"current_period_end"}, nil},
		{"2025-03-31.basil", "customer.subscription.updated", []string{"items.data.0.current_period_end", "discounts"}, []string{"current_period_end", "discount"}},
		{"2023-10-16", "invoice.paid", []string{"subscription", "charge", "payment_intent", "paid", "lines.data.0.price.id"}, []string{"parent"}},
		{"2025-03-31.basil", "invoice.paid", []string{"parent.subscription_details.subscription", "lines.data.0.pricing.price_details.price"},
			[]string{"subscription", "charge", "payment_intent", "paid", "lines.data.0.price", "customer_account"}},
		{"2025-03-31.basil", "invoice_payment.paid", []string{"payment.payment_intent", "invoice"}, nil},
		{"2026-03-25.dahlia", "charge.succeeded", []string{"customer", "customer_account"}, []string{"invoice"}},
	}
	for _, row := range rows {
		t.Run(row.version+" "+row.kind, func(t *testing.T) {
			t.Parallel()
			s := NewStripe(1, start())
			s.SetAPIVersion(row.version)
			must[Purchase](t)(s.Buy(BuyOptions{Email: "ann@example.com"}))
			o := sent(t, s, row.kind, row.version)
			for _, path := range row.has {
				if !reaches(o, path) {
					t.Errorf("there is no %s", path)
				}
			}
			for _, path := range row.lacks {
				if reaches(o, path) {
					t.Errorf("there is a %s", path)
				}
			}
		})
	}
}

// sent is data.object of the event of a kind.
func sent(t *testing.T, s *Stripe, kind, version string) object {
	t.Helper()
	for _, body := range s.Events() {
		var e struct {
			Type    string
			Version string `json:"api_version"`
			Data    struct{ Object object }
		}
		check(t, json.Unmarshal(body, &e))
		if e.Type == kind && e.Version == version {
			return e.Data.Object
		}
	}
	t.Fatalf("there is no %s in version %s", kind, version)
	return nil
}

func reaches(value any, path string) bool {
	for part := range strings.SplitSeq(path, ".") {
		switch v := value.(type) {
		case object:
			inner, ok := v[part]
			if !ok {
				return false
			}
			value = inner
		case []any:
			if len(v) == 0 {
				return false
			}
			value = v[0]
		default:
			return false
		}
	}
	return true
}

// TestPinnedEndpointKeepsItsVersion has an account in a new version and an endpoint that
// was created with the old one, as stripe-go v76 needs it.
func TestPinnedEndpointKeepsItsVersion(t *testing.T) {
	t.Parallel()
	s := NewStripe(1, start())
	s.SetAPIVersion("2025-03-31.basil")
	r := listen(t, s)
	s.endpoints.all[0].version = version
	must[Purchase](t)(s.Buy(BuyOptions{}))
	check(t, s.Deliver(t.Context()))
	for _, body := range r.bodies {
		opened(t, body) // checks the version
	}
}

func TestThinEventsNameTheObjectOnly(t *testing.T) {
	t.Parallel()
	s := NewStripe(1, start())
	s.SetThin(true)
	p := must[Purchase](t)(s.Buy(BuyOptions{}))
	bodies := s.Events()
	var e struct {
		Object, Type, Created string
		Data                  any
		Related               struct{ ID, Type, URL string } `json:"related_object"`
	}
	check(t, json.Unmarshal(bodies[len(bodies)-1], &e))
	if e.Object != "v2.core.event" || e.Type != "v1.checkout.session.completed" || e.Created != "2026-01-31T09:00:00.000Z" ||
		e.Data != nil || e.Related.ID != p.Checkout || e.Related.URL != "/v1/checkout/sessions/"+p.Checkout {
		t.Errorf("thin event %+v", e)
	}
}
