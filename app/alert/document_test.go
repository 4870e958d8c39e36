package alert

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// The document has the rules as they are.
func TestTheDocument(t *testing.T) {
	t.Parallel()
	const path, begin, end = "../../docs/alerts.md", "-update -->\n", "<!-- end -->"
	var b strings.Builder
	b.WriteString("| Rule | Level | Measures | Fires at | What to do |\n|---|---|---|---|---|\n")
	for _, r := range Rules() {
		fmt.Fprintf(&b, "| %s (`%s`) | %s | %s | %s | %s |\n", r.Name, r.Key, r.Level, r.What, r.Limit, r.Step)
	}
	text, err := os.ReadFile(path)
	check(t, err)
	before, rest, _ := strings.Cut(string(text), begin)
	is, after, found := strings.Cut(rest, end)
	if !found {
		t.Fatal("the marks around the table are gone")
	}
	if *update {
		check(t, os.WriteFile(path, []byte(before+begin+b.String()+end+after), 0o644))
	} else if is != b.String() {
		t.Errorf("docs/alerts.md differs from the rules; run go test ./app/alert -run TestTheDocument -update. It should have\n%s", b.String())
	}
}
