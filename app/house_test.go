package app_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"bursar/app"
	"bursar/app/connect"
	"bursar/app/demo"
)

// house is a file with what is around it: a Stripe with customers, each of whom did something, and a HubSpot.
type house struct {
	*bursar
	stripe    *demo.Stripe
	hubspot   *demo.HubSpot
	home      string
	customers int
	unpaid    int // invoices, each the cause of a ticket and a task
	slowest   time.Duration
}

func newHouse(t *testing.T, customers int) *house {
	h := &house{stripe: demo.NewStripe(4, time.Now().Add(-time.Hour)), hubspot: demo.NewHubSpot(), customers: customers}
	api, there := httptest.NewServer(h.stripe), httptest.NewServer(h.hubspot)
	t.Cleanup(api.Close)
	t.Cleanup(there.Close)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	addr := free.Addr().String()
	check(t, free.Close())
	h.home = "http://" + addr
	h.bursar = newBursar(t, "BURSAR_ADDR", addr, "STRIPE_WEBHOOK_SECRET", secret, "STRIPE_API_KEY", "rk_test_1", "STRIPE_API_BASE", api.URL,
		"BURSAR_CRM", "hubspot", "BURSAR_DESK", "hubspot", "HUBSPOT_TOKEN", "token", "HUBSPOT_API_BASE", there.URL,
		"BURSAR_ALLOW_INTERNAL", strings.TrimPrefix(there.URL, "http://"))
	for n := range customers {
		p, err := h.stripe.Buy(demo.BuyOptions{Email: fmt.Sprintf("p%d@example.com", n), Name: fmt.Sprint("P", n), UserID: fmt.Sprint("user_", n)})
		check(t, err)
		switch n % 3 {
		case 0:
			_, err = h.stripe.FailPayment(p.Subscription)
			h.unpaid++
		case 1:
			err = h.stripe.Cancel(p.Subscription, false)
		}
		check(t, err)
	}
	h.must("jobs") // makes the file
	h.exec("UPDATE connectors SET mode = ?", connect.Live)
	return h
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wait lets time pass, which is what is tested with.
func wait(t *testing.T, d time.Duration) {
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

func (h *house) exec(text string, args ...any) {
	h.t.Helper()
	file := h.file()
	defer file.Close()
	_, err := file.ExecContext(h.t.Context(), text, args...)
	check(h.t, err)
}

func (h *house) count(text string) (n int) {
	h.t.Helper()
	file := h.file()
	defer file.Close()
	check(h.t, file.QueryRowContext(h.t.Context(), text).Scan(&n))
	return n
}

func (h *house) file() *sql.DB {
	file, err := sql.Open("sqlite", "file:"+h.settings["BURSAR_DB"]+"?_pragma=busy_timeout(5000)")
	check(h.t, err)
	return file
}

// load are clients who post signed webhooks as Stripe does: each again until it is acknowledged, some once more.
type load struct {
	h       *house
	clients sync.WaitGroup
	calm    chan struct{} // closed: whoever has nothing left may go

	mu           sync.Mutex
	all          [][]byte // in the order in which they are sent
	released     int      // so many of them have happened
	sent         int
	acknowledged map[string]bool
	web          http.Client
	repeats      int
	unanswered   int
}

func (h *house) startLoad(clients int) *load {
	l := &load{h: h, all: h.stripe.Events(), calm: make(chan struct{}), web: http.Client{Timeout: 10 * time.Second}, acknowledged: map[string]bool{}}
	rand.New(rand.NewPCG(5, 5)).Shuffle(len(l.all), func(i, j int) { l.all[i], l.all[j] = l.all[j], l.all[i] })
	for n := range clients {
		l.clients.Go(func() { l.client(rand.New(rand.NewPCG(6, uint64(n)))) })
	}
	h.t.Cleanup(l.clients.Wait)
	return l
}

// release lets one of so many parts of the events happen.
func (l *load) release(parts int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.released = min(l.released+len(l.all)/parts+1, len(l.all))
}

// client posts what is left, and in between what was posted already. It goes on with that until calm.
func (l *load) client(rng *rand.Rand) {
	var calm bool
	for !calm || l.open() {
		select {
		case <-l.calm:
			calm = true
		default:
		}
		body, fresh := l.next(rng)
		for !l.post(body, fresh) {
			select {
			case <-time.After(5 * time.Millisecond): // nobody is listening
			case <-l.h.t.Context().Done():
				return
			}
		}
	}
}

func (l *load) open() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sent < l.released
}

// next is the next event that was not sent yet, or one that was.
func (l *load) next(rng *rand.Rand) (body []byte, fresh bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sent == l.released || l.sent > 0 && rng.IntN(5) == 0 {
		return l.all[rng.IntN(max(l.sent, 1))], false
	}
	l.sent++
	return l.all[l.sent-1], true
}

// post sends an event once, and remembers whether it was acknowledged. An answer that is neither that nor "not now" is
// an error.
func (l *load) post(body []byte, fresh bool) bool {
	r, err := http.NewRequestWithContext(l.h.t.Context(), http.MethodPost, l.h.home+"/api/webhooks/stripe", bytes.NewReader(body))
	if err != nil {
		l.h.t.Error(err)
		return false
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Stripe-Signature", demo.Sign(body, time.Now(), secret))
	answer, err := l.web.Do(r)
	status := http.StatusServiceUnavailable
	if err == nil {
		answer.Body.Close()
		status = answer.StatusCode
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case status == http.StatusOK:
		l.acknowledged[eventID(body)] = true
		if !fresh {
			l.repeats++
		}
		return true
	case status != http.StatusServiceUnavailable:
		l.h.t.Errorf("a signed event is answered with %d", status)
	}
	l.unanswered++
	return false
}

func eventID(body []byte) string {
	var e struct{ ID string }
	_ = json.Unmarshal(body, &e) // an empty id is missed in the file
	return e.ID
}

// finish waits until every event is acknowledged, and returns their ids.
func (l *load) finish() map[string]bool {
	l.release(1)
	close(l.calm)
	l.clients.Wait()
	return l.acknowledged
}

// serving is a serve in a process of its own.
type serving struct {
	h       *house
	began   time.Time
	out     *printed
	process *os.Process
	done    chan error
}

const childVariable = "BURSAR_TEST_SERVE"

// startServe starts it. It is killed at the end of the test.
func (h *house) startServe() *serving {
	h.t.Helper()
	cmd := exec.CommandContext(h.t.Context(), os.Args[0], "-test.run=^TestServeChild$")
	cmd.Env = []string{childVariable + "=1", "GORACE=atexit_sleep_ms=0"} // it would be a second of each stop
	for name, value := range h.settings {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	s := &serving{h: h, began: time.Now(), out: &printed{}, done: make(chan error, 1)}
	cmd.Stdout, cmd.Stderr = s.out, s.out
	check(h.t, cmd.Start())
	s.process = cmd.Process
	go func() { s.done <- cmd.Wait() }()
	h.t.Cleanup(func() {
		s.process.Kill()
		if out := s.out.String(); strings.Contains(out, "DATA RACE") {
			h.t.Errorf("a process says\n%s", out)
		}
	})
	return s
}

// TestServeChild is the process of startServe: bursar serve as main begins it.
func TestServeChild(t *testing.T) {
	if os.Getenv(childVariable) == "" {
		t.Skip("only as a process of its own")
	}
	syscall.Umask(0o077)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(app.Run(ctx, []string{"serve"}, app.Environment{Files: os.DirFS(".."), Getenv: os.Getenv, Stdout: os.Stdout, Stderr: os.Stderr}))
}

// answers waits until it does, which may take five seconds.
func (s *serving) answers() {
	s.h.t.Helper()
	s.h.eventually("serve answers", func() bool {
		answer, err := http.Get(s.h.home + "/api/health")
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
	took := time.Since(s.began)
	s.h.slowest = max(s.h.slowest, took)
	if took > 5*time.Second {
		s.h.t.Errorf("it took %v to serve\n%s", took, s.out)
	}
}

func (s *serving) kill() {
	s.process.Kill()
	<-s.done
}

// ended waits for its end, and says how it ended.
func (s *serving) ended() error {
	s.h.t.Helper()
	select {
	case err := <-s.done:
		return err
	case <-time.After(time.Minute):
		s.h.t.Fatalf("it does not end\n%s", s.out)
		return nil
	}
}
