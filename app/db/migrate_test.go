package db

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// firstSchema is the schema of the first released version; steps must lead from it to schema.sql.
const firstSchema = "testdata/schema-v1.sql"

func schemaOf(t *testing.T, path string) map[string]string {
	t.Helper()
	conn, err := sql.Open("sqlite", fileURI(path))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	rows, err := conn.Query("SELECT name, COALESCE(sql, '') FROM sqlite_schema")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	comment, space := regexp.MustCompile(`--[^\n]*`), regexp.MustCompile(`\s+`)
	found := map[string]string{}
	for rows.Next() {
		var name, text string
		if err := rows.Scan(&name, &text); err != nil {
			t.Fatal(err)
		}
		found[name] = strings.TrimSpace(space.ReplaceAllString(comment.ReplaceAllString(text, ""), " "))
	}
	return found
}

func TestAnOldFileAndItsStepsEndInTheSchema(t *testing.T) {
	t.Parallel()
	schema, err := os.ReadFile("../../schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile(firstSchema)
	if err != nil {
		t.Fatal(err)
	}
	dir, ctx := t.TempDir(), context.Background()
	lifted, fresh := filepath.Join(dir, "lifted.db"), filepath.Join(dir, "fresh.db")
	writeVersion(t, lifted, string(old), 1, applicationID)
	for _, path := range []string{lifted, fresh} {
		d, err := Open(ctx, path, string(schema))
		if err != nil {
			t.Fatal(err)
		}
		d.Close()
	}
	got, want := schemaOf(t, lifted), schemaOf(t, fresh)
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s after the steps:\n%s\nin schema.sql:\n%s", name, got[name], want[name])
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is left over after the steps", name)
		}
	}
}

func TestFilesThatAreNotOursAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		version, appID int
		want           string
	}{
		"a newer Bursar's":  {len(steps) + 2, applicationID, "newer Bursar"},
		"another program's": {3, 0, "another program"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.db")
			writeVersion(t, path, "CREATE TABLE t (a INTEGER) STRICT", c.version, c.appID)
			if _, err := Open(context.Background(), path, ""); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one that says %q", err, c.want)
			}
		})
	}
}

func writeVersion(t *testing.T, path, schema string, version, appID int) {
	t.Helper()
	if err := createFile(path); err != nil {
		t.Fatal(err)
	}
	conn, err := sql.Open("sqlite", fileURI(path))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, text := range []string{schema, "PRAGMA user_version = " + strconv.Itoa(version), "PRAGMA application_id = " + strconv.Itoa(appID)} {
		if _, err := conn.Exec(text); err != nil {
			t.Fatal(err)
		}
	}
}
