package app_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestEveryRequirementHasItsTest holds docs/security.md against the tree: 70 requirements in their order, each with tests that
// are there, or a sentence on why it does not apply or is not proven yet.
func TestEveryRequirementHasItsTest(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| (\d+) \| (.+) \| (.+) \|$`).FindAllStringSubmatch(string(text), -1)
	if len(rows) != 70 {
		t.Errorf("%d requirements, want 70", len(rows))
	}
	proof := regexp.MustCompile("`([a-z_/]+_test\\.go)`((?:,? `(?:Test|Benchmark|Fuzz)\\w+`)+)")
	for i, row := range rows {
		number, says := row[1], row[3]
		if number != strconv.Itoa(i+1) {
			t.Errorf("row %d has the number %s", i+1, number)
		}
		proofs := proof.FindAllStringSubmatch(says, -1)
		reason := regexp.MustCompile(`^(Does not apply|Open|By make): \S`).MatchString(says)
		if len(proofs) == 0 && !reason {
			t.Errorf("requirement %s names no test, and no reason: %s", number, says)
		}
		for _, p := range proofs {
			code, err := os.ReadFile(filepath.Join("..", p[1]))
			if err != nil {
				t.Errorf("requirement %s: %v", number, err)
				continue
			}
			for _, name := range regexp.MustCompile(`\w+`).FindAllString(p[2], -1) {
				if !strings.Contains(string(code), "func "+name+"(") {
					t.Errorf("requirement %s: there is no %s in %s", number, name, p[1])
				}
			}
		}
	}
}
