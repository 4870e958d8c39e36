package server

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"bursar/app/auth"
	"bursar/app/billing"
	"bursar/app/db"
	"bursar/app/reconcile"
)

// demoTest is a server with the panel of a demo, and a browser that has never been there.
type demoTest struct {
	*adminTest
	pressed []string
	deeds   []DemoDeed
}

func newDemo(t *testing.T) *demoTest {
	t.Helper()
	d := &demoTest{adminTest: newAdmin(t)}
	check(t, AddDemoUsers(t.Context(), d.DB, "not a hash"))
	c := d.Config
	c.Demo = &Demo{
		Groups: func() []DemoGroup {
			return []DemoGroup{{"Things", []DemoAction{{Name: "lose", Label: "Lose it", Text: "<b>Gone</b>"}}}}
		},
		Press: func(_ context.Context, name string) (string, error) {
			d.pressed = append(d.pressed, name)
			return "It was lost.", nil
		},
		Deeds: func() []DemoDeed { return d.deeds },
	}
	s, err := New(c)
	check(t, err)
	ts := httptest.NewServer(s.Handler())
	t.Cleanup(ts.Close)
	d.Server, d.url = s, ts.URL
	return d
}

func TestAVisitorOfTheDemoIsTheOwner(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	if status, body := d.get("", "/admin/demo"); status != http.StatusOK || !strings.Contains(body, `value="owner" aria-pressed="true"`) {
		t.Errorf("a visitor gets %d, want the panel as the owner\n%s", status, body)
	}
	for _, row := range []struct{ name, address, host, header string }{
		{"another machine", "203.0.113.7:5000", "127.0.0.1:8099", ""},
		{"a site that points its own name here", "127.0.0.1:5000", "evil.example:8099", ""},
		{"another machine behind a proxy on this one", "127.0.0.1:5000", "127.0.0.1:8099", "203.0.113.7"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/admin/demo", nil)
		r.RemoteAddr, r.Host = row.address, row.host
		if row.header != "" {
			r.Header.Set("X-Forwarded-For", row.header)
		}
		w := httptest.NewRecorder()
		d.Handler().ServeHTTP(w, r)
		if w.Code != http.StatusSeeOther || len(w.Result().Cookies()) > 0 {
			t.Errorf("%s: %d with the cookies %v, want to be asked to sign in", row.name, w.Code, w.Result().Cookies())
		}
	}
}

func TestThereIsNoPanelOutsideOfTheDemo(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	for _, path := range []string{"/admin/demo", "/admin/demo/role"} {
		if status, _ := a.post(auth.Owner, path, url.Values{"role": {"owner"}}); status != http.StatusNotFound {
			t.Errorf("POST %s: %d, want 404", path, status)
		}
	}
	if status, body := a.get("", "/admin"); status != http.StatusSeeOther {
		t.Errorf("a visitor gets %d, want to be asked to sign in\n%s", status, body)
	}
}

func TestTheRoleOfAVisitorCanBeChanged(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	d.get("", "/admin")
	body := d.submit("", "/admin/demo/role", url.Values{"role": {"support"}, "next": {"/admin/customers"}})
	if !strings.Contains(body, "You work in support now") || !strings.Contains(body, "<title>Customers") {
		t.Errorf("the page does not come back with the new role:\n%s", body)
	}
	if status, _ := d.get("", "/admin/people"); status != http.StatusForbidden {
		t.Errorf("support opens People: %d, want 403", status)
	}
	if got, want := d.audits(1), []string{"support@demo.test GET /admin/people /admin/people denied"}; !slices.Equal(got, want) {
		t.Errorf("the audit says %v, want %v", got, want)
	}
	if status, _ := d.post("", "/admin/demo/role", url.Values{"role": {"king"}}); status != http.StatusBadRequest {
		t.Errorf("an unknown role: %d, want 400", status)
	}
}

func TestButtonsOfTheDemo(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	d.get("", "/admin")
	if body := d.submit("", "/admin/demo", url.Values{"action": {"lose"}}); !strings.Contains(body, "It was lost.") || strings.Contains(body, "<b>Gone") {
		t.Errorf("the page does not say what was done, or the text of a button is not inert:\n%s", body)
	}
	if status, _ := d.post("", "/admin/demo", url.Values{"action": {"drop tables"}}); status != http.StatusNotFound {
		t.Errorf("an unknown button: %d, want 404", status)
	}
	if !slices.Equal(d.pressed, []string{"lose"}) {
		t.Errorf("pressed were %v, want lose once", d.pressed)
	}
}

// TestTheStoryOfALostWebhook tells it again after each thing that happens.
func TestTheStoryOfALostWebhook(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	ctx, began := t.Context(), time.Now()
	d.deeds = []DemoDeed{{At: began, Text: "<script>Ada</script> bought Team.", Customer: "cus_1", Pressed: true, Lost: true}}
	run := db.Run{}
	for _, step := range []struct {
		name   string
		happen func(q *db.Queries) error
		want   string
	}{
		{"nothing yet", func(*db.Queries) error { return nil }, "it begins by itself in a few seconds"},
		{"found", func(q *db.Queries) (err error) {
			if run.ID, err = q.InsertRun(ctx, "", false, db.Now()); err != nil {
				return err
			}
			return q.SaveFinding(ctx, db.SaveFindingParams{RunID: run.ID, Kind: "customer_missing", Subject: "cus_1", Expected: "Ada", Actual: "not known",
				Repair: "job", JobKind: billing.SyncCustomer{}.Kind(), JobKey: "cus_1", Now: db.Now()})
		}, "Expected Ada, found not known."},
		{"the report is not written yet", func(*db.Queries) error { return nil }, "as soon as the repairs are done"},
		{"mended", func(q *db.Queries) error { return q.FixUnseen(ctx, db.Now(), run.ID+1, "[]") }, "without anybody: it asked Stripe"},
		{"reported", func(q *db.Queries) error {
			_, err := q.InsertMail(ctx, db.InsertMailParams{Key: reconcile.ReportKey(run), Recipients: "owner@demo.test", Subject: "1 fixed", State: "kept", CreatedAt: db.Now()})
			return err
		}, "“1 fixed” <a href=\"/admin/outbox/1\">Read the mail</a>"},
	} {
		check(t, d.DB.Tx(ctx, step.happen))
		status, body := d.get("", "/admin/demo")
		if status != http.StatusOK || !strings.Contains(body, "Nobody told Bursar") || !strings.Contains(body, step.want) || strings.Contains(body, "<script>Ada") {
			t.Fatalf("%s: %d, want the story with %q, inert\n%s", step.name, status, step.want, body)
		}
	}
	d.submit("", "/admin/demo/role", url.Values{"role": {"support"}, "next": {"/admin/demo"}})
	if _, body := d.get("", "/admin/demo"); strings.Contains(body, "Read the mail") {
		t.Error("support is led to a mail that they may not read")
	}
}

func TestOnlyTheLatestDeedsAreListed(t *testing.T) {
	t.Parallel()
	d := newDemo(t)
	for n := range 20 {
		d.deeds = append(d.deeds, DemoDeed{At: time.Now(), Text: fmt.Sprintf("Deed %d.", n), Customer: "cus_unknown"})
	}
	_, body := d.get("", "/admin/demo")
	if n := strings.Count(body, "Deed "); n != maxDeeds || !strings.Contains(body, "Deed 0.") {
		t.Errorf("%d deeds are listed, want the newest %d\n%s", n, maxDeeds, body)
	}
}
