package billing_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
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

// gate is Stripe with somebody in front who notes the requests and may answer some.
type gate struct {
	*demo.Stripe
	mu        sync.Mutex
	asked     []*url.URL
	intercept func(w http.ResponseWriter, r *http.Request) bool
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	g.asked = append(g.asked, r.URL)
	intercept := g.intercept
	g.mu.Unlock()
	if intercept == nil || !intercept(w, r) {
		g.Stripe.ServeHTTP(w, r)
	}
}

// takeAsked are the requests for a path since the last call.
func (g *gate) takeAsked(path string) (queries []url.Values) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, u := range g.asked {
		if u.Path == path {
			queries = append(queries, u.Query())
		}
	}
	g.asked = nil
	return queries
}

// newGate opens an account of some hours ago, and a Bursar that was installed then and has its key.
func newGate(t *testing.T, ago time.Duration) (*gate, *file) {
	t.Helper()
	g := &gate{Stripe: newStripe(1, ago)}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	f := newFile(t, stripe.New(apiKey, server.URL), plansOf(g.Stripe))
	f.installed(time.Now().Add(-ago))
	return g, f
}

func (f *file) installed(at time.Time) {
	f.tb.Helper()
	f.check(f.DB.Tx(context.Background(), func(q *db.Queries) error {
		return q.SetMeta(context.Background(), "installed_at", strconv.FormatInt(at.UnixMilli(), 10))
	}))
}

// sweep runs one and what follows from it, and gives its row.
func (f *file) sweep() db.Sweep {
	f.tb.Helper()
	f.insert(billing.Sweep{})
	f.workOff()
	row, err := f.DB.Read().LastSweep(f.tb.Context())
	f.check(err)
	return row
}

func (f *file) insert(args queue.Args) {
	f.tb.Helper()
	f.check(f.DB.Tx(f.tb.Context(), func(q *db.Queries) error { return queue.Insert(f.tb.Context(), q, args) }))
}

// remember stores a complete sweep of the past.
func (f *file) remember(at, mark time.Time) {
	f.tb.Helper()
	f.check(f.DB.Tx(f.tb.Context(), func(q *db.Queries) error {
		return q.InsertSweep(f.tb.Context(), db.InsertSweepParams{State: "complete", Undelivered: true, MarkAt: db.At(mark), StartedAt: db.At(at), FinishedAt: db.At(at)})
	}))
}

func TestASweepHealsWhatNoWebhookBrought(t *testing.T) {
	t.Parallel()
	g, f := newGate(t, 3*time.Hour)
	p, err := g.Buy(demo.BuyOptions{Email: "ada@example.com", Name: "Ada", UserID: "u1"})
	told(t, err)
	f.take(g.Events()...)
	seen := len(g.Events())
	g.Advance(time.Hour) // from here on nothing arrives
	refund, err := g.Refund(p.Charge, 500)
	told(t, err)
	told(t, g.Cancel(p.Subscription, false))
	_, err = g.Buy(demo.BuyOptions{Email: "ben@example.com", Name: "Ben", UserID: "u2"})
	told(t, err)
	_ = refund

	row := f.sweep()
	lost := 0
	for _, body := range g.Events()[seen:] {
		if stripe.Wanted(eventOf(t, body).Type) {
			lost++
		}
	}
	if row.State != "complete" || row.Missing != int64(lost) || row.Found != int64(lost) || time.Duration(row.LateMs)*time.Millisecond < time.Hour {
		t.Errorf("the sweep: %+v, want all %d lost events, an hour and more late", row, lost)
	}
	all := f.customers()
	if len(all) != 2 || all[0].Access != customer.None || all[1].Access != customer.Full || all[0].RefundedAmount != 500 {
		t.Errorf("the records are %+v", all)
	}
	e, err := f.DB.Read().EventByID(t.Context(), eventOf(t, g.Events()[seen]).ID)
	if err != nil || e.Source != "sweep" {
		t.Errorf("the event: %+v, %v", e.Source, err)
	}
	if again := f.sweep(); again.Found != 0 || again.State != "complete" || again.Listed == 0 {
		t.Errorf("a second sweep: %+v, want one that lists the newest again and finds nothing", again)
	}
	f.take(g.Events()...) // the webhooks come after all
	if n := len(f.customers()); n != 2 {
		t.Errorf("after the late webhooks there are %d customers", n)
	}
}

func TestASweepAsksForWhatIsNewOnly(t *testing.T) {
	t.Parallel()
	g, f := newGate(t, 5*time.Hour)
	_, err := g.Buy(demo.BuyOptions{Email: "ada@example.com"})
	told(t, err)
	f.take(g.Events()...)
	installed, err := strconv.ParseInt(must(f.DB.Read().Meta(t.Context(), "installed_at")), 10, 64)
	told(t, err)

	g.takeAsked("")
	f.sweep()
	asked := g.takeAsked("/v1/events")
	if len(asked) != 2 || asked[1].Get("delivery_success") != "false" {
		t.Fatalf("the first sweep asks %v", asked)
	}
	if want := time.UnixMilli(installed).Add(-15 * time.Minute).Unix(); asked[0].Get("created[gte]") != fmt.Sprint(want) {
		t.Errorf("the first sweep asks since %s, want a quarter of an hour before Bursar was there: %d", asked[0].Get("created[gte]"), want)
	}
	g.Advance(2 * time.Hour)
	told(t, g.UpdateCustomer(eventOf(t, g.Events()[0]).Customer, "Ada", "ada@example.com"))
	newest := eventOf(t, g.Events()[len(g.Events())-1]).CreatedAt
	f.sweep()
	g.takeAsked("")
	f.sweep()
	asked = g.takeAsked("/v1/events")
	if len(asked) != 1 || asked[0].Has("delivery_success") {
		t.Fatalf("a sweep within the hour asks %v, want one list", asked)
	}
	if want := newest.Add(-15 * time.Minute).Unix(); asked[0].Get("created[gte]") != fmt.Sprint(want) {
		t.Errorf("it asks since %s, want a quarter of an hour before the newest event: %d", asked[0].Get("created[gte]"), want)
	}
}

func must[T any](v T, _ error) T { return v }

// TestAnIncompleteSweepMovesNothing lets a sweep fail on its second page, and on its first.
func TestAnIncompleteSweepMovesNothing(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		fault demo.APIFault
		says  string
	}{
		{"500 on page 2", demo.APIFault{Kind: demo.ServerError, Later: true}, "Sorry!"},
		{"{} on page 2", demo.APIFault{Kind: demo.Empty, Later: true}, "not answered with a list"},
		{"the connection is cut on page 2", demo.APIFault{Kind: demo.Drop, Later: true}, "cannot be reached"},
		{"half a page 2", demo.APIFault{Kind: demo.HalfBody, Later: true}, "cut off"},
		{"a list without an end", demo.APIFault{Kind: demo.Endless}, "leads nowhere"},
		{"a storm of 429", demo.APIFault{Kind: demo.RateLimited, RetryAfter: time.Minute}, "fewer requests"},
		{"429 on page 2", demo.APIFault{Kind: demo.RateLimited, Later: true}, "fewer requests"},
		{"500 on page 1", demo.APIFault{Kind: demo.ServerError}, "Sorry!"},
		{"no permission", demo.APIFault{Kind: demo.Forbidden}, "permissions"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			g, f := newGate(t, 3*time.Hour)
			g.Pages(3)
			p, err := g.Buy(demo.BuyOptions{Email: "ada@example.com"})
			told(t, err)
			f.take(g.Events()...)
			before := f.sweep()
			g.Advance(time.Hour)
			told(t, g.Cancel(p.Subscription, false))
			for range 8 {
				told(t, g.UpdateCustomer(p.Customer, "Ada", "ada@example.com"))
			}

			row.fault.Path, row.fault.Count = "/v1/events", 1000
			g.Fail(row.fault)
			failed := f.sweep()
			if failed.State != "incomplete" || !strings.Contains(failed.Error, row.says) {
				t.Errorf("it is %s: %q, want it to say %q", failed.State, failed.Error, row.says)
			}
			complete, err := f.DB.Read().LastCompleteSweep(t.Context(), false)
			if err != nil || complete.ID != before.ID {
				t.Errorf("the newest complete one is %d, want %d: %v", complete.ID, before.ID, err)
			}
			if due, err := f.SweepDue(t.Context(), f.DB.Read()); err != nil || due {
				t.Errorf("another is due at once: %v, %v", due, err)
			}
			if until, reason, err := queue.OpenUntil(t.Context(), f.DB.Read(), "stripe"); err != nil || !until.IsZero() {
				t.Errorf("it keeps everything else from Stripe until %s: %s, %v", until, reason, err)
			}
			g.Mend()
			if row := f.sweep(); row.State != "complete" || !row.SinceAt.Equal(before.MarkAt.Add(-15*time.Minute)) {
				t.Errorf("the next one: %+v, want it to begin where the last complete one ended", row)
			}
			if r := f.customer(); r.Access != customer.None {
				t.Errorf("the cancellation was not found: %s", r.Access)
			}
			for _, body := range g.Events() {
				if e := eventOf(t, body); stripe.Wanted(e.Type) {
					if _, err := f.DB.Read().EventByID(t.Context(), e.ID); err != nil {
						t.Errorf("%s %s: %v", e.Type, e.ID, err)
					}
				}
			}
		})
	}
}

func TestARefusedKeyStopsTheSweepLoudly(t *testing.T) {
	t.Parallel()
	g, f := newGate(t, time.Hour)
	g.Revoke(apiKey)
	if row := f.sweep(); row.State != "incomplete" || !strings.Contains(row.Error, "refuses the API key") {
		t.Errorf("it is %s: %q", row.State, row.Error)
	}
	if until, _, err := queue.OpenUntil(t.Context(), f.DB.Read(), "stripe"); err != nil || until.IsZero() {
		t.Errorf("nobody is told that the key is refused: %v", err)
	}
}

func TestWhatIsNotMissed(t *testing.T) {
	t.Parallel()
	g, f := newGate(t, time.Hour)
	_, err := g.Buy(demo.BuyOptions{Email: "ada@example.com"})
	told(t, err)
	for _, body := range g.Events() { // of what the endpoint is meant to send, all arrives
		if stripe.Wanted(eventOf(t, body).Type) {
			f.receive(body)
		}
	}
	row := f.sweep()
	if row.Found != 0 || row.Listed == 0 {
		t.Errorf("events that no endpoint should send are missed: %+v", row)
	}
	g.Advance(time.Hour) // now
	told(t, g.UpdateCustomer(eventOf(t, g.Events()[0]).Customer, "Ada", "new@example.com"))
	row = f.sweep()
	if row.Found != 1 || row.Missing != 0 {
		t.Errorf("an event of this moment: %+v, want it taken in and not called missing", row)
	}
	status, err := f.SweepStatus(t.Context(), f.DB.Read())
	if err != nil || status.Missing != 0 || status.Silent() || status.Overdue {
		t.Errorf("the status is %+v, %v", status, err)
	}
}

// An event that Stripe could not deliver is asked for once an hour, also if it is older than what is new.
func TestUndeliveredEventsAreAskedForEachHour(t *testing.T) {
	t.Parallel()
	g, f := newGate(t, 10*time.Hour)
	g.Endpoint("http://127.0.0.1:1/nobody-there", "whsec_0123456789abcdef")
	_, err := g.Buy(demo.BuyOptions{Email: "ada@example.com"})
	told(t, err)
	old := len(g.Events())
	g.Advance(9 * time.Hour)
	_, err = g.Buy(demo.BuyOptions{Email: "ben@example.com"})
	told(t, err)
	f.take(g.Events()[old:]...)
	f.remember(time.Now().Add(-2*time.Hour), eventOf(t, g.Events()[old]).CreatedAt)
	row := f.sweep()
	if !row.Undelivered || row.Missing == 0 {
		t.Errorf("the sweep %+v did not find them", row)
	}
	if n := len(f.customers()); n != 2 {
		t.Errorf("%d customers, want both", n)
	}
}

func TestAfterMoreThanAMonthEverythingIsReadAnew(t *testing.T) {
	t.Parallel()
	const away = 40 * day
	g, f := newGate(t, away+day)
	ada, err := g.Buy(demo.BuyOptions{Email: "ada@example.com", Name: "Ada"})
	told(t, err)
	f.take(g.Events()...)
	last := time.Now().Add(-away)
	f.remember(last, last)
	g.Advance(3 * day) // Bursar is away, and Stripe forgets the events of this time
	told(t, g.Cancel(ada.Subscription, false))
	_, err = g.Buy(demo.BuyOptions{Email: "ben@example.com", Name: "Ben"})
	told(t, err)
	g.Advance(away - 2*day)

	row := f.sweep()
	if row.State != "complete" || !row.GapAt.Equal(last.Truncate(time.Millisecond)) {
		t.Errorf("the sweep: %+v, want a gap since %s", row, last)
	}
	p, err := billing.LastBackfill(t.Context(), f.DB.Read())
	if err != nil || p.State != "complete" || !strings.Contains(p.Reason, "did not read Stripe's events") {
		t.Errorf("the backfill: %+v, %v", p, err)
	}
	all := f.customers()
	if len(all) != 2 || all[0].Access != customer.None || all[1].Access != customer.Full {
		t.Errorf("the records: %+v", all)
	}
	if again := f.sweep(); !again.GapAt.IsZero() {
		t.Errorf("the next sweep has a gap as well: %+v", again)
	}
	if p, err := billing.LastBackfill(t.Context(), f.DB.Read()); err != nil || p.ID != 1 {
		t.Errorf("there is another backfill: %+v, %v", p, err)
	}
}

func TestSilence(t *testing.T) {
	t.Parallel()
	g, f := newGate(t, 3*time.Hour)
	p, err := g.Buy(demo.BuyOptions{Email: "ada@example.com"})
	told(t, err)
	f.sweep() // nothing ever came by webhook
	f.check(f.DB.Tx(t.Context(), func(q *db.Queries) error {
		return q.SaveEndpointCheck(t.Context(), db.SaveEndpointCheckParams{Known: true, Problems: "[]", AsOfAt: db.Now()})
	}))
	status, err := f.EndpointStatus(t.Context(), f.DB.Read())
	if err != nil || len(status.Problems) != 1 || status.Problems[0].Kind != billing.EndpointSilent || !status.Problems[0].Severe {
		t.Errorf("the status: %+v, %v", status, err)
	}
	told(t, g.UpdateCustomer(p.Customer, "Ada", "ada@example.com"))
	f.take(g.Events()[len(g.Events())-1])
	status, err = f.EndpointStatus(t.Context(), f.DB.Read())
	if err != nil || slices.ContainsFunc(status.Problems, func(p billing.EndpointProblem) bool { return p.Kind == billing.EndpointSilent }) {
		t.Errorf("a webhook has come, and it is %+v, %v", status, err)
	}
}

// TestWhatARestoredFileLostIsNotMissed: webhooks brought these events, to the file that is gone.
func TestWhatARestoredFileLostIsNotMissed(t *testing.T) {
	t.Parallel()
	g, f := newGate(t, 6*time.Hour)
	f.sweep()
	buy := func(email string) {
		_, err := g.Buy(demo.BuyOptions{Email: email})
		f.check(err)
	}
	g.Advance(time.Minute) // or it is from before Bursar was installed
	buy("lost@example.com")
	g.Advance(time.Hour)
	restored := db.Restored{At: g.Now().Add(-30 * time.Minute), CopyAt: g.Now().Add(-2 * time.Hour)}
	f.check(f.DB.Tx(t.Context(), func(q *db.Queries) error { return db.KeepRestored(t.Context(), q, restored) }))
	if row := f.sweep(); row.Found == 0 || row.Missing != 0 {
		t.Errorf("%d events came back, and %d of them count as missed", row.Found, row.Missing)
	}
	took, err := f.DB.Read().Activations(t.Context(), db.Time{})
	if err != nil || len(took) != 1 || took[0] > 0 {
		t.Errorf("the purchase gave access after %v ms, %v; when it did is not known any more, and 0 is what it is taken for", took, err)
	}
	buy("missed@example.com")
	g.Advance(time.Hour)
	if row := f.sweep(); row.Missing == 0 {
		t.Error("what no webhook brought afterwards is not missed")
	}
}
