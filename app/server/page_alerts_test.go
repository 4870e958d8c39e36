package server

import (
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"bursar/app/alert"
	"bursar/app/auth"
	"bursar/app/db"
	"bursar/app/mail"
	"bursar/app/queue"
)

// watched is a server whose rules are evaluated when the test says so.
func watched(t *testing.T) *adminTest {
	t.Helper()
	a := newAdmin(t)
	templates, err := mail.ParseTemplates(os.DirFS("../.."))
	check(t, err)
	a.Alerts = &alert.Watch{DB: a.DB, Worker: a.worker, Schedules: new(queue.Pulse), Tally: a.Tally, Log: a.Log, Templates: templates, Location: time.UTC, URL: a.url}
	return a
}

// look evaluates, as if a minute had passed.
func (a *adminTest) look() {
	a.t.Helper()
	a.exec("UPDATE alerts SET since_at = since_at - 60000")
	check(a.t, a.Alerts.Evaluate(a.t.Context()))
}

func TestTheAlertsPage(t *testing.T) {
	t.Parallel()
	a := watched(t)
	if text, _ := a.open(auth.Support, "/admin/alerts"); !strings.Contains(text, "Nothing has been looked at yet.") || !strings.Contains(text, "not measured yet") {
		t.Errorf("before the first look: %s", text)
	}
	a.look()
	text, body := a.open(auth.Support, "/admin/alerts")
	shows(t, "all well", text, "Nothing is wrong.", "Writes to the database", "it is not set up", "Nobody hears if Bursar itself is dead")
	if strings.Contains(body, "Send a test") || strings.Contains(body, "badge bad") {
		t.Errorf("support may test, or something is red: %s", body)
	}
	a.addJobs(queue.Discarded)
	a.look()
	a.look()
	text, body = a.open(auth.Support, "/admin/alerts")
	shows(t, "a job gave up", text, "One alert needs you.", "Jobs gave up high firing 1 job", "1 job")
	shows(t, "the menu", body, `Alerts <span class="badge bad">1<span class="skip"> firing</span></span>`)
	text, _ = a.open(auth.Support, "/admin/alerts/jobs")
	shows(t, "the alert", text, "What to do: Open the jobs", "pending → firing : 1 job", "Measures Jobs that failed")
	if status, _ := a.get(auth.Support, "/admin/alerts/none"); status != http.StatusNotFound {
		t.Errorf("an alert that is not there: %d", status)
	}
}

func TestAnAlertIsAcknowledgedAndTakenBack(t *testing.T) {
	t.Parallel()
	a := watched(t)
	a.look()
	if body := a.submit(auth.Support, "/admin/alerts/jobs/acknowledge", url.Values{"until": {"4h"}}); !strings.Contains(words(body), "there is nothing to acknowledge") {
		t.Errorf("what does not fire: %s", words(body))
	}
	a.addJobs(queue.Discarded)
	a.look()
	a.look()
	if status, _ := a.post(auth.Support, "/admin/alerts/jobs/acknowledge", url.Values{"until": {"for ever"}}); status != http.StatusBadRequest {
		t.Errorf("for ever: %d", status)
	}
	text := words(a.submit(auth.Support, "/admin/alerts/jobs/acknowledge", url.Values{"until": {"4h"}}))
	shows(t, "acknowledged", text, "is acknowledged until", "Take it back", "No alert needs you now.", "acknowledged until", "by support@example.com")
	if got := a.audits(1)[0]; got != "support@example.com alerts.acknowledge jobs done" || a.Alerts.Count() != 0 {
		t.Errorf("the audit has %q, %d call", got, a.Alerts.Count())
	}
	text = words(a.submit(auth.Support, "/admin/alerts/jobs/unacknowledge", nil))
	shows(t, "taken back", text, "is told again", "One alert needs you.")
	if got := a.audits(1)[0]; got != "support@example.com alerts.unacknowledge jobs done" || a.Alerts.Count() != 1 {
		t.Errorf("the audit has %q, %d call", got, a.Alerts.Count())
	}
}

func TestUntilWhenAnAlertIsAcknowledged(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	check(t, err)
	for _, row := range []struct{ choice, now, want string }{
		{"1h", "2026-03-04 22:30", "2026-03-04 23:30"},
		{"4h", "2026-03-04 22:30", "2026-03-05 02:30"},
		{"tomorrow", "2026-03-04 22:30", "2026-03-05 09:00"},
		{"tomorrow", "2026-03-28 22:30", "2026-03-29 09:00"}, // an hour shorter
		{"monday", "2026-03-04 22:30", "2026-03-09 09:00"},
		{"monday", "2026-03-08 22:30", "2026-03-09 09:00"},
		{"monday", "2026-03-09 08:00", "2026-03-16 09:00"}, // on a Monday: the next
	} {
		now, err := time.ParseInLocation("2006-01-02 15:04", row.now, berlin)
		check(t, err)
		if got, ok := pauseEnd(row.choice, now); !ok || got.Format("2006-01-02 15:04") != row.want {
			t.Errorf("%s at %s is until %v, want %s", row.choice, row.now, got, row.want)
		}
	}
}

func TestATestAlertIsForOwners(t *testing.T) {
	t.Parallel()
	a := watched(t)
	if status, _ := a.post(auth.Finance, "/admin/alerts", nil); status != http.StatusForbidden {
		t.Errorf("finance: %d", status)
	}
	text := words(a.submit(auth.Owner, "/admin/alerts", nil))
	shows(t, "the test", text, "Mail: kept in the outbox: mail is not set up.", "Slack: not set up")
	if got := a.audits(1)[0]; got != "owner@example.com alerts.test  done" {
		t.Errorf("the audit has %q", got)
	}
}

func TestBrokenMailIsOnEveryPage(t *testing.T) {
	t.Parallel()
	a := watched(t)
	a.exec("INSERT INTO circuits (system, failures, reason, opened_at, until_at) VALUES ('mail', 9, 'no route <b>to host', 1, 9999999999999)")
	queue.Handle(a.worker, queue.Options{System: "mail"}, new(mail.Sender).Send)
	a.look()
	_, body := a.open(auth.Support, "/admin/tickets")
	shows(t, "the banner", body, "Mail does not leave Bursar", "No route &lt;b&gt;to host.")
}

func TestTodayShowsAlerts(t *testing.T) {
	t.Parallel()
	a := watched(t)
	for range 5 {
		a.Tally.Delivery(alert.Unavailable)
	}
	a.Tally.Failed("evt_1", "invoice.paid")
	a.look()
	a.look()
	text, _ := a.open(auth.Support, "/admin")
	shows(t, "today", text, "Webhook deliveries fail", "1 event of a purchase or payment not stored yet. Not stored: invoice.paid.")
}

func TestThePagesSayThatABackupWasRestored(t *testing.T) {
	t.Parallel()
	a := watched(t)
	restored := func(ago time.Duration) {
		check(t, a.DB.Tx(t.Context(), func(q *db.Queries) error {
			at := time.Now().Add(-ago)
			return db.KeepRestored(t.Context(), q, db.Restored{At: at, CopyAt: at.Add(-time.Hour)})
		}))
	}
	const notice = "What happened at Stripe since then comes back by itself"
	for _, path := range []string{"/admin", "/admin/alerts"} {
		if text, _ := a.open(auth.Support, path); strings.Contains(text, notice) {
			t.Errorf("%s, never restored: %s", path, text)
		}
	}
	restored(time.Minute)
	a.look()
	text, _ := a.open(auth.Support, "/admin/alerts")
	shows(t, "the alerts", text, notice, "Bursar catches up. Until")
	text, _ = a.open(auth.Support, "/admin")
	shows(t, "today", text, notice)
	restored(25 * time.Hour)
	for _, path := range []string{"/admin", "/admin/alerts"} {
		if text, _ := a.open(auth.Support, path); strings.Contains(text, notice) {
			t.Errorf("%s, a day later: %s", path, text)
		}
	}
}
