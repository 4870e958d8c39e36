package server

import (
	"testing"

	"bursar/app/auth"
)

func TestTheContactsPage(t *testing.T) {
	t.Parallel()
	a := newAdmin(t)
	_, body := a.get(auth.Support, "/admin/contacts")
	shows(t, "empty", body, "No contacts yet")
	a.exec(`INSERT INTO customers (id, created_at, updated_at) VALUES (7, 1, 1), (8, 1, 1)`,
		`INSERT INTO contacts (customer_id, name, email, lifecycle, plan, status, last_paid_at, created_at, updated_at) VALUES
			(7, 'Ada', 'ada@example.com', 'customer', 'Team', 'past_due', 0, 1, 1), (8, '`+hostile+`', 'bob@example.com', 'trial', '', 'trialing', 0, 1, 1)`,
		`INSERT INTO tasks (customer_id, cause, title, created_at, done_at) VALUES (7, 'a', 't', 1, 0), (7, 'b', 't', 1, 0), (7, 'c', 't', 1, 5)`)
	for _, row := range []struct {
		name, query string
		want        []string
	}{
		{"all", "", []string{`<a href="/admin/customers/7">Ada</a>`, "ada@example.com", "Team", "past_due", "never", `class="num">2</td>`, "bob@example.com",
			"&lt;script&gt;", "!<script>alert", "!\u202e"}},
		{"of a stage", "?lifecycle=trial", []string{"bob@example.com", "!ada@example.com"}},
		{"of a stage nobody is in", "?lifecycle=churned", []string{"No contact is “churned”"}},
		{"of a stage that is none", "?lifecycle=%3Cscript%3E", []string{"No contact is", "!<script>"}},
		{"beyond the last", "?before=1", []string{"Newer", "!ada@example.com"}},
	} {
		status, body := a.get(auth.Support, "/admin/contacts"+row.query)
		if status != 200 {
			t.Errorf("%s: %d", row.name, status)
		}
		shows(t, row.name, body, row.want...)
	}
}
