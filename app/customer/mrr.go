package customer

import (
	"maps"
	"slices"
	"strings"
	"time"

	"bursar/app/db"
)

// MRR is what comes in regularly in a month, in minor units by lower-case currency: what yearly, weekly or daily
// subscriptions bring is brought to a month, rounded half up. Trials and what was cancelled bring nothing; a price in
// tiers, whose amount Stripe does not say, is missing.
func (f Facts) MRR() map[string]int64 {
	sums := map[string]int64{}
	for _, s := range f.Subscriptions {
		if (s.Status == "active" || s.Status == "past_due") && s.PauseBehavior == "" && !f.isDeleted(s.StripeCustomer) {
			sums[s.Currency] += Monthly(s)
		}
	}
	return sums
}

// Monthly is a subscription's amount for a month: a year has 12 months, 365 days and 365/7 weeks.
func Monthly(s db.Subscription) int64 {
	months, of := int64(1), int64(1) // one interval is months/of months
	switch s.Interval {
	case "year":
		months = 12
	case "week":
		months, of = 84, 365
	case "day":
		months, of = 12, 365
	}
	months *= max(s.IntervalCount, 1)
	return (2*s.Amount*of + months) / (2 * months)
}

// MainMRR is the MRR in the currency of the subscription that counts, or else in the one with most of it.
func (f Facts) MainMRR(now time.Time) (amount int64, currency string) {
	sums := f.MRR()
	if main := f.AccessAt(now).Subscription.Currency; sums[main] > 0 {
		return sums[main], main
	}
	for _, c := range slices.Sorted(maps.Keys(sums)) {
		if sums[c] > amount {
			amount, currency = sums[c], c
		}
	}
	return amount, currency
}

// DecimalAmount writes an amount for machines: 825 usd is 8.25, 1900 usd is 19, 1500 jpy is 1500.
func DecimalAmount(minor int64, currency string) string {
	number, _, _ := strings.Cut(FormatAmount(minor, currency), " ")
	number = strings.ReplaceAll(number, ",", "")
	if strings.Contains(number, ".") {
		number = strings.TrimRight(strings.TrimRight(number, "0"), ".")
	}
	return number
}

// NextInvoice is when Stripe will make the next invoice, zero if none is to come.
func (f Facts) NextInvoice() (next time.Time) {
	for _, s := range f.Subscriptions {
		live := s.Status == "active" || s.Status == "trialing" || s.Status == "past_due"
		if !live || s.CancelAtPeriodEnd || !s.CancelAt.IsZero() || s.PauseBehavior != "" || f.isDeleted(s.StripeCustomer) {
			continue
		}
		at := s.CurrentPeriodEndAt.Time
		if s.Status == "trialing" && !s.TrialEndAt.IsZero() {
			at = s.TrialEndAt.Time
		}
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}
