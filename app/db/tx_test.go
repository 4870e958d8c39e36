package db

import (
	"context"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// An interrupted statement would have SQLite undo the whole transaction, which is everybody's.
func TestACallerWhoGivesUpInTheMiddleDoesNotUndoTheWritesOfOthers(t *testing.T) {
	t.Parallel()
	d, err := openFile(t, filepath.Join(t.TempDir(), "bursar.db"))
	if err != nil {
		t.Fatal(err)
	}
	busy, handed := make(chan struct{}), make(chan struct{})
	go d.Tx(t.Context(), func(*Queries) error { // holds the writer until both others wait: they share a commit
		close(busy)
		<-handed
		return nil
	})
	<-busy
	other, slow := make(chan error, 1), make(chan error, 1)
	go func() {
		other <- d.Tx(t.Context(), func(q *Queries) error { return q.SetMeta(t.Context(), "other", "kept") })
	}()
	ctx, giveUp := context.WithCancel(t.Context())
	go func() {
		slow <- d.Tx(ctx, func(q *Queries) error {
			time.AfterFunc(20*time.Millisecond, giveUp)
			_, err := q.db.ExecContext(ctx, `INSERT INTO meta (name, value) WITH RECURSIVE k (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < 500000)
				SELECT 'slow', COUNT(*) || '' FROM k`)
			return err
		})
	}()
	for len(d.writes) < 2 {
		runtime.Gosched()
	}
	close(handed)
	if err := <-other; err != nil {
		t.Errorf("the other's write: %v", err)
	}
	if err := <-slow; err != nil {
		t.Errorf("the write that was under way: %v", err)
	}
	for key, want := range map[string]string{"other": "kept", "slow": "500000"} {
		if got, err := d.Read().Meta(t.Context(), key); err != nil || got != want {
			t.Errorf("%s is %q, %v, want %q", key, got, err, want)
		}
	}
}
