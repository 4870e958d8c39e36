package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// safety is for every connection: functions and tables that a manipulated schema names are not trusted, damaged pages
// are found when they are read (https://www.sqlite.org/security.html), and what is deleted is overwritten.
const safety = "&_pragma=trusted_schema(0)&_pragma=cell_size_check(1)&_pragma=secure_delete(1)"

// checkPrivate refuses a file, or a copy that an upgrade made of it, that everybody on the machine can read.
func checkPrivate(path string) error {
	copies, err := filepath.Glob(globLiteral(path) + ".before-v*")
	if err != nil {
		return fmt.Errorf("look for copies of %s: %w", path, err)
	}
	for _, file := range append(copies, path, path+"-wal", path+"-shm") {
		info, err := os.Stat(file)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("look at %s: %w", file, err)
		}
		if mode := info.Mode().Perm(); mode&0o007 != 0 {
			return fmt.Errorf("everybody on this machine may open %s (mode %04o), which holds customers' data; run: chmod 600 %s", file, mode, file)
		}
	}
	return nil
}

// globLiteral is a path as a pattern that fits it alone.
func globLiteral(path string) string {
	return strings.NewReplacer("*", `\*`, "?", `\?`, "[", `\[`, `\`, `\\`).Replace(path)
}

// Forget makes sure that texts which were deleted are nowhere in the file or its WAL any more. What is deleted is
// overwritten at once, but pages that were rearranged may keep a copy: where one of the texts is found the file is
// written anew, and writes wait that long. left says that one is still there, in some row that uses it.
func (d *DB) Forget(ctx context.Context, texts ...string) (left bool, err error) {
	conn, err := sql.Open("sqlite", fileURI(d.path)+"?mode=rw&_pragma=busy_timeout(5000)"+safety)
	if err != nil {
		return false, fmt.Errorf("forget in %s: %w", d.path, err)
	}
	defer conn.Close()
	for _, step := range []string{"", "VACUUM"} {
		if step != "" {
			if _, err := conn.ExecContext(ctx, step); err != nil {
				return false, fmt.Errorf("write %s anew: %w", d.path, err)
			}
		}
		if err := emptyWAL(ctx, conn); err != nil {
			return false, fmt.Errorf("empty the WAL of %s: %w", d.path, err)
		}
		if left, err = contains(d.path, texts); err != nil || !left {
			return left, err
		}
	}
	return true, nil
}

// emptyWAL folds the WAL into the file and cuts it to nothing. It waits some seconds for readers and for other checkpoints.
func emptyWAL(ctx context.Context, conn *sql.DB) error {
	for range 100 {
		var busy, pages, moved int
		if err := conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &moved); err != nil || busy == 0 {
			return err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return errors.New("somebody is reading an older state of the file; try again")
}

// contains looks for texts in the bytes of a file.
func contains(path string, texts []string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, fmt.Errorf("look into %s: %w", path, err)
	}
	defer f.Close()
	longest := 0
	for _, text := range texts {
		longest = max(longest, len(text))
	}
	buf, kept := make([]byte, 1<<20+longest), 0 // the end of one piece is looked at again with the next
	for {
		n, err := io.ReadFull(f, buf[kept:])
		piece := string(buf[:kept+n])
		for _, text := range texts {
			if text != "" && strings.Contains(piece, text) {
				return true, nil
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("look into %s: %w", path, err)
		}
		kept = copy(buf, buf[kept+n-min(longest, kept+n):kept+n])
	}
}
