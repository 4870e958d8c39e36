package server

import (
	"database/sql"
	"fmt"
	"net/url"
	"testing"
	"time"

	"bursar/app/auth"
	"bursar/app/db"
)

// addFindings stores a proposal (1), a fixed contact that can be put back (2) and two that look alike (3).
func (a *adminTest) addFindings() {
	a.t.Helper()
	now := time.Now().UnixMilli()
	a.exec(fmt.Sprintf(`INSERT INTO customers (id, name, access, created_at, updated_at) VALUES (7, 'Ada', 'full', %d, %[1]d), (8, 'Ada K', 'none', %[1]d, %[1]d)`, now),
		fmt.Sprintf(`INSERT INTO runs (id, state, stripe_compared, started_at, finished_at) VALUES (1, 'complete', 1, %d, %[1]d)`, now),
		fmt.Sprintf(`INSERT INTO findings (id, run_id, kind, subject, customer_id, expected, actual, systems, cause, evidence, repair, job_kind, job_key, job_args, before, state, first_at, last_at) VALUES
			(1, 1, 'access_would_end', 'sub_1', 7, 'status canceled', 'status active', '{"stripe":{"text":"Team canceled","at":"2026-03-04T07:00:00Z"},"desk":{"text":"no open ticket","at":"2026-03-04T07:00:01Z"}}',
			 'never_delivered', 'Stripe made customer.subscription.deleted', 'person', 'sync_customer', 'cus_1', '{"StripeCustomer":"cus_1"}', '', 'open', %d, %[1]d),
			(2, 1, 'contact_differs', '7', 7, 'plan Team', 'plan gold', '', 'edited_there', '', 'job', 'sync_contact', '7', '{}', '{"Contact":{"CustomerID":7,"Plan":"gold"}}', 'fixed', %[1]d, %[1]d),
			(3, 1, 'duplicate_customers', '7+8', 7, 'one customer', 'customers 7 and 8', '', 'duplicate', 'For: the same mailbox', 'person', '', '', '', '', 'open', %[1]d, %[1]d)`, now))
}

// number is the answer to a query for one.
func (a *adminTest) number(query string) (n int) {
	a.t.Helper()
	raw, err := sql.Open("sqlite", "file:"+a.DB.Path()+"?mode=ro")
	check(a.t, err)
	defer raw.Close()
	check(a.t, raw.QueryRowContext(a.t.Context(), query).Scan(&n))
	return n
}

func TestAFinding(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	a.addFindings()
	_, body := a.get(auth.Finance, "/admin/findings/1")
	shows(t, "a proposal", body, "Stripe says the subscription is over", "Team canceled", "as of", "never delivered", "customer.subscription.deleted",
		"Repair it?", "cannot be taken back here", "Dismiss it instead", `href="/admin/customers/7"`)
	_, body = a.get(auth.Support, "/admin/findings/1")
	shows(t, "for support, who may not repair", body, "Waits for somebody", "!Dismiss", `!action="/admin/findings/1/repair"`)
	_, body = a.get(auth.Finance, "/admin/findings/2")
	shows(t, "a repair that can be put back", body, "Put it back?", "plan gold", "!Repair it?")
	_, body = a.get(auth.Finance, "/admin/findings/3")
	shows(t, "two customers", body, `href="/admin/customers/7"`, `href="/admin/customers/8"`, "join them if they are one", "!Repair it?")
	if status, _ := a.get(auth.Finance, "/admin/findings/9"); status != 404 {
		t.Errorf("a finding that is not there is %d", status)
	}
	_, body = a.get(auth.Finance, "/admin/customers/7")
	shows(t, "the customer", body, "Found by the comparison", `href="/admin/findings/1"`, "Decide")
}

func TestARepairIsAskedForOnce(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	a.addFindings()
	if status, _ := a.post(auth.Support, "/admin/findings/1/repair", nil); status != 403 {
		t.Errorf("support asks for a repair: %d", status)
	}
	for range 2 {
		if status, _ := a.post(auth.Finance, "/admin/findings/1/repair", url.Values{"reason": {"she left"}}); status != 303 {
			t.Errorf("asking for a repair: %d", status)
		}
	}
	if n := a.number("SELECT COUNT(*) FROM repairs WHERE reason = 'she left' AND before LIKE '%Team canceled%'"); n != 1 {
		t.Errorf("%d repairs", n)
	}
	if n := a.number("SELECT COUNT(*) FROM jobs WHERE kind = 'repair_finding'"); n != 1 {
		t.Errorf("%d jobs", n)
	}
	if n := a.number("SELECT COUNT(*) FROM audit WHERE action = 'findings.repair' AND target = 'finding 1' AND outcome = 'asked' AND reason = 'she left'"); n != 1 {
		t.Errorf("%d rows of the audit", n)
	}
	_, body := a.get(auth.Finance, "/admin/findings/1")
	shows(t, "under way", body, "being repaired", "!Repair it?")
}

func TestAFindingIsDismissedWithAReasonAndOpenedAgain(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	a.addFindings()
	state := func() string {
		f, err := a.DB.Read().FindingByID(t.Context(), 1)
		check(t, err)
		return f.State
	}
	a.post(auth.Finance, "/admin/findings/1/dismiss", url.Values{"reason": {" "}})
	if got := state(); got != "open" {
		t.Errorf("without a reason it is %s", got)
	}
	a.post(auth.Finance, "/admin/findings/1/dismiss", url.Values{"reason": {"a friend of the house"}})
	if got := state(); got != "dismissed" {
		t.Errorf("it is %s", got)
	}
	_, body := a.get(auth.Finance, "/admin/reports/1")
	shows(t, "the report", body, "Dismissed")
	a.post(auth.Finance, "/admin/findings/1/reopen", nil)
	if got := state(); got != "open" {
		t.Errorf("opened again it is %s", got)
	}
	a.post(auth.Finance, "/admin/findings/2/put-back", nil)
	if n := a.number(`SELECT COUNT(*) FROM jobs WHERE kind = 'sync_contact' AND args LIKE '%gold%'`); n != 1 {
		t.Errorf("%d jobs put the contact back", n)
	}
}

func TestTheLinkOfTheMailWorksOnce(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	a.addFindings()
	check(t, a.DB.Tx(t.Context(), func(q *db.Queries) error {
		return q.SetFindingLink(t.Context(), linkHash("TOKEN"), db.At(time.Now().Add(time.Hour)), 1)
	}))
	_, body := a.get(auth.Finance, "/admin/decide?token=TOKEN")
	shows(t, "the link", body, "Repair it?", `name="token" value="TOKEN"`)
	if status, _ := a.get(auth.Finance, "/admin/decide?token=OTHER"); status != 303 {
		t.Errorf("another token is %d", status)
	}
	a.post(auth.Finance, "/admin/findings/3/repair", url.Values{"token": {"TOKEN"}})
	if n := a.number("SELECT COUNT(*) FROM repairs"); n != 0 {
		t.Error("the link of one finding repaired another")
	}
	a.post(auth.Finance, "/admin/findings/1/repair", url.Values{"token": {"TOKEN"}})
	if n := a.number("SELECT COUNT(*) FROM repairs WHERE finding_id = 1"); n != 1 {
		t.Errorf("%d repairs", n)
	}
	if status, _ := a.get(auth.Finance, "/admin/decide?token=TOKEN"); status != 303 {
		t.Errorf("the used link is %d", status)
	}
}

// TestAFindingOfACustomerNamesThemOnce: the number says nothing beside the name.
func TestAFindingOfACustomerNamesThemOnce(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ subject, who, want string }{
		{"41", "/admin/customers/41", ""},
		{"41", "/admin/customers/4", "41"},
		{"41", "", "41"},
		{"sub_1", "/admin/customers/41", "sub_1"},
	} {
		d := findingPageData{Finding: db.Finding{Subject: row.subject}, Who: link{"Ada", row.who}}
		if got := d.About(); got != row.want {
			t.Errorf("%s of %s: %q, want %q", row.subject, row.who, got, row.want)
		}
	}
}
