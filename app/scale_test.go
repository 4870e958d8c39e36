package app

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v76/webhook"

	"bursar/app/auth"
	"bursar/app/db"
	"bursar/app/demo/crowd"
	"bursar/app/queue"
	"bursar/app/reconcile"
)

// BenchmarkBesideARun is a whole serve, in a process of its own, that compares many customers at the 100 requests
// a second that Stripe allows, while somebody looks at pages and Stripe sends webhooks. It reports how long
// those took, before the run and beside it, and the processor time and memory of serve.
//
//	go test -run='^$' -bench=BesideARun/100000 -benchtime=1x ./app
func BenchmarkBesideARun(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			p := newServing(b, n)
			before := p.meet(b.Context(), func() { time.Sleep(20 * time.Second) })
			beside := p.meet(b.Context(), func() {
				for b.Loop() { // forgets what was reported before it
					p.reconcile(b, n)
				}
			})
			for _, v := range before {
				v.what = "before-" + v.what
			}
			for _, v := range slices.Concat(before, beside) {
				v.report(b)
			}
			cpu, peak := p.used(b)
			calls, err := p.stripe.Calls()
			ok(b, err)
			b.ReportMetric(cpu, "serve-cpu-s")
			b.ReportMetric(peak, "serve-MB-peak")
			b.ReportMetric(float64(calls), "stripe-calls")
		})
	}
}

// meet looks at four pages and sends five webhooks a second while something happens.
func (p *serving) meet(ctx context.Context, happens func()) []*visits {
	both := []*visits{{what: "pages", ask: p.page}, {what: "webhooks", ask: p.webhook}}
	load, stop := context.WithCancel(ctx)
	var going sync.WaitGroup
	going.Go(func() { both[0].keep(load, 4) })
	going.Go(func() { both[1].keep(load, 5) })
	happens()
	stop()
	going.Wait()
	return both
}

const servingSecret = "whsec_serving_0123456789abcdef"

// serving is a serve over a crowd of customers, in a process of its own.
type serving struct {
	db      *db.DB // beside it
	stripe  *crowd.StandIn
	process *exec.Cmd
	home    string
	session string
	n, met  int
}

func newServing(b *testing.B, n int) *serving {
	b.Helper()
	ctx, path, began := b.Context(), filepath.Join(b.TempDir(), "bursar.db"), time.Now().Add(-20*24*time.Hour).Truncate(time.Second)
	a, err := open(ctx, Config{DB: path}, os.DirFS(".."), slog.New(slog.DiscardHandler))
	ok(b, err)
	p := &serving{db: a.DB, n: n}
	file, err := sql.Open("sqlite", "file:"+path)
	ok(b, err)
	ok(b, crowd.Fill(ctx, file, n, began))
	_, err = file.ExecContext(ctx, "INSERT INTO users (email, role, password_hash, created_at) VALUES ('owner@example.com', 'owner', 'none', 1)")
	ok(b, err)
	ok(b, file.Close())
	ok(b, a.DB.Tx(ctx, func(q *db.Queries) error {
		user, err := q.UserByEmail(ctx, "owner@example.com")
		if err == nil {
			p.session, err = auth.StartSession(ctx, q, user, auth.Origin{})
		}
		return err
	}))
	p.stripe, err = crowd.Start(ctx, n, began)
	ok(b, err)
	b.Cleanup(p.stripe.Stop)
	p.start(b, path)
	return p
}

// start starts the process and waits until it answers.
func (p *serving) start(b *testing.B, path string) {
	b.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	ok(b, err)
	p.home = "http://" + free.Addr().String()
	ok(b, free.Close())
	self, err := os.Executable()
	ok(b, err)
	p.process = exec.CommandContext(b.Context(), self, "-test.run=^TestServing$", "-test.timeout=0")
	p.process.Env = []string{"BURSAR_DB=" + path, "BURSAR_ADDR=" + strings.TrimPrefix(p.home, "http://"), "BURSAR_SERVING=1",
		"STRIPE_WEBHOOK_SECRET=" + servingSecret, "STRIPE_API_KEY=sk_test_1", "STRIPE_API_BASE=" + p.stripe.URL}
	p.process.Stderr = os.Stderr
	ok(b, p.process.Start())
	b.Cleanup(func() { _ = p.process.Process.Kill(); _ = p.process.Wait() })
	for range 300 {
		if answer, err := http.Get(p.home + "/api/health"); err == nil {
			answer.Body.Close()
			ok(b, os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.process.Process.Pid), []byte("5"), 0)) // the peak counts from here
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	b.Fatal("serve does not answer")
}

// TestServing is the process of BenchmarkBesideARun; as a test it does nothing.
func TestServing(t *testing.T) {
	if os.Getenv("BURSAR_SERVING") == "" {
		t.Skip("not a serve")
	}
	c, err := LoadConfig(os.Getenv)
	ok(t, err)
	unlock, err := db.Lock(c.DB)
	ok(t, err)
	defer unlock()
	a, err := New(t.Context(), c, os.DirFS(".."), slog.New(slog.DiscardHandler))
	ok(t, err)
	a.Billing.Stripe.Pace(100)
	listener, err := net.Listen("tcp", c.Addr)
	ok(t, err)
	ok(t, a.Serve(t.Context(), listener))
}

// TestStandIn is the process of crowd.Start; as a test it does nothing.
func TestStandIn(t *testing.T) {
	if is, err := crowd.Serve(); is {
		t.Fatal(err)
	}
	t.Skip("not a stand-in")
}

// reconcile asks for a run and waits for its end.
func (p *serving) reconcile(b *testing.B, n int) {
	b.Helper()
	before, err := p.db.Read().LastRun(b.Context())
	if err != nil && before.ID != 0 {
		b.Fatal(err)
	}
	ok(b, p.db.Tx(b.Context(), func(q *db.Queries) error { return queue.Insert(b.Context(), q, reconcile.Reconcile{}) }))
	for {
		time.Sleep(200 * time.Millisecond)
		run, err := p.db.Read().LastRun(b.Context())
		if err != nil || run.ID == before.ID || run.State == "running" {
			continue
		}
		open, err := p.db.Read().OpenFindings(b.Context())
		ok(b, err)
		if run.State != "complete" || run.Customers != int64(n) || len(open) > 0 {
			b.Fatalf("a %s run over %d customers with %d findings: %s", run.State, run.Customers, len(open), run.Error)
		}
		return
	}
}

// page asks for the next page that somebody would look at.
func (p *serving) page() (*http.Request, error) {
	p.met++
	path := [...]string{"/admin", "/admin/customers", fmt.Sprintf("/admin/customers/%d", p.met*7919%p.n+1),
		fmt.Sprintf("/admin/customers?q=user%d", p.met*7919%p.n), "/admin/tickets", "/admin/reports", "/admin/stripe"}[p.met%7]
	r, err := http.NewRequest("GET", p.home+path, nil)
	if err == nil {
		r.AddCookie(&http.Cookie{Name: "bursar", Value: p.session})
	}
	return r, err
}

// webhook is the next webhook, of any customer.
func (p *serving) webhook() (*http.Request, error) {
	i := int(time.Now().UnixNano())
	body := fmt.Appendf(nil, `{"id":"evt_%d","object":"event","api_version":"2023-10-16","created":%d,"livemode":false,"type":"customer.subscription.updated","data":{"object":{"id":"sub_%08d","object":"subscription","customer":"cus_%08d","description":%q}}}`,
		i, time.Now().Unix(), i%p.n+1, i%p.n+1, strings.Repeat("a line of a subscription ", 115))
	signed := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: body, Secret: servingSecret, Timestamp: time.Now()})
	r, err := http.NewRequest("POST", p.home+"/api/webhooks/stripe", strings.NewReader(string(body)))
	if err == nil {
		r.Header.Set("Stripe-Signature", signed.Header)
	}
	return r, err
}

// used are the seconds of processor time and the most memory in MB of the process.
func (p *serving) used(b *testing.B) (cpu, peak float64) {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.process.Process.Pid))
	ok(b, err)
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+2:]))
	for _, ticks := range fields[11:13] { // utime and stime, of a hundredth of a second
		n, err := strconv.ParseFloat(ticks, 64)
		ok(b, err)
		cpu += n / 100
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.process.Process.Pid))
	ok(b, err)
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	kb, err := strconv.ParseFloat(strings.Fields(after)[0], 64)
	ok(b, err)
	return cpu, kb / 1024
}

// visits are requests at a steady rate, and how long each took.
type visits struct {
	what   string
	ask    func() (*http.Request, error)
	took   []time.Duration
	wrong  int
	answer string // of the last that went wrong
}

func (v *visits) keep(ctx context.Context, perSecond int) {
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		began := time.Now()
		if text := v.one(); text != "" {
			v.wrong, v.answer = v.wrong+1, text
			continue
		}
		v.took = append(v.took, time.Since(began))
	}
}

// one makes a request and says what was wrong with its answer.
func (v *visits) one() string {
	r, err := v.ask()
	if err != nil {
		return err.Error()
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || strings.Contains(answer.Request.URL.Path, "sign-in") {
		return fmt.Sprintf("%s %s: %d %v %.200s", r.Method, r.URL, answer.StatusCode, err, body)
	}
	return ""
}

func (v *visits) report(b *testing.B) {
	b.Helper()
	if v.wrong > 0 || len(v.took) == 0 {
		b.Fatalf("%d of %s went wrong and %d well: %s", v.wrong, v.what, len(v.took), v.answer)
	}
	slices.Sort(v.took)
	at := func(percent int) float64 {
		return float64(v.took[(len(v.took)*percent+99)/100-1].Microseconds()) / 1000
	}
	b.ReportMetric(float64(len(v.took)), v.what)
	b.ReportMetric(at(50), v.what+"-p50-ms")
	b.ReportMetric(at(95), v.what+"-p95-ms")
	b.ReportMetric(at(100), v.what+"-max-ms")
}

func ok(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
