package reconcile

import (
	"fmt"
	"strings"
	"time"

	"bursar/app/mail"
)

// Report is what the morning mail says: data only, its words are here and in web/mail/report.*.
// Times are in the company's time zone.
type Report struct {
	Day      string // local date, YYYY-MM-DD
	Late     bool   // the process was not there at the scheduled time
	ByHand   bool   // somebody asked for it
	Timezone string
	AdminURL string // of the pages, like https://example.com/admin

	Incomplete     string // why not everything could be read; "" if all was
	StripeCompared bool   // false: there is no STRIPE_API_KEY
	Customers      int    // how many of each were compared
	Subscriptions  int
	Contacts       int
	Tickets        int

	Fixed    []Finding
	NeedsYou []Finding
	DeadJobs []DeadJob

	Repairing int      // findings whose repair was still under way
	Dismissed int      // findings that a person dismissed and that stand as they were
	Note      string   // what was left undone on purpose, "" if nothing
	News      []string // of how events come, in sentences

	Since          time.Time // the money and the events are from then on; zero: from the beginning
	FailedPayments []Payment
	Recovered      []Payment // paid after it had failed
	Refunded       []Payment
	Disputed       []Payment
	NewCustomers   int
	Churned        int
	EventsStored   int
	EventsIgnored  int // of those stored
	Activations    int // checkouts whose customer got access
	PaidToActiveP50,
	PaidToActiveP95 time.Duration

	Audit       string // what the last nightly check of the audit found, "" before the first
	AuditBroken bool   // it was changed
}

// Finding is a difference between systems.
type Finding struct {
	ID         int64
	Kind       string
	What       string // the difference in a few words
	Who        string // the customer's name or address
	Detail     string // what was expected and what was found
	Cause      string // the evidence of why, in a sentence
	High       bool   // money or access is, or may be, wrong
	Systems    Systems
	Proposal   bool   // a person can have it repaired
	DecideURL  string // of the page to do so, "" for what is mended
	CustomerID int64  // 0: no customer
	Since      time.Time
	Seen       int // how many runs saw it
}

// Payment is money that moved, or did not.
type Payment struct {
	Who        string
	Amount     string // as customer.FormatAmount writes it
	Detail     string
	CustomerID int64 // 0: no customer
}

// DeadJob is work that was given up and waits for a person.
type DeadJob struct {
	ID         int64
	Kind       string
	Key, Error string
}

// Verdict is the report in one sentence: it is in the subject, and comes first.
func (r Report) Verdict() string {
	if r.Incomplete != "" {
		reason := strings.TrimRight(mail.Line(r.Incomplete, 120), ".")
		return sentence("Not everything could be read: "+reason+"; nothing is reported missing", r.toDo())
	}
	apart := ""
	if !r.StripeCompared {
		apart = "; Stripe itself was not compared (no STRIPE_API_KEY)"
	}
	checked := count(r.Customers, "customer", "customers") + " checked: "
	switch todo := r.toDo(); {
	case len(todo) > 0 && r.Tone() == "good":
		return checked + strings.Join(todo, ", ") + ", nothing needs you" + apart + "."
	case len(todo) > 0:
		return checked + strings.Join(todo, ", ") + apart + "."
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
		parts = append(parts, count(n, "needs you", "need you"))
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

// Date is the day in words.
func (r Report) Date() string {
	day, err := time.Parse(time.DateOnly, r.Day)
	if err != nil {
		return mail.Line(r.Day, 40)
	}
	return day.Format("Monday, 2 January 2006")
}

// Preview is what a mailbox shows beside the subject: the money.
func (r Report) Preview() string {
	var parts []string
	for _, p := range []struct {
		n         int
		one, many string
	}{
		{len(r.FailedPayments), "payment failed", "payments failed"},
		{len(r.Disputed), "dispute", "disputes"},
		{len(r.Recovered), "payment recovered", "payments recovered"},
		{len(r.Refunded), "refund", "refunds"},
		{r.NewCustomers, "new customer", "new customers"},
		{r.Churned, "customer left", "customers left"},
	} {
		if p.n > 0 {
			parts = append(parts, count(p.n, p.one, p.many))
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
	if r.Late {
		remarks = append(remarks, "This report is late: Bursar was not running at its time.")
	}
	remarks = append(remarks, r.News...)
	if r.ByHand {
		remarks = append(remarks, "Somebody asked for this report; the daily one comes as well.")
	}
	if r.Note != "" {
		remarks = append(remarks, mail.Line(r.Note, 300))
	}
	if r.Dismissed > 0 {
		remarks = append(remarks, count(r.Dismissed, "difference", "differences")+" that somebody dismissed stand as they were.")
	}
	if r.Incomplete != "" {
		remarks = append(remarks, "What could not be read is left as it is until it can be, and is not counted as missing.")
	}
	if r.Repairing > 0 {
		remarks = append(remarks, "Many repairs go slowly, so that purchases do not wait behind them. The next report tells of the rest.")
	}
	if !r.StripeCompared {
		remarks = append(remarks, "Set STRIPE_API_KEY to a restricted key with read access and Stripe itself is compared too.")
	}
	return remarks
}

func sentence(start string, parts []string) string {
	return strings.Join(append([]string{start}, parts...), ", ") + "."
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
