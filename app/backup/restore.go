package backup

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"filippo.io/age"

	"bursar/app/auth"
	"bursar/app/db"
)

// Restore is a backup that is to take the place of the file.
type Restore struct {
	File    string // as Write wrote it, plain or encrypted, or the copy from before an upgrade
	Keys    []age.Identity
	DB      string // where to
	Schema  string
	Replace bool // a file that is there is set aside

	at func(step string) // tests end the process here
}

// Contents is what a restored file holds, and what a person should look at.
type Contents struct {
	db.Restored
	db.CountContentsRow
	People, APIKeys []string // who may sign in, and what opens the API, as it was when the copy was made
	AuditBroken     string   // the first broken link of the chain, "" if it is whole
	Stopped         Stopped
	Aside           string   // where the file is that was there before, "" if there was none
	Compared        bool     // with that file, which says what was ended since
	Ended           []string // in words
}

// ErrExists is wrapped by Run where there is a file already.
var ErrExists = errors.New("there is a file already")

// Run restores the backup. Whatever ends it, there is the file from before or the restored one, whole. An error that
// wraps db.ErrLocked says that a serve is running.
func (r Restore) Run(ctx context.Context) (c Contents, err error) {
	if err := os.MkdirAll(filepath.Dir(r.DB), 0o700); err != nil {
		return c, fmt.Errorf("create the directory of %s: %w", r.DB, err)
	}
	unlock, err := db.Lock(r.DB)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if err := r.checkPlace(); err != nil {
		return c, err
	}
	restoring := r.DB + ".restoring"
	if err := db.Discard(restoring); err != nil { // of one that was killed
		return c, fmt.Errorf("remove what an earlier restore left behind: %w", err)
	}
	defer func() { err = errors.Join(err, db.Discard(restoring)) }()
	if c, err = r.prepare(ctx, restoring); err != nil {
		return c, fmt.Errorf("restore %s: %w", r.File, err)
	}
	exists, err := db.Exists(r.DB) // while the backup was copied
	if err != nil {
		return c, err
	}
	if exists && !r.Replace {
		return c, fmt.Errorf("%s: %w", r.DB, ErrExists)
	}
	if exists {
		c.Aside = r.DB + ".before-restore-" + c.At.UTC().Format("20060102-150405.000")
		if err := db.SetAside(ctx, r.DB, c.Aside); err != nil {
			return c, err
		}
		if c.Ended, err = db.Ended(ctx, restoring, c.Aside); err == nil { // it may be damaged, or of another version
			c.Compared = true
		}
	}
	r.step("aside")
	if err := db.Place(restoring, r.DB); err != nil {
		return c, err
	}
	r.step("placed")
	return c, nil
}

// Check proves that the backup can be restored: it does so in a folder of its own, which it removes again.
func (r Restore) Check(ctx context.Context) (c Contents, err error) {
	dir := filepath.Dir(r.DB)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		dir = "" // on another machine
	}
	folder, err := os.MkdirTemp(dir, "bursar-check-")
	if err != nil {
		return c, fmt.Errorf("check %s: %w", r.File, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	if c, err = r.prepare(ctx, filepath.Join(folder, "bursar.db")); err == nil && c.AuditBroken != "" {
		err = errors.New(c.AuditBroken)
	}
	if err != nil {
		return c, fmt.Errorf("check %s: %w", r.File, err)
	}
	return c, nil
}

func (r Restore) step(name string) {
	if r.at != nil {
		r.at(name)
	}
}

// checkPlace refuses what would be lost without a word.
func (r Restore) checkPlace() error {
	exists, err := db.Exists(r.DB)
	if err != nil || !exists {
		return err
	}
	if !r.Replace {
		return fmt.Errorf("%s: %w", r.DB, ErrExists)
	}
	from, fromErr := os.Stat(r.File)
	to, toErr := os.Stat(r.DB)
	if fromErr == nil && toErr == nil && os.SameFile(from, to) {
		return fmt.Errorf("%s is the file in use, and not a backup of it", r.File)
	}
	return nil
}

// prepare makes a checked, quiet, closed file at path from the backup.
func (r Restore) prepare(ctx context.Context, path string) (c Contents, err error) {
	if err := r.copyTo(ctx, path); err != nil {
		return c, err
	}
	r.step("copied")
	if err := db.CheckFile(ctx, path); err != nil {
		return c, err
	}
	r.step("checked")
	d, err := db.Open(ctx, path, r.Schema)
	if err != nil {
		return c, err
	}
	err = c.quiet(ctx, d, r.File)
	if err = errors.Join(err, d.Close()); err != nil {
		return c, err
	}
	r.step("quiet")
	return c, nil
}

// quiet reads what the file holds, and quiets it.
func (c *Contents) quiet(ctx context.Context, d *db.DB, file string) error {
	_, err := auth.VerifyAudit(ctx, d.Read())
	if errors.Is(err, auth.ErrAudit) {
		c.AuditBroken = err.Error()
	} else if err != nil {
		return err
	}
	ms, err := d.Read().CopyTime(ctx)
	if err != nil {
		return fmt.Errorf("read when the copy was made: %w", err)
	}
	c.Restored = db.Restored{At: time.Now(), CopyAt: time.UnixMilli(ms)}
	if c.CountContentsRow, err = d.Read().CountContents(ctx); err != nil {
		return fmt.Errorf("count what the copy holds: %w", err)
	}
	rows, err := d.Read().MayOpen(ctx, db.Now())
	if err != nil {
		return fmt.Errorf("read who may sign in: %w", err)
	}
	for _, row := range rows {
		if row.Kind == "person" {
			c.People = append(c.People, row.Name)
		} else {
			c.APIKeys = append(c.APIKeys, row.Name)
		}
	}
	return d.Tx(ctx, func(q *db.Queries) (err error) {
		c.Stopped, err = quiet(ctx, q, c.Restored, file)
		return err
	})
}

// ageMagic is what encrypted files begin with: https://age-encryption.org/v1
const ageMagic = "age-encryption.org/v1\n"

// copyTo copies the backup, decrypted, to a new file for its owner alone.
func (r Restore) copyTo(ctx context.Context, path string) (err error) {
	if info, err := os.Stat(r.File + "-wal"); err == nil && info.Size() > 0 {
		return fmt.Errorf("beside it is %s-wal with a part of its rows: it is in use, or was copied while it was; take a copy that bursar backup wrote", r.File)
	}
	in, err := os.Open(r.File)
	if err != nil {
		return err
	}
	defer in.Close()
	plain, err := r.decrypt(bufio.NewReaderSize(in, 1<<16))
	if err != nil {
		return err
	}
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err := io.Copy(out, stoppable{ctx, plain}); err != nil {
		return fmt.Errorf("it is damaged or cut off, or could not be copied: %w", err)
	}
	return nil
}

func (r Restore) decrypt(in *bufio.Reader) (io.Reader, error) {
	begin, err := in.Peek(len(ageMagic))
	switch {
	case bytes.HasPrefix(begin, []byte(db.Magic)):
		return in, nil
	case !bytes.HasPrefix(begin, []byte(ageMagic)):
		if !errors.Is(err, io.EOF) && err != nil {
			return nil, err
		}
		return nil, errors.New("it is no backup: neither a SQLite file nor one that is encrypted with age")
	case len(r.Keys) == 0:
		return nil, errors.New("it is encrypted; give the file with its key: --key FILE")
	}
	plain, err := age.Decrypt(in, r.Keys...)
	var noMatch *age.NoIdentityMatchError
	if errors.As(err, &noMatch) {
		return nil, errors.New("this key does not open it: it was encrypted for another one")
	}
	if err != nil {
		return nil, fmt.Errorf("it is damaged: %w", err)
	}
	return plain, nil
}
