package customer

import (
	"strconv"
	"strings"
)

// FormatAmount writes an amount in a currency's minor units for people: 490000 usd is "4,900.00 USD",
// 1500 jpy is "1,500 JPY".
func FormatAmount(minor int64, currency string) string {
	code := strings.ToUpper(currency)
	decimals := decimalsOf(code)
	digits := strings.TrimPrefix(strconv.FormatInt(minor, 10), "-")
	if missing := decimals + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	var b strings.Builder
	if minor < 0 {
		b.WriteByte('-')
	}
	whole := len(digits) - decimals
	for i, digit := range digits[:whole] {
		if i > 0 && (whole-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	if decimals > 0 {
		b.WriteString("." + digits[whole:])
	}
	return strings.TrimSpace(b.String() + " " + code)
}

// decimalsOf is how Stripe counts a currency (https://docs.stripe.com/currencies#zero-decimal). ISK and
// UGX are counted in hundredths although they have none (#special-cases on that page).
func decimalsOf(code string) int {
	switch code {
	case "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF":
		return 0
	case "BHD", "JOD", "KWD", "OMR", "TND":
		return 3
	}
	return 2
}
