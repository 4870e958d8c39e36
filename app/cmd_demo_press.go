package app

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"bursar/app/crm"
	"bursar/app/db"
	"bursar/app/demo"
	"bursar/app/queue"
	"bursar/app/reconcile"
	"bursar/app/server"
)

// press does what a button says, to the simulated vendors.
func (p *demoPanel) press(ctx context.Context, name string) (said string, err error) {
	switch name {
	case "lose":
		return p.lose(ctx)
	case "repeat":
		return p.customer(func() (demo.Deed, error) { return p.company.BuyRepeated(3) },
			"Each of the webhooks is sent three times. There will be one customer and one contact all the same.")
	case "stripe-down":
		return p.stripeGoesDown()
	case "stripe-up":
		p.setStripeDown(false)
		return "Stripe's API answers again. Within a minute or so Bursar asks it about everybody who bought meanwhile.", nil
	case "crm-429":
		p.crm.refuses.Store(true)
		return p.customer(p.company.Upgrade, "The CRM refuses to be told. Watch Today: the work waits, and nothing is lost.")
	case "crm-ok":
		p.crm.refuses.Store(false)
		return "The CRM answers again. What waited is written when its pause is over, in half a minute at most.", nil
	case "lose-answer":
		p.company.Stripe.Fail(demo.APIFault{Method: "POST", Path: "/v1/refunds", Kind: demo.BrokenAfter})
		return "Now refund a payment, from the page of a customer. Stripe will make it and answer with an error. Nobody knows then, until Bursar has searched Stripe for it; it is not made twice.", nil
	case "edit":
		return p.editContact(ctx)
	case "buy":
		return p.customer(p.company.Buy, "Watch the webhooks become a record, access and a contact.")
	case "fail":
		return p.customer(p.company.FailPayment, "Watch for the ticket. Access stays for now: Stripe will try again.")
	case "recover":
		return p.customer(p.company.Recover, "Watch the ticket close by itself.")
	case "cancel":
		return p.customer(p.company.Cancel, "Watch the access end.")
	case "compare":
		return "It is 7:00. Bursar compares all systems; the report is in the outbox in a few seconds.", p.compareAt(ctx, time.Now())
	}
	if strings.HasPrefix(name, driftPrefix) {
		return p.drift(ctx, name)
	}
	return "", fmt.Errorf("there is no button %q", name)
}

// customer lets a customer do something.
func (p *demoPanel) customer(do func() (demo.Deed, error), watch string) (said string, err error) {
	d, err := do()
	if errors.Is(err, demo.ErrNobody) {
		return "There is nobody who could do that just now. Press another button first.", nil
	}
	if err != nil {
		return "", err
	}
	p.remember(server.DemoDeed{Text: d.Text, Customer: d.Customer, Pressed: true})
	return d.Text + " " + watch, nil
}

// compareAfter is how long a difference stands before it is looked for: time enough to see that it is there.
const compareAfter = 8 * time.Second

func (p *demoPanel) lose(ctx context.Context) (said string, err error) {
	d, err := p.company.BuyUnheard()
	if err != nil {
		return "", err
	}
	p.remember(server.DemoDeed{Text: d.Text, Customer: d.Customer, Pressed: true, Lost: true})
	return d.Text + " Every webhook about it was lost: paid in Stripe, unknown here. Watch the comparison find it.", p.compareAt(ctx, time.Now().Add(compareAfter))
}

func (p *demoPanel) compareAt(ctx context.Context, at time.Time) error {
	return p.app.DB.Tx(ctx, func(q *db.Queries) error { return queue.InsertAt(ctx, q, reconcile.Reconcile{}, at) })
}

// buyersOfOutage is how many people buy while Stripe is down: enough for Bursar to see that it is.
const buyersOfOutage = 3

func (p *demoPanel) stripeGoesDown() (said string, err error) {
	p.setStripeDown(true)
	for range buyersOfOutage {
		said, err = p.customer(p.company.Buy, "So did two others. Stripe cannot be asked about them, and yet they get what they paid for: the webhooks are enough.")
		if err != nil {
			return "", err
		}
	}
	return said, nil
}

// handPlan is what somebody writes into the CRM.
const handPlan = "Enterprise (promised by phone)"

// writePlan changes the plan of a contact where it lives.
func (p *demoPanel) writePlan(ctx context.Context, customerID int64, plan string) error {
	if p.vendors.crm != nil {
		links, err := p.app.DB.Read().LinksOfCustomer(ctx, customerID)
		if err != nil {
			return err
		}
		for _, l := range links {
			if l.System == "crm" {
				p.vendors.crm.edit(l.RemoteID, plan)
			}
		}
		return nil
	}
	return p.app.DB.Tx(ctx, func(q *db.Queries) error {
		row, err := q.ContactOf(ctx, customerID)
		if err != nil {
			return err
		}
		contact := crm.Stored(row)
		contact.Plan = plan
		_, err = crm.Store(ctx, q, contact)
		return err
	})
}

// editContact changes the newest paying contact behind Bursar's back, as a hand in the CRM would.
func (p *demoPanel) editContact(ctx context.Context) (said string, err error) {
	contacts, err := p.app.DB.Read().ContactsPage(ctx, math.MaxInt64, crm.Customer, 1)
	if err != nil {
		return "", err
	}
	if len(contacts) == 0 {
		return "There is no contact yet. Let somebody buy first.", nil
	}
	c := contacts[0]
	known, err := p.app.DB.Read().StripeCustomersOf(ctx, c.CustomerID)
	if err != nil || len(known) == 0 {
		return "", errors.Join(err, errors.New("the contact belongs to nobody at Stripe"))
	}
	if err := p.writePlan(ctx, c.CustomerID, handPlan); err != nil {
		return "", err
	}
	text := fmt.Sprintf("Somebody wrote “%s” as the plan of %s into the CRM, by hand.", handPlan, c.Name)
	p.remember(server.DemoDeed{Text: text, Customer: known[0].ID, Pressed: true, ByHand: true})
	return text + " What is paid is " + c.Plan + ". Watch the comparison put it right.", p.compareAt(ctx, time.Now().Add(compareAfter))
}
