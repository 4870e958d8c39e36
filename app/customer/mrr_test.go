package customer_test

import (
	"maps"
	"testing"
	"time"

	"bursar/app/customer"
	"bursar/app/db"
)

func TestMRR(t *testing.T) {
	t.Parallel()
	pays := func(status, interval string, every, amount int64, currency string) db.Subscription {
		return db.Subscription{ID: "sub_1", StripeCustomer: "cus_1", Status: status, Interval: interval, IntervalCount: every, Amount: amount, Currency: currency}
	}
	for _, row := range []struct {
		name string
		subs []db.Subscription
		want map[string]int64
	}{
		{"monthly", []db.Subscription{pays("active", "month", 1, 4900, "usd")}, map[string]int64{"usd": 4900}},
		{"yearly", []db.Subscription{pays("active", "year", 1, 49000, "eur")}, map[string]int64{"eur": 4083}},
		{"yearly, the half rounds up", []db.Subscription{pays("active", "year", 1, 6, "eur")}, map[string]int64{"eur": 1}},
		{"every three months", []db.Subscription{pays("active", "month", 3, 3000, "usd")}, map[string]int64{"usd": 1000}},
		{"weekly", []db.Subscription{pays("active", "week", 1, 8400, "usd")}, map[string]int64{"usd": 36500}},
		{"daily", []db.Subscription{pays("active", "day", 1, 1200, "usd")}, map[string]int64{"usd": 36500}},
		{"a payment is due", []db.Subscription{pays("past_due", "month", 1, 4900, "usd")}, map[string]int64{"usd": 4900}},
		{"two currencies are two sums", []db.Subscription{pays("active", "month", 1, 4900, "usd"), pays("active", "month", 1, 100, "usd"), pays("active", "month", 1, 2800, "jpy")},
			map[string]int64{"usd": 5000, "jpy": 2800}},
		{"trials, cancelled and unpaid ones bring nothing", []db.Subscription{pays("trialing", "month", 1, 4900, "usd"), pays("canceled", "month", 1, 4900, "usd"),
			pays("unpaid", "month", 1, 4900, "usd")}, map[string]int64{}},
	} {
		if got := (customer.Facts{Subscriptions: row.subs}).MRR(); !maps.Equal(got, row.want) {
			t.Errorf("%s: %v, want %v", row.name, got, row.want)
		}
	}
}

func TestMainMRR(t *testing.T) {
	t.Parallel()
	f := customer.Facts{Subscriptions: []db.Subscription{
		{ID: "sub_1", Status: "active", Interval: "month", Amount: 900, Currency: "usd", CreatedAt: in(-2 * day)},
		{ID: "sub_2", Status: "active", Interval: "month", Amount: 100, Currency: "eur", CreatedAt: in(-day)},
	}}
	if amount, currency := f.MainMRR(now); amount != 100 || currency != "eur" {
		t.Errorf("%d %s, want that of the subscription that counts", amount, currency)
	}
}

func TestDecimalAmount(t *testing.T) {
	t.Parallel()
	for want, row := range map[string]struct {
		minor    int64
		currency string
	}{"19": {1900, "usd"}, "8.25": {825, "usd"}, "8.5": {850, "usd"}, "4900": {490000, "usd"}, "1500": {1500, "jpy"}, "0.5": {50, "eur"}} {
		if got := customer.DecimalAmount(row.minor, row.currency); got != want {
			t.Errorf("%d %s is %s, want %s", row.minor, row.currency, got, want)
		}
	}
}

func TestNextInvoice(t *testing.T) {
	t.Parallel()
	renews := func(d time.Duration) func(*db.Subscription) {
		return func(s *db.Subscription) { s.CurrentPeriodEndAt = in(d) }
	}
	for _, row := range []struct {
		name string
		subs []db.Subscription
		want time.Time
	}{
		{"the first of two", []db.Subscription{sub("sub_1", "active", day, renews(9*day)), sub("sub_2", "active", day, renews(3*day))}, now.Add(3 * day)},
		{"cancelled at the end", []db.Subscription{sub("sub_1", "active", day, endsAt(3*day))}, time.Time{}},
		{"a trial", []db.Subscription{sub("sub_1", "trialing", day, func(s *db.Subscription) { s.TrialEndAt = in(2 * day) })}, now.Add(2 * day)},
		{"over", []db.Subscription{sub("sub_1", "canceled", day, renews(3*day))}, time.Time{}},
	} {
		if got := (customer.Facts{Subscriptions: row.subs}).NextInvoice(); !got.Equal(row.want) {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
}
