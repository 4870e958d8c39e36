package db_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bursar/app/db"
)

func readSchema(tb testing.TB) string {
	tb.Helper()
	text, err := os.ReadFile("../../schema.sql")
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

func open(tb testing.TB, path string) *db.DB {
	tb.Helper()
	d, err := db.Open(context.Background(), path, readSchema(tb))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { d.Close() })
	return d
}

func newFile(tb testing.TB) *db.DB { return open(tb, filepath.Join(tb.TempDir(), "bursar.db")) }

func insertEvent(q *db.Queries, id string) error {
	_, err := q.InsertEvent(context.Background(), db.InsertEventParams{
		ID: id, Type: "invoice.paid", Source: "webhook", CreatedAt: db.Now(), ReceivedAt: db.Now(), Payload: []byte("{}")})
	return err
}

func count(tb testing.TB, d *db.DB) int64 {
	tb.Helper()
	n, err := d.Read().CountEvents(context.Background(), db.Time{})
	if err != nil {
		tb.Fatal(err)
	}
	return n.Total
}

func TestTxKeepsTheWritesOfEachCallerApart(t *testing.T) {
	t.Parallel()
	d := newFile(t)
	boom := errors.New("boom")
	var wg sync.WaitGroup
	for i := range 300 {
		wg.Go(func() {
			err := d.Tx(context.Background(), func(q *db.Queries) error {
				if err := insertEvent(q, fmt.Sprintf("evt_%d", i)); err != nil {
					return err
				}
				if i%3 == 0 {
					return boom
				}
				return nil
			})
			if want := i%3 == 0; errors.Is(err, boom) != want || (err != nil) != want {
				t.Errorf("write %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if got := count(t, d); got != 200 {
		t.Errorf("%d rows kept, want the 200 of the callers without an error", got)
	}
}

func TestTxGivesAPanicBackToItsCallerAndUndoesItsWrites(t *testing.T) {
	t.Parallel()
	d := newFile(t)
	func() {
		defer func() {
			if recover() != "poison" {
				t.Error("the panic did not come back")
			}
		}()
		d.Tx(context.Background(), func(q *db.Queries) error {
			if err := insertEvent(q, "evt_1"); err != nil {
				return err
			}
			panic("poison")
		})
	}()
	if err := d.Tx(context.Background(), func(q *db.Queries) error { return insertEvent(q, "evt_2") }); err != nil {
		t.Fatalf("the next write: %v", err)
	}
	if got := count(t, d); got != 1 {
		t.Errorf("%d rows, want 1", got)
	}
}

func TestTxDropsTheWriteOfACallerWhoGaveUp(t *testing.T) {
	t.Parallel()
	d := newFile(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := d.Tx(ctx, func(q *db.Queries) error { return insertEvent(q, "evt_1") }); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if got := count(t, d); got != 0 {
		t.Errorf("%d rows, want none", got)
	}
}

func TestReadersCannotWrite(t *testing.T) {
	t.Parallel()
	d := newFile(t)
	if err := insertEvent(d.Read(), "evt_1"); err == nil {
		t.Error("a reader wrote")
	}
}

func TestWritesAreRefusedOnceTheFileIsReplaced(t *testing.T) {
	t.Parallel()
	d := newFile(t)
	if err := os.Rename(d.Path(), d.Path()+".away"); err != nil {
		t.Fatal(err)
	}
	err := d.Tx(context.Background(), func(q *db.Queries) error { return insertEvent(q, "evt_1") })
	if !errors.Is(err, db.ErrReplaced) {
		t.Errorf("error %v, want ErrReplaced", err)
	}
}

func TestCloseKeepsWhatWasHandedOverAndRefusesTheRest(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bursar.db")
	d := open(t, path)
	var wg sync.WaitGroup
	var mu sync.Mutex
	kept := int64(0)
	for i := range 100 {
		wg.Go(func() {
			err := d.Tx(context.Background(), func(q *db.Queries) error { return insertEvent(q, fmt.Sprintf("evt_%d", i)) })
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				kept++
			case !errors.Is(err, db.ErrClosed):
				t.Errorf("write %d: %v", i, err)
			}
		})
	}
	d.Close()
	wg.Wait()
	if got := count(t, open(t, path)); got != kept {
		t.Errorf("%d rows after reopening, %d writes were confirmed", got, kept)
	}
}

func TestFilesBelongToTheirOwnerAlone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	d := open(t, filepath.Join(dir, "bursar.db"))
	if err := d.Tx(context.Background(), func(q *db.Queries) error { return insertEvent(q, "evt_1") }); err != nil {
		t.Fatal(err)
	}
	if err := d.Backup(context.Background(), filepath.Join(dir, "copy.db")); err != nil {
		t.Fatal(err)
	}
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", filepath.Base(path), info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestBackupIsAWholeCopyTakenWhileOthersWrite(t *testing.T) {
	t.Parallel()
	d := newFile(t)
	for i := range 50 {
		if err := d.Tx(context.Background(), func(q *db.Queries) error { return insertEvent(q, fmt.Sprintf("evt_%d", i)) }); err != nil {
			t.Fatal(err)
		}
	}
	to := filepath.Join(t.TempDir(), "copy.db")
	if err := d.Backup(context.Background(), to); err != nil {
		t.Fatal(err)
	}
	if got := count(t, open(t, to)); got != 50 {
		t.Errorf("the copy holds %d rows, want 50", got)
	}
	if err := d.Backup(context.Background(), to); err == nil || !strings.Contains(err.Error(), "does not overwrite") {
		t.Errorf("a second backup to the same path: %v", err)
	}
}

func TestOnlyOneProcessServesAFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bursar.db")
	unlock, err := db.Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Lock(path); !errors.Is(err, db.ErrLocked) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("the second got %v, want ErrLocked naming the holder", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if unlock, err = db.Lock(path); err != nil {
		t.Errorf("after letting go: %v", err)
	} else {
		unlock()
	}
}

func TestTimeColumns(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]time.Time{"never": {}, "now": time.Now(), "long ago": time.UnixMilli(1)} {
		v, err := db.At(at).Value()
		if err != nil {
			t.Fatal(err)
		}
		var back db.Time
		if err := back.Scan(v); err != nil || back != db.At(at) {
			t.Errorf("%s: wrote %v, read back %v (%v)", name, v, back, err)
		}
	}
}

func BenchmarkTx(b *testing.B) {
	for _, callers := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			d := newFile(b)
			payload := []byte(strings.Repeat("x", 3000))
			var n int64
			var mu sync.Mutex
			next := func() string { mu.Lock(); defer mu.Unlock(); n++; return fmt.Sprintf("evt_%d", n) }
			b.SetParallelism(max(1, callers/2))
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					id := next()
					err := d.Tx(context.Background(), func(q *db.Queries) error {
						_, err := q.InsertEvent(context.Background(), db.InsertEventParams{ID: id, Type: "t", Source: "webhook",
							CreatedAt: db.Now(), ReceivedAt: db.Now(), Payload: payload})
						return err
					})
					if err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
