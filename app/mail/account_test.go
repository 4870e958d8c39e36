package mail

import (
	"os"
	"strings"
	"testing"
	"time"

	"bursar/app/db"
)

// TestWhatAMailAboutAnAccountSays reads it as it is in the outbox.
func TestWhatAMailAboutAnAccountSays(t *testing.T) {
	t.Parallel()
	templates, err := ParseTemplates(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	zone := time.FixedZone("CET", 3600)
	ada := db.User{ID: 1, Email: "ada@example.com", Role: "finance", PasswordHash: "a hash"}
	for _, row := range []struct {
		name     string
		change   Change
		owner    bool // it is for other owners
		send     bool
		to       string
		subject  string
		want     []string // in both forms
		not      string
		wantedIn string // the state
	}{
		{"their own", Change{"your password was changed", "ada@example.com", "192.0.2.7"}, false, true, "ada@example.com", "Bursar: your password was changed",
			[]string{"Your password was changed.", "192.0.2.7", " CET", "If it was not, somebody else can sign in", "https://b.example/admin/account", "bursar user add"}, "By", Waiting},
		{"somebody else's, without SMTP", Change{"your role is support now, and was finance", "eve@example.com", "2001:db8::1"}, false, false, "ada@example.com", "Bursar: your role is support now, and was finance",
			[]string{"Your role is support now, and was finance.", "2001:db8::1", "eve@example.com", "If you did not expect this, ask an owner"}, "somebody else can sign in", Kept},
		{"on the command line", Change{"a new sign-in link was made for your account", "root on the command line", ""}, false, true, "ada@example.com", "Bursar: a new sign-in link was made for your account",
			[]string{"the command line of the server", "root on the command line"}, "somebody else can sign in", Waiting},
		{"a new owner", Change{"there is a new owner: ada@example.com, who was finance", "eve@example.com", "192.0.2.7"}, true, true, "eve@example.com", "Bursar: there is a new owner: ada@example.com, who was finance",
			[]string{"There is a new owner: ada@example.com, who was finance.", "Owners may do everything", "https://b.example/admin/people"}, "If it was you", Waiting},
		{"a hostile name", Change{"a passkey was added to your account: <b>x</b>\r\nBcc: eve@example.com", "", "192.0.2.7"}, false, true, "ada@example.com",
			"Bursar: a passkey was added to your account: <b>x</b> Bcc: eve@example.com", []string{"192.0.2.7"}, "\nBcc", Waiting},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			d := newDB(t)
			a := Accounts{Templates: templates, URL: "https://b.example", Location: zone, Send: row.send}
			err := d.Tx(t.Context(), func(q *db.Queries) error {
				if !row.owner {
					return a.Changed(t.Context(), q, ada, row.change)
				}
				for _, email := range []string{"ada@example.com", "eve@example.com", "invited@example.com"} {
					id, err := q.InsertUser(t.Context(), email, "owner", db.Now())
					if err != nil {
						return err
					}
					if email != "invited@example.com" {
						if err := q.SetUserPassword(t.Context(), "a hash", id); err != nil {
							return err
						}
					}
				}
				return a.NewOwner(t.Context(), q, ada, row.change)
			})
			if err != nil {
				t.Fatal(err)
			}
			list, err := d.Read().ListMails(t.Context(), 1<<62, 10)
			if err != nil || len(list) != 1 || list[0].Recipients != row.to || list[0].Subject != row.subject || list[0].State != row.wantedIn {
				t.Fatalf("the outbox has %+v, %v", list, err)
			}
			m, err := d.Read().MailByID(t.Context(), list[0].ID)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range row.want {
				if !strings.Contains(m.Text, want) || !strings.Contains(m.HTML, want) {
					t.Errorf("%q is not in\n%s\n%s", want, m.Text, m.HTML)
				}
			}
			if strings.Contains(m.Text, row.not) || strings.Contains(m.HTML, "<b>x") {
				t.Errorf("%q is in\n%s", row.not, m.Text)
			}
			for line := range strings.SplitSeq(m.Text, "\n") {
				if len(line) > 80 {
					t.Errorf("a long line: %s", line)
				}
			}
		})
	}
}

// TestWhoHasNoPasswordYetIsToldNothing: they have no account that anybody could take over.
func TestWhoHasNoPasswordYetIsToldNothing(t *testing.T) {
	t.Parallel()
	d := newDB(t)
	err := d.Tx(t.Context(), func(q *db.Queries) error {
		return Accounts{}.Changed(t.Context(), q, db.User{Email: "ada@example.com"}, Change{What: "your role is owner now"})
	})
	if list, listErr := d.Read().ListMails(t.Context(), 1<<62, 10); err != nil || listErr != nil || len(list) > 0 {
		t.Errorf("the outbox has %+v, %v, %v", list, err, listErr)
	}
}
