package automation

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"bursar/app/crm"
	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/support"
)

// Standing is what the other systems say of a customer.
type Standing struct {
	Contact  *crm.Contact // nil: the CRM has none
	Policies crm.Policies // which of its fields may differ
	Tickets  []db.Ticket
	Findings []db.Finding // open ones: what the last check saw, also in Stripe
}

// Comparison is one thing that four systems say of a customer.
type Comparison struct {
	What                      string
	Stripe, Bursar, CRM, Desk Cell
}

// Cell is what one system says. A system that does not keep the thing has neither text nor time.
type Cell struct {
	Text    string
	At      time.Time // instead of the text where the thing is a time
	Differs bool      // from what it should be
}

// Compare sets what the systems say of a customer side by side. What is right comes from Stripe's last
// reading: the record must follow from it, and the CRM and the desk must show what the rules want.
func Compare(f customer.Facts, s Standing, now time.Time) []Comparison {
	is := f.Record
	follows := f.RecordAt(now)
	f.Record = follows
	wanted := Want(f, now)
	want, contact := crm.Contact{}, crm.Contact{}
	if wanted.Contact != nil {
		want = *wanted.Contact
	}
	if s.Contact != nil {
		contact = *s.Contact
	}
	differs := map[string]bool{}
	for _, c := range s.Policies.Changes(contact.Fields(), want.Fields()) {
		differs[c.Field] = true
	}
	crmText := func(text string, fields ...string) Cell {
		return Cell{Text: text, Differs: slices.ContainsFunc(fields, func(field string) bool { return differs[field] })}
	}
	mrr := func(c crm.Contact) string { return strings.TrimSpace(c.MRR + " " + c.Currency) }
	rows := []Comparison{
		compareText("Status", follows.Status, is.Status, crmText(contact.Status, crm.FieldStatus)),
		compareText("Plan", follows.Plan, is.Plan, crmText(contact.Plan, crm.FieldPlan)),
		compareText("Name", follows.Name, is.Name, crmText(contact.Name, crm.FieldName)),
		compareText("E-mail", follows.Email, is.Email, crmText(contact.Email, crm.FieldEmail)),
		compareText("Access", follows.Access, is.Access, crmText(standsFor(contact), crm.FieldLifecycle, crm.FieldAccess)),
		{What: "Last paid", Stripe: Cell{At: follows.LastPaidAt.Time},
			Bursar: Cell{At: is.LastPaidAt.Time, Differs: !is.LastPaidAt.Equal(follows.LastPaidAt.Time)},
			CRM:    Cell{At: contact.LastPaidAt, Differs: differs[crm.FieldLastPaidAt]}},
		{What: "MRR", Stripe: Cell{Text: allMRR(f, mrr(want), want.Currency)}, CRM: crmText(mrr(contact), crm.FieldMRR, crm.FieldCurrency)},
		{What: "Next invoice", Stripe: Cell{At: want.NextInvoiceAt}, CRM: Cell{At: contact.NextInvoiceAt, Differs: differs[crm.FieldNextInvoiceAt]}},
		{What: "User", Bursar: Cell{Text: want.UserID}, CRM: crmText(contact.UserID, crm.FieldUserID)},
		{What: "Stripe customer", Stripe: Cell{Text: want.StripeIDs}, CRM: crmText(contact.StripeIDs, crm.FieldStripeIDs)},
		compareTickets(f, wanted.Tickets, s.Tickets),
	}
	for i := range rows {
		switch {
		case len(f.Stripe) == 0: // a sign-up that bought nothing
			rows[i].Stripe, rows[i].Bursar.Differs = Cell{}, false
		case s.sawInStripe(f, rows[i].What):
			rows[i].Stripe.Differs = true
		}
		if s.Contact == nil || wanted.Contact == nil { // what no rule wants is not wrong
			rows[i].CRM.Differs = false
		}
	}
	if s.Contact == nil {
		rows[rowAccess].CRM = Cell{Text: "no contact", Differs: wanted.Contact != nil}
	}
	return rows
}

const rowAccess = 4

// allMRR is what comes in a month in every currency, the one that the CRM has first: it has a field for one.
func allMRR(f customer.Facts, first, currency string) string {
	list := []string{first}
	sums := f.MRR()
	for _, c := range slices.Sorted(maps.Keys(sums)) {
		if sums[c] > 0 && !strings.EqualFold(c, currency) {
			list = append(list, customer.DecimalAmount(sums[c], c)+" "+strings.ToUpper(c))
		}
	}
	return strings.Join(list, " and ")
}

// sawInStripe says that the last check saw something else in Stripe than the last reading.
func (s Standing) sawInStripe(f customer.Facts, what string) bool {
	return slices.ContainsFunc(s.Findings, func(d db.Finding) bool {
		return slices.Contains(stripeFindings[d.Kind], what) && d.LastAt.After(f.Record.AsOfAt.Time)
	})
}

// stripeFindings are the reconciler's kinds that tell of Stripe, and the rows that they are about.
var stripeFindings = map[string][]string{
	"customer_differs":     {"Name", "E-mail"},
	"customer_deleted":     {"Status", "Access"},
	"link_to_nothing":      {"Status", "Access"},
	"subscription_missing": {"Status", "Access"},
	"subscription_differs": {"Status"},
	"subscription_ended":   {"Status"},
	"plan_differs":         {"Plan"},
	"paid_not_active":      {"Status", "Access"},
	"access_would_end":     {"Status", "Access"},
	"not_in_stripe":        {"Status", "Access"},
	"invoice_missing":      {"Last paid"},
	"invoice_differs":      {"Last paid"},
	"refund_missing":       {"Last paid"},
	"dispute_missing":      {"Open tickets"},
	"dispute_differs":      {"Open tickets"},
}

func compareText(what, follows, is string, inCRM Cell) Comparison {
	return Comparison{What: what, Stripe: Cell{Text: follows}, Bursar: Cell{Text: is, Differs: is != follows}, CRM: inCRM}
}

// standsFor is what a contact says of the access.
func standsFor(c crm.Contact) string {
	if c.Access == "" {
		return c.Lifecycle
	}
	return c.Lifecycle + ", access " + c.Access
}

// compareTickets compares the causes for a ticket with the tickets on the desk. A ticket that a person
// closed before its cause was gone is no difference.
func compareTickets(f customer.Facts, wanted []support.Ticket, tickets []db.Ticket) Comparison {
	row := Comparison{What: "Open tickets", Stripe: Cell{Text: troubles(f)}, Bursar: Cell{Text: countOf(len(wanted), "is wanted", "are wanted")}}
	open := 0
	for _, t := range tickets {
		if t.Status != "open" {
			continue
		}
		open++
		if Owns(t.Cause) && !hasTicket(wanted, t.Cause) {
			row.Desk.Differs = true
		}
	}
	for _, t := range wanted {
		if !slices.ContainsFunc(tickets, func(on db.Ticket) bool { return on.Cause == t.Cause }) {
			row.Desk.Differs = true
		}
	}
	row.Desk.Text = countOf(open, "open", "open")
	return row
}

// troubles are what in Stripe is a cause for a ticket.
func troubles(f customer.Facts) string {
	failed := 0
	for _, i := range f.Invoices {
		if i.Failed {
			failed++
		}
	}
	var parts []string
	if failed > 0 {
		parts = append(parts, countOf(failed, "failed payment", "failed payments"))
	}
	if n := len(f.OpenDisputes()); n > 0 {
		parts = append(parts, countOf(n, "dispute", "disputes"))
	}
	if len(parts) == 0 {
		return "no trouble"
	}
	return strings.Join(parts, ", ")
}

func countOf(n int, one, many string) string {
	switch n {
	case 0:
		return "none"
	case 1:
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
