package reconcile

import (
	"fmt"
	"strings"

	"bursar/app/mail"
)

// What one mail can hold: Gmail cuts a message at 102 kB.
const (
	maxRows   = 9
	maxTitle  = 80
	maxAmount = 24
	maxText   = 200
	maxCause  = 140
	maxURL    = 160
)

// Section is a list of the report. All its text is fit for one line.
type Section struct {
	Title string
	Tone  string // good, attention or plain
	Rows  []Row
	More  string // how many rows are left out, "" if none
}

// Row is an entry of a Section; what is "" is not shown.
type Row struct {
	Title   string
	Amount  string
	Text    string
	Cause   string // why it is so
	Does    string // what follows from a yes, or what to do
	Note    string
	Link    string
	Command string
	Decide  string // where a person decides about it
	Yes     bool   // one click there has it repaired
}

// Sections are the lists that have something in them, the most urgent first.
func (r Report) Sections() []Section {
	all := []Section{
		section("Needs you", "attention", r.NeedsYou, r.findingRow),
		section("Work that gave up", "attention", r.DeadJobs, r.deadJobRow),
		section("Payments that failed", "attention", r.FailedPayments, r.paymentRow),
		section("Disputes", "attention", r.Disputed, r.paymentRow),
		section("Fixed", "good", r.Fixed, r.findingRow),
		section("Payments recovered", "good", r.Recovered, r.paymentRow),
		section("Refunds", "plain", r.Refunded, r.paymentRow),
	}
	var filled []Section
	for _, s := range all {
		if len(s.Rows) > 0 {
			filled = append(filled, s)
		}
	}
	return filled
}

func section[T any](title, tone string, list []T, row func(T) Row) Section {
	s := Section{Title: fmt.Sprintf("%s (%s)", title, thousands(len(list))), Tone: tone}
	if more := len(list) - maxRows; more > 0 {
		s.More = thousands(more)
		list = list[:maxRows]
	}
	for _, item := range list {
		s.Rows = append(s.Rows, row(item))
	}
	return s
}

func (r Report) findingRow(f Finding) Row {
	var note []string
	if !f.Since.IsZero() {
		note = append(note, "since "+f.Since.Format("Mon 2 Jan 15:04"))
	}
	if f.Seen > 1 {
		note = append(note, fmt.Sprintf("seen %d times", f.Seen))
	}
	text := mail.Line(f.What, maxText)
	if f.Detail != "" {
		text += ": " + mail.Line(f.Detail, maxText)
	}
	row := Row{Title: r.who(f.Who, f.CustomerID), Text: mail.UpperFirst(text), Cause: mail.Line(f.Cause, maxCause), Note: strings.Join(note, "; "),
		Link: r.customerURL(f.CustomerID), Decide: mail.Line(f.DecideURL, maxURL)}
	if f.DecideURL != "" {
		row.Does = mail.Line(f.Does, maxText)
		row.Yes = f.Proposal
	}
	return row
}

func (r Report) paymentRow(p Payment) Row {
	return Row{Title: r.who(p.Who, p.CustomerID), Amount: mail.Line(p.Amount, maxAmount), Text: mail.Line(p.Detail, maxText),
		Link: r.customerURL(p.CustomerID)}
}

func (r Report) deadJobRow(j DeadJob) Row {
	return Row{Title: mail.Line(j.Kind+" "+j.Key, maxTitle), Text: mail.Line(j.Error, maxText),
		Link: fmt.Sprintf("%s/jobs/%d", r.AdminURL, j.ID), Command: fmt.Sprintf("bursar jobs retry %d", j.ID)}
}

// who is a name to click on, so it is never empty.
func (r Report) who(name string, customerID int64) string {
	name = mail.Line(name, maxTitle)
	switch {
	case name != "":
		return name
	case customerID != 0:
		return fmt.Sprintf("Customer %d", customerID)
	}
	return "Nobody known"
}

func (r Report) customerURL(id int64) string {
	if id == 0 {
		return ""
	}
	return fmt.Sprintf("%s/customers/%d", r.AdminURL, id)
}

// Compared says what the verdict is about.
func (r Report) Compared() string {
	return "Compared: " + strings.Join([]string{count(r.Customers, "customer", "customers"), count(r.Subscriptions, "subscription", "subscriptions"),
		count(r.Contacts, "contact", "contacts"), count(r.Tickets, "ticket", "tickets")}, ", ") + "."
}
