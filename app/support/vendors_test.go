package support_test

import (
	"context"
	"errors"
	"html"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"golang.org/x/time/rate"

	"bursar/app/connect"
	"bursar/app/db"
	"bursar/app/demo"
	"bursar/app/support"
)

// double is a simulated vendor, and how to look into it.
type double struct {
	http.Handler
	messages func(cause string) []string // of the ticket of a cause, the ticket's own text first
}

// doubles are those of the vendors that are desks, by the vendor's name.
var doubles = map[string]func() double{"hubspot": newHubSpot, "zendesk": newZendesk, "intercom": newIntercom}

// TestVendors holds every vendor of the table to the contract of the built-in desk.
func TestVendors(t *testing.T) {
	t.Parallel()
	for _, v := range connect.Vendors() {
		if !v.Desk {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			if doubles[v.Name] == nil {
				t.Fatal("it has no double")
			}
			testContract(t, 100, func(t *testing.T) under { return newVendor(t, v, doubles[v.Name]()) })
		})
	}
}

// pushing is a desk whose job is done at once.
type pushing struct{ *connect.Desk }

func (p pushing) Open(ctx context.Context, t support.Ticket) (string, error) {
	reference, err := p.Desk.Open(ctx, t)
	return reference, errors.Join(err, p.Push(ctx, t.Cause))
}

func (p pushing) Close(ctx context.Context, cause, note string) error {
	return errors.Join(p.Desk.Close(ctx, cause, note), p.Push(ctx, cause))
}

func (p pushing) Note(ctx context.Context, cause string, e support.Event) error {
	return errors.Join(p.Desk.Note(ctx, cause, e), p.Push(ctx, cause))
}

// newVendor connects to a double over HTTP, and goes live.
func newVendor(t *testing.T, v connect.Vendor, there double) under {
	t.Helper()
	web := httptest.NewServer(there)
	t.Cleanup(web.Close)
	d := newBuiltin(t)
	v.Rate = rate.Inf
	s := connect.Settings{Vendor: v, Token: "token", Base: web.URL, Options: map[string]string{}}
	for _, o := range v.Options {
		s.Options[o.Suffix] = o.Otherwise
	}
	file := d.Desk.(support.Builtin).DB
	k, err := s.Connect(t.Context(), file, connect.AreaDesk, web.Client(), nil)
	check(t, err)
	check(t, k.Remote.Check(t.Context(), true))
	check(t, file.Tx(t.Context(), func(q *db.Queries) error {
		_, err := q.SetConnectorMode(t.Context(), connect.Live, db.Now(), k.System)
		return err
	}))
	desk, err := connect.NewDesk(t.Context(), k, "crm:builtin")
	check(t, err)
	here := d.messages
	d.messages = func(reference string) []string {
		var list []string
		for _, said := range here(reference) {
			author, _, _ := strings.Cut(said, ": ")
			list = append(list, author)
		}
		tickets, err := file.Read().TicketPage(t.Context(), 0, 1000)
		check(t, err)
		n := slices.IndexFunc(tickets, func(one db.Ticket) bool { return support.Reference(one.ID) == reference })
		for i, text := range there.messages(tickets[n].Cause) {
			if i < len(list) {
				list[i] += ": " + text
			} else {
				list = append(list, text)
			}
		}
		return list
	}
	d.Desk = pushing{desk}
	return d
}

func newHubSpot() double {
	h := demo.NewHubSpot()
	return double{Handler: h, messages: func(cause string) (list []string) {
		for _, ticket := range h.Records("tickets") {
			if ticket["bursar_cause"] == cause {
				list = append(list, ticket["content"])
			}
		}
		for _, n := range h.Records("notes") {
			text, key, _ := strings.Cut(html.UnescapeString(strings.ReplaceAll(n["hs_note_body"], "<br>", "\n")), "\n[bursar:")
			if strings.HasPrefix(key, cause+"/") {
				list = append(list, text)
			}
		}
		return list
	}}
}

func newZendesk() double {
	z := demo.NewZendesk()
	return double{Handler: z, messages: func(cause string) (list []string) {
		for _, ticket := range z.Records("tickets") {
			for _, c := range z.Records("comments") {
				if ticket["external_id"] == cause && c["ticket_id"] == ticket["id"] {
					text, _, _ := strings.Cut(c["body"], "\n[bursar:")
					list = append(list, text)
				}
			}
		}
		return list
	}}
}

func newIntercom() double {
	i := demo.NewIntercom()
	return double{Handler: i, messages: func(cause string) (list []string) {
		for _, ticket := range i.Records("tickets") {
			if ticket["bursar_cause"] == cause {
				list = append(list, ticket["_default_description_"])
			}
		}
		for _, p := range i.Records("parts") {
			text, key, _ := strings.Cut(html.UnescapeString(strings.ReplaceAll(strings.TrimPrefix(p["body"], "<p>"), "<br>", "\n")), "\n[bursar:")
			if strings.HasPrefix(key, cause+"/") {
				list = append(list, text)
			}
		}
		return list
	}}
}
