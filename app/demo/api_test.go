package demo

import (
	"errors"
	"net/http"
	"testing"
	"time"

	stripe "github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/client"
)

// world is an account with something of every kind in it.
type world struct {
	*Stripe
	api                                    *client.API
	ann, late, trial, async, refunded, bad Purchase
	refund, dispute, unpaid, endpoint      string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s := NewStripe(1, start())
	w := &world{Stripe: s, api: serve(t, s)}
	w.endpoint = s.Endpoint("http://127.0.0.1:1/", "whsec_test")
	buy := must[Purchase](t)
	w.ann = buy(s.Buy(BuyOptions{Email: "ann@example.com", Name: "Ann", UserID: "user_1", Metadata: map[string]string{"team": "7"}}))
	w.late = buy(s.Buy(BuyOptions{Email: "late@example.com", Price: "team"}))
	w.trial = buy(s.Buy(BuyOptions{Email: "trial@example.com", Price: "team_eur", TrialDays: 14}))
	w.async = buy(s.Buy(BuyOptions{Email: "bank@example.com", Price: "team_eur", Async: true}))
	w.refunded = buy(s.Buy(BuyOptions{Email: "yen@example.com", Price: "starter_jpy"}))
	w.bad = buy(s.Buy(BuyOptions{Email: "bad@example.com", Card: CardDeclines}))
	w.unpaid = must[string](t)(s.FailPayment(w.late.Subscription))
	w.refund = must[string](t)(s.Refund(w.refunded.Charge, 800))
	w.dispute = must[string](t)(s.Dispute(w.ann.Charge))
	return w
}

func expanded(paths ...string) stripe.Params { return stripe.Params{Expand: stripe.StringSlice(paths)} }

func listed(paths ...string) stripe.ListParams {
	return stripe.ListParams{Expand: stripe.StringSlice(paths)}
}

// all reads a list to its end and returns how many rows it had.
func all(t *testing.T, it interface {
	Next() bool
	Err() error
}) int {
	t.Helper()
	n := 0
	for it.Next() {
		n++
	}
	if it.Err() != nil {
		t.Fatal(it.Err())
	}
	return n
}

// TestEveryCall makes each call once. The server of newWorld fails the test when an answer
// does not agree with Stripe's document.
func TestEveryCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	readEverything(t, w)
	listEverything(t, w)
	writeEverything(t, w)
	called := w.Calls()
	for _, r := range w.routes() {
		if called[r.pattern] == 0 {
			t.Errorf("%s was not called", r.pattern)
		}
	}
}

func readEverything(t *testing.T, w *world) {
	api := w.api
	if acct := must[*stripe.Account](t)(api.Accounts.Get()); acct.ID == "" {
		t.Error("the account has no id")
	}
	cus := must[*stripe.Customer](t)(api.Customers.Get(w.ann.Customer, &stripe.CustomerParams{Params: expanded("subscriptions")}))
	if cus.Email != "ann@example.com" || len(cus.Subscriptions.Data) != 1 {
		t.Errorf("customer %+v", cus)
	}
	sub := must[*stripe.Subscription](t)(api.Subscriptions.Get(w.ann.Subscription, &stripe.SubscriptionParams{
		Params: expanded("customer", "latest_invoice.payment_intent.latest_charge", "items.data.price.product"),
	}))
	if sub.Customer.Name != "Ann" || sub.LatestInvoice.PaymentIntent.LatestCharge.ID != w.ann.Charge ||
		sub.Items.Data[0].Price.Product.Name != "Starter" || sub.Metadata["team"] != "7" || sub.Status != "active" {
		t.Errorf("subscription %+v", sub)
	}
	inv := must[*stripe.Invoice](t)(api.Invoices.Get(w.unpaid, &stripe.InvoiceParams{Params: expanded("charge")}))
	if inv.Status != "open" || inv.AttemptCount != 1 || inv.NextPaymentAttempt == 0 || inv.Charge.Status != "failed" {
		t.Errorf("invoice %+v", inv)
	}
	if n := all(t, api.Invoices.ListLines(&stripe.InvoiceListLinesParams{Invoice: stripe.String(w.unpaid)})); n != 1 {
		t.Errorf("%d invoice lines", n)
	}
	up := must[*stripe.Invoice](t)(api.Invoices.Upcoming(&stripe.InvoiceUpcomingParams{Customer: stripe.String(w.ann.Customer)}))
	if up.Total != 1900 {
		t.Errorf("upcoming invoice of %d", up.Total)
	}
	ch := must[*stripe.Charge](t)(api.Charges.Get(w.refunded.Charge, &stripe.ChargeParams{Params: expanded("refunds")}))
	if ch.AmountRefunded != 800 || ch.Refunded || ch.Currency != "jpy" || len(ch.Refunds.Data) != 1 {
		t.Errorf("charge %+v", ch)
	}
	must[*stripe.PaymentIntent](t)(api.PaymentIntents.Get(w.ann.PaymentIntent, nil))
	must[*stripe.Refund](t)(api.Refunds.Get(w.refund, &stripe.RefundParams{Params: expanded("charge.customer")}))
	must[*stripe.Dispute](t)(api.Disputes.Get(w.dispute, nil))
	cs := must[*stripe.CheckoutSession](t)(api.CheckoutSessions.Get(w.ann.Checkout, &stripe.CheckoutSessionParams{Params: expanded("line_items", "subscription")}))
	if cs.ClientReferenceID != "user_1" || cs.PaymentStatus != "paid" || len(cs.LineItems.Data) != 1 {
		t.Errorf("checkout %+v", cs)
	}
	all(t, api.CheckoutSessions.ListLineItems(&stripe.CheckoutSessionListLineItemsParams{Session: stripe.String(w.ann.Checkout)}))
	price := must[*stripe.Price](t)(api.Prices.Get(w.Price("team"), &stripe.PriceParams{Params: expanded("product")}))
	must[*stripe.Product](t)(api.Products.Get(price.Product.ID, nil))
	must[*stripe.WebhookEndpoint](t)(api.WebhookEndpoints.Get(w.endpoint, nil))
}

func listEverything(t *testing.T, w *world) {
	api, cus := w.api, stripe.String(w.ann.Customer)
	counts := map[string][2]int{
		"customers":                {all(t, api.Customers.List(&stripe.CustomerListParams{})), 6},
		"customers by e-mail":      {all(t, api.Customers.List(&stripe.CustomerListParams{Email: stripe.String("ann@example.com")})), 1},
		"subscriptions":            {all(t, api.Subscriptions.List(&stripe.SubscriptionListParams{ListParams: listed("data.latest_invoice.payment_intent", "data.customer")})), 6},
		"subscriptions past due":   {all(t, api.Subscriptions.List(&stripe.SubscriptionListParams{Status: stripe.String("past_due")})), 1},
		"invoices":                 {all(t, api.Invoices.List(&stripe.InvoiceListParams{Subscription: stripe.String(w.late.Subscription)})), 2},
		"invoices open":            {all(t, api.Invoices.List(&stripe.InvoiceListParams{Customer: stripe.String(w.late.Customer), Status: stripe.String("open")})), 1},
		"charges":                  {all(t, api.Charges.List(&stripe.ChargeListParams{Customer: cus, ListParams: listed("data.refunds")})), 1},
		"charges by intent":        {all(t, api.Charges.List(&stripe.ChargeListParams{PaymentIntent: stripe.String(w.ann.PaymentIntent)})), 1},
		"payment intents":          {all(t, api.PaymentIntents.List(&stripe.PaymentIntentListParams{Customer: cus})), 1},
		"refunds":                  {all(t, api.Refunds.List(&stripe.RefundListParams{Charge: stripe.String(w.refunded.Charge)})), 1},
		"refunds of somebody else": {all(t, api.Refunds.List(&stripe.RefundListParams{PaymentIntent: stripe.String(w.ann.PaymentIntent)})), 0},
		"disputes":                 {all(t, api.Disputes.List(&stripe.DisputeListParams{Charge: stripe.String(w.ann.Charge)})), 1},
		"checkouts":                {all(t, api.CheckoutSessions.List(&stripe.CheckoutSessionListParams{Customer: cus})), 1},
		"products":                 {all(t, api.Products.List(&stripe.ProductListParams{})), 5},
		"prices by key":            {all(t, api.Prices.List(&stripe.PriceListParams{LookupKeys: stripe.StringSlice([]string{"team", "scale"})})), 2},
		"endpoints":                {all(t, api.WebhookEndpoints.List(&stripe.WebhookEndpointListParams{})), 1},
		"events of a type":         {all(t, api.Events.List(&stripe.EventListParams{Type: stripe.String("charge.dispute.created")})), 1},
		"events of two types":      {all(t, api.Events.List(&stripe.EventListParams{Types: stripe.StringSlice([]string{"refund.created", "charge.refunded"})})), 2},
		"events delivered":         {all(t, api.Events.List(&stripe.EventListParams{DeliverySuccess: stripe.Bool(true)})), 0},
	}
	for what, n := range counts {
		if n[0] != n[1] {
			t.Errorf("%s: %d rows, want %d", what, n[0], n[1])
		}
	}
	newest := api.Events.List(&stripe.EventListParams{})
	newest.Next()
	must[*stripe.Event](t)(api.Events.Get(newest.Event().ID, nil))
}

func writeEverything(t *testing.T, w *world) {
	api := w.api
	prod := must[*stripe.Product](t)(api.Products.New(&stripe.ProductParams{Name: stripe.String("Extra")}))
	price := must[*stripe.Price](t)(api.Prices.New(&stripe.PriceParams{
		Product: stripe.String(prod.ID), Currency: stripe.String("usd"), UnitAmount: stripe.Int64(500),
		Recurring: &stripe.PriceRecurringParams{Interval: stripe.String("month")},
	}))
	cus := must[*stripe.Customer](t)(api.Customers.New(&stripe.CustomerParams{Email: stripe.String("new@example.com"), PaymentMethod: stripe.String("pm_card_visa")}))
	must[*stripe.Customer](t)(api.Customers.Update(cus.ID, &stripe.CustomerParams{Name: stripe.String("New"), Metadata: map[string]string{"a": "b"}}))
	sub := must[*stripe.Subscription](t)(api.Subscriptions.New(&stripe.SubscriptionParams{
		Customer: stripe.String(cus.ID), Items: []*stripe.SubscriptionItemsParams{{Price: stripe.String(price.ID), Quantity: stripe.Int64(2)}},
	}))
	if sub.Status != "active" {
		t.Errorf("new subscription is %s", sub.Status)
	}
	must[*stripe.Subscription](t)(api.Subscriptions.Update(sub.ID, &stripe.SubscriptionParams{CancelAtPeriodEnd: stripe.Bool(true)}))
	must[*stripe.Subscription](t)(api.Subscriptions.Cancel(sub.ID, nil))
	cs := must[*stripe.CheckoutSession](t)(api.CheckoutSessions.New(&stripe.CheckoutSessionParams{
		Mode: stripe.String("subscription"), SuccessURL: stripe.String("https://example.com"),
		LineItems: []*stripe.CheckoutSessionLineItemParams{{Price: stripe.String(price.ID), Quantity: stripe.Int64(1)}},
	}))
	must[*stripe.CheckoutSession](t)(api.CheckoutSessions.Expire(cs.ID, nil))
	must[*stripe.Customer](t)(api.Customers.Del(cus.ID, nil))
	if gone := must[*stripe.Customer](t)(api.Customers.Get(cus.ID, nil)); !gone.Deleted || gone.Email != "" {
		t.Errorf("deleted customer %+v", gone)
	}
	must[*stripe.Refund](t)(api.Refunds.New(&stripe.RefundParams{Charge: stripe.String(w.refunded.Charge), Amount: stripe.Int64(100)}))
	must[*stripe.Refund](t)(api.Refunds.Update(w.refund, &stripe.RefundParams{Metadata: map[string]string{"action_id": "7"}}))
	if ch := must[*stripe.Charge](t)(api.Charges.Update(w.refunded.Charge, &stripe.ChargeParams{ReceiptEmail: stripe.String("yen@example.com")})); ch.ReceiptEmail != "yen@example.com" {
		t.Errorf("the receipt went to %q", ch.ReceiptEmail)
	}
	must[*stripe.Invoice](t)(api.Invoices.SendInvoice(w.unpaid, nil))
	must[*stripe.Invoice](t)(api.Invoices.MarkUncollectible(w.unpaid, nil))
	must[*stripe.Invoice](t)(api.Invoices.Pay(w.unpaid, &stripe.InvoicePayParams{PaidOutOfBand: stripe.Bool(true)}))
	must[*stripe.Invoice](t)(api.Invoices.VoidInvoice(w.bad.Invoice, nil))
	if left := must[*stripe.Subscription](t)(api.Subscriptions.Get(w.bad.Subscription, nil)); left.Status != "incomplete_expired" {
		t.Errorf("subscription with a void first invoice is %s", left.Status)
	}
	resumePaused(t, w)
	ep := must[*stripe.WebhookEndpoint](t)(api.WebhookEndpoints.New(&stripe.WebhookEndpointParams{
		URL: stripe.String("https://example.com/hook"), EnabledEvents: stripe.StringSlice([]string{"*"}), APIVersion: stripe.String("2023-10-16"),
	}))
	if ep.Secret == "" || must[*stripe.WebhookEndpoint](t)(api.WebhookEndpoints.Get(ep.ID, nil)).Secret != "" {
		t.Error("the secret of an endpoint is shown once, at its creation")
	}
	must[*stripe.WebhookEndpoint](t)(api.WebhookEndpoints.Update(ep.ID, &stripe.WebhookEndpointParams{Disabled: stripe.Bool(true)}))
	must[*stripe.WebhookEndpoint](t)(api.WebhookEndpoints.Del(ep.ID, nil))
}

func resumePaused(t *testing.T, w *world) {
	p := must[Purchase](t)(w.Buy(BuyOptions{Email: "nocard@example.com", TrialDays: 7, Card: CardNone}))
	w.Advance(8 * 24 * time.Hour)
	if sub := must[*stripe.Subscription](t)(w.api.Subscriptions.Get(p.Subscription, nil)); sub.Status != "paused" {
		t.Errorf("a trial that ended without a card is %s", sub.Status)
	}
	must[*stripe.Customer](t)(w.api.Customers.Update(p.Customer, &stripe.CustomerParams{
		InvoiceSettings: &stripe.CustomerInvoiceSettingsParams{DefaultPaymentMethod: stripe.String("pm_card_visa")},
	}))
	if sub := must[*stripe.Subscription](t)(w.api.Subscriptions.Resume(p.Subscription, nil)); sub.Status != "active" {
		t.Errorf("a resumed subscription is %s", sub.Status)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	api := w.api
	rows := []struct {
		what        string
		call        func() error
		status      int
		code, param string
	}{
		{"an unknown customer", func() error { _, err := api.Customers.Get("cus_nobody", nil); return err }, 404, "resource_missing", "id"},
		{"an unknown price in a parameter", func() error {
			_, err := api.Subscriptions.New(&stripe.SubscriptionParams{Customer: stripe.String(w.ann.Customer),
				Items: []*stripe.SubscriptionItemsParams{{Price: stripe.String("price_none")}}})
			return err
		}, 400, "resource_missing", "items[0][price]"},
		{"an unknown parameter", func() error {
			p := &stripe.RefundParams{Charge: stripe.String(w.refunded.Charge)}
			p.AddExtra("colour", "red")
			_, err := api.Refunds.New(p)
			return err
		}, 400, "parameter_unknown", "colour"},
		{"more than is left", func() error {
			_, err := api.Refunds.New(&stripe.RefundParams{Charge: stripe.String(w.refunded.Charge), Amount: stripe.Int64(2001)})
			return err
		}, 400, "", "amount"},
		{"a refund of a disputed charge", func() error {
			_, err := api.Refunds.New(&stripe.RefundParams{Charge: stripe.String(w.ann.Charge)})
			return err
		}, 400, "charge_disputed", ""},
		{"a payment with a bad card", func() error { _, err := api.Invoices.Pay(w.unpaid, nil); return err }, 402, "card_declined", ""},
		{"a property that cannot be expanded", func() error {
			_, err := api.Customers.Get(w.ann.Customer, &stripe.CustomerParams{Params: expanded("name")})
			return err
		}, 400, "", "expand"},
		{"five levels of expansion", func() error {
			_, err := api.Customers.Get(w.ann.Customer, &stripe.CustomerParams{Params: expanded("a.b.c.d.e")})
			return err
		}, 400, "", "expand"},
		{"a change of currency", func() error {
			_, err := api.Subscriptions.Update(w.ann.Subscription, &stripe.SubscriptionParams{
				Items: []*stripe.SubscriptionItemsParams{{Price: stripe.String(w.Price("team_eur"))}}})
			return err
		}, 400, "", "items[0][price]"},
	}
	for _, row := range rows {
		var e *stripe.Error
		if err := row.call(); !errors.As(err, &e) {
			t.Errorf("%s: %v", row.what, err)
		} else if e.HTTPStatusCode != row.status || string(e.Code) != row.code || e.Param != row.param || e.RequestID == "" {
			t.Errorf("%s: %d %q param %q request %q", row.what, e.HTTPStatusCode, e.Code, e.Param, e.RequestID)
		}
	}
}

func TestRevokedKeyIsRefused(t *testing.T) {
	t.Parallel()
	s := NewStripe(1, start())
	api := serve(t, s)
	s.Revoke("sk_test_123")
	_, err := api.Accounts.Get()
	var e *stripe.Error
	if !errors.As(err, &e) || e.HTTPStatusCode != http.StatusUnauthorized {
		t.Errorf("got %v, want a 401", err)
	}
}

func TestSixteenEndpointsAtMost(t *testing.T) {
	t.Parallel()
	api := serve(t, NewStripe(1, start()))
	for i := range 17 {
		_, err := api.WebhookEndpoints.New(&stripe.WebhookEndpointParams{
			URL: stripe.String("https://example.com"), EnabledEvents: stripe.StringSlice([]string{"*"}),
		})
		if refused := err != nil; refused != (i == 16) {
			t.Errorf("endpoint %d: %v", i+1, err)
		}
	}
}
