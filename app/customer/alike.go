package customer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"bursar/app/db"
)

// Mailbox is an address in the form in which two that lead to one mailbox are equal: without case, without
// what follows a plus, and without the dots that Gmail ignores (https://support.google.com/mail/answer/7436150). "" is no address.
func Mailbox(email string) string {
	local, domain, ok := strings.Cut(strings.ToLower(strings.TrimSpace(email)), "@")
	if !ok || local == "" || domain == "" {
		return ""
	}
	if tag := strings.IndexByte(local, '+'); tag > 0 {
		local = local[:tag]
	}
	if domain == "googlemail.com" {
		domain = "gmail.com"
	}
	if domain == "gmail.com" {
		local = strings.ReplaceAll(local, ".", "")
	}
	return local + "@" + domain
}

// Alike says what speaks for two customers being one, and what against it.
func Alike(a, b Facts) (pro, contra []string) {
	if box := Mailbox(a.Record.Email); box != "" && box == Mailbox(b.Record.Email) {
		same := "the same mailbox, " + a.Record.Email
		if a.Record.Email != b.Record.Email {
			same += " and " + b.Record.Email
		}
		pro = append(pro, same)
	} else if box != "" && b.Record.Email != "" {
		contra = append(contra, fmt.Sprintf("other addresses, %s and %s", a.Record.Email, b.Record.Email))
	}
	switch {
	case a.Record.Name == "" || b.Record.Name == "":
	case strings.EqualFold(a.Record.Name, b.Record.Name):
		pro = append(pro, "the same name")
	default:
		contra = append(contra, fmt.Sprintf("other names, %s and %s", a.Record.Name, b.Record.Name))
	}
	if x, y := a.Linked("user"), b.Linked("user"); len(x) > 0 && len(y) > 0 {
		contra = append(contra, fmt.Sprintf("two users of the product, %s and %s", x[0], y[0]))
	}
	for _, one := range [][2]Facts{{a, b}, {b, a}} {
		if user := one[0].names(one[1].Linked("user")); user != "" {
			pro = append(pro, fmt.Sprintf("a checkout of customer %d names user %s of the other", one[0].Record.ID, user))
		}
	}
	if gives(a.Record.Access) && gives(b.Record.Access) {
		contra = append(contra, "both have access")
	}
	return pro, contra
}

// names is the first of some users that a checkout of the customer names, "" if none does.
func (f Facts) names(users []string) string {
	for _, c := range f.Checkouts {
		if slices.Contains(users, c.UserID) {
			return c.UserID
		}
	}
	return ""
}

func gives(level string) bool { return level == Full || level == Grace }

// Live are the subscriptions that are paid for, or should be.
func (f Facts) Live() []db.Subscription {
	return slices.DeleteFunc(slices.Clone(f.Subscriptions), func(s db.Subscription) bool {
		return !slices.Contains([]string{"active", "trialing", "past_due"}, s.Status) || f.isDeleted(s.StripeCustomer)
	})
}

// Summary says in one line how a customer stands, by ids and without names, as the audit keeps it.
func (f Facts) Summary() string {
	parts := []string{fmt.Sprintf("customer %d: access %s", f.Record.ID, f.Record.Access)}
	if f.Record.Plan != "" {
		parts[0] += ", plan " + f.Record.Plan
	}
	for _, l := range f.Links {
		parts = append(parts, l.System+" "+l.RemoteID)
	}
	for _, s := range f.Subscriptions {
		parts = append(parts, s.ID+" "+s.Status)
	}
	return strings.Join(parts, "; ")
}

// Together are the facts as they will be when customer b is joined into a.
func Together(a, b Facts) Facts {
	if rank[b.Record.Access] > rank[a.Record.Access] {
		a.Record.Access = b.Record.Access
	}
	a.Links = slices.SortedFunc(slices.Values(slices.Concat(a.Links, b.Links)), func(x, y db.Link) int {
		return cmp.Or(cmp.Compare(x.System, y.System), cmp.Compare(x.RemoteID, y.RemoteID))
	})
	a.Stripe = mixed(a.Stripe, b.Stripe, func(c db.StripeCustomer) (time.Time, string) { return c.CreatedAt.Time, c.ID })
	a.Subscriptions = mixed(a.Subscriptions, b.Subscriptions, func(s db.Subscription) (time.Time, string) { return s.CreatedAt.Time, s.ID })
	a.Invoices = mixed(a.Invoices, b.Invoices, func(i db.Invoice) (time.Time, string) { return i.CreatedAt.Time, i.ID })
	a.Charges = mixed(a.Charges, b.Charges, func(c db.Charge) (time.Time, string) { return c.CreatedAt.Time, c.ID })
	a.Refunds = mixed(a.Refunds, b.Refunds, func(r db.Refund) (time.Time, string) { return r.CreatedAt.Time, r.ID })
	a.Disputes = mixed(a.Disputes, b.Disputes, func(d db.Dispute) (time.Time, string) { return d.CreatedAt.Time, d.ID })
	a.Checkouts = mixed(a.Checkouts, b.Checkouts, func(c db.Checkout) (time.Time, string) { return c.CreatedAt.Time, c.ID })
	return a
}

// mixed are the rows of both as the queries give them: oldest first.
func mixed[T any](a, b []T, by func(T) (time.Time, string)) []T {
	return slices.SortedFunc(slices.Values(slices.Concat(a, b)), func(x, y T) int {
		xAt, xID := by(x)
		yAt, yID := by(y)
		return cmp.Or(xAt.Compare(yAt), cmp.Compare(xID, yID))
	})
}
