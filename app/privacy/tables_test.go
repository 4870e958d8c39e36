package privacy

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

// TestEveryTableIsAccountedFor: whoever adds a table says here what becomes of a person in it.
func TestEveryTableIsAccountedFor(t *testing.T) {
	t.Parallel()
	schema, err := os.ReadFile("../../schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, table := range tables {
		listed = append(listed, table.name)
	}
	var there []string
	for _, m := range regexp.MustCompile(`(?m)^CREATE TABLE (\w+)`).FindAllStringSubmatch(string(schema), -1) {
		there = append(there, m[1])
		if !slices.Contains(listed, m[1]) {
			t.Errorf("app/privacy/tables.go does not say what becomes of a person in the table %s when they are exported or erased", m[1])
		}
	}
	for _, name := range listed {
		if !slices.Contains(there, name) {
			t.Errorf("app/privacy/tables.go lists the table %s, which is not in schema.sql", name)
		}
	}
}

func TestWordsAreTakenOutOfTexts(t *testing.T) {
	t.Parallel()
	w := newWords([]string{"Ann Lee", "ann@example.com", "O'Brien & Søn", "Ångström", "A Very Long Name Of A Company That Does Not Fit Limited"})
	for _, row := range []struct{ name, text, want string }{
		{"a name", "Ann Lee paid", "[erased] paid"},
		{"in another case", "ANN LEE", "[erased]"},
		{"over the end of a line", "paid by Ann\n    Lee today", "paid by [erased] today"},
		{"an address", "<ann@example.com>", "<[erased]>"},
		{"as HTML", "<td>O&#39;Brien &amp; Søn</td>", "<td>[erased]</td>"},
		{"beyond ASCII", "Ångström paid", "[erased] paid"},
		{"cut at the end of its space", "A Very Long Name Of A Company That Do… paid", "[erased] paid"},
		{"a part of another word", "Joann Leeson", "Joann Leeson"},
		{"half of the name", "Ann Smith", "Ann Smith"},
	} {
		if got := w.remove(row.text); got != row.want {
			t.Errorf("%s: %q", row.name, got)
		}
	}
}
