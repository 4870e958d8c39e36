package server

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"

	"bursar/app/auth"
	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/mail"
	"bursar/app/money"
)

// actionRoutes are the pages of money actions. Each kind has a page that says what will happen, and a form
// that asks for it; both want a fresh proof of who it is and, where money moves, a second factor.
func (s *Server) actionRoutes() []Route {
	routes := []Route{
		{"GET", "/admin/actions", may(auth.Look), s.actionsPage},
		{"GET", "/admin/actions/{id}", may(auth.Look), s.actionPage},
		{"POST", "/admin/actions/{id}/approve", may(auth.Approve), s.money(s.decideAction(true))},
		{"POST", "/admin/actions/{id}/decline", may(auth.Approve), s.fresh(s.decideAction(false))},
		{"POST", "/admin/actions/{id}/look", may(auth.RetryJobs), s.lookForAction},
	}
	for _, kind := range money.Kinds() {
		guard := s.money
		if kind.Permission() == auth.SendInvoices {
			guard = s.fresh
		}
		path := "/admin/customers/{id}/" + actionSlug(kind)
		routes = append(routes,
			Route{"GET", path, may(kind.Permission()), guard(s.confirmAction(kind))},
			Route{"POST", path, may(kind.Permission()), guard(s.askForAction(kind))})
	}
	return routes
}

// actionSlug is a kind in an address.
func actionSlug(k money.Kind) string {
	b := []byte(k)
	for i := range b {
		if b[i] == '_' {
			b[i] = '-'
		}
	}
	return string(b)
}

func actionPath(kind money.Kind, customer int64, target string) string {
	return fmt.Sprintf("/admin/customers/%d/%s?target=%s", customer, actionSlug(kind), url.QueryEscape(target))
}

// actionKeyNeeds are the permissions of the restricted key that does the actions, as Stripe names them.
func actionKeyNeeds() []string {
	return []string{"Charges and Refunds: write", "Subscriptions: write", "Invoices: write", "Prices: read", "Products: read"}
}

// moneyPart is what can be done with the money of a customer, on their page.
type moneyPart struct {
	Needs   []string // of the key that is not set
	Groups  []offerGroup
	Actions []actionRow // the newest
}

// offerGroup is what can be done with one thing.
type offerGroup struct {
	What   string
	State  string
	At     time.Time
	Offers []offer
}

// offer is a button, or why there is none.
type offer struct{ Label, Path, Why string }

const (
	offeredPayments = 5 // the newest
	actionsShown    = 5
)

// readMoney is empty for somebody who may do nothing of it.
func (s *Server) readMoney(ctx context.Context, q *db.Queries, f customer.Facts, user auth.User) (p moneyPart, err error) {
	rows, err := q.ListActions(ctx, db.ListActionsParams{Before: cursorMax, Customer: f.Record.ID, N: actionsShown})
	if err != nil {
		return p, fmt.Errorf("read the actions: %w", err)
	}
	for _, a := range rows {
		p.Actions = append(p.Actions, actionRowOf(a))
	}
	may := func(k money.Kind) bool { return user.Role.May(k.Permission()) }
	for _, t := range thingsOf(f) {
		g := offerGroup{What: t.what, State: t.state, At: t.at}
		for _, kind := range t.kinds {
			if !may(kind) {
				continue
			}
			o := offer{Label: kind.Label(), Path: actionPath(kind, f.Record.ID, t.thing.ID())}
			if err := money.Possible(f, kind, t.thing); err != nil {
				o.Why = mail.UpperFirst(err.Error()) + "."
			}
			g.Offers = append(g.Offers, o)
		}
		if len(g.Offers) > 0 {
			p.Groups = append(p.Groups, g)
		}
	}
	if s.Money.Stripe == nil && len(p.Groups) > 0 {
		p.Needs = actionKeyNeeds()
	}
	return p, nil
}

// thing is something that money actions are about, with the kinds that make sense for it.
type thing struct {
	thing       money.Thing
	what, state string
	at          time.Time
	kinds       []money.Kind
}

func thingsOf(f customer.Facts) (things []thing) {
	for i := range slices.Backward(f.Subscriptions) {
		sub := &f.Subscriptions[i]
		if sub.Status == "canceled" || sub.Status == "incomplete_expired" {
			continue
		}
		kinds := []money.Kind{money.ChangePlan, money.CancelAtEnd, money.CancelNow, money.Pause}
		if sub.CancelAtPeriodEnd {
			kinds[1] = money.Keep
		}
		if sub.PauseBehavior != "" {
			kinds[3] = money.Resume
		}
		things = append(things, thing{money.Thing{Subscription: sub}, mail.Line(customer.PlanName(*sub), maxName) + ", " + customer.FormatAmount(sub.Amount, sub.Currency), sub.Status, sub.CreatedAt.Time, kinds})
	}
	for i := range slices.Backward(f.Invoices) {
		if inv := &f.Invoices[i]; inv.Status == "open" || inv.Status == "uncollectible" {
			things = append(things, thing{money.Thing{Invoice: inv}, "Invoice of " + customer.FormatAmount(inv.AmountDue, inv.Currency), inv.Status, inv.CreatedAt.Time,
				[]money.Kind{money.PayInvoice, money.SendInvoice}})
		}
	}
	shown, payments := 0, money.Payments(f)
	for i := range slices.Backward(payments) {
		if c := &payments[i]; c.Status == "succeeded" && shown < offeredPayments {
			shown++
			things = append(things, thing{money.Thing{Charge: c}, "Payment of " + customer.FormatAmount(c.Amount, c.Currency), chargeState(f, *c), c.CreatedAt.Time,
				[]money.Kind{money.Refund, money.SendReceipt}})
		}
	}
	return things
}

// chargeState is what became of a payment.
func chargeState(f customer.Facts, c db.Charge) string {
	switch left := money.Unrefunded(f, c); {
	case c.Disputed:
		return "disputed"
	case left <= 0:
		return "refunded"
	case left < c.Amount:
		return "partially_refunded"
	}
	return "paid"
}
