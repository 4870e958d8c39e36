package billing_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"bursar/app/billing"
	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/demo"
	"bursar/app/queue"
	"bursar/app/stripe"
)

// older is an account that was there before Bursar: some pay, some left, some were deleted. No event of it
// ever comes in.
func older(t *testing.T, n int) (*gate, *file) {
	t.Helper()
	g, f := newGate(t, 40*day)
	for i := range n {
		p, err := g.Buy(demo.BuyOptions{Email: fmt.Sprintf("p%d@example.com", i), Name: fmt.Sprint("P", i)})
		told(t, err)
		switch i % 5 {
		case 3:
			told(t, g.Cancel(p.Subscription, false))
		case 4:
			told(t, g.DeleteCustomer(p.Customer))
		}
	}
	g.Advance(40 * day)
	g.Pages(3)
	return g, f
}

func (f *file) startBackfill() {
	f.tb.Helper()
	f.check(f.DB.Tx(f.tb.Context(), func(q *db.Queries) error { return billing.StartBackfill(f.tb.Context(), q, "asked for") }))
}

func (f *file) progress() billing.Progress {
	f.tb.Helper()
	p, err := billing.LastBackfill(f.tb.Context(), f.DB.Read())
	f.check(err)
	return p
}

// whole says that the backfill and the records are what the older account of n customers has.
func (f *file) whole(n int) {
	f.tb.Helper()
	p := f.progress()
	if p.State != "complete" || p.Underway() || p.Customers != int64(n) || p.Done != int64(n) || p.StoredCustomers != int64(n) ||
		p.Subscriptions != int64(n) || p.StoredSubscriptions != int64(n) || p.Error != "" || p.Percent() != 100 {
		f.tb.Errorf("the backfill: %+v, want %d customers and subscriptions, all stored", p, n)
	}
	access := map[string]int{}
	for _, r := range f.customers() {
		access[r.Access]++
		if r.Source != "api" {
			f.tb.Errorf("customer %d is from %q", r.ID, r.Source)
		}
	}
	if access[customer.Full] != n*3/5 || access[customer.None] != n*2/5 {
		f.tb.Errorf("access: %v", access)
	}
}

func TestABackfillReadsAnAccountThatWasThereBefore(t *testing.T) {
	t.Parallel()
	_, f := older(t, 10)
	f.startBackfill()
	f.startBackfill() // asked for twice: one
	f.workOff()
	f.whole(10)
	if p := f.progress(); p.ID != 1 {
		t.Errorf("it is backfill %d", p.ID)
	}
	f.startBackfill() // again, on top of what is here
	f.workOff()
	f.whole(10)
	if n := len(f.customers()); n != 10 {
		t.Errorf("%d customers after the second", n)
	}
}

// TestABackfillIsKilledAndGoesOn kills the worker in the middle of each stretch of it, and starts another on
// the same file.
func TestABackfillIsKilledAndGoesOn(t *testing.T) {
	t.Parallel()
	const n = 10
	for _, row := range []struct {
		name  string
		at    string // the path whose nth request is the last of the first process
		count int
	}{
		{"in the list of customers", "/v1/customers", 2},
		{"in the list of subscriptions", "/v1/subscriptions", 2},
		{"among the records", "/v1/checkout/sessions", 5},
		{"at the last record", "/v1/checkout/sessions", 10},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			g, f := older(t, n)
			f.startBackfill()
			ctx, kill := context.WithCancel(t.Context())
			var mu sync.Mutex
			met := 0
			g.intercept = func(_ http.ResponseWriter, r *http.Request) bool {
				mu.Lock()
				defer mu.Unlock()
				if r.URL.Path == row.at {
					if met++; met == row.count {
						kill()
						panic(http.ErrAbortHandler)
					}
				}
				return false
			}
			if err := f.worker.WorkOff(ctx); err == nil && ctx.Err() == nil {
				t.Fatal("it was not killed")
			}
			if p := f.progress(); !p.Underway() || p.State == "complete" {
				t.Fatalf("after the kill: %+v", p)
			}
			before := f.progress()
			g.mu.Lock()
			g.intercept, g.asked = nil, nil
			g.mu.Unlock()
			next := queue.NewWorker(f.DB, slog.New(slog.DiscardHandler))
			f.Handle(next)
			f.worker = next
			f.insert(billing.Backfill{}) // serve finds the job where it was; this only stands for its poll
			f.workOff()
			f.whole(n)
			read := 0
			for _, u := range g.asked {
				if u.Path == "/v1/checkout/sessions" {
					read++
				}
			}
			if want := n - int(before.Done); read != want {
				t.Errorf("after the restart %d customers were read, want the %d that were left", read, want)
			}
		})
	}
}

func TestABackfillIsNotDoneAfterAFailedPage(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		fault demo.APIFault
	}{
		{"customers, page 2: 500", demo.APIFault{Path: "/v1/customers", Kind: demo.ServerError, Later: true}},
		{"customers, page 2: {}", demo.APIFault{Path: "/v1/customers", Kind: demo.Empty, Later: true}},
		{"customers without an end", demo.APIFault{Path: "/v1/customers", Kind: demo.Endless}},
		{"subscriptions, page 2: half an answer", demo.APIFault{Path: "/v1/subscriptions", Kind: demo.HalfBody, Later: true}},
		{"subscriptions, page 1: 429", demo.APIFault{Path: "/v1/subscriptions", Kind: demo.RateLimited}},
		{"a record: no answer to its charges", demo.APIFault{Path: "/v1/charges", Kind: demo.Drop}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			g, f := older(t, 10)
			row.fault.Count = 10_000
			g.Fail(row.fault)
			f.startBackfill()
			f.workOff()
			p := f.progress()
			if !p.Underway() || p.State == "complete" || p.Error == "" {
				t.Errorf("the backfill: %+v, want it under way with its error", p)
			}
			g.Mend()
			f.try()
			f.startBackfill() // goes on
			f.workOff()
			f.whole(10)
		})
	}
}

// What Stripe lists and does not give is counted: the backfill says that it is not whole.
func TestABackfillThatLacksSomethingSaysSo(t *testing.T) {
	t.Parallel()
	g, f := older(t, 5)
	g.intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/v1/subscriptions" || !r.URL.Query().Has("customer") {
			return false
		}
		fmt.Fprint(w, `{"object":"list","data":[],"has_more":false}`)
		return true
	}
	f.startBackfill()
	f.workOff()
	if p := f.progress(); p.State != "incomplete" || !strings.Contains(p.Error, "5 customers and 5 subscriptions that Stripe listed, 5 and 0 are stored") {
		t.Errorf("the backfill: %+v", p)
	}
}

func TestABackfillOfCustomersThatAreGoneMeanwhile(t *testing.T) {
	t.Parallel()
	g, f := older(t, 5)
	g.intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if path.Dir(r.URL.Path) != "/v1/customers" && !r.URL.Query().Has("customer") {
			return false
		}
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"error":{"type":"invalid_request_error","code":"resource_missing","message":"No such customer"}}`)
		return true
	}
	f.startBackfill()
	f.workOff()
	if p := f.progress(); p.State != "incomplete" || p.Done != 5 || p.Refused != 5 {
		t.Errorf("the backfill: %+v, want it at its end, and not complete", p)
	}
}

func TestRequestsAreCountedByWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	g := newStripe(1, time.Hour)
	_, err := g.Buy(demo.BuyOptions{Email: "ada@example.com"})
	told(t, err)
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	f := newFile(t, stripe.New(apiKey, server.URL).For(billing.ForSync), plansOf(g))
	f.take(g.Events()...)
	f.sweep()
	f.insert(billing.WatchEndpoint{})
	f.workOff()
	f.startBackfill()
	f.workOff()
	reads, err := billing.ReadsOf(t.Context(), f.DB.Read(), time.Now())
	if err != nil || reads["sweep"] != 2 || reads["watch"] != 1 || reads["backfill"] != 7 || reads["sync"] < 5 || reads.Own() != 3 || reads.Asked() != reads["sync"]+7 {
		t.Errorf("the requests: %v, %v", reads, err)
	}
	sum := int64(0)
	for _, n := range reads {
		sum += n
	}
	asked := 0
	for _, n := range g.Calls() {
		asked += n
	}
	if sum != int64(asked) {
		t.Errorf("%d are counted, Stripe saw %d", sum, asked)
	}
}
