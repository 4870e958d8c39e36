package demo

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// played is a company with its six weeks behind it.
func played(t *testing.T, seed uint64) *Company {
	t.Helper()
	c := NewCompany(seed, start())
	check(t, c.History(func() error { return nil }))
	return c
}

func TestTheSameSeedIsTheSameCompany(t *testing.T) {
	t.Parallel()
	same := func(a, b *Company) bool {
		return slices.EqualFunc(a.Stripe.Events(), b.Stripe.Events(), bytes.Equal)
	}
	one := played(t, 1)
	if !same(one, played(t, 1)) {
		t.Error("the same seed and time led to different events")
	}
	if same(one, played(t, 2)) {
		t.Error("another seed led to the same events")
	}
}

func TestTheHistoryEndsNowWithAllKindsOfCustomers(t *testing.T) {
	t.Parallel()
	c := played(t, 1)
	if now := c.Stripe.Now(); !now.Equal(start()) {
		t.Errorf("the history ends at %v, want %v", now, start())
	}
	got := map[string]int{"customers": len(c.Stripe.customers.all), "refunds": len(c.Stripe.refunds.all), "disputes": len(c.Stripe.disputes.all)}
	for _, cus := range c.Stripe.customers.all {
		got["in "+cus.currency]++
		if cus.name == "" {
			got["without a name"]++
		}
		if len(c.Stripe.subscriptions.of(cus.id)) > 1 {
			got["with two subscriptions"]++
		}
	}
	for _, sub := range c.Stripe.subscriptions.all {
		got[sub.status]++
		if sub.cancelAtPeriodEnd && !sub.over() {
			got["about to end"]++
		}
	}
	for _, inv := range c.Stripe.invoices.all {
		if inv.status == "open" {
			got["unpaid invoices"]++
		}
		if inv.status == "paid" && inv.attempts > 1 {
			got["recovered invoices"]++
		}
	}
	for name, want := range map[string]int{"customers": 31, "in jpy": 1, "in eur": 2, "without a name": 1, "with two subscriptions": 2,
		"refunds": 1, "disputes": 1, "trialing": 3, "past_due": 1, "canceled": 3, "about to end": 2, "unpaid invoices": 1, "recovered invoices": 2} {
		if got[name] != want {
			t.Errorf("%s: %d, want %d", name, got[name], want)
		}
	}
}

func TestWhatCustomersDo(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		do   func(*Company) (Deed, error)
		want string // an event that it sends
		text string // of the last deed
	}{
		{"somebody buys", (*Company).Buy, "checkout.session.completed", " bought "},
		{"a payment fails", (*Company).FailPayment, "invoice.payment_failed", " could not pay "},
		{"the payment recovers", func(c *Company) (Deed, error) {
			if _, err := c.FailPayment(); err != nil {
				return Deed{}, err
			}
			return c.Recover()
		}, "invoice.paid", " entered a good card "},
		{"somebody cancels", (*Company).Cancel, "customer.subscription.deleted", " cancelled "},
		{"somebody cancels later", (*Company).CancelLater, "customer.subscription.updated", " with the end of the period"},
		{"somebody takes a larger plan", (*Company).Upgrade, "customer.subscription.updated", " moved from "},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := played(t, 1)
			before := len(c.Stripe.Events())
			deed, err := row.do(c)
			check(t, err)
			if got := kinds(t, c.Stripe.Events()[before:]); !slices.Contains(got, row.want) {
				t.Errorf("it sent %v, want %s among them", got, row.want)
			}
			if !strings.Contains(deed.Text, row.text) || !strings.Contains(deed.Text, deed.Who) || deed.Customer == "" {
				t.Errorf("it is told as %+v, want a customer and %q", deed, row.text)
			}
		})
	}
}

func TestNobodyIsThereForIt(t *testing.T) {
	t.Parallel()
	empty := NewCompany(1, start())
	for name, do := range map[string]func() (Deed, error){"cancel": empty.Cancel, "fail": empty.FailPayment, "recover": empty.Recover, "upgrade": empty.Upgrade} {
		if _, err := do(); !errors.Is(err, ErrNobody) {
			t.Errorf("%s in a company without customers: %v, want ErrNobody", name, err)
		}
	}
	c := played(t, 1)
	_, err := c.Recover() // the one whose payment failed in the history
	check(t, err)
	if _, err := c.Recover(); !errors.Is(err, ErrNobody) {
		t.Errorf("recovering when everybody has paid: %v, want ErrNobody", err)
	}
}

func TestHowTheWebhooksOfAPurchaseTravel(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		buy  func(*Company) (Deed, error)
		want int // times that each event arrives
	}{
		{"they arrive", (*Company).Buy, 1},
		{"they get lost", (*Company).BuyUnheard, 0},
		{"they arrive three times", func(c *Company) (Deed, error) { return c.BuyRepeated(3) }, 3},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := NewCompany(1, start())
			r := listen(t, c.Stripe)
			for _, buy := range []func(*Company) (Deed, error){row.buy, (*Company).Buy} {
				_, err := buy(c)
				check(t, err)
				check(t, c.Stripe.Deliver(t.Context()))
			}
			if got, want := len(r.ids(t)), len(purchased())*(row.want+1); got != want {
				t.Errorf("with the purchase after it %d webhooks arrive, want %d", got, want)
			}
		})
	}
}

func TestLiveGoesOnUntilItIsStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := played(t, 1)
		ctx, stop := context.WithCancel(t.Context())
		var deeds []Deed
		ended := make(chan error, 1)
		go func() { ended <- c.Live(ctx, func(d Deed) { deeds = append(deeds, d) }) }()
		time.Sleep(time.Hour)
		stop()
		check(t, <-ended)
		if n := len(deeds); n < 90 || n > 181 {
			t.Errorf("%d deeds in an hour, want one every 20 to 40 s", n)
		}
	})
}
