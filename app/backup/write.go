package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"

	"bursar/app/db"
)

const (
	encrypting = ".encrypting-" // and a number: the folder of the plain copy
	// leftover is how old the folder of a backup that was killed must be to be nobody's.
	leftover = 24 * time.Hour
)

// Write writes a whole, checked copy of d to a new file at path, while others read and write. With recipients it is
// encrypted for them. The plain copy, which can be checked only as long as it is plain, is beside the database until
// then: it is where all of it is readable anyway, and not where backups are taken from to somewhere else.
func Write(ctx context.Context, d *db.DB, path string, recipients []age.Recipient) error {
	if len(recipients) == 0 {
		return d.Backup(ctx, path)
	}
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("back up to %s: there is a file already; Bursar does not overwrite it", path)
	}
	removeLeftovers(d.Path())
	dir, err := os.MkdirTemp(filepath.Dir(d.Path()), filepath.Base(d.Path())+encrypting)
	if err != nil {
		return fmt.Errorf("back up to %s: %w", path, err)
	}
	defer os.RemoveAll(dir)
	plain := filepath.Join(dir, "plain.db")
	if err := d.Backup(ctx, plain); err != nil {
		return err
	}
	if err := encrypt(ctx, plain, path, recipients); err != nil {
		return fmt.Errorf("back up to %s: %w", path, err)
	}
	return os.RemoveAll(dir)
}

// removeLeftovers removes the plain copies of backups that were killed.
func removeLeftovers(path string) {
	entries, _ := os.ReadDir(filepath.Dir(path)) // what cannot be read cannot be removed either
	for _, e := range entries {
		info, err := e.Info()
		if strings.HasPrefix(e.Name(), filepath.Base(path)+encrypting) && e.IsDir() && err == nil && time.Since(info.ModTime()) > leftover {
			os.RemoveAll(filepath.Join(filepath.Dir(path), e.Name()))
		}
	}
}

// encrypt leaves no half file behind.
func encrypt(ctx context.Context, from, to string, recipients []age.Recipient) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, out.Close()); err != nil {
			err = errors.Join(err, os.Remove(to))
		}
	}()
	sealed, err := age.Encrypt(out, recipients...)
	if err != nil {
		return err
	}
	if _, err := io.Copy(sealed, stoppable{ctx, in}); err != nil {
		return err
	}
	return errors.Join(sealed.Close(), out.Sync())
}

// stoppable is a reader that ends with ctx.
type stoppable struct {
	ctx context.Context
	io.Reader
}

func (s stoppable) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.Reader.Read(p)
}
