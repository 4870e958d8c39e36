package db

import (
	"context"
	"database/sql"
	"time"
)

// checkpointEvery is how long commits gather in the WAL before they are folded into the file.
const checkpointEvery = 500 * time.Millisecond

// checkpointLoop folds the WAL into the file beside the writer, which would otherwise do it within a
// commit that everybody waits for. PASSIVE waits for nobody (https://www.sqlite.org/pragma.html#pragma_wal_checkpoint).
// Where it does not keep up or fails, as on a full disk, the writer's own wal_autocheckpoint does it.
func (d *DB) checkpointLoop(conn *sql.Conn) {
	defer close(d.folded)
	defer conn.Close()
	for {
		select {
		case <-d.folding:
			conn.ExecContext(context.Background(), "PRAGMA wal_checkpoint(PASSIVE)")
		case <-d.closed:
			return
		}
		select {
		case <-time.After(checkpointEvery):
		case <-d.closed:
			return
		}
	}
}
