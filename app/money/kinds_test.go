package money

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
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

func TestASecondPerson(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	other := o.hire("second", auth.Finance)
	p, id := o.buy(demo.BuyOptions{Price: "scale"})
	o.Caps = Caps{auth.Finance: {"usd": {One: 5000, Day: 8000}}}
	ask := func(amount int64) db.Action {
		r := o.request(Refund, id, p.Charge, amount)
		r.User = o.people[auth.Finance]
		return o.asked(r)
	}
	small := ask(5000)
	check(t, o.run(small.ID))
	o.is(small.ID, Done, "")
	day := ask(4000) // 90.00 in 24 hours
	if day.State != Proposed || !strings.Contains(day.Approval, "90.00 USD of refunds and changes of plan in 24 hours would be more than the 80.00 USD") {
		t.Errorf("the second of a day is %s: %s", day.State, day.Approval)
	}
	check(t, o.worker.WorkOff(t.Context()))
	o.is(day.ID, Proposed, "")
	if _, err := o.Decide(t.Context(), day.ID, true, o.people[auth.Finance], "", ""); !errors.Is(err, ErrOwn) {
		t.Errorf("by who asked: %v", err)
	}
	o.is(day.ID, Proposed, "")
	if rows := o.audits(); !strings.HasPrefix(rows[len(rows)-1], "finance@example.com money.approve "+p.Charge+" denied") {
		t.Errorf("the audit ends with %s", rows[len(rows)-1])
	}
	a, err := o.Decide(t.Context(), day.ID, true, other, "192.0.2.2", "it is right")
	if err != nil || a.State != Approved || a.DecidedBy.Int64 != other.ID {
		t.Errorf("by a second person: %+v, %v", a, err)
	}
	if _, err := o.Decide(t.Context(), day.ID, false, other, "", ""); !refusedFor(err, "nothing to decide any more") {
		t.Errorf("again: %v", err)
	}
	check(t, o.worker.WorkOff(t.Context()))
	o.is(day.ID, Done, "")

	large := ask(6000)
	_, err = o.Decide(t.Context(), large.ID, true, other, "", "")
	check(t, err)
	o.exec("UPDATE users SET role = 'support' WHERE email = 'second@example.com'")
	check(t, o.run(large.ID))
	o.is(large.ID, Failed, "who approved it may not any more")
	check(t, o.worker.WorkOff(t.Context()))

	declined := ask(6000)
	_, err = o.Decide(t.Context(), declined.ID, false, o.people[auth.Finance], "", "a mistake") // one's own, taken back
	check(t, err)
	o.is(declined.ID, Declined, "declined by finance@example.com")
	if got := o.refunds(p.Charge); !slices.Equal(got, []int64{4000, 5000}) {
		t.Errorf("Stripe gave back %v", got)
	}
}

// TestCapsOnChangesOfPlan: what is charged or credited counts, together with refunds, whichever way it goes.
func TestCapsOnChangesOfPlan(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, from, to string
		quantity       int64
		proration      string
		refunded       int64 // by the same person before
		approval       string
	}{
		{"little more", "starter", "team", 1, "always_invoice", 0, ""},
		{"much more, at once", "starter", "team", 4, "always_invoice", 0, "is more than the 100.00 USD that the role finance moves alone"},
		{"much more, with the next invoice", "starter", "team", 4, "create_prorations", 0, "is more than the 100.00 USD that the role finance moves alone"},
		{"much less", "scale", "starter", 1, "create_prorations", 0, "is more than the 100.00 USD that the role finance moves alone"},
		{"much less, at once", "scale", "starter", 1, "always_invoice", 0, "is more than the 100.00 USD that the role finance moves alone"},
		{"much more, from the next period on", "starter", "team", 4, "none", 0, ""},
		{"a year, which is paid at once", "starter", "a year", 1, "none", 0, "490.00 USD is more than the 100.00 USD that the role finance moves alone"},
		{"after a refund", "starter", "team", 1, "always_invoice", 1900, ""},
		{"after a larger one", "starter", "team", 3, "always_invoice", 1900, "of refunds and changes of plan in 24 hours would be more than the 100.00 USD of the role finance"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			o.Caps = Caps{auth.Finance: {"usd": {One: 10000, Day: 10000}}}
			p, id := o.buy(demo.BuyOptions{Price: row.from})
			o.stripe.Advance(10 * 24 * time.Hour) // it is today there
			o.sync(p.Customer)
			if row.refunded > 0 {
				r := o.request(Refund, id, p.Charge, row.refunded)
				r.User = o.people[auth.Finance]
				check(t, o.run(o.asked(r).ID))
			}
			price := row.to
			if price == "a year" {
				price = o.yearly("team", 49000)
			}
			plan, _, err := o.plan(id, price, row.quantity, row.proration, time.Now())
			check(t, err)
			r := o.request(ChangePlan, id, p.Subscription, 0)
			r.User, r.Params.Plan = o.people[auth.Finance], &plan
			a := o.asked(r)
			if !strings.Contains(a.Approval, row.approval) || (a.Approval == "") != (row.approval == "") || (a.State == Proposed) != (row.approval != "") {
				t.Fatalf("%d: %s, %q; want %q", a.Amount, a.State, a.Approval, row.approval)
			}
			if a.State == Proposed {
				check(t, o.run(a.ID))
				if n := o.writesOf("/v1/subscriptions/"); n > 0 {
					t.Fatal("it is done before anybody approved")
				}
				if _, err := o.Decide(t.Context(), a.ID, true, o.people[auth.Finance], "", ""); !errors.Is(err, ErrOwn) {
					t.Errorf("by who asked: %v", err)
				}
				_, err = o.Decide(t.Context(), a.ID, true, o.people[auth.Owner], "", "")
				check(t, err)
			}
			check(t, o.run(a.ID))
			o.is(a.ID, Done, "")
			if s, err := o.Stripe.Subscription(t.Context(), p.Subscription); err != nil || s.Items[0].Price != plan.Price || s.Items[0].Quantity != row.quantity {
				t.Errorf("Stripe has %+v, %v", s.Items, err)
			}
		})
	}
}

// yearly makes a price of a year of a product.
func (o *office) yearly(name string, amount int64) (price string) {
	o.t.Helper()
	product := ""
	monthly, err := o.Stripe.Prices(o.t.Context(), "usd")
	check(o.t, err)
	for _, p := range monthly {
		if p.ID == o.stripe.Price(name) {
			product = p.Product
		}
	}
	form := url.Values{"currency": {"usd"}, "product": {product}, "unit_amount": {strconv.FormatInt(amount, 10)}, "recurring[interval]": {"year"}}
	req, err := http.NewRequestWithContext(o.t.Context(), "POST", o.url+"/v1/prices", strings.NewReader(form.Encode()))
	check(o.t, err)
	req.Header.Set("Authorization", "Bearer sk_test_shop")
	res, err := http.DefaultClient.Do(req)
	check(o.t, err)
	defer res.Body.Close()
	var made struct{ ID string }
	if err := json.NewDecoder(res.Body).Decode(&made); err != nil || made.ID == "" {
		o.t.Fatalf("no price: %v", err)
	}
	return made.ID
}

// TestAChangeOfPlanThatIsApprovedLater costs what was shown, or is not made.
func TestAChangeOfPlanThatIsApprovedLater(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		later   time.Duration
		state   string
		outcome string
	}{
		{"a day", 24 * time.Hour, Done, ""},
		{"in the next period", 32 * 24 * time.Hour, Failed, "it would cost something else by now"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			o.Caps = Caps{auth.Finance: {"usd": {One: 100, Day: 100}}}
			p, id := o.buy(demo.BuyOptions{Price: "starter"})
			o.stripe.Advance(10 * 24 * time.Hour)
			o.sync(p.Customer)
			plan, _, err := o.plan(id, "team", 1, "create_prorations", time.Now())
			check(t, err)
			r := o.request(ChangePlan, id, p.Subscription, 0)
			r.User, r.Params.Plan = o.people[auth.Finance], &plan
			a := o.asked(r)
			o.later(row.later)
			_, err = o.Decide(t.Context(), a.ID, true, o.people[auth.Owner], "", "")
			check(t, err)
			check(t, o.run(a.ID))
			o.is(a.ID, row.state, row.outcome)
		})
	}
}

// TestCollectingIsNotCapped: the customer owes an open invoice, whoever collects it.
func TestCollectingIsNotCapped(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.Caps = Caps{auth.Finance: {"usd": {}}}
	p, id := o.buy(demo.BuyOptions{Price: "team"})
	invoice, err := o.stripe.FailPayment(p.Subscription)
	check(t, err)
	o.sync(p.Customer)
	r := o.request(PayInvoice, id, invoice, 0)
	r.User = o.people[auth.Finance]
	if a := o.asked(r); a.State != Approved || a.Amount != 4900 {
		t.Errorf("it is %s over %d: %s", a.State, a.Amount, a.Approval)
	}
}

// TestACapThatCameDown: what was asked for alone under the old one is not done under the new one.
func TestACapThatCameDown(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p, id := o.buy(demo.BuyOptions{Price: "team"})
	a := o.asked(o.request(Refund, id, p.Charge, 4900))
	o.exec("UPDATE users SET role = 'finance' WHERE email = 'owner@example.com'")
	o.Caps = Caps{auth.Finance: {"usd": {One: 1000, Day: 1000}}}
	check(t, o.run(a.ID))
	o.is(a.ID, Failed, "a second person is needed by now: 49.00 USD is more than the 10.00 USD that the role finance moves alone")
}

func TestCaps(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		caps            string
		role            auth.Role
		amount, already int64
		currency        string
		alone           bool
	}{
		{DefaultCaps, auth.Finance, 20000, 0, "usd", true},
		{DefaultCaps, auth.Finance, 20001, 0, "usd", false},
		{DefaultCaps, auth.Finance, 20000, 80000, "usd", true},
		{DefaultCaps, auth.Finance, 20000, 80001, "usd", false},
		{DefaultCaps, auth.Finance, 100, 0, "jpy", false},
		{DefaultCaps, auth.Owner, 1_000_000_00, 1_000_000_00, "jpy", true},
		{"owner=100.00/100.00 USD", auth.Owner, 10001, 0, "usd", false},
		{"owner=100.00/100.00 USD", auth.Owner, 1, 0, "eur", false},
		{"owner=100.00/100.00 USD", auth.Finance, 1, 0, "usd", false},
		{"finance=30000/90000 JPY", auth.Finance, 30000, 60000, "jpy", true},
		{"finance=0/0 USD", auth.Finance, 1, 0, "usd", false},
		{DefaultCaps, auth.Finance, -20000, 0, "usd", true},
		{DefaultCaps, auth.Finance, -20001, 0, "usd", false},
		{DefaultCaps, auth.Finance, -20000, 80001, "usd", false},
		{DefaultCaps, auth.Finance, 0, 200000, "usd", true},
		{DefaultCaps, auth.Finance, 0, 0, "jpy", true},
	} {
		caps, err := ParseCaps(row.caps)
		check(t, err)
		if why := caps.Exceeded(row.role, row.amount, row.already, row.currency); (why == "") != row.alone {
			t.Errorf("%s: %s, %d after %d %s: %q", row.caps, row.role, row.amount, row.already, row.currency, why)
		}
	}
	for _, wrong := range []string{"finance", "finance=200 USD", "finance=200/1000", "support=1/1 USD", "boss=1/1 USD", "finance=1.5/2 JPY", "finance=-1/2 USD", "finance=1/2 DOLLAR"} {
		if caps, err := ParseCaps(wrong); err == nil {
			t.Errorf("%s is read as %v", wrong, caps)
		}
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
