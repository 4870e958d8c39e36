package reconcile_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"bursar/app/demo"
	"bursar/app/reconcile"
	"bursar/app/stripe"
)

// BenchmarkReconcile is a whole four-way run over many customers who agree. Stripe is a process of its own that
// makes up its lists, so that the processor time and the memory are Bursar's alone.
func BenchmarkReconcile(b *testing.B) {
	for _, n := range []int{1000, 10_000, 100_000, 1_000_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			if n > 100_000 && os.Getenv("BURSAR_BENCH_LONG") == "" {
				b.Skip("BURSAR_BENCH_LONG is not set")
			}
			began := time.Now().Add(-20 * 24 * time.Hour).Truncate(time.Second)
			c := newCompany(b, began)
			c.fill(n, began)
			base, stop := standIn(b, n, began)
			defer stop()
			client := stripe.New("sk_test_1", base)
			client.Pace(1000) // Stripe allows 25; the calls are counted
			c.Reconciler.Stripe = client
			debug.FreeOSMemory()
			check(b, os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)) // the peak counts from here
			run := func() {
				c.insert(reconcile.Reconcile{})
				check(b, c.Worker.WorkOff(b.Context()))
				run, err := c.DB.Read().LastRun(b.Context())
				check(b, err)
				if run.State != "complete" || run.Customers != int64(n) || run.Contacts != int64(n) || len(c.open()) != 0 {
					b.Fatalf("a %s run over %d customers and %d contacts: %s %.300s", run.State, run.Customers, run.Contacts, run.Error, c.firstFinding())
				}
			}
			cpu := ownCPU()
			run() // the first looks back five weeks at all payments; with many customers the nights after look at the new ones
			first, calls := ownCPU()-cpu, callsOf(b, base)
			cpu = ownCPU()
			for b.Loop() {
				run()
			}
			b.ReportMetric((ownCPU()-cpu)/float64(b.N), "cpu-s/op")
			b.ReportMetric(first, "first-cpu-s")
			b.ReportMetric(float64(calls), "first-calls")
			b.ReportMetric(peakRSS(b), "MB-peak")
			b.ReportMetric(float64(callsOf(b, base)-calls)/float64(b.N), "stripe-calls/op")
		})
	}
}

// fill writes customers who agree with standIn everywhere.
func (c *company) fill(n int, began time.Time) {
	at := began.UnixMilli()
	end := began.AddDate(0, 1, 0).UnixMilli()
	numbers := fmt.Sprintf("WITH RECURSIVE k (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < %d) ", n)
	for _, s := range []string{
		`INSERT INTO customers (id, name, email, plan, status, access, access_reason, last_paid_at, last_payment_status, last_payment_amount, last_payment_currency, source, as_of_at, created_at, updated_at, synced_at)
			%sSELECT i, 'User ' || i, 'user' || i || '@example.com', 'Team', 'active', 'full', 'the subscription is active', AT, 'paid', 4900, 'usd', 'api', AT, AT, AT, AT FROM k`,
		`INSERT INTO stripe_customers (id, customer_id, name, email, deleted, source, as_of_at, confirmed_at, created_at)
			%sSELECT printf('cus_%%08d', i), i, 'User ' || i, 'user' || i || '@example.com', 0, 'api', AT, AT, AT FROM k`,
		`INSERT INTO links (system, remote_id, customer_id, created_at) %sSELECT 'stripe', printf('cus_%%08d', i), i, AT FROM k`,
		`INSERT INTO subscriptions (id, stripe_customer, customer_id, status, price, product, plan, quantity, amount, currency, interval, interval_count, cancel_at_period_end,
			current_period_end_at, cancel_at, canceled_at, ended_at, trial_end_at, pause_behavior, pause_resumes_at, created_at)
			%sSELECT printf('sub_%%08d', i), printf('cus_%%08d', i), i, 'active', 'price_00000001', 'prod_1', 'Team', 1, 4900, 'usd', 'month', 1, 0, END, 0, 0, 0, 0, '', 0, AT FROM k`,
		`INSERT INTO invoices (id, stripe_customer, customer_id, subscription, charge, payment_intent, number, status, billing_reason, amount_due, amount_paid, currency, attempts, failed, error,
			hosted_url, next_attempt_at, paid_at, created_at)
			%sSELECT printf('in_%%08d', i), printf('cus_%%08d', i), i, printf('sub_%%08d', i), '', '', '', 'paid', '', 4900, 4900, 'usd', 1, 0, '', '', 0, AT, AT FROM k`,
		`INSERT INTO checkouts (id, stripe_customer, customer_id, user_id, mode, status, payment_status, payment_failed, subscription, amount, currency, completed_at, activated_at, created_at)
			%sSELECT printf('cs_test_%%08d', i), printf('cus_%%08d', i), i, '', 'subscription', 'complete', 'paid', 0, printf('sub_%%08d', i), 4900, 'usd', AT, AT, AT FROM k`,
		`INSERT INTO contacts (customer_id, name, email, stripe_ids, access, mrr, currency, next_invoice_at, lifecycle, plan, status, last_paid_at, created_at, updated_at)
			%sSELECT i, 'User ' || i, 'user' || i || '@example.com', printf('cus_%%08d', i), 'full', '49', 'USD', END, 'customer', 'Team', 'active', AT, AT, AT FROM k`,
	} {
		s = strings.NewReplacer("%%", "%", "%s", numbers, " AT", " "+strconv.FormatInt(at, 10), " END", " "+strconv.FormatInt(end, 10)).Replace(s)
		c.edit(s)
	}
}

// standIn starts a process that answers Stripe's lists with so many customers.
func standIn(b *testing.B, n int, began time.Time) (base string, stop func()) {
	b.Helper()
	self, err := os.Executable()
	check(b, err)
	cmd := exec.CommandContext(b.Context(), self, "-test.run=^TestStandIn$", "-test.v")
	cmd.Env = append(os.Environ(), fmt.Sprintf("BURSAR_STAND_IN=%d %d", n, began.Unix()))
	out, err := cmd.StdoutPipe()
	check(b, err)
	check(b, cmd.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if address, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
			return address, func() { cmd.Process.Kill(); cmd.Wait() }
		}
	}
	b.Fatal("the stand-in for Stripe did not start")
	return "", nil
}

// TestStandIn is the process of standIn; as a test it does nothing.
func TestStandIn(t *testing.T) {
	var n int
	var began int64
	if _, err := fmt.Sscan(os.Getenv("BURSAR_STAND_IN"), &n, &began); err != nil {
		t.Skip("not a stand-in")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	fmt.Printf("listening on http://%s\n", listener.Addr())
	calls := 0
	lists := patterns(t, began)
	check(t, http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/calls" {
			fmt.Fprint(w, calls)
			return
		}
		calls++
		from := n
		if after := r.URL.Query().Get("starting_after"); after != "" {
			from, _ = strconv.Atoi(after[strings.LastIndex(after, "_")+1:])
			from--
		}
		pattern := lists[r.URL.Path]
		since, _ := strconv.ParseInt(r.URL.Query().Get("created[gte]"), 10, 64)
		if pattern == "" || since > began {
			from = 0
		}
		var page bytes.Buffer
		to := max(from-100, 0)
		fmt.Fprintf(&page, `{"object":"list","url":%q,"has_more":%t,"data":[`, r.URL.Path, to > 0)
		for i := from; i > to; i-- {
			if i < from {
				page.WriteByte(',')
			}
			page.WriteString(strings.NewReplacer("00000000", fmt.Sprintf("%08d", i), "user0@", fmt.Sprintf("user%d@", i), "User 0", fmt.Sprint("User ", i)).Replace(pattern))
		}
		page.WriteString("]}")
		w.Write(page.Bytes())
	})))
}

// patterns are objects as the simulated Stripe shows them, with numbers to fill in.
func patterns(t *testing.T, began int64) map[string]string {
	s := demo.NewStripe(1, time.Unix(began, 0))
	p, err := s.Buy(demo.BuyOptions{Name: "User 0", Email: "user0@example.com", Price: "team"})
	check(t, err)
	api := httptest.NewServer(s)
	defer api.Close()
	lists := map[string]string{}
	for path, prefix := range map[string]string{"/v1/customers": "cus_", "/v1/subscriptions": "sub_", "/v1/invoices": "in_", "/v1/charges": "ch_", "/v1/checkout/sessions": "cs_test_"} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", api.URL+path, nil)
		check(t, err)
		r.SetBasicAuth("sk_test_1", "")
		answer, err := http.DefaultClient.Do(r)
		check(t, err)
		var list struct{ Data []json.RawMessage }
		check(t, json.NewDecoder(answer.Body).Decode(&list))
		check(t, answer.Body.Close())
		var head struct{ ID string }
		check(t, json.Unmarshal(list.Data[0], &head))
		var compact bytes.Buffer
		check(t, json.Compact(&compact, list.Data[0]))
		lists[path] = strings.NewReplacer(p.Customer, "cus_00000000", p.Subscription, "sub_00000000", p.Invoice, "in_00000000", head.ID, prefix+"00000000",
			s.Price("team"), "price_00000001").Replace(compact.String())
	}
	return lists
}

// ownCPU is the processor time of this process in seconds.
func ownCPU() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// peakRSS is the most memory this process had since its peak was reset, in MB.
func peakRSS(b *testing.B) float64 {
	status, err := os.ReadFile("/proc/self/status")
	check(b, err)
	for line := range strings.SplitSeq(string(status), "\n") {
		if kb, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.ParseFloat(strings.Fields(kb)[0], 64)
			check(b, err)
			return n / 1024
		}
	}
	return 0
}

func callsOf(b *testing.B, base string) (n int) {
	answer, err := http.Get(base + "/calls")
	check(b, err)
	defer answer.Body.Close()
	_, err = fmt.Fscan(answer.Body, &n)
	check(b, err)
	return n
}

// firstFinding is one of those that are open, in words.
func (c *company) firstFinding() string {
	rows, err := c.DB.Read().OpenFindings(c.t.Context())
	check(c.t, err)
	for _, f := range rows {
		return fmt.Sprintf("%d open; %s %s: expected %s, found %s", len(rows), f.Kind, f.Subject, f.Expected, f.Actual)
	}
	return ""
}
