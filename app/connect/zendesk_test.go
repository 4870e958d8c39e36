package connect

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"bursar/app/crm"
	"bursar/app/db"
	"bursar/app/demo"
	"bursar/app/queue"
	"bursar/app/support"
)

var update = flag.Bool("update", false, "write the golden files in testdata")

// inside calls a handler without a network, so that the time of a test may be its own.
type inside struct{ http.Handler }

func (i inside) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	r.RequestURI = r.URL.RequestURI()
	if r.Body == nil {
		r.Body = http.NoBody
	}
	i.ServeHTTP(w, r)
	return w.Result(), nil
}

// zendeskAt is the API of a simulated Zendesk.
func zendeskAt(there http.Handler, options map[string]string) Remote {
	c := &Client{Label: "Zendesk", Base: "https://example.zendesk.com", HTTP: &http.Client{Transport: inside{there}}, Limit: rate.NewLimiter(rate.Inf, 1),
		Header: http.Header{"Authorization": {zendeskAuthorize("token", options)}}}
	return zendesk().Open(c, options)
}

func failedPayment(cause string) Record {
	return Record{Kind: Ticket, Key: cause, Person: Person{CustomerID: 1, Key: "1", Name: "Ada", Email: "ada@example.com"}, Fields: crm.Fields{
		Subject: "Payment failed", Body: "A payment failed.", Author: "bursar", Queue: support.Billing, Priority: support.Urgent, Tags: "bursar,billing", State: Open}}
}

// TestZendeskRequests holds what is sent against a recording: to see what a change of the adapter changes there, read its diff.
func TestZendeskRequests(t *testing.T) {
	t.Parallel()
	there := demo.NewZendesk()
	z := zendeskAt(there, map[string]string{"EMAIL": "owner@example.com", "GROUPS": "billing=501"})
	ctx, r := t.Context(), failedPayment("payment_failed:in_1")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(z.Check(ctx, true))
	_, err := z.Find(ctx, r)
	must(err)
	id, err := z.Create(ctx, r)
	must(err)
	note := Record{Kind: Message, Key: "payment_failed:in_1/note:1", Parent: id, Fields: crm.Fields{Author: "sam@example.com", Body: "Called."}}
	_, err = z.Find(ctx, note)
	must(err)
	_, err = z.Create(ctx, note)
	must(err)
	must(z.Update(ctx, id, Record{Kind: Ticket, Key: r.Key, Fields: crm.Fields{State: Closed}}))
	must(z.Update(ctx, id, Record{Kind: Ticket, Key: r.Key, Fields: crm.Fields{State: Open}}))
	_, err = z.Read(ctx, Ticket, id)
	must(err)
	r.Key, r.Person = "contact:1", Person{CustomerID: 2, Key: "2"}
	_, err = z.Create(ctx, r)
	must(err)
	for _, err := range z.List(ctx, Ticket, time.Time{}) {
		must(err)
	}
	var said bytes.Buffer
	for _, a := range there.Requests() {
		fmt.Fprintf(&said, "%s %s\n", a.Method, a.Path)
		if key := a.Header.Get("Idempotency-Key"); key != "" {
			fmt.Fprintf(&said, "Idempotency-Key: %s\n", key)
		}
		if a.Body != "" {
			fmt.Fprintf(&said, "%s\n", a.Body)
		}
		said.WriteString("\n")
		if got := a.Header.Get("Authorization"); got != "Basic b3duZXJAZXhhbXBsZS5jb20vdG9rZW46dG9rZW4=" {
			t.Errorf("it is signed in as %q", got)
		}
	}
	const golden = "testdata/zendesk.txt"
	if *update {
		must(os.WriteFile(golden, said.Bytes(), 0o644))
	}
	want, err := os.ReadFile(golden)
	must(err)
	if !bytes.Equal(want, said.Bytes()) {
		t.Errorf("the requests are not those of %s; with -update they are written there:\n%s", golden, said.String())
	}
}

func TestZendeskCreatesOnce(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		lag    time.Duration
		wait   time.Duration
		change func(*Record)
		find   bool // before the second create, as Keeper does
		want   string
	}{
		{"again at once, with an index that lags", time.Hour, 0, nil, true, "the same"},
		{"almost two hours later, with an index that lags", 24 * time.Hour, 119 * time.Minute, nil, true, "the same"},
		{"a day later", time.Minute, 24 * time.Hour, nil, true, "the same"},
		{"with other words, which the key does not take", time.Minute, time.Hour, func(r *Record) { r.Fields[Body] = "Other." }, false, "a conflict"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				there := demo.NewZendesk()
				there.Lag = row.lag
				z := zendeskAt(there, nil)
				r := failedPayment("c1")
				first, err := z.Create(t.Context(), r)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(row.wait)
				if row.change != nil {
					row.change(&r)
				}
				second, got := "", ""
				if row.find {
					if found, err := z.Find(t.Context(), r); err != nil {
						t.Fatal(err)
					} else if found != nil {
						second = found.ID
					}
				}
				if second == "" {
					second, err = z.Create(t.Context(), r)
				}
				switch {
				case errors.Is(err, ErrConflict):
					got = "a conflict"
				case err == nil && second == first:
					got = "the same"
				}
				if tickets := there.Records("tickets"); got != row.want || len(tickets) != 1 || len(there.Records("users")) != 2 {
					t.Errorf("%s: %v, tickets %v", got, err, tickets)
				}
			})
		})
	}
}

// TestZendeskListsAll: the export leaves out the last minute and gives pages, the list of what changed has the rest; and
// neither more than ten times a minute.
func TestZendeskListsAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		there := demo.NewZendesk()
		z := zendeskAt(there, nil)
		const all = 3100
		for n := range all {
			id := there.Add("tickets", map[string]string{"external_id": fmt.Sprintf("c%d", n), "status": "new"})
			if n == 0 {
				there.Edit("tickets", id, map[string]string{"status": "closed"})
			}
			if n == all-50 {
				time.Sleep(10 * time.Minute)
			}
		}
		there.Add("tickets", map[string]string{"status": "new"}) // somebody else's
		seen := map[string]int{}
		for f, err := range z.List(t.Context(), Ticket, time.Time{}) {
			if err != nil {
				t.Fatal(err)
			}
			seen[f.Key]++
			if len(seen) == all-110 { // the last page is not read yet, and this one moves out of it
				there.Edit("tickets", there.Records("tickets")[all-1]["id"], map[string]string{"status": "solved"})
			}
		}
		for key, n := range seen {
			if n != 1 {
				t.Errorf("%s is listed %d times", key, n)
			}
		}
		if len(seen) != all {
			t.Errorf("%d are listed, want %d", len(seen), all)
		}
		changed := 0
		for _, err := range z.List(t.Context(), Ticket, time.Now().Add(-time.Second)) {
			if err != nil {
				t.Fatal(err)
			}
			changed++
		}
		if changed != 0 {
			t.Errorf("%d changed in the last second", changed)
		}
		time.Sleep(time.Hour)
		there.Fail(demo.APIFault{Path: "/api/v2/incremental", Kind: demo.Empty})
		var last error
		for _, err := range z.List(t.Context(), Ticket, time.Time{}) {
			last = err
		}
		if last == nil {
			t.Error("half a list is a whole one")
		}
	})
}

func newZendeskLive(t *testing.T) (*trial, *demo.Zendesk, *live) {
	t.Helper()
	there := demo.NewZendesk()
	tr := newTrial(t, zendesk(), AreaDesk, there)
	there.Lose(0)
	k := tr.keeper()
	k.watch = &watch{}
	desk, err := NewDesk(t.Context(), k, "")
	if err != nil {
		t.Fatal(err)
	}
	return tr, there, &live{trial: tr, desk: desk}
}

func TestZendeskTicketsComeBack(t *testing.T) {
	t.Parallel()
	tr, there, l := newZendeskLive(t)
	ctx := t.Context()
	_, err := l.desk.Open(ctx, support.Ticket{CustomerID: 1, Cause: "c1", Queue: support.Billing, Priority: support.Urgent, Subject: "Payment failed", Author: "bursar", Body: "A payment failed."})
	l.must(err)
	l.must(l.desk.Push(ctx, "c1"))
	first := there.Records("tickets")[0]
	url := tr.web.URL + "/agent/tickets/" + first["id"]
	if first["priority"] != "urgent" || first["tags"] != "billing,bursar" || there.Records("comments")[0]["public"] != "false" {
		t.Errorf("it is opened as %v, %v", first, there.Records("comments"))
	}
	there.Edit("tickets", first["id"], map[string]string{"subject": "An agent's words", "assignee_id": "77", "status": "pending"})
	l.must(l.desk.Pull(ctx))
	if got, want := l.stands("c1"), "open, pending, sam@example.com, "+url; got != want {
		t.Errorf("it is %q, want %q", got, want)
	}
	copied := there.Add("tickets", map[string]string{"external_id": "c1", "subject": "A copy", "status": "solved"}) // external ids are not unique
	l.must(l.desk.PullTicket(ctx, copied))
	if got := l.stands("c1"); !strings.HasPrefix(got, "open, pending, sam@example.com, "+url) {
		t.Errorf("with a copy it is %q", got)
	}
	there.Delete("tickets", copied)
	there.Edit("tickets", first["id"], map[string]string{"status": "closed"})
	l.must(l.desk.PullTicket(ctx, first["id"]))
	if got, want := l.stands("c1"), "closed, closed, sam@example.com, "+url; got != want {
		t.Errorf("closed there, it is %q, want %q", got, want)
	}

	// Opened again here: what is closed there stays so, and a follow-up goes on.
	there.Add("tickets", map[string]string{"subject": "Re: it", "status": "new", "followup_of": first["id"]}) // a customer's own
	ticket, err := l.d.Read().TicketByCause(ctx, "c1")
	l.must(err)
	l.must(l.d.Tx(ctx, func(q *db.Queries) error {
		_, err := support.Reopen(context.Background(), q, ticket.ID, "owner@example.com")
		return err
	}))
	for range 2 {
		l.must(l.desk.Push(ctx, "c1"))
		l.must(l.desk.Pull(ctx))
	}
	tickets := there.Records("tickets")
	next := tickets[len(tickets)-1]
	if len(tickets) != 3 || next["followup_of"] != first["id"] || next["external_id"] != "c1" || !strings.HasPrefix(l.stands("c1"), "open, open, , "+tr.web.URL+"/agent/tickets/"+next["id"]) {
		t.Errorf("opened again, it is %q and there are %v", l.stands("c1"), tickets)
	}
	l.must(l.desk.Close(ctx, "c1", "It was paid."))
	l.must(l.desk.Push(ctx, "c1"))
	tickets = there.Records("tickets")
	if got := tickets[len(tickets)-1]; got["status"] != "solved" || got["assignee_id"] != "77" || !strings.HasPrefix(l.stands("c1"), "closed, solved, sam@example.com") {
		t.Errorf("healed, it is %q and %v", l.stands("c1"), got)
	}
	n := 0
	for status, err := range l.desk.Tickets(ctx) {
		l.must(err)
		if n++; status.Cause != "c1" || status.Open {
			t.Errorf("it is listed as %+v", status)
		}
	}
	if n != 1 {
		t.Errorf("%d are listed", n)
	}
}

func TestZendeskErrors(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		status int
		body   string
		want   string
	}{
		{"a word and a description", 404, `{"error":"RecordNotFound","description":"Not found"}`, "RecordNotFound; Not found"},
		{"details by field", 422, `{"error":"RecordInvalid","description":"Record validation errors","details":{"status":[{"description":"Status: closed prevents ticket update"}],"base":[{"description":"A"}]}}`,
			"RecordInvalid; Record validation errors; A; Status: closed prevents ticket update"},
		{"an object", 403, `{"error":{"title":"Forbidden","message":"You do not have access to this page."}}`, "Forbidden; You do not have access to this page."},
		{"a list", 400, `{"errors":[{"code":"InvalidValue","title":"Invalid attribute","detail":"page size"}]}`, "Invalid attribute; page size"},
		{"the scope", 403, `{"error":"Forbidden","description":"You are missing the following required scopes: tickets:write"}`,
			"Forbidden; You are missing the following required scopes: tickets:write"},
		{"plain text", 429, "Number of allowed API requests per minute exceeded", "Number of allowed API requests per minute exceeded"},
		{"a token that is not known", 401, `{"error":"Couldn't authenticate you"}`, "Couldn't authenticate you; look at ZENDESK_TOKEN and ZENDESK_EMAIL, and whether API tokens are allowed in Zendesk"},
		{"nothing", 500, `{}`, ""},
	} {
		if got := zendeskMessage(row.status, []byte(row.body)); got != row.want {
			t.Errorf("%s: %q", row.name, got)
		}
	}
}

func TestZendeskCheck(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		change  func(*demo.Zendesk)
		groups  string
		want    string
		outcome error // what the queue is told
	}{
		{"all is well", func(*demo.Zendesk) {}, "billing=501, product=502", "", nil},
		{"a scope is missing", func(z *demo.Zendesk) { z.Scopes["tickets:read"] = true }, "", "required scopes: tickets:read", queue.Unauthorized(nil)},
		{"the token was revoked", func(z *demo.Zendesk) { z.Revoke(true) }, "", "look at ZENDESK_TOKEN", queue.Unauthorized(nil)},
		{"the token is an agent's", func(z *demo.Zendesk) { z.Role = "agent" }, "", "administrators only", queue.Unauthorized(nil)},
		{"a group that is not there", func(*demo.Zendesk) {}, "billing=501,product=9", "product has the group 9", queue.Discard(nil)},
		{"groups that are no numbers", func(*demo.Zendesk) {}, "billing=Billing", `"billing=Billing" is not a queue and the id of a group`, queue.Discard(nil)},
		{"groups may not be read", func(z *demo.Zendesk) { z.Scopes["read"] = true }, "billing=501", "", nil},
	} {
		there := demo.NewZendesk()
		row.change(there)
		err := zendeskAt(there, map[string]string{"GROUPS": row.groups}).Check(t.Context(), true)
		if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) || fmt.Sprintf("%T", err) != fmt.Sprintf("%T", row.outcome) {
			t.Errorf("%s: %T %v", row.name, err, err)
		}
	}
}

func TestZendeskWebhook(t *testing.T) {
	t.Parallel()
	const url = "https://bursar.example.com/api/webhooks/zendesk"
	now := time.Now()
	for _, row := range []struct {
		name, secret, body string // other than what was signed, or ""
		at                 time.Time
		want               string
	}{
		{"a good one", "", "", now, "[123] <nil>"},
		{"another secret", "other", "", now, "[] " + ErrSignature.Error()},
		{"another body", "", `{"ticket_id":"124"}`, now, "[] " + ErrSignature.Error()},
		{"six minutes old", "", "", now.Add(-6 * time.Minute), "[] " + ErrSignature.Error()},
		{"from the future", "", "", now.Add(6 * time.Minute), "[] " + ErrSignature.Error()},
	} {
		there := demo.NewZendesk()
		r, err := there.Webhook(url, "123", row.at)
		if err != nil {
			t.Fatal(err)
		}
		var body bytes.Buffer
		body.ReadFrom(r.Body)
		w := Webhook{URL: url, Header: r.Header, Body: body.Bytes(), Secret: there.Secret, Now: now}
		if row.secret != "" {
			w.Secret = row.secret
		}
		if row.body != "" {
			w.Body = []byte(row.body)
		}
		ids, err := verifyZendesk(w)
		if got := fmt.Sprint(ids, " ", err); got != row.want {
			t.Errorf("%s: %s", row.name, got)
		}
	}
	for _, row := range []struct{ name, body, want string }{
		{"of a trigger", `{"ticket_id":"35436"}`, "[35436]"},
		{"of a trigger, as a number", `{"ticket_id":35436}`, "[35436]"},
		{"about a user", `{"type":"zen:event-type:user.created","detail":{"id":"1"}}`, "[]"},
		{"an id that is none", `{"ticket_id":"../users/1"}`, "[]"},
	} {
		if ids, err := zendeskEvent([]byte(row.body)); err != nil || fmt.Sprint(ids) != row.want {
			t.Errorf("%s: %v, %v", row.name, ids, err)
		}
	}
	if _, err := zendeskEvent([]byte("{")); err == nil {
		t.Error("half a body is an event")
	}
}
