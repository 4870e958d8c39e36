package app_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"bursar/app/demo"
)

// An account that was there before Bursar is taken over, with and without a serve beside the command.
func TestBackfill(t *testing.T) {
	t.Parallel()
	company := demo.NewStripe(3, time.Now().Add(-90*24*time.Hour))
	for i := range 4 {
		p, err := company.Buy(demo.BuyOptions{Email: fmt.Sprintf("p%d@example.com", i), Name: fmt.Sprint("P", i)})
		if err != nil {
			t.Fatal(err)
		}
		if i == 3 {
			if err := company.Cancel(p.Subscription, false); err != nil {
				t.Fatal(err)
			}
		}
	}
	company.Advance(90 * 24 * time.Hour)
	api := httptest.NewServer(company)
	t.Cleanup(api.Close)
	b := newBursar(t, "STRIPE_WEBHOOK_SECRET", secret, "STRIPE_API_KEY", "rk_test_1", "STRIPE_API_BASE", api.URL)
	if out := b.must("backfill"); !strings.HasSuffix(out, "Done: 4 customers and 4 subscriptions, all stored.\n") {
		t.Errorf("it says:\n%s", out)
	}
	url := b.serve()
	lines := strings.Split(strings.TrimSpace(b.must("backfill", "--json")), "\n")
	var last struct {
		State                                string
		Customers, Subscriptions             int
		CustomersStored, SubscriptionsStored int
	}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(lines[len(lines)-1], "_", "")), &last); err != nil || last.State != "complete" || last.CustomersStored != 4 || last.SubscriptionsStored != 4 {
		t.Errorf("the last line is %s: %+v, %v", lines[len(lines)-1], last, err)
	}
	key := strings.TrimSpace(b.must("apikey", "add", "test"))
	access := map[string]int{}
	for i := range 4 {
		for _, c := range b.customers(url, key, fmt.Sprintf("email=p%d@example.com", i)).Customers {
			access[c.Access]++
		}
	}
	if access["full"] != 3 || access["none"] != 1 {
		t.Errorf("access: %v", access)
	}
}

func TestABackfillNeedsAKey(t *testing.T) {
	t.Parallel()
	b := newBursar(t, "STRIPE_WEBHOOK_SECRET", secret)
	if code, _, errs := b.run("backfill"); code != 1 || !strings.Contains(errs, "there is no STRIPE_API_KEY") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}
