package app_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bursar/app"
)

// typing runs a command with somebody at the keyboard.
func (b *bursar) typing(text string, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	env := b.environment(&out, &errs)
	env.Stdin = strings.NewReader(text)
	code = app.Run(b.t.Context(), args, env)
	return code, out.String(), errs.String()
}

func TestOnePersonIsExportedAndErased(t *testing.T) {
	t.Parallel()
	b := newBursar(t)
	b.must("replay", eventsFile(t))
	var export struct {
		Customer int64
		Tables   map[string][]map[string]any
	}
	if err := json.Unmarshal([]byte(b.must("export", "p0@example.com")), &export); err != nil || len(export.Tables["events"]) == 0 {
		t.Fatalf("%v: %+v", err, export)
	}
	file := filepath.Join(t.TempDir(), "p0.json")
	b.must("export", "--output", file, "p0@example.com")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info, err)
	}
	if code, _, errs := b.run("export", "--output", file, "p0@example.com"); code != 1 || !strings.Contains(errs, "file exists") {
		t.Errorf("it was written over: %d %s", code, errs)
	}
	for _, row := range []struct {
		name, typed string
		args        []string
		says        string
	}{
		{"nobody", "", []string{"nobody@example.com"}, "there is nobody like that"},
		{"nothing is typed", "", []string{"p0@example.com"}, "nothing was erased"},
		{"something else is typed", "yes\n", []string{"p0@example.com"}, "nothing was erased"},
		{"a live subscription", "", []string{"--yes", "p0@example.com"}, "--force WHY"},
	} {
		if code, out, errs := b.typing(row.typed, append([]string{"erase"}, row.args...)...); code != 1 || !strings.Contains(errs, row.says) {
			t.Errorf("%s: %d %s%s", row.name, code, out, errs)
		}
	}
	id := export.Tables["customers"][0]["id"]
	number, _ := json.Marshal(id)
	code, out, errs := b.typing(string(number)+"\n", "erase", "--force", "they asked", "p0@example.com")
	if code != 0 || !strings.Contains(out, "is erased") || !strings.Contains(out, "[ ] Stripe: redact the customer") {
		t.Fatalf("%d %s%s", code, out, errs)
	}
	text, err := os.ReadFile(b.settings["BURSAR_DB"])
	if err != nil || bytes.Contains(text, []byte("p0@example.com")) || !bytes.Contains(text, []byte("p1@example.com")) {
		t.Errorf("the file: %v", err)
	}
	if out := b.must("audit"); !strings.Contains(out, "customers.erase") || !strings.Contains(out, "customers.export") {
		t.Errorf("the audit: %s", out)
	}
	if code, _, _ := b.run("erase", "--readmit", "p1@example.com"); code != 1 {
		t.Error("somebody who was not erased was taken in again")
	}
	b.must("erase", "--readmit", "p0@example.com")
}
