package reconcile

import (
	"fmt"
	"strings"
	"time"

	"bursar/app/mail"
)

// What one mail can hold: Gmail cuts a message at 102 kB.
const (
	maxRows   = 12
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
	Note    string
	Link    string
	Command string
	Decide  string // where a person decides about it
}

// Fact is a line of figures.
type Fact struct{ Label, Value string }

// Sections are the lists that have something in them, the most urgent first.
func (r Report) Sections() []Section {
	all := []Section{
		section("Needs you", "attention", r.NeedsYou, r.findingRow),
		section("Work that gave up", "attention", r.DeadJobs, deadJobRow),
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
	if f.Cause != "" {
		note = append([]string{mail.Line(f.Cause, maxCause)}, note...)
	}
	return Row{Title: r.who(f.Who, f.CustomerID), Text: text, Note: strings.Join(note, "; "), Link: r.customerURL(f.CustomerID), Decide: mail.Line(f.DecideURL, maxURL)}
}

func (r Report) paymentRow(p Payment) Row {
	return Row{Title: r.who(p.Who, p.CustomerID), Amount: mail.Line(p.Amount, maxAmount), Text: mail.Line(p.Detail, maxText),
		Link: r.customerURL(p.CustomerID)}
}

func deadJobRow(j DeadJob) Row {
	return Row{Title: mail.Line(j.Kind+" "+j.Key, maxTitle), Text: mail.Line(j.Error, maxText),
		Command: fmt.Sprintf("bursar jobs retry %d", j.ID)}
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

// Facts are the other figures.
func (r Report) Facts() []Fact {
	facts := []Fact{{"Customers", thousands(r.NewCustomers) + " new, " + thousands(r.Churned) + " left"}}
	if r.Activations > 0 {
		facts = append(facts, Fact{"Paid to active", fmt.Sprintf("%s: half within %s, 95 %% within %s",
			count(r.Activations, "checkout", "checkouts"), seconds(r.PaidToActiveP50), seconds(r.PaidToActiveP95))})
	}
	events := count(r.EventsStored, "event", "events") + " stored"
	if r.EventsIgnored > 0 {
		events += ", " + thousands(r.EventsIgnored) + " of them ignored"
	}
	facts = append(facts, Fact{"Stripe", events})
	if !r.Since.IsZero() {
		facts = append(facts, Fact{"Since", r.Since.Format("Mon 2 Jan 2006 15:04 MST")})
	}
	if r.Audit != "" {
		facts = append(facts, Fact{"Audit", mail.Line(r.Audit, maxText)})
	}
	return facts
}

// seconds writes how long somebody waited.
func seconds(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
	return fmt.Sprintf("%.0f h", d.Hours())
}
