package auth_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"bursar/app/auth"
	"bursar/app/db"
	"bursar/app/queue"
)

// write adds entries by somebody.
func write(t *testing.T, d *db.DB, actor string, n int) {
	t.Helper()
	err := d.Tx(t.Context(), func(q *db.Queries) error {
		for i := range n {
			e := auth.Entry{Actor: actor, Role: auth.Finance, Address: "203.0.113.7", Action: "payments.refund", Target: fmt.Sprintf("re_%d", i),
				Outcome: auth.Done, Reason: "asked for it", Before: "49.00 USD", After: "0.00 USD"}
			if err := auth.Audit(t.Context(), q, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// forge changes the file as somebody can who has it in their hands: without the triggers.
func forge(t *testing.T, d *db.DB, statements ...string) {
	t.Helper()
	raw, err := sql.Open("sqlite", d.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	for _, text := range append([]string{"DROP TRIGGER audit_insert", "DROP TRIGGER audit_update", "DROP TRIGGER audit_delete"}, statements...) {
		if _, err := raw.ExecContext(t.Context(), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
}

func TestRequirement48TheFileRefusesToChangeTheAudit(t *testing.T) {
	t.Parallel()
	d := newDB(t)
	write(t, d, "ada@example.com", 2)
	raw, err := sql.Open("sqlite", d.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	const columns = "(id, created_at, actor, role, address, action, target, outcome, prev_hash, hash) VALUES"
	for _, row := range []struct{ name, statement, want string }{
		{"another outcome", "UPDATE audit SET outcome = 'denied' WHERE id = 1", "never changed"},
		{"nothing changed at all", "UPDATE audit SET actor = actor", "never changed"},
		{"the newest taken out", "DELETE FROM audit WHERE id = 2", "never deleted"},
		{"all taken out", "DELETE FROM audit", "never deleted"},
		{"one written over another", "INSERT OR REPLACE INTO audit " + columns + " (1, 1, 'eve', '', '', 'x', '', 'done', x'', x'')", "only grows at its end"},
		{"one put in before", "INSERT INTO audit " + columns + " (-1, 1, 'eve', '', '', 'x', '', 'done', x'', x'')", "only grows at its end"},
		{"one with a gap", "INSERT INTO audit " + columns + " (9, 1, 'eve', '', '', 'x', '', 'done', x'', x'')", "only grows at its end"},
	} {
		if _, err := raw.ExecContext(t.Context(), row.statement); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v", row.name, err)
		}
	}
	if v, err := auth.VerifyAudit(t.Context(), d.Read()); err != nil || v.Rows != 2 {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestRequirement48EveryForgeryIsFound(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, forgery, want string
	}{
		{"nothing", "SELECT 1", ""},
		{"the outcome changed", "UPDATE audit SET outcome = 'denied' WHERE id = 7", "entry 7: it was changed"},
		{"the reason changed", "UPDATE audit SET reason = 'none' WHERE id = 1", "entry 1: it was changed"},
		{"a letter moved from one field to the next", "UPDATE audit SET action = 'payments.refundr', target = 'e_0' WHERE id = 1", "entry 1: it was changed"},
		{"the time changed", "UPDATE audit SET created_at = created_at + 1 WHERE id = 1500", "entry 1500: it was changed"},
		{"one taken out", "DELETE FROM audit WHERE id = 1000", "entry 1000: it is missing"},
		{"several taken out", "DELETE FROM audit WHERE id BETWEEN 3 AND 9", "entry 3: it and those up to entry 9 are missing"},
		{"the first ones taken out", "DELETE FROM audit WHERE id < 3", "entry 1: it and those up to entry 2 are missing"},
		{"one taken out and the rest moved up", "DELETE FROM audit WHERE id = 5; UPDATE audit SET id = id - 1 WHERE id > 5", "entry 5: it was changed"},
		{"two changed places", "UPDATE audit SET id = -id WHERE id IN (8, 9); UPDATE audit SET id = 17 + id WHERE id IN (-8, -9)", "entry 8: it was changed"},
		{"the end cut off", "DELETE FROM audit WHERE id > 1490", "it ends with entry 1490, and had 1500 when it was checked"},
		{"all taken out", "DELETE FROM audit", "it ends with entry 0, and had 1500"},
		{"the first row has one before it", "UPDATE audit SET prev_hash = x'00' WHERE id = 1", "entry 1: it was changed"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			d := newDB(t)
			write(t, d, "ada@example.com", 1500)
			nightly(t, d)
			forge(t, d, row.forgery)
			_, err := auth.VerifyAudit(t.Context(), d.Read())
			if row.want == "" && err != nil || row.want != "" && (!errors.Is(err, auth.ErrAudit) || !strings.Contains(err.Error(), row.want)) {
				t.Errorf("%v, want %q", err, row.want)
			}
		})
	}
}

// nightly is the job of the night.
func nightly(t *testing.T, d *db.DB) auth.AuditCheck {
	t.Helper()
	w := queue.NewWorker(d, nil)
	auth.HandleCheckAudit(w)
	err := d.Tx(t.Context(), func(q *db.Queries) error { return queue.Insert(t.Context(), q, auth.CheckAudit{}) })
	if err == nil {
		err = w.WorkOff(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	c, err := auth.LastAuditCheck(t.Context(), d.Read())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRequirement48AForgerWhoMendsTheHashOfHisRowIsFoundAtTheNext(t *testing.T) {
	t.Parallel()
	d := newDB(t)
	write(t, d, "ada@example.com", 9)
	rows, err := d.Read().AuditSince(t.Context(), 4, 1)
	if err != nil {
		t.Fatal(err)
	}
	rows[0].Actor = "eve@example.com"
	forge(t, d, fmt.Sprintf("UPDATE audit SET actor = 'eve@example.com', hash = x'%x' WHERE id = 5", auth.Sum(rows[0])))
	v, err := auth.VerifyAudit(t.Context(), d.Read())
	if !errors.Is(err, auth.ErrAudit) || !strings.Contains(err.Error(), "entry 6: it does not follow the entry before it") || v.Rows != 5 {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestRequirement48AnAnchorFindsAWholeAuditWrittenAnew(t *testing.T) {
	t.Parallel()
	d := newDB(t)
	write(t, d, "ada@example.com", 3)
	before := nightly(t, d)
	forge(t, d, "DELETE FROM audit")
	write(t, d, "eve@example.com", 4)
	if _, err := auth.VerifyAudit(t.Context(), d.Read()); err == nil || !strings.Contains(err.Error(), "entry 3 or before: the hash is not the one") {
		t.Errorf("by the anchor of the night: %v", err)
	}
	raw, err := sql.Open("sqlite", d.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if _, err := raw.ExecContext(t.Context(), "DELETE FROM meta WHERE name = 'audit_check'"); err != nil {
		t.Fatal(err)
	}
	if _, err := auth.VerifyAudit(t.Context(), d.Read()); err != nil {
		t.Fatalf("a forger who knows all of this is not seen from inside: %v", err)
	}
	for _, row := range []struct {
		name   string
		anchor auth.Anchor
		ok     bool
	}{
		{"the mail of the day before", auth.Anchor{Rows: 3, LastHash: before.LastHash[:16]}, false},
		{"the whole hash in capitals", auth.Anchor{Rows: 3, LastHash: strings.ToUpper(before.LastHash)}, false},
		{"a mail with more entries", auth.Anchor{Rows: 5, LastHash: before.LastHash}, false},
	} {
		if _, err := auth.VerifyAudit(t.Context(), d.Read(), row.anchor); errors.Is(err, auth.ErrAudit) == row.ok {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

func TestTheNightlyCheckKeepsTheAnchorOfTheLastGoodOne(t *testing.T) {
	t.Parallel()
	d := newDB(t)
	if c := nightly(t, d); c.Rows != 0 || c.Broken != "" || c.At.IsZero() {
		t.Errorf("empty: %+v", c)
	}
	write(t, d, "ada@example.com", 3)
	if c := nightly(t, d); c.Rows != 3 || len(c.LastHash) != 64 || c.LastAt.IsZero() || c.Broken != "" {
		t.Errorf("whole: %+v", c)
	}
	forge(t, d, "DELETE FROM audit WHERE id = 3")
	for range 2 { // the second night too
		if c := nightly(t, d); c.Rows != 3 || !strings.Contains(c.Broken, "it ends with entry 2") {
			t.Errorf("cut: %+v", c)
		}
	}
}

func TestTheChainHoldsWithManyWritersAndAnyText(t *testing.T) {
	t.Parallel()
	d := newDB(t)
	texts := []string{"", "\x00", "a\x00b", "\xff\xfe", "Zoë 東京 \u202e", strings.Repeat("x", 10_000), strings.Repeat("é", 1001), strings.Repeat("\xff", 5000)}
	var all sync.WaitGroup
	for _, s := range texts {
		all.Go(func() {
			for range 10 {
				err := d.Tx(context.Background(), func(q *db.Queries) error {
					return auth.Audit(context.Background(), q, auth.Entry{Actor: s, Action: s, Target: s, Outcome: auth.Done, Reason: s, Detail: s})
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	// A transaction that fails leaves no gap.
	failed := errors.New("no")
	err := d.Tx(t.Context(), func(q *db.Queries) error {
		return errors.Join(auth.Audit(t.Context(), q, auth.Entry{Action: "x", Outcome: auth.Done}), failed)
	})
	all.Wait()
	if !errors.Is(err, failed) {
		t.Error(err)
	}
	v, err := auth.VerifyAudit(t.Context(), d.Read())
	if err != nil || v.Rows != int64(10*len(texts)) {
		t.Errorf("%d rows, %v", v.Rows, err)
	}
	rows, err := d.Read().AuditSince(t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if len(row.Detail) > 2003 || !utf8.ValidString(row.Detail) || strings.Contains(row.Detail, "\x00") {
			t.Errorf("%d bytes of %.20q were kept", len(row.Detail), row.Detail)
		}
	}
}
