package money

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bursar/app/auth"
	"bursar/app/billing"
	"bursar/app/crm"
	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/db/dbtest"
	"bursar/app/demo"
	"bursar/app/queue"
	"bursar/app/stripe"
	"bursar/app/support"
)

const readKey, actionsKey = "sk_test_read", "rk_test_actions"

// office is a Bursar on a file of its own, with a simulated Stripe and one person of each role.
type office struct {
	*Money
	t       *testing.T
	worker  *queue.Worker
	stripe  *demo.Stripe
	url     string // of Stripe
	people  map[auth.Role]auth.User
	billing *billing.Billing

	mu     sync.Mutex
	writes []string // "key method path" of every request that could change something
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{t: t, stripe: demo.NewStripe(7, time.Now().Add(-10*24*time.Hour)), people: map[auth.Role]auth.User{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			o.mu.Lock()
			key, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			o.writes = append(o.writes, key+" "+r.Method+" "+r.URL.Path)
			o.mu.Unlock()
		}
		o.stripe.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	o.url = server.URL
	o.open(filepath.Join(t.TempDir(), "bursar.db"))
	for _, role := range auth.Roles() {
		o.people[role] = o.hire(string(role), role)
	}
	return o
}

func (o *office) open(path string) {
	o.t.Helper()
	d := dbtest.At(o.t, path)
	caps, err := ParseCaps(DefaultCaps)
	check(o.t, err)
	o.Money = &Money{DB: d, Stripe: stripe.NewActions(actionsKey, o.url), Caps: caps}
	o.billing = &billing.Billing{DB: d, Stripe: stripe.New(readKey, o.url)}
	o.worker = queue.NewWorker(d, slog.New(slog.NewTextHandler(io.Discard, nil)))
	o.Handle(o.worker)
	o.billing.Handle(o.worker)
	crm.Handle(o.worker, d, crm.Builtin{DB: d})
	support.Handle(o.worker, support.Builtin{DB: d})
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// hire adds somebody who can sign in.
func (o *office) hire(name string, role auth.Role) (user auth.User) {
	o.t.Helper()
	ctx := o.t.Context()
	check(o.t, o.DB.Tx(ctx, func(q *db.Queries) error {
		id, err := q.InsertUser(ctx, name+"@example.com", string(role), db.Now())
		if err != nil {
			return err
		}
		user = auth.User{ID: id, Email: name + "@example.com", Role: role}
		return q.SetUserPassword(ctx, "not a hash", id)
	}))
	return user
}

func (o *office) exec(text string, args ...any) {
	o.t.Helper()
	raw, err := sql.Open("sqlite", o.DB.Path())
	check(o.t, err)
	defer raw.Close()
	_, err = raw.ExecContext(o.t.Context(), text, args...)
	check(o.t, err)
}

// buy makes a customer who bought, and gives their number here.
func (o *office) buy(b demo.BuyOptions) (demo.Purchase, int64) {
	o.t.Helper()
	if b.Email == "" {
		b.Email = rand.Text()[:6] + "@example.com"
	}
	p, err := o.stripe.Buy(b)
	check(o.t, err)
	o.sync(p.Customer)
	known, err := o.DB.Read().StripeCustomer(o.t.Context(), p.Customer)
	check(o.t, err)
	return p, known.CustomerID
}

func (o *office) sync(stripeCustomer string) {
	o.t.Helper()
	check(o.t, o.billing.SyncCustomer(o.t.Context(), stripeCustomer))
	check(o.t, o.worker.WorkOff(o.t.Context()))
}

func (o *office) facts(id int64) customer.Facts {
	o.t.Helper()
	f, err := customer.Load(o.t.Context(), o.DB.Read(), id)
	check(o.t, err)
	return f
}

// request is a whole one, by the owner.
func (o *office) request(kind Kind, id int64, target string, amount int64) Request {
	return Request{Kind: kind, Customer: id, Target: target, Amount: amount, Reason: "they asked", Token: rand.Text(), User: o.people[auth.Owner],
		Seen: o.seen(target), Address: "192.0.2.1"}
}

func (o *office) seen(target string) int64 {
	n, err := o.DB.Read().LastActionOf(o.t.Context(), target)
	check(o.t, err)
	return n
}

func (o *office) asked(r Request) db.Action {
	o.t.Helper()
	a, isNew, err := o.Ask(o.t.Context(), r)
	if err != nil || !isNew {
		o.t.Fatalf("ask for %s: new %t, %v", r.Kind, isNew, err)
	}
	return a
}

// run does one step of an action, as its job would.
func (o *office) run(id int64) error { return o.Run(o.t.Context(), id) }

func (o *office) action(id int64) db.Action {
	o.t.Helper()
	a, err := o.DB.Read().ActionByID(o.t.Context(), id)
	check(o.t, err)
	return a
}

// is checks the state of an action and a part of its outcome.
func (o *office) is(id int64, state, outcome string) {
	o.t.Helper()
	if a := o.action(id); a.State != state || !strings.Contains(a.Outcome, outcome) {
		o.t.Errorf("action %d is %s: %q; want %s: %q", id, a.State, a.Outcome, state, outcome)
	}
}

// refunds are the amounts that Stripe gave back of a charge, read past every fault.
func (o *office) refunds(charge string) (amounts []int64) {
	o.t.Helper()
	o.stripe.Down(false)
	list, err := stripe.NewActions("rk_test_auditor", o.url).RefundsOf(context.Background(), charge)
	check(o.t, err)
	for _, r := range list {
		amounts = append(amounts, r.Amount)
	}
	return amounts
}

func (o *office) audits() (rows []string) {
	o.t.Helper()
	list, err := o.DB.Read().ListAudit(o.t.Context(), db.ListAuditParams{BeforeID: 1 << 62, Count: 100})
	check(o.t, err)
	for _, e := range slices.Backward(list) {
		rows = append(rows, strings.Join([]string{e.Actor, e.Action, e.Target, e.Outcome, e.Reason}, " "))
	}
	return rows
}

func (o *office) writesOf(path string) (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, w := range o.writes {
		if strings.Contains(w, path) {
			n++
		}
	}
	return n
}

func refusedFor(err error, text string) bool {
	var r Refusal
	return errors.As(err, &r) && strings.Contains(string(r), text)
}

// TestARefund is the whole way, in whole, in parts and in yen.
func TestARefund(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, price  string
		amount, left int64
		says         string
	}{
		{"all of it", "team", 4900, 0, "refund 49.00 USD of the payment of 49.00 USD, all of it"},
		{"a part", "team", 1000, 3900, "refund 10.00 USD of the payment of 49.00 USD"},
		{"yen have no cents", "starter_jpy", 800, 2000, "refund 800 JPY of the payment of 2,800 JPY"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			p, id := o.buy(demo.BuyOptions{Price: row.price})
			a := o.asked(o.request(Refund, id, p.Charge, row.amount))
			if a.State != Approved || a.Says != row.says || a.Key == "" {
				t.Errorf("the row is %+v", a)
			}
			check(t, o.worker.WorkOff(t.Context()))
			o.is(a.ID, Done, "the refund is made")
			if got := o.refunds(p.Charge); !slices.Equal(got, []int64{row.amount}) {
				t.Errorf("Stripe gave back %v", got)
			}
			f := o.facts(id)
			if n, err := Left(t.Context(), o.DB.Read(), f, f.Charges[0]); n != row.left || err != nil {
				t.Errorf("%d are left, %v", n, err)
			}
			if f.Record.RefundedAmount != row.amount || f.Record.Access != customer.Full {
				t.Errorf("the record says %d given back, access %s", f.Record.RefundedAmount, f.Record.Access)
			}
			if s, err := o.Stripe.Subscription(t.Context(), p.Subscription); err != nil || s.Status != "active" {
				t.Errorf("the subscription is %s, %v", s.Status, err)
			}
			want := []string{"owner@example.com money.refund " + p.Charge + " asked they asked", "owner@example.com money.refund " + p.Charge + " done they asked"}
			if got := o.audits(); !slices.Equal(got, want) {
				t.Errorf("the audit says %q", got)
			}
			if got := o.writes; !slices.Equal(got, []string{actionsKey + " POST /v1/refunds"}) {
				t.Errorf("written to Stripe: %q", got)
			}
		})
	}
}

// TestWhatCannotBeRefunded is refused before Stripe is asked.
func TestWhatCannotBeRefunded(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	fine, id := o.buy(demo.BuyOptions{Price: "team"})
	other, _ := o.buy(demo.BuyOptions{Price: "team"})
	disputed, disputedID := o.buy(demo.BuyOptions{Price: "team"})
	won, wonID := o.buy(demo.BuyOptions{Price: "team"})
	whole, wholeID := o.buy(demo.BuyOptions{Price: "team"})
	failed, failedID := o.buy(demo.BuyOptions{Price: "team"})
	_, err := o.stripe.Dispute(disputed.Charge)
	check(t, err)
	dispute, err := o.stripe.Dispute(won.Charge)
	check(t, err)
	check(t, o.stripe.CloseDispute(dispute, true))
	_, err = o.stripe.Refund(whole.Charge, 0)
	check(t, err)
	_, err = o.stripe.FailPayment(failed.Subscription)
	check(t, err)
	for _, p := range []demo.Purchase{disputed, won, whole, failed} {
		o.sync(p.Customer)
	}
	declined := ""
	for _, c := range o.facts(failedID).Charges {
		if c.Status == "failed" {
			declined = c.ID
		}
	}
	o.writes = nil
	for _, row := range []struct {
		name    string
		request Request
		want    string // "" if it is taken
	}{
		{"more than was paid", o.request(Refund, id, fine.Charge, 4901), "is more than the 49.00 USD"},
		{"nothing", o.request(Refund, id, fine.Charge, 0), "more than nothing"},
		{"less than nothing", o.request(Refund, id, fine.Charge, -100), "more than nothing"},
		{"somebody else's payment", o.request(Refund, id, other.Charge, 100), "not one of this customer"},
		{"a subscription", o.request(Refund, id, fine.Subscription, 100), "not one of this customer"},
		{"disputed", o.request(Refund, disputedID, disputed.Charge, 100), "is disputed"},
		{"given back already", o.request(Refund, wholeID, whole.Charge, 100), "given back already"},
		{"declined", o.request(Refund, failedID, declined, 100), "did not succeed"},
		{"a kind that is none", o.request("charge", id, fine.Charge, 100), "no such action"},
		{"a dispute that was won", o.request(Refund, wonID, won.Charge, 100), ""},
	} {
		_, _, err := o.Ask(t.Context(), row.request)
		if row.want == "" && err != nil || row.want != "" && !refusedFor(err, row.want) {
			t.Errorf("%s: %v", row.name, err)
		}
	}
	for name, change := range map[string]func(*Request){
		"no reason":    func(r *Request) { r.Reason = "  " },
		"a long one":   func(r *Request) { r.Reason = strings.Repeat("x", 501) },
		"control":      func(r *Request) { r.Reason = "x\x00" },
		"no token":     func(r *Request) { r.Token = "" },
		"a long token": func(r *Request) { r.Token = strings.Repeat("x", 101) },
	} {
		r := o.request(Refund, id, fine.Charge, 100)
		change(&r)
		if _, _, err := o.Ask(t.Context(), r); !refusedFor(err, "") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(o.writes) > 0 {
		t.Errorf("written to Stripe: %q", o.writes)
	}
	check(t, o.worker.WorkOff(t.Context()))
	if got := o.refunds(won.Charge); !slices.Equal(got, []int64{100}) {
		t.Errorf("after a dispute that was won, Stripe gave back %v", got)
	}
}

// TestWhatHappenedSinceTheMirrorWasRead is found by the job, before Stripe is asked.
func TestWhatHappenedSinceTheMirrorWasRead(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		happens func(o *office, p demo.Purchase) error
		want    string
	}{
		{"a refund in Stripe", func(o *office, p demo.Purchase) error { _, err := o.stripe.Refund(p.Charge, 4000); return err }, "only 9.00 USD of the payment are left"},
		{"a dispute", func(o *office, p demo.Purchase) error { _, err := o.stripe.Dispute(p.Charge); return err }, "the payment is disputed"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			p, id := o.buy(demo.BuyOptions{Price: "team"})
			a := o.asked(o.request(Refund, id, p.Charge, 2000))
			check(t, row.happens(o, p))
			check(t, o.run(a.ID))
			o.is(a.ID, Failed, row.want)
			if n := o.writesOf("/v1/refunds"); n > 0 {
				t.Errorf("Stripe was asked %d times", n)
			}
		})
	}
}

// TestTwentyAtOnce: one form sent twenty times, and twenty forms by two people.
func TestTwentyAtOnce(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		amount int64
		token  func(i int) string
	}{
		{"one form", 1000, func(int) string { return "the token" }},
		{"forms of their own, in parts", 1000, func(i int) string { return fmt.Sprint("token ", i) }},
		{"forms of their own, in whole", 4900, func(i int) string { return fmt.Sprint("token ", i) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			p, id := o.buy(demo.BuyOptions{Price: "team"})
			form := o.request(Refund, id, p.Charge, row.amount)
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- o.worker.Run(ctx) }()
			var all sync.WaitGroup
			for i := range 20 {
				all.Go(func() {
					r := form
					r.Token = row.token(i)
					if row.name != "one form" && i%2 == 1 {
						r.User = o.people[auth.Finance]
					}
					if _, _, err := o.Ask(context.Background(), r); err != nil && !refusedFor(err, "") {
						t.Error(err)
					}
				})
			}
			all.Wait()
			stop()
			if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			check(t, o.worker.WorkOff(t.Context()))
			if got := o.refunds(p.Charge); !slices.Equal(got, []int64{row.amount}) {
				t.Errorf("Stripe gave back %v", got)
			}
		})
	}
}

// TestASecondRefund is fine for who saw the first, and only then.
func TestASecondRefund(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p, id := o.buy(demo.BuyOptions{Price: "team"})
	first, before := o.request(Refund, id, p.Charge, 3000), o.request(Refund, id, p.Charge, 1000)
	a := o.asked(first)
	if _, _, err := o.Ask(t.Context(), before); !refusedFor(err, "not settled yet") {
		t.Errorf("while the first is under way: %v", err)
	}
	check(t, o.run(a.ID))
	if _, _, err := o.Ask(t.Context(), before); !refusedFor(err, "since the page was shown") {
		t.Errorf("from a page that did not show the first: %v", err)
	}
	// The mirror does not know of the first refund yet.
	if _, _, err := o.Ask(t.Context(), o.request(Refund, id, p.Charge, 2000)); !refusedFor(err, "more than the 19.00 USD") {
		t.Errorf("more than is left: %v", err)
	}
	check(t, o.run(o.asked(o.request(Refund, id, p.Charge, 1900)).ID))
	if got := o.refunds(p.Charge); !slices.Equal(got, []int64{1900, 3000}) {
		t.Errorf("Stripe gave back %v", got)
	}
	if _, isNew, err := o.Ask(t.Context(), first); isNew || err != nil {
		t.Errorf("the first form again: new %t, %v", isNew, err)
	}
	stolen := first
	stolen.User = o.people[auth.Finance]
	if _, _, err := o.Ask(t.Context(), stolen); !refusedFor(err, "used for something else") {
		t.Errorf("the first form by somebody else: %v", err)
	}
}
