package db

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func openFile(t *testing.T, path string) (*DB, error) {
	t.Helper()
	schema, err := os.ReadFile("../../schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	d, err := Open(t.Context(), path, string(schema))
	if err == nil {
		t.Cleanup(func() { d.Close() })
	}
	return d, err
}

func TestEveryConnectionIsCareful(t *testing.T) {
	t.Parallel()
	d, err := openFile(t, filepath.Join(t.TempDir(), "bursar.db"))
	if err != nil {
		t.Fatal(err)
	}
	for pragma, want := range map[string]string{"trusted_schema": "0", "cell_size_check": "1", "secure_delete": "1", "foreign_keys": "1",
		"journal_mode": "wal", "synchronous": "2"} {
		var got string
		if err := d.reader.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("a reader has %s = %s, %v", pragma, got, err)
		}
		err := d.Tx(t.Context(), func(q *Queries) error {
			return q.db.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got)
		})
		if err != nil || got != want {
			t.Errorf("the writer has %s = %s, %v", pragma, got, err)
		}
	}
}

func TestAFileThatEverybodyCanReadIsRefused(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, file string
		mode       os.FileMode
		refused    bool
	}{
		{"its owner's alone", "bursar.db", 0o600, false},
		{"a group's, as volumes of clusters are", "bursar.db", 0o660, false},
		{"the file", "bursar.db", 0o644, true},
		{"writable only", "bursar.db", 0o602, true},
		{"its WAL", "bursar.db-wal", 0o644, true},
		{"a copy before an upgrade", "bursar.db.before-v2", 0o644, true},
	} {
		path := filepath.Join(t.TempDir(), "bursar.db")
		d, err := openFile(t, path)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(filepath.Dir(path), row.file)
		f, err := os.OpenFile(file, os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		if err := os.Chmod(file, row.mode); err != nil {
			t.Fatal(err)
		}
		_, err = openFile(t, path)
		if (err != nil) != row.refused || row.refused && !strings.Contains(err.Error(), "chmod 600 "+file) {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

func TestWhatIsDeletedIsNotLeftInTheFile(t *testing.T) {
	t.Parallel()
	const name = "Lovelace-Canary"
	path := filepath.Join(t.TempDir(), "bursar.db")
	d, err := openFile(t, path)
	if err != nil {
		t.Fatal(err)
	}
	var ids []int64
	err = d.Tx(t.Context(), func(q *Queries) error {
		for i := range 500 {
			id, err := q.InsertCustomer(t.Context(), fmt.Sprintf("%s %d", name, i), "", Now())
			if err != nil {
				return err
			}
			ids = append(ids, id)
			if err := q.InsertTimeline(t.Context(), id, strings.Repeat(name+" ", 1000), Now()); err != nil { // overflow pages
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if left, err := d.Forget(t.Context(), name); err != nil || !left {
		t.Fatalf("rows that are there are not found: %v, %v", left, err)
	}
	err = d.Tx(t.Context(), func(q *Queries) error {
		for _, id := range ids {
			if _, err := q.db.ExecContext(t.Context(), "DELETE FROM timeline WHERE customer_id = ?", id); err != nil {
				return err
			}
			if err := q.DeleteCustomer(t.Context(), id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if left, err := d.Forget(t.Context(), name); err != nil || left {
		t.Fatalf("still there: %v, %v", left, err)
	}
	for _, file := range []string{path, path + "-wal"} {
		if found, err := contains(file, []string{name, "Lovelace"}); err != nil || found {
			t.Errorf("%s holds the name: %v, %v", file, found, err)
		}
	}
}

func TestTextsAreFoundAcrossPieces(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	for _, at := range []int{0, 1<<20 - 1, 1 << 20, 1<<20 + 3, 1<<20 + 5, 3 << 20} {
		text := strings.Repeat("-", at) + "canary" + strings.Repeat("-", 2<<20)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if found, err := contains(path, []string{"other", "canary"}); err != nil || !found {
			t.Errorf("at %d: %v, %v", at, found, err)
		}
		if found, err := contains(path, []string{"canaries", ""}); err != nil || found {
			t.Errorf("at %d something that is not there was found: %v", at, err)
		}
	}
}

func TestAnOldSQLiteIsRefused(t *testing.T) {
	t.Parallel()
	raw, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if err := checkVersion(context.Background(), raw); err != nil {
		t.Errorf("the one that is built in: %v", err)
	}
	for version, ok := range map[string]bool{"3.51.2": false, "3.50.99": false, "2.99.0": false, "3.51.3": true, "3.52.0": true, "4.0.0": true, "3": false, "": false} {
		if err := checkVersionText(version); (err == nil) != ok {
			t.Errorf("%q: %v", version, err)
		}
	}
}
