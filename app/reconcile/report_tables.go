package reconcile

import (
	"fmt"
	"strings"
	"time"

	"bursar/app/mail"
)

// Table is figures with a label each. All its text is fit for one line.
type Table struct {
	Title string
	Heads []string // over the values, none where there is one value
	Lines []Line
}

// Line is a row of a Table.
type Line struct {
	Label  string
	Values []string // one, or as many as there are heads
}

// Tables are the figures: money, the week where one has ended, and how Bursar itself runs.
func (r Report) Tables() []Table {
	tables := []Table{r.moneyTable()}
	if r.Week != nil {
		tables = append(tables, r.weekTable())
	}
	return append(tables, r.houseTable())
}

func (r Report) moneyTable() Table {
	t := Table{Title: "Money and customers"}
	if !r.Since.IsZero() {
		t.Title += ", since " + r.Since.Format("Mon 2 Jan 15:04")
	}
	f := r.Figures
	if f.New.N+f.Left.N == 0 {
		t.Lines = append(t.Lines, Line{"Customers", []string{"nobody new, nobody left"}})
	} else {
		t.Lines = append(t.Lines, Line{"New", []string{newText(f)}}, Line{"Left", []string{leftText(f)}})
	}
	t.Lines = append(t.Lines, Line{"Paid", []string{paidText(f)}})
	for _, line := range []struct {
		label, text string
		sum         Sum
	}{
		{"Failed", inEach(r.Unpaid, "payment", "payments") + ", unpaid still", r.Unpaid},
		{"Recovered", inEach(f.Recovered, "payment", "payments"), f.Recovered},
		{"Refunded", inEach(f.Refunded, "refund", "refunds"), f.Refunded},
		{"Disputed", inEach(r.OpenDisputes, "dispute", "disputes") + ", open", r.OpenDisputes},
	} {
		if line.sum.N > 0 {
			t.Lines = append(t.Lines, Line{line.label, []string{line.text}})
		}
	}
	return t
}

func newText(f Figures) string  { return perMonthText(f.New, "paying") }
func leftText(f Figures) string { return perMonthText(f.Left, "who paid") }
func paidText(f Figures) string { return inEach(f.Paid, "payment", "payments") }

// perMonthText is how many customers, and what they bring in a month.
func perMonthText(s Sum, verb string) string {
	if s.N == 0 {
		return "nobody"
	}
	text := count(s.N, "customer", "customers")
	if money := s.Money(); money != "" {
		text += ", " + verb + " " + mail.Line(money, maxText) + " a month"
	}
	return text
}

// inEach is how much, and in how many pieces.
func inEach(s Sum, one, many string) string {
	if s.N == 0 {
		return "nothing"
	}
	pieces := count(s.N, one, many)
	if money := s.Money(); money != "" {
		return mail.Line(money, maxText) + " in " + pieces
	}
	return pieces
}

func (r Report) weekTable() Table {
	w := r.Week
	t := Table{Title: "The week " + w.From.Format("2 Jan") + " to " + w.Until.AddDate(0, 0, -1).Format("2 Jan"), Heads: []string{"That week", "The week before"}}
	for _, line := range []struct {
		label string
		text  func(Figures) string
	}{
		{"New", newText}, {"Left", leftText}, {"Paid", paidText},
		{"Failed", func(f Figures) string { return inEach(f.Failed, "payment", "payments") }},
		{"Recovered", func(f Figures) string { return inEach(f.Recovered, "payment", "payments") }},
		{"Refunded", func(f Figures) string { return inEach(f.Refunded, "refund", "refunds") }},
		{"Disputed", func(f Figures) string { return inEach(f.Disputed, "dispute", "disputes") }},
		{"Paid to active", activeText},
		{"Differences healed", func(f Figures) string { return perDay(f.Healed) }},
		{"By itself", func(f Figures) string { return perDay(f.Automatic()) }},
		{"By hand", func(f Figures) string { return perDay(f.ByHand) }},
		{"Time given back", r.givenBack},
	} {
		if line.label == "Time given back" && r.MinutesPerAction == 0 {
			continue
		}
		t.Lines = append(t.Lines, Line{line.label, []string{line.text(w.This), line.text(w.Before)}})
	}
	return t
}

// perDay is a number of a week, and what that is in a day.
func perDay(n int) string {
	if n == 0 {
		return "none"
	}
	return fmt.Sprintf("%s, %s a day", thousands(n), strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/7), ".0"))
}

// activeText is how long purchases waited for access.
func activeText(f Figures) string {
	if f.Activations == 0 && f.Missed == 0 {
		return "no purchases"
	}
	text := count(f.Activations, "purchase", "purchases")
	if f.Activations > 0 {
		text += fmt.Sprintf(": half within %s, 95 %% within %s", seconds(f.PaidToActiveP50), seconds(f.PaidToActiveP95))
	}
	if f.Missed > 0 {
		text += fmt.Sprintf("; %s over two minutes", thousands(f.Missed))
	}
	return text
}

// givenBack estimates the time that nobody spent, and says what the guess is.
func (r Report) givenBack(f Figures) string {
	minutes := f.Automatic() * r.MinutesPerAction
	if minutes == 0 {
		return "none"
	}
	return "about " + minutesText(minutes)
}

func minutesText(n int) string {
	if n < 120 {
		return fmt.Sprintf("%d min", n)
	}
	return fmt.Sprintf("%s h", strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/60), ".0"))
}

func (r Report) houseTable() Table {
	t := Table{Title: "How it runs"}
	say := func(label, value string) { t.Lines = append(t.Lines, Line{label, []string{value}}) }
	say("Paid to active", activeText(r.Figures))
	if r.EverActivated {
		text := "it is less than a day that a purchase waited for more than two minutes"
		if r.DaysWithoutMiss > 0 {
			text = count(r.DaysWithoutMiss, "day", "days") + ": every purchase gave access within two minutes"
		}
		say("Without a miss", text)
	}
	say("By itself", r.workText())
	say("By hand", handText(r.Figures.ByHand))
	if r.MinutesPerAction > 0 && r.Figures.Automatic() > 0 {
		say("Time given back", fmt.Sprintf("%s, an estimate: %s × %d min (BURSAR_MINUTES_PER_ACTION)",
			r.givenBack(r.Figures), thousands(r.Figures.Automatic()), r.MinutesPerAction))
	}
	say("Events", r.eventsText())
	say("Queue", r.queueText())
	if r.StripeReads > 0 {
		say("Stripe reads", thousands(r.StripeReads)+" requests in 30 days")
	}
	say("Last backup", r.backupText())
	if r.Audit != "" {
		say("Audit", mail.Line(r.Audit, maxText))
	}
	return t
}

// workText lists what Bursar did, as far as it did.
func (r Report) workText() string {
	var parts []string
	for _, p := range []struct {
		n         int
		one, many string
	}{
		{r.Figures.Contacts, "contact written", "contacts written"}, {r.Figures.Notes, "note or task added", "notes and tasks added"},
		{r.Figures.TicketsOpened, "ticket opened", "tickets opened"}, {r.Figures.TicketsClosed, "ticket closed", "tickets closed"},
		{r.Figures.Healed, "difference healed", "differences healed"},
	} {
		if p.n > 0 {
			parts = append(parts, count(p.n, p.one, p.many))
		}
	}
	if len(parts) == 0 {
		return "nothing was to be done"
	}
	return strings.Join(parts, ", ")
}

func handText(n int) string {
	if n == 0 {
		return "nothing"
	}
	return count(n, "thing that somebody did in Bursar", "things that somebody did in Bursar")
}

func (r Report) eventsText() string {
	text := count(r.Figures.EventsStored, "event", "events")
	for _, p := range []struct {
		n    int
		what string
	}{{r.Figures.EventsLate, " late"}, {r.Figures.EventsSwept, " found only by asking Stripe"}, {r.Figures.EventsIgnored, " ignored"}} {
		if p.n > 0 {
			text += ", " + thousands(p.n) + p.what
		}
	}
	if r.Figures.EventsStored > 0 && r.Figures.EventsLate+r.Figures.EventsSwept == 0 {
		text += ", all in time"
	}
	return text
}

func (r Report) queueText() string {
	if r.Waiting+len(r.DeadJobs) == 0 {
		return "empty, nothing was given up"
	}
	return count(r.Waiting, "job waits", "jobs wait") + ", " + thousands(len(r.DeadJobs)) + " given up"
}

func (r Report) backupText() string {
	if r.Backup.IsZero() {
		return "none with bursar backup yet"
	}
	text := r.Backup.Format("Mon 2 Jan 2006 15:04")
	if days := int(r.Began.Sub(r.Backup) / (24 * time.Hour)); days > 1 {
		text += ", " + count(days, "day", "days") + " ago"
	}
	return text
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
