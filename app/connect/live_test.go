package connect

import (
	"log/slog"
	"slices"
	"testing"

	"bursar/app/crm"
	"bursar/app/db"
	"bursar/app/queue"
	"bursar/app/support"
)

// goLive is what the button does. Everything was only observed until then.
func (l *live) goLive(k *Keeper, catchUp bool) {
	l.t.Helper()
	l.must(l.d.Tx(l.t.Context(), func(q *db.Queries) error {
		if _, err := q.SetConnectorMode(l.t.Context(), Live, db.Now(), l.system); err != nil {
			return err
		}
		return k.GoLive(l.t.Context(), q, catchUp)
	}))
}

func (l *live) setMode(mode string) {
	l.t.Helper()
	l.must(l.d.Tx(l.t.Context(), func(q *db.Queries) error {
		_, err := q.SetConnectorMode(l.t.Context(), mode, db.Now(), l.system)
		return err
	}))
}

// work does what is queued, until nothing is.
func (l *live) work() {
	l.t.Helper()
	w := queue.NewWorker(l.d, slog.New(slog.DiscardHandler))
	var desk support.Desk = l.desk
	HandleFollow(w, []*Keeper{l.crm.Keeper}, desk)
	l.desk.Handle(w)
	crm.Handle(w, l.d, l.crm)
	for range 3 { // a task may come before its contact
		l.must(w.WorkOff(l.t.Context()))
		l.must(l.d.Tx(l.t.Context(), func(q *db.Queries) error {
			_, err := q.Change(l.t.Context(), "UPDATE jobs SET scheduled_at = 0 WHERE state IN ('available', 'retryable')")
			return err
		}))
	}
}

func (l *live) open(cause string) {
	l.t.Helper()
	_, err := l.desk.Builtin.Open(l.t.Context(), support.Ticket{CustomerID: 1, Cause: cause, Queue: support.Billing, Priority: support.Normal,
		Subject: cause, Author: "bursar", Body: "A payment failed."})
	l.must(err)
}

func (l *live) values(kind, field string) (list []string) {
	for _, r := range l.there.Records(kind) {
		list = append(list, r[field])
	}
	slices.Sort(list)
	return list
}

// TestADeskGoesLive has tickets from before the connector, and some that it observed, of which some are closed by now.
func TestADeskGoesLive(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		catchUp bool
		want    []string
	}{
		{"with what stands here", true, []string{"new", "observed", "old", "opened again"}},
		{"from now on", false, []string{"new"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			l := newLive(t, AreaDesk)
			l.setMode(Observe)
			for _, cause := range []string{"old", "old and closed", "observed", "observed and closed", "opened again"} {
				l.open(cause)
			}
			for _, cause := range []string{"observed", "observed and closed", "opened again"} {
				l.must(l.desk.Push(t.Context(), cause))
			}
			for _, cause := range []string{"old and closed", "observed and closed"} {
				l.must(l.desk.Builtin.Close(t.Context(), cause, "It was paid."))
			}
			l.goLive(l.desk.Keeper, row.catchUp)
			l.open("new")
			l.must(l.desk.Push(t.Context(), "new"))
			l.work()
			if got := l.values("tickets", "bursar_cause"); !slices.Equal(got, row.want) {
				t.Errorf("there stand %q, want %q", got, row.want)
			}
			missing := map[string]bool{"old": true, "observed": true, "opened again": true, "new": true}
			for one, err := range l.desk.Tickets(t.Context()) {
				l.must(err)
				delete(missing, one.Cause)
			}
			if len(missing) > 0 {
				t.Errorf("the reconciler misses %v", missing)
			}
		})
	}
}

func TestADeskThatOnlyObservedForAWhile(t *testing.T) {
	t.Parallel()
	l := newLive(t, AreaDesk)
	l.open("c1")
	l.must(l.desk.Push(t.Context(), "c1"))
	l.setMode(Observe)
	l.must(l.desk.Close(t.Context(), "c1", "It was paid."))
	l.must(l.desk.Push(t.Context(), "c1"))
	if got := l.values("tickets", "hs_pipeline_stage"); !slices.Equal(got, []string{"1"}) {
		t.Fatalf("while it observes, the ticket is in the stages %q", got)
	}
	l.goLive(l.desk.Keeper, true)
	l.work()
	if got := l.values("tickets", "hs_pipeline_stage"); !slices.Equal(got, []string{"4"}) {
		t.Errorf("live again, the ticket is in the stages %q", got)
	}
}

func TestACRMGoesLive(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		catchUp bool
		want    []string // plans
		tasks   int
	}{
		{"with what stands here", true, []string{"Gold", "Scale", "Team"}, 1},
		{"from now on", false, []string{"Gold"}, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			l := newLive(t, AreaCRM)
			contact := func(id int64, plan string) crm.Contact {
				c := ada()
				c.CustomerID, c.Plan, c.Email = id, plan, plan+"@example.com"
				return c
			}
			linked := contact(3, "Free")
			l.must(l.save(linked))
			l.setMode(Observe)
			if _, err := l.crm.Builtin.SaveContact(t.Context(), contact(1, "Team")); err != nil { // from before the connector
				t.Fatal(err)
			}
			l.must(l.crm.Builtin.AddTask(t.Context(), crm.Task{CustomerID: 1, Cause: "payment_failed:in_1", Title: "Call"}))
			l.must(l.save(contact(2, "Scale")))
			linked.Plan = "Gold"
			l.must(l.save(linked))
			l.goLive(l.crm.Keeper, row.catchUp)
			if !row.catchUp {
				l.must(l.save(linked)) // it is written there already: what differs is
			}
			l.work()
			if got := l.values("contacts", "bursar_plan"); !slices.Equal(got, row.want) {
				t.Errorf("there stand %q, want %q", got, row.want)
			}
			if got := len(l.there.Records("tasks")); got != row.tasks {
				t.Errorf("%d tasks stand there, want %d", got, row.tasks)
			}
			if got := l.listed(); len(got) != 3 {
				t.Errorf("the reconciler sees the contacts of %d, want all three", got)
			}
		})
	}
}

// TestATicketComesBeforeItsContact has one HubSpot as CRM and desk.
func TestATicketComesBeforeItsContact(t *testing.T) {
	t.Parallel()
	l := newLive(t, AreaCRM)
	s := Settings{Vendor: l.v, Token: "token", Base: l.web.URL, Options: map[string]string{}}
	for _, o := range l.v.Options {
		s.Options[o.Suffix] = o.Otherwise
	}
	k, err := s.Connect(t.Context(), l.d, AreaDesk, l.web.Client(), nil)
	l.must(err)
	l.desk, err = NewDesk(t.Context(), k, l.crm.System)
	l.must(err)
	l.crm.Linked = l.desk.Linked
	l.system = k.System
	l.setMode(Live)
	l.open("c1")
	l.must(l.desk.Push(t.Context(), "c1"))
	id := l.there.Records("tickets")[0]["id"]
	if got := l.there.Linked("tickets", id, "contacts"); len(got) != 0 {
		t.Fatalf("it is about %q", got)
	}
	l.must(l.save(ada()))
	l.work()
	contact := l.there.Records("contacts")[0]["id"]
	if got := l.there.Linked("tickets", id, "contacts"); !slices.Equal(got, []string{contact}) {
		t.Errorf("it is about %q, want %s", got, contact)
	}
	// A contact that is gone does not keep a ticket from being opened.
	l.there.Delete("contacts", contact)
	l.open("c2")
	l.must(l.desk.Push(t.Context(), "c2"))
	if got := l.values("tickets", "bursar_cause"); !slices.Equal(got, []string{"c1", "c2"}) {
		t.Errorf("there stand %q", got)
	}
}
