package alert

import (
	"database/sql"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"bursar/app/db"
	"bursar/app/db/dbtest"
	"bursar/app/mail"
	"bursar/app/queue"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newDB(t testing.TB) *db.DB {
	t.Helper()
	d := dbtest.New(t)
	return d
}

// newWatch watches a file of its own. There is no SMTP: mails stay in the outbox.
func newWatch(t testing.TB) *Watch {
	t.Helper()
	return watchOf(t, newDB(t))
}

func watchOf(t testing.TB, d *db.DB) *Watch {
	t.Helper()
	templates, err := mail.ParseTemplates(os.DirFS("../.."))
	check(t, err)
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	w := &Watch{DB: d, Worker: queue.NewWorker(d, log), Schedules: new(queue.Pulse), Tally: new(Tally), Log: log, Templates: templates,
		Location: time.UTC, URL: "https://bursar.example.com", To: []string{"ada@example.com"}, Stripe: true}
	w.Handle(w.Worker)
	return w
}

// exec changes the file beside the program. A ? is a time.
func exec(t testing.TB, d *db.DB, statement string, times ...time.Time) {
	t.Helper()
	raw, err := sql.Open("sqlite", d.Path()+"?_pragma=busy_timeout(5000)")
	check(t, err)
	defer raw.Close()
	args := []any{}
	for _, at := range times {
		args = append(args, at.UnixMilli())
	}
	_, err = raw.ExecContext(t.Context(), statement, args...)
	check(t, err)
}

// measured is what one rule measures now.
func (w *Watch) measured(t testing.TB, key string) Measure {
	t.Helper()
	rule := ruleOf(key)
	m, err := rule.measure(t.Context(), &look{Watch: w, q: w.DB.Read(), now: time.Now()})
	check(t, err)
	return m
}

// told are the mails so far, oldest first, without "Bursar: ".
func told(t testing.TB, d *db.DB) (subjects []string) {
	t.Helper()
	list, err := d.Read().ListMails(t.Context(), 1<<62, 10000)
	check(t, err)
	for _, m := range slices.Backward(list) {
		subjects = append(subjects, strings.TrimPrefix(m.Subject, "Bursar: "))
	}
	return subjects
}
