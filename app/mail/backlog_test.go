package mail

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"bursar/app/db"
	"bursar/app/queue"
)

// age makes a stored mail older.
func age(t *testing.T, d *db.DB, key string, by time.Duration) {
	t.Helper()
	err := d.Tx(t.Context(), func(q *db.Queries) error {
		_, err := q.Change(t.Context(), "UPDATE mails SET created_at = created_at - ? WHERE key = ?", by.Milliseconds(), key)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// sendAll runs every waiting send job until none is due.
func sendAll(t *testing.T, d *db.DB, setting SMTP) {
	t.Helper()
	templates, err := ParseTemplates(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	w := queue.NewWorker(d, slog.New(slog.DiscardHandler))
	sender := &Sender{DB: d, SMTP: setting, Templates: templates, URL: "https://bursar.example.com", Location: time.UTC}
	queue.Handle(w, queue.Options{System: "mail"}, sender.Send)
	if err := w.WorkOff(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Row 33 of the faults: the mail server is away for three days.
func TestOldNewsIsOneMailOnceMailWorksAgain(t *testing.T) {
	t.Parallel()
	d, s := newDB(t), newServer(t, faults{})
	for day := 1; day <= 3; day++ {
		m := hello(fmt.Sprintf("report:2026-03-0%d", day))
		m.News, m.Subject = true, fmt.Sprintf("Bursar: 412 checked, all agree (%d March)", day)
		put(t, d, m, true)
	}
	for i := range 40 {
		m := hello(fmt.Sprintf("alert:%d", i))
		m.News, m.Subject, m.To = true, fmt.Sprintf("Alert %d", i), []string{"ops@example.com"}
		put(t, d, m, true)
		age(t, d, m.Key, 30*time.Hour)
	}
	age(t, d, "report:2026-03-01", 49*time.Hour)
	age(t, d, "report:2026-03-02", 25*time.Hour)
	invitation := hello("invite/1") // is no news: it is sent whenever that is possible
	put(t, d, invitation, true)
	age(t, d, invitation.Key, 49*time.Hour)
	sendAll(t, d, s.signedIn(t))

	for key, want := range map[string]string{"report:2026-03-01": Superseded, "report:2026-03-02": Superseded, "report:2026-03-03": Sent,
		"alert:0": Superseded, "alert:39": Superseded, "invite/1": Sent} {
		if m := read(t, d, key); m.State != want || want == Superseded && !strings.Contains(m.Error, "not sent") {
			t.Errorf("%s is %s %q, want %s", key, m.State, m.Error, want)
		}
	}
	if n := len(s.mails()); n != 4 { // two that say that mail works, one to each, the report of today, the invitation
		t.Errorf("%d mails were sent", n)
	}
	one := read(t, d, "backlog:1")
	for _, want := range []string{"(1 March)", "(2 March)", "https://bursar.example.com/admin/outbox/1", "Mail works again"} {
		if !strings.Contains(one.Text, want) || !strings.Contains(one.HTML, want) {
			t.Errorf("the mail lacks %q: %s", want, one.Text)
		}
	}
	if one.Subject != "Bursar: mail works again, 2 not sent" || strings.Contains(one.Text, "(3 March)") || strings.Contains(one.Text, "Alert") {
		t.Errorf("%s\n%s", one.Subject, one.Text)
	}
	if other := read(t, d, "backlog:4"); other.Recipients != "ops@example.com" || !strings.Contains(other.Text, "and 20 more") {
		t.Errorf("to %s: %s", other.Recipients, other.Text)
	}
}

func TestOldNewsWaitsWhileTheServerIsAway(t *testing.T) {
	t.Parallel()
	d, s := newDB(t), newServer(t, faults{badPassword: refusal(454, "later")})
	m := hello("report:2026-03-01")
	m.News = true
	put(t, d, m, true)
	age(t, d, m.Key, 49*time.Hour)
	sendAll(t, d, s.signedIn(t))
	if got := read(t, d, m.Key); got.State != Waiting {
		t.Errorf("it is %s", got.State)
	}
	if _, err := d.Read().MailByKey(t.Context(), "backlog:1"); err == nil {
		t.Error("a mail says that mail works")
	}
}
