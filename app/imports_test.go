package app_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mayImport is every package under app and which others of them it may import outside its tests. The
// way is always down, so that each can be read and tested without those above it. app itself joins the
// parts and may import all of them.
var mayImport = map[string][]string{
	"server":     {"alert", "auth", "automation", "billing", "connect", "crm", "customer", "db", "mail", "money", "privacy", "queue", "reconcile", "stripe", "support"},
	"reconcile":  {"auth", "automation", "billing", "connect", "crm", "customer", "db", "mail", "queue", "redact", "stripe", "support"},
	"backup":     {"alert", "auth", "billing", "db", "mail", "money", "queue", "reconcile"}, // a restored file is quiet in all of them
	"money":      {"auth", "billing", "customer", "db", "queue", "stripe"},
	"alert":      {"db", "mail", "queue", "remote"},
	"billing":    {"automation", "customer", "db", "queue", "stripe"},
	"connect":    {"crm", "db", "queue", "support"},
	"automation": {"crm", "customer", "db", "queue", "support"},
	"crm":        {"db", "queue"},
	"support":    {"db", "queue"},
	"mail":       {"db", "queue", "redact"},
	"queue":      {"db", "redact"},
	"privacy":    {"customer", "db", "queue"},
	"customer":   {"db"},
	"auth":       {"db", "queue"},
	"remote":     {},
	"redact":     {},
	"demo":       {"stripe"},
	"lab":        {"billing", "crm", "db", "demo", "mail", "queue", "reconcile", "stripe", "support"},
	"stripe":     {"redact"},
	"db/dbtest":  {"db"},   // files for tests
	"demo/crowd": {"demo"}, // many customers for benchmarks
	"db":         {},
}

// onlyImporter is the one package that may import a library, so that its types stay in one place.
var onlyImporter = map[string]string{
	"github.com/stripe/stripe-go/": "stripe",
	"modernc.org/sqlite":           "db",
}

const top = "." // app

func TestPackagesImportOnlyDownwards(t *testing.T) {
	t.Parallel()
	found := map[string]bool{}
	err := filepath.WalkDir(".", func(file string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		importer := path.Dir(filepath.ToSlash(file))
		found[importer] = true
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range parsed.Imports {
			checkImport(t, file, importer, strings.Trim(spec.Path.Value, `"`))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for importer := range found {
		if _, known := mayImport[importer]; !known && importer != top {
			t.Errorf("package %s is not in mayImport: say what it may import", importer)
		}
	}
	for importer := range mayImport {
		if !found[importer] {
			t.Errorf("mayImport names the package %s, which is not there", importer)
		}
	}
}

func checkImport(t *testing.T, file, importer, imported string) {
	t.Helper()
	ours, isOurs := strings.CutPrefix(imported, "bursar/app/")
	if isOurs && importer != top && !slices.Contains(mayImport[importer], ours) {
		t.Errorf("%s: package %s may not import %s", file, importer, ours)
	}
	for library, only := range onlyImporter {
		if strings.HasPrefix(imported, library) && importer != only {
			t.Errorf("%s: only package %s may import %s", file, only, imported)
		}
	}
}
