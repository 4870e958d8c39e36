package customer

import "testing"

func TestParseAmount(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		text, currency string
		want           int64 // -1: refused
	}{
		{"49", "usd", 4900}, {"49.5", "usd", 4950}, {"49.50", "usd", 4950}, {" 1,234.50 ", "usd", 123450}, {"0.01", "usd", 1},
		{"2800", "jpy", 2800}, {"2,800", "jpy", 2800}, {"28.00", "jpy", -1}, {"1.234", "bhd", 1234}, {"1.2", "bhd", 1200}, {"5", "isk", 500},
		{"49.505", "usd", -1}, {"-49", "usd", -1}, {"+49", "usd", -1}, {"49 USD", "usd", -1}, {"12,5", "usd", -1}, {"1,2345", "usd", -1}, {",500", "usd", -1},
		{"", "usd", -1}, {".", "usd", -1}, {".50", "usd", -1}, {"49.", "usd", -1}, {"1e3", "usd", -1}, {"4９", "usd", -1}, {"NaN", "usd", -1},
		{"9999999999999999", "usd", -1}, {"999999999999999.99", "usd", 99999999999999999},
	} {
		got, err := ParseAmount(row.text, row.currency)
		if err != nil {
			got = -1
		}
		if got != row.want {
			t.Errorf("%q %s is %d (%v), want %d", row.text, row.currency, got, err, row.want)
		}
	}
}

func TestAnAmountIsReadAsItIsWritten(t *testing.T) {
	t.Parallel()
	for _, currency := range []string{"usd", "jpy", "bhd", "isk"} {
		for _, minor := range []int64{0, 1, 99, 100, 4900, 123456789} {
			text := FormatAmount(minor, currency)
			got, err := ParseAmount(text[:len(text)-4], currency)
			if got != minor || err != nil {
				t.Errorf("%s is %d, %v", text, got, err)
			}
		}
	}
}
