package server

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"bursar/app/auth"
	"bursar/app/db"
	"bursar/app/support"
)

// addTicket opens a ticket on the desk and returns its path.
func (a *adminTest) addTicket(t support.Ticket) string {
	a.t.Helper()
	var id int64
	check(a.t, a.DB.Tx(a.t.Context(), func(q *db.Queries) (err error) {
		id, _, err = support.Open(a.t.Context(), q, t)
		return err
	}))
	return fmt.Sprintf("/admin/tickets/%d", id)
}

func TestTheTicketsPage(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	_, body := a.get(auth.Support, "/admin/tickets")
	shows(t, "empty", body, "Nothing is open", "New ticket")
	a.exec(`INSERT INTO customers (id, name, created_at, updated_at) VALUES (7, 'Ada', 1, 1)`)
	a.addTicket(support.Ticket{CustomerID: 7, Cause: "a", Queue: "billing", Priority: "normal", Subject: "The first"})
	a.addTicket(support.Ticket{Cause: "b", Queue: "product", Priority: "normal", Subject: "The second " + hostile})
	a.addTicket(support.Ticket{CustomerID: 7, Cause: "c", Queue: "billing", Priority: "urgent", Subject: "The urgent one"})
	closed := a.addTicket(support.Ticket{Cause: "d", Queue: "billing", Priority: "urgent", Subject: "The closed one"})
	a.submit(auth.Support, closed+"/close", nil)
	_, body = a.get(auth.Support, "/admin/tickets")
	shows(t, "open", body, "all queues (3)", "billing (2)", "product (1)", ">Ada</a>", "not known", "!The closed one", "!<script>alert", "!\u202e", "&lt;script&gt;")
	if urgent, first := strings.Index(body, "The urgent one"), strings.Index(body, "The first"); urgent > first {
		t.Error("the urgent ticket is not the first")
	}
	_, body = a.get(auth.Support, "/admin/tickets?queue=product")
	shows(t, "of a queue", body, "The second", "!The first")
	_, body = a.get(auth.Support, "/admin/tickets?status=closed")
	shows(t, "closed", body, "The closed one", "!The first")
	_, body = a.get(auth.Support, "/admin/tickets?customer=7")
	shows(t, "with a form for a customer", body, `<details class="panel" id="new" open>`, `name="customer" value="7"`)
}

func TestOpenTicketsComeInPages(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	a.exec(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 120)
		INSERT INTO tickets (cause, queue, priority, status, subject, created_at, updated_at)
		SELECT i, 'general', CASE WHEN i % 2 THEN 'normal' ELSE 'urgent' END, 'open', 'x', 1, 1 FROM n`)
	var ids []int64
	for cursor, n := "", 0; n < 3; n++ {
		list, next, err := openTickets(t.Context(), a.DB.Read(), "", 0, cursor)
		check(t, err)
		for _, row := range list {
			ids = append(ids, row.ID)
		}
		cursor = next
	}
	if len(ids) != 120 || ids[0] != 2 || ids[59] != 120 || ids[60] != 1 || ids[119] != 119 {
		t.Errorf("the tickets are %v", ids)
	}
}

func TestATicketIsOpenedByHand(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	a.exec(`INSERT INTO customers (id, name, created_at, updated_at) VALUES (7, 'Ada', 1, 1)`,
		`INSERT INTO stripe_customers (id, customer_id, name, email, deleted, source, as_of_at, confirmed_at, created_at) VALUES ('cus_1', 7, 'Ada', '', 0, 'api', 1, 1, 1)`,
		`INSERT INTO invoices VALUES ('in_1', 'cus_1', 7, '', '', '', '', 'paid', '', 4900, 4900, 'usd', 1, 0, '', '', 0, 1, 1)`)
	form := func(name, value string) url.Values {
		v := url.Values{"token": {"t1"}, "subject": {"Help"}, "queue": {"general"}, "priority": {"normal"}, "text": {"What I wrote"}, "customer": {"7"}}
		v.Set(name, value)
		return v
	}
	for _, row := range []struct{ name, field, value, says string }{
		{"no subject", "subject", " ", "Write a subject."},
		{"a subject of two lines", "subject", "a\nb", "one line"},
		{"a long subject", "subject", strings.Repeat("x", 300), "at most 255"},
		{"no text", "text", "", "Write something first."},
		{"a long text", "text", strings.Repeat("x", 20_001), "longer than 20000"},
		{"a text with a bell", "text", "a\a", "cannot be shown"},
		{"a queue that is none", "queue", "<script>", "Choose a queue."},
		{"a priority that is none", "priority", "high", "Choose a priority."},
		{"a customer who is not there", "customer", "8", "no customer with this number"},
		{"a customer that is no number", "customer", "Ada", "no customer with this number"},
		{"a token that is too long", "token", strings.Repeat("x", 300), "Open this page again"},
	} {
		status, body := a.post(auth.Support, "/admin/tickets", form(row.field, row.value))
		if status != 422 {
			t.Errorf("%s: %d", row.name, status)
		}
		shows(t, row.name, body, row.says, "What you wrote is still here", "!<script>")
		if row.field != "text" {
			shows(t, row.name, body, ">What I wrote</textarea>")
		}
	}
	body := a.submit(auth.Support, "/admin/tickets", form("queue", "product"))
	shows(t, "opened", body, "T-1 is open.", "What I wrote", "support@example.com", ">Ada</a>", "49.00 USD")
	shows(t, "pressed twice", a.submit(auth.Support, "/admin/tickets", form("queue", "product")), "T-1 was opened by the first press")
	if got, want := a.audits(10), []string{"support@example.com tickets.open T-1 done"}; !slices.Equal(got, want) {
		t.Errorf("the audit has %q", got)
	}
	if status, _ := a.post(auth.Support, "/admin/tickets", form("text", strings.Repeat("x", 70<<10))); status != 413 {
		t.Errorf("a form that is too large is %d", status)
	}
}

func TestNotesOnATicket(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	path := a.addTicket(support.Ticket{Cause: "x", Queue: "general", Priority: "normal", Subject: "Help", Author: "customer", Body: hostile})
	for range 2 { // the button is pressed twice
		body := a.submit(auth.Support, path+"/notes", url.Values{"token": {"n1"}, "text": {"A note\nof two lines"}})
		shows(t, "a note", body, "A note\nof two lines", "&lt;script&gt;", "!<script>alert", "Nobody Bursar knows")
		if strings.Count(body, "A note") != 1 {
			t.Errorf("the note is there %d times", strings.Count(body, "A note"))
		}
	}
	status, body := a.post(auth.Support, path+"/notes", url.Values{"text": {"bell\a"}})
	if status != 422 {
		t.Errorf("a note that cannot be shown is %d", status)
	}
	shows(t, "a note that cannot be shown", body, "What you wrote is still here", ">bell")
	if got, want := a.audits(10), []string{"support@example.com tickets.note T-1 done"}; !slices.Equal(got, want) {
		t.Errorf("the audit has %q", got)
	}
	for _, path := range []string{"/admin/tickets/9/notes", "/admin/tickets/x/notes", "/admin/tickets/9/close", "/admin/tickets/9/reopen"} {
		if status, body := a.post(auth.Support, path, url.Values{"text": {"x"}}); status != 404 {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, _ := a.get(auth.Support, "/admin/tickets/9"); status != 404 {
		t.Errorf("a ticket that is not there is %d", status)
	}
}

func TestATicketIsClosedAndOpenedAgain(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	about := support.Ticket{Cause: "payment_failed:in_1", Queue: "billing", Priority: "urgent", Subject: "Payment failed", Author: "bursar", Body: "b"}
	path := a.addTicket(about)
	_, body := a.get(auth.Support, path)
	shows(t, "open", body, "Bursar will not open it again for the same cause", "!Open again")
	body = a.submit(auth.Support, path+"/close", url.Values{"text": {"She paid by bank."}})
	shows(t, "closed", body, "T-1 is closed. Bursar will not open it again", "She paid by bank.", `action="`+path+`/reopen"`)
	shows(t, "closed by two", a.submit(auth.Owner, path+"/close", nil), "T-1 was closed already.", "!owner@example.com</strong>")

	// The cause comes up once more: what a person closed stays closed.
	_, err := a.Desk.Open(t.Context(), about)
	check(t, err)
	_, body = a.get(auth.Support, path)
	shows(t, "after Bursar wanted it again", body, "closed</span>")

	shows(t, "undone", a.submit(auth.Support, path+"/reopen", nil), "T-1 is open again.", "Opened again.")
	shows(t, "opened by two", a.submit(auth.Owner, path+"/reopen", nil), "T-1 is open already.")

	// The cause is gone: Bursar closes it and says so, although it was closed before.
	check(t, a.Desk.Close(t.Context(), about.Cause, "Recovered."))
	_, body = a.get(auth.Support, path)
	shows(t, "closed by Bursar", body, "closed</span>", "Recovered.")
	want := []string{"support@example.com tickets.reopen T-1 done", "support@example.com tickets.close T-1 done"}
	if got := a.audits(10); !slices.Equal(got, want) {
		t.Errorf("the audit has %q", got)
	}
}

// TestATicketIsMovedAndMovedBack changes queue, priority and person, and takes it back from the page.
func TestATicketIsMovedAndMovedBack(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	path := a.addTicket(support.Ticket{Cause: "a", Queue: "billing", Priority: "normal", Subject: "The first"})
	a.addTicket(support.Ticket{Cause: "b", Queue: "billing", Priority: "normal", Subject: "The second"})
	var me int64
	a.queryRow(`SELECT id FROM users WHERE email = 'support@example.com'`, &me)
	to := url.Values{"queue": {"product"}, "priority": {"urgent"}, "assigned_to": {fmt.Sprint(me)}}
	body := a.submit(auth.Support, path+"/move", to)
	shows(t, "moved", body, "queue billing → product, priority normal → urgent, assigned nobody → support@example.com", "Undo the last move")
	shows(t, "again", a.submit(auth.Support, path+"/move", to), "is there already")
	_, body = a.get(auth.Support, "/admin/tickets?mine=1")
	shows(t, "mine", body, "The first", "!The second", "support@example.com")
	_, body = a.get(auth.Owner, "/admin/tickets?mine=1")
	shows(t, "of somebody else", body, "!The first")
	_, body = a.get(auth.Owner, path)
	shows(t, "later", body, "Undo the last move")
	body = a.submit(auth.Owner, path+"/move?queue=billing&priority=normal&assigned_to=0", nil)
	shows(t, "taken back", body, "queue product → billing", "!Undo the last move")
	for name, form := range map[string]url.Values{
		"a queue that is none":    {"queue": {"x"}, "priority": {"normal"}, "assigned_to": {"0"}},
		"somebody who is not":     {"queue": {"billing"}, "priority": {"normal"}, "assigned_to": {"99"}},
		"a person that is a word": {"queue": {"billing"}, "priority": {"normal"}, "assigned_to": {"me"}},
	} {
		if status, _ := a.post(auth.Support, path+"/move", form); status != 400 {
			t.Errorf("%s: %d", name, status)
		}
	}
	var before, after string
	a.queryRow(`SELECT before, after FROM audit WHERE action = 'tickets.move' ORDER BY id LIMIT 1`, &before, &after)
	if before != "queue billing, priority normal, assigned to user 0" || after != fmt.Sprintf("queue product, priority urgent, assigned to user %d", me) {
		t.Errorf("the audit has %q and %q", before, after)
	}
}
