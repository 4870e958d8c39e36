package server

import (
	"fmt"
	"net/url"
	"slices"
	"testing"
	"time"

	"bursar/app/auth"
	"bursar/app/db"
	"bursar/app/mail"
)

// addRuns stores a complete run of 2026-03-04 with findings and a mail, an incomplete one by hand, and one
// that is at work: the ids 1 to 3.
func (a *adminTest) addRuns() {
	a.t.Helper()
	now := time.Now().UnixMilli()
	a.exec(fmt.Sprintf(`INSERT INTO customers (id, name, created_at, updated_at) VALUES (7, 'Ada', %d, %[1]d)`, now),
		fmt.Sprintf(`INSERT INTO runs (id, day, state, late, stripe_compared, customers, subscriptions, contacts, tickets, error, started_at, finished_at) VALUES
			(1, '2026-03-04', 'complete', 1, 1, 24, 25, 23, 2, '', %d, %d), (2, '', 'incomplete', 0, 0, 3, 0, 0, 0, 'the contacts could not be read whole', %[1]d, %[1]d), (3, '', 'running', 0, 0, 0, 0, 0, 0, '', %[1]d, 0)`, now, now+90_000),
		`INSERT INTO findings (run_id, kind, subject, customer_id, expected, actual, repair, job_kind, job_key, state, seen, first_at, last_at) VALUES
			(1, 'unknown_price', 'price_1', 7, 'a plan name', 'none, for 2 live subscriptions', 'person', '', '', 'open', 3, 1000, 1000),
			(1, 'contact_differs', '7', 7, 'status active', 'status `+hostile+`', 'job', 'sync_contact', '7', 'fixed', 1, 1000, 1000),
			(1, 'events_of_nobody', 'events', NULL, 'a customer', '2 events without one', 'person', '', '', 'open', 1, 1000, 1000),
			(1, 'of_tomorrow', 'x', NULL, 'a', 'b', 'person', '', '', 'open', 1, 1000, 1000)`)
	check(a.t, a.DB.Tx(a.t.Context(), func(q *db.Queries) error {
		return mail.Put(a.t.Context(), q, mail.Message{Key: "report:2026-03-04", To: []string{"ada@example.com"}, Subject: "The subject of it", Text: "The text of it", HTML: "<p>The page of it</p>"}, false)
	}))
}

func TestTheReportsPage(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	_, body := a.get(auth.Support, "/admin/reports")
	shows(t, "empty", body, "No report yet", "!Compare now")
	a.addRuns()
	_, body = a.get(auth.Finance, "/admin/reports")
	shows(t, "full", body, "2026-03-04", "late", "by hand", "24 customers, 25 subscriptions, 23 contacts, 2 tickets", "without Stripe",
		"could not be read whole", `<span class="badge warn">3</span>`, "Compare now", "not done")
}

func TestAReportsPage(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	a.addRuns()
	_, body := a.get(auth.Finance, "/admin/reports/1")
	shows(t, "complete", body, "3 differences need you.", "Report of Wed 4 Mar 2026", "late: Bursar was not running", "in 90 seconds", "A price has no plan name",
		"none, for 2 live subscriptions", "seen 3 times", `<a href="/admin/customers/7">Ada</a>`, `href="/admin/events"`, "of_tomorrow", "Healed",
		"&lt;script&gt;", "!<script>alert", "The subject of it", "The text of it", `sandbox="" title="The report as it is mailed" src="/admin/outbox/1/html"`)
	_, body = a.get(auth.Support, "/admin/reports/1")
	shows(t, "for support, who may not read mails", body, "3 differences need you.", "!The subject of it", "!/admin/outbox")
	_, body = a.get(auth.Finance, "/admin/reports/2")
	shows(t, "incomplete", body, "Not everything could be read", "could not be read whole", "Stripe itself was not compared", "There is none yet")
	_, body = a.get(auth.Finance, "/admin/reports/3")
	shows(t, "at work", body, "Comparing now.", "Reading")
	for _, id := range []string{"9", "x"} {
		if status, _ := a.get(auth.Finance, "/admin/reports/"+id); status != 404 {
			t.Errorf("report %s is %d", id, status)
		}
	}
}

func TestAReportInOneSentence(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		run            db.Run
		open, repaired int
		text, tone     string
	}{
		{db.Run{State: "running"}, 0, 0, "Comparing now.", "incomplete"},
		{db.Run{State: "failed"}, 0, 0, "This comparison did not come to its end.", "attention"},
		{db.Run{State: "incomplete"}, 1, 1, "Not everything could be read, so nothing is called missing.", "incomplete"},
		{db.Run{State: "complete", Customers: 5}, 1, 1, "1 difference needs you.", "attention"},
		{db.Run{State: "complete", Customers: 5}, 0, 2, "2 differences were found and repaired; nothing needs you.", "good"},
		{db.Run{State: "complete", Customers: 5, StripeCompared: true}, 0, 0, "All customers agree everywhere.", "good"},
		{db.Run{State: "complete", Customers: 5}, 0, 0, "All customers agree here; Stripe itself was not compared, as there is no API key.", "good"},
		{db.Run{State: "complete"}, 0, 0, "There were no customers yet.", "good"},
	} {
		if text, tone := verdict(row.run, row.open, row.repaired); text != row.text || tone != row.tone {
			t.Errorf("%+v with %d and %d: %s (%s)", row.run, row.open, row.repaired, text, tone)
		}
	}
}

func TestTwoWhoCompareGetOneComparison(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	shows(t, "first", a.submit(auth.Finance, "/admin/reports", nil), "The comparison has begun.", "A comparison is under way.")
	shows(t, "second", a.submit(auth.Owner, "/admin/reports", nil), "A comparison is under way already.")
	a.exec(`UPDATE jobs SET state = 'running'`)
	shows(t, "while it is at work", a.submit(auth.Owner, "/admin/reports", nil), "A comparison is under way already.")
	if last, err := a.DB.Read().LastJobID(t.Context()); err != nil || last != 1 {
		t.Errorf("there are %d jobs, %v", last, err)
	}
	if got, want := a.audits(10), []string{"finance@example.com reports.compare all systems done"}; !slices.Equal(got, want) {
		t.Errorf("the audit has %q", got)
	}
	if status, _ := a.post(auth.Support, "/admin/reports", url.Values{}); status != 403 {
		t.Errorf("support may compare: %d", status)
	}
}
