package customer

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ParseAmount reads an amount as people write it, "1,234.50" or "1500", into the minor units of a currency.
// It takes no more decimals than the currency has, and nothing below zero; its error says what to write.
func ParseAmount(text, currency string) (int64, error) {
	code := strings.ToUpper(currency)
	decimals := decimalsOf(code)
	whole, part, dotted := strings.Cut(strings.TrimSpace(text), ".")
	whole, err := ungroup(whole)
	switch {
	case err != nil || whole == "" || !isDigits(whole) || !isDigits(part) || dotted && part == "":
		return 0, fmt.Errorf("%q is not an amount like %s", text, FormatAmount(1234500, currency))
	case len(part) > decimals && decimals == 0:
		return 0, fmt.Errorf("%s has no decimals", code)
	case len(part) > decimals:
		return 0, fmt.Errorf("%s has %d decimals", code, decimals)
	case len(whole) > 15:
		return 0, errors.New("the amount is too large")
	}
	return strconv.ParseInt(whole+part+strings.Repeat("0", decimals-len(part)), 10, 64)
}

// ungroup takes out commas where they separate thousands, and nowhere else: 12,5 could be twelve and a half.
func ungroup(digits string) (string, error) {
	groups := strings.Split(digits, ",")
	for i, g := range groups {
		if i > 0 && len(g) != 3 || len(groups) > 1 && (g == "" || len(g) > 3) {
			return "", errors.New("not thousands")
		}
	}
	return strings.Join(groups, ""), nil
}

func isDigits(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }) < 0
}
