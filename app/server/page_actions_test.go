package server

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bursar/app/auth"
	"bursar/app/demo"
	"bursar/app/money"
	"bursar/app/stripe"
)

// moneyAdmin is an adminTest with a simulated Stripe that does what it is asked, and people with a second
// factor.
type moneyAdmin struct {
	*adminTest
	stripe *demo.Stripe

	mu     sync.Mutex
	writes []string // "method path" of what could change something at Stripe
}

func newMoneyAdmin(t *testing.T) *moneyAdmin {
	t.Helper()
	m := &moneyAdmin{adminTest: newAdmin(t)}
	m.giveSecondFactor()
	m.stripe = m.adminTest.stripe()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			m.mu.Lock()
			m.writes = append(m.writes, r.Method+" "+r.URL.Path)
			m.mu.Unlock()
		}
		m.stripe.ServeHTTP(w, r)
	}))
	t.Cleanup(api.Close)
	caps, err := money.ParseCaps(money.DefaultCaps)
	check(t, err)
	m.Money.Stripe, m.Money.Caps = stripe.NewActions("rk_test_actions", api.URL), caps
	m.Money.Handle(m.worker)
	return m
}

var hiddenField = regexp.MustCompile(`<input type="hidden" name="(\w+)" value="([^"]*)">`)

// form is what the page at path would send, with a reason.
func (m *moneyAdmin) form(role auth.Role, path string) url.Values {
	m.t.Helper()
	_, body := m.open(role, path)
	_, body, ok := strings.Cut(body, `<form method="post" action="/admin/customers/`)
	if !ok {
		m.t.Fatalf("%s has no form", path)
	}
	form := url.Values{"reason": {"they asked"}}
	for _, f := range hiddenField.FindAllStringSubmatch(body, -1) {
		form.Set(f[1], html.UnescapeString(f[2]))
	}
	return form
}

// ask opens the page of a kind, sends its form and does what follows.
func (m *moneyAdmin) ask(role auth.Role, path string) (page string) {
	m.t.Helper()
	base, _, _ := strings.Cut(path, "?")
	body := m.submit(role, base, m.form(role, path))
	m.settle(m.stripe)
	m.settle(m.stripe) // now Stripe's events about it are there
	return words(body)
}

func (m *moneyAdmin) refunds(charge string) (n int) {
	m.t.Helper()
	list, err := m.Money.Stripe.RefundsOf(m.t.Context(), charge)
	check(m.t, err)
	return len(list)
}

// TestARefundOnThePages goes the whole way: what is offered, what it says, what became of it, what else.
func TestARefundOnThePages(t *testing.T) {
	t.Parallel()
	m := newMoneyAdmin(t)
	bought, id := m.buy(m.stripe, demo.BuyOptions{Email: "ada@example.com", Name: "Ada Lovelace", Price: "team"})
	_, body := m.open(auth.Finance, customerPath(id))
	path := actionPath(money.Refund, id, bought.Charge)
	shows(t, "the customer", body, `href="`+path+`"`, ">Cancel at period end …<", ">Mail the receipt …<")
	text, _ := m.open(auth.Finance, path)
	shows(t, "the page", text, "Amount, of 49.00 USD that are left", "49.00 USD of the payment of 49.00 USD on", "go back to where it came from",
		"It cannot be taken back", "The subscription team is not cancelled: it goes on", "Now full the subscription is active Afterwards full the subscription is active", "Refund 49.00 USD", "!second person")
	text, _ = m.open(auth.Finance, path+"&amount=10.5")
	shows(t, "a part", text, "10.50 USD of the payment of 49.00 USD", "Refund 10.50 USD")
	for amount, want := range map[string]string{"49.01": "49.01 USD is more than the 49.00 USD", "0": "more than nothing", "-5": "is not an amount like", "1e2": "is not an amount like", "<b>": "is not an amount like", "1.234": "USD has 2 decimals"} {
		text, body := m.open(auth.Finance, path+"&amount="+url.QueryEscape(amount))
		shows(t, "the amount "+amount, text, want, "!Ask for it")
		shows(t, "the amount "+amount, body, "!<b>")
	}
	if len(m.writes) > 0 {
		t.Errorf("opening pages wrote %q", m.writes)
	}

	text = m.ask(auth.Finance, path+"&amount=10.5")
	shows(t, "afterwards", text, "It is asked for.", "Refund 10.50 USD of the payment of 49.00 USD")
	text, body = m.open(auth.Support, "/admin/actions/1")
	shows(t, "the action", text, "Done The refund is made.", "Asked for by finance@example.com (finance)", "they asked", "Stripe was asked", "!Look at Stripe now", "!And now?")
	shows(t, "the action", body, `href="https://dashboard.stripe.com/test/refunds/re_`)
	text, body = m.open(auth.Owner, "/admin/actions/1")
	shows(t, "the action", text, "And now? team goes on.", "Cancel at period end …")
	shows(t, "the action", body, `href="`+html.EscapeString(actionPath(money.CancelNow, id, bought.Subscription))+`"`)
	text, _ = m.open(auth.Support, "/admin/actions")
	shows(t, "the list", text, "Refund 10.50 USD of the payment of 49.00 USD they asked done 10.50 USD Ada Lovelace finance@example.com")
	text, _ = m.open(auth.Support, "/admin/actions?state=unknown")
	shows(t, "the list of others", text, "Nothing like that")
	text, _ = m.open(auth.Finance, path)
	shows(t, "the page again", text, "Amount, of 38.50 USD that are left")
	text, _ = m.open(auth.Support, customerPath(id))
	shows(t, "the customer of support", text, "Mail the receipt …", "Asked for lately", "!Refund …", "!Cancel now")
	m.open(auth.Owner, "/admin/activity")
	want := []string{"finance@example.com money.refund " + bought.Charge + " done", "finance@example.com money.refund " + bought.Charge + " asked"}
	if got := m.audits(2); !slices.Equal(got, want) {
		t.Errorf("the audit says %q", got)
	}
}

// TestTwentyPresses sends one form twenty times at once, and twenty people's forms.
func TestTwentyPresses(t *testing.T) {
	t.Parallel()
	for _, own := range []bool{false, true} {
		m := newMoneyAdmin(t)
		bought, id := m.buy(m.stripe, demo.BuyOptions{Price: "team"})
		path := actionPath(money.Refund, id, bought.Charge) + "&amount=10"
		base, _, _ := strings.Cut(path, "?")
		one := m.form(auth.Finance, path)
		forms := make([]url.Values, 20)
		for i := range forms {
			forms[i] = one
			if own {
				forms[i] = m.form([]auth.Role{auth.Finance, auth.Owner}[i%2], path)
			}
		}
		var all sync.WaitGroup
		taken := make([]int, 20)
		for i, form := range forms {
			role := auth.Finance
			if own && i%2 == 1 {
				role = auth.Owner
			}
			all.Go(func() { taken[i], _ = m.post(role, base, form) })
		}
		all.Wait()
		m.settle(m.stripe)
		if n := m.refunds(bought.Charge); n != 1 {
			t.Errorf("forms of their own %t: %d refunds", own, n)
		}
		went := 0
		for _, status := range taken {
			switch status {
			case http.StatusSeeOther:
				went++
			case http.StatusUnprocessableEntity:
			default:
				t.Errorf("an answer of %d", status)
			}
		}
		if own && went != 1 || !own && went != 20 {
			t.Errorf("forms of their own %t: %d were taken", own, went)
		}
	}
}

// TestSupportMovesNothingOnThePages tries every route, and every way round.
func TestSupportMovesNothingOnThePages(t *testing.T) {
	t.Parallel()
	m := newMoneyAdmin(t)
	bought, id := m.buy(m.stripe, demo.BuyOptions{Price: "team"})
	invoice, err := m.stripe.FailPayment(bought.Subscription)
	check(t, err)
	m.settle(m.stripe)
	waiting := m.form(auth.Finance, actionPath(money.Refund, id, bought.Charge)+"&amount=10")
	m.Money.Caps = money.Caps{}
	m.post(auth.Finance, strings.Split(actionPath(money.Refund, id, bought.Charge), "?")[0], waiting) // waits for a second person
	targets := map[money.Kind]string{money.Refund: bought.Charge, money.PayInvoice: invoice}
	asked := 0
	for _, kind := range money.Kinds() {
		if kind.Permission() == auth.SendInvoices {
			continue
		}
		target := targets[kind]
		if target == "" {
			target = bought.Subscription
		}
		path := actionPath(kind, id, target)
		form := url.Values{"target": {target}, "amount": {"1"}, "token": {"t" + string(kind)}, "reason": {"x"}, "seen": {"9"}, "role": {"owner"}, "asked_by": {"1"}}
		for _, do := range []func() (int, string){
			func() (int, string) { return m.get(auth.Support, path) },
			func() (int, string) { return m.post(auth.Support, strings.Split(path, "?")[0], form) },
		} {
			asked++
			if status, body := do(); status != http.StatusForbidden {
				t.Errorf("%s: %d %s", kind, status, body)
			}
		}
	}
	for _, path := range []string{"/admin/actions/1/approve", "/admin/actions/1/decline", "/admin/actions/1/look", "/admin/jobs/selected/retry?id=1", "/admin/events/1/replay"} {
		asked++
		if status, body := m.post(auth.Support, path, url.Values{"id": {"1"}}); status != http.StatusForbidden {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	m.settle(m.stripe)
	if len(m.writes) > 0 || asked != 21 {
		t.Errorf("after %d tries Stripe was asked %q", asked, m.writes)
	}
	denied := 0
	for _, row := range m.audits(100) {
		if strings.HasPrefix(row, "support@example.com ") && strings.HasSuffix(row, " denied") {
			denied++
		}
	}
	if denied == 0 {
		t.Error("the audit tells of no denial")
	}
}

func TestWhatMoneyNeedsOfWhoAsks(t *testing.T) {
	t.Parallel()
	m := newMoneyAdmin(t)
	bought, id := m.buy(m.stripe, demo.BuyOptions{Price: "team"})
	refund, receipt := actionPath(money.Refund, id, bought.Charge), actionPath(money.SendReceipt, id, bought.Charge)
	form := m.form(auth.Owner, refund)
	m.stale()
	for _, path := range []string{refund, receipt} {
		if status, _ := m.get(auth.Owner, path); status != http.StatusSeeOther {
			t.Errorf("%s 10 minutes later: %d", path, status)
		}
		if status, _ := m.post(auth.Owner, strings.Split(path, "?")[0], form); status != http.StatusUnauthorized {
			t.Errorf("%s sent 10 minutes later: %d", path, status)
		}
	}
	m.exec("UPDATE sessions SET confirmed_at = confirmed_at + 600000", "DELETE FROM passkeys")
	if status, body := m.get(auth.Owner, refund); status != http.StatusForbidden || !strings.Contains(body, "second factor") {
		t.Errorf("without a second factor: %d %s", status, body)
	}
	if status, _ := m.post(auth.Owner, strings.Split(refund, "?")[0], form); status != http.StatusForbidden {
		t.Errorf("sent without a second factor: %d", status)
	}
	if status, _ := m.get(auth.Support, receipt); status != http.StatusOK {
		t.Errorf("a receipt needs no second factor: %d", status)
	}
	if len(m.writes) > 0 {
		t.Errorf("Stripe was asked %q", m.writes)
	}
}

func TestASecondPersonOnThePages(t *testing.T) {
	t.Parallel()
	m := newMoneyAdmin(t)
	bought, id := m.buy(m.stripe, demo.BuyOptions{Price: "starter_jpy", Name: "Yuki"})
	path := actionPath(money.Refund, id, bought.Charge)
	text, _ := m.open(auth.Finance, path)
	shows(t, "the page", text, "Amount, of 2,800 JPY that are left", "2,800 JPY of the payment of 2,800 JPY", "A second person must approve this There is no cap for the role finance in JPY.", "Ask a second person", "!28.00")
	text, _ = m.open(auth.Finance, path+"&amount=28.00")
	shows(t, "yen with cents", text, "JPY has no decimals")
	text = m.ask(auth.Finance, path)
	shows(t, "afterwards", text, "It waits for a second person", "It waits for somebody else", "Take it back", "!Approve:")
	if len(m.writes) > 0 {
		t.Errorf("Stripe was asked %q", m.writes)
	}
	text, _ = m.open(auth.Finance, path)
	shows(t, "the page again", text, "This cannot be done", "Action 1 is not settled yet: refund 2,800 JPY", "Open action 1", "!Ask for it")
	text, _ = m.open(auth.Owner, "/admin")
	shows(t, "today", text, "One thing needs you.", "Waits for a second person: refund", "Yuki", "Refund 2,800 JPY of the payment of 2,800 JPY, all of it, asked for by finance@example.com: they asked")
	text, _ = m.open(auth.Support, "/admin")
	shows(t, "today of support", text, "Nothing needs you.")
	if status, body := m.post(auth.Finance, "/admin/actions/1/approve", nil); status != http.StatusForbidden || !strings.Contains(body, "asked for this yourself") {
		t.Errorf("by who asked: %d %s", status, body)
	}
	if rows := m.audits(1); rows[0] != "finance@example.com money.approve "+bought.Charge+" denied" {
		t.Errorf("the audit says %q", rows)
	}
	text, _ = m.open(auth.Owner, "/admin/actions/1")
	shows(t, "the action", text, "Your decision", "finance@example.com asks to refund 2,800 JPY of the payment of 2,800 JPY, all of it, because: they asked", "Approve: refund 2,800 JPY", "Decline")
	shows(t, "approved", words(m.submit(auth.Owner, "/admin/actions/1/approve", url.Values{"reason": {"fine"}})), "Approved.")
	m.settle(m.stripe)
	text, _ = m.open(auth.Owner, "/admin/actions/1")
	shows(t, "the action", text, "Done The refund is made.", "Approved by owner@example.com")
	if n := m.refunds(bought.Charge); n != 1 {
		t.Errorf("%d refunds", n)
	}
	shows(t, "declined too late", words(m.submit(auth.Owner, "/admin/actions/1/decline", nil)), "nothing to decide any more")
	for _, path := range []string{"/admin/actions/99", "/admin/actions/x"} {
		if status, _ := m.get(auth.Owner, path); status != http.StatusNotFound {
			t.Errorf("%s: %d", path, status)
		}
	}
	if status, _ := m.post(auth.Owner, "/admin/actions/99/approve", nil); status != http.StatusNotFound {
		t.Errorf("approve what is not there: %d", status)
	}
}

// TestAnUnknownOutcomeOnThePages is said as loud as it is, until somebody looks.
func TestAnUnknownOutcomeOnThePages(t *testing.T) {
	t.Parallel()
	m := newMoneyAdmin(t)
	bought, id := m.buy(m.stripe, demo.BuyOptions{Price: "team"})
	m.stripe.Fail(demo.APIFault{Method: "POST", Path: "/v1/refunds", Kind: demo.BrokenAfter})
	path := actionPath(money.Refund, id, bought.Charge)
	base, _, _ := strings.Cut(path, "?")
	m.submit(auth.Owner, base, m.form(auth.Owner, path))
	m.settle(m.stripe) // once: a second later it would be tried again, and known
	text, _ := m.open(auth.Owner, "/admin/actions/1")
	shows(t, "the action", text, "Nobody knows yet whether it was done", "Do not do it a second time in Stripe's dashboard", "Look at Stripe now", "outcome unknown")
	text, _ = m.open(auth.Owner, "/admin")
	shows(t, "today", text, "!Outcome unknown")
	m.exec("UPDATE actions SET asked_at = asked_at - 600000")
	text, _ = m.open(auth.Owner, "/admin")
	shows(t, "today, 10 minutes later", text, "Outcome unknown: refund")
	m.submit(auth.Finance, "/admin/actions/1/look", nil)
	m.settle(m.stripe)
	text, _ = m.open(auth.Owner, "/admin/actions/1")
	shows(t, "the action", text, "Done The refund is made.")
	if n := m.refunds(bought.Charge); n != 1 {
		t.Errorf("%d refunds", n)
	}
	shows(t, "looked again", words(m.submit(auth.Finance, "/admin/actions/1/look", nil)), "There is nothing to look for")
}

// TestWhatStripeFailedAtCanBeAskedForAgain: first nobody knows, then it is known that nothing was done.
func TestWhatStripeFailedAtCanBeAskedForAgain(t *testing.T) {
	t.Parallel()
	m := newMoneyAdmin(t)
	bought, id := m.buy(m.stripe, demo.BuyOptions{Price: "team"})
	path := actionPath(money.Refund, id, bought.Charge)
	m.stripe.Fail(demo.APIFault{Method: "POST", Path: "/v1/refunds", Kind: demo.ServerError})
	m.ask(auth.Owner, path)
	text, _ := m.open(auth.Owner, "/admin/actions/1")
	shows(t, "the action", text, "Nobody knows yet whether it was done", "HTTP 500", "!asked for again.")
	m.exec("UPDATE actions SET sent_at = sent_at - 180000, resent_at = resent_at - 180000")
	m.submit(auth.Finance, "/admin/actions/1/look", nil)
	m.settle(m.stripe)
	text, body := m.open(auth.Owner, "/admin/actions/1")
	shows(t, "the action", text, "Not done Stripe failed at it and has done nothing", "If it is still wanted, it can be asked for again. Refund …")
	shows(t, "the action", body, `href="`+path+`"`)
	m.ask(auth.Owner, path)
	text, _ = m.open(auth.Owner, "/admin/actions/2")
	shows(t, "the second one", text, "Done The refund is made.")
	if n := m.refunds(bought.Charge); n != 1 {
		t.Errorf("%d refunds", n)
	}
}

func TestAChangeOfPlanOnThePages(t *testing.T) {
	t.Parallel()
	m := newMoneyAdmin(t)
	bought, id := m.buy(m.stripe, demo.BuyOptions{Price: "starter"})
	m.stripe.Advance(48 * time.Hour)
	m.settle(m.stripe)
	path := actionPath(money.ChangePlan, id, bought.Subscription)
	text, body := m.open(auth.Finance, path)
	shows(t, "the page", text, "Starter, 19.00 USD / month", "Scale, 199.00 USD / month", "Settle the difference with the next invoice", "!Ask for it")
	shows(t, "the page", body, "!team_eur", "!JPY")
	path += "&price=" + m.stripe.Price("scale") + "&quantity=2&proration=always_invoice"
	text, _ = m.open(auth.Finance, path)
	shows(t, "the preview", text, "from Starter, 19.00 USD / month to Scale, 199.00 USD / month × 2", "Unused time on Starter", "Remaining time on Scale", "Due now", "An invoice of")
	form := m.form(auth.Finance, path)
	stale := url.Values{}
	for name := range form {
		stale.Set(name, form.Get(name))
	}
	stale.Set("cost", "0.01 USD")
	base, _, _ := strings.Cut(path, "?")
	if status, body := m.post(auth.Finance, base, stale); status != http.StatusUnprocessableEntity || !strings.Contains(body, "preview has changed since it was shown") {
		t.Errorf("another cost than was shown: %d %s", status, body)
	}
	shows(t, "the preview", text, "A second person must approve this", form.Get("cost")+" is more than the 200.00 USD that the role finance moves alone.", "Ask a second person")
	m.submit(auth.Finance, base, form)
	m.settle(m.stripe)
	if len(m.writes) > 0 {
		t.Errorf("Stripe was asked %q", m.writes)
	}
	const says = "hange Starter, 19.00 USD / month to Scale, 199.00 USD / month × 2; settle the difference now: "
	text, _ = m.open(auth.Owner, "/admin/actions/1")
	shows(t, "the action", text, "finance@example.com asks to c"+says+form.Get("cost")+", because: they asked", "Approve: change plan for "+form.Get("cost"))
	m.submit(auth.Owner, "/admin/actions/1/approve", nil)
	m.settle(m.stripe)
	m.settle(m.stripe)
	text, _ = m.open(auth.Finance, "/admin/actions/1")
	shows(t, "the action", text, "C"+says, "Approved by owner@example.com", "Done", form.Get("cost"))
	text, _ = m.open(auth.Finance, customerPath(id))
	shows(t, "the customer", text, form.Get("cost"), "398.00 USD / month")
}

// TestCancelAndUndo: the undo is there for as long as it is possible.
func TestCancelAndUndo(t *testing.T) {
	t.Parallel()
	m := newMoneyAdmin(t)
	bought, id := m.buy(m.stripe, demo.BuyOptions{Price: "team"})
	cancel, keep := actionPath(money.CancelAtEnd, id, bought.Subscription), actionPath(money.Keep, id, bought.Subscription)
	text, _ := m.open(auth.Owner, cancel)
	shows(t, "the page", text, "team goes on until", "Nothing is given back.", "Afterwards full cancelled, and paid until the end of the period , until")
	m.ask(auth.Owner, cancel)
	text, body := m.open(auth.Owner, customerPath(id))
	shows(t, "the customer", body, `href="`+keep+`"`)
	shows(t, "the customer", text, "Undo the cancellation …", "Change plan: It is cancelled for the end of the period; take that back first.")
	text, _ = m.open(auth.Owner, "/admin/actions/1")
	shows(t, "the action", text, "It can be undone until the period ends. Undo the cancellation …", "Nothing of the last payment, 49.00 USD, was given back by this. Refund …")
	m.ask(auth.Owner, keep)
	text, _ = m.open(auth.Owner, customerPath(id))
	shows(t, "the customer", text, "Cancel at period end …", "!Undo the cancellation …")
	text, _ = m.open(auth.Owner, actionPath(money.CancelNow, id, bought.Subscription))
	shows(t, "cancel now", text, "team ends at once.", "Nothing is given back for the time until", "Afterwards none the subscription was cancelled")
	m.ask(auth.Owner, actionPath(money.CancelNow, id, bought.Subscription))
	text, _ = m.open(auth.Owner, customerPath(id))
	shows(t, "the customer", text, "Access none", "!Undo the cancellation")
	if n := m.refunds(bought.Charge); n != 0 {
		t.Errorf("%d refunds", n)
	}
}

func TestADisputedPaymentOnThePages(t *testing.T) {
	t.Parallel()
	m := newMoneyAdmin(t)
	bought, id := m.buy(m.stripe, demo.BuyOptions{Price: "team"})
	_, err := m.stripe.Dispute(bought.Charge)
	check(t, err)
	m.settle(m.stripe)
	text, body := m.open(auth.Owner, customerPath(id))
	shows(t, "the customer", text, "Refund: The payment is disputed")
	shows(t, "the customer", body, "!"+html.EscapeString(actionPath(money.Refund, id, bought.Charge)))
	text, _ = m.open(auth.Owner, actionPath(money.Refund, id, bought.Charge))
	shows(t, "the page", text, "This cannot be done The payment is disputed", "!Ask for it")
	for _, target := range []string{"ch_nobody", "", bought.Subscription} {
		if status, _ := m.get(auth.Owner, actionPath(money.Refund, id, target)); status != http.StatusNotFound {
			t.Errorf("the target %q: %d", target, status)
		}
	}
}

func TestThePagesWithoutAKey(t *testing.T) {
	t.Parallel()
	m := newMoneyAdmin(t)
	bought, id := m.buy(m.stripe, demo.BuyOptions{Price: "team"})
	m.Money.Stripe = nil
	text, body := m.open(auth.Owner, customerPath(id))
	shows(t, "the customer", text, "Bursar has no key to act with", "STRIPE_ACTIONS_KEY", "Charges and Refunds: write", "Subscriptions: write", "Invoices: write", "Prices: read", "Products: read")
	shows(t, "the customer", body, "!href=\""+actionPath(money.Refund, id, bought.Charge))
	for _, kind := range []money.Kind{money.Refund, money.ChangePlan, money.CancelNow} {
		target := bought.Subscription
		if kind == money.Refund {
			target = bought.Charge
		}
		text, _ := m.open(auth.Owner, actionPath(kind, id, target))
		shows(t, string(kind), text, "Bursar has no key to act with")
	}
	form := url.Values{"target": {bought.Charge}, "amount": {"10"}, "token": {"t"}, "seen": {"0"}, "reason": {"x"}}
	if status, body := m.post(auth.Owner, strings.Split(actionPath(money.Refund, id, bought.Charge), "?")[0], form); status != http.StatusUnprocessableEntity || !strings.Contains(body, "STRIPE_ACTIONS_KEY is not set") {
		t.Errorf("sent all the same: %d %s", status, body)
	}
}

// TestAFormThatSomebodyMadeUp: what the form has no field for does not count, and hostile text is inert.
func TestAFormThatSomebodyMadeUp(t *testing.T) {
	t.Parallel()
	m := newMoneyAdmin(t)
	bought, id := m.buy(m.stripe, demo.BuyOptions{Price: "team"})
	other, _ := m.buy(m.stripe, demo.BuyOptions{Price: "team"})
	base, _, _ := strings.Cut(actionPath(money.Refund, id, bought.Charge), "?")
	for name, change := range map[string]func(url.Values){
		"somebody else's payment": func(f url.Values) { f.Set("target", other.Charge) },
		"more than is left":       func(f url.Values) { f.Set("amount", "49.01") },
		"no reason":               func(f url.Values) { f.Set("reason", " ") },
		"no token":                func(f url.Values) { f.Del("token") },
		"nothing seen":            func(f url.Values) { f.Del("seen") },
	} {
		f := m.form(auth.Owner, actionPath(money.Refund, id, bought.Charge))
		change(f)
		if status, body := m.post(auth.Owner, base, f); status/100 != 4 {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	if n := len(m.writes); n > 0 {
		t.Errorf("Stripe was asked %q", m.writes)
	}
	f := m.form(auth.Owner, actionPath(money.Refund, id, bought.Charge)+"&amount=10")
	for name, value := range map[string]string{"minor": "4900", "currency": "jpy", "state": "done", "approval": "", "asked_by": "3", "role": "support", "key": "x", "reason": `<script>alert("x")</script>{{.}}`} {
		f.Set(name, value)
	}
	m.submit(auth.Owner, base, f)
	m.settle(m.stripe)
	a, err := m.DB.Read().ActionByID(t.Context(), 1)
	if err != nil || a.Amount != 1000 || a.Currency != "usd" || a.AskedRole != "owner" || a.Key == "x" || a.State != money.Done {
		t.Errorf("the row is %+v, %v", a, err)
	}
	for _, path := range []string{"/admin/actions", "/admin/actions/1", customerPath(id), "/admin/activity"} {
		if _, body := m.open(auth.Owner, path); strings.Contains(body, "<script>alert") {
			t.Errorf("%s runs a script", path)
		}
	}
}
