package app_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"bursar/app/demo"
)

// BenchmarkEventToRecord is one purchase after the other, from the post of its events to the product API saying that
// there is access: from events alone, and from the API of the simulated Stripe.
//
//	go test -run='^$' -bench=EventToRecord -benchtime=60x ./app
func BenchmarkEventToRecord(b *testing.B) {
	for _, source := range []string{"events", "api"} {
		b.Run(source, func(b *testing.B) {
			company := demo.NewStripe(1, time.Now())
			settings := []string{"STRIPE_WEBHOOK_SECRET", secret}
			if source == "api" {
				api := httptest.NewServer(company)
				defer api.Close()
				settings = append(settings, "STRIPE_API_KEY", "rk_test_1", "STRIPE_API_BASE", api.URL)
			}
			bursar := newBursar(b, settings...)
			home := bursar.serve()
			key := strings.TrimSpace(bursar.must("apikey", "add", "bench"))
			var took []time.Duration
			sent := 0
			for n := 0; b.Loop(); n++ {
				user := fmt.Sprint("user_", n)
				if _, err := company.Buy(demo.BuyOptions{Email: user + "@example.com", UserID: user}); err != nil {
					b.Fatal(err)
				}
				events := company.Events()[sent:]
				sent += len(events)
				began := time.Now()
				for _, event := range events {
					postEvent(b, home, event)
				}
				for !bursar.hasAccess(home, key, user, source) {
					time.Sleep(time.Millisecond)
				}
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			b.ReportMetric(0, "ns/op")
			for _, p := range []int{50, 95, 100} {
				b.ReportMetric(float64(took[(len(took)-1)*p/100].Microseconds())/1000, fmt.Sprintf("p%d-ms", p))
			}
		})
	}
}

func postEvent(t testing.TB, home string, event []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", home+"/api/webhooks/stripe", bytes.NewReader(event))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Stripe-Signature", demo.Sign(event, time.Now(), secret))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("answer %s to %s", answer.Status, event)
	}
}

func (b *bursar) hasAccess(home, key, user, source string) bool {
	list := b.customers(home, key, "user_id="+user).Customers
	return len(list) == 1 && list[0].Access == "full" && list[0].Source == source
}
