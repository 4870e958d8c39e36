package server

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"bursar/app/auth"
	"bursar/app/connect"
	"bursar/app/db"
	"bursar/app/demo"
	"bursar/app/support"
)

// deskDouble is a simulated desk that sends webhooks.
type deskDouble struct {
	http.Handler
	secret  string
	status  string // what it calls a ticket that is solved
	solve   func(id string)
	webhook func(url, id string, at time.Time) (*http.Request, error)
	records func(kind string) []map[string]string
	ages    bool // its signature has a time
}

// deskDoubles are those of the vendors that are desks, by the vendor's name.
var deskDoubles = map[string]func() deskDouble{
	"hubspot": func() deskDouble {
		h := demo.NewHubSpot()
		return deskDouble{h, h.Secret, "Closed", func(id string) {
			h.Edit("tickets", id, map[string]string{"hs_pipeline_stage": "4", "hubspot_owner_id": "77"})
		}, h.Webhook, h.Records, true}
	},
	"zendesk": func() deskDouble {
		z := demo.NewZendesk()
		return deskDouble{z, z.Secret, "solved", func(id string) {
			z.Edit("tickets", id, map[string]string{"status": "solved", "assignee_id": "77"})
		}, z.Webhook, z.Records, true}
	},
	"intercom": func() deskDouble {
		i := demo.NewIntercom()
		return deskDouble{i, i.Secret, "Resolved", func(id string) { i.Resolve(id, "77", true) },
			func(url, id string, at time.Time) (*http.Request, error) {
				return i.Webhook(url, "ticket.state.updated", id, at)
			}, i.Records, false}
	},
}

// hooked is the pages with another company's desk, on which one ticket is open.
type hooked struct {
	*adminTest
	deskDouble
	ticket db.Ticket
	id     string // there
}

func withDesk(t *testing.T, v connect.Vendor) *hooked {
	t.Helper()
	if deskDoubles[v.Name] == nil {
		t.Fatal("it has no double")
	}
	h := &hooked{adminTest: newAdmin(t), deskDouble: deskDoubles[v.Name]()}
	web := httptest.NewServer(h.Handler)
	t.Cleanup(web.Close)
	v.Rate = rate.Inf
	s := connect.Settings{Vendor: v, Token: "token", Base: web.URL, Secret: h.secret, Options: map[string]string{}}
	for _, o := range v.Options {
		s.Options[o.Suffix] = o.Otherwise
	}
	k, err := s.Connect(t.Context(), h.DB, connect.AreaDesk, web.Client(), nil)
	check(t, err)
	desk, err := connect.NewDesk(t.Context(), k, "")
	check(t, err)
	h.Hooks, h.Connectors, h.Desk = &s, []*connect.Keeper{k}, desk
	h.mux, err = h.newMux(h.table())
	check(t, err)
	connect.HandleFollow(h.worker, h.Connectors, desk)
	desk.Handle(h.worker)
	h.execNow(`INSERT INTO customers (id, name, email, created_at, updated_at) VALUES (1, 'Ada', 'ada@example.com', @now, @now)`)
	check(t, h.DB.Tx(t.Context(), func(q *db.Queries) error {
		_, err := q.SetConnectorMode(t.Context(), connect.Live, db.Now(), k.System)
		return err
	}))
	_, err = desk.Open(t.Context(), support.Ticket{CustomerID: 1, Cause: "c1", Queue: support.Billing, Priority: support.Urgent,
		Subject: "Payment failed", Author: "bursar", Body: "A payment failed."})
	check(t, err)
	check(t, h.worker.WorkOff(t.Context()))
	h.ticket, err = h.DB.Read().TicketByCause(t.Context(), "c1")
	check(t, err)
	h.id = h.records("tickets")[0]["id"]
	return h
}

// hints are the jobs that read a ticket again.
func (h *hooked) hints() (n int64) {
	h.t.Helper()
	rows, err := h.DB.Read().Rows(h.t.Context(), "SELECT COUNT(*) AS n FROM jobs WHERE kind = 'follow_ticket'")
	check(h.t, err)
	return rows[0]["n"].(int64)
}

func TestVendorWebhook(t *testing.T) {
	t.Parallel()
	for _, v := range connect.Vendors() {
		if !v.Desk || v.Verify == nil {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			h := withDesk(t, v)
			url := h.url + "/api/webhooks/" + v.Name
			signed := func(at time.Time) *http.Request {
				r, err := h.webhook(url, h.id, at)
				check(t, err)
				return r
			}
			spoilt := signed(time.Now())
			spoilt.Body, spoilt.GetBody = io.NopCloser(strings.NewReader(strings.Repeat(" ", int(spoilt.ContentLength)))), nil
			unsigned := signed(time.Now())
			for name := range unsigned.Header {
				if strings.Contains(name, "Signature") {
					unsigned.Header.Del(name)
				}
			}
			large := signed(time.Now())
			large.Body, large.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat(" ", maxEvent+1))), maxEvent+1
			unknown := signed(time.Now())
			unknown.URL.Path = "/api/webhooks/nobody"
			read := signed(time.Now())
			read.Method, read.Body, read.ContentLength = http.MethodGet, nil, 0
			refused := []struct {
				name   string
				r      *http.Request
				status int
			}{{"another body", spoilt, 401}, {"no signature", unsigned, 401}, {"too large", large, 413}, {"a vendor that is not the desk", unknown, 404}, {"GET", read, 405}}
			if h.ages {
				refused = append(refused, struct {
					name   string
					r      *http.Request
					status int
				}{"ten minutes old", signed(time.Now().Add(-10 * time.Minute)), 401})
			}
			for _, row := range refused {
				if res, _ := send(t, row.r); res.StatusCode != row.status || h.hints() != 0 {
					t.Errorf("%s: %d, want %d; %d hints were taken", row.name, res.StatusCode, row.status, h.hints())
				}
			}

			h.solve(h.id)
			now := time.Now()
			for n := range 2 { // sent again it is the same hint
				if res, text := send(t, signed(now)); res.StatusCode != 200 || h.hints() != 1 {
					t.Errorf("delivery %d: %d %q, %d hints", n, res.StatusCode, text, h.hints())
				}
			}
			check(t, h.worker.WorkOff(t.Context()))
			text, body := h.open(auth.Support, fmt.Sprintf("/admin/tickets/%d", h.ticket.ID))
			shows(t, "the ticket", text, "In "+v.Label, h.status, "sam@example.com", "Solved in "+v.Label, "Open again")
			if v.Base != "" { // else its pages have the address of the API, which is not https here and so no link
				shows(t, "the ticket", body, "Open it in "+v.Label, h.id)
			}
			text, _ = h.open(auth.Support, "/admin/tickets?status=closed")
			shows(t, "the tickets", text, "Payment failed", "In "+v.Label, h.status)
		})
	}
}
