package backup

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"filippo.io/age"

	"bursar/app/db"
	"bursar/app/db/dbtest"
)

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
