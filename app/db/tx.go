package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"slices"

	"modernc.org/sqlite"
)

// maxBatch bounds how many writes share one commit, and how many may wait for the next.
const maxBatch = 256

// Errors of Tx that are about the file and not about what was written.
var (
	ErrClosed   = errors.New("the database is closed")
	ErrReplaced = errors.New("the database file was deleted or replaced under the running program; restart it")
)

// write is one caller's transaction on its way to the writer.
type write struct {
	ctx   context.Context
	fn    func(*Queries) error
	err   error
	panic any
	done  chan struct{}
}

// Tx runs fn in a write transaction and returns nil only after its commit is on disk
// (synchronous=FULL). Many callers share one commit, each in a savepoint of its own: an error or
// panic of fn undoes fn's writes and no others. Inside fn use q and nothing else of the database,
// and never the network: everybody's writes wait for it.
func (d *DB) Tx(ctx context.Context, fn func(q *Queries) error) error {
	w := &write{ctx: ctx, fn: fn, done: make(chan struct{})}
	if err := d.hand(w); err != nil {
		return err
	}
	// fn may use the caller's variables, so the caller stays until fn has run or was dropped.
	<-w.done
	if w.panic != nil {
		panic(w.panic)
	}
	return w.err
}

func (d *DB) hand(w *write) error {
	d.gate.RLock()
	defer d.gate.RUnlock()
	if d.ended {
		return ErrClosed
	}
	select {
	case d.writes <- w:
		return nil
	case <-w.ctx.Done():
		return fmt.Errorf("wait for the database: %w", w.ctx.Err())
	}
}

// writeLoop is the only writer. Whatever waits while one commit is under way goes into the next.
func (d *DB) writeLoop(conn *sql.Conn) {
	defer close(d.closed)
	defer conn.Close()
	prepared := newStatements(conn)
	// SQLite undoes all of a transaction in which a statement is interrupted, and so what others wrote
	// (https://www.sqlite.org/c3ref/interrupt.html).
	prepared.finish = true
	defer prepared.close()
	q := New(prepared)
	batch := make([]*write, 0, maxBatch)
	for w := range d.writes {
		batch = append(batch[:0], w)
		for more := true; more && len(batch) < maxBatch; {
			select {
			case w, ok := <-d.writes:
				if more = ok; ok {
					batch = append(batch, w)
				}
			default:
				more = false
			}
		}
		if err := d.commit(q, batch); err != nil {
			for _, w := range batch {
				w.err = errors.Join(w.err, err)
			}
		}
		d.note(batch)
		wake(d.commits)
		wake(d.folding)
		for _, w := range batch {
			close(w.done)
		}
	}
}

// note keeps whether something was stored, and whether there was no space for it.
func (d *DB) note(batch []*write) {
	if slices.ContainsFunc(batch, func(w *write) bool { return noSpace(w.err) }) {
		d.full.Store(true)
	}
	if slices.ContainsFunc(batch, func(w *write) bool { return w.err == nil && w.panic == nil }) {
		d.kept.Add(1)
	}
}

// noSpace says that SQLite found the disk full (https://www.sqlite.org/rescode.html#full).
func noSpace(err error) bool {
	const full = 13
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == full
}

// wake leaves a token, unless there is one.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// commit runs a batch in one transaction. Its error means that nothing of the batch was kept.
func (d *DB) commit(q *Queries, batch []*write) (err error) {
	// A file moved away would still take writes, and lose them.
	if now, err := os.Stat(d.path); err != nil || !os.SameFile(now, d.file) {
		return ErrReplaced
	}
	ctx := context.Background()
	if _, err := q.db.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() {
		if err != nil {
			q.db.ExecContext(ctx, "ROLLBACK") // fails where SQLite rolled back by itself
		}
	}()
	for _, w := range batch {
		if w.err = w.ctx.Err(); w.err != nil {
			continue
		}
		if err := w.run(ctx, q); err != nil {
			return err
		}
	}
	if _, err := q.db.ExecContext(ctx, "COMMIT"); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// run is one write in its savepoint. Its error means that the whole transaction is lost.
func (w *write) run(ctx context.Context, q *Queries) error {
	if _, err := q.db.ExecContext(ctx, "SAVEPOINT w"); err != nil {
		return fmt.Errorf("savepoint: %w", err)
	}
	w.call(q)
	if w.err != nil || w.panic != nil {
		if _, err := q.db.ExecContext(ctx, "ROLLBACK TO w"); err != nil {
			return fmt.Errorf("roll back: %w", err)
		}
	}
	if _, err := q.db.ExecContext(ctx, "RELEASE w"); err != nil {
		return fmt.Errorf("release: %w", err)
	}
	return nil
}

func (w *write) call(q *Queries) {
	defer func() { w.panic = recover() }()
	w.err = w.fn(q)
}
