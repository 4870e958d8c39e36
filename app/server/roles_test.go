package server

import (
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"bursar/app/auth"
	"bursar/app/db"
)

var update = flag.Bool("update", false, "write the golden files in testdata")

// matrix is who may ask for what, a line for each route.
func matrix(routes []Route) string {
	var b strings.Builder
	for _, route := range sortedRoutes(routes) {
		permission := ""
		if route.Access.ofPeople() {
			permission = string(route.Access)
		}
		fmt.Fprintf(&b, "%-45s %-5s %-16s %s\n", route.Path, route.Method, permission, route.who())
	}
	return b.String()
}

// TestTheMatrixOfRoutesAndRoles makes a change of who may do what visible in review. That the server keeps
// to it is TestEveryPageLetsInWhomItShould and TestEveryRouteLetsInWhomItShould.
func TestTheMatrixOfRoutesAndRoles(t *testing.T) {
	t.Parallel()
	const path = "testdata/roles.txt"
	a := newAdmin(t)
	got := matrix(slices.Concat(a.routes, a.demoRoutes()))
	if *update {
		check(t, os.MkdirAll("testdata", 0o755))
		check(t, os.WriteFile(path, []byte(got), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	check(t, err)
	if got == string(want) {
		return
	}
	lines := strings.Split(string(want), "\n")
	for line := range strings.SplitSeq(got, "\n") {
		if i := slices.Index(lines, line); i >= 0 {
			lines = slices.Delete(lines, i, i+1)
		} else {
			t.Errorf("new: %s", line)
		}
	}
	t.Errorf("gone: %s\nwho may do what is not %s any more; if that is meant, run: go test ./app/server -run Matrix -update", strings.Join(lines, "\n      "), path)
}

func TestTheRolesInWords(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	text, _ := a.open(auth.Owner, "/admin/roles")
	for _, want := range []string{"Give money back – no ✓ yes ✓ yes", "Open, answer, assign, move and close tickets ✓ yes ✓ yes ✓ yes", "Erase a person's data – no – no ✓ yes",
		"POST /admin/jobs/selected/retry Run or discard jobs that gave up finance, owner", "GET /admin/sign-in everybody", "PUT /api/v1/users/{user_id} programs whose API key may write",
		fmt.Sprintf("all %d that the server answers", len(a.routes))} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %s", want, text)
		}
	}
}

func TestRequirements33To39WhatARoleMayNever(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		requirement string
		role        auth.Role
		never       []auth.Permission
	}{
		{"33: support moves no money", auth.Support, []auth.Permission{auth.Refund, auth.Subscribe, auth.Approve}},
		{"34: finance manages neither people nor settings, and takes no lists out", auth.Finance, []auth.Permission{auth.ManagePeople, auth.ManageSettings, auth.ExportAll, auth.Erase}},
		{"35: support reads no payment details and takes nothing out", auth.Support, []auth.Permission{auth.ReadPayments, auth.Export, auth.ExportAll, auth.Erase}},
		{"39: support replays, repairs and retries nothing", auth.Support, []auth.Permission{auth.ReplayEvents, auth.Repair, auth.RetryJobs, auth.MergeCustomers, auth.Compare}},
		{"nobody may do what is no permission", auth.Owner, []auth.Permission{"", "fly", "owner"}},
		{"an unknown role may nothing", "admin", auth.Permissions()},
		{"no role may nothing", "", auth.Permissions()},
	} {
		for _, p := range row.never {
			if row.role.May(p) || may(p).admits(row.role) {
				t.Errorf("%s: %s may %s", row.requirement, row.role, p)
			}
		}
	}
	for _, p := range auth.Permissions() {
		if !auth.Owner.May(p) || p.Words() == "" {
			t.Errorf("the owner may not %s (%q)", p, p.Words())
		}
	}
}

// TestRequirement33ARouteThatMovesMoneySaysSo finds a new route by its path: one about money must not be
// open to whoever may look.
func TestRequirement33ARouteThatMovesMoneySaysSo(t *testing.T) {
	t.Parallel()
	about := map[*regexp.Regexp][]auth.Permission{
		regexp.MustCompile(`refund|credit|subscription|/pause|/resume|/plan|/cancel|collect|approv|money`): {auth.Refund, auth.Subscribe, auth.Approve},
		regexp.MustCompile(`/people|/programs|/roles`):                                                     {auth.ManagePeople},
		regexp.MustCompile(`/replay`):                                                                      {auth.ReplayEvents},
		regexp.MustCompile(`/retry|/discard`):                                                              {auth.RetryJobs},
		regexp.MustCompile(`\.csv`):                                                                        {auth.ExportAll},
		regexp.MustCompile(`/erase`):                                                                       {auth.Erase},
		regexp.MustCompile(`/merge`):                                                                       {auth.MergeCustomers},
	}
	a := newAdmin(t)
	for _, route := range a.routes {
		for path, needs := range about {
			writes := route.Method != http.MethodGet || strings.HasSuffix(route.Path, ".csv")
			if writes && path.MatchString(route.Path) && !slices.Contains(needs, auth.Permission(route.Access)) {
				t.Errorf("%s %s needs %s, want one of %v", route.Method, route.Path, route.Access, needs)
			}
		}
	}
}

func TestRequirement35SupportReadsNoPayload(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	body := strings.Replace(event("evt_1"), `"object":"customer",`, `"object":"customer","card":{"last4":"4242"},`, 1)
	if res, text := a.deliver(body, sign(body, secret)); res.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", res.StatusCode, text)
	}
	for role, want := range map[auth.Role]bool{auth.Support: false, auth.Finance: true, auth.Owner: true} {
		text, _ := a.open(role, "/admin/events/evt_1")
		if strings.Contains(text, "4242") != want || strings.Contains(text, "your role does not read") == want {
			t.Errorf("%s: %s", role, text)
		}
	}
}

// TestRequirement38WhatIsOfAnotherModeIsNotThere: one file holds one mode. A live event in a file of the test
// mode is kept to be looked at, and nothing comes of it.
func TestRequirement38WhatIsOfAnotherModeIsNotThere(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	key, err := auth.AddAPIKey(t.Context(), a.DB, "shop", auth.ScopeRead, time.Time{})
	check(t, err)
	ours := event("evt_test")
	theirs := strings.NewReplacer("evt_test", "evt_live", `"livemode":false`, `"livemode":true`, "cus_1", "cus_live").Replace(ours)
	for _, body := range []string{ours, theirs} {
		if res, text := a.deliver(body, sign(body, secret)); res.StatusCode != http.StatusOK {
			t.Fatalf("%d %s", res.StatusCode, text)
		}
	}
	check(t, a.worker.WorkOff(t.Context()))
	for _, row := range []struct {
		name, customer string
		found          int
	}{{"ours", "cus_1", 1}, {"of the other mode", "cus_live", 0}} {
		_, body := send(t, request(t, "GET", a.url+"/api/v1/customers?stripe_customer="+row.customer, "", "Authorization", "Bearer "+key))
		if n := strings.Count(body, `"id":`); n != row.found {
			t.Errorf("%s: the API finds %d: %s", row.name, n, body)
		}
	}
	if status, _ := a.get(auth.Owner, "/admin/customers/2"); status != http.StatusNotFound {
		t.Errorf("a customer was made of it: %d", status)
	}
	if body := a.submit(auth.Owner, "/admin/events/evt_live/replay", nil); !strings.Contains(body, "There is nothing to replay") {
		t.Errorf("it is replayed: %s", body)
	}
	for _, row := range a.audits(10) {
		if strings.Contains(row, "evt_live") {
			t.Errorf("the audit has %q", row)
		}
	}
	for _, path := range []string{"/admin/customers/999/sync", "/admin/tickets/999/close", "/admin/events/evt_9/replay", "/admin/people/999/disable", "/admin/programs/999/revoke"} {
		if status, _ := a.post(auth.Owner, path, nil); status != http.StatusNotFound {
			t.Errorf("POST %s: %d", path, status)
		}
	}
}

// TestRequirement40WhatAFormAddsIsIgnored sends every form with columns that it has no field for.
func TestRequirement40WhatAFormAddsIsIgnored(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	eve := a.addUser("eve@example.com", auth.Support)
	more := url.Values{"id": {"1"}, "user_id": {"1"}, "role": {"owner"}, "email": {"root@example.com"}, "password_hash": {"x"}, "disabled_at": {"0"},
		"customer_id": {"1"}, "customer": {"1"}, "status": {"closed"}, "closed_at": {"1"}, "author": {"bursar"}, "actor": {"eve@example.com"}, "created_at": {"1"},
		"outcome": {"denied"}, "amount": {"1"}, "amount_refunded": {"1"}, "access": {"full"}, "cause": {"x"}, "scope": {"write"}, "revoked_at": {"1"}}
	with := func(form url.Values) url.Values {
		all := url.Values{}
		for name, value := range more {
			all[name] = value
		}
		for name, value := range form {
			all[name] = value
		}
		return all
	}
	a.submit(auth.Owner, fmt.Sprintf("/admin/people/%d/role", eve.ID), with(url.Values{"role": {"finance"}}))
	a.submit(auth.Owner, fmt.Sprintf("/admin/people/%d/disable", eve.ID), with(nil))
	got, err := a.DB.Read().UserByID(t.Context(), eve.ID)
	check(t, err)
	if got.Email != eve.Email || got.Role != "finance" || got.PasswordHash != eve.PasswordHash || got.DisabledAt.IsZero() || got.CreatedAt != eve.CreatedAt {
		t.Errorf("eve is %+v", got)
	}
	owner, err := a.DB.Read().UserByEmail(t.Context(), "owner@example.com")
	check(t, err)
	if owner.ID != 1 || !owner.DisabledAt.IsZero() {
		t.Errorf("the owner is %+v", owner)
	}
	a.submit(auth.Support, "/admin/tickets", with(url.Values{"subject": {"Hello"}, "text": {"There"}, "queue": {"general"}, "priority": {"normal"}, "customer": {""}}))
	a.submit(auth.Support, "/admin/tickets/1/notes", with(url.Values{"text": {"A note"}}))
	var author, status string
	var closed int64
	a.queryRow("SELECT m.author, t.status, t.closed_at FROM tickets t JOIN messages m ON m.ticket_id = t.id ORDER BY m.id DESC LIMIT 1", &author, &status, &closed)
	if author != "support@example.com" || status != "open" || closed != 0 {
		t.Errorf("the note is by %s, the ticket %s, closed %d", author, status, closed)
	}
	rows, err := a.DB.Read().ListAudit(t.Context(), db.ListAuditParams{BeforeID: 1 << 62, Who: "eve", Count: 10})
	check(t, err)
	if len(rows) != 0 {
		t.Errorf("somebody else is in the audit: %+v", rows)
	}
}
