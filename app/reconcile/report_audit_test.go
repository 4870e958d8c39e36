package reconcile_test

import (
	"strings"
	"testing"

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
