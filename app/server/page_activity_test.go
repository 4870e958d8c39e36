package server

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

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
		{"the newest", "", []string{"job &lt;script&gt;49", "job &lt;script&gt;0 ", "Older"}, []string{"<script>4", "denied</span>", "Newer"}},
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
		"GET /admin/people": "open", "POST /admin/people/{id}/role": "send a form to",
	} {
		if got := (auditEntry{db.Audit{Action: action}}).What(); got != want {
			t.Errorf("%s: %q, want %q", action, got, want)
		}
	}
}
