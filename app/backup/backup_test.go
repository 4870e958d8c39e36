package backup

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
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
		{"one with a slip", public[:len(public)-1] + "q", 0, "is not a public key"},
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
	if _, err := os.Stat(d.Path() + ".backup-"); err == nil || len(filesIn(t, filepath.Dir(d.Path()))) > 3 {
		t.Errorf("left beside the file: %q", filesIn(t, filepath.Dir(d.Path())))
	}
	killed := d.Path() + ".backup-1"
	check(t, os.Mkdir(killed, 0o700))
	check(t, os.Chtimes(killed, time.Time{}, time.Now().Add(-25*time.Hour)))
	check(t, Write(t.Context(), d, out, recipients))
	if _, err := os.Stat(killed); err == nil {
		t.Error("the plain copy of one that was killed days ago is still there")
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

func TestWhatIsNotRestored(t *testing.T) {
	t.Parallel()
	recipients, keys := newKey(t)
	_, otherKeys := newKey(t)
	_, plain := source(t, 200, nil)
	_, sealed := source(t, 200, recipients)
	read := func(path string) []byte {
		text, err := os.ReadFile(path)
		check(t, err)
		return text
	}
	flip := func(text []byte, at int) []byte {
		text = bytes.Clone(text)
		for i := range 64 {
			text[at+i] ^= 0xff
		}
		return text
	}
	sqlite := func(statement string) []byte {
		path := filepath.Join(t.TempDir(), "changed.db")
		check(t, os.WriteFile(path, read(plain), 0o600))
		raw, err := sql.Open("sqlite", "file:"+path)
		check(t, err)
		_, err = raw.ExecContext(t.Context(), statement)
		check(t, errors.Join(err, raw.Close()))
		return read(path)
	}
	for _, row := range []struct {
		name string
		text []byte
		keys []age.Identity
		want string
	}{
		{"no file of anything", []byte("hello"), nil, "neither a SQLite file nor one that is encrypted"},
		{"an empty file", nil, nil, "neither a SQLite file nor one that is encrypted"},
		{"encrypted, and no key", read(sealed), nil, "--key"},
		{"encrypted for another key", read(sealed), otherKeys, "this key does not open it"},
		{"encrypted and damaged at its beginning", flip(read(sealed), 60), keys, "it"},
		{"encrypted and damaged in the middle", flip(read(sealed), len(read(sealed))/2), keys, "damaged or cut off"},
		{"encrypted and cut off", read(sealed)[:len(read(sealed))*2/3], keys, "damaged or cut off"},
		{"encrypted and cut off between two pieces", read(sealed)[:len(read(sealed))-len(read(sealed))%(1<<16+16)], keys, "damaged or cut off"},
		{"plain and cut off", read(plain)[:len(read(plain))*2/3], nil, "damaged"},
		{"plain and cut off in a page", read(plain)[:len(read(plain))-100], nil, "damaged"},
		{"plain and damaged", flip(flip(read(plain), 8192*30), 8192*31), nil, "damaged"},
		{"of another program", sqlite("PRAGMA application_id = 7"), nil, "not a file of Bursar"},
		{"of a newer Bursar", sqlite("PRAGMA user_version = 1000"), nil, "newer Bursar"},
		{"with a row that refers to nothing", sqlite("PRAGMA foreign_keys = 0; INSERT INTO timeline (customer_id, text, created_at) VALUES (99, 'x', 1)"), nil, "refers to one of customers"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file, to := filepath.Join(t.TempDir(), "backup"), filepath.Join(dir, "bursar.db")
			check(t, os.WriteFile(file, row.text, 0o600))
			r := Restore{File: file, Keys: row.keys, DB: to, Schema: schema(t)}
			if _, err := r.Run(t.Context()); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("it says %v, want %q", err, row.want)
			}
			if got := filesIn(t, dir); !slices.Equal(got, []string{"bursar.db.lock"}) {
				t.Errorf("left behind: %q", got)
			}
			if _, err := r.Check(t.Context()); err == nil {
				t.Error("--check says that it can be restored")
			}
			if got := filesIn(t, dir); !slices.Equal(got, []string{"bursar.db.lock"}) {
				t.Errorf("--check left behind: %q", got)
			}
			old := dbtest.At(t, to)
			insertEvent(t, old, "evt_old")
			check(t, old.Close())
			r.Replace = true
			if _, err := r.Run(t.Context()); err == nil {
				t.Error("it took the place of a file")
			}
			if got := filesIn(t, dir); !slices.Equal(got, []string{"bursar.db", "bursar.db.lock"}) || events(t, to) != 1 {
				t.Errorf("the file that was there is not as it was: %q, %d events", got, events(t, to))
			}
		})
	}
}

func TestAFileThatIsThereIsSetAsideWithAllItsRows(t *testing.T) {
	t.Parallel()
	_, file := source(t, 3, nil)
	to := filepath.Join(t.TempDir(), "bursar.db")
	r := Restore{File: file, DB: to, Schema: schema(t)}
	old := dbtest.At(t, to)
	insertEvent(t, old, "evt_old") // it is in the WAL, and old is not closed, as by a process that died
	if _, err := r.Run(t.Context()); !errors.Is(err, ErrExists) {
		t.Errorf("without --replace: %v", err)
	}
	r.Replace = true
	unlock, err := db.Lock(to)
	check(t, err)
	if _, err := r.Run(t.Context()); !errors.Is(err, db.ErrLocked) {
		t.Errorf("under a running serve: %v", err)
	}
	check(t, unlock())
	c, err := r.Run(t.Context())
	check(t, err)
	if events(t, to) != 3 || events(t, c.Aside) != 1 {
		t.Errorf("restored %d events of 3, and set aside %d of 1", events(t, to), events(t, c.Aside))
	}
	err = old.Tx(t.Context(), func(*db.Queries) error { return nil })
	if !errors.Is(err, db.ErrReplaced) {
		t.Errorf("a command that had the old file open may still write: %v", err)
	}
	if _, err := (Restore{File: to, DB: to, Schema: schema(t), Replace: true}).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "not a backup") {
		t.Errorf("the file itself as its backup: %v", err)
	}
}

func TestADamagedFileIsSetAsideAsItIs(t *testing.T) {
	t.Parallel()
	_, file := source(t, 3, nil)
	to := filepath.Join(t.TempDir(), "bursar.db")
	check(t, os.WriteFile(to, bytes.Repeat([]byte("no database "), 1000), 0o600))
	check(t, os.WriteFile(to+"-wal", []byte("not folded"), 0o600))
	c, err := Restore{File: file, DB: to, Schema: schema(t), Replace: true}.Run(t.Context())
	check(t, err)
	if events(t, to) != 3 {
		t.Error("it is not restored")
	}
	for path, want := range map[string]string{c.Aside: "no database", c.Aside + "-wal": "not folded"} {
		if text, err := os.ReadFile(path); err != nil || !strings.HasPrefix(string(text), want) {
			t.Errorf("%s: %.20s, %v", path, text, err)
		}
	}
}

// A WAL without its file would be taken for that of the restored one, and ruin it.
func TestAWALThatIsLeftOfALostFileIsSetAside(t *testing.T) {
	t.Parallel()
	_, file := source(t, 3, nil)
	to := filepath.Join(t.TempDir(), "bursar.db")
	check(t, os.WriteFile(to+"-wal", []byte("of another file"), 0o600))
	r := Restore{File: file, DB: to, Schema: schema(t)}
	if _, err := r.Run(t.Context()); !errors.Is(err, ErrExists) {
		t.Errorf("without --replace: %v", err)
	}
	r.Replace = true
	_, err := r.Run(t.Context())
	check(t, err)
	if events(t, to) != 3 {
		t.Error("it is not restored")
	}
}

func TestAFileInUseIsNoBackup(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	insertEvent(t, d, "evt_1")
	_, err := Restore{File: d.Path(), DB: filepath.Join(t.TempDir(), "bursar.db"), Schema: schema(t)}.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "in use, or was copied while it was") {
		t.Errorf("it says %v", err)
	}
}

func TestTheCopyFromBeforeAnUpgradeIsRestored(t *testing.T) {
	t.Parallel()
	d, _ := source(t, 4, nil)
	before := d.Path() + ".before-v2"
	check(t, d.Backup(t.Context(), before))
	check(t, d.Close())
	_, err := Restore{File: before, DB: d.Path(), Schema: schema(t), Replace: true}.Run(t.Context())
	if err != nil || events(t, d.Path()) != 4 {
		t.Errorf("%d events, %v", events(t, d.Path()), err)
	}
	if _, err := os.Stat(before); err != nil {
		t.Errorf("the copy is gone: %v", err)
	}
}

// TestKilled ends a restore with SIGKILL at every step: there is the file from before, or the restored one, whole.
func TestKilled(t *testing.T) {
	t.Parallel()
	_, file := source(t, 3, nil)
	for _, row := range []struct {
		step  string
		there bool  // a file was there, with one event
		want  int64 // events afterwards
	}{
		{"copied", false, -1}, {"checked", false, -1}, {"quiet", false, -1}, {"aside", false, -1}, {"placed", false, 3},
		{"copied", true, 1}, {"checked", true, 1}, {"quiet", true, 1}, {"aside", true, 1}, {"placed", true, 3},
	} {
		t.Run(fmt.Sprintf("%s, a file was there: %v", row.step, row.there), func(t *testing.T) {
			t.Parallel()
			to := filepath.Join(t.TempDir(), "bursar.db")
			if row.there {
				d := dbtest.At(t, to)
				insertEvent(t, d, "evt_old")
				check(t, d.Close())
			}
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$")
			cmd.Env = append(os.Environ(), "BACKUP_CHILD="+to, "BACKUP_FILE="+file, "BACKUP_STEP="+row.step)
			if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(err.Error(), "killed") {
				t.Fatalf("the process that should die: %v\n%s", err, out)
			}
			if got := events(t, to); got != row.want {
				t.Errorf("there are %d events, want %d", got, row.want)
			}
			c, err := Restore{File: file, DB: to, Schema: schema(t), Replace: true}.Run(t.Context())
			if err != nil || c.Events != 3 || events(t, to) != 3 {
				t.Errorf("restored again: %d events, %v", events(t, to), err)
			}
			for _, name := range filesIn(t, filepath.Dir(to)) {
				if strings.Contains(name, "restoring") {
					t.Errorf("%s is left", name)
				}
			}
		})
	}
}

// TestChild is the process that TestKilled kills.
func TestChild(t *testing.T) {
	to := os.Getenv("BACKUP_CHILD")
	if to == "" {
		t.Skip("it is run by TestKilled")
	}
	r := Restore{File: os.Getenv("BACKUP_FILE"), DB: to, Schema: schema(t), Replace: true, at: func(step string) {
		if step == os.Getenv("BACKUP_STEP") {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
	}}
	_, err := r.Run(t.Context())
	check(t, err)
}
