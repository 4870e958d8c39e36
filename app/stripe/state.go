package stripe

import "time"

// State is everything Stripe says about one Stripe customer, as far as Bursar cares.
// It has the same shape whichever way it was read: from the API (Client.State) or
// folded from stored events (Fold), in any API version from 2023-10-16 on.
// All amounts are integer minor units of their Currency (lower-case ISO 4217; some
// currencies have no minor unit: https://docs.stripe.com/currencies#zero-decimal).
type State struct {
	Customer      Customer
	Subscriptions []Subscription // every status, oldest first
	Invoices      []Invoice      // the most recent ones, oldest first
	Charges       []Charge       // the most recent ones, oldest first
	Refunds       []Refund       // of those charges, oldest first
	Disputes      []Dispute      // of those charges, oldest first
	Checkouts     []Checkout     // the most recent ones, oldest first
	Source        Source
	Parts         Parts     // what was read beside the customer and the subscriptions, from the API
	AsOf          time.Time // API: when the read began; events: creation of the newest event used
	Skipped       int       // events of the customer whose object could not be read
}

// Source says how a State was read.
type Source string

// The two ways to read a State. A State from events is unconfirmed: an event may be missing.
const (
	SourceAPI    Source = "api"
	SourceEvents Source = "events"
)

// Customer is https://docs.stripe.com/api/customers/object.
// Of a deleted customer the API tells the ID only; events keep the last known Name and Email.
type Customer struct {
	ID        string
	Name      string
	Email     string
	Metadata  map[string]string
	Deleted   bool
	TestClock string // set for customers of a test clock, which list calls leave out
	CreatedAt time.Time
}

// Subscription is https://docs.stripe.com/api/subscriptions/object. Price, Product and
// Amount are those of the first item; further items are add-ons to it.
type Subscription struct {
	ID                string
	Customer          string
	Status            string // Stripe's word; unknown words are kept as they are
	Price             string // price_…
	Product           string // prod_…
	ProductName       string // only where the read could see it (API)
	Nickname          string // of the price
	LookupKey         string // of the price
	Quantity          int64
	Amount            int64 // unit amount times quantity, each Interval
	Currency          string
	Interval          string // day, week, month or year
	IntervalCount     int64
	CurrentPeriodEnd  time.Time
	CancelAtPeriodEnd bool
	CancelAt          time.Time
	CanceledAt        time.Time
	EndedAt           time.Time
	TrialEnd          time.Time
	PauseBehavior     string // keep_as_draft, mark_uncollectible, void, or "" when collection is on
	PauseResumesAt    time.Time
	Metadata          map[string]string
	TestClock         string
	CreatedAt         time.Time
}

// Invoice is https://docs.stripe.com/api/invoices/object.
type Invoice struct {
	ID            string
	Number        string // what the customer sees on it
	Customer      string
	Subscription  string
	Charge        string // ch_…, where known
	PaymentIntent string // pi_…, where known
	Status        string // draft, open, paid, uncollectible, void
	BillingReason string
	AmountDue     int64
	AmountPaid    int64
	Currency      string
	Attempts      int64     // attempt_count
	Failed        bool      // a payment was tried and failed, and it is still open
	NextAttemptAt time.Time // zero when Stripe will not try again
	Error         string    // Stripe's text for the last failure, where known
	HostedURL     string
	PaidAt        time.Time
	CreatedAt     time.Time
}

// Charge is https://docs.stripe.com/api/charges/object.
type Charge struct {
	ID             string
	Customer       string
	Invoice        string // where known: versions from basil on say it through the invoice only
	PaymentIntent  string
	Status         string // succeeded, pending, failed
	Amount         int64
	AmountRefunded int64
	Currency       string
	Disputed       bool
	FailureCode    string
	FailureMessage string
	ReceiptURL     string
	CreatedAt      time.Time
}

// Refund is https://docs.stripe.com/api/refunds/object. Its status can still turn to
// failed after succeeded.
type Refund struct {
	ID            string
	Charge        string
	PaymentIntent string
	Status        string // pending, requires_action, succeeded, failed, canceled
	Amount        int64
	Currency      string
	Reason        string
	Metadata      map[string]string
	CreatedAt     time.Time
}

// Dispute is https://docs.stripe.com/api/disputes/object.
type Dispute struct {
	ID            string
	Charge        string
	PaymentIntent string
	Status        string
	Reason        string
	Amount        int64
	Currency      string
	EvidenceDueAt time.Time
	CreatedAt     time.Time
}

// Checkout is https://docs.stripe.com/api/checkout/sessions/object.
type Checkout struct {
	ID                string
	Customer          string
	ClientReferenceID string
	Mode              string // payment, setup, subscription
	Status            string // open, complete, expired
	PaymentStatus     string // paid, unpaid, no_payment_required
	PaymentFailed     bool   // a delayed payment method failed after completion (events only)
	Subscription      string
	Invoice           string
	PaymentIntent     string
	Email             string // what the buyer typed
	Name              string
	Amount            int64
	Currency          string
	Metadata          map[string]string
	CompletedAt       time.Time // creation of the completed event; from the API, CreatedAt
	CreatedAt         time.Time
}
