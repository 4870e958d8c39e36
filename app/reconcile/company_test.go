package reconcile_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"bursar/app/billing"
	"bursar/app/crm"
	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/db/dbtest"
	"bursar/app/demo"
	"bursar/app/queue"
	"bursar/app/reconcile"
	"bursar/app/stripe"
	"bursar/app/support"
)

// company is a Bursar on a new file beside a simulated Stripe, joined as the app joins them.
type company struct {
	*demo.Stripe
	DB         *db.DB
	Billing    *billing.Billing
	Reconciler *reconcile.Reconciler
	Worker     *queue.Worker

	t        testing.TB
	sql      *sql.DB // the hands of somebody who changes things behind Bursar's back
	received int     // events so far

	mu        sync.Mutex
	intercept func(w http.ResponseWriter, r *http.Request) (answered bool)
}

func newCompany(t testing.TB, began time.Time) *company {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bursar.db")
	d := dbtest.At(t, path)
	hands, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)")
	check(t, err)
	t.Cleanup(func() { check(t, hands.Close()) })

	c := &company{Stripe: demo.NewStripe(1, began), DB: d, t: t, sql: hands}
	api := httptest.NewServer(c)
	t.Cleanup(api.Close)
	client := stripe.New("sk_test_1", api.URL)
	c.Billing = &billing.Billing{DB: d, Stripe: client}
	c.Reconciler = &reconcile.Reconciler{DB: d, Stripe: client, CRM: crm.Builtin{DB: d}, Desk: support.Builtin{DB: d}, Templates: parseTemplates(t),
		To: []string{"ada@example.com"}, URL: "https://bursar.example.com", Location: time.UTC, Pause: time.Millisecond,
		Billing: c.Billing, Cap: 5}
	c.Worker = c.worker(c.Reconciler)
	return c
}

// worker is a process that works on the file.
func (c *company) worker(r *reconcile.Reconciler) *queue.Worker {
	w := queue.NewWorker(c.DB, slog.New(slog.DiscardHandler))
	c.Billing.Handle(w)
	crm.Handle(w, c.DB, crm.Builtin{DB: c.DB})
	support.Handle(w, support.Builtin{DB: c.DB})
	r.Handle(w)
	return w
}

func (c *company) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	intercept := c.intercept
	c.mu.Unlock()
	if intercept == nil || !intercept(w, r) {
		c.Stripe.ServeHTTP(w, r)
	}
}

// onCall sees every call to Stripe before it is answered, and may answer it itself.
func (c *company) onCall(fn func(w http.ResponseWriter, r *http.Request) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.intercept = fn
}

// receive takes in the events that have not been, and works off what follows.
func (c *company) receive() {
	c.t.Helper()
	for _, body := range c.Events()[c.received:] {
		c.receiveEvent(body)
	}
	c.lose()
	check(c.t, c.Worker.WorkOff(c.t.Context()))
}

func (c *company) receiveEvent(body []byte) {
	c.t.Helper()
	e, err := stripe.DecodeEvent(body)
	check(c.t, err)
	_, err = c.Billing.Receive(c.t.Context(), e, billing.Webhook)
	check(c.t, err)
}

// lose makes the events that have not been received never arrive.
func (c *company) lose() { c.received = len(c.Events()) }

func (c *company) buy(o demo.BuyOptions) demo.Purchase {
	c.t.Helper()
	p, err := c.Buy(o)
	check(c.t, err)
	return p
}

// edit changes the file behind Bursar's back.
func (c *company) edit(statement string, args ...any) {
	c.t.Helper()
	_, err := c.sql.ExecContext(c.t.Context(), statement, args...)
	check(c.t, err)
}

// number is the answer to a query for one.
func (c *company) number(query string, args ...any) (n int) {
	c.t.Helper()
	check(c.t, c.sql.QueryRowContext(c.t.Context(), query, args...).Scan(&n))
	return n
}

func (c *company) insert(args queue.Args) {
	c.t.Helper()
	check(c.t, c.DB.Tx(c.t.Context(), func(q *db.Queries) error { return queue.Insert(c.t.Context(), q, args) }))
}

// compare runs the reconciler and works off what is due then.
func (c *company) compare(args reconcile.Reconcile) db.Run {
	c.t.Helper()
	c.insert(args)
	check(c.t, c.Worker.WorkOff(c.t.Context()))
	run, err := c.DB.Read().LastRun(c.t.Context())
	check(c.t, err)
	return run
}

// reconcile is a run with its report and its mail.
func (c *company) reconcile(args reconcile.Reconcile) (db.Run, reconcile.Report, db.Mail) {
	c.t.Helper()
	run := c.compare(args)
	var m db.Mail
	eventually(c.t, func() (err error) {
		c.insert(reconcile.SendReport{Run: run.ID}) // it need not wait for its next look
		check(c.t, c.Worker.WorkOff(c.t.Context()))
		m, err = c.DB.Read().MailByKey(c.t.Context(), reconcile.ReportKey(run))
		return err
	})
	report, err := c.Reconciler.Collect(c.t.Context(), run)
	check(c.t, err)
	return run, report, m
}

// open are the kinds of the open findings.
func (c *company) open() []string {
	c.t.Helper()
	rows, err := c.DB.Read().OpenFindings(c.t.Context())
	check(c.t, err)
	kinds := []string{}
	for _, f := range rows {
		kinds = append(kinds, f.Kind)
	}
	slices.Sort(kinds)
	return kinds
}

// agree fails unless a run finds nothing.
func (c *company) agree() {
	c.t.Helper()
	run, report, _ := c.reconcile(reconcile.Reconcile{})
	if run.State != "complete" || len(report.Fixed)+len(report.NeedsYou) > 0 {
		c.t.Errorf("a %s run %q found %v and %v", run.State, run.Error, report.Fixed, report.NeedsYou)
	}
}

// adopt takes over what Stripe has by its lists alone: a thousand customers in a second.
func (c *company) adopt() {
	c.t.Helper()
	ctx := c.t.Context()
	subscriptions := map[string][]stripe.Subscription{}
	for s, err := range c.Billing.Stripe.Subscriptions(ctx) {
		check(c.t, err)
		subscriptions[s.Customer] = append(subscriptions[s.Customer], s)
	}
	var customers []stripe.Customer
	for s, err := range c.Billing.Stripe.Customers(ctx) {
		check(c.t, err)
		customers = append(customers, s)
	}
	for some := range slices.Chunk(customers, 200) {
		check(c.t, c.DB.Tx(ctx, func(q *db.Queries) error {
			for _, s := range some {
				if err := c.adoptCustomer(ctx, q, s, subscriptions[s.ID]); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	check(c.t, c.DB.Tx(ctx, func(q *db.Queries) error { return c.adoptMoney(ctx, q) }))
	check(c.t, c.Worker.WorkOff(ctx))
}

// adoptMoney takes over invoices and checkouts.
func (c *company) adoptMoney(ctx context.Context, q *db.Queries) error {
	changed := map[int64]bool{}
	for o, err := range c.Billing.Stripe.Invoices(ctx, time.Time{}) {
		id, linkErr := q.LinkOf(ctx, "stripe", o.Customer)
		if err := errors.Join(err, linkErr); err != nil {
			return err
		}
		changed[id] = true
		p := db.SaveInvoiceParams{ID: o.ID, StripeCustomer: o.Customer, CustomerID: id, Subscription: o.Subscription, Status: o.Status,
			AmountDue: o.AmountDue, AmountPaid: o.AmountPaid, Currency: o.Currency, Attempts: o.Attempts, Failed: o.Failed,
			PaidAt: db.At(o.PaidAt), CreatedAt: db.At(o.CreatedAt)}
		if err := c.Billing.Change(ctx, q, id, func() error { return q.SaveInvoice(ctx, p) }); err != nil {
			return err
		}
	}
	for o, err := range c.Billing.Stripe.Checkouts(ctx, time.Time{}) {
		if err != nil {
			return err
		}
		id, err := q.LinkOf(ctx, "stripe", o.Customer)
		if err != nil {
			return err
		}
		err = q.SaveCheckout(ctx, db.SaveCheckoutParams{ID: o.ID, StripeCustomer: o.Customer, CustomerID: id, Mode: o.Mode, Status: o.Status,
			PaymentStatus: o.PaymentStatus, Subscription: o.Subscription, Amount: o.Amount, Currency: o.Currency, CreatedAt: db.At(o.CreatedAt)})
		if err != nil {
			return err
		}
	}
	for o, err := range c.Billing.Stripe.Charges(ctx, time.Time{}) {
		id, linkErr := q.LinkOf(ctx, "stripe", o.Customer)
		if err := errors.Join(err, linkErr); err != nil {
			return err
		}
		err := q.SaveCharge(ctx, db.SaveChargeParams{ID: o.ID, StripeCustomer: o.Customer, CustomerID: id, Invoice: o.Invoice, PaymentIntent: o.PaymentIntent,
			Status: o.Status, Amount: o.Amount, AmountRefunded: o.AmountRefunded, Currency: o.Currency, Disputed: o.Disputed, CreatedAt: db.At(o.CreatedAt)})
		if err != nil {
			return err
		}
	}
	for o, err := range c.Billing.Stripe.Refunds(ctx, time.Time{}) {
		charge, linkErr := q.ChargeByID(ctx, o.Charge)
		if err := errors.Join(err, linkErr); err != nil {
			return err
		}
		err := q.SaveRefund(ctx, db.SaveRefundParams{ID: o.ID, StripeCustomer: charge.StripeCustomer, CustomerID: charge.CustomerID, Charge: o.Charge,
			PaymentIntent: o.PaymentIntent, Status: o.Status, Amount: o.Amount, Currency: o.Currency, Reason: o.Reason, CreatedAt: db.At(o.CreatedAt)})
		if err != nil {
			return err
		}
	}
	for o, err := range c.Billing.Stripe.Disputes(ctx, time.Time{}) {
		charge, linkErr := q.ChargeByID(ctx, o.Charge)
		if err := errors.Join(err, linkErr); err != nil {
			return err
		}
		err := q.SaveDispute(ctx, db.SaveDisputeParams{ID: o.ID, StripeCustomer: charge.StripeCustomer, CustomerID: charge.CustomerID, Charge: o.Charge,
			PaymentIntent: o.PaymentIntent, Status: o.Status, Reason: o.Reason, Amount: o.Amount, Currency: o.Currency, CreatedAt: db.At(o.CreatedAt)})
		if err != nil {
			return err
		}
	}
	for id := range changed {
		if err := c.Billing.Change(ctx, q, id, func() error { return nil }); err != nil {
			return err
		}
	}
	return nil
}

func (c *company) adoptCustomer(ctx context.Context, q *db.Queries, s stripe.Customer, subscriptions []stripe.Subscription) error {
	id, err := customer.Bind(ctx, q, s.ID, "")
	if err != nil {
		return err
	}
	return c.Billing.Change(ctx, q, id, func() error {
		err := q.SaveStripeCustomer(ctx, db.SaveStripeCustomerParams{ID: s.ID, CustomerID: id, Name: s.Name, Email: s.Email,
			Source: "api", AsOfAt: db.Now(), ConfirmedAt: db.Now(), CreatedAt: db.At(s.CreatedAt)})
		for _, o := range subscriptions {
			err = errors.Join(err, q.SaveSubscription(ctx, db.SaveSubscriptionParams{ID: o.ID, StripeCustomer: s.ID, CustomerID: id, Status: o.Status,
				Price: o.Price, Product: o.Product, Plan: "Team", Quantity: o.Quantity, Amount: o.Amount, Currency: o.Currency, Interval: o.Interval,
				IntervalCount: o.IntervalCount, CancelAtPeriodEnd: o.CancelAtPeriodEnd, CurrentPeriodEndAt: db.At(o.CurrentPeriodEnd),
				CancelAt: db.At(o.CancelAt), CanceledAt: db.At(o.CanceledAt), EndedAt: db.At(o.EndedAt), TrialEndAt: db.At(o.TrialEnd),
				PauseBehavior: o.PauseBehavior, PauseResumesAt: db.At(o.PauseResumesAt), CreatedAt: db.At(o.CreatedAt)}))
		}
		return err
	})
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually asks until done has no error any more.
func eventually(t testing.TB, done func() error) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		err := done()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			t.Fatal(err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// hourAgo is when most companies of these tests begin: all that happened is in the last day.
func hourAgo() time.Time { return time.Now().Add(-time.Hour) }
