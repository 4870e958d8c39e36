package app_test

import (
	"strings"
	"testing"
)

func TestAPIKeysFromTheCommandLine(t *testing.T) {
	t.Parallel()
	b := newBursar(t)
	if out := b.must("apikey", "list"); out != "none\n" {
		t.Errorf("empty: %s", out)
	}
	key := strings.TrimSpace(b.must("apikey", "add", "shop", "--scope", "read", "--expires", "90d"))
	b.must("apikey", "add", "website")
	for _, row := range []struct {
		name, args string
		code       int
		want       []string // "!" begins what must not be there
	}{
		{"the list", "apikey list", 0, []string{"shop     " + key[:10] + "…  read   active", "website", "write  active", "!" + key}},
		{"the list as JSON", "apikey list --json", 0, []string{`"Scope": "read"`, `"State": "active"`, "!Hash", "!" + key}},
		{"a name that is taken", "apikey add shop", 1, []string{"revoke that one first"}},
		{"a scope that is none", "apikey add x --scope admin", 1, []string{"--scope must be one of"}},
		{"days that are none", "apikey add x --expires soon", 1, []string{"not a number of days like 90d"}},
		{"no days", "apikey add x --expires 0d", 1, []string{"not a number of days like 90d"}},
		{"revoking", "apikey revoke shop", 0, []string{"shop is revoked"}},
		{"revoking again", "apikey revoke shop", 1, []string{"revoked already"}},
		{"revoking what is not there", "apikey revoke nothing", 1, []string{`no API key "nothing"`}},
		{"the list after", "apikey list", 0, []string{"read   revoked"}},
		{"the name again", "apikey add shop", 0, []string{"bsk_"}},
		{"the audit", "audit list --action apikeys", 0, []string{"apikeys.revoke", "apikeys.add", "API key 1", "!" + key}},
	} {
		code, out, errs := b.run(strings.Fields(row.args)...)
		if code != row.code {
			t.Errorf("%s: exit code %d: %s%s", row.name, code, out, errs)
		}
		for _, want := range row.want {
			not, isNot := strings.CutPrefix(want, "!")
			if strings.Contains(out+errs, not) == isNot {
				t.Errorf("%s: %q in %s%s", row.name, want, out, errs)
			}
		}
	}
}
