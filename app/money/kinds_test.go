package money

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"bursar/app/auth"
	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/demo"
	"bursar/app/stripe"
)

// TestEveryKindOnASubscription does each, loses the answer to it, and finds out.
func TestEveryKindOnASubscription(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		kind    Kind
		prepare func(o *office, p demo.Purchase) error
		params  Params
		want    func(s stripe.Subscribed) bool
		access  string
	}{
		{CancelNow, nil, Params{}, func(s stripe.Subscribed) bool { return s.Status == "canceled" }, customer.None},
		{CancelAtEnd, nil, Params{}, func(s stripe.Subscribed) bool { return s.CancelAtPeriodEnd && s.Status == "active" }, customer.Full},
		{Keep, func(o *office, p demo.Purchase) error { return o.stripe.Cancel(p.Subscription, true) }, Params{},
			func(s stripe.Subscribed) bool { return !s.CancelAtPeriodEnd && s.Status == "active" }, customer.Full},
		{Pause, nil, Params{Behavior: "void"}, func(s stripe.Subscribed) bool { return s.PauseBehavior == "void" }, customer.Full},
		{Resume, func(o *office, p demo.Purchase) error {
			return o.stripe.PauseCollection(p.Subscription, "keep_as_draft", time.Time{})
		}, Params{}, func(s stripe.Subscribed) bool { return s.PauseBehavior == "" }, customer.Full},
	} {
		for _, lose := range []bool{false, true} {
			t.Run(string(row.kind), func(t *testing.T) {
				t.Parallel()
				o := newOffice(t)
				p, id := o.buy(demo.BuyOptions{Price: "team"})
				if row.prepare != nil {
					check(t, row.prepare(o, p))
					o.sync(p.Customer)
				}
				r := o.request(row.kind, id, p.Subscription, 0)
				r.Params = row.params
				f := o.facts(id)
				after := After(f, row.kind, Thing{Subscription: &f.Subscriptions[0]}, time.Now())
				if lose {
					o.stripe.Fail(demo.APIFault{Path: "/v1/subscriptions/" + p.Subscription, Method: http.MethodPost, Kind: demo.HalfBody})
					o.stripe.Fail(demo.APIFault{Path: "/v1/subscriptions/" + p.Subscription, Method: http.MethodDelete, Kind: demo.HalfBody})
				}
				a := o.asked(r)
				if err := o.run(a.ID); lose != (err != nil) {
					t.Errorf("the first try: %v", err)
				}
				if lose {
					o.is(a.ID, Unknown, "")
					check(t, o.run(a.ID))
				}
				o.is(a.ID, Done, "the subscription is ")
				s, err := o.Stripe.Subscription(t.Context(), p.Subscription)
				if err != nil || !row.want(s) || s.Action != a.Key {
					t.Errorf("Stripe has %+v, %v; want the action %s", s, err, a.Key)
				}
				if n := o.writesOf("/v1/subscriptions/"); n != 1 {
					t.Errorf("Stripe was asked %d times", n)
				}
				if n := len(o.refunds(p.Charge)); n > 0 {
					t.Errorf("%d refunds", n)
				}
				check(t, o.worker.WorkOff(t.Context()))
				if got := o.facts(id).Record.Access; got != row.access || after.Level != row.access {
					t.Errorf("access is %s, and was said to become %s; want %s", got, after.Level, row.access)
				}
				if _, _, err := o.Ask(t.Context(), o.request(row.kind, id, p.Subscription, 0)); row.kind != Pause && !refusedFor(err, "") {
					t.Errorf("once more: %v", err)
				}
			})
		}
	}
}

// plan is what a change to so many of a price, by its name in the demo or its id, costs now.
func (o *office) plan(id int64, price string, quantity int64, proration string, at time.Time) (Plan, stripe.Preview, error) {
	o.t.Helper()
	sub := o.facts(id).Subscriptions[0]
	prices, err := o.Plans(o.t.Context(), sub)
	check(o.t, err)
	i := slices.IndexFunc(prices, func(p stripe.Price) bool { return p.ID == price || p.ID == o.stripe.Price(price) })
	if i < 0 {
		o.t.Fatalf("%s is not among %+v", price, prices)
	}
	return o.Preview(o.t.Context(), sub, prices[i], quantity, proration, at)
}

// TestAChangeOfPlan costs what the preview said, or is not made.
func TestAChangeOfPlan(t *testing.T) {
	t.Parallel()
	for _, behavior := range Prorations() {
		t.Run(behavior, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			p, id := o.buy(demo.BuyOptions{Price: "starter"})
			o.stripe.Advance(10 * 24 * time.Hour) // it is today there
			o.sync(p.Customer)
			at := time.Now()
			plan, preview, err := o.plan(id, "team", 2, behavior, at)
			check(t, err)
			if (plan.Prorated > 0) != (behavior != "none") || len(preview.Lines) == 0 {
				t.Errorf("the preview is %+v", preview)
			}
			r := o.request(ChangePlan, id, p.Subscription, 0)
			r.Params.Plan = &plan
			a := o.asked(r)
			if a.Amount != plan.Cost() || a.Currency != "usd" {
				t.Errorf("the row says %d %s, the preview %d", a.Amount, a.Currency, plan.Cost())
			}
			check(t, o.run(a.ID))
			o.is(a.ID, Done, "")
			s, err := o.Stripe.Subscription(t.Context(), p.Subscription)
			if err != nil || s.Items[0].Price != o.stripe.Price("team") || s.Items[0].Quantity != 2 {
				t.Errorf("Stripe has %+v, %v", s, err)
			}
			check(t, o.worker.WorkOff(t.Context()))
			if f := o.facts(id); behavior == "always_invoice" && f.Invoices[len(f.Invoices)-1].AmountPaid != plan.Due {
				t.Errorf("%d were paid, the preview said %d", f.Invoices[len(f.Invoices)-1].AmountPaid, plan.Due)
			}
			if _, _, err := o.plan(id, "team", 2, behavior, at); !refusedFor(err, "already") {
				t.Errorf("the same again: %v", err)
			}
		})
	}
}

func TestAChangeOfPlanThatWouldCostSomethingElse(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p, id := o.buy(demo.BuyOptions{Price: "starter"})
	o.stripe.Advance(10 * 24 * time.Hour)
	o.sync(p.Customer)
	plan, _, err := o.plan(id, "team", 1, "create_prorations", time.Now())
	check(t, err)
	plan.Prorated-- // as if a price or a tax had changed
	r := o.request(ChangePlan, id, p.Subscription, 0)
	r.Params.Plan = &plan
	a := o.asked(r)
	check(t, o.run(a.ID))
	o.is(a.ID, Failed, "it would cost something else by now")
	check(t, o.stripe.ChangePlan(p.Subscription, o.stripe.Price("scale")))
	r = o.request(ChangePlan, id, p.Subscription, 0)
	plan.Prorated++
	r.Params.Plan = &plan
	b := o.asked(r)
	check(t, o.run(b.ID))
	o.is(b.ID, Failed, "the plan has changed since it was asked for")
	for name, try := range map[string]func() error{
		"an old preview": func() error {
			_, _, err := o.plan(id, "team", 1, "none", time.Now().Add(-2*time.Hour))
			return err
		},
		"none of it": func() error {
			_, _, err := o.plan(id, "team", 0, "none", time.Now())
			return err
		},
	} {
		if err := try(); !refusedFor(err, "") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := o.writesOf("/v1/subscriptions"); n > 0 {
		t.Errorf("Stripe was asked %d times", n)
	}
}

// TestAnOpenInvoice is collected once, or the card declines.
func TestAnOpenInvoice(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		good   bool // the card works by now
		fault  demo.FaultKind
		state  string
		want   string
		access string
	}{
		{"the card works", true, 0, Done, "paid: 49.00 USD", customer.Full},
		{"the card declines", false, 0, Failed, "Your card has insufficient funds", customer.Grace},
		{"the answer is lost", true, demo.HalfBody, Done, "the invoice is paid", customer.Full},
		{"500 after it", true, demo.BrokenAfter, Done, "the invoice is paid", customer.Full},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			p, id := o.buy(demo.BuyOptions{Price: "team"})
			invoice, err := o.stripe.FailPayment(p.Subscription)
			check(t, err)
			if row.good {
				method := strings.NewReader("invoice_settings[default_payment_method]=pm_card_visa")
				req, _ := http.NewRequestWithContext(t.Context(), "POST", o.url+"/v1/customers/"+p.Customer, method)
				req.Header.Set("Authorization", "Bearer sk_test_shop")
				res, err := http.DefaultClient.Do(req)
				check(t, err)
				res.Body.Close()
			}
			o.sync(p.Customer)
			a := o.asked(o.request(PayInvoice, id, invoice, 0))
			if a.Amount != 4900 {
				t.Errorf("the row says %d", a.Amount)
			}
			if row.fault != 0 {
				o.stripe.Fail(demo.APIFault{Method: http.MethodPost, Path: "/v1/invoices/", Kind: row.fault})
				if err := o.run(a.ID); err == nil {
					t.Error("no error")
				}
				o.is(a.ID, Unknown, "")
			}
			check(t, o.run(a.ID))
			o.is(a.ID, row.state, row.want)
			check(t, o.worker.WorkOff(t.Context()))
			f := o.facts(id)
			if f.Record.Access != row.access {
				t.Errorf("access is %s", f.Record.Access)
			}
			paid := 0
			for _, c := range f.Charges {
				if c.Status == "succeeded" && c.Invoice == invoice {
					paid++
				}
			}
			if (paid == 1) != row.good || paid > 1 {
				t.Errorf("paid %d times", paid)
			}
		})
	}
}

// TestMails: support may send them, and each goes out once.
func TestMails(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p, id := o.buy(demo.BuyOptions{Price: "team", Email: "ada@example.com"})
	invoice, err := o.stripe.FailPayment(p.Subscription)
	check(t, err)
	o.sync(p.Customer)
	for _, row := range []struct {
		kind         Kind
		target, path string
		want         string
	}{
		{SendReceipt, p.Charge, "/v1/charges/", "to mail the receipt to ada@example.com"},
		{SendInvoice, invoice, "/v1/invoices/", "to mail the invoice"},
	} {
		r := o.request(row.kind, id, row.target, 0)
		r.User = o.people[auth.Support]
		a := o.asked(r)
		o.stripe.Fail(demo.APIFault{Method: http.MethodPost, Path: row.path, Kind: demo.HalfBody})
		if err := o.run(a.ID); err == nil {
			t.Error("no error")
		}
		check(t, o.run(a.ID))
		o.is(a.ID, Done, row.want)
	}
	sent := 0
	for _, e := range o.stripe.Events() {
		if strings.Contains(string(e), `"invoice.sent"`) || strings.Contains(string(e), `"charge.updated"`) {
			sent++
		}
	}
	if sent != 2 {
		t.Errorf("%d mails", sent)
	}
}

// TestSupportMovesNothing tries every kind that moves money, with everything else right.
func TestSupportMovesNothing(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p, id := o.buy(demo.BuyOptions{Price: "team"})
	invoice, err := o.stripe.FailPayment(p.Subscription)
	check(t, err)
	o.sync(p.Customer)
	for _, kind := range Kinds() {
		if kind == SendInvoice || kind == SendReceipt {
			continue
		}
		for _, user := range []auth.User{o.people[auth.Support], {ID: o.people[auth.Support].ID, Role: auth.Owner}} { // what the caller says of the role does not count
			target := map[Kind]string{Refund: p.Charge, PayInvoice: invoice}[kind]
			if target == "" {
				target = p.Subscription
			}
			r := o.request(kind, id, target, 100)
			r.User = user
			if _, _, err := o.Ask(t.Context(), r); !errors.Is(err, ErrForbidden) {
				t.Errorf("%s: %v", kind, err)
			}
		}
	}
	big := o.request(Refund, id, p.Charge, 100)
	o.Caps = Caps{auth.Owner: {"usd": {}}}
	a := o.asked(big)
	for _, approve := range []bool{true, false} {
		if _, err := o.Decide(t.Context(), a.ID, approve, o.people[auth.Support], "", ""); !errors.Is(err, ErrForbidden) {
			t.Errorf("decide %t: %v", approve, err)
		}
	}
	// A job that somebody slipped in, or retried, does not do what was not approved.
	o.exec("INSERT INTO jobs (kind, key, args, state, max_attempts, created_at, scheduled_at) VALUES ('run_action', '1', '{\"Action\":1}', 'available', 15, 1, 1)")
	check(t, o.worker.WorkOff(t.Context()))
	o.exec("UPDATE actions SET state = 'approved'")
	check(t, o.run(a.ID))
	o.is(a.ID, Failed, "a second person must approve it")
	if n := len(o.writes); n > 0 {
		t.Errorf("written to Stripe: %q", o.writes)
	}
}

func TestWithoutAKey(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p, id := o.buy(demo.BuyOptions{Price: "team"})
	a := o.asked(o.request(Refund, id, p.Charge, 100))
	r := o.request(Refund, id, p.Charge, 100)
	o.Stripe = nil
	if _, _, err := o.Ask(t.Context(), r); !errors.Is(err, ErrNoKey) {
		t.Errorf("ask: %v", err)
	}
	if err := o.run(a.ID); !errors.Is(err, ErrNoKey) {
		t.Errorf("run: %v", err)
	}
	o.is(a.ID, Approved, "")
}

// TestTheCustomerIsJoinedMeanwhile: a purchase names a user who was known already, and the action goes on.
func TestTheCustomerIsJoinedMeanwhile(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p, id := o.buy(demo.BuyOptions{Price: "team"})
	a := o.asked(o.request(Refund, id, p.Charge, 1000))
	var into int64
	check(t, o.DB.Tx(t.Context(), func(q *db.Queries) (err error) {
		if into, err = customer.BindUser(t.Context(), q, "u1", ""); err != nil {
			return err
		}
		_, err = customer.Bind(t.Context(), q, p.Customer, "u1")
		return err
	}))
	if got := o.action(a.ID).CustomerID; got != into || got == id {
		t.Errorf("the action is of customer %d, the customer was %d and is %d", got, id, into)
	}
	check(t, o.worker.WorkOff(t.Context()))
	o.is(a.ID, Done, "")
}
