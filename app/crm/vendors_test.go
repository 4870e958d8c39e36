package crm_test

import (
	"html"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/time/rate"

	"bursar/app/connect"
	"bursar/app/crm"
	"bursar/app/db"
	"bursar/app/demo"
)

// double is a simulated vendor, and how to look into it.
type double struct {
	http.Handler
	tasks func() (open, done int)
	notes func() []string // texts as Bursar wrote them
}

// doubles are those of the vendors that are CRMs, by the vendor's name.
var doubles = map[string]func() double{"hubspot": newHubSpot, "intercom": newIntercom}

// TestVendors holds every vendor of the table to the contract of the built-in CRM.
func TestVendors(t *testing.T) {
	t.Parallel()
	for _, v := range connect.Vendors() {
		if !v.CRM {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			if doubles[v.Name] == nil {
				t.Fatal("it has no double")
			}
			testContract(t, 100, func(t *testing.T, customers int) under { return newVendor(t, v, doubles[v.Name](), customers) })
		})
	}
}

// newVendor connects to a double over HTTP, and goes live.
func newVendor(t *testing.T, v connect.Vendor, there double, customers int) under {
	t.Helper()
	web := httptest.NewServer(there)
	t.Cleanup(web.Close)
	d, ids := newFile(t, customers)
	v.Rate = rate.Inf
	s := connect.Settings{Vendor: v, Token: "token", Base: web.URL, Options: map[string]string{}}
	for _, o := range v.Options {
		s.Options[o.Suffix] = o.Otherwise
	}
	k, err := s.Connect(t.Context(), d, connect.AreaCRM, web.Client(), nil)
	check(t, err)
	check(t, k.Remote.Check(t.Context(), true))
	check(t, d.Tx(t.Context(), func(q *db.Queries) error {
		_, err := q.SetConnectorMode(t.Context(), connect.Live, db.Now(), k.System)
		return err
	}))
	c, err := connect.NewCRM(t.Context(), k, "https://bursar.example.com")
	check(t, err)
	return under{CRM: c, customers: ids, tasks: there.tasks, notes: func(int64) []string { return there.notes() }}
}

var _ crm.CRM = (*connect.CRM)(nil)

func newHubSpot() double {
	h := demo.NewHubSpot()
	return double{Handler: h, tasks: func() (open, done int) {
		for _, task := range h.Records("tasks") {
			if task["hs_task_status"] == "COMPLETED" {
				done++
			} else {
				open++
			}
		}
		return open, done
	}, notes: func() (list []string) {
		for _, n := range h.Records("notes") {
			text, _, _ := strings.Cut(html.UnescapeString(strings.ReplaceAll(n["hs_note_body"], "<br>", "\n")), "\n[bursar:")
			list = append(list, text)
		}
		return list
	}}
}

// newIntercom has no tasks: each is a note, and another one when it is done.
func newIntercom() double {
	i := demo.NewIntercom()
	texts := func() (list []string) {
		for _, n := range i.Records("notes") {
			text, _, _ := strings.Cut(html.UnescapeString(strings.ReplaceAll(strings.TrimPrefix(n["body"], "<p>"), "<br>", "\n")), "\n[bursar:")
			list = append(list, text)
		}
		return list
	}
	return double{Handler: i, tasks: func() (open, done int) {
		for _, text := range texts() {
			if strings.HasPrefix(text, "To do: ") {
				open++
			}
			if strings.HasPrefix(text, "Done: ") {
				open, done = open-1, done+1
			}
		}
		return open, done
	}, notes: func() (list []string) {
		for _, text := range texts() {
			if !strings.HasPrefix(text, "To do: ") && !strings.HasPrefix(text, "Done: ") {
				list = append(list, text)
			}
		}
		return list
	}}
}
