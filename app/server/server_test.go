package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"bursar/app/auth"
	"bursar/app/billing"
	"bursar/app/crm"
	"bursar/app/db"
	"bursar/app/db/dbtest"
	"bursar/app/demo"
	"bursar/app/queue"
	"bursar/app/support"
)

const secret, oldSecret = "whsec_current", "whsec_previous"

// fixture is a server on loopback over a file of its own, with what works off its jobs.
type fixture struct {
	*Server
	t      *testing.T
	url    string
	key    string // a good API key
	log    *buffer
	worker *queue.Worker
}

// buffer is a log that requests write to at the same time.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func start(t *testing.T, secrets ...string) *fixture {
	t.Helper()
	return startIn(t, t.TempDir(), secrets...)
}

// startIn starts a server whose file is in a directory.
func startIn(t *testing.T, dir string, secrets ...string) *fixture {
	t.Helper()
	d := dbtest.At(t, filepath.Join(dir, "bursar.db"))
	f := &fixture{t: t, log: &buffer{}}
	log := slog.New(slog.NewJSONHandler(f.log, nil))
	b := &billing.Billing{DB: d}
	desk := support.Builtin{DB: d}
	server, err := New(Config{DB: d, Billing: b, Desk: desk, Secrets: secrets, Version: "1.2.3-test", Log: log})
	check(t, err)
	f.Server = server
	f.worker = queue.NewWorker(d, log)
	b.Handle(f.worker)
	support.Handle(f.worker, desk)
	crm.Handle(f.worker, d, crm.Builtin{DB: d})
	f.key, err = auth.AddAPIKey(t.Context(), d, "shop", auth.ScopeWrite, time.Time{})
	check(t, err)

	ts := httptest.NewUnstartedServer(nil)
	ts.Config = f.HTTPServer("")
	ts.Start()
	t.Cleanup(ts.Close)
	f.url = ts.URL
	return f
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// send sends a request and reads the whole answer. A redirect is an answer like any other.
func send(t *testing.T, r *http.Request) (*http.Response, string) {
	t.Helper()
	c := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := c.Do(r)
	check(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	check(t, err)
	return res, string(body)
}

func request(t *testing.T, method, url, body string, header ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	check(t, err)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

const webhookPath = "/api/webhooks/stripe"

// deliver posts an event as Stripe does.
func (f *fixture) deliver(body, signature string) (*http.Response, string) {
	f.t.Helper()
	return send(f.t, request(f.t, "POST", f.url+webhookPath, body, "Content-Type", "application/json; charset=utf-8", "Stripe-Signature", signature))
}

// event is a small event about a customer.
func event(id string) string {
	return fmt.Sprintf(`{"id":%q,"object":"event","type":"customer.updated","api_version":"2023-10-16","created":%d,"livemode":false,`+
		`"data":{"object":{"id":"cus_1","object":"customer","email":"ada@example.com","name":"Ada","created":1700000000}}}`, id, time.Now().Unix())
}

func sign(body string, secrets ...string) string {
	return demo.Sign([]byte(body), time.Now(), secrets...)
}

// outcomes reads the webhook's counters as Prometheus does.
func (f *fixture) outcomes() map[string]int {
	f.t.Helper()
	_, text := send(f.t, request(f.t, "GET", f.url+"/metrics", ""))
	counts := map[string]int{}
	for _, m := range regexp.MustCompile(`(?m)^bursar_webhook_requests_total\{outcome="(\w+)"\} (\d+)$`).FindAllStringSubmatch(text, -1) {
		n, err := strconv.Atoi(m[2])
		check(f.t, err)
		if n > 0 {
			counts[m[1]] = n
		}
	}
	return counts
}

// rows counts the stored events and the jobs that are not done.
func (f *fixture) rows() (events, jobs int64) {
	f.t.Helper()
	ctx := context.Background()
	counts, err := f.DB.Read().CountEvents(ctx, db.Time{})
	check(f.t, err)
	depth, err := f.DB.Read().QueueDepth(ctx, db.Now())
	check(f.t, err)
	return counts.Total, depth.Available + depth.Retryable + depth.Running
}

// lines are the records of the log about requests.
func (f *fixture) lines() (list []map[string]any) {
	f.t.Helper()
	for line := range strings.Lines(f.log.String()) {
		var record map[string]any
		check(f.t, json.Unmarshal([]byte(line), &record))
		if record["msg"] == "request" {
			list = append(list, record)
		}
	}
	return list
}
