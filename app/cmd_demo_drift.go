package app

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"bursar/app/crm"
	"bursar/app/customer"
	"bursar/app/lab"
	"bursar/app/server"
)

// driftPrefix begins the name of a button that puts the systems out of step.
const driftPrefix = "drift:"

// telling are the ways that the panel shows as buttons, in this order; the others are in a list.
var telling = [...]string{
	"somebody cancels, and the webhook is lost", "a subscription ends without an event", "a plan changes, and the webhook is lost",
	"a refund, and the webhooks are lost", "a dispute, and the webhooks are lost", "a customer is deleted, and the webhook is lost",
	"somebody buys a second time", "access is taken away in Bursar's file", "a contact is deleted in the CRM", "a guest pays",
}

// driftActions are the buttons, the telling ones first.
func driftActions() []server.DemoAction {
	var actions []server.DemoAction
	for _, name := range telling {
		actions = append(actions, server.DemoAction{Name: driftPrefix + name, Label: sentenceOf(name)})
	}
	for _, d := range lab.Drifts() {
		if d.Live() && !slices.Contains(telling[:], d.Name) {
			actions = append(actions, server.DemoAction{Name: driftPrefix + d.Name, Label: sentenceOf(d.Name), More: true})
		}
	}
	return actions
}

func sentenceOf(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

// drift puts the systems out of step for the newest customer who pays and to whom nothing was done yet, and
// lets the comparison look soon after.
func (p *demoPanel) drift(ctx context.Context, name string) (said string, err error) {
	drifts := lab.Drifts()
	at := slices.IndexFunc(drifts, func(d lab.Drift) bool { return driftPrefix+d.Name == name && d.Live() })
	if at < 0 {
		return "", fmt.Errorf("there is no button %q", name)
	}
	v, err := p.victim(ctx)
	if err != nil {
		return "", err
	}
	if v.ID == 0 {
		return "There is nobody left to whom this could happen. Let somebody buy first.", nil
	}
	company, err := lab.Visit(p.company.Stripe, p.app.DB, p.app.Billing)
	if err != nil {
		return "", err
	}
	defer company.Close()
	d := drifts[at]
	if _, err := d.PutTo(ctx, company, v); err != nil {
		return "", err
	}
	text := fmt.Sprintf("%s: %s.", v.Name, d.Name)
	p.remember(server.DemoDeed{Text: text, Customer: v.Customer, Pressed: true, Lost: strings.HasSuffix(d.Name, "lost"), ByHand: !strings.Contains(d.Name, "webhook")})
	return text + " Watch the comparison find it, say why, and mend it or ask you.", p.compareAt(ctx, time.Now().Add(compareAfter))
}

// victim is somebody who pays, and was no victim yet.
func (p *demoPanel) victim(ctx context.Context) (lab.Victim, error) {
	q := p.app.DB.Read()
	contacts, err := q.ContactsPage(ctx, math.MaxInt64, crm.Customer, 200)
	if err != nil {
		return lab.Victim{}, err
	}
	for _, c := range contacts {
		if p.hurt[c.CustomerID] || c.Status != "active" {
			continue
		}
		facts, err := customer.Load(ctx, q, c.CustomerID)
		if err != nil {
			return lab.Victim{}, err
		}
		n := len(facts.Subscriptions)
		if n != 1 || len(facts.Invoices) == 0 || len(facts.Refunds)+len(facts.Disputes) > 0 || facts.Subscriptions[0].CancelAtPeriodEnd || facts.Invoices[len(facts.Invoices)-1].Charge == "" {
			continue
		}
		p.hurt[c.CustomerID] = true
		last := facts.Invoices[len(facts.Invoices)-1]
		v := lab.Victim{ID: c.CustomerID, Name: c.Name, Email: c.Email}
		v.Customer, v.Subscription, v.Invoice, v.Charge, v.PaymentIntent = facts.Subscriptions[0].StripeCustomer, facts.Subscriptions[0].ID, last.ID, last.Charge, last.PaymentIntent
		if len(facts.Checkouts) > 0 {
			v.Checkout = facts.Checkouts[0].ID
		}
		if facts.Subscriptions[0].Amount == 19900 {
			v.Price = "scale"
		}
		return v, nil
	}
	return lab.Victim{}, nil
}
