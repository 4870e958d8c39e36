package lab

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"bursar/app/demo"
	"bursar/app/reconcile"
)

// Expect is a difference that must be found.
type Expect struct{ Kind, Subject, Cause string }

// Drift is a way to put the systems out of step.
type Drift struct {
	Name  string // what happens, in a few words
	Kind  string // what must be found
	Cause string // and why
	// put does it to somebody and returns the id of what must be found.
	put   func(ctx context.Context, c *Company, v Victim) (subject string, err error)
	also  []Expect // what follows from it besides
	apart bool     // needs the laboratory: a living company cannot have it
}

// Live says that it can be done to a company that lives by itself.
func (d Drift) Live() bool { return !d.apart }

// Put does it to somebody to whom nothing was done yet.
func (d Drift) Put(ctx context.Context, c *Company) ([]Expect, error) {
	v, err := c.take()
	if err != nil {
		return nil, err
	}
	return d.PutTo(ctx, c, v)
}

// PutTo does it to a certain customer.
func (d Drift) PutTo(ctx context.Context, c *Company, v Victim) ([]Expect, error) {
	subject, err := d.put(ctx, c, v)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.Name, err)
	}
	return append([]Expect{{d.Kind, subject, d.Cause}}, d.also...), nil
}

// act is something that a customer does in Stripe.
type act func(c *Company, v *Victim) error

// heard does something whose webhooks arrive.
func heard(ctx context.Context, c *Company, v *Victim, do act) error {
	if err := do(c, v); err != nil {
		return err
	}
	return c.Deliver(ctx)
}

// lost does something whose webhooks never arrive.
func lost(subject func(*Victim) string, before act, do act) func(context.Context, *Company, Victim) (string, error) {
	return func(ctx context.Context, c *Company, v Victim) (string, error) {
		if before != nil {
			if err := heard(ctx, c, &v, before); err != nil {
				return "", err
			}
		}
		err := c.unheard(func() error { return do(c, &v) })
		return subject(&v), err
	}
}

// silent does something of which Stripe makes no event.
func silent(subject func(*Victim) string, do act) func(context.Context, *Company, Victim) (string, error) {
	return func(ctx context.Context, c *Company, v Victim) (string, error) {
		c.Stripe.Quiet(true)
		defer c.Stripe.Quiet(false)
		return subject(&v), do(c, &v)
	}
}

// asBought is something that Stripe itself says, and everybody heard of.
func asBought(subject func(*Victim) string, do act) func(context.Context, *Company, Victim) (string, error) {
	return func(ctx context.Context, c *Company, v Victim) (string, error) {
		err := heard(ctx, c, &v, do)
		return subject(&v), err
	}
}

// byHand changes a row of Bursar's file, its CRM or its desk. The statement has one place for the argument.
func byHand(subject func(*Victim) string, before act, statement string, arg func(*Victim) any) func(context.Context, *Company, Victim) (string, error) {
	return func(ctx context.Context, c *Company, v Victim) (string, error) {
		if before != nil {
			if err := heard(ctx, c, &v, before); err != nil {
				return "", err
			}
		}
		return subject(&v), c.edit(ctx, statement, arg(&v))
	}
}

// Parts of a victim.
func customerOf(v *Victim) string     { return v.Customer }
func subscriptionOf(v *Victim) string { return v.Subscription }
func invoiceOf(v *Victim) string      { return v.Invoice }
func checkoutOf(v *Victim) string     { return v.Checkout }
func idOf(v *Victim) string           { return fmt.Sprint(v.ID) }
func failedOf(v *Victim) string       { return "payment_failed:" + v.Invoice }
func byID(v *Victim) any              { return v.ID }
func bySubscription(v *Victim) any    { return v.Subscription }
func byInvoice(v *Victim) any         { return v.Invoice }
func byCheckout(v *Victim) any        { return v.Checkout }
func byCustomer(v *Victim) any        { return v.Customer }
func byFailed(v *Victim) any          { return failedOf(v) }

// Things that customers do.
func cancels(c *Company, v *Victim) error      { return c.Stripe.Cancel(v.Subscription, false) }
func cancelsLater(c *Company, v *Victim) error { return c.Stripe.Cancel(v.Subscription, true) }
func returns(c *Company, v *Victim) (err error) {
	v.Purchase, err = c.Stripe.Resubscribe(v.Customer, "team")
	return err
}
func renames(c *Company, v *Victim) error {
	return c.Stripe.UpdateCustomer(v.Customer, "New Name", v.Email)
}
func pauses(c *Company, v *Victim) error {
	return c.Stripe.PauseCollection(v.Subscription, "void", time.Time{})
}
func moves(c *Company, v *Victim) error {
	if v.Price == "scale" {
		return c.Stripe.ChangePlan(v.Subscription, "starter")
	}
	return c.Stripe.ChangePlan(v.Subscription, "scale")
}
func deletes(c *Company, v *Victim) error { return c.Stripe.DeleteCustomer(v.Customer) }
func fails(c *Company, v *Victim) (err error) {
	v.Invoice, err = c.Stripe.FailPayment(v.Subscription)
	return err
}
func failsAndRecovers(c *Company, v *Victim) error {
	if err := fails(c, v); err != nil {
		return err
	}
	return c.Stripe.RecoverPayment(v.Invoice)
}

// Drifts are all the ways.
func Drifts() []Drift {
	return append(append(stripeDrifts(), moneyDrifts()...), hereDrifts()...)
}

func stripeDrifts() []Drift {
	return []Drift{
		{Name: "somebody new buys, and the webhooks are lost", Kind: "customer_missing", Cause: reconcile.NeverDelivered, put: func(ctx context.Context, c *Company, _ Victim) (string, error) {
			var v Victim
			err := c.unheard(func() (err error) {
				v, err = c.buy(demo.BuyOptions{})
				return err
			})
			return v.Customer, err
		}},
		{Name: "somebody bought before Bursar listened", Kind: "customer_missing", Cause: reconcile.Older, put: func(ctx context.Context, c *Company, _ Victim) (string, error) {
			c.Stripe.Quiet(true)
			defer c.Stripe.Quiet(false)
			v, err := c.buy(demo.BuyOptions{})
			return v.Customer, err
		}},
		{Name: "a name changes, and the webhook is lost", Kind: "customer_differs", Cause: reconcile.NeverDelivered, put: lost(customerOf, nil, renames)},
		{Name: "a name changes without an event", Kind: "customer_differs", Cause: reconcile.NoEvent, put: silent(customerOf, renames)},
		{Name: "a name is edited in Bursar's file", Kind: "customer_differs", Cause: reconcile.EditedHere, put: byHand(customerOf, nil, "UPDATE stripe_customers SET name = 'Edited' WHERE id = ?", byCustomer)},
		{Name: "a customer is deleted, and the webhook is lost", Kind: "customer_deleted", Cause: reconcile.NeverDelivered, put: lost(customerOf, nil, deletes)},
		{Name: "a link leads to a customer that does not exist", Kind: "link_to_nothing", Cause: reconcile.EditedHere, put: func(ctx context.Context, c *Company, v Victim) (string, error) {
			id := "cus_nothing" + fmt.Sprint(v.ID)
			return id, c.edit(ctx, `INSERT INTO stripe_customers (id, customer_id, name, email, deleted, source, as_of_at, confirmed_at, created_at)
					SELECT ?, customer_id, '', '', 0, 'api', as_of_at, confirmed_at, 1 FROM stripe_customers WHERE customer_id = ?`, id, v.ID)
		}},
		{Name: "a second subscription, and the webhooks are lost", Kind: "subscription_missing", Cause: reconcile.NeverDelivered, put: lost(subscriptionOf, cancelsLater, returns)},
		{Name: "somebody comes back, and the webhooks are lost", Kind: "paid_not_active", Cause: reconcile.NeverDelivered, put: lost(subscriptionOf, cancels, returns)},
		{Name: "somebody comes back, and the job gives up", Kind: "paid_not_active", Cause: reconcile.JobFailed, apart: true, put: func(ctx context.Context, c *Company, v Victim) (string, error) {
			if err := heard(ctx, c, &v, cancels); err != nil {
				return "", err
			}
			if err := returns(c, &v); err != nil {
				return "", err
			}
			if err := c.receive(ctx, nil); err != nil {
				return "", err
			}
			return v.Subscription, c.edit(ctx, `UPDATE jobs SET state = 'discarded', attempt = 15, finalized_at = created_at,
					errors = '[{"at":"2026-01-01T00:00:00Z","attempt":15,"error":"the answer could not be read"}]' WHERE kind = 'sync_customer' AND key = ? AND state = 'available'`, v.Customer)
		}},
		{Name: "a subscription is paused, and the webhook is lost", Kind: "subscription_differs", Cause: reconcile.NeverDelivered, put: lost(subscriptionOf, nil, pauses)},
		{Name: "a subscription is paused without an event", Kind: "subscription_differs", Cause: reconcile.NoEvent, put: silent(subscriptionOf, pauses)},
		{Name: "a period is edited in Bursar's file", Kind: "subscription_differs", Cause: reconcile.EditedHere, put: byHand(subscriptionOf, nil, "UPDATE subscriptions SET current_period_end_at = current_period_end_at + 86400000 WHERE id = ?", bySubscription)},
		{Name: "a plan changes, and the webhook is lost", Kind: "plan_differs", Cause: reconcile.NeverDelivered, put: lost(subscriptionOf, nil, moves)},
		{Name: "a price is edited in Bursar's file", Kind: "plan_differs", Cause: reconcile.EditedHere, put: byHand(subscriptionOf, nil, "UPDATE subscriptions SET price = 'price_edited' WHERE id = ?", bySubscription)},
		{Name: "a quantity is edited in Bursar's file", Kind: "quantity_differs", Cause: reconcile.EditedHere, put: byHand(subscriptionOf, nil, "UPDATE subscriptions SET quantity = 9 WHERE id = ?", bySubscription)},
		{Name: "an amount is edited in Bursar's file", Kind: "amount_differs", Cause: reconcile.EditedHere, put: byHand(subscriptionOf, nil, "UPDATE subscriptions SET amount = 1 WHERE id = ?", bySubscription)},
		{Name: "somebody cancels, and the webhook is lost", Kind: "access_would_end", Cause: reconcile.NeverDelivered, put: lost(subscriptionOf, nil, cancels)},
		{Name: "a subscription ends without an event", Kind: "access_would_end", Cause: reconcile.NoEvent, put: silent(subscriptionOf, cancels)},
		{Name: "somebody cancels, and the webhook is of the other mode", Kind: "access_would_end", Cause: reconcile.Ignored, apart: true, put: func(ctx context.Context, c *Company, v Victim) (string, error) {
			if err := cancels(c, &v); err != nil {
				return "", err
			}
			return v.Subscription, c.receive(ctx, func(body []byte) []byte {
				body = bytes.ReplaceAll(body, []byte(`"livemode": false`), []byte(`"livemode": true`))
				return bytes.ReplaceAll(body, []byte(`"livemode":false`), []byte(`"livemode":true`))
			})
		}, also: []Expect{{"events_ignored", "it is of live mode and this file holds test mode", reconcile.Ignored}}},
		{Name: "one of two subscriptions ends, and the webhook is lost", Kind: "subscription_ended", Cause: reconcile.NeverDelivered, put: func(ctx context.Context, c *Company, v Victim) (string, error) {
			first := v
			if err := heard(ctx, c, &v, cancelsLater); err != nil {
				return "", err
			}
			if err := heard(ctx, c, &v, returns); err != nil {
				return "", err
			}
			return first.Subscription, c.unheard(func() error { return cancels(c, &first) })
		}},
		{Name: "a subscription is made up in Bursar's file", Kind: "not_in_stripe", Cause: reconcile.EditedHere, put: func(ctx context.Context, c *Company, v Victim) (string, error) {
			id := "sub_nothing" + fmt.Sprint(v.ID)
			return id, c.edit(ctx, `INSERT INTO subscriptions SELECT ?, stripe_customer, customer_id, 'active', price, product, plan, quantity, amount, currency,
					interval, interval_count, 0, current_period_end_at, 0, 0, 0, 0, '', 0, created_at FROM subscriptions WHERE id = ?`, id, v.Subscription)
		}},
	}
}
