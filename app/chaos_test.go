package app_test

import (
	"cmp"
	"errors"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"bursar/app/connect"
	"bursar/app/demo"
)

// TestKilledUnderLoad kills serve (SIGKILL) again and again, at moments that nobody chose, while Stripe's webhooks come in
// from several sides and HubSpot loses answers. The last process is left alone, and ends with everything that was
// acknowledged, one contact for each customer and one ticket and task for each cause. BURSAR_TEST_KILLS makes it longer.
func TestKilledUnderLoad(t *testing.T) {
	t.Parallel()
	kills, err := strconv.Atoi(cmp.Or(os.Getenv("BURSAR_TEST_KILLS"), "6"))
	if err != nil {
		t.Fatal(err)
	}
	h := newHouse(t, kills+3)
	h.hubspot.Lose(0.1)
	for _, kind := range []string{"contacts", "tickets", "tasks"} { // one for certain, after it was created
		h.hubspot.Fail(demo.APIFault{Method: http.MethodPost, Path: "/crm/objects/2026-09/" + kind, Kind: demo.Drop})
	}
	load := h.startLoad(2 + kills/4)
	rng := rand.New(rand.NewPCG(4, 4))
	for n := range kills {
		load.release(kills + 1)
		acknowledged := load.after(1 + rng.IntN(10))
		serve := h.startServe()
		life := time.Duration(50+rng.IntN(550)) * time.Millisecond
		switch n % 3 {
		case 0:
			<-time.After(life) // it may still be starting
		case 1:
			serve.answers()
			<-time.After(life)
		case 2:
			<-acknowledged // only just
		}
		serve.kill()
		h.hasAll(load.soFar())
	}
	h.hubspot.Lose(0)
	serve := h.startServe()
	serve.answers()
	if second := h.startServe(); second.ended() == nil || !strings.Contains(second.out.String(), "another bursar serve is using this file") {
		t.Errorf("a second serve on the file said %s", second.out)
	}
	acknowledged := load.finish()
	h.settle()
	h.hasEachOnce()
	if code, out, errs := h.run("reconcile"); code != 0 {
		t.Errorf("compared with Stripe and HubSpot: exit code %d\n%s%s", code, out, errs)
	}
	serve.stop()
	h.hasAll(acknowledged)
	t.Logf("%d kills; %d events acknowledged, with %d repeats, %d attempts without an answer; %d customers; the slowest start took %v",
		kills, len(acknowledged), load.repeats, load.unanswered, h.customers, h.slowest.Round(time.Millisecond))
}

// TestStoppedWithSlowJobs asks serve to stop while HubSpot does not answer: it ends in time, and its jobs wait for the
// next one. Asked twice it ends at once, and they wait as well.
func TestStoppedWithSlowJobs(t *testing.T) {
	t.Parallel()
	for name, signals := range map[string]int{"asked once": 1, "asked twice": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, 2)
			const contacts = "/crm/objects/2026-09/contacts/"
			h.hubspot.Fail(demo.APIFault{Method: http.MethodPost, Path: contacts, Kind: demo.Hang, Count: h.customers})
			load := h.startLoad(1)
			serve := h.startServe()
			acknowledged := load.finish()
			h.eventually("HubSpot keeps the jobs waiting", func() bool {
				hanging := 0
				for _, asked := range h.hubspot.Requests() {
					if asked.Method == http.MethodPost && strings.HasPrefix(asked.Path, contacts) {
						hanging++
					}
				}
				return hanging == h.customers
			})
			asked := time.Now()
			serve.process.Signal(syscall.SIGTERM)
			if signals == 2 {
				h.eventually("the first signal is heard", func() bool { return strings.Contains(serve.out.String(), "stopping") })
				h.eventually("a second one ends it", func() bool { // a moment after the first
					serve.process.Signal(syscall.SIGTERM)
					return len(serve.done) > 0
				})
			}
			err := serve.ended()
			took, waiting := time.Since(asked), h.count("SELECT count(*) FROM jobs WHERE kind = 'sync_contact' AND state IN ('available', 'retryable')")
			if signals == 1 && (err != nil || took > 10*time.Second || waiting != h.customers) {
				t.Errorf("it ended after %v with %v, and %d of %d jobs wait\n%s", took, err, waiting, h.customers, serve.out)
			}
			if signals == 2 && (err == nil || took > 5*time.Second) {
				t.Errorf("it ended after %v with %v\n%s", took, err, serve.out)
			}
			serve = h.startServe()
			serve.answers()
			h.settle()
			h.hasEachOnce()
			serve.stop()
			h.hasAll(acknowledged)
		})
	}
}

// settle waits until no job is open but those that look at a customer again on a day. What waits to try again, or until
// HubSpot is sure to show what it has, does not have to, and its hurried attempts do not count.
func (h *house) settle() {
	h.t.Helper()
	h.eventually("no job is open", func() bool {
		h.exec("UPDATE external_refs SET tried_at = max(tried_at - ?, 1) WHERE tried_at > 0", connect.DefaultLag.Milliseconds())
		h.exec("UPDATE jobs SET scheduled_at = 0, attempt = 0 WHERE kind <> 'look_again' AND state IN ('available', 'retryable') AND scheduled_at > 0")
		return h.count("SELECT count(*) FROM jobs WHERE kind <> 'look_again' AND finalized_at = 0") == 0
	})
	if n := h.count("SELECT count(*) FROM jobs WHERE state = 'discarded'"); n > 0 {
		h.t.Errorf("%d jobs gave up\n%s", n, h.must("jobs", "list", "--state", "discarded"))
	}
}

// hasAll wants every event that was acknowledged in the file, which is sound. It looks at a copy: whoever opens the file
// mends what a kill left, and that is for serve to do.
func (h *house) hasAll(acknowledged map[string]bool) {
	h.t.Helper()
	path := filepath.Join(h.t.TempDir(), "copy.db")
	for _, end := range []string{"", "-wal"} {
		bytes, err := os.ReadFile(h.settings["BURSAR_DB"] + end)
		if !errors.Is(err, fs.ErrNotExist) {
			check(h.t, err)
			check(h.t, os.WriteFile(path+end, bytes, 0o600))
		}
	}
	file := h.open(path)
	defer file.Close()
	for id := range acknowledged {
		var n int
		check(h.t, file.QueryRowContext(h.t.Context(), "SELECT count(*) FROM events WHERE id = ?", id).Scan(&n))
		if n != 1 {
			h.t.Errorf("%s was acknowledged, and is in the file %d times", id, n)
		}
	}
	var sound string
	check(h.t, file.QueryRowContext(h.t.Context(), "PRAGMA integrity_check").Scan(&sound))
	if sound != "ok" {
		h.t.Errorf("the file is damaged: %s", sound)
	}
}

// hasEachOnce wants one contact for each customer, and one ticket and task for each cause.
func (h *house) hasEachOnce() {
	h.t.Helper()
	if n := h.count("SELECT count(*) FROM customers"); n != h.customers {
		h.t.Errorf("%d customers, want %d", n, h.customers)
	}
	for _, kind := range []struct {
		name, key string
		want      int
	}{{"contacts", "bursar_customer_id", h.customers}, {"tickets", "bursar_cause", h.unpaid}, {"tasks", "hs_task_body", h.unpaid}} {
		times := map[string]int{}
		for _, r := range h.hubspot.Records(kind.name) {
			times[r[kind.key]]++
			if times[r[kind.key]] > 1 || r[kind.key] == "" {
				h.t.Errorf("HubSpot has %q twice among its %s", r[kind.key], kind.name)
			}
		}
		// A purchase whose events came apart for long has a ticket too, which is closed: else reconcile says so.
		maps.DeleteFunc(times, func(cause string, _ int) bool { return strings.HasPrefix(cause, "not_active:") })
		if len(times) != kind.want {
			h.t.Errorf("HubSpot has %d %s, want %d", len(times), kind.name, kind.want)
		}
	}
}
