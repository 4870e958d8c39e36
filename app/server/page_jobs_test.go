package server

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"bursar/app/auth"
	"bursar/app/queue"
)

// hostile is a name that means harm: markup, a template, and characters that turn the writing direction.
const hostile = `<script>alert(1)</script>{{.}}` + "\u202e"

// shows says what of the wanted text is not on a page, and what is that should not: that begins with "!".
func shows(t *testing.T, what, body string, wanted ...string) {
	t.Helper()
	for _, text := range wanted {
		text, not := strings.CutPrefix(text, "!")
		if strings.Contains(body, text) == not {
			t.Errorf("%s: %q is there: %t, in\n%s", what, text, not, body[strings.Index(body, "<main")+1:])
		}
	}
}

// addJobs stores a customer and one job in each state, with the ids 1 to 6 in the order of states.
func (a *adminTest) addJobs(states ...string) {
	a.t.Helper()
	now := time.Now().UnixMilli()
	a.exec(fmt.Sprintf(`INSERT INTO customers (id, name, created_at, updated_at) VALUES (7, 'Ada', %d, %[1]d) ON CONFLICT DO NOTHING`, now))
	for i, state := range states {
		ended, errors := int64(0), "[]"
		if slices.Contains([]string{queue.Completed, queue.Discarded, queue.Cancelled}, state) {
			ended = now
		}
		if state == queue.Retryable || state == queue.Discarded {
			errors = `[{"at":"2026-03-01T10:00:00Z","attempt":1,"error":"the CRM said ` + hostile + `"}]`
		}
		a.exec(fmt.Sprintf(`INSERT INTO jobs (kind, key, args, state, attempt, max_attempts, errors, created_at, scheduled_at, attempted_at, finalized_at)
			VALUES ('sync_task', 'cause-%d', '{"Task":{"CustomerID":7},"Done":false}', '%s', 1, 15, '%s', %d, %[4]d, %[4]d, %d)`, i+1, state, errors, now+60_000, ended))
	}
}

func (a *adminTest) jobState(id int64) string {
	a.t.Helper()
	job, err := a.DB.Read().JobByID(a.t.Context(), id)
	check(a.t, err)
	return job.State
}

var allStates = []string{queue.Available, queue.Running, queue.Retryable, queue.Completed, queue.Discarded, queue.Cancelled}

func TestTheJobsPage(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	_, body := a.get(auth.Support, "/admin/jobs")
	shows(t, "empty", body, "No jobs yet", "!Retry")
	a.addJobs(allStates...)
	a.exec(`INSERT INTO jobs (kind, key, args, state, max_attempts, created_at, scheduled_at) VALUES ('of_tomorrow', 'x', 'null', 'available', 15, 1, 1)`)
	for _, row := range []struct {
		name, path string
		role       auth.Role
		want       []string
	}{
		{"all", "/admin/jobs", auth.Finance, []string{"at work", "trying again", "gave up", "set aside", "of_tomorrow", "Open or finish a task",
			`<a href="/admin/customers/7">Ada</a>`, "&lt;script&gt;", "!<script>alert", "!\u202e", `value="5"`, `!name="id" value="2"`, "Retry the one that gave up"}},
		{"for support", "/admin/jobs", auth.Support, []string{"gave up", `!type="checkbox"`, "!Retry", "!Discard"}},
		{"of a state", "/admin/jobs?state=discarded", auth.Finance, []string{"/admin/jobs/5", "!/admin/jobs/4", "!/admin/jobs/1"}},
		{"waiting", "/admin/jobs?state=available", auth.Finance, []string{"/admin/jobs/1", "!/admin/jobs/2"}},
		{"at work", "/admin/jobs?state=running", auth.Finance, []string{"/admin/jobs/2", "!/admin/jobs/1\""}},
		{"at work, of another kind", "/admin/jobs?state=running&kind=prune", auth.Finance, []string{"No such jobs"}},
		{"of a kind", "/admin/jobs?kind=of_tomorrow", auth.Finance, []string{"/admin/jobs/7", "!/admin/jobs/6"}},
		{"of a state that is none", "/admin/jobs?state=%3Cscript%3E", auth.Finance, []string{"No such jobs", "!<script>"}},
		{"of a page beyond the last", "/admin/jobs?before=1", auth.Finance, []string{"Newer"}},
		{"of a page that is none", "/admin/jobs?before=x", auth.Finance, []string{"/admin/jobs/7"}},
	} {
		status, body := a.get(row.role, row.path)
		if status != 200 {
			t.Errorf("%s: %d", row.name, status)
		}
		shows(t, row.name, body, row.want...)
	}
}

func TestAJobsPage(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	a.addJobs(allStates...)
	a.exec(`UPDATE jobs SET args = json_object('text', replace(hex(zeroblob(5000)), '00', 'é')) WHERE id = 6`)
	_, body := a.get(auth.Finance, "/admin/jobs/5")
	shows(t, "one that gave up", body, "It waits for a person", "the CRM said &lt;script&gt;", "&#34;CustomerID&#34;: 7", "Retry now", "1 Mar 2026 10:00:00", "!<script>alert")
	_, body = a.get(auth.Support, "/admin/jobs/5")
	shows(t, "for support", body, "gave up", "!Retry now", "!Discard")
	_, body = a.get(auth.Finance, "/admin/jobs/6")
	shows(t, "with much to say", body, "… cut here", "A person discarded it", "!\ufffd")
	for _, id := range []string{"99", "x", "-1", "9999999999999999999999"} {
		if status, body := a.get(auth.Finance, "/admin/jobs/"+id); status != 404 {
			t.Errorf("%s: %d %s", id, status, body)
		}
	}
}

func TestJobsAreRetriedByHand(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	a.addJobs(allStates...)
	for i, row := range []struct {
		state, after, says string
	}{
		{queue.Available, queue.Available, "Nothing was changed"},
		{queue.Running, queue.Running, "Nothing was changed"},
		{queue.Retryable, queue.Available, "1 job runs now."},
		{queue.Completed, queue.Completed, "Nothing was changed"},
		{queue.Discarded, queue.Available, "1 job runs now."},
		{queue.Cancelled, queue.Available, "1 job runs now."},
	} {
		id := int64(i + 1)
		form := url.Values{"id": {fmt.Sprint(id)}, "from": {"job"}}
		shows(t, row.state, a.submit(auth.Finance, "/admin/jobs/selected/retry", form), row.says, fmt.Sprintf("Job %d about", id))
		if got := a.jobState(id); got != row.after {
			t.Errorf("%s: it is %s then, want %s", row.state, got, row.after)
		}
		shows(t, row.state+", by a second person", a.submit(auth.Owner, "/admin/jobs/selected/retry", form), "Nothing was changed", "Somebody else may have been first")
	}
	if got := a.audits(10); len(got) != 3 || slices.ContainsFunc(got, func(row string) bool { return row != "finance@example.com jobs.retry 1 job done" }) {
		t.Errorf("the audit has %q", got)
	}
}

func TestManyJobsAreRetriedAtOnce(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	a.addJobs(queue.Discarded, queue.Completed, queue.Discarded, queue.Discarded)
	form := url.Values{"id": {"1", "2", "3", "3", "99"}, "state": {"discarded"}}
	shows(t, "some", a.submit(auth.Finance, "/admin/jobs/selected/retry", form), "2 jobs run now. 2 stay as they are", `<option value="discarded" selected>`)
	shows(t, "the rest", a.submit(auth.Finance, "/admin/jobs/selected/retry", url.Values{"all": {"discarded"}}), "1 job runs now.")
	shows(t, "none", a.submit(auth.Finance, "/admin/jobs/selected/retry", nil), "No job was chosen")
	if got, want := a.audits(10), []string{"finance@example.com jobs.retry 1 job done", "finance@example.com jobs.retry 2 jobs done"}; !slices.Equal(got, want) {
		t.Errorf("the audit has %q", got)
	}
	for name, form := range map[string]url.Values{"no number": {"id": {"x"}}, "too many": {"id": strings.Split(strings.Repeat("1 ", 200)+"1", " ")}} {
		if status, body := a.post(auth.Finance, "/admin/jobs/selected/retry", form); status != 400 {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	if status, _ := a.post(auth.Support, "/admin/jobs/selected/retry", url.Values{"id": {"1"}}); status != 403 {
		t.Errorf("support may retry: %d", status)
	}
}

func TestJobsAreDiscardedAndBroughtBack(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	a.addJobs(allStates...)
	const path = "/admin/jobs/selected/discard"
	_, body := a.get(auth.Finance, path+"?id=1&id=2&id=3&id=4&id=5&id=6&id=99")
	shows(t, "the question", body, "Discard 3 jobs?", "The task is not opened or finished.", "Nothing makes up for it later", ">Ada</a>")
	if a.jobState(1) != queue.Available {
		t.Error("asking discards already")
	}
	form := url.Values{"id": {"1", "2", "3", "5"}}
	body = a.submit(auth.Finance, path, form)
	shows(t, "the answer", body, "3 jobs discarded.", `action="/admin/jobs/selected/retry?id=1&amp;id=3&amp;id=5"`)
	if a.jobState(1) != queue.Cancelled || a.jobState(2) != queue.Running || a.jobState(5) != queue.Cancelled {
		t.Errorf("they are %s, %s and %s", a.jobState(1), a.jobState(2), a.jobState(5))
	}
	shows(t, "once more", a.submit(auth.Owner, path, form), "somebody else was first", "!Undo")
	shows(t, "undone", a.submit(auth.Finance, "/admin/jobs/selected/retry?id=1&id=3&id=5", nil), "3 jobs run now.")
	shows(t, "nothing to discard", a.submit(auth.Finance, path, url.Values{"id": {"4"}}), "Nothing was discarded")
	if res, _ := a.do(a.browsers[auth.Finance], request(t, "GET", a.url+path+"?id=4", "")); res.StatusCode != 303 {
		t.Errorf("the question about a finished job is %d", res.StatusCode)
	}
	if got, want := a.audits(10), []string{"finance@example.com jobs.retry 3 jobs done", "finance@example.com jobs.discard 3 jobs done"}; !slices.Equal(got, want) {
		t.Errorf("the audit has %q", got)
	}
}

func TestASearchOfABigTableHasAnEnd(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name     string
		filtered bool
		before   int64
		last     int64
		floor    int64
		next     string
	}{
		{"everything is shown", false, 1 << 62, 100_000, 0, ""},
		{"a small table", true, 1 << 62, 500, 0, ""},
		{"the first stretch", true, 1 << 62, 100_000, 80_001, "80001"},
		{"the second stretch", true, 80_001, 100_000, 60_001, "60001"},
		{"the last stretch", true, 5, 100_000, 0, ""},
	} {
		floor := floorOf(row.filtered, row.before, row.last)
		if next := further("", floor); floor != row.floor || next != row.next {
			t.Errorf("%s: it ends at %d and goes on at %q", row.name, floor, next)
		}
		if next := further("77", floor); next != "77" {
			t.Errorf("%s: a full page goes on at %q", row.name, next)
		}
	}
}

func TestPagesOfAList(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	a.exec(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 120)
		INSERT INTO jobs (kind, key, args, state, max_attempts, created_at, scheduled_at, finalized_at) SELECT 'prune', i, 'null', 'completed', 15, 1, 1, 1 FROM n`)
	var seen []string
	for path, n := "/admin/jobs?kind=prune", 0; path != "" && n < 5; n++ {
		_, body := a.get(auth.Support, path)
		for part := range strings.SplitSeq(body, `<a href="/admin/jobs/`) {
			if id, _, ok := strings.Cut(part, `">Clear`); ok {
				seen = append(seen, id)
			}
		}
		_, rest, found := strings.Cut(body, `<span><a class="button" href="/admin/jobs?before=`)
		path = ""
		if found {
			cursor, _, _ := strings.Cut(rest, `&amp;`)
			path = "/admin/jobs?kind=prune&before=" + cursor
		}
	}
	if len(seen) != 120 || seen[0] != "120" || seen[119] != "1" || len(slices.Compact(slices.Sorted(slices.Values(seen)))) != 120 {
		t.Errorf("%d were seen: %v", len(seen), seen)
	}
}
