package lab

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"bursar/app/demo"
	"bursar/app/reconcile"
)

func moneyDrifts() []Drift {
	return []Drift{
		{Name: "an invoice is deleted in Bursar's file", Kind: "invoice_missing", Cause: reconcile.EditedHere, put: byHand(invoiceOf, nil, "DELETE FROM invoices WHERE id = ?", byInvoice)},
		{Name: "an invoice is edited in Bursar's file", Kind: "invoice_differs", Cause: reconcile.EditedHere, put: byHand(invoiceOf, nil, "UPDATE invoices SET amount_paid = amount_paid - 100 WHERE id = ?", byInvoice)},
		{Name: "a refund, and the webhooks are lost", Kind: "refund_missing", Cause: reconcile.NeverDelivered, put: func(ctx context.Context, c *Company, v Victim) (string, error) {
			var id string
			err := c.unheard(func() (err error) {
				id, err = c.Stripe.Refund(v.Charge, 500)
				return err
			})
			return id, err
		}},
		{Name: "a refund fails later, and the webhooks are lost", Kind: "refund_differs", Cause: reconcile.NeverDelivered, put: func(ctx context.Context, c *Company, v Victim) (string, error) {
			id, err := c.Stripe.Refund(v.Charge, 500)
			if err == nil {
				err = c.Deliver(ctx)
			}
			if err == nil {
				err = c.unheard(func() error { return c.Stripe.FailRefund(id) })
			}
			return id, err
		}},
		{Name: "a dispute, and the webhooks are lost", Kind: "dispute_missing", Cause: reconcile.NeverDelivered, put: func(ctx context.Context, c *Company, v Victim) (string, error) {
			var id string
			err := c.unheard(func() (err error) {
				id, err = c.Stripe.Dispute(v.Charge)
				return err
			})
			return id, err
		}},
		{Name: "a dispute is won, and the webhooks are lost", Kind: "dispute_differs", Cause: reconcile.NeverDelivered, put: func(ctx context.Context, c *Company, v Victim) (string, error) {
			id, err := c.Stripe.Dispute(v.Charge)
			if err == nil {
				err = c.Deliver(ctx)
			}
			if err == nil {
				err = c.unheard(func() error { return c.Stripe.CloseDispute(id, true) })
			}
			return id, err
		}},
		{Name: "a checkout is deleted in Bursar's file", Kind: "checkout_missing", Cause: reconcile.EditedHere, put: byHand(checkoutOf, nil, "DELETE FROM checkouts WHERE id = ?", byCheckout)},
		{Name: "a guest completes a checkout", Kind: "checkout_of_nobody", Cause: reconcile.AsInStripe, put: func(ctx context.Context, c *Company, v Victim) (string, error) {
			var id string
			err := c.unheard(func() (err error) {
				id, err = c.Stripe.BuyAsGuest("guest@example.com")
				return err
			})
			return id, err
		}},
		{Name: "a guest pays", Kind: "payment_of_nobody", Cause: reconcile.AsInStripe, put: func(ctx context.Context, c *Company, v Victim) (string, error) {
			var id string
			err := c.unheard(func() error {
				id = c.Stripe.PayAsGuest(1200)
				return nil
			})
			return id, err
		}},
		{Name: "a whole payment goes back, and the subscription stays", Kind: "refund_kept_access", Cause: reconcile.AsInStripe, put: asBought(idOf, func(c *Company, v *Victim) error {
			_, err := c.Stripe.Refund(v.Charge, 0)
			return err
		})},
		{Name: "somebody buys a second time", Kind: "two_subscriptions", Cause: reconcile.AsInStripe, put: asBought(idOf, returns)},
	}
}

func hereDrifts() []Drift {
	return []Drift{
		{Name: "access is taken away in Bursar's file", Kind: "paid_not_active", Cause: reconcile.EditedHere, put: byHand(idOf, nil, "UPDATE customers SET access = 'none' WHERE id = ?", byID)},
		{Name: "access is given in Bursar's file", Kind: "active_not_paid", Cause: reconcile.EditedHere, put: byHand(idOf, cancels, "UPDATE customers SET access = 'full' WHERE id = ?", byID)},
		{Name: "a plan is edited in Bursar's file", Kind: "record_stale", Cause: reconcile.EditedHere, put: byHand(idOf, nil, "UPDATE customers SET plan = 'gold' WHERE id = ?", byID)},
		{Name: "a contact is deleted in the CRM", Kind: "contact_missing", Cause: reconcile.DeletedThere, put: byHand(idOf, nil, "DELETE FROM contacts WHERE customer_id = ?", byID)},
		{Name: "the CRM refuses a new contact", Kind: "contact_missing", Cause: reconcile.JobFailed, apart: true, put: refusedContact},
		{Name: "a contact is edited in the CRM", Kind: "contact_differs", Cause: reconcile.EditedThere, put: byHand(idOf, nil, "UPDATE contacts SET plan = 'Enterprise (promised by phone)' WHERE customer_id = ?", byID)},
		{Name: "an address is edited in the CRM", Kind: "contact_differs", Cause: reconcile.EditedThere, put: byHand(idOf, nil, "UPDATE contacts SET email = 'typed@example.com', lifecycle = 'churned' WHERE customer_id = ?", byID)},
		{Name: "a contact belongs to nobody", Kind: "contact_of_nobody", Cause: reconcile.EditedThere, put: func(ctx context.Context, c *Company, v Victim) (string, error) {
			id := v.ID + 1_000_000
			return fmt.Sprint(id), c.edit(ctx, `INSERT INTO contacts (customer_id, name, email, lifecycle, plan, status, last_paid_at, created_at, updated_at)
					VALUES (?, 'Nobody', 'nobody@example.com', 'customer', 'team', 'active', 0, 1, 1)`, id)
		}},
		{Name: "a contact of somebody who bought nothing", Kind: "contact_unwanted", Cause: reconcile.EditedThere, put: func(ctx context.Context, c *Company, v Victim) (string, error) {
			id := v.ID + 2_000_000
			err := c.edit(ctx, "INSERT INTO customers (id, name, email, created_at, updated_at) VALUES (?, 'Looker', ?, 1, 1)", id, fmt.Sprintf("looker%d@example.com", id))
			if err != nil {
				return "", err
			}
			return fmt.Sprint(id), c.edit(ctx, `INSERT INTO contacts (customer_id, name, email, lifecycle, plan, status, last_paid_at, created_at, updated_at)
					VALUES (?, 'Looker', '', 'customer', '', '', 0, 1, 1)`, id)
		}},
		{Name: "a ticket is deleted on the desk", Kind: "ticket_missing", Cause: reconcile.DeletedThere, put: func(ctx context.Context, c *Company, v Victim) (string, error) {
			if err := heard(ctx, c, &v, fails); err != nil {
				return "", err
			}
			if err := c.edit(ctx, "DELETE FROM messages WHERE ticket_id = (SELECT id FROM tickets WHERE cause = ?)", failedOf(&v)); err != nil {
				return "", err
			}
			return failedOf(&v), c.edit(ctx, "DELETE FROM tickets WHERE cause = ?", failedOf(&v))
		}},
		{Name: "a ticket is opened again although it was paid", Kind: "ticket_left_open", Cause: reconcile.EditedThere, put: func(ctx context.Context, c *Company, v Victim) (string, error) {
			if err := heard(ctx, c, &v, fails); err != nil {
				return "", err
			}
			err := heard(ctx, c, &v, func(c *Company, v *Victim) error { return c.Stripe.RecoverPayment(v.Invoice) })
			if err != nil {
				return "", err
			}
			return failedOf(&v), c.edit(ctx, "UPDATE tickets SET status = 'open', closed_at = 0 WHERE cause = ?", failedOf(&v))
		}},
		{Name: "a ticket of Bursar's belongs to nobody", Kind: "ticket_of_nobody", Cause: reconcile.EditedThere, put: func(ctx context.Context, c *Company, v Victim) (string, error) {
			cause := fmt.Sprintf("dispute:du_nobody%d", v.ID)
			return cause, c.edit(ctx, `INSERT INTO tickets (cause, queue, priority, status, subject, created_at, updated_at) VALUES (?, 'billing', 'urgent', 'open', 'Payment disputed', 1, 1)`, cause)
		}},
		{Name: "somebody buys again with another account", Kind: "duplicate_customers", Cause: reconcile.Duplicate, put: twin},
		{Name: "a price has no name", Kind: "unknown_price", Cause: reconcile.Unnamed, put: unnamedPrice},
		{Name: "a purchase names another user", Kind: "two_people", Cause: reconcile.AsInStripe, apart: true, put: namesAnother},
		{Name: "a payment of a guest is heard of", Kind: "events_of_nobody", Cause: reconcile.AsInStripe, put: func(ctx context.Context, c *Company, v Victim) (string, error) {
			c.Stripe.PayAsGuest(900)
			return "events", c.Deliver(ctx)
		}},
		{Name: "an event of another account arrives", Kind: "events_ignored", Cause: reconcile.Ignored, apart: true, put: foreign},
	}
}

// refusedContact is a new customer whose contact the CRM does not take at first.
func refusedContact(ctx context.Context, c *Company, _ Victim) (string, error) {
	if _, err := c.change(ctx, "CREATE TRIGGER lab_refuses BEFORE INSERT ON contacts BEGIN SELECT RAISE(ABORT, 'the CRM refuses'); END"); err != nil {
		return "", err
	}
	v, err := c.buy(demo.BuyOptions{})
	if err == nil {
		err = c.receive(ctx, nil)
	}
	if err == nil {
		err = c.Worker.WorkOff(ctx)
	}
	if err == nil { // its next attempt comes later than this measurement
		_, err = c.change(ctx, "UPDATE jobs SET scheduled_at = ? WHERE kind = 'sync_contact' AND state = 'retryable'", time.Now().Add(6*soon).UnixMilli())
	}
	if _, dropErr := c.change(ctx, "DROP TRIGGER lab_refuses"); err != nil || dropErr != nil {
		return "", fmt.Errorf("%w %w", err, dropErr)
	}
	return c.text(ctx, "SELECT customer_id FROM stripe_customers WHERE id = ?", v.Customer)
}

// twin is somebody who buys with a new account and another way to write the same address.
func twin(ctx context.Context, c *Company, v Victim) (string, error) {
	other, err := c.buy(demo.BuyOptions{Email: "U" + v.Email[1:len(v.Email)-len("@example.com")] + "+two@Example.com"})
	if err == nil {
		err = c.Deliver(ctx)
	}
	if err != nil {
		return "", err
	}
	id, err := c.text(ctx, "SELECT customer_id FROM stripe_customers WHERE id = ?", other.Customer)
	return fmt.Sprintf("%d+%s", v.ID, id), err
}

// unnamedPrice makes the plan of a subscription one that nobody named, everywhere.
func unnamedPrice(ctx context.Context, c *Company, v Victim) (string, error) {
	price, err := c.text(ctx, "SELECT price FROM subscriptions WHERE id = ?", v.Subscription)
	for _, statement := range []string{
		"UPDATE subscriptions SET plan = '' WHERE customer_id = ?",
		"UPDATE customers SET plan = (SELECT price FROM subscriptions s WHERE s.customer_id = customers.id) WHERE id = ?",
		"UPDATE contacts SET plan = (SELECT plan FROM customers k WHERE k.id = contacts.customer_id) WHERE customer_id = ?",
	} {
		if err == nil {
			err = c.edit(ctx, statement, v.ID)
		}
	}
	return price, err
}

// namesAnother is somebody whose second purchase names the user of somebody else.
func namesAnother(ctx context.Context, c *Company, v Victim) (string, error) {
	other, err := c.take()
	if err != nil {
		return "", err
	}
	if err := heard(ctx, c, &v, cancelsLater); err != nil {
		return "", err
	}
	p, err := c.Stripe.Buy(demo.BuyOptions{Customer: v.Customer, UserID: other.User})
	if err == nil {
		err = c.Deliver(ctx)
	}
	return p.Checkout, err
}

// foreign is an event of a connected account that somebody sends here.
func foreign(ctx context.Context, c *Company, v Victim) (string, error) {
	c.Stripe.PayAsGuest(100)
	err := c.receive(ctx, func(body []byte) []byte {
		return bytes.Replace(body, []byte(`"object": "event",`), []byte(fmt.Sprintf(`"object": "event", "account": "acct_%d",`, v.ID)), 1)
	})
	return fmt.Sprintf("it belongs to the connected account acct_%d", v.ID), err
}
