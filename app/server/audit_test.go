package server

import (
	"strings"
	"testing"

	"bursar/app/auth"
	"bursar/app/queue"
)

func TestABrokenAuditIsOnTodayAndInTheMetrics(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	night := func() {
		w := queue.NewWorker(a.DB, a.Log)
		auth.HandleCheckAudit(w)
		a.insert(auth.CheckAudit{})
		check(t, w.WorkOff(t.Context()))
	}
	expect := func(name string, role auth.Role, broken bool, metric string) {
		text, _ := a.open(role, "/admin")
		if got := strings.Contains(text, "Somebody changed the audit"); got != broken {
			t.Errorf("%s, %s sees it: %t", name, role, got)
		}
		if _, body := send(t, request(t, "GET", a.url+"/metrics", "")); !strings.Contains(body, metric) {
			t.Errorf("%s: %s is not in the metrics", name, metric)
		}
	}
	a.get(auth.Support, "/admin/people") // denied: an entry
	night()
	expect("whole", auth.Finance, false, "bursar_audit_broken 0")
	a.exec("DROP TRIGGER audit_update; UPDATE audit SET actor = 'owner@example.com'")
	expect("before the night", auth.Finance, false, "bursar_audit_broken 0")
	night()
	expect("after it", auth.Finance, true, "bursar_audit_broken 1")
	expect("after it", auth.Support, false, "bursar_audit_broken 1") // may not read the audit
	if text, _ := a.open(auth.Finance, "/admin"); !strings.Contains(text, "The audit is broken at entry 1: it was changed after it was written.") {
		t.Errorf("the page is %s", text)
	}
}
