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
	"bursar/app/db"
	"bursar/app/demo"
)

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
		trial          int   // days
		approval       string
	}{
		{"little more", "starter", "team", 1, "always_invoice", 0, 0, ""},
		{"much more, at once", "starter", "team", 4, "always_invoice", 0, 0, "is more than the 100.00 USD that the role finance moves alone"},
		{"much more, with the next invoice", "starter", "team", 4, "create_prorations", 0, 0, "is more than the 100.00 USD that the role finance moves alone"},
		{"much less", "scale", "starter", 1, "create_prorations", 0, 0, "is more than the 100.00 USD that the role finance moves alone"},
		{"much less, at once", "scale", "starter", 1, "always_invoice", 0, 0, "is more than the 100.00 USD that the role finance moves alone"},
		{"much more, from the next period on", "starter", "team", 4, "none", 0, 0, ""},
		{"a year, which is paid at once", "starter", "a year", 1, "none", 0, 0, "490.00 USD is more than the 100.00 USD that the role finance moves alone"},
		{"a year, while the trial goes on", "starter", "a year", 1, "none", 0, 30, ""},
		{"after a refund", "starter", "team", 1, "always_invoice", 1900, 0, ""},
		{"after a larger one", "starter", "team", 3, "always_invoice", 1900, 0, "of refunds and changes of plan in 24 hours would be more than the 100.00 USD of the role finance"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			o.Caps = Caps{auth.Finance: {"usd": {One: 10000, Day: 10000}}}
			p, id := o.buy(demo.BuyOptions{Price: row.from, TrialDays: row.trial})
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

// TestACreditUsesUpTheDay: it does not make room for more refunds.
func TestACreditUsesUpTheDay(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.Caps = Caps{auth.Finance: {"usd": {One: 15000, Day: 15000}}}
	p, id := o.buy(demo.BuyOptions{Price: "scale"})
	o.stripe.Advance(10 * 24 * time.Hour)
	o.sync(p.Customer)
	plan, _, err := o.plan(id, "starter", 1, "create_prorations", time.Now())
	check(t, err)
	r := o.request(ChangePlan, id, p.Subscription, 0)
	r.User, r.Params.Plan = o.people[auth.Finance], &plan
	a := o.asked(r)
	if a.State != Approved || a.Amount > -10000 {
		t.Fatalf("the change is %s over %d: %s", a.State, a.Amount, a.Approval)
	}
	refund := o.request(Refund, id, p.Charge, 5000)
	refund.User = o.people[auth.Finance]
	if b := o.asked(refund); b.State != Proposed {
		t.Errorf("the refund after it is %s", b.State)
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
