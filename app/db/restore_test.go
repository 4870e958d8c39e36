package db_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bursar/app/db"
)

func TestAFileThatSomebodyReadsIsNotSetAside(t *testing.T) {
	t.Parallel()
	d := newFile(t)
	reader, err := sql.Open("sqlite", "file:"+d.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if err := d.Tx(t.Context(), func(q *db.Queries) error { return insertEvent(q, "evt_1") }); err != nil {
		t.Fatal(err)
	}
	tx, err := reader.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	var n int
	if err := tx.QueryRowContext(t.Context(), "SELECT count(*) FROM events").Scan(&n); err != nil {
		t.Fatal(err)
	}
	if err := d.Tx(t.Context(), func(q *db.Queries) error { return insertEvent(q, "evt_2") }); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := db.SetAside(ctx, d.Path(), d.Path()+".aside"); err == nil {
		t.Error("it was set aside under a reader")
	}
	if _, err := os.Stat(d.Path() + ".aside"); err == nil || count(t, d) != 2 {
		t.Errorf("the file is not as it was: %d events, %v", count(t, d), err)
	}
}

func TestAFileWithRowsBesideItIsNotPutInAPlace(t *testing.T) {
	t.Parallel()
	d := newFile(t)
	if err := d.Tx(t.Context(), func(q *db.Queries) error { return insertEvent(q, "evt_1") }); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "bursar.db")
	if err := db.Place(d.Path(), to); err == nil || !strings.Contains(err.Error(), "not folded") {
		t.Errorf("error %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Place(d.Path(), to); err != nil {
		t.Error(err)
	}
	if got := count(t, open(t, to)); got != 1 {
		t.Errorf("%d events", got)
	}
}
