package app_test

import (
	"database/sql"
	"regexp"
	"strings"
	"testing"
)

func TestTheAuditFromTheCommandLine(t *testing.T) {
	t.Parallel()
	b := newBursar(t)
	if out := b.must("audit", "verify"); out != "The audit is empty.\n" {
		t.Errorf("empty: %s", out)
	}
	for _, command := range []string{"user add --role owner ada@example.com", "apikey add shop", "reconcile", "backup " + b.settings["BURSAR_DB"] + ".copy"} {
		b.run(strings.Fields(command)...)
	}
	list := b.must("audit")
	for _, want := range []string{"on the command line", "people.invite", "apikeys.add", "reports.compare", "file.backup"} {
		if !strings.Contains(list, want) {
			t.Errorf("%q is not in %s", want, list)
		}
	}
	if list := b.must("audit", "list", "--action", "apikeys", "--json"); strings.Count(list, `"Action"`) != 1 {
		t.Errorf("filtered: %s", list)
	}
	last := regexp.MustCompile(`(?s)^4 entries follow each other.*last hash ([0-9a-f]{64})\n$`).FindStringSubmatch(b.must("audit", "verify"))
	if last == nil {
		t.Fatalf("whole: %s", b.must("audit", "verify"))
	}
	b.must("audit", "verify", "--anchor", "4:"+last[1][:16])
	b.must("audit", "verify", "--anchor", "4:"+last[1][:16]+"…")

	raw, err := sql.Open("sqlite", b.settings["BURSAR_DB"])
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if _, err := raw.ExecContext(t.Context(), "DROP TRIGGER audit_update; UPDATE audit SET target = 'eve@example.com' WHERE id = 1"); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, want string
		args       []string
	}{
		{"a changed entry", "the audit is broken at entry 1: it was changed", nil},
		{"a changed entry, as JSON", "the audit is broken at entry 1: it was changed", []string{"--json"}},
		{"an anchor that is none", "is not like 1204:", []string{"--anchor", "latest"}},
		{"an anchor with too short a hash", "is not like 1204:", []string{"--anchor", "4:ab"}},
	} {
		code, _, errs := b.run(append([]string{"audit", "verify"}, row.args...)...)
		if code != 1 || !strings.Contains(errs, row.want) {
			t.Errorf("%s: exit code %d, %s", row.name, code, errs)
		}
	}
}
