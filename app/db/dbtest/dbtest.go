// Package dbtest gives tests a file with all tables. Only the first test of a process waits for them to be
// made: the others get a copy.
package dbtest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"bursar/app/db"
)

// New opens a new file, which ends with the test.
func New(tb testing.TB) *db.DB {
	tb.Helper()
	return At(tb, filepath.Join(tb.TempDir(), "bursar.db"))
}

// At opens the file at a path, and makes it where there is none. It is closed at the end of the test, unless
// the test did.
func At(tb testing.TB, path string) *db.DB {
	tb.Helper()
	e, err := template()
	if err == nil {
		if _, missing := os.Stat(path); errors.Is(missing, os.ErrNotExist) {
			err = os.WriteFile(path, e.bytes, 0o600)
		}
	}
	if err != nil {
		tb.Fatal(err)
	}
	// A test may close the file later than its context ends.
	d, err := db.Open(context.WithoutCancel(tb.Context()), path, e.schema)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { d.Close() })
	return d
}

// empty is a file without rows, and the schema it was made from.
type empty struct {
	bytes  []byte
	schema string
}

var template = sync.OnceValues(func() (e empty, err error) {
	_, here, _, _ := runtime.Caller(0)
	schema, err := os.ReadFile(filepath.Join(filepath.Dir(here), "../../../schema.sql"))
	if err != nil {
		return e, err
	}
	dir, err := os.MkdirTemp("", "bursar-empty-")
	if err != nil {
		return e, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "bursar.db")
	d, err := db.Open(context.Background(), path, string(schema))
	if err != nil {
		return e, err
	}
	if err := d.Close(); err != nil {
		return e, err
	}
	bytes, err := os.ReadFile(path)
	return empty{bytes, string(schema)}, err
})
