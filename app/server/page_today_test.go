package server

import (
	"fmt"
	"html"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"bursar/app/auth"
	"bursar/app/demo"
)

// execNow is exec with @now for the present time in milliseconds.
func (a *adminTest) execNow(statements ...string) {
	a.t.Helper()
	for _, text := range statements {
		a.exec(strings.ReplaceAll(text, "@now", strconv.FormatInt(time.Now().UnixMilli(), 10)))
	}
}

// stripe is an account whose events come to this server.
func (a *adminTest) stripe() *demo.Stripe {
	s := demo.NewStripe(1, time.Now().Add(-48*time.Hour))
	s.Endpoint(a.url+webhookPath, secret)
	return s
}

// settle delivers what Stripe has to say and works off what follows.
func (a *adminTest) settle(s *demo.Stripe) {
	a.t.Helper()
	check(a.t, s.Deliver(a.t.Context()))
	check(a.t, a.worker.WorkOff(a.t.Context()))
}

// buy lets somebody buy, and gives what they bought and which customer they are.
func (a *adminTest) buy(s *demo.Stripe, o demo.BuyOptions) (demo.Purchase, int64) {
	a.t.Helper()
	bought, err := s.Buy(o)
	check(a.t, err)
	a.settle(s)
	id, err := a.DB.Read().LinkOf(a.t.Context(), "stripe", bought.Customer)
	check(a.t, err)
	return bought, id
}

// open opens a page that must be there and gives its text as people read it.
func (a *adminTest) open(role auth.Role, path string) (text, body string) {
	a.t.Helper()
	status, body := a.get(role, path)
	if status != 200 {
		a.t.Fatalf("GET %s: %d %s", path, status, body)
	}
	return words(body), body
}

var tags = regexp.MustCompile(`<[^>]*>`)

// words is a page without its tags.
func words(body string) string {
	return strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(body, " "))), " ")
}

func TestTodayOfAnEmptyFile(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	text, _ := a.open(auth.Support, "/admin")
	shows(t, "the page", text, "Nothing needs you.", "Nothing has arrived yet", "Last Stripe event none yet", "Queue empty", "no purchases in 7 days")
}

func TestTodayShowsWhatNeedsAPerson(t *testing.T) {
	t.Parallel()
	const ada = `INSERT INTO customers (id, name, email, access, access_reason, created_at, updated_at) VALUES (1, 'Ada', 'ada@example.com', 'pending', 'paid, and waiting for the subscription', @now, @now);`
	const run = `INSERT INTO runs (id, state, stripe_compared, customers, started_at, finished_at) VALUES (1, 'complete', 1, 42, @now - 9000, @now - 8000);`
	finding := func(kind, subject string) string {
		return fmt.Sprintf(`INSERT INTO findings (run_id, kind, subject, customer_id, expected, actual, repair, job_kind, job_key, state, first_at, last_at)
			VALUES (1, '%s', '%s', 1, 'plan Team', 'plan Starter', 'job', 'sync_contact', '1', 'open', @now - 8500, @now - 8500);`, kind, subject)
	}
	const job = `INSERT INTO jobs (kind, key, args, state, attempt, max_attempts, errors, created_at, scheduled_at, attempted_at, finalized_at) VALUES `
	const gaveUp = job + `('sync_contact', '1', '{}', 'discarded', 15, 15, '[{"at":"2026-01-01T00:00:00Z","attempt":15,"error":"the CRM said no"}]', @now - 9000, @now - 9000, @now - 9000, @now - 8600);`
	for _, row := range []struct {
		name, sql string
		role      auth.Role
		want      []string // "!" begins what must not be there
		action    string   // where a button posts
	}{
		{"Stripe refuses the key", run + `INSERT INTO circuits VALUES ('stripe', 1, 'read customer cus_1 from Stripe: Stripe refuses the API key: expired', @now - 600000, @now + 600000)`, auth.Owner,
			[]string{"42 customers checked: 1 thing needs you.", "Stripe refuses the API key", "10 minutes ago", "Settings"}, ""},
		{"the CRM does not answer", `INSERT INTO circuits VALUES ('crm', 5, 'status 503', @now - 600000, @now + 600000)`, auth.Support,
			[]string{"One thing needs you.", "The CRM does not answer", "Status 503", "See what waits"}, ""},
		{"a circuit that is due to be tried again", `INSERT INTO circuits VALUES ('crm', 5, 'status 503', @now - 600000, @now - 1)`, auth.Support,
			[]string{"Nothing needs you.", "!does not answer"}, ""},
		{"a purchase without access", ada + `INSERT INTO checkouts VALUES ('cs_1', 'cus_1', 1, '', 'subscription', 'complete', 'paid', 0, '', 4900, 'usd', @now - 180000, 0, @now - 180000)`, auth.Support,
			[]string{"One thing needs you.", "Paid, and without access", "Ada", "49.00 USD were paid: paid, and waiting for the subscription."}, "/admin/customers/1/sync"},
		{"a purchase of a minute ago", ada + `INSERT INTO checkouts VALUES ('cs_1', 'cus_1', 1, '', 'subscription', 'complete', 'paid', 0, '', 4900, 'usd', @now - 60000, 0, @now - 60000)`, auth.Support,
			[]string{"Nothing needs you.", "!Paid, and"}, ""},
		{"an urgent ticket", ada + `INSERT INTO tickets (customer_id, cause, queue, priority, status, subject, created_at, updated_at) VALUES (1, 'dispute:dp_1', 'billing', 'urgent', 'open', 'Payment disputed: Ada', @now, @now)`, auth.Support,
			[]string{"One thing needs you.", "Payment disputed Ada", "Urgent ticket in billing.", "Open the ticket"}, ""},
		{"tickets that can wait", ada + `INSERT INTO tickets (customer_id, cause, queue, priority, status, subject, created_at, updated_at)
			VALUES (1, 'page:1', 'general', 'normal', 'open', 'A question', @now, @now), (1, 'dispute:dp_1', 'billing', 'urgent', 'closed', 'Payment disputed: Ada', @now, @now)`, auth.Support,
			[]string{"Nothing needs you.", "!A question", "!disputed"}, ""},
		{"a job that gave up, to finance", ada + run + gaveUp, auth.Finance, []string{"42 customers checked: 1 job gave up.", "Gave up: Update the contact", "Ada", "The CRM said no", "Try again"}, "/admin/jobs/selected/retry"},
		{"a job that gave up, to support", ada + gaveUp, auth.Support, []string{"Gave up: Update the contact", "See the job", "!Try again"}, ""},
		{"many jobs that gave up", job + `('sync_contact', '1', '{}', 'discarded', 15, 15, '[]', @now, @now, @now, @now), ('sync_contact', '2', '{}', 'discarded', 15, 15, '[]', @now, @now, @now, @now),
			('sync_contact', '3', '{}', 'discarded', 15, 15, '[]', @now, @now, @now, @now), ('sync_contact', '4', '{}', 'discarded', 15, 15, '[]', @now, @now, @now, @now)`, auth.Owner,
			[]string{"4 things need you.", "Gave up 4 times: Update the contact", "Open the jobs"}, ""},
		{"a difference", ada + run + finding("contact_differs", "1"), auth.Support,
			[]string{"42 customers checked: 1 thing needs you.", "The contact in the CRM differs", "Expected plan Team, found plan Starter.", "Decide"}, ""},
		{"a difference that a job is about to mend", ada + run + finding("contact_differs", "1") + job + `('sync_contact', '1', '{}', 'available', 0, 15, '[]', @now, @now, 0, 0)`, auth.Support,
			[]string{"All 42 customers agree everywhere.", "!differs"}, ""},
		{"a difference that a job has mended", ada + run + finding("contact_differs", "1") + job + `('sync_contact', '1', '{}', 'completed', 1, 15, '[]', @now, @now, @now, @now)`, auth.Support,
			[]string{"All 42 customers agree everywhere.", "!differs"}, ""},
		{"many differences of a kind", ada + run + finding("contact_differs", "1") + finding("contact_differs", "2") + finding("contact_differs", "3") + finding("contact_differs", "4"), auth.Support,
			[]string{"42 customers checked: 4 things need you.", "4 times: the contact in the CRM differs"}, ""},
		{"a difference of which Today counts itself", ada + run + finding("events_ignored", "x"), auth.Support, []string{"All 42 customers agree everywhere."}, ""},
		{"a check that could not read everything", `INSERT INTO runs (id, state, customers, error, started_at, finished_at) VALUES (1, 'incomplete', 42, 'Stripe cannot be reached', @now - 9000, @now - 8000)`, auth.Support,
			[]string{"Not everything could be read: Stripe cannot be reached; nothing is called missing."}, ""},
		{"events of the wrong mode", `INSERT INTO events (id, type, livemode, source, ignored, created_at, received_at, payload)
			VALUES ('evt_1', 'invoice.paid', 1, 'webhook', 'it is of live mode and this file holds test mode', @now, @now, X'7b7d')`, auth.Support,
			[]string{"An event was ignored in 24 hours", "It is of live mode and this file holds test mode."}, ""},
		{"a report", run + `INSERT INTO mails (key, recipients, subject, text, html, state, created_at) VALUES ('report:run:1', '', 'Bursar 2026-01-01: All agree', '', '', 'kept', @now)`, auth.Support,
			[]string{"The last report Bursar 2026-01-01: All agree"}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			a := newAdmin(t)
			a.execNow(row.sql)
			text, body := a.open(row.role, "/admin")
			shows(t, "the page", text, row.want...)
			if row.action != "" {
				shows(t, "the page", body, `<form method="post" action="`+row.action+`">`)
			}
		})
	}
}

func TestTodayShowsTwelveThingsAtMost(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	a.execNow(`INSERT INTO runs (id, state, started_at) VALUES (1, 'complete', @now)`)
	for _, kind := range []string{"contact_differs", "contact_missing", "ticket_missing", "record_stale", "unknown_price"} {
		for i := range 3 {
			a.execNow(fmt.Sprintf(`INSERT INTO findings (run_id, kind, subject, expected, actual, repair, state, first_at, last_at)
				VALUES (1, '%s', '%d', 'a', 'b', 'person', 'open', @now, @now)`, kind, i))
		}
	}
	text, body := a.open(auth.Support, "/admin")
	if n := strings.Count(body, "<article"); n != 12 {
		t.Errorf("there are %d cards", n)
	}
	shows(t, "the page", text, "15 things need you", "and 3 more")
}

func TestTodayCountsActivations(t *testing.T) {
	t.Parallel()
	const checkout = `INSERT INTO checkouts VALUES ('cs_%d', 'cus_1', 1, '', 'subscription', 'complete', 'paid', 0, 'sub_1', 4900, 'usd',
		@now - %[2]d * 3600000, @now - %[2]d * 3600000 + %[3]d, @now)`
	for _, row := range []struct {
		name string
		took []int // milliseconds, one purchase every hour, oldest first
		want []string
	}{
		{"no purchase", nil, []string{"Paid to active –", "Days without a missed activation 10 none since Bursar was installed"}},
		{"quick ones", []int{1000, 2000, 3000}, []string{"Paid to active 3.0 s 95 % of 3 purchases", "missed activation 10 none since"}},
		{"one that took too long", []int{1000, 121_000, 2000}, []string{"Paid to active 2 min", "missed activation 0 the last one 2 hours ago"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			a := newAdmin(t)
			a.execNow(`INSERT INTO meta SELECT 'installed_at', CAST(@now - 10 * 86400000 AS TEXT);
				INSERT INTO customers (id, created_at, updated_at) VALUES (1, @now, @now)`)
			for i, ms := range row.took {
				a.execNow(fmt.Sprintf(checkout, i, len(row.took)-i, ms))
			}
			text, _ := a.open(auth.Support, "/admin")
			shows(t, "the page", text, row.want...)
		})
	}
}

func TestTodayOfALivingCompany(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	s := a.stripe()
	bought, _ := a.buy(s, demo.BuyOptions{Email: "ada@example.com", Name: `Ada <script>alert(1)</script>{{.}}`, Price: "team"})
	s.Advance(time.Hour)
	_, err := s.FailPayment(bought.Subscription)
	check(t, err)
	a.settle(s)
	text, body := a.open(auth.Owner, "/admin")
	shows(t, "the page", text, "Payment failed Ada <script>alert(1)</script>{{.}}", "Customers 1 0 full , 1 grace , 0 pending , 0 none", "Last Stripe event just now")
	shows(t, "the page", body, "!<script>alert")
}

func TestFiguresAreKeptForAsLongAsTheyAreDear(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	a.figures.last, a.figures.until = figures{Customers: 1234}, time.Now().Add(time.Minute)
	f, err := a.figures.get(t.Context(), a.DB.Read())
	check(t, err)
	if f.Customers != 1234 {
		t.Errorf("figures that are good for another minute were counted again: %+v", f)
	}
	a.figures.until = time.Now()
	if f, err = a.figures.get(t.Context(), a.DB.Read()); err != nil || f.Customers != 0 {
		t.Errorf("figures that are too old: %+v, %v", f, err)
	}
	if patience := time.Until(a.figures.until); patience <= 0 || patience > time.Minute {
		t.Errorf("counting an empty file is good for %s", patience)
	}
}
