package money

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"bursar/app/auth"
	"bursar/app/customer"
	"bursar/app/db"
)

// Caps are how much money people of a role move alone, by role and lower-case currency. Above it a second
// person is needed. Owners without a cap need nobody; others without one in a currency always do.
type Caps map[auth.Role]map[string]Cap

// Cap is in minor units: of one action, and of all of somebody's in 24 hours, whichever way the money goes.
type Cap struct{ One, Day int64 }

// DefaultCaps is used where nobody set others.
const DefaultCaps = "finance=200.00/1000.00 USD, finance=200.00/1000.00 EUR, finance=200.00/1000.00 GBP"

// capWindow is the day of a Cap.
const capWindow = 24 * time.Hour

// Capped says that a kind counts against the caps: a person decides there how much money goes which way. An
// open invoice is owed whoever collects it.
func (k Kind) Capped() bool { return k == Refund || k == ChangePlan }

// ParseCaps reads entries like "finance=200.00/1000.00 USD", separated by commas: role, one action, all of 24
// hours, currency.
func ParseCaps(text string) (Caps, error) {
	caps := Caps{}
	for item := range strings.SplitSeq(text, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		role, rest, _ := strings.Cut(item, "=")
		amounts, currency, _ := strings.Cut(strings.TrimSpace(rest), " ")
		one, day, _ := strings.Cut(amounts, "/")
		r, currency := auth.Role(strings.TrimSpace(role)), strings.ToLower(strings.TrimSpace(currency))
		if !r.May(auth.Refund) && !r.May(auth.Subscribe) || !slices.Contains(auth.Roles(), r) || len(currency) != 3 {
			return nil, fmt.Errorf("%q is not like finance=200.00/1000.00 USD (role, one action, all in 24 hours, currency), for owner or finance", item)
		}
		var c Cap
		var err error
		if c.One, err = customer.ParseAmount(one, currency); err == nil {
			c.Day, err = customer.ParseAmount(day, currency)
		}
		if err != nil {
			return nil, fmt.Errorf("%q: %w", item, err)
		}
		if caps[r] == nil {
			caps[r] = map[string]Cap{}
		}
		caps[r][currency] = c
	}
	return caps, nil
}

// Exceeded says why somebody of a role needs a second person to move an amount, "" if they do not; less than
// nothing is a credit, which counts the same. already is what they moved in the 24 hours before.
func (c Caps) Exceeded(role auth.Role, amount, already int64, currency string) string {
	amount = max(amount, -amount)
	of, ok := c[role][currency]
	switch {
	case amount == 0:
		return ""
	case !ok && role == auth.Owner && len(c[role]) == 0:
		return ""
	case !ok:
		return fmt.Sprintf("there is no cap for the role %s in %s", role, strings.ToUpper(currency))
	case amount > of.One:
		return fmt.Sprintf("%s is more than the %s that the role %s moves alone", customer.FormatAmount(amount, currency), customer.FormatAmount(of.One, currency), role)
	case amount > of.Day-already:
		return fmt.Sprintf("with it, %s of refunds and changes of plan in 24 hours would be more than the %s of the role %s",
			customer.FormatAmount(already+amount, currency), customer.FormatAmount(of.Day, currency), role)
	}
	return ""
}

// Approval says why an action of a kind needs a second person, "" if it does not. before is the id of the
// action itself, or the largest there can be.
func (m *Money) Approval(ctx context.Context, q *db.Queries, kind Kind, user int64, role auth.Role, amount int64, currency string, at time.Time, before int64) (string, error) {
	if !kind.Capped() {
		return "", nil
	}
	already, err := q.MovedBy(ctx, db.MovedByParams{AskedBy: user, Since: db.At(at.Add(-capWindow)), Before: before, Currency: currency})
	if err != nil {
		return "", fmt.Errorf("add up what user %d moved: %w", user, err)
	}
	return m.Caps.Exceeded(role, amount, already, currency), nil
}
