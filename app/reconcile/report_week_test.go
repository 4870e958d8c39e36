package reconcile_test

import (
	"strings"
	"testing"
	"time"

	"bursar/app/db"
	"bursar/app/demo"
	"bursar/app/reconcile"
)

// The week comes with the first daily report after it, once, also if that is late or the clocks changed in it.
func TestAWeekIsToldOnce(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	check(t, err)
	for _, row := range []struct {
		name, previous, day string
		from, until         string // "" for no week
	}{
		{"a Monday", "2026-03-08", "2026-03-09", "2026-03-02T00:00:00+01:00", "2026-03-09T00:00:00+01:00"},
		{"a Tuesday", "2026-03-09", "2026-03-10", "", ""},
		{"a Sunday", "2026-03-07", "2026-03-08", "", ""},
		{"away on Monday and Tuesday", "2026-03-08", "2026-03-11", "2026-03-02T00:00:00+01:00", "2026-03-09T00:00:00+01:00"},
		{"away for three weeks", "2026-02-15", "2026-03-11", "2026-03-02T00:00:00+01:00", "2026-03-09T00:00:00+01:00"},
		{"the first report of all", "", "2026-03-09", "", ""},
		{"the clocks go forward in it", "2026-03-29", "2026-03-30", "2026-03-23T00:00:00+01:00", "2026-03-30T00:00:00+02:00"},
		{"the clocks go back in it", "2026-10-25", "2026-10-26", "2026-10-19T00:00:00+02:00", "2026-10-26T00:00:00+01:00"},
		{"over the end of a month and a leap day", "2028-03-05", "2028-03-06", "2028-02-28T00:00:00+01:00", "2028-03-06T00:00:00+01:00"},
		{"over the end of a year", "2027-01-03", "2027-01-04", "2026-12-28T00:00:00+01:00", "2027-01-04T00:00:00+01:00"},
		{"by hand", "2026-03-08", "", "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := newCompany(t, hourAgo())
			c.Reconciler.Location = berlin
			if row.previous != "" {
				c.edit("INSERT INTO runs (day, state, started_at, finished_at) VALUES (?, 'complete', 1, 2)", row.previous)
			}
			_, report, m := c.reconcile(reconcile.Reconcile{Day: row.day})
			if row.from == "" {
				if report.Week != nil || strings.Contains(m.Text, "The week ") {
					t.Errorf("there is a week: %+v", report.Week)
				}
				return
			}
			if report.Week == nil || report.Week.From.Format(time.RFC3339) != row.from || report.Week.Until.Format(time.RFC3339) != row.until {
				t.Fatalf("the week is %+v", report.Week)
			}
			if !strings.Contains(m.Text, "The week ") || !strings.Contains(m.HTML, "The week before") {
				t.Error("the mail does not tell of the week")
			}
		})
	}
}

func TestTheSpreadsheetIsRetiredOnce(t *testing.T) {
	t.Parallel()
	c := newCompany(t, hourAgo())
	installed := time.Now().Add(-8 * 24 * time.Hour)
	c.edit("INSERT INTO meta (name, value) VALUES ('installed_at', ?)", installed.UnixMilli())
	if _, report, _ := c.reconcile(reconcile.Reconcile{}); report.Spreadsheet || report.EverActivated {
		t.Error("nobody has bought, and nothing was proven")
	}
	c.buy(demo.BuyOptions{Email: "ada@example.com"})
	c.receive()
	c.edit("UPDATE checkouts SET activated_at = completed_at + 1000")
	const says = "you can retire it"
	for i, want := range []bool{true, false, false} {
		_, report, m := c.reconcile(reconcile.Reconcile{})
		if got := strings.Contains(strings.Join(strings.Fields(m.Text), " "), says); got != want || report.DaysWithoutMiss != 8 {
			t.Errorf("mail %d says it: %v; %d days", i+1, got, report.DaysWithoutMiss)
		}
	}
	c.edit("UPDATE checkouts SET activated_at = completed_at + 180000")
	if _, report, _ := c.reconcile(reconcile.Reconcile{}); report.DaysWithoutMiss != 0 || report.EverActivated || report.Figures.Missed != 1 {
		t.Errorf("after a miss: %d days, %d missed", report.DaysWithoutMiss, report.Figures.Missed)
	}
}

// What is stored with the mail is what the command and the page show, and has no link that decides in it.
func TestOneReportIsShownEverywhere(t *testing.T) {
	t.Parallel()
	c := newCompany(t, hourAgo())
	bought := c.buy(demo.BuyOptions{Email: "ada@example.com", Name: "Ada"})
	c.receive()
	check(t, c.Cancel(bought.Subscription, false))
	c.lose()
	run, _, m := c.reconcile(reconcile.Reconcile{Day: "2026-03-04"})
	if !strings.Contains(m.Text, "/admin/decide?token=") || strings.Contains(m.Data, "token=") {
		t.Fatalf("the mail: %s\nthe data: %s", m.Text, m.Data)
	}
	c.edit("UPDATE findings SET state = 'dismissed'") // later news does not change what was said
	c.edit("DELETE FROM events")
	report, err := reconcile.ReadReport(t.Context(), c.DB.Read(), run)
	check(t, err)
	if subject := report.Subject(); subject != m.Subject || len(report.NeedsYou) != 1 || report.Figures.EventsStored == 0 {
		t.Errorf("the stored report says %q, the mail %q", subject, m.Subject)
	}
	for _, table := range report.Tables() {
		for _, line := range table.Lines {
			for _, value := range line.Values {
				if !strings.Contains(m.HTML, ">"+strings.ReplaceAll(value, "+", "&#43;")+"<") {
					t.Errorf("%s: %q is not in the mail", line.Label, value)
				}
			}
		}
	}
}

// Only what was really done counts, and nothing twice.
func TestTheTimeGivenBackIsCounted(t *testing.T) {
	t.Parallel()
	c := newCompany(t, hourAgo())
	c.buy(demo.BuyOptions{Email: "ada@example.com"})
	failing := c.buy(demo.BuyOptions{Email: "bob@example.com"})
	_, err := c.FailPayment(failing.Subscription)
	check(t, err)
	c.receive()
	c.receive() // the same again writes nothing more
	now := time.Now().UnixMilli()
	c.edit(`INSERT INTO findings (run_id, kind, subject, expected, actual, repair, state, first_at, last_at, fixed_at, fixed_by)
		VALUES (?1, 'plan_differs', 'a', '', '', 'job', 'fixed', ?2, ?2, ?2, 'bursar'), (?1, 'contact_missing', 'b', '', '', 'job', 'fixed', ?2, ?2, ?2, 'bursar'),
			(?1, 'plan_differs', 'c', '', '', 'job', 'fixed', ?2, ?2, ?2, '')`, c.compare(reconcile.Reconcile{}).ID, now)
	c.audit("owner", "tickets.close", "done", "tickets.close", "done", "jobs.retry", "denied", "customers.export", "done", "money.approve", "asked")
	_, report, _ := c.reconcile(reconcile.Reconcile{Day: "2026-03-04"})
	f := report.Figures
	if f.Contacts != 2 || f.TicketsOpened != c.number("SELECT COUNT(*) FROM tickets") || f.TicketsClosed != 0 || f.Healed != 1 || f.ByHand != 2 {
		t.Errorf("%+v", f)
	}
	c.edit("UPDATE contacts SET updated_at = 1")
	if _, report, _ := c.reconcile(reconcile.Reconcile{}); report.Figures.Contacts != 0 {
		t.Errorf("%d contacts written", report.Figures.Contacts)
	}
}

// audit writes what somebody with a role did: action and outcome in turns.
func (c *company) audit(role string, list ...string) {
	c.t.Helper()
	for i := 0; i < len(list); i += 2 {
		n := c.number("SELECT COUNT(*) FROM audit") + 1
		c.edit(`INSERT INTO audit (id, created_at, actor, role, address, action, target, outcome, prev_hash, hash)
			VALUES (?, ?, 'ada@example.com', ?, '', ?, 'it', ?, x'', x'')`, n, db.Now().UnixMilli(), role, list[i], list[i+1])
	}
}
