package server

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"bursar/app/billing"
	"bursar/app/db"
	"bursar/app/queue"
)

// ask gets /api/health.
func (f *fixture) ask() (status int, h Health) {
	f.t.Helper()
	res, body := send(f.t, request(f.t, "GET", f.url+"/api/health", ""))
	check(f.t, json.Unmarshal([]byte(body), &h))
	return res.StatusCode, h
}

func TestHealth(t *testing.T) {
	t.Parallel()
	f := start(t, secret)
	status, h := f.ask()
	if status != 200 || h.Status != "ok" || h.Database != "ok" || h.Worker != "ok" || h.Version != "1.2.3-test" || h.LastEventAt != nil || h.Reconcile != nil {
		t.Errorf("a new file is %d %+v", status, h)
	}

	// An event whose job nobody does for two minutes, an open circuit, a run and a schedule.
	ctx, now := t.Context(), time.Now()
	check(t, f.DB.Tx(ctx, func(q *db.Queries) error {
		check(t, queue.InsertAt(ctx, q, billing.SyncCustomer{StripeCustomer: "cus_1"}, now.Add(-2*time.Minute)))
		check(t, q.SaveCircuit(ctx, db.SaveCircuitParams{System: "crm", Failures: 5, Reason: "a secret reason", OpenedAt: db.At(now), UntilAt: db.At(now.Add(time.Hour))}))
		check(t, q.SaveSchedule(ctx, db.SaveScheduleParams{Name: "report", Spec: "0 7 * * *", Timezone: "UTC", NextAt: db.At(now.Add(time.Hour))}))
		_, err := q.InsertRun(ctx, "", false, db.At(now))
		return err
	}))
	body := event("evt_1")
	f.deliver(body, sign(body, secret))
	live := strings.Replace(event("evt_2"), `"livemode":false`, `"livemode":true`, 1)
	f.deliver(live, sign(live, secret))

	status, h = f.ask()
	if status != 200 || h.Status != "degraded" || h.Worker != "behind" || h.Queue.Due != 1 || h.Queue.OldestDue < 119 || h.Queue.OldestDue > 180 {
		t.Errorf("the queue makes it %d %+v", status, h)
	}
	if len(h.Circuits) != 1 || h.Circuits[0].System != "crm" || h.LastEventAt == nil || time.Since(*h.LastEventAt) > time.Minute || h.Ignored != 1 {
		t.Errorf("circuits %v, last event %v, ignored %d", h.Circuits, h.LastEventAt, h.Ignored)
	}
	if h.Reconcile == nil || h.Reconcile.State != "running" || !h.Schedules["report"].Equal(db.At(now.Add(time.Hour)).Time) {
		t.Errorf("last run %v, schedules %v", h.Reconcile, h.Schedules)
	}
}

func TestHealthIsBadWithoutTheFile(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.ask() // opens a connection that reads
	check(t, os.Rename(f.DB.Path(), f.DB.Path()+".away"))
	if status, h := f.ask(); status != 503 || h.Status != "unavailable" || h.Database != "unavailable" {
		t.Errorf("it is %d %+v", status, h)
	}
	if !strings.Contains(f.log.String(), db.ErrReplaced.Error()) {
		t.Errorf("the log is %s", f.log)
	}
	check(t, os.Rename(f.DB.Path()+".away", f.DB.Path()))
	if status, h := f.ask(); status != 200 || h.Status != "ok" {
		t.Errorf("with the file back it is %d %+v", status, h)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	f := start(t, secret)
	body := event("evt_1")
	f.deliver(body, sign(body, secret))
	res, text := send(t, request(t, "GET", f.url+"/metrics", ""))
	if res.StatusCode != 200 {
		t.Fatalf("%d %s", res.StatusCode, text)
	}
	for _, want := range []string{
		`bursar_webhook_requests_total{outcome="stored"} 1`,
		`bursar_webhook_requests_total{outcome="bad_signature"} 0`,
		`bursar_http_request_duration_seconds_count{class="2xx",route="POST /api/webhooks/stripe"} 1`,
		`bursar_queue_jobs{state="available"} 1`,
		`bursar_queue_jobs{state="discarded"} 0`,
	} {
		if !slices.Contains(strings.Split(text, "\n"), want) {
			t.Errorf("there is no %s", want)
		}
	}
	for _, name := range []string{"bursar_queue_oldest_due_seconds", "go_goroutines", "process_open_fds"} {
		if !regexp.MustCompile(`(?m)^` + name + ` [0-9.e+-]+$`).MatchString(text) {
			t.Errorf("there is no %s", name)
		}
	}
}
