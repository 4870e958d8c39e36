// Package money is what people do with a customer's money: give it back, change or end a subscription,
// collect, mail a receipt. Asking stores a row and audits it; a job asks Stripe and stores what came of it.
// Whatever dies in between, the row and the job are still there, and before Stripe is asked it is searched
// for what the row wanted: so nothing is done twice, and nothing is forgotten.
package money

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"bursar/app/auth"
	"bursar/app/db"
	"bursar/app/queue"
	"bursar/app/stripe"
)

// Kind is something to do. The words are stored.
type Kind string

// The kinds.
const (
	Refund      Kind = "refund"
	ChangePlan  Kind = "change_plan"
	CancelNow   Kind = "cancel_now"
	CancelAtEnd Kind = "cancel_at_end" // of the period that is paid for
	Keep        Kind = "keep"          // takes CancelAtEnd back
	Pause       Kind = "pause"         // collection of payments
	Resume      Kind = "resume"
	PayInvoice  Kind = "pay_invoice"
	SendInvoice Kind = "send_invoice"
	SendReceipt Kind = "send_receipt"
)

// Kinds are all of them.
func Kinds() []Kind {
	return []Kind{Refund, ChangePlan, CancelNow, CancelAtEnd, Keep, Pause, Resume, PayInvoice, SendInvoice, SendReceipt}
}

// Permission is what somebody needs to ask for it.
func (k Kind) Permission() auth.Permission {
	switch k {
	case Refund:
		return auth.Refund
	case SendInvoice, SendReceipt:
		return auth.SendInvoices
	}
	return auth.Subscribe
}

// The states of an action. The last three are final.
const (
	Proposed = "proposed" // a second person must approve
	Approved = "approved" // its job waits
	Running  = "running"  // Stripe is being asked
	Unknown  = "unknown"  // Stripe was asked, and nobody knows what came of it
	Done     = "done"
	Failed   = "failed" // nothing happened
	Declined = "declined"
)

// IsFinal says that nothing more will happen.
func IsFinal(state string) bool { return slices.Contains([]string{Done, Failed, Declined}, state) }

// Params is what a kind needs besides its target.
type Params struct {
	Plan     *Plan  `json:",omitempty"` // ChangePlan
	Behavior string `json:",omitempty"` // Pause: what becomes of invoices meanwhile
	Email    string `json:",omitempty"` // SendReceipt: where to
}

// Plan is a change of plan and what Stripe said it would cost. It is not made if it costs something else.
type Plan struct {
	stripe.PlanChange
	FromPrice      string
	FromQuantity   int64
	FromName, Name string // of the prices, as people know them
	NewPeriod      bool   // the interval is another one: Stripe begins a period with the change, and bills it at once
	Currency       string
	Prorated       int64
	Due            int64
}

// Money does the actions.
type Money struct {
	DB     *db.DB
	Stripe *stripe.Actions // nil: there is no key, and nothing can be asked for
	Caps   Caps

	at func(step string) // tests end the process here
}

// RunAction is the job that asks Stripe.
type RunAction struct{ Action int64 }

func (RunAction) Kind() string  { return "run_action" }
func (a RunAction) Key() string { return strconv.FormatInt(a.Action, 10) }

// system is the circuit of the key for actions: reading has another.
const system = "stripe-actions"

// Handle registers the job.
func (m *Money) Handle(w *queue.Worker) {
	o := queue.Options{System: system, Timeout: 2 * time.Minute}
	if m.Stripe == nil {
		o.System = "" // nothing there answers or does not
	}
	queue.Handle(w, o, func(ctx context.Context, a RunAction) error { return m.Run(ctx, a.Action) })
}

func (m *Money) step(name string) {
	if m.at != nil {
		m.at(name)
	}
}

func paramsOf(a db.Action) (p Params, err error) {
	if err := json.Unmarshal([]byte(a.Params), &p); err != nil {
		return p, fmt.Errorf("read the params of action %d: %w", a.ID, err)
	}
	return p, nil
}

// Refusal is why something cannot be done, in a sentence for the person who wants it.
type Refusal string

func (r Refusal) Error() string { return string(r) }

func refuse(format string, args ...any) error { return Refusal(fmt.Sprintf(format, args...)) }

// entry begins an entry of the audit about an action. Who asked stands for the program that does it.
func entry(a db.Action, actor string, role auth.Role, outcome string) auth.Entry {
	return auth.Entry{Actor: actor, Role: role, Action: "money." + a.Kind, Target: a.Target, Outcome: outcome,
		Detail: fmt.Sprintf("action %d of customer %d", a.ID, a.CustomerID)}
}
