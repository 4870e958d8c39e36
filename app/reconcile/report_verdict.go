package reconcile

import (
	"fmt"
	"strings"

	"bursar/app/mail"
)

// Subject begins with the verdict, so that a phone shows it, and ends with the day, so that no two are the same.
// There is no name in it, and nothing that others wrote.
func (r Report) Subject() string {
	todo := strings.Join(r.toDo(), ", ")
	var text string
	switch {
	case r.Incomplete != "":
		text = "Bursar INCOMPLETE: " + r.unread() + " could not be read"
		if todo != "" {
			text += ", " + todo
		}
	case r.Customers == 0 && todo == "":
		text = "Bursar: no customers yet"
	case todo == "":
		text = "Bursar: " + thousands(r.Customers) + " checked, all agree"
	default:
		text = "Bursar: " + thousands(r.Customers) + " checked, " + todo
	}
	if r.Incomplete == "" && !r.StripeCompared {
		text += ", without Stripe"
	}
	return text + " (" + r.occasion() + ")"
}

// unread names the systems that could not be read.
func (r Report) unread() string {
	switch n := len(r.Unread); n {
	case 0:
		return "a part"
	case 1:
		return mail.Line(r.Unread[0], 40)
	default:
		return mail.Line(strings.Join(r.Unread[:n-1], ", ")+" and "+r.Unread[n-1], 80)
	}
}

// Verdict is the report in one sentence: it comes first.
func (r Report) Verdict() string {
	todo := r.toDo()
	if r.Incomplete != "" {
		start := mail.UpperFirst(r.unread()) + " could not be read whole"
		if len(r.Unread) == 0 {
			start = "Not everything could be read"
		}
		reason := strings.TrimRight(mail.Line(r.Incomplete, 120), ".")
		return strings.Join(append([]string{start + ": " + reason + "; nothing is called missing"}, todo...), ", ") + "."
	}
	apart := ""
	if !r.StripeCompared {
		apart = "; Stripe itself was not compared (no STRIPE_API_KEY)"
	}
	checked := count(r.Customers, "customer", "customers") + " checked: "
	switch {
	case len(todo) > 0 && r.Tone() == "good":
		return checked + strings.Join(todo, ", ") + ", nothing needs you" + apart + "."
	case len(todo) > 0:
		return checked + strings.Join(todo, ", ") + apart + "."
	case r.Empty:
		return "Nothing has arrived yet" + apart + "."
	case r.Customers == 0:
		return "There are no customers yet" + apart + "."
	case r.Customers == 1:
		return "The one customer agrees" + r.where() + apart + "."
	}
	return fmt.Sprintf("All %s customers agree%s%s.", thousands(r.Customers), r.where(), apart)
}

func (r Report) where() string {
	if r.StripeCompared {
		return " everywhere"
	}
	return " here"
}

func (r Report) toDo() []string {
	var parts []string
	if n := len(r.Fixed); n > 0 {
		parts = append(parts, thousands(n)+" fixed")
	}
	if n := r.Repairing; n > 0 {
		parts = append(parts, thousands(n)+" being repaired")
	}
	if n := len(r.NeedsYou); n > 0 {
		parts = append(parts, count(n, "thing needs you", "things need you"))
	}
	if n := len(r.DeadJobs); n > 0 {
		parts = append(parts, count(n, "job gave up", "jobs gave up"))
	}
	if r.AuditBroken {
		parts = append(parts, "the audit is broken")
	}
	return parts
}

// Tone is good, attention or incomplete: the colour of the verdict.
func (r Report) Tone() string {
	switch {
	case r.Incomplete != "":
		return "incomplete"
	case len(r.NeedsYou)+len(r.DeadJobs) > 0, r.AuditBroken:
		return "attention"
	}
	return "good"
}

// Preview is what a mailbox shows beside the subject: the money.
func (r Report) Preview() string {
	var parts []string
	for _, p := range []struct {
		sum       Sum
		one, many string
	}{
		{r.Unpaid, "payment failed", "payments failed"},
		{r.OpenDisputes, "dispute", "disputes"},
		{r.Figures.Recovered, "payment recovered", "payments recovered"},
		{r.Figures.Refunded, "refund", "refunds"},
		{r.Figures.New, "new customer", "new customers"},
		{r.Figures.Left, "customer left", "customers left"},
	} {
		if p.sum.N > 0 {
			text := count(p.sum.N, p.one, p.many)
			if money := p.sum.Money(); money != "" {
				text += " (" + mail.Line(money, maxAmount) + ")"
			}
			parts = append(parts, text)
		}
	}
	if len(parts) == 0 {
		return "No money trouble, nobody new."
	}
	return strings.Join(parts, ", ") + "."
}

// Remarks explain what is unusual about this report.
func (r Report) Remarks() []string {
	var remarks []string
	say := func(is bool, text string) {
		if is {
			remarks = append(remarks, text)
		}
	}
	say(r.Late, "This report is late: Bursar was not running at its time.")
	say(r.Incomplete != "", "What could not be read is left as it is until it can be, and is not counted as missing.")
	if r.Empty {
		remarks = append(remarks, "Once Stripe sends its first event it shows here. If it has not within the hour, look at "+r.AdminURL+
			"/stripe: it says what is wrong with the endpoint. Customers from before come with bursar backfill.")
	}
	for _, news := range r.News {
		remarks = append(remarks, mail.Line(news, 2*maxText))
	}
	say(r.ByHand, "Somebody asked for this report; the daily one comes as well.")
	say(r.Note != "", mail.Line(r.Note, 300))
	say(r.Dismissed > 0, count(r.Dismissed, "difference", "differences")+" that somebody dismissed stand as they were.")
	say(r.Repairing > 0, "Many repairs go slowly, so that purchases do not wait behind them. The next report tells of the rest.")
	say(!r.StripeCompared, "Set STRIPE_API_KEY to a restricted key with read access and Stripe itself is compared too.")
	say(r.Spreadsheet, fmt.Sprintf("For %d days every purchase gave access within two minutes. If you still check that in a spreadsheet: you can retire it.", r.DaysWithoutMiss))
	return remarks
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + many
}

// thousands writes a number the way amounts are written.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
