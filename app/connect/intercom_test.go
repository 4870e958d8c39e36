package connect

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"bursar/app/crm"
	"bursar/app/db"
	"bursar/app/demo"
	"bursar/app/support"
)

// inIntercom is a workspace that Bursar writes to, with customers 1 to 200.
type inIntercom struct {
	live
	there *demo.Intercom
}

func newIntercom(t *testing.T, area string, options map[string]string) *inIntercom {
	t.Helper()
	there := demo.NewIntercom()
	v := intercom()
	for n, o := range v.Options {
		v.Options[n].Otherwise = options[o.Suffix]
	}
	l := &inIntercom{live: live{trial: newTrial(t, v, area, there)}, there: there}
	there.Lose(0)
	k := l.keeper()
	k.Policies, _ = crm.ParsePolicies("")
	var err error
	l.crm, err = NewCRM(t.Context(), k, "https://bursar.example.com")
	l.must(err)
	l.desk, err = NewDesk(t.Context(), k, "")
	l.must(err)
	return l
}

func TestIntercomContacts(t *testing.T) {
	t.Parallel()
	with := func(change func(c *crm.Contact)) crm.Contact {
		c := ada()
		change(&c)
		return c
	}
	for _, row := range []struct {
		name    string
		there   []map[string]string // before
		archive bool                // all of them
		save    []crm.Contact
		want    []string // "external id, role, e-mail, name, customer, their e-mail in Bursar", oldest first
	}{
		{"a new one is a user with our key", nil, false, []crm.Contact{ada()},
			[]string{"KEY1, user, ada@example.com, Ada Lovelace, KEY1, ada@example.com"}},
		{"a new one of the product's user has that one's id", nil, false, []crm.Contact{with(func(c *crm.Contact) { c.UserID = "u_1" })},
			[]string{"u_1, user, ada@example.com, Ada Lovelace, KEY1, ada@example.com"}},
		{"several users in the product are nobody's id", nil, false, []crm.Contact{with(func(c *crm.Contact) { c.UserID = "u_1, u_2" })},
			[]string{"KEY1, user, ada@example.com, Ada Lovelace, KEY1, ada@example.com"}},
		{"the product's user who is there is taken, and keeps id and name", []map[string]string{{"external_id": "u_1", "role": "user", "name": "Countess"}}, false,
			[]crm.Contact{with(func(c *crm.Contact) { c.UserID = "u_1" })}, []string{"u_1, user, ada@example.com, Countess, KEY1, ada@example.com"}},
		{"the one with the address is taken", []map[string]string{{"external_id": "u_7", "role": "user", "email": "Ada@example.com"}}, false,
			[]crm.Contact{ada()}, []string{"u_7, user, Ada@example.com, Ada Lovelace, KEY1, "}},
		{"a lead is taken when there is no user", []map[string]string{{"role": "lead", "email": "ada@example.com"}}, false,
			[]crm.Contact{ada()}, []string{", lead, ada@example.com, Ada Lovelace, KEY1, "}},
		{"a user before a lead", []map[string]string{{"role": "lead", "email": "ada@example.com"}, {"role": "user", "email": "ada@example.com"}}, false,
			[]crm.Contact{ada()}, []string{", lead, ada@example.com, , , ", ", user, ada@example.com, Ada Lovelace, KEY1, "}},
		{"an archived one comes back", []map[string]string{{"external_id": "u_1", "role": "user"}}, true,
			[]crm.Contact{with(func(c *crm.Contact) { c.UserID = "u_1" })}, []string{"u_1, user, ada@example.com, Ada Lovelace, KEY1, ada@example.com"}},
		{"a second customer with the address goes without", nil, false, []crm.Contact{ada(), with(func(c *crm.Contact) { c.CustomerID = 2 })},
			[]string{"KEY1, user, ada@example.com, Ada Lovelace, KEY1, ada@example.com", "KEY2, user, , Ada Lovelace, KEY2, ada@example.com"}},
		{"a second customer with the product's user goes by our key", nil, false,
			[]crm.Contact{with(func(c *crm.Contact) { c.UserID = "u_1" }), with(func(c *crm.Contact) { c.CustomerID, c.UserID, c.Email = 2, "u_1", "b@example.com" })},
			[]string{"u_1, user, ada@example.com, Ada Lovelace, KEY1, ada@example.com", "KEY2, user, b@example.com, Ada Lovelace, KEY2, b@example.com"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			l := newIntercom(t, AreaCRM, nil)
			for _, one := range row.there {
				if id := l.there.Add("contacts", one); row.archive {
					l.there.Delete("contacts", id)
				}
			}
			for _, c := range row.save {
				l.must(l.save(c))
				l.must(l.save(c)) // and nothing more
			}
			var got []string
			for _, r := range l.there.Records("contacts") {
				if r["bursar_plan"] != "Team" && r["bursar_customer_id"] != "" {
					t.Errorf("it says %v", r)
				}
				text := strings.Join([]string{r["external_id"], r["role"], r["email"], r["name"], r["bursar_customer_id"], r["bursar_email"]}, ", ")
				got = append(got, strings.NewReplacer(l.crm.key(1), "KEY1", l.crm.key(2), "KEY2").Replace(text))
			}
			if strings.Join(got, "\n") != strings.Join(row.want, "\n") {
				t.Errorf("there are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(row.want, "\n"))
			}
		})
	}
}

func TestIntercomSays(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		do   func(l *inIntercom)
		want string
		wait bool // as long as it asked for
	}{
		{"the token is bad", func(l *inIntercom) { l.there.Revoke(true) }, `401: the token is not valid; the app needs the permission "Read and list users and companies"`, false},
		{"a permission is missing", func(l *inIntercom) { l.there.Scopes["Write users and companies"] = true },
			`403: The action is not authorized; the app needs the permission "Write users and companies" for this`, false},
		{"too many requests", func(l *inIntercom) {
			l.there.Fail(demo.APIFault{Method: "POST", Path: "/contacts", Kind: demo.RateLimited, RetryAfter: time.Minute})
		}, "429: too many requests", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			l := newIntercom(t, AreaCRM, nil)
			l.must(l.crm.prepare(t.Context()))
			row.do(l)
			err := l.save(ada())
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("error %v, want %s", err, row.want)
			}
			var call *CallError
			if errors.As(err, &call); row.wait && (call.After < 55*time.Second || call.After > time.Minute) {
				t.Errorf("it waits %s", call.After)
			}
			if len(l.there.Records("contacts")) != 0 {
				t.Error("something was written")
			}
		})
	}
}

func TestIntercomMustHave(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, area string
		options    map[string]string
		do         func(i *demo.Intercom)
		want       string
	}{
		{"attributes of people", AreaCRM, nil, func(i *demo.Intercom) { i.Scopes["Write data attributes"] = true },
			`create the attribute bursar_customer_id of people (format string); Bursar does it with the permission Write data attributes, or do it by hand`},
		{"the type of tickets", AreaDesk, nil, func(i *demo.Intercom) { i.Scopes["Write tickets"] = true },
			`create the back-office ticket type Bursar; Bursar does it with the permission Write tickets, or do it by hand, in Settings, Tickets, with the text attributes bursar_cause, bursar_queue, bursar_priority, bursar_tags`},
		{"a type that is not there", AreaDesk, map[string]string{"TICKET_TYPE": "4711"}, func(*demo.Intercom) {}, "INTERCOM_TICKET_TYPE: Intercom has no ticket type 4711"},
		{"a queue that is none", AreaDesk, map[string]string{"TICKET_TEAMS": "bills=12"}, func(*demo.Intercom) {}, `INTERCOM_TICKET_TEAMS: "bills" is not one of the queues billing,`},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			there := demo.NewIntercom()
			row.do(there)
			err := remoteOf(t, there, row.area, row.options).Check(t.Context(), true)
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("error %v, want %s", err, row.want)
			}
			before := len(there.Requests())
			if err := remoteOf(t, there, row.area, nil).Check(t.Context(), false); err != nil {
				t.Errorf("only asked: %v", err)
			}
			for _, r := range there.Requests()[before:] {
				if r.Method != "GET" {
					t.Errorf("only asked, it sent %s %s", r.Method, r.Path)
				}
			}
		})
	}
}

// remoteOf is Intercom's API as a vendor file calls it.
func remoteOf(t *testing.T, there *demo.Intercom, area string, options map[string]string) Remote {
	t.Helper()
	web := httptest.NewServer(there)
	t.Cleanup(web.Close)
	all := map[string]string{AreaOption: area}
	for name, value := range options {
		all[name] = value
	}
	return intercom().Open(&Client{Label: "Intercom", Base: web.URL, HTTP: web.Client(), Limit: rate.NewLimiter(rate.Inf, 1),
		Header: http.Header{"Authorization": {"Bearer token"}}}, all)
}

func TestIntercomTicketsComeBack(t *testing.T) {
	t.Parallel()
	l := newIntercom(t, AreaDesk, map[string]string{"TICKET_TEAMS": "product=99,billing=12"})
	push := func() { l.t.Helper(); l.must(l.desk.Push(t.Context(), "c1")) }
	_, err := l.desk.Open(t.Context(), support.Ticket{CustomerID: 1, Cause: "c1", Queue: support.Billing, Priority: support.Urgent,
		Subject: "Payment failed", Author: "bursar", Body: "A payment failed."})
	l.must(err)
	push()
	l.must(l.desk.Pull(t.Context()))
	ticket := l.there.Records("tickets")[0]
	url := "https://app.intercom.com/a/inbox/demo1234/inbox/conversation/" + ticket["id"]
	if got, want := l.stands("c1"), "open, Submitted, Billing team, "+url; got != want || ticket["_default_title_"] != "Payment failed" || ticket["bursar_priority"] != "urgent" {
		t.Errorf("it is %q, want %q, and there %v", got, want, ticket)
	}
	if who := l.there.Records("contacts"); len(who) != 1 || who[0]["email"] != "ada0@example.com" || who[0]["id"] != ticket["contact"] {
		t.Errorf("it is the ticket of %v", who)
	}
	l.there.Edit("tickets", ticket["id"], map[string]string{"_default_title_": "A teammate's words", "admin": "77"})
	l.must(l.desk.Pull(t.Context()))
	if got, want := l.stands("c1"), "open, Submitted, sam@example.com, "+url; got != want {
		t.Errorf("assigned, it is %q, want %q", got, want)
	}
	l.there.Resolve(ticket["id"], "77", true)
	l.must(l.desk.PullTicket(t.Context(), ticket["id"]))
	if got := l.stands("c1"); !strings.HasPrefix(got, "closed, Resolved, sam@example.com") {
		t.Errorf("resolved there, it is %q", got)
	}
	l.there.Resolve(ticket["id"], "77", false)
	push()
	if got := l.stands("c1"); !strings.HasPrefix(got, "open, Submitted") {
		t.Errorf("opened again there, it is %q", got)
	}
	l.there.Edit("tickets", ticket["id"], map[string]string{"open": "false"})
	l.must(l.desk.Pull(t.Context()))
	if got := l.stands("c1"); !strings.HasPrefix(got, "closed, Submitted, closed") {
		t.Errorf("closed as it was, it is %q", got)
	}
	l.there.Resolve(ticket["id"], "77", false)
	l.must(l.desk.Pull(t.Context()))
	l.must(l.desk.Close(t.Context(), "c1", "It was paid."))
	push()
	if got := l.there.Records("tickets")[0]; !strings.HasPrefix(l.stands("c1"), "closed, Resolved") || got["open"] != "false" || got["_default_title_"] != "A teammate's words" {
		t.Errorf("healed, it is %q here and %v there", l.stands("c1"), got)
	}
}

// TestIntercomTicketWaitsForContact has Intercom as both: a ticket that came first would make a second contact.
func TestIntercomTicketWaitsForContact(t *testing.T) {
	t.Parallel()
	l := newIntercom(t, AreaDesk, nil)
	tr := *l.trial
	tr.area, tr.system = AreaCRM, "crm:intercom"
	k := tr.keeper()
	l.must(l.d.Tx(t.Context(), func(q *db.Queries) error {
		_, err := q.SetConnectorMode(t.Context(), Live, db.Now(), k.System)
		return err
	}))
	contacts, err := NewCRM(t.Context(), k, "https://bursar.example.com")
	l.must(err)
	desk, err := NewDesk(t.Context(), l.desk.Keeper, k.System)
	l.must(err)
	_, err = desk.Open(t.Context(), support.Ticket{CustomerID: 1, Cause: "c1", Queue: support.Billing, Priority: support.Urgent, Subject: "Payment failed", Author: "bursar", Body: "A payment failed."})
	l.must(err)
	if err := desk.Push(t.Context(), "c1"); err == nil || !strings.Contains(err.Error(), "the contact of customer 1 is not in Intercom yet") {
		t.Fatalf("it does not wait: %v", err)
	}
	c := ada()
	c.Email = "ada0@example.com"
	_, err = contacts.SaveContact(t.Context(), c)
	l.must(err)
	l.must(desk.Push(t.Context(), "c1"))
	if who := l.there.Records("contacts"); len(who) != 1 || who[0]["id"] != l.there.Records("tickets")[0]["contact"] {
		t.Errorf("contacts %v, tickets %v", who, l.there.Records("tickets"))
	}
}

// TestIntercomListLags creates what the search does not show yet: it is not missing.
func TestIntercomListLags(t *testing.T) {
	t.Parallel()
	l := newIntercom(t, AreaDesk, nil)
	l.there.Lag = time.Hour
	_, err := l.desk.Open(t.Context(), support.Ticket{CustomerID: 1, Cause: "c1", Queue: support.Billing, Priority: support.Urgent, Subject: "Payment failed", Author: "bursar", Body: "A payment failed."})
	l.must(err)
	l.must(l.desk.Push(t.Context(), "c1"))
	list := func() (causes []string) {
		for status, err := range l.desk.Tickets(t.Context()) {
			l.must(err)
			causes = append(causes, fmt.Sprint(status.Cause, " ", status.Open))
		}
		return causes
	}
	if got := fmt.Sprint(list()); got != "[c1 true]" {
		t.Errorf("it lists %s", got)
	}
	l.there.Delete("tickets", l.there.Records("tickets")[0]["id"])
	if got := list(); len(got) != 0 {
		t.Errorf("deleted there, it lists %s", got)
	}
}

func TestIntercomWebhook(t *testing.T) {
	t.Parallel()
	now := time.Now()
	verify := func(topic, secret, tail string) ([]string, error) {
		r, err := demo.NewIntercom().Webhook("https://bursar.example.com/api/webhooks/intercom", topic, "123", now)
		if err != nil {
			t.Fatal(err)
		}
		body := make([]byte, r.ContentLength)
		if _, err := r.Body.Read(body); err != nil {
			t.Fatal(err)
		}
		return verifyIntercom(Webhook{Header: r.Header, Body: append(body, tail...), Secret: secret, Now: now})
	}
	if ids, err := verify("ticket.state.updated", "intercom-secret", ""); err != nil || len(ids) != 1 || ids[0] != "123" {
		t.Errorf("a good one: %v, %v", ids, err)
	}
	if ids, err := verify("ping", "intercom-secret", ""); err != nil || len(ids) != 0 {
		t.Errorf("a ping: %v, %v", ids, err)
	}
	for name, row := range map[string][2]string{"another secret": {"other", ""}, "another body": {"intercom-secret", " "}} {
		if _, err := verify("ticket.state.updated", row[0], row[1]); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestIntercomRequests compares what is sent with what was recorded, request for request. With -update it is recorded
// anew; read the difference before you keep it.
func TestIntercomRequests(t *testing.T) {
	t.Parallel()
	l := newIntercom(t, AreaCRM, nil)
	c := ada()
	c.UserID, c.LastPaidAt, c.MRR = "u_1", time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), "49"
	l.must(l.save(c))
	c.Plan, c.LastPaidAt, c.MRR = "Starter", time.Time{}, ""
	l.must(l.save(c))
	l.must(l.crm.AddTask(t.Context(), crm.Task{CustomerID: 1, Cause: "payment_failed:in_1", Title: "Call <Ada>"}))
	l.must(l.crm.FinishTask(t.Context(), "payment_failed:in_1"))
	l.must(l.crm.AddNote(t.Context(), crm.Note{CustomerID: 1, Cause: "canceled:sub_1", Text: "Left"}))
	for _, err := range l.crm.Contacts(t.Context()) {
		l.must(err)
	}
	var text strings.Builder
	record(&text, "as CRM", l)

	l = newIntercom(t, AreaDesk, map[string]string{"TICKET_TEAMS": "12", "TICKET_ADMIN": "77"})
	_, err := l.desk.Open(t.Context(), support.Ticket{CustomerID: 1, Cause: "payment_failed:in_1", Queue: support.Billing, Priority: support.Urgent,
		Subject: "Payment failed", Author: "bursar", Body: "A payment\nfailed."})
	l.must(err)
	_, err = l.desk.Open(t.Context(), support.Ticket{Cause: "guest:evt_1", Queue: support.General, Priority: support.Normal, Subject: "Who is it?", Author: "bursar", Body: "Somebody paid."})
	l.must(err)
	l.must(l.desk.Push(t.Context(), "payment_failed:in_1"))
	l.must(l.desk.Close(t.Context(), "payment_failed:in_1", "It was paid."))
	l.must(l.desk.Push(t.Context(), "payment_failed:in_1"))
	l.must(l.desk.Push(t.Context(), "guest:evt_1"))
	for _, err := range l.desk.Tickets(t.Context()) {
		l.must(err)
	}
	record(&text, "as desk", l)

	const golden = "testdata/intercom.txt"
	if *update {
		l.must(os.WriteFile(golden, []byte(text.String()), 0o644))
	}
	want, err := os.ReadFile(golden)
	l.must(err)
	if text.String() != string(want) {
		t.Errorf("what is sent differs from %s; it is now\n%s", golden, text.String())
	}
}

// record writes down what was asked, with the version of the API and without what differs from run to run.
func record(text *strings.Builder, title string, l *inIntercom) {
	fmt.Fprintf(text, "# %s\n", title)
	for _, r := range l.there.Requests() {
		line := fmt.Sprintf("%s %s %s", r.Header.Get("Intercom-Version"), r.Method, r.Path)
		if r.Body != "" {
			line += "\n\t" + r.Body
		}
		line = strings.ReplaceAll(line, l.crm.key(1), "KEY1")
		messages, _, _ := strings.Cut(line, "[bursar:payment_failed:in_1/closed:")
		if messages != line {
			line = messages + `[bursar:payment_failed:in_1/closed:TIME]\u003c/p\u003e","message_type":"note","type":"admin"}`
		}
		text.WriteString(line + "\n")
	}
}

// TestIntercomTaskObserved goes live after a task was only observed: the job that writes it is queued.
func TestIntercomTaskObserved(t *testing.T) {
	t.Parallel()
	l := newIntercom(t, AreaCRM, nil)
	mode := func(mode string) {
		l.must(l.d.Tx(t.Context(), func(q *db.Queries) error {
			_, err := q.SetConnectorMode(t.Context(), mode, db.Now(), l.system)
			return err
		}))
	}
	mode(Observe)
	l.must(l.save(ada()))
	l.must(l.crm.AddTask(t.Context(), crm.Task{CustomerID: 1, Cause: "payment_failed:in_1", Title: "Call"}))
	if n := len(l.there.Records("contacts")) + len(l.there.Records("notes")); n != 0 {
		t.Fatalf("%d records were written", n)
	}
	mode(Live)
	l.must(l.crm.catchUp(t.Context()))
	if _, err := l.d.Read().JobByKindAndKey(t.Context(), crm.SyncTask{}.Kind(), "payment_failed:in_1"); err != nil {
		t.Errorf("the task is not queued: %v", err)
	}
}
