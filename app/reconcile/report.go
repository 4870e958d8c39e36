package reconcile

import (
	"time"

	"bursar/app/mail"
)

// Report is what the morning mail says: data only, its words are here and in web/mail/report.*. The mail, the
// page of the report and bursar reconcile --json show this one, as it was stored with the mail. Times are in the
// company's time zone.
type Report struct {
	Day      string // local date, YYYY-MM-DD
	Late     bool   // the process was not there at the scheduled time
	ByHand   bool   // somebody asked for it
	Began    time.Time
	Timezone string
	AdminURL string // of the pages, like https://example.com/admin

	Incomplete     string   // why not everything could be read; "" if all was
	Unread         []string // which systems could not be read whole, like "Stripe"
	StripeCompared bool     // false: there is no STRIPE_API_KEY
	Empty          bool     // nothing has ever arrived
	Customers      int      // how many of each were compared
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

	FailedPayments []Payment // unpaid still
	Recovered      []Payment // paid after it had failed
	Refunded       []Payment
	Disputed       []Payment // open
	Unpaid         Sum       // of FailedPayments
	OpenDisputes   Sum       // of Disputed

	Since   time.Time // the figures are from then on
	Figures Figures
	Week    *Week // in the first daily report of a calendar week, else nil

	DaysWithoutMiss  int  // whole days in which every purchase gave access within two minutes
	EverActivated    bool // there was a purchase in them
	Spreadsheet      bool // seven such days, and it was not said yet
	MinutesPerAction int  // what one thing done by itself saves, as the founder guesses; 0: nothing is said of it
	Waiting          int  // jobs that are due
	StripeReads      int  // requests to Stripe in 30 days
	Backup           time.Time

	Audit       string // what the last nightly check of the audit found, "" before the first
	AuditBroken bool   // it was changed
}

// Week is the calendar week that ended, and the one before it.
type Week struct {
	From, Until  time.Time // midnights of Mondays
	This, Before Figures
}

// Finding is a difference between systems.
type Finding struct {
	ID         int64
	Kind       string
	What       string // the difference in a few words
	Who        string // the customer's name or address
	Detail     string // what was expected and what was found
	Cause      string // the evidence of why, in a sentence
	Does       string // what the repair does, or what a person can do
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

// Date is the day in words.
func (r Report) Date() string {
	day, err := time.Parse(time.DateOnly, r.Day)
	if err != nil {
		return mail.Line(r.Day, 40)
	}
	return day.Format("Monday, 2 January 2006")
}

// occasion is the day in short, as the subject ends with it.
func (r Report) occasion() string {
	day, err := time.Parse(time.DateOnly, r.Day)
	text := mail.Line(r.Day, 20)
	if err == nil {
		text = day.Format("Mon 2 Jan")
	}
	switch {
	case r.ByHand:
		return text + " " + r.Began.Format("15:04") + ", asked for"
	case r.Late:
		return text + ", late"
	}
	return text
}
