package reconcile_test

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bursar/app/demo"
	"bursar/app/reconcile"
)

// smallPages makes Stripe answer lists of customers and subscriptions in pages of two.
func smallPages(r *http.Request) (isList bool) {
	if r.URL.Path != "/v1/customers" && r.URL.Path != "/v1/subscriptions" {
		return false
	}
	query := r.URL.Query()
	query.Set("limit", "2")
	r.URL.RawQuery = query.Encode()
	return true
}

// Whatever is wrong with Stripe's answers, nothing is called missing or taken away, the report says that
// it is incomplete, and the CRM and the desk are compared all the same.
func TestStripeCannotBeReadWhole(t *testing.T) {
	t.Parallel()
	abort := func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }
	answer := func(status int, body string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
			return true
		}
	}
	const slow = "page 2 of the customers does not come in time"
	const refused = `{"error":{"type":"invalid_request_error","message":"Invalid API Key"}}`
	for _, row := range []struct {
		name   string
		path   string // only this list fails
		first  bool   // already its first page
		answer func(w http.ResponseWriter, r *http.Request) bool
		says   string
		tries  int64
	}{
		{"page 2 of the customers is 500", "/v1/customers", false, answer(500, "{}"), "cannot be reached", 3},
		{"page 2 of the customers is {}", "/v1/customers", false, answer(200, "{}"), "incomplete", 3},
		{"page 2 of the subscriptions is {}", "/v1/subscriptions", false, answer(200, "{}"), "incomplete", 3},
		{"page 2 of the subscriptions is cut off", "/v1/subscriptions", false, abort, "cannot be reached", 0},
		{slow, "/v1/customers", false, func(_ http.ResponseWriter, r *http.Request) bool {
			<-r.Context().Done() // until the reader gives up
			return true
		}, "cannot be reached", 3},
		{"page 2 is HTML", "/v1/customers", false, answer(200, "<html>"), "cannot be reached", 3},
		{"a list without an end", "/v1/subscriptions", false, func(_ http.ResponseWriter, r *http.Request) bool {
			query := r.URL.Query()
			query.Del("starting_after") // always the first page again
			r.URL.RawQuery = query.Encode()
			return false
		}, "leads nowhere", 0},
		{"429 that does not end", "/v1/customers", true, answer(429, refused), "fewer requests", 3},
		{"401", "/v1/customers", true, answer(401, refused), "refuses the API key", 1},
		{"the key may not read subscriptions", "/v1/subscriptions", true, answer(403, refused), "refuses the API key", 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := newCompany(t, hourAgo())
			_, err := c.Populate(5)
			check(t, err)
			c.adopt()
			c.buy(demo.BuyOptions{Email: "lost@example.com"})
			c.edit("UPDATE contacts SET plan = 'gold' WHERE customer_id = 2")
			if row.name == slow {
				c.Reconciler.Stripe.Patience(time.Second)
			}
			var failed atomic.Int64
			c.onCall(func(w http.ResponseWriter, r *http.Request) bool {
				list := smallPages(r) && !r.URL.Query().Has("customer")
				if !list || r.URL.Path != row.path || !row.first && !r.URL.Query().Has("starting_after") {
					return false
				}
				failed.Add(1)
				return row.answer(w, r)
			})

			run, report, m := c.reconcile(reconcile.Reconcile{})
			if run.State != "incomplete" || !strings.Contains(run.Error, row.says) {
				t.Errorf("the run is %s: %q, want it to say %q", run.State, run.Error, row.says)
			}
			if !strings.Contains(m.Subject, "INCOMPLETE") || !strings.HasPrefix(report.Verdict(), "Stripe could not be read whole: Stripe's ") {
				t.Errorf("subject %q, verdict %q", m.Subject, report.Verdict())
			}
			if len(report.NeedsYou) != 0 {
				t.Errorf("needs you: %v", report.NeedsYou)
			}
			if !slices.ContainsFunc(report.Fixed, func(f reconcile.Finding) bool { return f.What == reconcile.Label("contact_differs") }) {
				t.Errorf("the contact was not compared; fixed %v", report.Fixed)
			}
			if got := failed.Load(); row.tries > 0 && got != row.tries {
				t.Errorf("asked %d times, want %d", got, row.tries)
			}
			c.onCall(nil)
			c.compare(reconcile.Reconcile{})
			c.agree()
		})
	}
}

// A hiccup costs a second look, not the night's run.
func TestStripeRecoversWithinTheRun(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		fault demo.APIFault
	}{
		{"429 with Retry-After", demo.APIFault{Path: "/v1/customers", Kind: demo.RateLimited}},
		{"two errors of the customers", demo.APIFault{Path: "/v1/customers", Kind: demo.ServerError, Count: 2}},
		{"an empty answer", demo.APIFault{Path: "/v1/subscriptions", Kind: demo.Empty}},
		{"half an answer", demo.APIFault{Path: "/v1/subscriptions", Kind: demo.HalfBody}},
		{"when asked again for one", demo.APIFault{Path: "/v1/invoices", Kind: demo.ServerError}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := newCompany(t, hourAgo())
			c.buy(demo.BuyOptions{Email: "ada@example.com"})
			c.buy(demo.BuyOptions{Email: "ben@example.com", TestClock: "clock_1"})
			c.receive()
			c.Fail(row.fault)
			c.agree()
		})
	}
}

// For days a debit that is under way looks like a payment that failed: its invoice is open and attempted.
func TestABankDebitUnderWayIsNoFailedPayment(t *testing.T) {
	t.Parallel()
	c := newCompany(t, hourAgo())
	p := c.buy(demo.BuyOptions{UserID: "user_1", Email: "ada@example.com"})
	invoice, err := c.DebitPayment(p.Subscription)
	check(t, err)
	c.receive()
	_, report, _ := c.reconcile(reconcile.Reconcile{})
	if len(report.FailedPayments)+len(report.Fixed)+len(report.NeedsYou) != 0 || c.number("SELECT COUNT(*) FROM tickets") != 0 {
		t.Errorf("while it is under way: failed %v, fixed %v, needs you %v", report.FailedPayments, report.Fixed, report.NeedsYou)
	}
	check(t, c.EndDebit(invoice, false))
	c.receive()
	if n := c.number("SELECT COUNT(*) FROM tickets WHERE status = 'open'"); n != 1 {
		t.Errorf("%d open tickets once it came back", n)
	}
}
