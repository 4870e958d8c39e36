package reconcile_test

import (
	"strings"
	"testing"
	"time"

	"bursar/app/db"
	"bursar/app/reconcile"
)

func TestTheReportTellsOfTheAudit(t *testing.T) {
	t.Parallel()
	before, whole, broken := quiet(), quiet(), quiet()
	before.Audit = ""
	whole.Audit = "1,204 entries, verified, last hash 9f2c41d0a7b35e68…"
	broken.Audit, broken.AuditBroken = "the audit is broken at entry 17: it was changed after it was written", true
	for _, row := range []struct {
		name   string
		report reconcile.Report
		tone   string
		want   []string
	}{
		{"before the first check", before, "good", []string{"All 24 customers agree"}},
		{"whole", whole, "good", []string{"All 24 customers agree", "Audit 1,204 entries, verified, last hash 9f2c41d0a7b35e68…"}},
		{"broken", broken, "attention", []string{"24 customers checked: the audit is broken.", "at entry 17"}},
	} {
		subject, text, html, err := parseTemplates(t).Render("report", row.report)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range row.want {
			if !strings.Contains(strings.Join(strings.Fields(subject+"\n"+text), " "), want) {
				t.Errorf("%s: %q is not in %s", row.name, want, text)
			}
		}
		if got := row.report.Tone(); got != row.tone || strings.Contains(html, ">Audit<") != (row.report.Audit != "") {
			t.Errorf("%s: the tone is %s; %s", row.name, got, html)
		}
	}
}

func TestTheReportSaysForAWeekThatABackupWasRestored(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		ago  time.Duration
		says bool
	}{{"yesterday", 24 * time.Hour, true}, {"last week", 8 * 24 * time.Hour, false}} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := newCompany(t, hourAgo())
			at := time.Now().Add(-row.ago)
			check(t, c.DB.Tx(t.Context(), func(q *db.Queries) error {
				return db.KeepRestored(t.Context(), q, db.Restored{At: at, CopyAt: at.Add(-time.Hour)})
			}))
			_, report, m := c.reconcile(reconcile.Reconcile{})
			said := strings.Join(strings.Fields(m.Text), " ")
			if got := strings.Contains(said, "so the numbers and hashes in mails of between do not fit"); got != row.says || report.AuditBroken {
				t.Errorf("the report says %s", said)
			}
		})
	}
}
