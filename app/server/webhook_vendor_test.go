package server

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"bursar/app/connect"
	"bursar/app/db"
	"bursar/app/demo"
	"bursar/app/queue"
	"bursar/app/support"
)

// TestVendorWebhook resolves a ticket in a simulated Intercom, which then tells of it: the ticket here is closed.
func TestVendorWebhook(t *testing.T) {
	t.Parallel()
	there := demo.NewIntercom()
	vendor := httptest.NewServer(there)
	t.Cleanup(vendor.Close)
	f := start(t)
	v, err := connect.ByName("intercom", true)
	check(t, err)
	v.Rate = rate.Inf
	s := connect.Settings{Vendor: v, Token: "token", Base: vendor.URL, Secret: there.Secret, Options: map[string]string{}}
	k, err := s.Connect(t.Context(), f.DB, connect.AreaDesk, vendor.Client(), nil)
	check(t, err)
	check(t, f.DB.Tx(t.Context(), func(q *db.Queries) error {
		_, err := q.SetConnectorMode(t.Context(), connect.Live, db.Now(), k.System)
		return err
	}))
	desk, err := connect.NewDesk(t.Context(), k, "")
	check(t, err)
	f.Server, err = New(Config{DB: f.DB, Billing: f.Billing, Desk: desk, Hooks: &s, Log: f.Log})
	check(t, err)
	worker := queue.NewWorker(f.DB, f.Log)
	desk.Handle(worker)
	connect.HandleFollow(worker, []*connect.Keeper{k}, desk)
	web := httptest.NewServer(f.HTTPServer("").Handler)
	t.Cleanup(web.Close)

	_, err = desk.Open(t.Context(), support.Ticket{Cause: "c1", Queue: support.General, Priority: support.Normal, Subject: "Who is it?", Author: "bursar", Body: "Somebody paid."})
	check(t, err)
	check(t, worker.WorkOff(t.Context()))
	id := there.Records("tickets")[0]["id"]
	there.Resolve(id, "77", true)
	tell := func(secret string) int {
		there.Secret = secret
		r, err := there.Webhook(web.URL+"/api/webhooks/intercom", "ticket.state.updated", id, time.Now())
		check(t, err)
		res, _ := send(t, r.WithContext(t.Context()))
		return res.StatusCode
	}
	status := func() string {
		check(t, worker.WorkOff(t.Context()))
		ticket, err := f.DB.Read().TicketByCause(t.Context(), "c1")
		check(t, err)
		return ticket.Status
	}
	good := there.Secret
	if code, is := tell("not the secret"), status(); code != http.StatusUnauthorized || is != "open" {
		t.Errorf("signed with another secret it answers %d, and the ticket is %s", code, is)
	}
	if code, is := tell(good), status(); code != http.StatusOK || is != "closed" {
		t.Errorf("it answers %d, and the ticket is %s", code, is)
	}
}
