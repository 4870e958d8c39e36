package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"

	"bursar/app/db"
	"bursar/app/db/dbtest"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func schema(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../schema.sql")
	check(t, err)
	return string(text)
}

// newKey makes a key as the command does.
func newKey(t *testing.T) ([]age.Recipient, []age.Identity) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bursar-backup.key")
	public, err := NewKey(path)
	check(t, err)
	recipients, err := ParseRecipients(public)
	check(t, err)
	keys, err := ReadKey(path)
	check(t, err)
	return recipients, keys
}

func insertEvent(t *testing.T, d *db.DB, id string) {
	t.Helper()
	check(t, d.Tx(t.Context(), func(q *db.Queries) error {
		_, err := q.InsertEvent(t.Context(), db.InsertEventParams{ID: id, Type: "invoice.paid", Source: "webhook",
			CreatedAt: db.Now(), ReceivedAt: db.Now(), Payload: []byte(`{"name":"Ada Lovelace"}`)})
		return err
	}))
}

// source is a file with some events, and a backup of it.
func source(t *testing.T, events int, recipients []age.Recipient) (d *db.DB, file string) {
	t.Helper()
	d = dbtest.New(t)
	for i := range events {
		insertEvent(t, d, fmt.Sprint("evt_", i))
	}
	file = filepath.Join(t.TempDir(), "backup")
	check(t, Write(t.Context(), d, file, recipients))
	return d, file
}

// events are how many a file holds, -1 if there is no file.
func events(t *testing.T, path string) int64 {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		return -1
	}
	d, err := db.Open(t.Context(), path, schema(t))
	check(t, err)
	defer d.Close()
	n, err := d.Read().CountEvents(t.Context(), db.Time{})
	check(t, err)
	return n.Total
}

func filesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	check(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestTheKeysThatBackupsAreEncryptedFor(t *testing.T) {
	t.Parallel()
	identity, err := age.GenerateX25519Identity()
	check(t, err)
	hybrid, err := age.GenerateHybridIdentity()
	check(t, err)
	public := identity.Recipient().String()
	for _, row := range []struct {
		name, list string
		n          int
		want       string
	}{
		{"none", " , ", 0, ""},
		{"one", public, 1, ""},
		{"two", public + ", " + public, 2, ""},
		{"one that withstands quantum computers", hybrid.Recipient().String(), 1, ""},
		{"kinds that do not go together", public + "," + hybrid.Recipient().String(), 0, "do not go together"},
		{"the secret half", identity.String(), 0, "this is the secret key"},
		{"a word", "ada", 0, `"ada" is not a public key like age1…`},
		{"one without its last letter", public[:len(public)-1], 0, "is not a public key"},
	} {
		got, err := ParseRecipients(row.list)
		if len(got) != row.n || (err != nil) != (row.want != "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %d keys, %v", row.name, len(got), err)
		}
		if err != nil && strings.Contains(err.Error(), identity.String()) {
			t.Errorf("%s: the error repeats the secret: %v", row.name, err)
		}
	}
}

func TestANewKeyIsItsOwnersAloneAndOverwritesNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	_, err := NewKey(path)
	check(t, err)
	info, err := os.Stat(path)
	check(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v", info.Mode())
	}
	was, err := os.ReadFile(path)
	check(t, err)
	if _, err := NewKey(path); err == nil {
		t.Error("a second key took the place of the first")
	}
	if now, _ := os.ReadFile(path); !bytes.Equal(was, now) {
		t.Error("the first key is gone")
	}
}

func TestAnEncryptedBackupCannotBeReadWithoutTheKeyAndLeavesNoPlainCopy(t *testing.T) {
	t.Parallel()
	recipients, keys := newKey(t)
	d, file := source(t, 3, recipients)
	text, err := os.ReadFile(file)
	check(t, err)
	if !strings.HasPrefix(string(text), ageMagic) || strings.Contains(string(text), "Ada Lovelace") || strings.Contains(string(text), "SQLite format") {
		t.Error("it is not encrypted")
	}
	if info, _ := os.Stat(file); info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v", info.Mode())
	}
	for _, name := range filesIn(t, filepath.Dir(d.Path())) {
		if !slices.Contains([]string{"bursar.db", "bursar.db-wal", "bursar.db-shm"}, name) {
			t.Errorf("%s is left beside the file", name)
		}
	}
	if got := filesIn(t, filepath.Dir(file)); len(got) != 1 {
		t.Errorf("beside the backup is %q", got)
	}
	to := filepath.Join(t.TempDir(), "data", "bursar.db")
	c, err := Restore{File: file, Keys: keys, DB: to, Schema: schema(t)}.Run(t.Context())
	if err != nil || c.Events != 3 || events(t, to) != 3 {
		t.Errorf("restored: %+v, %v", c, err)
	}
	if err := Write(t.Context(), d, file, recipients); err == nil || !strings.Contains(err.Error(), "does not overwrite") {
		t.Errorf("over an existing file: %v", err)
	}
}

func TestABackupThatIsInterruptedLeavesNothing(t *testing.T) {
	t.Parallel()
	recipients, _ := newKey(t)
	d, file := source(t, 3, nil)
	out := filepath.Join(t.TempDir(), "backup.age")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Write(ctx, d, out, recipients); err == nil {
		t.Error("no error")
	}
	if err := encrypt(ctx, file, out, recipients); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted while it was encrypted: %v", err)
	}
	if got := filesIn(t, filepath.Dir(out)); len(got) != 0 {
		t.Errorf("left behind: %q", got)
	}
	if len(filesIn(t, filepath.Dir(d.Path()))) > 3 {
		t.Errorf("left beside the file: %q", filesIn(t, filepath.Dir(d.Path())))
	}
	killed, other, mine := d.Path()+encrypting+"1", d.Path()+encrypting+"2", d.Path()+".backup-1"
	for _, dir := range []string{killed, other, mine} {
		check(t, os.Mkdir(dir, 0o700))
	}
	for _, dir := range []string{killed, mine} {
		check(t, os.Chtimes(dir, time.Time{}, time.Now().Add(-25*time.Hour)))
	}
	check(t, Write(t.Context(), d, out, recipients))
	for dir, want := range map[string]bool{killed: false, other: true, mine: true} {
		if _, err := os.Stat(dir); (err == nil) != want {
			t.Errorf("%s is there: %v", dir, err == nil)
		}
	}
}

func TestABackupTakenWhileOthersWriteIsRestoredWhole(t *testing.T) {
	t.Parallel()
	recipients, keys := newKey(t)
	d := dbtest.New(t)
	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for w := range 3 {
		writers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				err := d.Tx(t.Context(), func(q *db.Queries) error { // two events or none
					for _, half := range []string{"a", "b"} {
						_, err := q.InsertEvent(t.Context(), db.InsertEventParams{ID: fmt.Sprintf("evt_%d_%d%s", w, i, half), Type: "x", Source: "webhook",
							CreatedAt: db.Now(), ReceivedAt: db.Now(), Payload: make([]byte, 2000)})
						if err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for n := range 5 {
		file, to := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "bursar.db")
		check(t, Write(t.Context(), d, file, recipients))
		c, err := Restore{File: file, Keys: keys, DB: to, Schema: schema(t)}.Run(t.Context())
		check(t, err)
		if got := events(t, to); got != c.Events || got%2 != 0 || n > 0 && got == 0 {
			t.Errorf("copy %d holds %d events, and told of %d", n, got, c.Events)
		}
	}
	stop()
	writers.Wait()
}
