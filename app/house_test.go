package app_test

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"strings"
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

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (h *house) exec(text string, args ...any) {
	h.t.Helper()
	file := h.open(h.settings["BURSAR_DB"])
	defer file.Close()
	_, err := file.ExecContext(h.t.Context(), text, args...)
	check(h.t, err)
}

func (h *house) count(text string) (n int) {
	h.t.Helper()
	file := h.open(h.settings["BURSAR_DB"])
	defer file.Close()
	check(h.t, file.QueryRowContext(h.t.Context(), text).Scan(&n))
	return n
}

func (h *house) open(path string) *sql.DB {
	file, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)")
	check(h.t, err)
	return file
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

// stop asks it to end, as systemd does.
func (s *serving) stop() {
	s.h.t.Helper()
	s.process.Signal(syscall.SIGTERM)
	if err := s.ended(); err != nil {
		s.h.t.Errorf("asked to stop it ended with %v\n%s", err, s.out)
	}
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
