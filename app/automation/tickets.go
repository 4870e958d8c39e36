package automation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/queue"
	"bursar/app/support"
)

// Causes name what a ticket or task is about; there is never a second one for the same.
func failedCause(invoice string) string     { return "payment_failed:" + invoice }
func disputeCause(dispute string) string    { return "dispute:" + dispute }
func notActiveCause(checkout string) string { return "not_active:" + checkout }

func failedPayment(f customer.Facts, i db.Invoice) support.Ticket {
	about := fmt.Sprintf("A payment of %s failed (invoice %s, attempt %d).", customer.FormatAmount(i.AmountDue, i.Currency), name(i), i.Attempts)
	if i.Error != "" {
		about += " Stripe says: " + i.Error
	}
	if i.NextAttemptAt.IsZero() {
		about += "\nStripe will not try again by itself."
	} else {
		about += "\nStripe will try again on " + day(i.NextAttemptAt.Time) + "."
	}
	return support.Ticket{CustomerID: f.Record.ID, Cause: failedCause(i.ID), Queue: support.Billing, Priority: support.Urgent, Author: "bursar",
		Events: attempts(i), Subject: "Payment failed: " + who(f), Body: about + "\n\n" + background(f)}
}

// attempts are the tries of an invoice that failed, up to the last.
func attempts(i db.Invoice) []support.Event {
	text := fmt.Sprintf("Attempt %d failed too.", i.Attempts)
	if i.Error != "" {
		text += " Stripe says: " + i.Error
	}
	if !i.NextAttemptAt.IsZero() {
		text += " It will try again on " + day(i.NextAttemptAt.Time) + "."
	}
	return []support.Event{{Key: fmt.Sprintf("attempt:%d", i.Attempts), Text: text}}
}

func dispute(f customer.Facts, d db.Dispute) support.Ticket {
	about := fmt.Sprintf("A payment of %s is disputed (%s, reason: %s).", customer.FormatAmount(d.Amount, d.Currency), d.ID, d.Reason)
	if !d.EvidenceDueAt.IsZero() {
		about += "\nEvidence is due in Stripe by " + day(d.EvidenceDueAt.Time) + "."
	}
	about += "\nWhile a payment is disputed it cannot be refunded."
	return support.Ticket{CustomerID: f.Record.ID, Cause: disputeCause(d.ID), Queue: support.Billing, Priority: support.Urgent, Author: "bursar",
		Events: []support.Event{{Key: "status:" + d.Status, Text: "Stripe now says of the dispute: " + strings.ReplaceAll(d.Status, "_", " ") + "."}}, Subject: "Payment disputed: " + who(f), Body: about + "\n\n" + background(f)}
}

func notActive(f customer.Facts, c db.Checkout) support.Ticket {
	about := fmt.Sprintf("Checkout %s was paid on %s and there is no active subscription yet.", c.ID, c.CompletedAt.UTC().Format("2 Jan 2006 15:04 UTC"))
	return support.Ticket{CustomerID: f.Record.ID, Cause: notActiveCause(c.ID), Queue: support.Onboarding, Priority: support.Urgent, Author: "bursar",
		Subject: "Paid but not active: " + who(f), Body: about + "\n\n" + background(f)}
}

// closingNote says why the cause of a ticket is gone.
func closingNote(f customer.Facts, cause string) string {
	kind, id, _ := strings.Cut(cause, ":")
	switch kind {
	case "payment_failed":
		if n := slices.IndexFunc(f.Invoices, func(i db.Invoice) bool { return i.ID == id }); n >= 0 {
			i := f.Invoices[n]
			if i.Status == "paid" {
				return fmt.Sprintf("Recovered: %s was paid on %s.", customer.FormatAmount(i.AmountPaid, i.Currency), day(i.PaidAt.Time))
			}
			return "The invoice is now " + i.Status + " in Stripe."
		}
	case "dispute":
		if n := slices.IndexFunc(f.Disputes, func(d db.Dispute) bool { return d.ID == id }); n >= 0 {
			return "The dispute is decided: " + strings.ReplaceAll(f.Disputes[n].Status, "_", " ") + "."
		}
	case "not_active":
		return "Access is now " + f.Record.Access + ": " + f.Record.AccessReason + "."
	}
	return "The cause is gone."
}

// background is what support wants to know before writing back.
func background(f customer.Facts) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Customer %d: %s\n", f.Record.ID, who(f))
	if ids := f.Linked("user"); len(ids) > 0 {
		fmt.Fprintf(&b, "User of the product: %s\n", strings.Join(ids, ", "))
	}
	fmt.Fprintf(&b, "Stripe: %s\n", strings.Join(f.Linked("stripe"), ", "))
	fmt.Fprintf(&b, "Plan: %s, status: %s, access: %s (%s)\n", or(f.Record.Plan, "none"), or(f.Record.Status, "none"), f.Record.Access, f.Record.AccessReason)
	b.WriteString("\nLast payments:\n")
	for n, i := range slices.Backward(f.Invoices) {
		if n < len(f.Invoices)-3 {
			break
		}
		fmt.Fprintf(&b, "  %s  %s  %s\n", day(i.CreatedAt.Time), customer.FormatAmount(i.AmountDue, i.Currency), paymentState(i))
	}
	b.WriteString("\nRecent billing events:\n")
	for _, e := range f.Recent {
		fmt.Fprintf(&b, "  %s  %s\n", e.CreatedAt.UTC().Format("2006-01-02 15:04:05"), e.Type)
	}
	for n, j := range f.Failing {
		if n == 0 {
			b.WriteString("\nErrors:\n")
		}
		if errs := queue.Errors(j); len(errs) > 0 {
			fmt.Fprintf(&b, "  %s (job %d): %s\n", j.Kind, j.ID, errs[len(errs)-1].Error)
		}
	}
	return b.String()
}

func paymentState(i db.Invoice) string {
	if i.Failed {
		return "failed, still open"
	}
	return i.Status
}

func who(f customer.Facts) string {
	switch {
	case f.Record.Name != "" && f.Record.Email != "":
		return f.Record.Name + " <" + f.Record.Email + ">"
	case f.Record.Name != "" || f.Record.Email != "":
		return f.Record.Name + f.Record.Email
	}
	return strings.Join(f.Linked("stripe"), ", ")
}

func name(i db.Invoice) string { return or(i.Number, i.ID) }

func day(t time.Time) string { return t.UTC().Format("2 Jan 2006") }

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
