// Package automation is the rules: what the CRM and the desk should show for a customer, and so what a
// change leads to. To change what Bursar does about an event of business life, change this page.
package automation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"bursar/app/crm"
	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/support"
)

// Wanted is what the other systems should show for a customer at a time.
type Wanted struct {
	Contact *crm.Contact // nil: nobody signed up, and nothing was bought
	Tickets []support.Ticket
	Tasks   []crm.Task
	Notes   []crm.Note
}

// activationDelay is how long a paid checkout may take to become a subscription before support looks.
const activationDelay = 2 * time.Minute

// Want applies the rules to the facts of a customer. It looks at nothing else, so the same facts always
// want the same, and the reconciler can ask it too.
func Want(f customer.Facts, now time.Time) Wanted {
	w := Wanted{Contact: contact(f, now)}
	for _, i := range f.Invoices {
		if i.Failed {
			w.Tickets = append(w.Tickets, failedPayment(f, i))
			w.Tasks = append(w.Tasks, crm.Task{CustomerID: f.Record.ID, Cause: failedCause(i.ID),
				Title: fmt.Sprintf("Payment of %s failed: %s", customer.FormatAmount(i.AmountDue, i.Currency), who(f))})
		}
	}
	for _, d := range f.OpenDisputes() {
		w.Tickets = append(w.Tickets, dispute(f, d))
	}
	for _, c := range f.Checkouts {
		if stuck(f, c) && !now.Before(c.CompletedAt.Add(activationDelay)) {
			w.Tickets = append(w.Tickets, notActive(f, c))
		}
	}
	if last, ok := lastEnded(f); ok && w.Contact.Lifecycle == crm.Churned {
		w.Notes = append(w.Notes, crm.Note{CustomerID: f.Record.ID, Cause: "churned:" + last.ID,
			Text: fmt.Sprintf("Cancelled %s on %s.", customer.PlanName(last), day(endOf(last)))})
	}
	return w
}

// lastEnded is the newest subscription that was cancelled. One whose first payment never came is no loss.
func lastEnded(f customer.Facts) (last db.Subscription, ok bool) {
	for _, s := range slices.Backward(f.Subscriptions) {
		if s.Status == "canceled" {
			return s, true
		}
	}
	return last, false
}

// NextLook is when Want or the access will change without anything happening, zero if never.
func NextLook(f customer.Facts, now time.Time) time.Time {
	var next time.Time
	sooner := func(t time.Time) {
		if t.After(now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	sooner(f.AccessAt(now).Until)
	for _, c := range f.Checkouts {
		if stuck(f, c) {
			sooner(c.CompletedAt.Add(activationDelay))
		}
	}
	return next
}

// contact is the customer in the CRM: a lead from the sign-up on, trying, paying, behind with a payment, or gone.
// Somebody who did not sign up has none before the first subscription, and a first payment that never came makes none.
func contact(f customer.Facts, now time.Time) *crm.Contact {
	lifecycle := lifecycleOf(f)
	if lifecycle == "" {
		return nil
	}
	c := &crm.Contact{CustomerID: f.Record.ID, Name: f.Record.Name, Email: f.Record.Email, UserID: strings.Join(f.Linked("user"), ", "),
		StripeIDs: strings.Join(f.Linked("stripe"), ", "), Lifecycle: lifecycle, Plan: f.Record.Plan, Status: f.Record.Status,
		Access: f.Record.Access, LastPaidAt: f.Record.LastPaidAt.Time, NextInvoiceAt: f.NextInvoice()}
	if amount, currency := f.MainMRR(now); amount > 0 {
		c.MRR, c.Currency = customer.DecimalAmount(amount, currency), strings.ToUpper(currency)
	}
	return c
}

// lifecycles are the stages by how much they count: of several subscriptions the highest decides.
var lifecycles = [...]string{"", crm.Lead, crm.Churned, crm.Trial, crm.Customer, crm.PastDue}

func lifecycleOf(f customer.Facts) string {
	stage := ""
	atLeast := func(s string) {
		if slices.Index(lifecycles[:], s) > slices.Index(lifecycles[:], stage) {
			stage = s
		}
	}
	if len(f.Linked("user")) > 0 && (f.Record.Email != "" || f.Record.Name != "") {
		atLeast(crm.Lead)
	}
	for _, s := range f.Subscriptions {
		switch s.Status {
		case "trialing":
			atLeast(crm.Trial)
		case "active", "paused":
			atLeast(crm.Customer)
		case "past_due", "unpaid":
			atLeast(crm.PastDue)
		case "canceled":
			atLeast(crm.Churned)
		}
	}
	if f.Record.Deleted && stage != "" {
		return crm.Churned
	}
	return stage
}

// stuck says that a checkout was paid and nothing gives access.
func stuck(f customer.Facts, c db.Checkout) bool {
	return f.Record.Access == customer.Pending && c.Status == "complete" && c.Mode == "subscription" &&
		(c.PaymentStatus == "paid" || c.PaymentStatus == "no_payment_required") && !c.CompletedAt.IsZero() && c.ActivatedAt.IsZero()
}

func endOf(s db.Subscription) time.Time {
	if !s.EndedAt.IsZero() {
		return s.EndedAt.Time
	}
	return s.CanceledAt.Time
}
