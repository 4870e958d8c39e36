package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"bursar/app/auth"
	"bursar/app/db"
)

func TestActivity(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	if _, body := a.get(auth.Finance, "/admin/activity"); !strings.Contains(body, "Nothing yet") {
		t.Errorf("empty: %s", body)
	}
	a.get(auth.Support, "/admin/activity") // denied
	check(t, a.DB.Tx(t.Context(), func(q *db.Queries) error {
		for i := range listSize {
			err := auth.Audit(t.Context(), q, auth.Entry{Actor: "ada@example.com", Role: auth.Finance,
				Address: "203.0.113.7", Action: "jobs.retry", Target: fmt.Sprintf("job <script>%d", i), Outcome: auth.Done, Detail: "{{.}} \u202e"})
			if err != nil {
				return err
			}
		}
		return nil
	}))
	for _, row := range []struct {
		name, query   string
		want, without []string
	}{
		{"the newest", "", []string{"job &lt;script&gt;49", "job &lt;script&gt;0<", "Older"}, []string{"<script>4", "denied</span>", "Newer"}},
		{"older ones", "?before=2", []string{"support@example.com", "open", "denied</span>", "Newer"}, []string{"retry job", "Older"}},
		{"what was denied", "?outcome=denied", []string{"support@example.com"}, []string{"retry job", "Older"}},
		{"of one person", "?who=support@example.com", []string{"open"}, []string{"retry job"}},
		{"of nobody", "?who=eve@example.com", []string{"Nothing like that"}, []string{"retry job"}},
		{"an outcome that is none", "?outcome=%27+OR+1=1", []string{"Nothing like that"}, nil},
		{"a cursor that is none", "?before=x", []string{"job &lt;script&gt;49"}, nil},
	} {
		status, body := a.get(auth.Finance, "/admin/activity"+row.query)
		if status != http.StatusOK {
			t.Errorf("%s: %d", row.name, status)
		}
		for _, want := range row.want {
			if !strings.Contains(body, want) {
				t.Errorf("%s: %q is missing", row.name, want)
			}
		}
		for _, not := range row.without {
			if strings.Contains(body, not) {
				t.Errorf("%s: %q is there", row.name, not)
			}
		}
	}
}

func TestFilteringTheActivity(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	a.Location = time.FixedZone("there", 5*3600)
	check(t, a.DB.Tx(t.Context(), func(q *db.Queries) error {
		return errors.Join(
			auth.Audit(t.Context(), q, auth.Entry{Actor: "ada@example.com", Role: auth.Finance, Action: "payments.refund", Target: "re_1", Outcome: auth.Done,
				Reason: "asked <b>for it", Before: "49.00 USD", After: "0.00 USD"}),
			auth.Audit(t.Context(), q, auth.ByCommand("jobs.retry", "job 42", "")),
			auth.Audit(t.Context(), q, auth.Entry{Actor: "eve@example.com", Action: "customers.merge", Target: "customer 42", Outcome: auth.Unknown}))
	}))
	today := time.Now().In(a.Location).Format(time.DateOnly)
	tomorrow := time.Now().In(a.Location).AddDate(0, 0, 1).Format(time.DateOnly)
	for _, row := range []struct{ name, query, want string }{
		{"nothing", "", "refund retry merge"},
		{"a part of an address", "who=ADA", "refund"},
		{"the command line", "who=command+line", "retry"},
		{"an action", "what=payments", "refund"},
		{"what it was done to", "target=42", "retry merge"},
		{"an outcome", "outcome=unknown", "merge"},
		{"two at once", "target=42&who=eve", "merge"},
		{"today", "from=" + today + "&to=" + today, "refund retry merge"},
		{"from tomorrow on", "from=" + tomorrow, ""},
		{"until a day long ago", "to=2020-01-01", ""},
		{"a day that is none", "from=yesterday", "refund retry merge"},
		{"SQL", "who=%27+OR+1%3D1+--", ""},
		{"a pattern of LIKE", "who=%25", ""},
	} {
		text, body := a.open(auth.Owner, "/admin/activity?"+row.query)
		_, file := a.get(auth.Owner, "/admin/activity.csv?"+row.query)
		var page, csv []string
		for word, action := range map[string]string{"refund payment": "payments.refund", "retry job": "jobs.retry", "merge customer": "customers.merge"} {
			word, _, _ := strings.Cut(word, " ")
			if strings.Contains(body, ">"+word+" ") {
				page = append(page, word)
			}
			if strings.Contains(file, action) {
				csv = append(csv, word)
			}
		}
		want := strings.Fields(row.want)
		slices.Sort(want)
		slices.Sort(page)
		slices.Sort(csv)
		if !slices.Equal(page, want) || !slices.Equal(csv, want) {
			t.Errorf("%s: the page has %v and the file %v, want %v: %s", row.name, page, csv, want, text)
		}
	}
	text, _ := a.open(auth.Finance, "/admin/activity?who=ada")
	if !strings.Contains(text, "49.00 USD → 0.00 USD") || !strings.Contains(text, "Reason: asked <b>for it") || strings.Contains(text, "Download") {
		t.Errorf("the page for finance: %s", text)
	}
}

func TestTheActivityTellsWhetherItWasChecked(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	keep := func(c auth.AuditCheck) {
		text, err := json.Marshal(c)
		check(t, err)
		check(t, a.DB.Tx(t.Context(), func(q *db.Queries) error { return q.KeepMeta(t.Context(), "audit_check", string(text)) }))
	}
	c := auth.AuditCheck{Verified: auth.Verified{Rows: 1204, LastHash: strings.Repeat("ab", 32)}, At: time.Now().Add(-3 * time.Hour)}
	keep(c)
	if text, _ := a.open(auth.Finance, "/admin/activity"); !strings.Contains(text, "Checked 3 hours ago : the first 1,204 are as they were written. The last of them has the hash abababababababab…") {
		t.Errorf("whole: %s", text)
	}
	c.Broken = "the audit is broken at entry 17: it is missing"
	keep(c)
	if text, _ := a.open(auth.Finance, "/admin/activity"); !strings.Contains(text, "The audit is broken at entry 17: it is missing. This was found 3 hours ago") {
		t.Errorf("broken: %s", text)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	a.Settings = []Setting{
		{"STRIPE_WEBHOOK_SECRET", "…wxyz", "environment", "Stripe signs its events with it."},
		{"SMTP_URL", "", "", "With it reports are mailed."},
	}
	_, body := a.get(auth.Owner, "/admin/settings")
	configured, missing, ok := strings.Cut(body, "Not set")
	if !ok || !strings.Contains(configured, "…wxyz") || !strings.Contains(configured, "environment") || !strings.Contains(missing, "With it reports are mailed.") {
		t.Errorf("the page is %s", body)
	}
}

func TestActionsInWords(t *testing.T) {
	t.Parallel()
	for action, want := range map[string]string{
		"sign-in": "sign in", "people.role": "change the role of", "tickets.close": "close ticket", "jobs.discard": "discard job",
		"GET /admin/people": "open", "PUT /api/v1/users/{user_id}": "send something to", "apikeys.revoke": "revoke the", "POST /admin/people/{id}/role": "send something to",
	} {
		if got := (auditEntry{db.Audit{Action: action}}).Words(); got != want {
			t.Errorf("%s: %q, want %q", action, got, want)
		}
	}
}
