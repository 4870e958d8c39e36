package server

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"bursar/app/auth"
	"bursar/app/db"
)

// receive delivers an event as Stripe does, with changes to its text.
func (a *adminTest) receive(id string, oldnew ...string) {
	a.t.Helper()
	body := strings.NewReplacer(oldnew...).Replace(event(id))
	if res, text := a.deliver(body, sign(body, secret)); res.StatusCode != 200 {
		a.t.Fatalf("%s: %d %s", body, res.StatusCode, text)
	}
}

func TestTheEventsPage(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	_, body := a.get(auth.Support, "/admin/events")
	shows(t, "empty", body, "No events yet")
	a.receive("evt_1")
	a.receive("evt_2", "customer.updated", "charge.refunded", `"object":"customer"`, `"object":"charge","customer":"cus_2"`, `"id":"cus_1"`, `"id":"ch_1"`)
	a.receive("evt_3", `"livemode":false`, `"livemode":true`)
	check(t, a.worker.WorkOff(t.Context()))
	for _, row := range []struct {
		name, query string
		want        []string
	}{
		{"all", "", []string{"evt_1", "evt_2", "evt_3", ">Ada</a>", "it is of live mode and this file holds test mode", "webhook", "a moment"}},
		{"by a part of the type", "?type=refund", []string{"evt_2", "!evt_1", "!evt_3"}},
		{"by customer", "?customer=cus_1", []string{"evt_1", "evt_3", "!evt_2"}},
		{"by customer and type", "?customer=cus_1&type=charge", []string{"No such events"}},
		{"ignored", "?ignored=1", []string{"evt_3", "!evt_1", "!evt_2"}},
		{"ignored, of a customer", "?ignored=1&customer=cus_1", []string{"evt_3", "!evt_1"}},
		{"a type that is none", "?type=%3Cscript%3E", []string{"No such events", "!<script>", "&lt;script&gt;"}},
	} {
		status, body := a.get(auth.Support, "/admin/events"+row.query)
		if status != 200 {
			t.Errorf("%s: %d", row.name, status)
		}
		shows(t, row.name, body, row.want...)
	}
	res, _ := a.do(a.browsers[auth.Support], request(t, "GET", a.url+"/admin/events?customer=evt_1", ""))
	if res.Header.Get("Location") != "/admin/events/evt_1" {
		t.Errorf("an event's id leads to %q", res.Header.Get("Location"))
	}
}

func TestAnEventsPageSaysWhatItLedTo(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	a.receive("evt_1", `"Ada"`, `"`+strings.ReplaceAll(hostile, `"`, `\"`)+`"`)
	_, body := a.get(auth.Finance, "/admin/events/evt_1")
	shows(t, "before the work", body, "Read a customer from Stripe", "waiting", "its turn comes")
	check(t, a.worker.WorkOff(t.Context()))
	_, body = a.get(auth.Finance, "/admin/events/evt_1")
	shows(t, "after it", body, "Read a customer from Stripe", "done", "As Stripe sent it", "&#34;email&#34;: &#34;ada@example.com&#34;", "2023-10-16", "a moment",
		"Nothing is doubled", `action="/admin/events/evt_1/replay"`, "!<script>alert", "&lt;script&gt;")
	_, body = a.get(auth.Support, "/admin/events/evt_1")
	shows(t, "for support", body, "People with the role finance can replay", "!/replay")
	a.exec(`UPDATE events SET received_at = 1000`, `DELETE FROM jobs`)
	_, body = a.get(auth.Finance, "/admin/events/evt_1")
	shows(t, "long after", body, "Finished jobs are kept for 7 days")
	if status, _ := a.get(auth.Finance, "/admin/events/evt_9"); status != 404 {
		t.Errorf("an event that is not there is %d", status)
	}
}

func TestAReplayDoublesNothing(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	a.receive("evt_1")
	a.receive("evt_2", "cus_1", "ch_1", "customer.updated", "refund.updated", `"object":"customer"`, `"object":"refund","charge":"ch_7"`, "ch_1", "re_1")
	a.receive("evt_3", "cus_1", "prod_1", `"object":"customer"`, `"object":"product"`)
	a.receive("evt_4", `"livemode":false`, `"livemode":true`)
	check(t, a.worker.WorkOff(t.Context()))
	for _, row := range []struct{ name, id, says, kind, key string }{
		{"of a customer", "evt_1", "Nothing is doubled", "sync_customer", "cus_1"},
		{"again", "evt_1", "Nothing is doubled", "sync_customer", "cus_1"},
		{"of a refund, which names no customer", "evt_2", "Nothing is doubled", "find_customer", "evt_2"},
		{"of a product", "evt_3", "nothing follows from this event", "", ""},
		{"of what is ignored", "evt_4", "nothing follows from this event", "", ""},
	} {
		shows(t, row.name, a.submit(auth.Finance, "/admin/events/"+row.id+"/replay", nil), row.says)
		if row.kind == "" {
			continue
		}
		if _, err := a.DB.Read().WaitingJob(t.Context(), row.kind, row.key); err != nil {
			t.Errorf("%s: the job %s %s: %v", row.name, row.kind, row.key, err)
		}
	}
	if depth, err := a.DB.Read().QueueDepth(t.Context(), db.Now()); err != nil || depth.Available != 2 {
		t.Errorf("%+v wait, %v", depth, err)
	}
	want := []string{"finance@example.com events.replay evt_2 done", "finance@example.com events.replay evt_1 done", "finance@example.com events.replay evt_1 done"}
	if got := a.audits(10); !slices.Equal(got, want) {
		t.Errorf("the audit has %q", got)
	}
	if status, _ := a.post(auth.Support, "/admin/events/evt_1/replay", url.Values{}); status != 403 {
		t.Errorf("support may replay: %d", status)
	}
	if status, _ := a.post(auth.Finance, "/admin/events/evt_9/replay", url.Values{}); status != 404 {
		t.Errorf("an event that is not there is replayed: %d", status)
	}
}

func TestHowLongAnEventWasOnItsWay(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{0: "a moment", 1400 * time.Millisecond: "a moment", 75 * time.Second: "75 seconds",
		10 * time.Minute: "10 minutes", 5 * time.Hour: "5 hours", 72 * time.Hour: "3 days"} {
		now := time.Now()
		if got := delayWords(delay(db.At(now), db.At(now.Add(d)))); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}
