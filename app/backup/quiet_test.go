package backup

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bursar/app/alert"
	"bursar/app/auth"
	"bursar/app/billing"
	"bursar/app/crm"
	"bursar/app/db"
	"bursar/app/db/dbtest"
	"bursar/app/mail"
	"bursar/app/money"
	"bursar/app/queue"
	"bursar/app/reconcile"
)

// busy is a file in the middle of everything.
func busy(t *testing.T) *db.DB {
	t.Helper()
	d := dbtest.New(t)
	ctx := t.Context()
	check(t, d.Tx(ctx, func(q *db.Queries) error {
		put := func(key string, send bool) {
			check(t, mail.Put(ctx, q, mail.Message{Key: key, To: []string{"ada@example.com"}, Subject: key, Text: "x", HTML: "x", Secret: []byte("sealed")}, send))
		}
		put("report:2026-03-04", true)
		put("kept", false)
		for _, job := range []queue.Args{alert.SendSlack{Notices: []int64{1}}, reconcile.Reconcile{Day: "2026-03-04"}, reconcile.SendReport{Run: 1},
			crm.SyncContact{Contact: crm.Contact{CustomerID: 1}}, billing.SyncCustomer{StripeCustomer: "cus_1"}} {
			check(t, queue.Insert(ctx, q, job))
		}
		for _, statement := range []string{
			"UPDATE jobs SET state = 'running', attempt = 1 WHERE kind = 'reconcile'",
			"INSERT INTO schedules (name, spec, timezone, next_at, last_day) VALUES ('report', '0 7 * * *', 'UTC', 1, '2026-03-03')",
			"INSERT INTO runs (day, state, started_at) VALUES ('2026-03-04', 'running', 1)",
			"INSERT INTO alert_notices (key, kind, level, value, cause, since_at, created_at) VALUES ('jobs', 'opened', 2, 'x', '', 1, 1)",
			"INSERT INTO connectors (system, mode, updated_at) VALUES ('crm:hubspot', 'live', 1), ('desk:zendesk', 'off', 1)",
			"INSERT INTO users (id, email, role, created_at) VALUES (1, 'ada@example.com', 'owner', 1), (2, 'gone@example.com', 'support', 1)",
			"UPDATE users SET disabled_at = 1 WHERE id = 2",
			"INSERT INTO api_keys (name, prefix, hash, scope, created_at) VALUES ('shop', 'bsk_1', x'01', 'read', 1)",
			"INSERT INTO sessions (token_hash, user_id, created_at, seen_at, confirmed_at) VALUES (x'01', 1, 1, 1, 1)",
			"INSERT INTO sign_in_links (token_hash, user_id, kind, created_at, expires_at) VALUES (x'01', 1, 'invite', 1, 9999999999999)",
			"INSERT INTO customers (id, email, created_at, updated_at) VALUES (7, 'c@example.com', 1, 1)",
			"INSERT INTO findings (run_id, kind, subject, expected, actual, repair, state, first_at, last_at, link_hash, link_until_at) VALUES (1, 'x', 'y', '', '', 'person', 'open', 1, 1, x'01', 9999999999999)",
		} {
			if _, err := q.Change(ctx, statement); err != nil {
				return err
			}
		}
		for n, state := range []string{money.Proposed, money.Approved, money.Running, money.Unknown, money.Done} {
			_, err := q.InsertAction(ctx, db.InsertActionParams{Kind: "refund", CustomerID: 7, Target: "ch_1", Params: "{}", AskedBy: 1, AskedRole: "owner",
				AskedAt: db.Now(), FormToken: state, Key: state, State: state, Amount: int64(n)})
			check(t, err)
		}
		return auth.Audit(ctx, q, auth.ByCommand("people.invite", "gone@example.com", ""))
	}))
	return d
}

func TestARestoredFileIsQuiet(t *testing.T) {
	t.Parallel()
	file, to := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "bursar.db")
	check(t, Write(t.Context(), busy(t), file, nil))
	c, err := Restore{File: file, DB: to, Schema: schema(t)}.Run(t.Context())
	check(t, err)
	d := dbtest.At(t, to)
	for _, row := range []struct{ what, query, want string }{
		{"the mail that waited", "SELECT state || ' ' || error || length(secret) FROM mails WHERE key = 'report:2026-03-04'", "superseded not sent: a backup of "},
		{"the mail that was kept", "SELECT state FROM mails WHERE key = 'kept'", "kept"},
		{"jobs that tell people", "SELECT group_concat(DISTINCT state) FROM jobs WHERE kind IN ('send_mail', 'send_slack', 'reconcile', 'send_report')", "cancelled"},
		{"why", "SELECT json_extract(errors, '$[0].error') FROM jobs WHERE kind = 'reconcile'", "a backup of "},
		{"the other jobs", "SELECT group_concat(DISTINCT state) FROM jobs WHERE kind IN ('sync_contact', 'sync_customer')", "available"},
		{"the sweep", "SELECT state FROM jobs WHERE kind = 'sweep'", "available"},
		{"the schedules", "SELECT count(*) FROM schedules", "0"},
		{"the run under way", "SELECT state FROM runs", "failed"},
		{"what people were to be told", "SELECT count(*) FROM alert_notices WHERE mailed_at = 0 OR slacked_at = 0", "0"},
		{"the connectors", "SELECT group_concat(mode) FROM (SELECT mode FROM connectors ORDER BY system)", "observe,off"},
		{"actions that were not settled", "SELECT group_concat(DISTINCT state) FROM actions WHERE key <> 'done'", "unknown"},
		{"their jobs", "SELECT count(*) FROM jobs WHERE kind = 'run_action' AND state = 'available'", "4"},
		{"the one that was", "SELECT state FROM actions WHERE key = 'done'", "done"},
		{"sessions", "SELECT count(*) FROM sessions", "0"},
		{"links", "SELECT (SELECT count(*) FROM sign_in_links) + (SELECT count(*) FROM findings WHERE link_hash IS NOT NULL)", "0"},
		{"the number of the next customer", "INSERT INTO customers (email, created_at, updated_at) VALUES ('n@example.com', 1, 1) RETURNING id", "10008"},
		{"the audit", "SELECT action || ' ' || before || ' ' || detail FROM audit WHERE id = 2", "file.restore last written "},
	} {
		got := ""
		check(t, d.Tx(t.Context(), func(q *db.Queries) error {
			rows, err := q.Rows(t.Context(), row.query)
			for _, r := range rows {
				for _, value := range r {
					got = fmt.Sprint(value)
				}
			}
			return err
		}))
		if !strings.HasPrefix(got, row.want) {
			t.Errorf("%s: %q, want %q", row.what, got, row.want)
		}
	}
	if s := c.Stopped; s.Mails != 1 || s.Jobs != 4 || s.Actions != 4 || len(s.Connectors) != 1 || s.Connectors[0] != "crm:hubspot" {
		t.Errorf("it tells of %+v", s)
	}
	if len(c.People) != 1 || c.People[0] != "ada@example.com" || len(c.APIKeys) != 1 || c.APIKeys[0] != "shop" {
		t.Errorf("who may come in: %q, %q", c.People, c.APIKeys)
	}
	if time.Since(c.CopyAt) > time.Minute || c.AuditBroken != "" {
		t.Errorf("the copy is of %v, its audit %q", c.CopyAt, c.AuditBroken)
	}
	if v, err := auth.VerifyAudit(t.Context(), d.Read()); err != nil || v.Rows != 2 {
		t.Errorf("the audit: %+v, %v", v, err)
	}
	kept, err := db.ReadRestored(t.Context(), d.Read())
	if err != nil || kept.At.UnixMilli() != c.At.UnixMilli() || kept.CopyAt.UnixMilli() != c.CopyAt.UnixMilli() {
		t.Errorf("the file remembers %+v, %v", kept, err)
	}
}

// TestWhatWasEndedSinceIsNamed has the file that was there, which knows of it.
func TestWhatWasEndedSinceIsNamed(t *testing.T) {
	t.Parallel()
	d, file := busy(t), filepath.Join(t.TempDir(), "backup")
	check(t, Write(t.Context(), d, file, nil))
	check(t, d.Tx(t.Context(), func(q *db.Queries) error {
		for _, statement := range []string{"INSERT INTO users (email, role, created_at) VALUES ('new@example.com', 'support', 1)",
			"UPDATE users SET disabled_at = 1 WHERE id = 1", "UPDATE api_keys SET revoked_at = 1", "UPDATE customers SET erased_at = 1"} {
			if _, err := q.Change(t.Context(), statement); err != nil {
				return err
			}
		}
		return nil
	}))
	check(t, d.Close())
	r := Restore{File: file, DB: d.Path(), Schema: schema(t), Replace: true}
	c, err := r.Run(t.Context())
	check(t, err)
	want := []string{"ada@example.com was disabled (page People)", "API key shop was revoked (bursar apikey revoke shop)", "customer 7 was erased (bursar erase 7)"}
	if !c.Compared || !slices.Equal(c.Ended, want) {
		t.Errorf("it names %q", c.Ended)
	}
	check(t, os.WriteFile(d.Path(), []byte("damaged"), 0o600))
	if c, err = r.Run(t.Context()); err != nil || c.Compared {
		t.Errorf("beside a damaged file: %+v, %v", c, err)
	}
}

func TestABackupWithABrokenAuditIsRestoredWithAWarning(t *testing.T) {
	t.Parallel()
	d := busy(t)
	check(t, d.Tx(t.Context(), func(q *db.Queries) error {
		for _, statement := range []string{"DROP TRIGGER audit_update", "UPDATE audit SET target = 'eve@example.com'"} {
			if _, err := q.Change(t.Context(), statement); err != nil {
				return err
			}
		}
		return nil
	}))
	file := filepath.Join(t.TempDir(), "backup")
	check(t, Write(t.Context(), d, file, nil))
	r := Restore{File: file, DB: filepath.Join(t.TempDir(), "bursar.db"), Schema: schema(t)}
	if _, err := r.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "the audit is broken at entry 1") {
		t.Errorf("--check says %v", err)
	}
	c, err := r.Run(t.Context())
	if err != nil || !strings.Contains(c.AuditBroken, "at entry 1") {
		t.Errorf("restored: %q, %v", c.AuditBroken, err)
	}
}
