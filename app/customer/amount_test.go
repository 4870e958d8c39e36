package customer_test

import (
	"math"
	"testing"

	"bursar/app/customer"
)

func TestFormatAmount(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name     string
		minor    int64
		currency string
		want     string
	}{
		{"hundredths", 4900, "usd", "49.00 USD"},
		{"nothing", 0, "eur", "0.00 EUR"},
		{"less than one", 5, "usd", "0.05 USD"},
		{"thousands", 123456789, "usd", "1,234,567.89 USD"},
		{"just a thousand", 100000, "usd", "1,000.00 USD"},
		{"just below", 99999, "usd", "999.99 USD"},
		{"given back", -123456, "gbp", "-1,234.56 GBP"},
		{"a little given back", -5, "gbp", "-0.05 GBP"},
		{"no decimals", 1500, "jpy", "1,500 JPY"},
		{"no decimals, nothing", 0, "krw", "0 KRW"},
		{"no decimals, upper case", 100, "XPF", "100 XPF"},
		{"three decimals", 1234567, "kwd", "1,234.567 KWD"},
		{"three decimals, little", 7, "bhd", "0.007 BHD"},
		{"no smaller unit, but counted in hundredths", 500, "isk", "5.00 ISK"},
		{"the same for shillings", 500, "ugx", "5.00 UGX"},
		{"no currency", 4900, "", "49.00"},
		{"the smallest number", math.MinInt64, "usd", "-92,233,720,368,547,758.08 USD"},
		{"the largest number", math.MaxInt64, "jpy", "9,223,372,036,854,775,807 JPY"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if got := customer.FormatAmount(row.minor, row.currency); got != row.want {
				t.Errorf("%d %s is %q, want %q", row.minor, row.currency, got, row.want)
			}
		})
	}
}
