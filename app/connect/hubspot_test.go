package connect

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"bursar/app/crm"
	"bursar/app/demo"
	"bursar/app/support"
)

// hubspotAt is the API of a simulated HubSpot.
func hubspotAt(there http.Handler, area string) Remote {
	v := hubspot()
	options := map[string]string{AreaOption: area}
	for _, o := range v.Options {
		options[o.Suffix] = o.Otherwise
	}
	return v.Open(&Client{Label: v.Label, Base: v.Base, HTTP: &http.Client{Transport: inside{there}}, Limit: rate.NewLimiter(rate.Inf, 1),
		Header: http.Header{"Authorization": {"Bearer token"}}}, options)
}

func TestHubSpotRequests(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(t *testing.T, h Remote, must func(error)){"crm": askContacts, "desk": askTickets} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // its time is always the same
				there := demo.NewHubSpot()
				do(t, hubspotAt(there, name), func(err error) {
					t.Helper()
					if err != nil {
						t.Fatal(err)
					}
				})
				if auth := there.Requests()[0].Header.Get("Authorization"); auth != "Bearer token" {
					t.Errorf("it is signed in as %q", auth)
				}
				sameAsRecorded(t, "testdata/hubspot-"+name+".txt", there.Requests())
			})
		})
	}
}

// askContacts does all that is done to a CRM.
func askContacts(t *testing.T, h Remote, must func(error)) {
	ctx, c := t.Context(), ada()
	c.UserID, c.StripeIDs, c.Status, c.Access = "u1", "cus_1", "active", "full"
	c.LastPaidAt, c.NextInvoiceAt = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC)
	contact := Record{Kind: Contact, Key: "b-1", Person: Person{CustomerID: 1, Key: "b-1", Name: c.Name, Email: c.Email}, Fields: c.Fields()}
	contact.Fields[crm.FieldURL] = "https://bursar.example.com/admin/customers/1"
	must(h.Check(ctx, true))
	_, err := h.Find(ctx, contact)
	must(err)
	id, err := h.Create(ctx, contact)
	must(err)
	contact.Fields = crm.Fields{crm.FieldPlan: "Scale", crm.FieldMRR: "49"}
	must(h.Update(ctx, id, contact))
	_, err = h.Read(ctx, Contact, id)
	must(err)
	task := Record{Kind: Task, Key: "payment_failed:in_1", Parent: id, Fields: crm.Fields{Subject: "Payment failed", State: Open}}
	_, err = h.Find(ctx, task)
	must(err)
	taskID, err := h.Create(ctx, task)
	must(err)
	_, err = h.Find(ctx, task)
	must(err)
	must(h.Update(ctx, taskID, Record{Kind: Task, Key: task.Key, Fields: crm.Fields{State: Closed}}))
	_, err = h.Create(ctx, Record{Kind: Note, Key: "churned:sub_1", Parent: id, Fields: crm.Fields{Body: "Cancelled <b>today</b>."}})
	must(err)
	for _, err := range h.List(ctx, Contact, time.Time{}) {
		must(err)
	}
}

// askTickets does all that is done to a desk.
func askTickets(t *testing.T, h Remote, must func(error)) {
	ctx := t.Context()
	must(h.Check(ctx, true))
	ticket := failedPayment("payment_failed:in_1")
	_, err := h.Find(ctx, ticket)
	must(err)
	id, err := h.Create(ctx, ticket)
	must(err)
	message := Record{Kind: Message, Key: ticket.Key + "/note:1", Parent: id, Fields: crm.Fields{Author: "sam@example.com", Body: "Called."}}
	_, err = h.Find(ctx, message)
	must(err)
	_, err = h.Create(ctx, message)
	must(err)
	must(h.Update(ctx, id, Record{Kind: Ticket, Key: ticket.Key, Fields: crm.Fields{About: "20001"}}))
	must(h.Update(ctx, id, Record{Kind: Ticket, Key: ticket.Key, Fields: crm.Fields{State: Closed}}))
	found, err := h.Read(ctx, Ticket, id)
	must(err)
	if found.Status != "Closed" || found.Fields[Priority] != support.Urgent {
		t.Errorf("it stands as %+v", found)
	}
	for _, since := range []time.Time{{}, time.Now().Add(-time.Minute)} {
		for _, err := range h.List(ctx, Ticket, since) {
			must(err)
		}
	}
}
