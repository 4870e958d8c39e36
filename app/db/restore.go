package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"modernc.org/sqlite"
)

// Restored is what a file remembers of the backup it was made from.
type Restored struct {
	At     time.Time // when it was restored; zero: it never was
	CopyAt time.Time // when something was last written before the copy was made
}

const restoredMeta = "restored"

// ReadRestored reads when the file was last restored.
func ReadRestored(ctx context.Context, q *Queries) (r Restored, err error) {
	text, err := q.Meta(ctx, restoredMeta)
	if errors.Is(err, ErrNoRows) {
		return r, nil
	}
	if err != nil {
		return r, fmt.Errorf("read when a backup was restored: %w", err)
	}
	at, copyAt, _ := strings.Cut(text, " ")
	atMs, err := strconv.ParseInt(at, 10, 64)
	copyMs, copyErr := strconv.ParseInt(copyAt, 10, 64)
	if err := errors.Join(err, copyErr); err != nil {
		return r, fmt.Errorf("read when a backup was restored: %w", err)
	}
	return Restored{time.UnixMilli(atMs), time.UnixMilli(copyMs)}, nil
}

// KeepRestored remembers that the file was restored.
func KeepRestored(ctx context.Context, q *Queries, r Restored) error {
	return q.KeepMeta(ctx, restoredMeta, fmt.Sprintf("%d %d", r.At.UnixMilli(), r.CopyAt.UnixMilli()))
}

// SkipNumbers leaves out the next numbers of customers and contacts: those that were given after the copy of a
// restored file was made are named in other systems, and must not be given to somebody else.
func SkipNumbers(ctx context.Context, q *Queries, n int64) error {
	for _, table := range []string{"customers", "contacts"} {
		changed, err := q.Change(ctx, "UPDATE sqlite_sequence SET seq = seq + ? WHERE name = ?", n, table)
		if err == nil && changed == 0 {
			_, err = q.Change(ctx, "INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", table, n)
		}
		if err != nil {
			return fmt.Errorf("skip numbers of %s: %w", table, err)
		}
	}
	return nil
}

// CheckFile says what is wrong with a file that nobody has open: it is not Bursar's, it is damaged, or rows refer to
// rows that are not there. Open checks its version.
func CheckFile(ctx context.Context, path string) error {
	file, err := sql.Open("sqlite", fileURI(path)+"?mode=rw"+safety)
	if err != nil {
		return err
	}
	defer file.Close()
	var appID int
	if err := file.QueryRowContext(ctx, "PRAGMA application_id").Scan(&appID); err != nil {
		return fmt.Errorf("it is damaged: %w", err)
	}
	if appID != applicationID {
		return errors.New("it is not a file of Bursar")
	}
	if err := quickCheck(ctx, file); err != nil {
		return err
	}
	return checkReferences(ctx, file)
}

func quickCheck(ctx context.Context, file *sql.DB) error {
	var verdict string
	if err := file.QueryRowContext(ctx, "PRAGMA quick_check").Scan(&verdict); err != nil {
		return fmt.Errorf("it is damaged: %w", err)
	}
	if verdict != "ok" {
		return fmt.Errorf("it is damaged: %s", verdict)
	}
	return nil
}

func checkReferences(ctx context.Context, file *sql.DB) error {
	var table, parent string
	err := file.QueryRowContext(ctx, `SELECT "table", parent FROM pragma_foreign_key_check LIMIT 1`).Scan(&table, &parent)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("check its references: %w", err)
	}
	return fmt.Errorf("it is damaged: a row of %s refers to one of %s that is not there", table, parent)
}

// companions are what SQLite keeps beside a file. Beside another file in its place they would ruin that one.
var companions = []string{"-wal", "-shm", "-journal"}

// Exists says that there is a file at path, or what is left of one.
func Exists(path string) (bool, error) {
	for _, suffix := range append([]string{""}, companions...) {
		if _, err := os.Lstat(path + suffix); !errors.Is(err, os.ErrNotExist) {
			return err == nil, err
		}
	}
	return false, nil
}

// SetAside gives the file at path, which nobody serves, a second name, and takes away what SQLite keeps beside it: all
// of it is folded into the file before, or goes with the other name if the file is too damaged for that. The file
// stays at path too, so that at no time there is none.
func SetAside(ctx context.Context, path, aside string) error {
	if _, err := os.Lstat(aside); !errors.Is(err, os.ErrNotExist) {
		return errors.Join(fmt.Errorf("set %s aside: there is a file %s already", path, aside), err)
	}
	folded, err := fold(ctx, path)
	if err != nil {
		return fmt.Errorf("set %s aside: %w", path, err)
	}
	if err := os.Link(path, aside); err != nil && !errors.Is(err, os.ErrNotExist) {
		if err := os.Rename(path, aside); err != nil { // a file system without second names
			return fmt.Errorf("set %s aside: %w", path, err)
		}
	}
	for _, suffix := range companions {
		remove := func() error { return os.Rename(path+suffix, aside+suffix) }
		if folded {
			remove = func() error { return os.Remove(path + suffix) }
		}
		if err := remove(); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("set %s aside: %w", path+suffix, err)
		}
	}
	return syncDir(path)
}

// Magic is what SQLite files begin with: https://www.sqlite.org/fileformat.html
const Magic = "SQLite format 3\x00"

// fold folds the WAL into the file. It says no if the file is missing or damaged, and fails if somebody uses it.
func fold(ctx context.Context, path string) (bool, error) {
	if is, err := begins(path, Magic); !is {
		return false, err // SQLite would throw the WAL of such a file away
	}
	file, err := sql.Open("sqlite", fileURI(path)+"?mode=rw&_pragma=busy_timeout(5000)"+safety)
	if err != nil {
		return false, err
	}
	defer file.Close()
	err = emptyWAL(ctx, file)
	const ioError, corrupt, notADatabase = 10, 11, 26 // https://www.sqlite.org/rescode.html
	var e *sqlite.Error
	if errors.As(err, &e) && (e.Code()&0xff == ioError || e.Code()&0xff == corrupt || e.Code()&0xff == notADatabase) {
		return false, nil
	}
	return err == nil, err
}

func begins(path, with string) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	begin := make([]byte, len(with))
	_, err = io.ReadFull(f, begin)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return false, nil
	}
	return string(begin) == with, err
}

// Place puts a closed file into the place of the one at path, at once: whoever opens path has the one or the other
// whole, also if the machine loses power.
func Place(from, path string) error {
	if info, err := os.Stat(from + "-wal"); err == nil && info.Size() > 0 {
		return fmt.Errorf("put %s in its place: a part of %s is not folded into it", path, from)
	}
	if err := syncFile(from); err != nil {
		return err
	}
	if err := os.Rename(from, path); err != nil {
		return fmt.Errorf("put %s in its place: %w", path, err)
	}
	return syncDir(path)
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("write %s to disk: %w", path, err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s to disk: %w", path, err)
	}
	return nil
}

func syncDir(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("write the directory of %s to disk: %w", path, err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Discard removes a file with all that SQLite and an upgrade left beside it.
func Discard(path string) error {
	copies, err := filepath.Glob(globLiteral(path) + ".before-v*")
	for _, suffix := range append([]string{""}, companions...) {
		copies = append(copies, path+suffix)
	}
	for _, file := range copies {
		if rmErr := os.Remove(file); !errors.Is(rmErr, os.ErrNotExist) {
			err = errors.Join(err, rmErr)
		}
	}
	return err
}
