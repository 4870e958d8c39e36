package server

import (
	"net/http/httptest"
	"net/url"
	"testing"

	"golang.org/x/time/rate"

	"bursar/app/auth"
	"bursar/app/connect"
	"bursar/app/crm"
	"bursar/app/demo"
)

// withHubSpot is the pages with a simulated HubSpot as the CRM, which observes as every new connector does.
func withHubSpot(t *testing.T) (*adminTest, *demo.HubSpot, *connect.CRM) {
	t.Helper()
	a, there := newAdmin(t), demo.NewHubSpot()
	web := httptest.NewServer(there)
	t.Cleanup(web.Close)
	v, err := connect.ByName("hubspot", false)
	check(t, err)
	v.Rate = rate.Inf
	settings := connect.Settings{Vendor: v, Token: "token", Base: web.URL, Options: map[string]string{}}
	k, err := settings.Connect(t.Context(), a.DB, connect.AreaCRM, web.Client(), nil)
	check(t, err)
	a.Connectors = []*connect.Keeper{k}
	c, err := connect.NewCRM(t.Context(), k, "https://bursar.example.com")
	check(t, err)
	return a, there, c
}

func TestConnectors(t *testing.T) {
	t.Parallel()
	a, there, c := withHubSpot(t)
	a.execNow(`INSERT INTO customers (id, name, created_at, updated_at) VALUES (1, 'Ada', @now, @now), (2, 'Bob', @now, @now)`)
	save := func(id int64, plan string) {
		t.Helper()
		_, err := c.SaveContact(t.Context(), crm.Contact{CustomerID: id, Name: "<b>Ada</b>", Email: "ada@example.com", Lifecycle: crm.Customer, Plan: plan})
		check(t, err)
	}
	save(1, "Team")
	text, body := a.open(auth.Support, "/admin/connectors/crm:hubspot")
	shows(t, "what is observed", text, "It only observes", "create contact", "plan Team", "name <b>Ada</b>", "!Go live")
	shows(t, "what is observed", body, "!<b>Ada</b>")
	if n := len(there.Records("contacts")); n != 0 {
		t.Fatalf("%d contacts were written", n)
	}
	if status, _ := a.post(auth.Finance, "/admin/connectors/crm:hubspot/mode", url.Values{"to": {"live"}}); status != 403 {
		t.Errorf("finance goes live: %d", status)
	}
	text, _ = a.open(auth.Owner, "/admin/connectors/crm:hubspot/mode?to=live")
	shows(t, "the question", text, "Let Bursar write into HubSpot?", "Write what stands here: the contacts", "Write only what changes from now on")

	shows(t, "the answer", words(a.submit(auth.Owner, "/admin/connectors/crm:hubspot/mode", url.Values{"to": {"live"}, "catch": {"no"}})), "HubSpot is now in the mode live")
	save(1, "Team") // as it was observed
	if n := len(there.Records("contacts")); n != 0 {
		t.Errorf("%d contacts were written though nothing changed since", n)
	}
	save(1, "Scale")
	save(2, "Team")
	if n := len(there.Records("contacts")); n != 2 {
		t.Errorf("%d contacts stand there, want those of both changes", n)
	}
	text, _ = a.open(auth.Support, "/admin/connectors/crm:hubspot?show=written")
	shows(t, "what was written", text, "It is live", "plan Scale")
	if rows := a.audits(1); len(rows) != 1 || rows[0] != "owner@example.com connectors.mode crm:hubspot done" {
		t.Errorf("the audit says %q", rows)
	}
}

func TestGoingLiveCatchesUp(t *testing.T) {
	t.Parallel()
	a, there, c := withHubSpot(t)
	connect.HandleFollow(a.worker, []*connect.Keeper{c.Keeper}, nil)
	crm.Handle(a.worker, a.DB, c)
	a.execNow(`INSERT INTO customers (id, name, created_at, updated_at) VALUES (1, 'Ada', @now, @now)`)
	_, err := c.SaveContact(t.Context(), crm.Contact{CustomerID: 1, Name: "Ada", Email: "ada@example.com", Lifecycle: crm.Customer})
	check(t, err)
	check(t, c.AddTask(t.Context(), crm.Task{CustomerID: 1, Cause: "payment_failed:in_1", Title: "Call"}))
	a.submit(auth.Owner, "/admin/connectors/crm:hubspot/mode", url.Values{"to": {"live"}, "catch": {"yes"}})
	for range 2 { // the task may come before its contact
		check(t, a.worker.WorkOff(t.Context()))
		a.execNow(`UPDATE jobs SET scheduled_at = 0 WHERE state IN ('available', 'retryable')`)
	}
	check(t, a.worker.WorkOff(t.Context()))
	if contacts, tasks := len(there.Records("contacts")), len(there.Records("tasks")); contacts != 1 || tasks != 1 {
		t.Errorf("%d contacts and %d tasks stand there", contacts, tasks)
	}
}

func TestNoConnectors(t *testing.T) {
	t.Parallel()
	text, _ := newAdmin(t).open(auth.Support, "/admin/connectors")
	shows(t, "the page", text, "Everything is built in")
}
