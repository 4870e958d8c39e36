package connect

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"bursar/app/crm"
	"bursar/app/db"
	"bursar/app/demo"
	"bursar/app/support"
)

// live is a HubSpot that Bursar writes to, with customers 1 to 200.
type live struct {
	*trial
	there *demo.HubSpot
	crm   *CRM
	desk  *Desk
}

func newLive(t *testing.T, area string) *live {
	t.Helper()
	there := demo.NewHubSpot()
	l := &live{trial: newTrial(t, hubspot(), area, there), there: there}
	there.Lose(0)
	k := l.keeper()
	k.watch = &watch{}
	k.Policies, _ = crm.ParsePolicies("")
	var err error
	if l.crm, err = NewCRM(t.Context(), k, "https://bursar.example.com"); err != nil {
		t.Fatal(err)
	}
	if l.desk, err = NewDesk(t.Context(), k, ""); err != nil {
		t.Fatal(err)
	}
	return l
}

func ada() crm.Contact {
	return crm.Contact{CustomerID: 1, Name: "Ada Lovelace", Email: "ada@example.com", Lifecycle: crm.Customer, Plan: "Team", MRR: "8.25", Currency: "USD"}
}

func (l *live) save(c crm.Contact) error {
	_, err := l.crm.SaveContact(l.t.Context(), c)
	return err
}

func (l *live) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// exec changes a row as time would.
func (l *live) ref(change func(*db.ExternalRef)) db.ExternalRef {
	l.t.Helper()
	ref, err := l.d.Read().ExternalRef(l.t.Context(), l.system, string(Contact), l.crm.key(1))
	l.must(err)
	if change != nil {
		change(&ref)
		l.must(l.crm.saveRef(l.t.Context(), ref))
	}
	return ref
}

func TestFieldsThatPeopleWrite(t *testing.T) {
	t.Parallel()
	l := newLive(t, AreaCRM)
	there := l.there.Add("contacts", map[string]string{"firstname": "Countess", "lastname": "Ada", "email": "Ada@Example.com", "phone": "1"})
	l.must(l.save(ada()))
	got := l.there.Records("contacts")
	if len(got) != 1 || got[0]["id"] != there || got[0]["firstname"] != "Countess" || got[0]["phone"] != "1" || got[0]["bursar_plan"] != "Team" || got[0]["bursar_mrr"] != "8.25" {
		t.Errorf("the contact that was there is now %v", got)
	}
	l.there.Edit("contacts", there, map[string]string{"bursar_plan": "Gold", "lastname": "Byron"})
	l.must(l.save(ada()))
	if got := l.there.Records("contacts")[0]; got["bursar_plan"] != "Team" || got["lastname"] != "Byron" {
		t.Errorf("after an edit by hand it is %v", got)
	}
	writes, err := l.d.Read().ExternalWritesPage(t.Context(), db.ExternalWritesPageParams{System: l.system, Before: 1 << 40, N: 1})
	l.must(err)
	var changes []crm.Change
	if json.Unmarshal([]byte(writes[0].Changes), &changes) != nil || len(changes) != 1 || changes[0] != (crm.Change{Field: "plan", Old: "Gold", New: "Team"}) || !writes[0].ByHand {
		t.Errorf("the write is %+v", writes[0])
	}
}

func TestDeletedThere(t *testing.T) {
	t.Parallel()
	l := newLive(t, AreaCRM)
	l.must(l.save(ada()))
	l.there.Delete("contacts", l.there.Records("contacts")[0]["id"])
	err := l.save(ada())
	if err == nil || !strings.Contains(err.Error(), "at most once a day") || len(l.there.Records("contacts")) != 0 {
		t.Fatalf("created again at once: %v", err)
	}
	l.ref(func(r *db.ExternalRef) { r.LinkedAt = db.At(time.Now().Add(-25 * time.Hour)) })
	l.must(l.save(ada()))
	if len(l.there.Records("contacts")) != 1 {
		t.Error("a day later it is not created again")
	}
}

func TestMergedThere(t *testing.T) {
	t.Parallel()
	l := newLive(t, AreaCRM)
	l.must(l.save(ada()))
	mine := l.there.Records("contacts")[0]["id"]
	other := l.there.Add("contacts", map[string]string{"firstname": "Ada", "email": "ada@elsewhere.example.com"})
	l.there.Merge("contacts", other, mine)
	l.must(l.save(ada()))
	if got := l.there.Records("contacts"); len(got) != 1 || got[0]["id"] != other || got[0]["bursar_customer_id"] != l.crm.key(1) || l.ref(nil).RemoteID != other {
		t.Errorf("merged with nobody's: %v", got)
	}
	bob := ada()
	bob.CustomerID, bob.Email = 2, "bob@example.com"
	l.must(l.save(bob))
	l.there.Merge("contacts", l.there.Records("contacts")[1]["id"], other)
	err := l.save(ada())
	if err == nil || !strings.Contains(err.Error(), "join the two customers") || l.ref(nil).State != asking || len(l.there.Records("contacts")) != 1 {
		t.Errorf("merged with another customer's: %v", err)
	}
}

func TestWhatTheVendorSays(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		do     func(l *live)
		change func(*crm.Contact)
		want   string // in the error
		not    string // in the error
		state  string // of the row afterwards
		tried  bool
	}{
		{"the token was revoked", func(l *live) { l.there.Revoke(true) }, nil, "401", "", intended, false},
		{"a scope is missing", func(l *live) { l.there.Scopes["crm.objects.contacts.write"] = true }, nil, "lacks the scope crm.objects.contacts.write", "", intended, false},
		{"too many requests", func(l *live) {
			l.there.Fail(demo.APIFault{Method: "POST", Kind: demo.RateLimited, RetryAfter: time.Minute})
		}, nil, "429", "", intended, false},
		{"a refused address, within a partial answer", nil, func(c *crm.Contact) { c.Email = "not an address" }, "Email address", "not an address@", intended, false},
		{"no answer", func(l *live) { l.there.Fail(demo.APIFault{Method: "POST", Kind: demo.Drop}) }, nil, "whether that was done is not known", "", unknown, true},
		{"half an answer", func(l *live) { l.there.Fail(demo.APIFault{Method: "POST", Kind: demo.HalfBody}) }, nil, "whether that was done is not known", "", unknown, true},
		{"{}", func(l *live) { l.there.Fail(demo.APIFault{Method: "POST", Kind: demo.Empty}) }, nil, "whether that was done is not known", "", unknown, true},
		{"an error of the server", func(l *live) { l.there.Fail(demo.APIFault{Method: "POST", Kind: demo.ServerError}) }, nil, "500", "", unknown, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			l := newLive(t, AreaCRM)
			c := ada()
			if row.do != nil {
				row.do(l)
			}
			if row.change != nil {
				row.change(&c)
			}
			err := l.save(c)
			if err == nil || !strings.Contains(err.Error(), row.want) || row.not != "" && strings.Contains(err.Error(), row.not) {
				t.Errorf("error %v, want %q", err, row.want)
			}
			if ref := l.ref(nil); ref.State != row.state || ref.TriedAt.IsZero() == row.tried || ref.Problem == "" {
				t.Errorf("the row is %+v", ref)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{"7": 7 * time.Second, "Sun, 01 Mar 2026 12:00:30 GMT": 30 * time.Second,
		"Sun, 01 Mar 2026 11:00:00 GMT": 0, "": 0, "soon": 0, "-5": 0} {
		if got := retryAfter(text, now); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}

func TestRedact(t *testing.T) {
	t.Parallel()
	got := Redact("A contact with email ada@example.com already exists.\n\tExisting ID: 7 " + strings.Repeat("x", 1000))
	if strings.Contains(got, "ada@") || strings.Contains(got, "\n") || !strings.Contains(got, "Existing ID: 7") || len(got) > maxMessage+4 {
		t.Errorf("it is %q", got)
	}
}

func TestHeldWhenTooMuchFails(t *testing.T) {
	t.Parallel()
	l := newLive(t, AreaCRM)
	l.must(l.crm.prepare(t.Context()))
	for n := range leastCalls {
		var err error
		if n < 2 {
			err = &CallError{Sent: true, Err: errors.New("no answer")}
		}
		l.crm.watch.count(err)
	}
	l.there.Down(true)
	if err := l.save(ada()); err == nil || !strings.Contains(err.Error(), "2 of 100 calls to HubSpot failed") {
		t.Fatalf("it is not held: %v", err)
	}
	if c, err := l.d.Read().Connector(t.Context(), l.system); err != nil || c.HeldAt.IsZero() {
		t.Fatalf("the row says %+v, %v", c, err)
	}
	l.there.Down(false)
	l.crm.watch.probed = time.Time{} // half a minute later
	l.must(l.save(ada()))
	if c, err := l.d.Read().Connector(t.Context(), l.system); err != nil || !c.HeldAt.IsZero() {
		t.Errorf("it answers, and the row says %+v, %v", c, err)
	}
}

func TestAFewFailuresHoldNothing(t *testing.T) {
	t.Parallel()
	w := &watch{}
	for range 20 {
		w.count(&CallError{Sent: true, Err: errors.New("no answer")})
	}
	if _, _, is := w.tooMany(); is {
		t.Error("20 calls are enough to hold")
	}
	for range 1000 {
		w.count(&CallError{Status: http.StatusBadRequest})
	}
	if _, failed, _ := w.tooMany(); failed != 20 {
		t.Errorf("%d failed: refusals of single records count", failed)
	}
}

func (l *live) openTicket(cause string) string {
	l.t.Helper()
	_, err := l.desk.Open(l.t.Context(), support.Ticket{CustomerID: 1, Cause: cause, Queue: support.Billing, Priority: support.Urgent,
		Subject: "Payment failed", Author: "bursar", Body: "A payment failed."})
	l.must(err)
	l.must(l.desk.Push(l.t.Context(), cause))
	return l.there.Records("tickets")[0]["id"]
}

// stands says how the ticket is here, and who has it there.
func (l *live) stands(cause string) string {
	l.t.Helper()
	t, err := l.d.Read().TicketByCause(l.t.Context(), cause)
	l.must(err)
	there, err := l.d.Read().DeskTicket(l.t.Context(), t.ID)
	l.must(err)
	return fmt.Sprintf("%s, %s, %s, %s", t.Status, there.Status, there.Assignee, there.URL)
}

func TestTicketsComeBack(t *testing.T) {
	t.Parallel()
	l := newLive(t, AreaDesk)
	id := l.openTicket("c1")
	url := "https://app.hubspot.com/contacts/1/record/0-5/" + id
	l.there.Edit("tickets", id, map[string]string{"subject": "An agent's words", "hubspot_owner_id": "77", "hs_pipeline_stage": "2"})
	l.must(l.desk.Pull(t.Context()))
	if got, want := l.stands("c1"), "open, Waiting on contact, sam@example.com, "+url; got != want {
		t.Errorf("it is %q, want %q", got, want)
	}
	l.there.Edit("tickets", id, map[string]string{"hs_pipeline_stage": "4"})
	l.must(l.desk.PullTicket(t.Context(), id))
	if got, want := l.stands("c1"), "closed, Closed, sam@example.com, "+url; got != want {
		t.Errorf("solved there, it is %q, want %q", got, want)
	}
	l.there.Edit("tickets", id, map[string]string{"hs_pipeline_stage": "3"})
	l.must(l.desk.Push(t.Context(), "c1"))
	if got := l.stands("c1"); !strings.HasPrefix(got, "open, Waiting on us") {
		t.Errorf("opened again there, it is %q", got)
	}
	l.must(l.desk.Close(t.Context(), "c1", "It was paid."))
	l.must(l.desk.Push(t.Context(), "c1"))
	ticket := l.there.Records("tickets")[0]
	if got := l.stands("c1"); !strings.HasPrefix(got, "closed, Closed") || ticket["hs_pipeline_stage"] != "4" || ticket["subject"] != "An agent's words" {
		t.Errorf("healed, it is %q here and %v there", got, ticket)
	}
}

func TestHubSpotWebhook(t *testing.T) {
	t.Parallel()
	const url = "https://bursar.example.com/api/webhooks/hubspot"
	now := time.Now()
	verify := func(at time.Time, secret, address, body string) ([]string, error) {
		r, err := demo.NewHubSpot().Webhook(url, "123", at)
		if err != nil {
			t.Fatal(err)
		}
		if body == "" {
			body = fmt.Sprintf(`[{"objectId":123,"subscriptionType":"ticket.propertyChange","propertyName":"hs_pipeline_stage","occurredAt":%d}]`, at.UnixMilli())
		}
		return verifyHubspot(Webhook{URL: address, Header: r.Header, Body: []byte(body), Secret: secret, Now: now})
	}
	if ids, err := verify(now, "hubspot-secret", url, ""); err != nil || len(ids) != 1 || ids[0] != "123" {
		t.Errorf("a good one: %v, %v", ids, err)
	}
	for name, row := range map[string]struct {
		at                time.Time
		secret, url, body string
	}{
		"another secret":  {now, "other", url, ""},
		"another address": {now, "hubspot-secret", url + "2", ""},
		"another body":    {now, "hubspot-secret", url, `[{"objectId":124,"subscriptionType":"ticket.propertyChange"}]`},
		"six minutes old": {now.Add(-6 * time.Minute), "hubspot-secret", url, ""},
		"from the future": {now.Add(6 * time.Minute), "hubspot-secret", url, ""},
	} {
		if _, err := verify(row.at, row.secret, row.url, row.body); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestObserving asks a HubSpot that nothing was made in: it is read, and nothing changes there.
func TestObserving(t *testing.T) {
	t.Parallel()
	l := newLive(t, AreaCRM)
	l.must(l.d.Tx(t.Context(), func(q *db.Queries) error {
		_, err := q.SetConnectorMode(t.Context(), Observe, db.Now(), l.system)
		return err
	}))
	before := len(l.there.Requests())
	l.must(l.save(ada()))
	for _, r := range l.there.Requests()[before:] {
		if r.Method != "GET" {
			t.Errorf("%s %s was sent", r.Method, r.Path)
		}
	}
	n := 0
	for contact, err := range l.crm.Contacts(t.Context()) {
		if n++; err != nil || contact.Plan != "Team" {
			t.Errorf("%+v, %v", contact, err)
		}
	}
	if n != 1 {
		t.Errorf("%d contacts stand as if written", n)
	}
}
