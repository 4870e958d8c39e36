package privacy_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"bursar/app/billing"
	"bursar/app/customer"
	"bursar/app/db"
	"bursar/app/privacy"
	"bursar/app/queue"
)

// age makes everything stored so far older.
func (c *company) age(by time.Duration) {
	c.t.Helper()
	for _, statement := range []string{"events SET received_at = received_at - ?1", "mails SET created_at = created_at - ?1", "runs SET started_at = started_at - ?1",
		"findings SET first_at = first_at - ?1, last_at = last_at - ?1, fixed_at = iif(fixed_at, fixed_at - ?1, 0)"} {
		c.do(func(q *db.Queries) error {
			_, err := q.Change(c.t.Context(), "UPDATE "+statement, by.Milliseconds())
			return err
		})
	}
}

func (c *company) retain(r privacy.Retention) {
	c.t.Helper()
	privacy.Handle(c.worker, r)
	c.do(func(q *db.Queries) error { return queue.Insert(c.t.Context(), q, privacy.Retain{}) })
	c.workOff()
	if n := c.count("SELECT COUNT(*) FROM jobs WHERE kind = 'retain' AND state <> 'completed'"); n != 0 {
		c.t.Fatal("the job failed")
	}
}

const days = 24 * time.Hour

func TestOldPayloadsAreThrownAway(t *testing.T) {
	t.Parallel()
	const purged = "SELECT COUNT(*) FROM events WHERE purged_at > 0 AND length(payload) = 0"
	for _, row := range []struct {
		name string
		old  time.Duration
		keep time.Duration
		want bool
	}{
		{"young", 89 * days, 90 * days, false},
		{"old", 91 * days, 90 * days, true},
		{"kept for ever", 9000 * days, 0, false},
	} {
		c := newCompany(t, true)
		events := c.count("SELECT COUNT(*) FROM events")
		c.age(row.old)
		c.retain(privacy.Retention{Payloads: row.keep})
		if n := c.count(purged); (n > 0) != row.want {
			t.Errorf("%s: %d of %d payloads are gone", row.name, n, events)
		}
		if !row.want {
			continue
		}
		if kept := c.count("SELECT COUNT(*) FROM events WHERE length(payload) > 0"); kept > 2 { // at most what came in the second of the last reading
			t.Errorf("%s: %d of %d payloads are kept though Stripe was asked since", row.name, kept, events)
		}
		if n := c.count("SELECT COUNT(*) FROM events WHERE id LIKE 'evt_%' AND type <> '' AND object_id <> '' AND created_at > 0"); n != events {
			t.Errorf("%s: %d of %d events have their ids and columns", row.name, n, events)
		}
		c.deliver(c.stripe.Events()...)
		if n := c.count("SELECT COUNT(*) FROM events"); n != events {
			t.Errorf("%s: a repetition was taken for something new", row.name)
		}
	}
}

// TestRecordsStayTheSameWithoutOldPayloads: without an API key the records are folded from what is kept.
func TestRecordsStayTheSameWithoutOldPayloads(t *testing.T) {
	t.Parallel()
	c := newCompany(t, false)
	check(t, c.stripe.UpdateCustomer(c.purchase.Customer, name+" II", email))
	check(t, c.stripe.ChangePlan(c.purchase.Subscription, c.stripe.Price("scale")))
	c.stripe.Advance(time.Minute)
	check(t, c.stripe.ChangePlan(c.purchase.Subscription, c.stripe.Price("team")))
	c.stripe.Advance(time.Minute)
	check(t, c.stripe.UpdateCustomer(c.purchase.Customer, name+" III", email))
	_, err := c.stripe.Refund(c.purchase.Charge, 100)
	check(t, err)
	_, err = c.stripe.Refund(c.purchase.Charge, 200)
	check(t, err)
	c.deliver(c.stripe.Events()...)
	c.sync()
	before := c.facts()
	c.age(91 * days)
	c.retain(privacy.Retention{Payloads: 90 * days})
	if c.count("SELECT COUNT(*) FROM events WHERE purged_at > 0") == 0 {
		t.Fatal("nothing was thrown away")
	}
	c.sync()
	if after := c.facts(); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

func (c *company) sync() {
	c.t.Helper()
	c.do(func(q *db.Queries) error {
		return queue.Insert(c.t.Context(), q, billing.SyncCustomer{StripeCustomer: c.purchase.Customer})
	})
	c.workOff()
}

// facts are all that is known of Ada, without when it was written.
func (c *company) facts() string {
	c.t.Helper()
	f, err := customer.Load(c.t.Context(), c.DB.Read(), c.ada)
	check(c.t, err)
	f.Record.SyncedAt, f.Record.UpdatedAt, f.Recent = db.Time{}, db.Time{}, nil
	text, err := json.MarshalIndent(f, "", " ")
	check(c.t, err)
	return string(text)
}

func TestPayloadsThatAJobNeedsAreKept(t *testing.T) {
	t.Parallel()
	c := newCompany(t, true)
	c.age(91 * days)
	id := c.text("SELECT id FROM events WHERE customer <> '' ORDER BY seq LIMIT 1")
	c.do(func(q *db.Queries) error {
		_, err := q.Change(t.Context(), `INSERT INTO jobs (kind, key, args, state, max_attempts, created_at, scheduled_at, finalized_at)
			VALUES ('find_customer', ?, '{}', 'discarded', 1, 1, 1, 1)`, id)
		return err
	})
	c.retain(privacy.Retention{Payloads: 90 * days})
	if c.count("SELECT length(payload) FROM events WHERE id = ?", id) == 0 {
		t.Error("the job that gave up cannot be tried again")
	}
}

func (c *company) text(query string) string {
	c.t.Helper()
	rows, err := c.rows(query)
	check(c.t, err)
	return fmt.Sprint(rows[0]["id"])
}

func (c *company) rows(query string) (rows []db.Row, err error) {
	return c.DB.Read().Rows(c.t.Context(), query)
}

func TestOldMailsAndFindingsAreThrownAway(t *testing.T) {
	t.Parallel()
	c := newCompany(t, true)
	c.do(func(q *db.Queries) error {
		_, err := q.Change(t.Context(), "UPDATE findings SET state = 'fixed', fixed_at = last_at")
		_, err2 := q.Change(t.Context(), `INSERT INTO mails (key, recipients, subject, text, html, state, created_at) VALUES ('late', 'a@example.com', '', '', '', 'waiting', 1)`)
		return errors.Join(err, err2)
	})
	c.age(401 * days)
	c.retain(privacy.Retention{Mails: 400 * days})
	for query, want := range map[string]int64{"SELECT COUNT(*) FROM runs": 0, "SELECT COUNT(*) FROM findings": 0, "SELECT COUNT(*) FROM mails": 1} {
		if n := c.count(query); n != want {
			t.Errorf("%s: %d, not %d", query, n, want)
		}
	}
}
