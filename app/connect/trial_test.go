package connect

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"bursar/app/crm"
	"bursar/app/db"
	"bursar/app/db/dbtest"
	"bursar/app/demo"
	"bursar/app/support"
)

// simulated is a double whose faults a trial turns on.
type simulated interface {
	http.Handler
	Lose(share float64)
	Records(kind string) []map[string]string
}

// doubles make the double of each vendor with an index that lags, and say what its contacts and tickets are called.
// A new vendor is one row.
var doubles = map[string]struct {
	open                     func(lag time.Duration) simulated
	contacts, tickets, tasks string // what Records takes
	contact, ticket, task    string // the field with the key of ours
	messages, message        string
}{
	"hubspot": {func(lag time.Duration) simulated { h := demo.NewHubSpot(); h.Lag = lag; return h },
		"contacts", "tickets", "tasks", "bursar_customer_id", "bursar_cause", "hs_task_body", "notes", "hs_note_body"},
	"zendesk": {func(lag time.Duration) simulated { z := demo.NewZendesk(); z.Lag = lag; return z },
		"", "tickets", "", "", "external_id", "", "comments", "body"},
	"intercom": {func(lag time.Duration) simulated { i := demo.NewIntercom(); i.Lag = lag; return i },
		"contacts", "tickets", "notes", "bursar_customer_id", "bursar_cause", "body", "parts", "body"},
}

// The trial is 20 times as fast as life: an index that lags for 3 seconds, and a wait of 6.
const (
	trialLag  = 150 * time.Millisecond
	trialWait = 300 * time.Millisecond
	customers = 200
	kills     = 25
)

// TestExactlyOnce lets every vendor lose a tenth of its answers, with an index that lags, while the process is killed
// again and again: at the end everything stands there once.
func TestExactlyOnce(t *testing.T) {
	t.Parallel()
	for _, v := range Vendors() {
		double, known := doubles[v.Name]
		if !known {
			t.Errorf("%s has no double", v.Name)
			continue
		}
		if v.CRM {
			t.Run(v.Name+" contacts and tasks", func(t *testing.T) {
				t.Parallel()
				there := double.open(trialLag)
				tr := newTrial(t, v, AreaCRM, there)
				tr.run(func(ctx context.Context, k *Keeper, n int) error {
					c, err := NewCRM(ctx, k, "https://bursar.example.com")
					if err != nil {
						return err
					}
					id := int64(n + 1)
					_, err = c.SaveContact(ctx, crm.Contact{CustomerID: id, Name: "Ada", Email: fmt.Sprintf("ada%d@example.com", n), Lifecycle: crm.Customer})
					if err != nil {
						return err
					}
					return c.AddTask(ctx, crm.Task{CustomerID: id, Cause: fmt.Sprintf("payment_failed:in_%d", n), Title: "Call"})
				})
				once(t, there.Records(double.contacts), double.contact)
				once(t, there.Records(double.tasks), double.task)
			})
		}
		if v.Desk {
			t.Run(v.Name+" tickets", func(t *testing.T) {
				t.Parallel()
				there := double.open(trialLag)
				tr := newTrial(t, v, AreaDesk, there)
				tr.run(func(ctx context.Context, k *Keeper, n int) error {
					d, err := NewDesk(ctx, k, "")
					if err != nil {
						return err
					}
					cause := fmt.Sprintf("payment_failed:in_%d", n)
					if _, err := d.Open(ctx, support.Ticket{CustomerID: int64(n + 1), Cause: cause, Queue: support.Billing, Priority: support.Urgent,
						Subject: "Payment failed", Author: "bursar", Body: "A payment failed."}); err != nil {
						return err
					}
					return d.Push(ctx, cause)
				})
				once(t, there.Records(double.tickets), double.ticket)
			})
			t.Run(v.Name+" messages", func(t *testing.T) {
				t.Parallel()
				there := double.open(trialLag)
				tr := newTrial(t, v, AreaDesk, there)
				tr.run(func(ctx context.Context, k *Keeper, n int) error {
					d, err := NewDesk(ctx, k, "")
					if err != nil {
						return err
					}
					cause := fmt.Sprintf("payment_failed:in_%d", n)
					_, err = d.Open(ctx, support.Ticket{CustomerID: int64(n + 1), Cause: cause, Queue: support.Billing, Priority: support.Urgent,
						Subject: "Payment failed", Author: "bursar", Body: "A payment failed."})
					if err == nil {
						err = d.Close(ctx, cause, "It was paid.")
					}
					if err != nil {
						return err
					}
					return d.Push(ctx, cause)
				})
				once(t, there.Records(double.tickets), double.ticket)
				once(t, slices.DeleteFunc(there.Records(double.messages), func(r map[string]string) bool {
					return !strings.Contains(r[double.message], "[bursar:") // the ticket's own text
				}), double.message)
			})
		}
	}
}

// once wants every key in exactly one record.
func once(t *testing.T, records []map[string]string, key string) {
	t.Helper()
	seen := map[string]int{}
	for _, r := range records {
		seen[r[key]]++
	}
	for key, n := range seen {
		if n != 1 || key == "" {
			t.Errorf("%q is there %d times", key, n)
		}
	}
	if len(seen) != customers {
		t.Errorf("%d stand there, want %d", len(seen), customers)
	}
}

// trial is a file, and a vendor that behaves badly.
type trial struct {
	t      *testing.T
	v      Vendor
	area   string
	d      *db.DB
	web    *httptest.Server
	system string
}

func newTrial(t *testing.T, v Vendor, area string, there simulated) *trial {
	t.Helper()
	d := dbtest.New(t)
	web := httptest.NewServer(there)
	t.Cleanup(web.Close)
	v.Rate, v.Lag = rate.Inf, trialWait
	tr := &trial{t: t, v: v, area: area, d: d, web: web, system: area + ":" + v.Name}
	if err := tr.keeper().Remote.Check(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	err := d.Tx(t.Context(), func(q *db.Queries) error {
		for n := range customers {
			if _, err := q.InsertCustomer(context.Background(), "Ada", fmt.Sprintf("ada%d@example.com", n), db.Now()); err != nil {
				return err
			}
		}
		_, err := q.SetConnectorMode(t.Context(), Live, db.Now(), tr.system)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	there.Lose(0.1)
	return tr
}

// keeper is that of a process that has just started. It does not hold when a tenth fails: that is the trial.
func (tr *trial) keeper() *Keeper {
	s := Settings{Vendor: tr.v, Token: "token", Base: tr.web.URL, Options: map[string]string{}}
	for _, o := range tr.v.Options {
		s.Options[o.Suffix] = o.Otherwise
	}
	k, err := s.Connect(context.Background(), tr.d, tr.area, tr.web.Client(), nil)
	if err != nil {
		tr.t.Fatal(err)
	}
	k.watch = nil
	return k
}

// run saves all customers' things until none fails. The first rounds are killed at some moment: every call ends where
// it is, nothing more is stored, and a new process goes on.
func (tr *trial) run(save func(ctx context.Context, k *Keeper, n int) error) {
	tr.t.Helper()
	rng := rand.New(rand.NewPCG(7, 7))
	left := make([]int, customers)
	for n := range left {
		left[n] = n
	}
	for round := 0; len(left) > 0; round++ {
		if round > 200 {
			tr.t.Fatalf("%d are still not written", len(left))
		}
		ctx, kill := context.WithCancel(tr.t.Context())
		if round < kills {
			timer := time.AfterFunc(time.Duration(rng.IntN(60))*time.Millisecond, kill)
			defer timer.Stop()
		}
		k := tr.keeper()
		left = tr.round(ctx, k, left, save)
		kill()
		if round < kills { // and all of it once more: what is done must stay as it is
			left = slices.Compact(slices.Sorted(slices.Values(append(left, rng.Perm(customers)[:20]...))))
			continue
		}
		select { // what is not known is looked for after the wait
		case <-time.After(trialWait / 3):
		case <-tr.t.Context().Done():
		}
	}
}

// round tries what is left, eight at a time, and returns what failed.
func (tr *trial) round(ctx context.Context, k *Keeper, left []int, save func(ctx context.Context, k *Keeper, n int) error) (failed []int) {
	var mu sync.Mutex
	var together sync.WaitGroup
	slots := make(chan struct{}, 8)
	for _, n := range left {
		slots <- struct{}{}
		together.Go(func() {
			defer func() { <-slots }()
			if err := save(ctx, k, n); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = append(failed, n)
			}
		})
	}
	together.Wait()
	return failed
}
